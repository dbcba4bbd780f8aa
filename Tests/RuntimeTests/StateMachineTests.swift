import HandModel
import PrimalLogic
import Testing

@testable import Runtime

/// One joint's controller with inputs made by hand, so that thousands of histories can be walked through.
private final class Bench {
  private var controller: HandController
  private let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
  private let record = UnsafeMutablePointer<TickRecord>.allocate(capacity: 1)
  private let actuators = UnsafeMutablePointer<ActuatorCommand>.allocate(capacity: 1)
  private var number: UInt32 = 0
  private let zero: UInt16

  init(_ design: HandDesign) {
    var settings = design.board.control
    // Short time-outs, so that an event of a few ticks outlasts them.
    settings.staleSampleNanoseconds = 3_000_000
    settings.commandTimeoutNanoseconds = 3_000_000
    controller = HandController(settings: settings, parameters: [design.joints[0]])
    zero = UInt16(design.calibration.joints[0].encoder.zeroCounts)
    inputs.initialize(to: TickInputs())
    record.initialize(to: TickRecord())
    actuators.initialize(to: ActuatorCommand())
    for _ in 0..<15 { tick() }
  }

  deinit {
    inputs.deallocate()
    record.deallocate()
    actuators.deallocate()
  }

  var isSensorAlive = true
  var now: TickRecord { record.pointee }
  var result: CommandResult { controller.lastResult }
  var commandsOutputs: Bool { actuators.pointee.enabled }
  var duty: Double { actuators.pointee.duty[0] }
  var lineActive: Bool { inputs.pointee.eStopLineActive }
  func setLine(active: Bool) { inputs.pointee.eStopLineActive = active }

  func tick() {
    inputs.pointee.nowNanoseconds += 1_000_000
    inputs.pointee.deadlineNanoseconds = inputs.pointee.nowNanoseconds
    if isSensorAlive {
      inputs.pointee.encoders[0].counts = zero
      inputs.pointee.encoders[0].isValid = true
      inputs.pointee.encoders[0].number += 1
      inputs.pointee.encoders[0].timeNanoseconds = inputs.pointee.nowNanoseconds - 300_000
    }
    controller.tick(inputs, record: record, actuators: actuators)
    inputs.pointee.stopRequested = false
  }

  func send(_ command: Command, _ source: CommandSource = .socket) {
    number += 1
    switch command {
    case .stop:
      inputs.pointee.stopRequested = true
      inputs.pointee.stopSource = source
    case .stream: inputs.pointee.stream = TickCommand(command, source: source, number: number)
    default: inputs.pointee.command = TickCommand(command, source: source, number: number)
    }
    tick()
  }
}

/// What can happen to a hand from outside.
private enum Event: CaseIterable {
  case arm, nullG, disarm, pose, stream, stopLocal, stopRemote, resetLocal, resetRemote
  case pressLine, releaseLine, loseSensor, findSensor
}

@Suite struct StateMachineTests {
  private let design: HandDesign

  init() throws {
    let files = try VirtualHand.files()
    design = try HandDesign(board: files.board, calibration: files.calibration)
  }

  /// Walks one history and checks after every tick what must always hold.
  private func walk(_ events: [Event]) {
    let bench = Bench(design)
    // Whether the hand was armed since it last lost its outputs: tracked beside the controller.
    var armed = false
    var localStop = false
    func check(_ bench: Bench, _ event: Event) {
      let context: Comment = "\(events) at \(event)"
      let record = bench.now
      #expect(record.outputsEnabled == record.state.outputsLive, context)
      #expect(bench.commandsOutputs == record.outputsEnabled, context)
      #expect(!record.outputsEnabled || armed, context)
      #expect(record.outputsEnabled || bench.duty == 0, context)
      #expect(!bench.lineActive || record.state == .eStop, context)
      #expect((record.fault == .none) == !(record.state == .fault || record.state == .eStop), context)
      #expect(!localStop || record.state == .eStop, context)
    }
    for event in events {
      switch event {
      case .arm:
        armed = bench.now.state == .idle || armed
        bench.send(.arm)
      case .nullG:
        armed = bench.now.state == .idle || armed
        bench.send(.nullG)
      case .disarm: bench.send(.disarm)
      case .pose: bench.send(.pose(radians: [0.5], seconds: nil), .mqtt)
      case .stream: bench.send(.stream(radians: [0.5]), .mqtt)
      case .stopLocal:
        bench.send(.stop)
        localStop = true
      case .stopRemote: bench.send(.stop, .mqtt)
      case .resetLocal:
        bench.send(.reset)
        if bench.result == .executed && !bench.lineActive { localStop = false }
      case .resetRemote: bench.send(.reset, .mqtt)
      case .pressLine:
        bench.setLine(active: true)
        localStop = true
        bench.tick()
      case .releaseLine:
        bench.setLine(active: false)
        bench.tick()
      case .loseSensor: bench.isSensorAlive = false
      case .findSensor: bench.isSensorAlive = true
      }
      if !bench.now.state.outputsLive { armed = false }
      check(bench, event)
      for _ in 0..<5 {
        bench.tick()
        if !bench.now.state.outputsLive { armed = false }
        check(bench, event)
      }
    }
  }

  @Test(
    "no history of up to three events makes outputs live without arming or clears a local e-stop remotely")
  func exhaustive() {
    for a in Event.allCases {
      for b in Event.allCases { for c in Event.allCases { walk([a, b, c]) } }
    }
  }

  @Test("nor does any of a thousand random long histories")
  func random() {
    for seed in 0..<1000 {
      var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
      walk(
        (0..<10).map { _ in
          state ^= state << 13
          state ^= state >> 7
          state ^= state << 17
          return Event.allCases[Int(state % UInt64(Event.allCases.count))]
        })
    }
  }

  @Test("the way from idle over armed and tracking back to armed, and a fault's first cause stays")
  func way() {
    let bench = Bench(design)
    #expect(bench.now.state == .idle && bench.now.mode == .idle)
    bench.send(.pose(radians: [0.5], seconds: nil))
    #expect(bench.result == .notArmed && bench.now.state == .idle)
    bench.send(.arm)
    #expect(bench.now.state == .armed && bench.now.mode == .stationKeep)
    bench.send(.pose(radians: [0], seconds: nil))
    bench.tick()
    #expect(bench.now.state == .armed)
    bench.send(.stream(radians: [0.01]))
    #expect(bench.now.state == .tracking && bench.now.mode == .trajectory)
    for _ in 0..<5 { bench.tick() }
    #expect(bench.now.state == .fault && bench.now.fault == .commandTimeout)
    bench.isSensorAlive = false
    for _ in 0..<5 { bench.tick() }
    #expect(bench.now.fault == .commandTimeout)
    bench.send(.reset)
    #expect(bench.result == .causePresent)
    bench.send(.stop)
    #expect(bench.now.state == .eStop && bench.now.fault == .eStopSocket)
    bench.isSensorAlive = true
    bench.tick()
    bench.send(.reset, .mqtt)
    #expect(bench.result == .localEStop && bench.now.state == .eStop)
    bench.send(.reset)
    #expect(bench.now.state == .idle && bench.now.fault == .none)
  }
}
