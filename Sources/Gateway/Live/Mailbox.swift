import HandModel
import Realtime
import Telemetry
import Wire

/// What waits for one client. Of what is a state only the latest waits; nothing else is left out: a client
/// that does not keep up is closed.
final class Mailbox: Listeners.Listener {
  /// Messages that are no states, of a client that reads nothing for a while.
  static let limit = 256
  /// Topics of states that a client may be behind in.
  static let stateLimit = 4096

  private struct State {
    var frames: [[UInt8]] = []
    /// Places in `frames` of topics whose latest message counts.
    var latest: [String: Int] = [:]
    var others = 0
    var isOverrun = false
    var wantsPing = false
    /// When what was taken last was taken, while it is being written.
    var takenAt: ContinuousClock.Instant?
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
        if let place = state.latest[message.topic] { return state.frames[place] = frame }
        state.latest[message.topic] = state.frames.count
        state.isOverrun = state.latest.count > Self.stateLimit
      } else {
        state.others += 1
        state.isOverrun = state.others > Self.limit
      }
      state.frames.append(frame)
    }
    wakeUps.yield()
  }

  /// Puts an answer at the end.
  func append(_ answer: JSONValue) {
    state.withLock { $0.frames.append(answer.encoded()) }
    wakeUps.yield()
  }

  /// Puts what came while the client was away at the end.
  func append(frames: [[UInt8]]) {
    state.withLock { $0.frames += frames }
    wakeUps.yield()
  }

  /// What waits; nil where it became too much.
  func take() -> [[UInt8]]? {
    state.withLock { state in
      guard !state.isOverrun else { return nil }
      state.takenAt = .now
      defer {
        state.frames.removeAll()
        state.latest.removeAll()
        state.others = 0
      }
      return state.frames
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
