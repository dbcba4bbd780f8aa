import Devices
import Foundation
import HandRigs
import SeededRandom
import Simulation
import Testing

@testable import Control
@testable import HandModel
@testable import Runtime

/// The shipped hand with its first joint behind another bridge, or on a PWM chip of the kernel's.
private struct BridgeHand {
  let board: Board
  let design: HandDesign

  init(_ actuator: ActuatorWiring, isLocal: Bool = false) throws {
    var board = TestHand.board
    if isLocal {
      board.pwmChips.append(
        PWMChipSpec(name: "kernel", chip: .sysfs(device: ""), frequencyHertz: 20_000))
    }
    board.joints[0].actuator = actuator
    if case .motor(.drv8833, _) = actuator, !isLocal {
      // Two outputs for one joint are another channel to write: two full blocks, on a bus with less software.
      guard case .motor(.phaseEnable(_, let direction), _) = board.joints[14].actuator else {
        preconditionFailure("the shipped board's bridges are phase/enable")
      }
      board.joints[14].actuator = .motor(
        .phaseEnable(PWMOutput(chip: 0, channel: 0), direction: direction), faultLine: nil)
      board.buses[5].transferOverheadNanoseconds = 5000
    }
    self.board = board
    design = try HandDesign(board: board, calibration: TestHand.calibration)
  }

  static let fault = LineSpec(chip: "", line: "nFAULT-0", activeLow: true, bias: .pullUp)

  static func line(_ name: String) -> LineSpec {
    LineSpec(chip: "", line: name, activeLow: false, bias: .pullDown)
  }

  static func tb6612(_ output: PWMOutput) -> ActuatorWiring {
    .motor(.tb6612(output, in1: line("IN1"), in2: line("IN2")), faultLine: nil)
  }

  static func drv8833(chip: Int) -> ActuatorWiring {
    .motor(
      .drv8833(in1: PWMOutput(chip: chip, channel: 6), in2: PWMOutput(chip: chip, channel: 7)),
      faultLine: fault)
  }
}

@Suite("Bridges and PWM chips of the kernel's")
struct BridgeTests {
  /// The kernel's chip comes after the board's own two.
  private static let kernelChip = 2

  private enum Wiring: String, CaseIterable {
    case tb6612, drv8833, localPhaseEnable, localTB6612, localDRV8833

    func hand() throws -> BridgeHand {
      let local = PWMOutput(chip: kernelChip, channel: 3)
      return switch self {
      case .tb6612: try BridgeHand(BridgeHand.tb6612(PWMOutput(chip: 0, channel: 0)))
      case .drv8833: try BridgeHand(BridgeHand.drv8833(chip: 1))
      case .localPhaseEnable:
        try BridgeHand(
          .motor(.phaseEnable(local, direction: BridgeHand.line("DIR")), faultLine: nil), isLocal: true)
      case .localTB6612: try BridgeHand(BridgeHand.tb6612(local), isLocal: true)
      case .localDRV8833: try BridgeHand(BridgeHand.drv8833(chip: kernelChip), isLocal: true)
      }
    }
  }

  @Test(
    "behind every bridge the joint makes the same grasp as the shipped hand's", arguments: Wiring.allCases)
  private func sameGrasp(wiring: Wiring) throws {
    func run(_ design: HandDesign) throws -> [TickRecord] {
      let hand = try VirtualHand(seed: 2, design: design)
      hand.command(20, .arm)
      hand.command(50, .pose(radians: TestHand.pose("power"), seconds: 0.4))
      hand.command(600, .pose(radians: TestHand.pose("open"), seconds: 0.4))
      return hand.run(ticks: 1300)
    }
    let records = try run(try wiring.hand().design)
    let reference = try run(TestHand.design)
    #expect(records.allSatisfy { $0.fault == .none && $0.uncertifiedTicks == 0 })
    for tick in stride(from: 60, to: 1300, by: 10) {
      let difference = records[tick].joints[0].positionRadians - reference[tick].joints[0].positionRadians
      // Another latency and, behind a bridge that coasts when it turns round, some ticks without torque.
      #expect(abs(difference) < 0.02, "tick \(tick): \(difference) rad")
    }
    // The latch-up of the mean voltage shows in the current: no wiring may act the wrong way round.
    #expect(abs(records[590].joints[0].positionRadians - TestHand.pose("power")[0]) < 0.015)
    #expect(abs(records[1299].joints[0].positionRadians) < 0.015)
  }

