import Foundation
import FoundationNetworking
import HandModel
import Logging
import Realtime
import Recording
import Synchronization
import Telemetry
import Testing
import Wire

@testable import Gateway

/// A gateway on a free port, with a store of its own and a broker that is not there.
final class TestGateway: Sendable {
  static let password = "correct horse battery"
  static let secret = Array("0123456789abcdef0123456789abcdef".utf8)

  let services: GatewayServices
  let port: Int
  private let run: Task<Void, any Error>
  private let directory: TemporaryDirectory

  init() async throws {
    directory = try TemporaryDirectory()
    let store = try SQLiteStore(path: directory.path + "/gateway.sqlite")
    try await Migrations.migrate(store, now: .now)
    // Nobody listens there: the port is reserved.
    let broker = PublisherOptions(host: "127.0.0.1", port: 1)
    services = try await GatewayServices(
      store: store, secret: Self.secret, tokenSeconds: 900, broker: broker, replica: "test",
      log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    for role in Role.allCases {
      _ = try await services.accounts.create(
        username: role.rawValue, email: "\(role.rawValue)@example.org", password: Self.password, role: role,
        by: "test", now: .now)
    }
    _ = try await services.accounts.create(
      username: "guest", email: "guest@example.org", password: Self.password, role: .admin, hands: ["other"],
      by: "test", now: .now)
    let server = GatewayServer(
      services: services,
      options: .init(
        broker: broker, api: .init(host: "127.0.0.1", port: 0), webSocket: nil, replica: "test"))
    let (ports, continuation) = AsyncStream<Int>.makeStream()
    run = Task { try await server.run(signals: []) { continuation.yield($1) } }
    var iterator = ports.makeAsyncIterator()
    port = try #require(await iterator.next())
  }

  deinit { run.cancel() }

  /// Ends it, and waits for that.
  func end() async {
    run.cancel()
    _ = await run.result
    await services.store.close()
  }

  /// An access token of one of the users.
  func token(_ username: String, seconds: Int64 = 0) async throws -> String {
    let user = try #require(try await services.accounts.all().first { $0.username == username })
    return try await services.tokens.make(for: user.identity, now: Timestamp.now.adding(seconds: seconds))
  }

  struct Answer {
    var status: Int
    var headers: [String: String]
    var bytes: [UInt8]
    var json: JSONValue { JSONValue(json: bytes) }
  }

  /// One request.
  func call(
    _ method: String, _ path: String, token: String? = nil, body: JSONValue? = nil, bytes: [UInt8]? = nil,
    headers: [String: String] = [:]
  ) async throws -> Answer {
    var request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(port)\(path)")))
    request.httpMethod = method
    request.timeoutInterval = 60
    if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
    if let body = bytes ?? body?.encoded() {
      request.httpBody = Data(body)
      request.setValue("application/json", forHTTPHeaderField: "Content-Type")
    }
    for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
    let (data, response) = try await URLSession.shared.data(for: request)
    let answer = try #require(response as? HTTPURLResponse)
    var fields: [String: String] = [:]
    for (name, value) in answer.allHeaderFields { fields["\(name)".lowercased()] = "\(value)" }
    return Answer(status: answer.statusCode, headers: fields, bytes: Array(data))
  }
}

@Suite("REST", .serialized)
struct APITests {
  /// Who may make which call, written down a second time: a change must be meant twice.
  private static let table = """
    GET / -
    GET /health -
    GET /health/live -
    GET /health/ready -
    GET /metrics -
    GET /openapi.json -
    GET /docs -
    POST /auth/setup -
    POST /auth/login -
    POST /auth/refresh -
    POST /auth/logout -
    GET /auth/me viewer
    POST /auth/ticket viewer
    POST /users admin
    GET /users admin
    PATCH /users/{user} admin
    POST /api-keys viewer
    GET /api-keys viewer
    DELETE /api-keys/{number} viewer
    GET /audit admin
    GET /hands viewer
    GET /hands/{hand} viewer
    GET /hands/{hand}/state viewer
    GET /hands/{hand}/birth viewer
    GET /hands/{hand}/events viewer
    GET /hands/{hand}/runs viewer
    GET /hands/{hand}/reconciliation viewer
    GET /hands/{hand}/runs/{run}/blocks/{first} viewer
    GET /hands/{hand}/series viewer
    POST /hands/{hand}/commands operator
    POST /hands/{hand}/stop operator
    POST /telemetry/spacecraft operator
    GET /telemetry/spacecraft/{id} viewer
    POST /agp/state operator
    GET /agp/state/{id} viewer
    POST /experiments operator
    GET /experiments viewer
    GET /experiments/{number} viewer
    """

