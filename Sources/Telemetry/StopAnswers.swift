import HandModel
import Realtime
import Synchronization

/// Waits for what came of stops and answers them. A thread of its own: whoever read a stop goes on reading.
final class StopAnswers: Sendable {
  /// Stops that wait for their answer. They share one wait, so that more come only in a flood of stops, in which the
  /// first answers say all there is to say.
  static let capacity = 32

  private struct Asked {
    var id: String
    var box: ReplyBox
  }

  private let awaitStop: @Sendable () -> CommandReply
  private let asked = SharedState<[Asked]>([])
  /// A stop that nobody asks after is waited for too: the last resort, the kill line released without the loop, comes
  /// with the waiting.
  private let isRequested = Atomic(false)
  private let bell = Semaphore()
  private let isEnding = Atomic(false)
  private let dropped = Atomic<UInt64>(0)

  init(awaitStop: @escaping @Sendable () -> CommandReply) { self.awaitStop = awaitStop }

  /// Stops beyond the capacity: they stopped the hand and got no answer.
  var unanswered: UInt64 { dropped.load(ordering: .relaxed) }

  /// A stop was requested. Wait-free: called inside the callback that read it.
  func requested() {
    isRequested.store(true, ordering: .releasing)
    bell.signal()
  }

  /// The stop was requested; what comes of it goes into the box.
  func answer(id: String, into box: ReplyBox) {
    let isTaken = asked.withLock { asked in
      guard asked.count < Self.capacity else { return false }
      asked.append(Asked(id: id, box: box))
      return true
    }
    if isTaken { bell.signal() } else { leave(1) }
  }

  /// Counts stops that nobody is to answer.
  func leave(_ count: UInt64) { dropped.wrappingAdd(count, ordering: .relaxed) }

  func run() {
    while true {
      bell.wait()
      if isEnding.load(ordering: .acquiring) { return }
      let all = asked.withLock { asked in
        defer { asked.removeAll(keepingCapacity: true) }
        return asked
      }
      let isRequested = isRequested.exchange(false, ordering: .acquiringAndReleasing)
      guard isRequested || !all.isEmpty else { continue }
      let reply = awaitStop()
      for one in all { one.box.add(CommandOutcome(id: one.id, verb: "stop", reply: reply)) }
    }
  }

  func end() {
    isEnding.store(true, ordering: .releasing)
    bell.signal()
  }
}
