import Foundation
import HandModel
import PrimalLogic
import Simulation

@testable import Runtime

/// The files that ship with the package.
enum TestFiles {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func text(_ path: String) -> String {
    do {
      return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    } catch { fatalError("\(error)") }
  }

  static func board(_ path: String) -> Board {
    do { return try Board(yaml: text(path), file: path) } catch { fatalError("\(error)") }
  }

  static func calibration(_ path: String, board: Board) -> Calibration {
    do { return try Calibration(yaml: text(path), file: path, board: board) } catch { fatalError("\(error)") }
  }
}

/// The shipped hand, designed once: finding fifteen certificates takes longer than most tests.
enum TestHand {
  static let board = TestFiles.board("Boards/sim.yaml")
  static let calibration = TestFiles.calibration("Calibration/nominal-hand.yaml", board: board)
  static let design: HandDesign = {
    do { return try HandDesign(board: board, calibration: calibration) } catch { fatalError("\(error)") }
  }()

  static func pose(_ name: String) -> [Double] {
    guard let pose = calibration.poses.first(where: { $0.name == name }) else {
      fatalError("no pose \(name)")
    }
    return pose.radians
  }
}

/// A simulated hand in virtual time: the daemon's schedule, drivers and tick on one thread.
final class VirtualHand {
  let clock = VirtualClock()
  let runtime: HandRuntime
  let hand: SimulatedHand
  private(set) var records: [TickRecord] = []
  private var actions: [Int: [() -> Void]] = [:]
  private var commandNumber: UInt32 = 0
  /// What befalls the machine, by tick.
  var trouble: [Int: MachineTrouble] = [:]

  /// - Parameter simulated: the hand that is simulated, where it is another than the design's.
  init(
    seed: UInt64 = 1, design: HandDesign = TestHand.design, simulated: Calibration? = nil
  ) throws(StartError) {
    runtime = try HandRuntime(design: design, seed: seed, clock: clock, simulated: simulated)
    guard let hand = runtime.simulation else { fatalError("the shipped board is simulated") }
    self.hand = hand
  }

  /// Does `action` before the buses sample for `tick`.
  func before(_ tick: Int, _ action: @escaping () -> Void) {
    actions[tick, default: []].append(action)
  }

  /// Sends a command that `tick` takes.
  func command(_ tick: Int, _ command: Command, source: CommandSource = .socket) {
    before(tick) { [unowned self] in
      commandNumber += 1
      runtime.port.post(TickCommand(command, source: source, number: commandNumber))
    }
  }

  /// Runs and keeps each record; `records[n]` is tick n.
  @discardableResult
  func run(ticks: Int, isDone: (TickRecord) -> Bool = { _ in false }) -> [TickRecord] {
    records.reserveCapacity(ticks)
    for action in actions[0] ?? [] { action() }
    runtime.runVirtual(
      clock, ticks: ticks, records: false, publishes: false,
      onTick: {
        records.append(runtime.latestRecord())
        for action in actions[records.count] ?? [] { action() }
        return !isDone(records[records.count - 1])
      }, trouble: { trouble[$0] ?? MachineTrouble() })
    // They may hold this hand: a cycle that would outlive the test.
    actions = [:]
    return records
  }

  /// The first tick in a state, or nil.
  func firstTick(_ state: HandState, from tick: Int = 0) -> Int? {
    records.indices.dropFirst(tick).first { records[$0].state == state }
  }
}

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
  var isStreaming: Bool { controller.isStreaming }
  var freshTicks: Int { controller.freshTicks }
  var isTested: Bool { controller.isTested }

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
    controller.joints[joint].observer = Observer(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, position: .nan)
  }

  /// Ticks until the self-test has passed.
  func becomeIdle() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
  }
}