  @Test("each call is for whom the table says, and for nobody else")
  func authorisation() async throws {
    let gateway = try await TestGateway()
    let rows = Self.table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let found = APIServer(services: gateway.services).endpoints.map { endpoint in
      let access = if case .role(let role) = endpoint.access { role.rawValue } else { "-" }
      return "\(endpoint.method.rawValue) \(endpoint.path) \(access)"
    }
    #expect(Set(found) == Set(rows.map { $0.joined(separator: " ") }))
    #expect(Set(found).count == found.count)
    var tokens: [String: String] = [:]
    for name in ["viewer", "operator", "admin", "guest"] { tokens[name] = try await gateway.token(name) }
    for row in rows {
      let path = row[1].replacing("{hand}", with: "sim").replacing("{number}", with: "1")
        .replacing("{first}", with: "0").replacing("{run}", with: "r").replacing("{user}", with: "nobody")
        .replacing("{id}", with: "x")
      func status(_ token: String?) async throws -> Int {
        try await gateway.call(row[0], path, token: token, bytes: row[0] == "GET" ? nil : Array("{".utf8))
          .status
      }
      let least = Role(rawValue: row[2])
      #expect(try await status(nil) == 401 || least == nil, "\(row) without a token")
      #expect(try await status("nonsense") == 401 || least == nil, "\(row) with no token of ours")
      for role in Role.allCases {
        let code = try await status(tokens[role.rawValue])
        if let least, role < least {
          #expect(code == 403, "\(row) as \(role): \(code)")
        } else {
          #expect(
            code != 401 && code != 403 && code < 500 || row[1].contains("health")
              || row[1].hasSuffix("/stop"), "\(row) as \(role): \(code)")
        }
      }
      if row[1].contains("{hand}") {
        #expect(try await status(tokens["guest"]) == 403, "\(row) of another hand")
      }
    }
    await gateway.end()
  }

