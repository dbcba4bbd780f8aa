import Foundation
import HTTPTypes
import HandModel
import Hummingbird
import Logging
import NIOCore
import Synchronization
import Wire

/// What Hummingbird gives for a request.
struct APIContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// Of the client, without its port; of a proxy where one stands between.
  let address: String

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    address = source.channel.remoteAddress?.ipAddress ?? "unknown"
  }
}

/// The API: finds the endpoint of a request, sees who asks and whether the request is as its shape says, and
/// answers.
package struct APIServer: Sendable {
  /// A body has so many bytes at most.
  static let largestBody = 1_048_576
  /// For a body to come: a client that takes longer holds a connection for nothing.
  private static let bodySeconds: Int64 = 10
  private static let longestQuery = 4096
  private static let problemType = "application/problem+json"

  /// Every call, and the document that describes them.
  let endpoints: [Endpoint]
  private let services: GatewayServices
  private let isBehindProxy: Bool

  /// - Parameter isBehindProxy: whether all requests come through a proxy, whose X-Forwarded-For is believed.
  package init(services: GatewayServices, isBehindProxy: Bool = false) {
    self.services = services
    self.isBehindProxy = isBehindProxy
    let all =
      SystemEndpoints(services: services).all + AuthEndpoints(services: services).all
      + HandEndpoints(services: services).all + SourceEndpoints(services: services).all
      + ExperimentEndpoints(services: services).all
    endpoints = all + OpenAPI.endpoints(describing: all)
  }

  /// Answers requests.
  func router() -> Router<APIContext> {
    let router = Router(context: APIContext.self)
    router.add(middleware: Fallback(endpoints: endpoints))
    for endpoint in endpoints {
      router.on(RouterPath(stringLiteral: endpoint.path), method: endpoint.method) { request, context in
        await answer(endpoint, request, context)
      }
    }
    return router
  }

  private func answer(_ endpoint: Endpoint, _ request: Request, _ context: APIContext) async -> Response {
    let start = ContinuousClock.now
    let requestID = Self.requestID(request)
    let answer: Endpoint.Answer
    do throws(Problem) {
      let call = try await call(endpoint, request, context, requestID)
      answer = try await endpoint.handler(call)
    } catch {
      if error.status >= 500 {
        services.log.error(
          "request \(requestID): \(request.method) \(endpoint.path): \(error.status): \(error.detail): \(error.cause)"
        )
      }
      answer = Self.answer(error, requestID)
    }
    let elapsed = start.duration(to: .now) / .seconds(1)
    services.metrics.countRequest(
      method: request.method.rawValue, endpoint: endpoint.path, status: answer.status, seconds: elapsed)
    return Self.response(answer, requestID)
  }

  fileprivate static func answer(_ problem: Problem, _ requestID: String) -> Endpoint.Answer {
    Endpoint.Answer(
      status: problem.status, contentType: problemType, headers: problem.headers,
      body: problem.json(requestID: requestID).encoded())
  }

  fileprivate static func response(_ answer: Endpoint.Answer, _ requestID: String) -> Response {
    var headers = HTTPFields()
    headers[.contentType] = answer.contentType
    headers[.contentLength] = "\(answer.body.count)"
    headers[.cacheControl] = "no-store"
    headers[.xContentTypeOptions] = "nosniff"
    headers[.requestID] = requestID
    for (name, value) in answer.headers {
      if let name = HTTPField.Name(name) { headers[name] = value }
    }
    return Response(
      status: .init(code: answer.status), headers: headers,
      body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
  }

  /// The client's own where it is one that a log can bear.
  fileprivate static func requestID(_ request: Request) -> String {
    if let given = request.headers[.requestID], HandIdentity.isValid(handID: given) { return given }
    return "\(processName)-\(requests.wrappingAdd(1, ordering: .relaxed).newValue)"
  }

  /// Tells requests of this start from those of others.
  private static let processName = String(Secret.make().prefix(8))
  private static let requests = Atomic<UInt64>(0)

  // MARK: Reading a request

  private func call(
    _ endpoint: Endpoint, _ request: Request, _ context: APIContext, _ requestID: String
  ) async throws(Problem) -> Call {
    let now = Timestamp.now
    var path: [String: String] = [:]
    for name in endpoint.pathParameters {
      guard let part = context.parameters.get(name)?.removingPercentEncoding else {
        throw .invalid(["path.\(name): expected percent-encoded UTF-8"])
      }
      path[name] = part
    }
    // Who may not make a call is told nothing of it.
    let identity = try await identity(endpoint, request, hand: path["hand"], now: now)
    var problems: [String] = []
    for (name, value) in path {
      guard let shape = Endpoint.pathShapes[name]?.shape else { continue }
      problems += shape.problems(Self.value(value, shape), "path.\(name)")
      if name == "hand", !HandIdentity.isValid(handID: value) {
        problems.append("path.hand: expected A-Z a-z 0-9 _ -")
      }
    }
    let query = try query(endpoint, request, &problems)
    guard problems.isEmpty else { throw .invalid(problems) }
    let body = try await body(endpoint, request)
    return Call(
      path: path, query: query, body: body, identity: identity, address: address(request, context),
      userAgent: String((request.headers[.userAgent] ?? "").printable.prefix(Self.longestAgent)),
      requestID: requestID, now: now)
  }

  private static let longestAgent = 200

  /// Where a request came from: what the proxy next to us saw, which is the last that the header names.
  private func address(_ request: Request, _ context: APIContext) -> String {
    guard isBehindProxy, let last = request.headers[.forwardedFor]?.split(separator: ",").last else {
      return context.address
    }
    return String(last.filter { !$0.isWhitespace }.prefix(Self.longestAddress)).printable
  }

  /// An IPv6 address with a zone.
  private static let longestAddress = 64

  /// Numbers come as texts in paths and queries.
  private static func value(_ text: String, _ shape: Shape) -> JSONValue {
    switch shape {
    case .integer, .number: .number(text)
    default: .string(text)
    }
  }

  private func identity(
    _ endpoint: Endpoint, _ request: Request, hand: String?, now: Timestamp
  ) async throws(Problem) -> Identity? {
    guard case .role(let least) = endpoint.access else { return nil }
    guard let secret = Self.secret(request) else {
      throw .unauthorised("log in, and send the access token as Authorization: Bearer")
    }
    guard let identity = try await identity(of: secret, endpoint, now) else {
      throw .unauthorised("the access token or key is not good")
    }
    guard identity.role >= least else {
      throw .forbidden("the role \(identity.role.rawValue) may not do this, \(least.rawValue) may")
    }
    if let hand, !identity.mayReach(hand: hand) {
      throw .forbidden("this hand is not among those of \(identity.username)")
    }
    return identity
  }

  /// For a stop a key that was good when the store answered last is good.
  private func identity(of secret: String, _ endpoint: Endpoint, _ now: Timestamp) async throws(Problem)
    -> Identity?
  {
    do throws(Problem) { return try await services.identity(of: secret, now: now)?.0 } catch {
      guard error.status == 503, endpoint.isStop, let known = services.keys.remembered(secret) else {
        throw error
      }
      return known
    }
  }

  /// The bearer's token or key.
  static func secret(_ request: Request) -> String? {
    if let key = request.headers[.apiKey] { return key }
    guard let header = request.headers[.authorization] else { return nil }
    let parts = header.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return String(parts[1])
  }

  private func query(
    _ endpoint: Endpoint, _ request: Request, _ problems: inout [String]
  ) throws(Problem) -> [String: String] {
    guard request.uri.query?.utf8.count ?? 0 <= Self.longestQuery else {
      throw .invalid(["query: expected at most \(Self.longestQuery) bytes"])
    }
    var query: [String: String] = [:]
    for (name, value) in request.uri.queryParameters {
      let (name, value) = (String(name), String(value))
      guard let parameter = endpoint.parameters.first(where: { $0.name == name }) else {
        let known = endpoint.parameters.map(\.name).joined(separator: ", ")
        problems.append(
          "query.\(name.printable.shortened): not known, expected \(known.isEmpty ? "no parameters" : known)")
        continue
      }
      guard query.updateValue(value, forKey: name) == nil else {
        problems.append("query.\(name): found more than once")
        continue
      }
      problems += parameter.shape.problems(Self.value(value, parameter.shape), "query.\(name)")
    }
    for parameter in endpoint.parameters where parameter.isRequired && query[parameter.name] == nil {
      problems.append("query.\(parameter.name): missing")
    }
    return query
  }

  private func body(_ endpoint: Endpoint, _ request: Request) async throws(Problem) -> JSONValue {
    guard let shape = endpoint.body else { return .null }
    let type = request.headers[.contentType]?.split(separator: ";").first.map { $0.lowercased() }
    guard type == "application/json" else {
      throw Problem(status: 415, detail: "expected a body of Content-Type: application/json")
    }
    let bytes = try await bytes(request)
    let value: JSONValue
    do { value = try JSONValue(parsing: bytes) } catch { throw .badRequest("the body: \(error.description)") }
    let problems = shape.problems(value)
    guard problems.isEmpty else { throw .invalid(problems) }
    return value
  }

  private func bytes(_ request: Request) async throws(Problem) -> [UInt8] {
    let tooLarge = Problem.tooLarge("the body has more than \(Self.largestBody) bytes")
    if let length = request.headers[.contentLength].flatMap(Int.init), length > Self.largestBody {
      throw tooLarge
    }
    do {
      return try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask { Array(buffer: try await request.body.collect(upTo: Self.largestBody)) }
        group.addTask {
          try await Task.sleep(for: .seconds(Self.bodySeconds))
          throw Problem(status: 408, detail: "the body did not come within \(Self.bodySeconds) s")
        }
        defer { group.cancelAll() }
        return try await group.next() ?? []
      }
    } catch let problem as Problem { throw problem } catch is NIOTooManyBytesError {
      throw tooLarge
    } catch let error
      as HTTPError where error.status == .contentTooLarge
    { throw tooLarge } catch { throw .badRequest("the body cannot be read") }
  }
}

