import HandModel
import Realtime
import Synchronization
import Wire

/// Has stops answered, and counts those that get no answer.
final class StopAnswers: Sendable {
  private let whenStopped: CommandSink.WhenStopped
  private let dropped = Atomic<UInt64>(0)

  init(sink: CommandSink) { whenStopped = sink.whenStopped }

  /// Stops beyond what may wait: they stopped the hand and got no answer.
  var unanswered: UInt64 { dropped.load(ordering: .relaxed) }

  /// The stop was requested; what comes of it goes into the box.
  func answer(id: String, into box: ReplyBox) {
    let isTaken = whenStopped(.mqtt) { box.add(CommandOutcome(id: id, verb: "stop", reply: $0)) }
    if !isTaken { leave(1) }
  }

  /// Counts stops that nobody is to answer.
  func leave(_ count: UInt64) { dropped.wrappingAdd(count, ordering: .relaxed) }
}
