import HandModel
import Recording
import Runtime

/// Runs recorded ticks again.
///
/// A run begins at tick 0 or at a checkpoint; a missing tick ends it until the next checkpoint. The samples are
/// those of the recording whatever the controller decides: with other parameters the replay shows what the hand
/// would have been told, not how it would have moved.
package struct Replay {
  /// How often `progress` is called: some five times a second.
  private static let progressTicks: UInt64 = 10_000

  private let recording: Recording
  private let design: HandDesign

  /// - Parameter design: by which the ticks are run; `RecordedFiles.design()` for the recorded hand.
  package init(_ recording: Recording, design: HandDesign) {
    self.recording = recording
    self.design = design
  }

  /// Runs every tick from which there is a state to begin with.
  /// - Parameters:
  ///   - onTick: called with each tick as recorded and as replayed.
  ///   - progress: called now and then with the number of ticks read so far.
  package func run(
    onTick: (borrowing TickRecord, borrowing TickRecord) -> Void = { _, _ in },
    progress: (UInt64) -> Void = { _ in }
  ) throws(ReplayError) -> ReplayResult {
    var result = ReplayResult()
    let bench = ReplayBench(design)
    let comparison = ReplayComparison(recording)
    let checkpoints = try reading { () throws(RecordingError) in Set(try recording.checkpoints()) }
    var refusal: CheckpointError?
    let cursor = recording.ticks()
    var recorded = TickRecord()
    var next: UInt64?
    var read: UInt64 = 0
    while try reading({ () throws(RecordingError) in try cursor.next(into: &recorded) }) {
      read += 1
      if read % Self.progressTicks == 0 { progress(read) }
      let sequence = recorded.sequence
      if sequence != next {
        next = nil
        if sequence == 0 {
          bench.begin(design)
          next = 0
        } else if checkpoints.contains(sequence) {
          refusal = try reading { () throws(RecordingError) in
            try recording.withCheckpoint(before: sequence) { bench.begin(design, at: $0) }
          }.flatMap(\.self)
          if refusal == nil { next = sequence }
        }
      }
      guard next != nil else {
        result.skippedTicks += 1
        continue
      }
      bench.tick(recorded)
      comparison.compare(recorded: recorded, from: cursor, replayed: bench.record.pointee)
      result.note(recorded, bench.record.pointee, names: recording.jointNames)
      onTick(recorded, bench.record.pointee)
      next = sequence + 1
    }
    result.difference = comparison.difference
    guard result.replayedTicks > 0 else {
      throw .nowhereToBegin(path: recording.path, checkpoint: refusal)
    }
    return result
  }

  private func reading<Value>(_ body: () throws(RecordingError) -> Value) throws(ReplayError) -> Value {
    do throws(RecordingError) { return try body() } catch { throw .recording(error) }
  }
}

/// A controller that is fed with recorded ticks.
private final class ReplayBench {
  let record = UnsafeMutablePointer<TickRecord>.allocate(capacity: 1)
  private var controller: HandController
  private let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
  private let actuators = UnsafeMutablePointer<ActuatorCommand>.allocate(capacity: 1)

  init(_ design: HandDesign) {
    controller = HandController(settings: design.board.control, parameters: design.joints)
    record.initialize(to: TickRecord())
    inputs.initialize(to: TickInputs())
    actuators.initialize(to: ActuatorCommand())
  }

  deinit {
    record.deallocate()
    inputs.deallocate()
    actuators.deallocate()
  }

  /// As a hand that starts.
  func begin(_ design: HandDesign) {
    controller = HandController(settings: design.board.control, parameters: design.joints)
    inputs.pointee = TickInputs()
  }

  /// From a checkpoint; returns why it cannot be used.
  func begin(_ design: HandDesign, at checkpoint: UnsafeRawBufferPointer) -> CheckpointError? {
    begin(design)
    do throws(CheckpointError) { try controller.restore(checkpoint) } catch { return error }
    return nil
  }

  func tick(_ recorded: borrowing TickRecord) {
    inputs.pointee.recall(recorded)
    controller.tick(inputs, record: record, actuators: actuators)
  }
}