/// What no endpoint answers, in the same words as all other problems.
private struct Fallback: RouterMiddleware {
  let endpoints: [Endpoint]

  func handle(
    _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
  ) async throws -> Response {
    do { return try await next(request, context) } catch {
      let requestID = APIServer.requestID(request)
      var problem = Problem.notFound("there is no such path; /docs lists all calls")
      if request.headers[.upgrade]?.lowercased().contains("websocket") == true {
        problem = Problem(
          status: 426,
          detail:
            "a WebSocket is at /ws, or on its own port: by the first request of a connection, of a program or of a "
            + "page that may")
      } else if let error = error as? HTTPError, error.status != .notFound {
        problem = Problem(status: error.status.code, detail: "the request cannot be read")
      } else {
        let allowed = endpoints.filter { Self.matches(request.uri.path, $0.path) }.map(\.method.rawValue)
        if !allowed.isEmpty {
          problem = Problem(
            status: 405, detail: "expected \(allowed.joined(separator: ", "))",
            headers: [("Allow", allowed.joined(separator: ", "))])
        }
      }
      return APIServer.response(APIServer.answer(problem, requestID), requestID)
    }
  }

  private static func matches(_ path: String, _ pattern: String) -> Bool {
    let (found, wanted) = (path.split(separator: "/"), pattern.split(separator: "/"))
    return found.count == wanted.count && zip(found, wanted).allSatisfy { $1.hasPrefix("{") || $0 == $1 }
  }
}

extension HTTPField.Name {
  /// By which a client or the gateway names a request.
  static let requestID = Self("X-Request-Id")!
  /// Whom a proxy has a request from.
  static let forwardedFor = Self("X-Forwarded-For")!
  /// In place of Authorization, for programs.
  static let apiKey = Self("X-API-Key")!
}
