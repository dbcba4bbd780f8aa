import HandModel
import Realtime
import Wire

/// The conversation with one client of a WebSocket, in the source system's grammar: who it is, what it wants
/// to hear, and what it asks. Knows no sockets.
final class WebSocketSession: Sendable {
  /// For the first frame to come, with a token.
  static let authenticationSeconds: Int64 = 10
  static let mostFilters = 100
  private static let mostRows: Int64 = 1000
  private static let defaultRows: Int64 = 100

  /// What becomes of the connection after a message.
  enum Next: Sendable, Equatable {
    case goesOn
    /// Ends, after an answer says why.
    case ends
  }

  private struct State {
    var identity: Identity?
    var until: Timestamp?
    /// Of a key, which may be ended: it is asked for again.
    var key: String?
    var filters: [TopicFilter] = []
  }

  let mailbox = Mailbox()
  private let services: GatewayServices
  private let state: Locked<State>

  init(services: GatewayServices) {
    self.services = services
    state = Locked(State())
  }

  /// Whether it is known who the client is.
  var isKnown: Bool { state.withLock { $0.identity != nil } }

  /// Whether what the client showed of itself is over: a token by its time, a key by whoever ended it.
  func isOver(_ now: Timestamp) async -> Bool {
    let (until, key, known) = state.withLock { ($0.until, $0.key, $0.identity) }
    if let until, until <= now { return true }
    guard let key else { return false }
    // While the store does not answer nobody can have ended it there.
    do throws(Problem) { return try await services.identity(of: key, now: now)?.0 != known } catch {
      return error.status == 401
    }
  }

  /// Ends it.
  func close() {
    services.listeners.remove(mailbox)
    mailbox.close()
  }

  /// Takes a client for who it has shown to be.
  /// - Parameters:
  ///   - until: when that is over; nil: with the key.
  ///   - key: by which it has shown it, where it was one.
  func welcome(_ identity: Identity, until: Timestamp?, key: String?) -> Next {
    let isFirst = state.withLock { state in
      defer { (state.identity, state.until, state.key) = (identity, until, key) }
      return state.identity == nil
    }
    if isFirst, !services.listeners.add(mailbox, account: identity.username, hands: identity.hands) {
      refuse("\(identity.username) has \(Listeners.mostPerAccount) connections already")
      return .ends
    }
    mailbox.append([
      "type": "welcome", "message": .string("motorhand-gateway \(motorHandVersion), \(identity.username)"),
      "timestamp": .string(Timestamp.now.text),
    ])
    return .goesOn
  }

  /// Says what is wrong, in the grammar's words.
  func refuse(_ message: String, id: JSONValue? = nil) {
    var members: [(String, JSONValue)] = [("status", "error"), ("message", .string(message))]
    if let id { members.append(("id", id)) }
    mailbox.append(.members(members))
  }

  /// Takes a message of the client.
  func take(_ bytes: [UInt8]) async -> Next {
    let message: JSONValue
    do { message = try JSONValue(parsing: bytes) } catch {
      refuse(error.description)
      return isKnown ? .goesOn : .ends
    }
    let type = message["type"]?.text
    if type == "auth" { return await authenticate(message) }
    guard let identity = state.withLock({ $0.identity }) else {
      refuse("expected {\"type\":\"auth\",\"token\":…} first")
      return .ends
    }
    do throws(Problem) {
      guard let answer = try await answer(type ?? "", message, identity) else { return .goesOn }
      mailbox.append(Self.tagged(answer, message["id"]))
    } catch { refuse(error.detail, id: message["id"]) }
    return .goesOn
  }

  /// With the identifier of the request, where it had one.
  private static func tagged(_ answer: JSONValue, _ id: JSONValue?) -> JSONValue {
    guard let id, case .object(let members) = answer else { return answer }
    return .object(members + [.init(key: "id", value: id)])
  }

  private func authenticate(_ message: JSONValue) async -> Next {
    do throws(Problem) {
      guard let token = message["token"]?.text,
        let (identity, until) = try await services.identity(of: token, now: .now)
      else { throw .unauthorised("the access token or key is not good") }
      if let known = state.withLock({ $0.identity }), known.username != identity.username {
        throw .forbidden("the connection is \(known.username)'s")
      }
      return welcome(identity, until: until, key: identity.isKey ? token : nil)
    } catch {
      refuse(error.detail)
      return .ends
    }
  }

  private func answer(
    _ type: String, _ message: JSONValue, _ identity: Identity
  ) async throws(Problem) -> JSONValue? {
    switch type {
    case "subscribe": return try subscribe(message, identity)
    case "unsubscribe": return try unsubscribe(message)
    case "publish": return try await publish(message, identity)
    case "query": return try await query(message)
    case "ping": return ["type": "pong", "timestamp": .string(Timestamp.now.text)]
    default:
      throw .badRequest(
        "type: found \(JSON.quoted(type.printable.shortened)), expected subscribe, unsubscribe, publish, query or ping"
      )
    }
  }

