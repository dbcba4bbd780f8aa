import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Realtime
import Recording
import ServiceLifecycle
import Synchronization
import Telemetry
import UnixSignals

/// A whole gateway: takes what hands send, and serves it.
package final class GatewayServer: Sendable {
  /// Where it listens.
  package struct Address: Sendable, Equatable {
    /// Name or address of this machine.
    package var host: String
    /// 0: any.
    package var port: Int

    package init(host: String, port: Int) {
      self.host = host
      self.port = port
    }
  }

  /// What it is to be like.
  package struct Options: Sendable {
    /// How the broker is reached.
    package var broker: PublisherOptions
    /// Of the API, with WebSockets at `/ws`.
    package var api: Address
    /// Of the WebSockets' own port; nil: only `/ws` of the API's.
    package var webSocket: Address?
    /// Pages that may open WebSockets beside the gateway's own: `https://dashboard.example`.
    package var origins: [String] = []
    /// Of WebSockets.
    package var mostClients = 10_000
    /// Whether all requests come through a proxy that names the client's address.
    package var isBehindProxy = false
    /// Days after which a block is deleted; nil: never.
    package var keepDays: Int64?
    /// The name of this one among several; letters of a hand's name.
    package var replica: String

    package init(broker: PublisherOptions, api: Address, webSocket: Address?, replica: String) {
      self.broker = broker
      self.api = api
      self.webSocket = webSocket
      self.replica = replica
    }
  }

  /// By which hands know the gateway in `stored` messages, and the broker its sessions.
  static let consumer = "gateway"
  /// Connections at most, where the process may have as many descriptors.
  private static let mostConnections = 20_000
  /// Descriptors for the store, the broker and the rest.
  private static let otherDescriptors = 200
  private static let backlog = 1024

  package let services: GatewayServices
  private let options: Options
  private let mayEnd = Atomic(false)

  package init(services: GatewayServices, options: Options) {
    self.services = services
    self.options = options
  }

  /// Runs until the task is cancelled or a signal asks for the end; then takes no more requests, answers
  /// those that are there, and reports what is stored.
  /// - Parameter onListening: told the ports, once each.
  package func run(
    signals: [UnixSignal], onListening: @escaping @Sendable (_ what: String, _ port: Int) -> Void
  ) async throws {
    let threads = try startThreads()
    defer {
      mayEnd.store(true, ordering: .releasing)
      for thread in threads { thread.join() }
    }
    let router = APIServer(services: services, isBehindProxy: options.isBehindProxy).router()
    var applications = [application(router, options.api, paths: ["/ws"]) { onListening("api", $0) }]
    if let address = options.webSocket {
      applications.append(application(router, address, paths: []) { onListening("websocket", $0) })
    }
    let group = ServiceGroup(
      configuration: .init(
        services: applications.map { .init(service: $0) } + [
          .init(service: Cleaner(services: services, keepDays: options.keepDays)),
          .init(service: services.rows),
        ],
        gracefulShutdownSignals: signals, logger: services.log))
    try await group.run()
  }

  private func application(
    _ router: Router<APIContext>, _ address: Address, paths: Set<String>,
    onPort: @escaping @Sendable (Int) -> Void
  ) -> Application<RouterResponder<APIContext>> {
    let webSockets = WebSocketServer(
      services: services, paths: paths, origins: options.origins, mostClients: options.mostClients)
    return Application(
      responder: router.buildResponder(),
      server: HTTPServerBuilder { GatewayChannel(responder: $0, webSockets: webSockets) },
      configuration: ApplicationConfiguration(
        address: .hostname(address.host, port: address.port), backlog: Self.backlog,
        availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionLimit())),
      onServerRunning: { channel in onPort(channel.localAddress?.port ?? address.port) }, logger: services.log
    )
  }

  /// Takes as many descriptors as the process may have. Without a free one the accepting would spin.
  private static func connectionLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return mostConnections }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    // Two listeners share them.
    return max(1, min(mostConnections, (Int(clamping: limit.rlim_cur) - otherDescriptors) / 2))
  }

  /// The broker's threads: what is live, and what is to be stored.
  private func startThreads() throws -> [RealtimeThread] {
    let live = try RealtimeThread(name: "gateway-live", policy: .normal) { [self] in
      services.link.run(isCancelled: { mayEnd.load(ordering: .acquiring) })
    }
    let rows = try RealtimeThread(name: "gateway-rows", policy: .normal) { [self] in
      services.rowLink.run(isCancelled: { mayEnd.load(ordering: .acquiring) })
    }
    let ingest = try RealtimeThread(name: "gateway-ingest", policy: .normal) { [self] in receive() }
    return [live, rows, ingest]
  }

  private func receive() {
    let log = services.log
    let wakeUp = WakeUp()
    while !mayEnd.load(ordering: .acquiring) {
      do throws(RecordingError) {
        let blocks = StoredBlocks(
          store: services.store, isCancelled: { [self] in mayEnd.load(ordering: .acquiring) },
          waiting: services.storing
        ) { log.warning("ingest: \($0)") }
        let receiver = try BlockReceiver(
          options: options.broker, store: blocks, name: Self.consumer, handID: nil, replica: options.replica)
        var limit = LogLimit()
        receiver.onProblem = { problem in
          if let line = limit.line(problem, now: .now) { log.warning("ingest: \(line)") }
        }
        _ = try receiver.run(isCancelled: { mayEnd.load(ordering: .acquiring) }) { status in
          services.received.withLock { $0 = status }
        }
      } catch {
        services.received.withLock {
          $0.connected = false
          $0.lastError = "\(error)"
        }
        log.error("ingest ended, and begins again: \(error)")
        wakeUp.wait(milliseconds: 1000)
      }
    }
  }
}

/// So many lines a minute: whoever sends nonsense would fill the journal.
struct LogLimit {
  private static let linesPerMinute = 20

  private var begunAt: ContinuousClock.Instant?
  private var lines = 0

  /// The line as it is to be logged; nil where there were enough.
  mutating func line(_ text: String, now: ContinuousClock.Instant) -> String? {
    var suppressed = 0
    if begunAt.map({ $0.duration(to: now) >= .seconds(60) }) ?? true {
      suppressed = max(0, lines - Self.linesPerMinute)
      (begunAt, lines) = (now, 0)
    }
    lines += 1
    guard lines <= Self.linesPerMinute else { return nil }
    return suppressed > 0 ? "\(text) (and \(suppressed) more before)" : text
  }
}

/// Forgets what has expired, again and again.
private struct Cleaner: Service {
  private static let seconds: Int64 = 600
  private static let secondsPerDay: Int64 = 86_400

  let services: GatewayServices
  let keepDays: Int64?

  func run() async throws {
    // The end comes as a cancelled sleep, and is no error.
    try? await cancelWhenGracefulShutdown {
      while true {
        do throws(StoreError) { try await clean() } catch {
          services.log.warning("what has expired stays: \(error)")
        }
        try await Task.sleep(for: .seconds(Self.seconds))
      }
    }
  }

  private func clean() async throws(StoreError) {
    _ = try await services.sessions.clean(now: .now)
    guard let keepDays else { return }
    let time = Timestamp.now.adding(seconds: -keepDays * Self.secondsPerDay)
    var count = 0
    while true {
      let blocks = try await Retention.deleteSome(storedBefore: time, in: services.store)
      let samples = try await Retention.deleteSomeSamples(before: time, in: services.store)
      guard blocks + samples > 0, !Task.isCancelled else { break }
      count += blocks
    }
    if count > 0 { services.log.info("\(count) blocks older than \(keepDays) days are deleted") }
  }
}