  /// A worker alone with the first joint behind a bridge.
  private struct Rig {
    let clock = VirtualClock()
    let simulation: SimulatedHand
    let worker: ActuatorWorker

    init(_ wiring: Wiring) throws {
      let hand = try wiring.hand()
      simulation = SimulatedHand(board: hand.board, calibration: TestHand.calibration, seed: 1, clock: clock)
      let isLocal = wiring.rawValue.hasPrefix("local")
      worker = try #require(
        isLocal
          ? ActuatorWorker(local: hand.board, hardware: simulation)
          : try ActuatorWorker(
            schedule: hand.design.plan.schedules[5], board: hand.board, bus: simulation.buses[5],
            hardware: simulation))
      var readyAt: Int64 = 0
      #expect(worker.configure(readyAt: &readyAt).isEmpty)
      simulation.driveEnable.setActive(true)
      clock.set(max(readyAt, 1_000_000))
    }

    /// One cycle at this duty; what the joint's bridge then does.
    func cycle(_ duty: Double) throws -> SimulatedJoint.Truth {
      var command = ActuatorCommand()
      command.sequence = worker.commands.read().value.sequence + 1
      command.enabled = true
      command.duty[0] = duty
      worker.commands.write(command)
      return try silentCycle()
    }

    /// One cycle without a new command.
    func silentCycle() throws -> SimulatedJoint.Truth {
      try worker.actuate()
      clock.set(clock.now() + 1_000_000)
      return simulation.joints[0].truth(at: clock.now())
    }
  }

  /// docs/hardware.md, off: the loop hands nothing new for five cycles.
  @Test(
    "actuators whose loop is silent are switched off in the sixth cycle, and driven again by its next command",
    arguments: [Wiring.tb6612, .localPhaseEnable])
  private func silentLoop(wiring: Wiring) throws {
    let rig = try Rig(wiring)
    #expect(try abs(rig.cycle(0.5).duty - 0.5) < 1e-3)
    for _ in 0..<5 { #expect(try abs(rig.silentCycle().duty - 0.5) < 1e-3) }
    for _ in 0..<3 { #expect(try rig.silentCycle().duty == 0) }
    #expect(try abs(rig.cycle(0.5).duty - 0.5) < 1e-3)
  }

  @Test("a duty that is no number is none", arguments: [Wiring.tb6612, .drv8833, .localPhaseEnable])
  private func nonFiniteDuty(wiring: Wiring) throws {
    let rig = try Rig(wiring)
    #expect(try abs(rig.cycle(0.05).duty - 0.05) < 1e-3)
    #expect(try rig.cycle(.nan).duty == 0)
    #expect(try rig.cycle(.infinity).duty == 1)
  }

  @Test(
    "a bridge whose direction line does not follow is not driven the wrong way; the third failed write is a fault",
    arguments: [("DIR", Wiring.localPhaseEnable), ("IN1", .tb6612), ("IN2", .localTB6612)])
  private func stuckLine(name: String, wiring: Wiring) throws {
    let rig = try Rig(wiring)
    let forward = name == "IN2" ? -0.05 : 0.05
    #expect(try abs(rig.cycle(forward).duty - forward) < 1e-3)
    let proved = rig.worker.status.read().value.appliedSequence
    try #require(rig.simulation.line(for: BridgeHand.line(name))).setStuck(.seen)
    for count in 1...3 {
      #expect(throws: DeviceError.self) { try rig.cycle(forward > 0 ? -0.5 : 0.5) }
      rig.clock.set(rig.clock.now() + 1_000_000)
      #expect(rig.simulation.joints[0].truth(at: rig.clock.now()).duty == 0)
      #expect(rig.worker.status.read().value.chipFailed == (count == 3))
    }
    #expect(
      rig.worker.status.read().value.appliedSequence == proved, "what a line did not follow is not written")
  }

  @Test(
    "a reversal at more than a tenth of the supply coasts for a cycle, one below it does not",
    arguments: [Wiring.tb6612, .drv8833, .localTB6612, .localDRV8833])
  private func reversal(wiring: Wiring) throws {
    let rig = try Rig(wiring)
    #expect(try abs(rig.cycle(0.5).duty - 0.5) < 1e-3)
    let coasting = try rig.cycle(-0.5)
    #expect(!coasting.isLive && coasting.duty == 0 && coasting.motorAmperes == 0)
    #expect(try abs(rig.cycle(-0.5).duty + 0.5) < 1e-3)
    #expect(try !rig.cycle(0.05).isLive)
    #expect(try abs(rig.cycle(0.05).duty - 0.05) < 1e-3)
    #expect(try abs(rig.cycle(-0.05).duty + 0.05) < 1e-3)
    let braking = try rig.cycle(0)
    #expect(braking.isLive && braking.duty == 0)
    try rig.worker.switchOff()
    rig.clock.set(rig.clock.now() + 1_000_000)
    #expect(!rig.simulation.joints[0].truth(at: rig.clock.now()).isLive)
  }

  @Test(
    "any sequence of duties comes out as asked, or as coasting where it turns round",
    arguments: [Wiring.tb6612, .drv8833, .localPhaseEnable, .localDRV8833])
  private func anyDuties(wiring: Wiring) throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of duties: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let rig = try Rig(wiring)
    var applied = 0.0
    for _ in 0..<500 {
      // Whole thousandths, zero and both ends among them.
      let duty = Double(Int.random(in: -1050...1050, using: &generator)) / 1000
      let truth = try rig.cycle(duty)
      let limited = min(max(duty, -1), 1)
      let turns = limited != 0 && (limited < 0) != (applied < 0) && abs(applied) > 0.1
      applied = turns ? 0 : limited
      // One count of the PCA9685, rounded up.
      #expect(
        abs(truth.duty - applied) <= 1.0 / 4096 + 1e-9, "seed \(seed): asked \(duty), got \(truth.duty)")
    }
  }

  @Test(
    "nFAULT of a bridge faults the hand and names the joint; it cannot be reset while it lasts",
    arguments: [Wiring.drv8833, .localDRV8833])
  private func bridgeFault(wiring: Wiring) throws {
    let hand = try VirtualHand(design: try wiring.hand().design)
    hand.command(20, .arm)
    hand.before(100) { hand.hand.bridgeFault(0).setTripped(true) }
    hand.command(150, .reset)
    hand.before(200) { hand.hand.bridgeFault(0).setTripped(false) }
    hand.command(250, .reset)
    let records = hand.run(ticks: 260)
    #expect(records[99].outputsEnabled)
    let tick = try #require(hand.firstTick(.fault))
    // Seen by the worker in the tick after, and by the loop in the one after that.
    #expect((100...102).contains(tick))
    #expect(records[tick].fault == .actuatorFault && records[tick].faultJoint == 0)
    #expect(records[160].state == .fault && records[255].state == .idle)
  }

  @Test("channels of the kernel's chip are started at their period and stopped when outputs end")
  func localChannels() throws {
    let hand = try VirtualHand(design: try Wiring.localDRV8833.hand().design)
    hand.command(20, .arm)
    hand.command(40, .pose(radians: TestHand.pose("power"), seconds: 0.5))
    hand.command(200, .stop)
    var pulses: [Int64] = []
    let channel = try #require(hand.hand.simulatedChannel(chip: Self.kernelChip, channel: 6))
    hand.run(ticks: 210) { _ in
      pulses.append(channel.pulseNanoseconds)
      return false
    }
    #expect(pulses[10] == 0)
    // 20 kHz: 50 us; forward IN1 stays high.
    #expect(pulses[60..<190].contains(50_000) && pulses.allSatisfy { (0...50_000).contains($0) })
    #expect(pulses[205] == 0)
  }
}