  // MARK: Hearing

  private func topics(_ message: JSONValue) throws(Problem) -> [TopicFilter] {
    guard case .array(let items)? = message["topics"], !items.isEmpty else {
      throw .badRequest("topics: expected a list of beginnings of topics, or of MQTT filters")
    }
    var filters: [TopicFilter] = []
    for item in items {
      guard let text = item.text, let filter = TopicFilter(text) else {
        throw .badRequest(
          "topics: expected beginnings of topics, or MQTT filters, of 1 to \(TopicFilter.longestBytes) bytes")
      }
      filters.append(filter)
    }
    return filters
  }

  private func subscribe(_ message: JSONValue, _ identity: Identity) throws(Problem) -> JSONValue? {
    let wanted = try topics(message)
    let filters = state.withLock { state in
      state.filters + wanted.filter { !state.filters.contains($0) }
    }
    guard filters.count <= Self.mostFilters else {
      throw .badRequest("topics: found \(filters.count) subscriptions, expected at most \(Self.mostFilters)")
    }
    state.withLock { $0.filters = filters }
    services.listeners.set(filters, of: mailbox)
    var members = Self.subscribed(filters)
    guard let text = message["since"] else { return .members(members) }
    guard let number = text.text.flatMap(UInt64.init) ?? text.whole.map(UInt64.init(clamping:)) else {
      throw .badRequest("since: expected the sequence of the last message that was heard")
    }
    let (frames, isComplete) = services.listeners.kept(since: number, wanted, hands: identity.hands)
    members.append(("complete", .boolean(isComplete)))
    mailbox.append(Self.tagged(.members(members), message["id"]))
    mailbox.append(frames: frames)
    return nil
  }

  private static func subscribed(_ filters: [TopicFilter]) -> [(String, JSONValue)] {
    [("status", "ok"), ("subscribed", .array(filters.map { .string($0.text) }))]
  }

  private func unsubscribe(_ message: JSONValue) throws(Problem) -> JSONValue {
    let unwanted = try topics(message)
    let filters = state.withLock { state in
      state.filters.removeAll { unwanted.contains($0) }
      return state.filters
    }
    services.listeners.set(filters, of: mailbox)
    return .members(Self.subscribed(filters))
  }

  // MARK: Saying

  /// Beginnings of topics that clients may publish to. Commands to hands go by REST, where they are audited
  /// and answered.
  private static let publishable = ["motorhand/experiments/", "motorhand/integrations/", "motorhand/nasa/"]

  private func publish(_ message: JSONValue, _ identity: Identity) async throws(Problem) -> JSONValue {
    guard identity.role >= .operating else {
      throw .forbidden("the role \(identity.role.rawValue) may not publish")
    }
    guard let topic = message["topic"]?.text, topic == topic.printable,
      topic.utf8.count <= TopicFilter.longestBytes,
      !topic.contains(where: { $0 == "+" || $0 == "#" })
    else { throw .badRequest("topic: expected a topic without + and #") }
    guard Self.publishable.contains(where: topic.hasPrefix) else {
      throw .forbidden(
        "topic: expected one below \(Self.publishable.joined(separator: ", ")); commands go by POST /hands/{hand}/commands"
      )
    }
    guard let payload = message["payload"] else { throw .badRequest("payload: missing") }
    let bytes = payload.text.map { Array($0.utf8) } ?? payload.encoded()
    let outcome = await withCheckedContinuation { continuation in
      services.link.publish(topic: topic, payload: bytes) { continuation.resume(returning: $0) }
    }
    if case .failed(let reason) = outcome { throw .unavailable(reason) }
    return ["status": "ok", "topic": .string(topic)]
  }

  // MARK: Asking

  private func query(_ message: JSONValue) async throws(Problem) -> JSONValue {
    let parameters = message["params"]
    let limit = parameters?["limit"]?.whole ?? Self.defaultRows
    guard (1...Self.mostRows).contains(limit) else {
      throw .badRequest("limit: found \(limit), expected 1 to \(Self.mostRows)")
    }
    func name(_ key: String) throws(Problem) -> String {
      let problems = SourceEndpoints.name.problems(parameters?[key] ?? .null, "params.\(key)")
      guard problems.isEmpty, let name = parameters?[key]?.text else { throw .invalid(problems) }
      return name
    }
    switch message["query_type"]?.text {
    case "telemetry":
      let rows = try await SourceEndpoints.spacecraft(name("spacecraft_id"), limit: limit, in: services.store)
      return ["status": "ok", "data": .array(rows)]
    case "agp_state":
      let rows = try await SourceEndpoints.states(name("system_id"), limit: limit, in: services.store)
      return ["status": "ok", "data": .array(rows)]
    default: throw .badRequest("query_type: expected telemetry or agp_state")
    }
  }
}
