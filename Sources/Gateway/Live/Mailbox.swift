import HandModel
import Realtime
import Telemetry
import Wire

/// What waits for one client. Of what is a state only the latest waits; nothing else is left out: a client
/// that does not keep up is closed.
final class Mailbox: Listeners.Listener {
  /// Messages that are no states, of a client that reads nothing for a while, and their bytes.
  static let limit = 256
  static let byteLimit = 1_048_576
  /// Topics of states that a client may be behind in, and the bytes of their latest messages.
  static let stateLimit = 4096
  static let stateByteLimit = 16_777_216
  /// Taken at a time: what is taken and not written is memory too.
  private static let byteLimitPerTake = 262_144

  private struct Item {
    var frame: [UInt8]
    /// Of a state.
    var topic: String?
    var counts = true
  }

  private struct State {
    var items: [Item] = []
    /// Number of the first of `items`, counted from the first ever.
    var first = 0
    /// Numbers of the items of states, by their topics.
    var latest: [String: Int] = [:]
    var stateBytes = 0
    var others = 0
    var otherBytes = 0
    var isOverrun = false
    var wantsPing = false
    /// When what was taken last was taken, while it is being written.
    var takenAt: ContinuousClock.Instant?

    mutating func append(state frame: [UInt8], _ topic: String) {
      stateBytes += frame.count
      if let number = latest[topic] {
        stateBytes -= items[number - first].frame.count
        items[number - first].frame = frame
      } else {
        latest[topic] = first + items.count
        items.append(Item(frame: frame, topic: topic))
      }
      isOverrun = isOverrun || latest.count > Mailbox.stateLimit || stateBytes > Mailbox.stateByteLimit
    }

    /// - Parameter counts: of the limit by number; a limit by bytes there is in any case.
    mutating func append(other frame: [UInt8], counts: Bool = true) {
      others += counts ? 1 : 0
      otherBytes += frame.count
      items.append(Item(frame: frame, counts: counts))
      isOverrun = isOverrun || others > Mailbox.limit || otherBytes > Mailbox.byteLimit
    }

    mutating func take() -> [[UInt8]] {
      var bytes = 0
      var count = 0
      while count < items.count, bytes < Mailbox.byteLimitPerTake {
        let item = items[count]
        bytes += item.frame.count
        if let topic = item.topic {
          latest[topic] = nil
          stateBytes -= item.frame.count
        } else {
          others -= item.counts ? 1 : 0
          otherBytes -= item.frame.count
        }
        count += 1
      }
      let taken = items.prefix(count).map(\.frame)
      items.removeFirst(count)
      first += count
      return taken
    }
  }

  private let state = Locked(State())
  private let wakeUps: AsyncStream<Void>.Continuation
  /// Rings when there is something to take.
  let rings: AsyncStream<Void>

  init() { (rings, wakeUps) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  func offer(_ message: MessageLink.Message, frame: [UInt8]) {
    state.withLock { state in
      guard !state.isOverrun else { return }
      if Self.isState(message.topic) {
        state.append(state: frame, message.topic)
      } else {
        state.append(other: frame)
      }
    }
    wakeUps.yield()
  }

  /// Puts an answer at the end.
  func append(_ answer: JSONValue) {
    let frame = answer.encoded()
    state.withLock { if !$0.isOverrun { $0.append(other: frame) } }
    wakeUps.yield()
  }

  /// Puts what came while the client was away at the end: bounded where it was kept.
  func append(frames: [[UInt8]]) {
    state.withLock { state in
      for frame in frames where !state.isOverrun { state.append(other: frame, counts: false) }
    }
    wakeUps.yield()
  }

  /// Some of what waits, from the first on; nil where it became too much.
  func take() -> [[UInt8]]? {
    state.withLock { state in
      guard !state.isOverrun else { return nil }
      let taken = state.take()
      state.takenAt = taken.isEmpty ? nil : .now
      return taken
    }
  }

  /// What was taken is written.
  func written() { state.withLock { $0.takenAt = nil } }

  /// Asks the writer for a ping.
  func askForPing() {
    state.withLock { $0.wantsPing = true }
    wakeUps.yield()
  }

  /// Whether a ping was asked for since the last call.
  func takePing() -> Bool {
    state.withLock { state in
      defer { state.wantsPing = false }
      return state.wantsPing
    }
  }

  /// Whether the client does not take what is sent, or too much waits for it.
  func isStuck(after seconds: Int64) -> Bool {
    state.withLock { state in
      state.isOverrun || state.takenAt.map { $0.duration(to: .now) > .seconds(seconds) } ?? false
    }
  }

  /// Ends the rings.
  func close() { wakeUps.finish() }

  /// Whether a topic tells how something is, so that its latest message says all.
  static func isState(_ topic: String) -> Bool {
    switch HandTopic.read(topic)?.topic {
    case .state, .summary, .agpState, .agpDetail, .sensor: true
    default: false
    }
  }
}
