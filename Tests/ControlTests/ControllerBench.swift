import HandModel
import HandRigs
import PrimalLogic

@testable import Control

/// The real controller of the hand's first joints, fed by hand: one call of `tick` is one tick.
final class ControllerBench {
  private var controller: HandController
  let inputs: UnsafeMutablePointer<TickInputs>
  let record: UnsafeMutablePointer<TickRecord>
  let actuators: UnsafeMutablePointer<ActuatorCommand>
  private let jointCount: Int
  private let periodNanoseconds: Int64
  private var commandNumber: UInt32 = 0
  private var streamNumber: UInt32 = 0
  /// Encoder samples are this old when a tick takes them.
  var sampleAgeNanoseconds: Int64 = 100_000

  /// - Parameters:
  ///   - parameters: of the joints; nil = the first `joints` of the shipped hand.
  ///   - checks: whether the tests beside the certificate run.
  init(
    joints: Int = 1, settings: ControlSettings = TestHand.board.control, parameters: [JointParameters]? = nil,
    checks: Bool = true
  ) {
    jointCount = joints
    periodNanoseconds = settings.periodNanoseconds
    controller = HandController(
      settings: settings, parameters: parameters ?? Array(TestHand.design.joints.prefix(joints)),
      checks: checks)
    inputs = .allocate(capacity: 1)
    inputs.initialize(to: TickInputs())
    record = .allocate(capacity: 1)
    record.initialize(to: TickRecord())
    actuators = .allocate(capacity: 1)
    actuators.initialize(to: ActuatorCommand())
    inputs.pointee.nowNanoseconds = 1_000_000_000
    for j in 0..<joints {
      inputs.pointee.encoders[j].isValid = true
      inputs.pointee.encoders[j].counts = UInt16(TestHand.calibration.joints[j].encoder.zeroCounts)
    }
  }

  deinit {
    inputs.deallocate()
    record.deallocate()
    actuators.deallocate()
  }

  var result: CommandResult { controller.lastResult }
  var isStreaming: Bool { controller.memory.machine.isStreaming }
  var freshTicks: Int { controller.memory.machine.freshTicks }
  var isTested: Bool { controller.memory.machine.isTested }

  /// All that decides the ticks to come.
  struct Snapshot {
    fileprivate var checkpoint: [UInt8]
    fileprivate var inputs: TickInputs
    fileprivate var commandNumber: UInt32
  }

  func snapshot() -> Snapshot {
    var checkpoint = [UInt8](repeating: 0, count: controller.checkpointByteCount)
    checkpoint.withUnsafeMutableBytes {
      guard let start = $0.baseAddress else { fatalError("a checkpoint has bytes") }
      controller.beginCheckpoint(start)
      var step = 0
      while !controller.continueCheckpoint(start, step: step) { step += 1 }
    }
    return Snapshot(checkpoint: checkpoint, inputs: inputs.pointee, commandNumber: commandNumber)
  }

  /// Goes back to a snapshot. Numbers of samples and set-points start anew, as a restored controller's do.
  func restore(_ snapshot: Snapshot) throws(CheckpointError) {
    do { try snapshot.checkpoint.withUnsafeBytes { try controller.restore($0) } } catch let error
      as CheckpointError
    {
      throw error
    } catch { fatalError("\(error)") }
    inputs.pointee = snapshot.inputs
    commandNumber = snapshot.commandNumber
    streamNumber = 0
    inputs.pointee.stream = TickCommand()
    inputs.pointee.command = TickCommand()
    for j in 0..<jointCount { inputs.pointee.encoders[j].number = 0 }
  }

  /// One tick, `periods` after the last one.
  /// - Parameter withStop: a stop from the same source comes with the command.
  func tick(
    _ command: Command? = nil, source: CommandSource = .socket, periods: Double = 1, withStop: Bool = false
  ) {
    inputs.pointee.nowNanoseconds += Int64((periods * Double(periodNanoseconds)).rounded())
    inputs.pointee.deadlineNanoseconds = inputs.pointee.nowNanoseconds
    inputs.pointee.stopRequested = withStop
    inputs.pointee.stopSource = source
    switch command {
    case nil: break
    case .stop:
      inputs.pointee.stopRequested = true
    case .stream(let radians):
      streamNumber += 1
      inputs.pointee.stream = TickCommand(.stream(radians: radians), source: source, number: streamNumber)
    case .some(let command):
      commandNumber += 1
      inputs.pointee.command = TickCommand(command, source: source, number: commandNumber)
    }
    for j in 0..<jointCount {
      inputs.pointee.encoders[j].number += 1
      inputs.pointee.encoders[j].timeNanoseconds = inputs.pointee.nowNanoseconds - sampleAgeNanoseconds
    }
    controller.tick(inputs, record: record, actuators: actuators)
    inputs.pointee.skippedDeadlines = 0
  }

  /// Makes the observer of a joint forget every number it had.
  func spoilEstimate(joint: Int) {
    let model = TestHand.design.joints[joint].model
    controller.joints[joint].pointee.observer = Observer(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, position: .nan)
  }

  /// Ticks until the self-test has passed.
  func becomeIdle() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
  }
}
