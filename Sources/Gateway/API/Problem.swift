import Wire

/// Why a request is not answered as asked: RFC 9457, `application/problem+json`.
package struct Problem: Error, Sendable {
  /// HTTP's status.
  var status: Int
  /// For people: what was found and what was expected.
  var detail: String
  /// Each thing that is wrong with the request.
  var problems: [String] = []
  /// What the log is told beside that, and the client is not.
  var cause = ""
  /// Further headers.
  var headers: [(name: String, value: String)] = []

  static func badRequest(_ detail: String) -> Self { Self(status: 400, detail: detail) }

  /// No identity, or one that is over. RFC 6750, section 3.
  static func unauthorised(_ detail: String) -> Self {
    Self(
      status: 401, detail: detail, headers: [("WWW-Authenticate", "Bearer realm=\"motorhand\"")])
  }

  static func forbidden(_ detail: String) -> Self { Self(status: 403, detail: detail) }
  static func notFound(_ detail: String) -> Self { Self(status: 404, detail: detail) }
  static func conflict(_ detail: String) -> Self { Self(status: 409, detail: detail) }
  static func tooLarge(_ detail: String) -> Self { Self(status: 413, detail: detail) }
  static func invalid(_ problems: [String]) -> Self {
    Self(status: 422, detail: problems.first ?? "the request cannot be read", problems: problems)
  }
  /// - Parameter seconds: after which it may be tried again.
  static func tooMany(_ detail: String, retryAfter seconds: Int64) -> Self {
    Self(status: 429, detail: detail, headers: [("Retry-After", "\(max(1, seconds))")])
  }
  static func unavailable(_ detail: String) -> Self {
    Self(status: 503, detail: detail, headers: [("Retry-After", "1")])
  }
  static func timeout(_ detail: String) -> Self { Self(status: 504, detail: detail) }

  /// What the store could not do. What is wrong within is for the log, not for the client.
  init(_ error: StoreError) {
    switch error {
    case .unavailable: self = .unavailable("the store does not answer")
    case .exists(let what): self = .conflict("it is there already: \(what)")
    case .missing(let what): self = .notFound("it is not there: \(what)")
    case .newer, .older, .contradiction, .defect:
      self = Self(status: 500, detail: "the gateway failed; see its log")
    }
    cause = error.description
  }

  init(
    status: Int, detail: String, problems: [String] = [], headers: [(name: String, value: String)] = []
  ) {
    self.status = status
    self.detail = detail
    self.problems = problems
    self.headers = headers
  }

  /// The body.
  /// - Parameter requestID: by which the log has it.
  func json(requestID: String) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("type", "about:blank"), ("title", .string(Self.titles[status] ?? "Error")),
      ("status", .number("\(status)")),
      ("detail", .string(detail)), ("request_id", .string(requestID)),
    ]
    if !problems.isEmpty { members.append(("problems", .array(problems.map(JSONValue.string)))) }
    return .members(members)
  }

  /// Its shape, for the document.
  static let shape = Shape.object([
    .required("type", .text(), "always about:blank: the status says what kind it is"),
    .required("title", .text(), "of the status"), .required("status", .integer(400...599), "HTTP's status"),
    .required("detail", .text(), "what was found and what was expected"),
    .required("request_id", .text(), "by which the gateway's log has it"),
    .optional("problems", .list(of: .text(), 0...1000), "each thing that is wrong with the request"),
  ])

  /// RFC 9110, section 15.
  static let titles = [
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
    422: "Unprocessable Content", 426: "Upgrade Required", 429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable", 504: "Gateway Timeout",
  ]
}
