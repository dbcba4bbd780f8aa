import HandModel
import Realtime
import Synchronization
import Wire

/// Where commands wait for the loop, whoever sent them: one bounded place, for a bounded time.
///
/// One thread hands them on, one after another, each until its tick has answered. So whoever reads a socket
/// never waits for a tick, and what cannot be executed soon is refused instead of being executed late. Stops
/// do not come here (`CommandPort.requestStop`); neither do set-points of a stream, of which only the newest
/// counts.
package final class CommandQueue: Sendable {
  /// Commands of one source that wait. Socket and MQTT have a lane each, so that a flood in one leaves the
  /// other free; a person or a program that waits for replies has one command in it.
  package static let laneCapacity = 32
  /// A command that waited longer is refused: its sender meant the moment in which it was sent.
  package static let longestWaitNanoseconds: Int64 = 1_000_000_000
  /// Replies kept for repeated identifiers, of each source.
  package static let rememberedReplies = 256

  static let waitedTooLong =
    "waited longer than \(longestWaitNanoseconds / 1_000_000) ms behind other commands"
  static let expired = "expired while it waited behind other commands"

  /// Whether a refusal is the machine's, which had no time for the command, and not the hand's.
  package static func isBusy(_ reason: String) -> Bool {
    [waitedTooLong, expired, CommandSink.fullReason, CommandPort.notRunning].contains(reason)
  }

  private struct Waiting {
    var envelope: CommandEnvelope
    var source: CommandSource
    var arrivedNanoseconds: Int64
    var stopCount: UInt32
    var completion: @Sendable (CommandReply) -> Void
  }

  private struct Lanes {
    var socket: [Waiting] = []
    var mqtt: [Waiting] = []
    /// Whose turn it is when both wait.
    var prefersSocket = true
    var isStopping = false

    mutating func next() -> Waiting? {
      let takesSocket = socket.isEmpty || mqtt.isEmpty ? mqtt.isEmpty : prefersSocket
      prefersSocket = !takesSocket
      if takesSocket { return socket.isEmpty ? nil : socket.removeFirst() }
      return mqtt.removeFirst()
    }
  }

  private let port: CommandPort
  private let stops: StopWaiter
  private let lanes = Locked(Lanes())
  private let bell = Semaphore()
  private let thread = Locked<RealtimeThread?>(nil)

  package init(port: CommandPort) {
    self.port = port
    stops = StopWaiter(stopCount: { port.stopCount }, awaitStop: { port.awaitStop() })
  }

  /// Starts the threads that hand commands on and wait for stops.
  package func start() throws(RealtimeThreadError) {
    try stops.start()
    let started = try RealtimeThread(name: "commands", policy: .normal) { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Ends the threads. Stops are answered first; commands that still wait are refused.
  package func stop() {
    stops.stop()
    lanes.withLock { $0.isStopping = true }
    bell.signal()
    _ = thread.withLock { $0 }?.join(by: MonotonicClock().now() + CommandPort.endNanoseconds)
    while let waiting = lanes.withLock({ $0.next() }) {
      waiting.completion(.refused(reason: "the daemon is stopping"))
    }
  }

  /// Where socket and broker put their commands and stops.
  package func sink(_ parser: CommandParser) -> CommandSink {
    let (port, stops) = (port, stops)
    return CommandSink(
      submit: { [self] in submit($0, source: $1, stopCount: $2, completion: $3) },
      requestStop: {
        port.requestStop($0)
        stops.requested()
      },
      stopCount: { port.stopCount }, whenStopped: { stops.whenStopped($0, $1) },
      parse: { parser.parse($0, verb: $1.isEmpty ? nil : $1, now: MonotonicClock().wallNow()) })
  }

  /// Puts a command into its source's lane; a set-point of a stream goes straight to the loop.
  /// - Parameters:
  ///   - stopCount: `CommandPort.stopCount` when the command was read, where that was before now. A command
  ///     that is older than a stop is refused: a reset or an arm must not undo a stop that was sent after it.
  ///   - completion: called once, with what became of the command, on the queue's thread or on the caller's.
  /// - Returns: false when the lane is full; then the command is forgotten and `completion` is not called.
  package func submit(
    _ envelope: CommandEnvelope, source: CommandSource, stopCount: UInt32? = nil,
    completion: @escaping @Sendable (CommandReply) -> Void
  ) -> Bool {
    if case .stream = envelope.command, envelope.id.isEmpty {
      completion(port.submit(envelope.command, source: source))
      return true
    }
    let waiting = Waiting(
      envelope: envelope, source: source, arrivedNanoseconds: MonotonicClock().now(),
      stopCount: stopCount ?? port.stopCount, completion: completion)
    let isTaken = lanes.withLock { lanes in
      guard !lanes.isStopping else { return false }
      if source == .mqtt {
        guard lanes.mqtt.count < Self.laneCapacity else { return false }
        lanes.mqtt.append(waiting)
      } else {
        guard lanes.socket.count < Self.laneCapacity else { return false }
        lanes.socket.append(waiting)
      }
      return true
    }
    if isTaken { bell.signal() }
    return isTaken
  }

  private func run() {
    var replies = [CommandSource.socket: ReplyCache(), .mqtt: ReplyCache()]
    while true {
      bell.wait()
      if lanes.withLock({ $0.isStopping }) { return }
      guard let waiting = lanes.withLock({ $0.next() }) else { continue }
      waiting.completion(
        reply(to: waiting, &replies[waiting.source, default: ReplyCache()]))
    }
  }

  private func reply(to waiting: Waiting, _ cache: inout ReplyCache) -> CommandReply {
    let envelope = waiting.envelope
    if let earlier = cache.entry(envelope.id) {
      guard earlier.command == envelope.command else {
        return .refused(
          reason: "id \(JSON.quoted(envelope.id)) was used for another command: give each command its own")
      }
      return earlier.reply
    }
    let reply: CommandReply
    let clock = MonotonicClock()
    if waiting.stopCount != port.stopCount {
      reply = .refused(reason: "a stop came after it")
    } else if clock.now() - waiting.arrivedNanoseconds > Self.longestWaitNanoseconds {
      reply = .refused(reason: Self.waitedTooLong)
    } else if let expiry = envelope.expiryNanoseconds, expiry < clock.wallNow() {
      reply = .refused(reason: Self.expired)
    } else {
      reply = port.submit(envelope.command, source: waiting.source)
    }
    cache.remember(envelope, reply)
    return reply
  }
}

/// The replies to the last commands with an identifier, so that one that arrives twice (QoS 1 allows it) is
/// answered and not executed again.
private struct ReplyCache {
  struct Entry {
    var command: Command
    var reply: CommandReply
  }

  private var entries: [String: Entry] = [:]
  /// Identifiers in the order of their first use.
  private var order: [String] = []

  func entry(_ id: String) -> Entry? { entries[id] }

  mutating func remember(_ envelope: CommandEnvelope, _ reply: CommandReply) {
    guard !envelope.id.isEmpty else { return }
    entries[envelope.id] = Entry(command: envelope.command, reply: reply)
    order.append(envelope.id)
    if order.count > CommandQueue.rememberedReplies { entries[order.removeFirst()] = nil }
  }
}
