import Control
import HandModel
import Recording

/// Runs recorded ticks again.
///
/// A run begins at tick 0 or at a checkpoint. A missing tick ends it until the next checkpoint. The samples
/// are always those of the recording. With other parameters the replay therefore shows what the hand would
/// have been told, not how it would have moved.
package struct Replay {
  /// How often `progress` is called: some five times a second.
  private static let progressTicks: UInt64 = 10_000

  private let recording: Recording
  private let design: HandDesign

  /// - Parameter design: the design that runs the ticks; `RecordedFiles.design()` for the recorded hand.
  package init(_ recording: Recording, design: HandDesign) {
    self.recording = recording
    self.design = design
  }

  /// Runs every recorded tick that a run can reach. Throws when the recording cannot be read, or when it has
  /// neither tick 0 nor a usable checkpoint.
  /// - Parameters:
  ///   - onTick: called with each tick as recorded and as replayed, valid until it returns.
  ///   - progress: called now and then with the number of ticks read so far.
  package func run(
    onTick: (UnsafePointer<TickRecord>, UnsafePointer<TickRecord>) -> Void = { _, _ in },
    progress: (UInt64) -> Void = { _ in }
  ) throws(ReplayError) -> ReplayResult {
    var result = ReplayResult()
    let bench = ReplayBench(design)
    let comparison = ReplayComparison(recording)
    let checkpoints = try reading { () throws(RecordingError) in Set(try recording.checkpoints()) }
    var refusal: CheckpointError?
    let cursor = recording.ticks()
    let recorded = UnsafeMutablePointer<TickRecord>.allocate(capacity: 1)
    recorded.initialize(to: TickRecord())
    defer { recorded.deallocate() }
    var next: UInt64?
    var read: UInt64 = 0
    while try reading({ () throws(RecordingError) in try cursor.next(into: &recorded.pointee) }) {
      read += 1
      if read % Self.progressTicks == 0 { progress(read) }
      let sequence = recorded.pointee.sequence
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
      comparison.compare(recorded: recorded, replayed: bench.record)
      result.note(recorded, bench.record, names: recording.jointNames)
      onTick(recorded, bench.record)
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
  private let absent: AbsentSensors
  private let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
  private let actuators = UnsafeMutablePointer<ActuatorCommand>.allocate(capacity: 1)

  init(_ design: HandDesign) {
    controller = HandController(settings: design.board.control, parameters: design.joints)
    absent = AbsentSensors(on: design.board)
    record.initialize(to: TickRecord())
    inputs.initialize(to: TickInputs())
    actuators.initialize(to: ActuatorCommand())
  }

  deinit {
    record.deallocate()
    inputs.deallocate()
    actuators.deallocate()
  }

  /// A controller at tick 0.
  func begin(_ design: HandDesign) {
    controller = HandController(settings: design.board.control, parameters: design.joints)
    inputs.pointee = TickInputs()
  }

  /// Restores a checkpoint. Returns why it cannot be used.
  func begin(_ design: HandDesign, at checkpoint: UnsafeRawBufferPointer) -> CheckpointError? {
    begin(design)
    do throws(CheckpointError) { try controller.restore(checkpoint) } catch { return error }
    return nil
  }

  func tick(_ recorded: UnsafePointer<TickRecord>) {
    inputs.pointee.recall(recorded, absent: absent)
    controller.tick(inputs, record: record, actuators: actuators)
  }
}
