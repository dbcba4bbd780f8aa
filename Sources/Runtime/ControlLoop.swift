import Control
import HandModel
import Realtime

/// The body of the loop: gathers inputs, runs one tick of its controller, lets the outputs out.
///
/// Owned by one thread at a time. Generic, so that the controller is called directly and not through a table.
final class ControlLoop<Controller: TickController & ~Copyable> {
  private var controller: Controller
  private let ends: LoopEnds
  private let wakeUps: LatencyHistogram
  private let computes: LatencyHistogram
  /// States of the controller, for whoever asks; nil where it makes no checkpoints.
  let checkpoint: SnapshotRequest?
  /// Steps that a begun checkpoint has taken; 0 = none begun.
  private var checkpointStep = 0
  /// The tick that follows the state of a begun checkpoint.
  private var checkpointSequence: UInt64 = 0

  init(
    controller: consuming Controller, ends: LoopEnds, wakeUps: LatencyHistogram, computes: LatencyHistogram
  ) {
    let byteCount = controller.checkpointByteCount
    checkpoint = byteCount > 0 ? SnapshotRequest(byteCount: byteCount) : nil
    self.controller = controller
    self.ends = ends
    self.wakeUps = wakeUps
    self.computes = computes
  }

  /// Runs the tick of `deadline`, which woke at `now`.
  /// - Parameters:
  ///   - skipped: deadlines that passed before this one without a tick.
  ///   - missed: deadlines that the machine missed while the hand's clock stood still: counted, and nothing
  ///     else.
  ///   - isLast: the hand stops with this tick. Its outputs are off from here on, whatever is commanded.
  ///   - finished: read after the tick, for its compute time; the same clock as `now`.
  func tick(
    deadline: Int64, now: Int64, skipped: UInt64, missed: UInt64 = 0, isLast: Bool = false,
    finished: () -> Int64
  ) {
    ends.gather(
      deadline: deadline, now: now, skipped: skipped, missed: missed, isLast: isLast,
      sequence: controller.sequence)
    controller.tick(ends.inputs, record: ends.record, actuators: ends.actuators)
    ends.deliver(handledCommand: controller.handledCommand, result: controller.lastResult)
    continueCheckpoint()
    let compute = finished() &- now
    wakeUps.record(now &- deadline)
    computes.record(compute)
    ends.end(computeNanoseconds: compute)
  }

  /// Last of all: what was decided is on its way.
  private func continueCheckpoint() {
    guard let checkpoint, checkpoint.isRequested else { return }
    if checkpointStep == 0 {
      controller.beginCheckpoint(checkpoint.memory)
      checkpointSequence = controller.sequence
    }
    if controller.continueCheckpoint(checkpoint.memory, step: checkpointStep) {
      checkpointStep = 0
      checkpoint.finish(tag: checkpointSequence)
    } else {
      checkpointStep += 1
    }
  }
}