  @Test("the document describes every call and no other, and each of its answers")
  func document() async throws {
    let gateway = try await TestGateway()
    let document = try await gateway.call("GET", "/openapi.json").json
    #expect(document["openapi"]?.text == "3.1.0")
    guard case .object(let paths)? = document["paths"] else { throw Problem.notFound("paths") }
    var described: Set<String> = []
    for path in paths {
      guard case .object(let operations) = path.value else { continue }
      for operation in operations {
        described.insert("\(operation.key.uppercased()) \(path.key)")
        #expect(operation.value["responses"] != nil && operation.value["summary"]?.text?.isEmpty == false)
      }
    }
    let endpoints = APIServer(services: gateway.services).endpoints
    #expect(described == Set(endpoints.map { "\($0.method.rawValue) \($0.path)" }))
    let page = String(decoding: try await gateway.call("GET", "/docs").bytes, as: UTF8.self)
    for endpoint in endpoints { #expect(page.contains(endpoint.path)) }
    await gateway.end()
  }

  @Test("a token of another algorithm, secret, service or time is none")
  func tokens() async throws {
    let gateway = try await TestGateway()
    func status(_ token: String) async throws -> Int {
      try await gateway.call("GET", "/auth/me", token: token).status
    }
    let good = try await gateway.token("admin")
    #expect(try await status(good) == 200)
    #expect(try await status(try await gateway.token("admin", seconds: -900)) == 401, "over")
    #expect(try await status(try await gateway.token("admin", seconds: 60)) == 401, "not good yet")
    let parts = good.split(separator: ".").map(String.init)
    for header in [
      #"{"alg":"none","typ":"JWT"}"#, #"{"alg":"HS384","typ":"JWT"}"#, #"{"alg":"RS256","typ":"JWT"}"#,
      #"{"alg":"HS256","typ":"JWT","kid":"1"}"#, #"{"alg":"HS256","typ":"JWT","jwk":{}}"#,
      #"{"alg":"HS256","typ":"JWT","crit":["x"]}"#, #"{"alg":"HS256"}"#, "[]", "",
    ] {
      let forged = "\(Secret.base64URL(Array(header.utf8))).\(parts[1])"
      #expect(try await status("\(forged).\(parts[2])") == 401, "\(header)")
      #expect(try await status("\(forged).") == 401, "\(header) without signature")
    }
    let other = try await AccessTokens(secret: Array(TestGateway.secret.reversed()))
    let identity = Identity(username: "admin", userID: 3, role: .admin, hands: ["*"])
    #expect(try await status(try await other.make(for: identity, now: .now)) == 401, "another secret")
    // What is known of a token that was good does not outlast it.
    let mine = try await other.make(for: identity, now: StoreContractTests.now)
    for _ in 0..<2 { #expect(try await other.read(mine, now: StoreContractTests.now).0 == identity) }
    await #expect(throws: AccessTokens.Refusal.expired) {
      try await other.read(mine, now: StoreContractTests.now.adding(seconds: 900))
    }
    await #expect(throws: AccessTokens.Refusal.self) {
      try await other.read(mine, now: StoreContractTests.now.adding(seconds: -60))
    }
    for end in 0..<3 {
      var changed = parts
      changed[end] = String(changed[end].dropLast())
      #expect(try await status(changed.joined(separator: ".")) == 401)
    }
    #expect(try await status(String(repeating: "x", count: 9000)) == 401)
    await #expect(throws: AccessTokens.WeakSecret(bytes: 31)) {
      try await AccessTokens(secret: Array(TestGateway.secret.dropLast()))
    }
    await gateway.end()
  }

  @Test("what is wrong with a request is said, with its place, and nothing is done")
  func badRequests() async throws {
    let gateway = try await TestGateway()
    let token = try await gateway.token("operator")
    let experiment: JSONValue = ["name": "n", "configuration": ["a": 1]]
    #expect(try await gateway.call("POST", "/experiments", token: token, body: experiment).status == 200)
    for (body, status, said) in [
      ("{", 400, "the body: invalid JSON"), ("[]", 422, "body: expected an object"),
      (#"{"name":"n"}"#, 422, "body.configuration: missing"),
      (#"{"name":"n","configuration":{},"extra":1}"#, 422, "body.extra: not known"),
      (#"{"name":"","configuration":{}}"#, 422, "body.name: found 0 characters"),
      (#"{"name":"a","name":"b","configuration":{}}"#, 422, "body.name: found more than once"),
      (#"{"name":7,"configuration":{}}"#, 422, "body.name: expected a text"),
      (#"{"name":"\u0000","configuration":{}}"#, 422, "body.name: found a control character"),
      (#"{"name":"n","configuration":{"a":["\u0000"]}}"#, 422, "body.configuration: found a zero byte"),
      (#"{"name":"n","configuration":{"a":1e999}}"#, 422, "expected a finite number"),
    ] {
      let answer = try await gateway.call("POST", "/experiments", token: token, bytes: Array(body.utf8))
      #expect(
        answer.status == status && answer.json["detail"]?.text?.contains(said) == true,
        "\(body): \(answer.json)")
      #expect(answer.headers["content-type"] == "application/problem+json")
      #expect(answer.json["request_id"]?.text == answer.headers["x-request-id"])
    }
    let long = #"{"name":"n","configuration":{"a":""# + String(repeating: "x", count: 70_000) + #""}}"#
    #expect(
      try await gateway.call("POST", "/experiments", token: token, bytes: Array(long.utf8)).status == 422)
    let large = Array(repeating: UInt8(ascii: " "), count: APIServer.largestBody + 1)
    #expect(try await gateway.call("POST", "/experiments", token: token, bytes: large).status == 413)
    let plain = try await gateway.call(
      "POST", "/experiments", token: token, body: experiment, headers: ["Content-Type": "text/plain"])
    #expect(plain.status == 415)
    for (query, said) in [
      ("?limit=0", "query.limit: found 0"), ("?limit=many", "query.limit"),
      ("?size=1", "query.size: not known"),
      ("?limit=1&limit=2", "query.limit: found more than once"),
    ] {
      let answer = try await gateway.call("GET", "/agp/state/x" + query, token: token)
      #expect(
        answer.status == 422 && answer.json["detail"]?.text?.contains(said) == true,
        "\(query): \(answer.json)")
    }
    #expect(try await gateway.call("GET", "/hands/%00", token: token).status == 422)
    #expect(try await gateway.call("GET", "/nothing", token: token).json["status"] == .number("404"))
    let wrong = try await gateway.call("PUT", "/experiments", token: token, body: experiment)
    #expect(wrong.status == 405 && wrong.headers["allow"]?.contains("POST") == true)
    #expect(try await gateway.call("GET", "/experiments", token: token).json.items.count == 1)
    await gateway.end()
  }

  @Test("the source system's points and states come back value for value, newest first")
  func source() async throws {
    let gateway = try await TestGateway()
    let token = try await gateway.token("operator")
    let point: JSONValue = [
      "spacecraft_id": "sc 1/2", "position": [.number("1.5"), .number("-2"), .number("3e3")],
      "velocity": [0, 0, .number("0.25")], "quaternion": [1, 0, 0, 0], "temperature": .number("21.5"),
      "metadata": ["note": "first"],
    ]
    #expect(
      try await gateway.call("POST", "/telemetry/spacecraft", token: token, body: point).json
        == ["status": "ok", "spacecraft_id": "sc 1/2"])
    let rows = try await gateway.call("GET", "/telemetry/spacecraft/sc%201%2F2", token: token).json.items
    #expect(rows.count == 1 && rows[0]["position"]?.items.map(\.double) == [1.5, -2, 3000])
    #expect(rows[0]["acceleration"] == nil && rows[0]["temperature"]?.double == 21.5)
    #expect(rows[0]["metadata"]?["note"]?.text == "first")
    for number in 0..<3 {
      let state: JSONValue = [
        "system_id": "agp-1", "primal_state": .number("\(number)"), "error_position": [0, 0, 0],
        "error_velocity": [0, 0, 0], "integral_state": 0, "lipschitz_constant": .number("0.87"),
        "control_mode": "STATION-KEEP",
      ]
      let answer = try await gateway.call("POST", "/agp/state", token: token, body: state)
      #expect(answer.json["hash"]?.text?.utf8.count == 128)
    }
    let states = try await gateway.call("GET", "/agp/state/agp-1?limit=2", token: token).json.items
    #expect(states.map { $0["primal_state"]?.double } == [2, 1])
    #expect(states[0]["lambda_decay"]?.double == 0.115 && states[0]["lipschitz_constant"]?.double == 0.87)
    await gateway.end()
  }

  @Test("the first administrator is made with the token of the log, once")
  func setup() async throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(path: directory.path + "/gateway.sqlite")
    try await Migrations.migrate(store, now: .now)
    let services = try await GatewayServices(
      store: store, secret: TestGateway.secret, tokenSeconds: 900,
      broker: PublisherOptions(host: "127.0.0.1", port: 1),
      replica: "test", log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let token = try #require(try await services.beginSetup())
    let setUp = try #require(
      AuthEndpoints(services: services).all.first { $0.path == "/auth/setup" })
    func status(_ token: String, password: String = TestGateway.password) async -> Int {
      let call = Call(
        path: [:], query: [:],
        body: [
          "token": .string(token), "username": "ada", "email": "a@example.org", "password": .string(password),
        ],
        identity: nil, address: "test", userAgent: "", requestID: "1", now: .now)
      do throws(Problem) { return try await setUp.handler(call).status } catch { return error.status }
    }
    #expect(await status("guess") == 401)
    #expect(await status(token, password: "short") == 422)
    #expect(await status(token) == 201)
    #expect(await status(token) == 401)
    #expect(try await services.beginSetup() == nil)
    #expect(try await services.accounts.all().map(\.role) == [.admin])
    await store.close()
  }

  @Test("login, refresh, key and logout: each gives what it says, and no more")
  func logins() async throws {
    let gateway = try await TestGateway()
    func logIn(_ name: String, _ password: String) async throws -> TestGateway.Answer {
      try await gateway.call(
        "POST", "/auth/login", body: ["username": .string(name), "password": .string(password)])
    }
    let wrong = try await logIn("operator", "wrong")
    #expect(wrong.status == 401 && wrong.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
    let grant = try await logIn("operator", TestGateway.password).json
    let token = try #require(grant["access_token"]?.text)
    #expect(grant["token_type"]?.text == "bearer" && grant["user"]?["role"]?.text == "operator")
    #expect(try await gateway.call("GET", "/auth/me", token: token).json["username"]?.text == "operator")
    func refresh(_ token: String?) async throws -> TestGateway.Answer {
      try await gateway.call("POST", "/auth/refresh", body: ["refresh_token": .string(token ?? "")])
    }
    let next = try await refresh(grant["refresh_token"]?.text)
    #expect(next.status == 200)
    #expect(try await refresh(grant["refresh_token"]?.text).status == 401, "used")
    #expect(try await refresh(next.json["refresh_token"]?.text).status == 401, "its family is ended")
    // A key acts in its own role, and no key in more than its owner's.
    let key = try await gateway.call(
      "POST", "/api-keys", token: token, body: ["name": "ci", "role": "viewer"])
    let secret = try #require(key.json["key"]?.text)
    #expect(key.status == 201 && secret.hasPrefix(APIKeys.prefix))
    #expect(
      try await gateway.call("POST", "/api-keys", token: token, body: ["name": "x", "role": "admin"]).status
        == 403)
    #expect(
      try await gateway.call("GET", "/auth/me", headers: ["X-API-Key": secret]).json["role"]?.text == "viewer"
    )
    // A key makes none that outlives it, and ends none; what it takes has its role.
    let byKey = ["X-API-Key": secret]
    let another: JSONValue = ["name": "x", "role": "viewer"]
    #expect(try await gateway.call("POST", "/api-keys", body: another, headers: byKey).status == 403)
    #expect(try await gateway.call("DELETE", "/api-keys/1", headers: byKey).status == 403)
    let ticket = try await gateway.call("POST", "/auth/ticket", headers: byKey).json["ticket"]?.text
    let taken = try await gateway.services.sessions.take(ticket: try #require(ticket), now: .now)
    #expect(taken?.username == "operator" && taken?.role == .viewer)
    let listed = try await gateway.call("GET", "/api-keys", token: token).json.items
    #expect(listed.count == 1 && listed[0]["key"] == nil && listed[0]["last_used"] != nil)
    let number = try #require(listed[0]["id"]?.whole)
    #expect(try await gateway.call("DELETE", "/api-keys/\(number)", token: token).status == 200)
    #expect(try await gateway.call("GET", "/auth/me", headers: ["X-API-Key": secret]).status == 401)
    // So many logins of an address, whatever names they try.
    var statuses: [Int] = []
    for index in 0..<LoginThrottle.burst { statuses.append(try await logIn("nobody-\(index)", "x").status) }
    #expect(statuses.last == 429 && statuses.first == 401, "\(statuses)")
    await gateway.end()
  }

  @Test("numbers that somebody invents are no end of the gateway")
  func invented() async throws {
    let gateway = try await TestGateway()
    let store = gateway.services.store
    _ = try await onThread {
      let blocks = StoredBlocks(store: store, isCancelled: { true }, onProblem: { _ in })
      let largest = UInt64(Int64.max)
      return try blocks.store(
        (0..<6).flatMap { run in
          [("sim", TestBlocks.event(run: "r\(run)", 1)), ("sim", TestBlocks.event(run: "r\(run)", largest))]
        })
    }
    let told = try await gateway.call(
      "GET", "/hands/sim/reconciliation", token: try await gateway.token("viewer"))
    #expect(told.status == 200 && told.json["events_missing"]?.text == "\(UInt64.max)")
    await gateway.end()
  }

  @Test("without a broker commands are refused with the reason, and health and metrics say so")
  func noBroker() async throws {
    let gateway = try await TestGateway()
    let token = try await gateway.token("operator")
    let health = try await gateway.call("GET", "/health")
    #expect(health.status == 503 && health.json["status"]?.text == "unhealthy")
    #expect(health.json["database"]?.text == "connected" && health.json["mqtt"]?.text != "connected")
    #expect(try await gateway.call("GET", "/health/live").status == 200)
    let refused = try await gateway.call("POST", "/hands/sim/commands", token: token, body: ["verb": "arm"])
    #expect(refused.status == 503 && refused.json["detail"]?.text?.contains("no connection") == true)
    let rows = try await Audit.read(gateway.services.store, limit: 100).suffix(2)
    #expect(
      rows.map(\.action) == ["command", "command-failed"] && rows.map(\.actor) == ["operator", "operator"])
    let metrics = String(decoding: try await gateway.call("GET", "/metrics").bytes, as: UTF8.self)
    #expect(metrics.contains("motorhand_mqtt_connected 0\n"))
    #expect(
      metrics.contains(
        #"http_requests_total{method="POST",endpoint="/hands/{hand}/commands",status="503"} 1"#))
    await gateway.end()
  }

  @Test("clients of the WebSocket get what they ask for; those who ask for too much are closed")
  func webSocket() async throws {
    let gateway = try await TestGateway()
    let tokens = (try await gateway.token("operator"), try await gateway.token("viewer"))
    let port = gateway.port
    _ = try await onThread {
      try Peers.run(
        "Gateway/check_websocket.py", requirements: "Gateway/requirements.txt",
        ["\(port)", tokens.0, tokens.1])
    }
    #expect(gateway.services.listeners.count == 0, "who has gone is not listened for")
    await gateway.end()
  }
}
