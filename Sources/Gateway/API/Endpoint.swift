import HTTPTypes
import HandModel
import Wire

/// A call of the API: what it is for, who may make it, what goes in and out, and what it does. Router,
/// OpenAPI document, authorisation and the tests of all three are made of the one list of them.
package struct Endpoint: Sendable {
  /// Who may make a call.
  package enum Access: Sendable, Equatable {
    /// Anybody.
    case open
    /// Who is at least that.
    case role(Role)
  }

  /// A parameter of the path or of the query.
  package struct Parameter: Sendable {
    var name: String
    var shape: Shape
    var meaning: String
    var isRequired = false
  }

  /// An answer.
  package struct Answer: Sendable {
    var status = 200
    var contentType = "application/json"
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]

    /// JSON.
    static func json(_ value: JSONValue, status: Int = 200) -> Self {
      Self(status: status, body: value.encoded())
    }

    /// A text of another kind.
    static func text(_ text: String, _ contentType: String) -> Self {
      Self(contentType: contentType, body: Array(text.utf8))
    }
  }

  /// The handler of a call. Throws what is answered instead.
  package typealias Handler = @Sendable (Call) async throws(Problem) -> Answer

  var method: HTTPRequest.Method
  /// As OpenAPI writes it: `/hands/{hand}/events`. A part `{hand}` is a hand for which the caller's right is
  /// asked.
  var path: String
  var access: Access
  /// In a few words.
  var summary: String
  var parameters: [Parameter] = []
  var body: Shape?
  /// Status and shape of what is answered where all is well.
  var success = (status: 200, shape: Shape.any, contentType: "application/json")
  /// Statuses of its own beside those that every call may have.
  var failures: [Int] = []
  /// Whether it stops a hand, which nothing may keep from it.
  var isStop = false
  var handler: Handler

  /// Names of the path's parts in braces.
  var pathParameters: [String] {
    path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
  }

  /// Shapes of the parts of paths.
  static let pathShapes: [String: (shape: Shape, meaning: String)] = [
    "hand": (.text(1...64), "the hand's name: A-Z a-z 0-9 _ -"),
    "run": (.text(1...64), "a start of the hand's daemon"),
    "first": (.integer(0...Int64.max), "the block's first tick"),
    "id": (.text(1...50), "name of the source"),
    "number": (.integer(1...Int64.max), "the number"),
    "user": (.text(1...255), "the user's name"),
  ]

  /// Statuses that any call of this kind may be answered with.
  var everyFailure: [Int] {
    var statuses: Set<Int> = Set(failures).union([429, 500, 503])
    if case .role = access { statuses.formUnion([401, 403]) }
    if body != nil { statuses.formUnion([400, 408, 413, 415, 422]) }
    if !parameters.isEmpty || !pathParameters.isEmpty { statuses.insert(422) }
    if pathParameters.contains("hand") { statuses.insert(404) }
    return statuses.sorted()
  }
}

/// One request of an endpoint, checked against its shapes.
package struct Call: Sendable {
  /// Parts of the path in braces.
  var path: [String: String]
  /// The query.
  var query: [String: String]
  /// Null where the endpoint takes none.
  var body: JSONValue
  /// Who asks; nil where anybody may.
  var identity: Identity?
  /// Where the request came from, for audit and throttle.
  var address: String
  var userAgent: String
  /// By which log and answer name the request.
  var requestID: String
  var now: Timestamp

  /// The hand of the path.
  var hand: String { path["hand"] ?? "" }

  /// A number of the query.
  func whole(_ name: String, or fallback: Int64) -> Int64 { query[name].flatMap(Int64.init) ?? fallback }

  /// A time of the query.
  func time(_ name: String) throws(Problem) -> Timestamp? {
    guard let text = query[name] else { return nil }
    guard let time = Timestamp(text: text) else {
      throw .invalid([
        "query.\(name): found \(JSON.quoted(text.shortened)), expected a time as 2026-11-30T19:24:00Z"
      ])
    }
    return time
  }

  /// Who asks, of an endpoint that is not open.
  func asker() throws(Problem) -> Identity {
    guard let identity else { throw .unauthorised("no identity") }
    return identity
  }
}
