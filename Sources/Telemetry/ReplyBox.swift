import HandModel
import Realtime
import Wire

/// What became of a command, on its way to its sender.
struct CommandOutcome: Sendable, Equatable {
  /// The sender's; empty = none.
  var id: String
  /// Empty where neither topic nor body named one.
  var verb: String
  var reply: CommandReply
}

/// Replies between whoever knows them, on any thread, and the thread that publishes them.
final class ReplyBox: Sendable {
  /// Replies that wait for the publishing thread, which comes every few milliseconds: more wait only while no
  /// broker takes them.
  static let capacity = 128
  /// Shortest time between two answers to refused set-points without identifier: a stream at 200 Hz to a hand
  /// that is not armed must not come back as 200 refusals a second.
  static let streamRefusalPauseNanoseconds: Int64 = 100_000_000

  struct Counts: Sendable, Equatable {
    var executed: UInt64 = 0
    /// Refused, or not confirmed.
    var refused: UInt64 = 0
    /// Beyond the capacity.
    var dropped: UInt64 = 0
    /// Refusals of set-points beyond ten a second.
    var streamRefusals: UInt64 = 0
  }

  private struct State {
    var waiting: [CommandOutcome] = []
    var counts = Counts()
    var lastStreamRefusal: Int64?
  }

  private let state = Locked(State())
  private let wakeUp: WakeUp

  init(wakeUp: WakeUp) { self.wakeUp = wakeUp }

  /// - Parameter now: of the monotonic clock.
  func add(_ outcome: CommandOutcome, now: Int64 = MonotonicClock().now()) {
    let isWaiting = state.withLock { state in
      let isExecuted = outcome.reply == .executed
      if isExecuted { state.counts.executed += 1 } else { state.counts.refused += 1 }
      if outcome.verb == "stream", outcome.id.isEmpty {
        if isExecuted { return false }
        if let last = state.lastStreamRefusal, now - last < Self.streamRefusalPauseNanoseconds {
          state.counts.streamRefusals += 1
          return false
        }
        state.lastStreamRefusal = now
      }
      guard state.waiting.count < Self.capacity else {
        state.counts.dropped += 1
        return false
      }
      state.waiting.append(outcome)
      return true
    }
    if isWaiting { wakeUp.ring() }
  }

  /// The oldest replies, at most `limit` of them.
  func take(_ limit: Int) -> [CommandOutcome] {
    state.withLock { state in
      let taken = Array(state.waiting.prefix(max(0, limit)))
      state.waiting.removeFirst(taken.count)
      return taken
    }
  }

  var counts: Counts { state.withLock { $0.counts } }
}

/// The JSON of the `reply` topic.
struct ReplyPayload {
  let runID: String

  /// - Parameter sequence: the newest record's; nil before the first.
  func encode(_ outcome: CommandOutcome, sequence: UInt64?) -> [UInt8] {
    ReplyMessage(
      id: outcome.id.isEmpty ? nil : outcome.id, verb: outcome.verb.isEmpty ? nil : outcome.verb,
      reply: outcome.reply, runID: runID, sequence: sequence
    ).encoded()
  }
}
