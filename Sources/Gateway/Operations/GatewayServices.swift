import Logging
import Realtime
import Recording
import Telemetry
import Wire

/// What the calls of the API work with.
package struct GatewayServices: Sendable {
  package let store: any Store
  let accounts: Accounts
  let sessions: Sessions
  let keys: APIKeys
  let tokens: AccessTokens
  let throttle = LoginThrottle()
  package let listeners: Listeners
  package let live: LiveHands
  package let commands: HandCommands
  /// To the broker, for what is live.
  package let link: MessageLink
  /// What the receiver of blocks has stored; of its own thread.
  package let received = Locked(BlockReceiver.Status())
  /// Of live messages as rows.
  package let rows: SampleRows
  /// To the broker, for those.
  package let rowLink: MessageLink
  /// Why what comes waits; nil where it does not.
  let storing = Locked<String?>(nil)
  let metrics = Metrics()
  /// Good once, while there are no users.
  let setupToken = Locked<String?>(nil)
  let log: Logger

  /// - Parameters:
  ///   - store: with the tables of this version.
  ///   - secret: for signing access tokens, 32 bytes or more.
  ///   - broker: how it is reached.
  ///   - replica: of several gateways at one broker; letters of a hand's name.
  package init(
    store: any Store, secret: [UInt8], tokenSeconds: Int64, broker: PublisherOptions, replica: String,
    log: Logger
  ) async throws(AccessTokens.WeakSecret) {
    self.store = store
    self.log = log
    accounts = Accounts(store: store, workers: PasswordWorkers())
    sessions = Sessions(store: store)
    keys = APIKeys(store: store)
    tokens = try await AccessTokens(secret: secret, seconds: tokenSeconds)
    let listeners = Listeners()
    let commands = HandCommands()
    let live = LiveHands(listeners: listeners) { commands.take($0) }
    self.listeners = listeners
    self.commands = commands
    self.live = live
    let rows = SampleRows(store: store, log: log)
    self.rows = rows
    rowLink = MessageLink(
      options: broker, clientID: "motorhand-gateway-\(replica)-rows",
      filters: SampleRows.topics.map { "$share/\(GatewayServer.consumer)/\($0)" }, receive: { rows.take($0) },
      onChange: { _ in })
    link = MessageLink(
      options: broker, clientID: "motorhand-gateway-\(replica)", filters: LiveHands.filters,
      receive: { live.take($0) },
      onChange: { status in
        if status.isConnected, status.problem.isEmpty {
          log.info("connected to \(broker.brokerText)")
        } else {
          log.warning("broker: \(status.problem)")
        }
      })
  }

  /// Where there are no users yet, begins the making of the first.
  /// - Returns: the token by which somebody shows to be the one who started the gateway.
  package func beginSetup() async throws(StoreError) -> String? {
    guard try await accounts.all().isEmpty else { return nil }
    let token = Secret.make()
    setupToken.withLock { $0 = token }
    return token
  }

  /// Who a request is of, by its token or key; nil where there is none or it is not good.
  func identity(of secret: String, now: Timestamp) async throws(Problem) -> (Identity, until: Timestamp?)? {
    if secret.hasPrefix(APIKeys.prefix) {
      let found = try await Problem.of { () throws(StoreError) in try await keys.find(secret, now: now) }
      return found.map { ($0, nil) }
    }
    do throws(AccessTokens.Refusal) {
      let (identity, until) = try await tokens.read(secret, now: now)
      return (identity, until)
    } catch {
      switch error {
      case .expired: throw .unauthorised("the access token is over: refresh it")
      case .invalid(let reason):
        log.debug("a token was refused: \(reason)")
        return nil
      }
    }
  }

  /// For the store to answer: who asks for health waits no longer.
  private static let healthSeconds: Int64 = 3

  private func storeProblem() async -> String? {
    // Not awaited where it hangs: it ends by itself.
    let answers = AsyncStream<String?> { answers in
      Task {
        do throws(StoreError) {
          _ = try await store.read { (session) throws(StoreError) in try session.row("SELECT 1 AS one") }
          answers.yield(nil)
        } catch { answers.yield(error.description) }
        answers.finish()
      }
      Task {
        try? await Task.sleep(for: .seconds(Self.healthSeconds))
        answers.yield("it has not answered for \(Self.healthSeconds) s")
        answers.finish()
      }
    }
    for await answer in answers { return answer }
    return nil
  }

  /// What keeps the gateway from doing its work; empty where nothing does.
  package func problems() async -> [(name: String, problem: String)] {
    var problems: [(String, String)] = []
    if let problem = await storeProblem() { problems.append(("database", problem)) }
    let link = link.status
    if !link.isConnected {
      problems.append(("mqtt", link.problem.isEmpty ? "not connected yet" : link.problem))
    }
    let received = received.withLock { $0 }
    if let problem = storing.withLock({ $0 }) {
      problems.append(("ingest", problem))
    } else if link.isConnected, !received.connected {
      problems.append(("ingest", received.lastError.isEmpty ? "not connected yet" : received.lastError))
    }
    return problems
  }
}
