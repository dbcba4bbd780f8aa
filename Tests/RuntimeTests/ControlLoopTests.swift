import Devices
import HandModel
import HandRigs
import Realtime
import Simulation
import Testing

@testable import Control
@testable import Runtime

/// A line that notes what the actuators had last been told whenever it was driven.
private final class WatchedLine: DigitalLine {
  let name = "DRIVE-ENABLE"
  let actuators: ActuatorWorker
  private(set) var isActive = false
  /// Whether it does what it is told.
  var follows = true
  private(set) var changes: [(isActive: Bool, actuatorsEnabled: Bool)] = []
  /// What happens elsewhere while the line is driven live.
  var whileEnabling: () -> Void = {}

  init(_ actuators: ActuatorWorker) { self.actuators = actuators }

  func setActive(_ active: Bool) -> Bool {
    if follows { isActive = active }
    changes.append((active, actuators.commands.read().value.enabled))
    if active { whileEnabling() }
    return follows
  }
}

/// The loop over real bus workers of the simulated hand, tick by tick.
@Suite("Control loop")
struct ControlLoopTests {
  private let clock = VirtualClock()
  private let driveEnable: WatchedLine
  private let workers: [BusWorker]
  private let port = CommandPort()
  private let loop: ControlLoop<HandController>
  private let ends: LoopEnds
  private let latest = TripleBuffer(TickRecord())

  init() throws {
    let hand = SimulatedHand(
      board: TestHand.board, calibration: TestHand.calibration, seed: 1, clock: clock)
    workers = try TestHand.design.plan.schedules.map {
      try BusWorker(schedule: $0, board: TestHand.board, bus: hand.buses[$0.bus], hardware: hand)
    }
    for worker in workers { #expect(worker.configure(clock: clock).isEmpty) }
    let actuators = workers.compactMap(\.actuators)
    driveEnable = WatchedLine(try #require(actuators.first))
    ends = LoopEnds(
      buses: workers, actuatorWorkers: actuators, driveEnable: driveEnable,
      eStopLine: hand.line(TestHand.board.eStopLine), port: port,
      recorderRing: Ring(capacity: 64, filling: TickRecord()),
      publisherRing: Ring(capacity: 64, filling: TickRecord()), latest: latest, blackBox: nil,
      wallOffsetNanoseconds: 0)
    loop = ControlLoop(
      controller: HandController(settings: TestHand.board.control, parameters: TestHand.design.joints),
      ends: ends, wakeUps: LatencyHistogram(), computes: LatencyHistogram())
  }

  /// - Parameter actuates: whether the threads that write do so after the last tick.
  @discardableResult
  private func tick(_ command: Command? = nil, number: UInt32 = 1, actuates: Bool = true) -> TickRecord {
    if let command { port.post(TickCommand(command, source: .socket, number: number)) }
    let start = clock.now()
    for worker in workers {
      clock.set(start)
      if actuates { worker.actuate() }
      worker.sample()
    }
    clock.set(start + TestHand.design.plan.periodNanoseconds)
    loop.tick(deadline: clock.now(), now: clock.now(), skipped: 0) { clock.now() }
    return latest.read().value
  }

  @Test(
    "the drive-enable line is driven after the actuators know their command, and released before they lose it"
  )
  func order() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    #expect(driveEnable.changes.isEmpty)
    tick(.arm)
    #expect(driveEnable.changes.map(\.isActive) == [true])
    #expect(driveEnable.changes[0].actuatorsEnabled)
    for _ in 0..<5 { tick() }
    #expect(driveEnable.changes.count == 1, "a line that stays is not driven again")
    tick(.stop)
    #expect(driveEnable.changes.map(\.isActive) == [true, false])
    #expect(
      driveEnable.changes[1].actuatorsEnabled, "released first: the actuators still have the last command")
    #expect(!driveEnable.actuators.commands.read().value.enabled)
  }

  @Test("a stop that comes while the drive-enable line is driven live is not passed over")
  func stopWhileEnabling() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    driveEnable.whileEnabling = { [port] in port.requestStop(.mqtt) }
    tick(.arm)
    #expect(!driveEnable.isActive, "it may have been answered already: the line was found released")
    driveEnable.whileEnabling = {}
    #expect(tick().state == .eStop && !driveEnable.isActive)
    tick(.reset, number: 2)
    #expect(tick(.arm, number: 3).state == .armed && driveEnable.isActive)
  }

  @Test("a loop that ends releases the drive-enable line, whatever its last tick was")
  func end() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    tick(.arm)
    #expect(driveEnable.isActive)
    ends.makeSafe()
    #expect(!driveEnable.isActive && !driveEnable.actuators.commands.read().value.enabled)
  }

  @Test(
    "a drive-enable line that is not released is a fault, is driven again every tick, and ends when it follows"
  )
  func stuckDriveEnable() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    tick(.arm)
    driveEnable.follows = false
    let disarmed = tick(.disarm, number: 2)
    #expect(disarmed.state == .idle && driveEnable.isActive, "the tick does not know it yet")
    let record = tick()
    #expect(record.state == .fault && record.fault == .driveEnable && record.faultJoint == 255)
    #expect(record.inputFlags & InputFlags.driveEnableFailed != 0)
    let count = driveEnable.changes.count
    for _ in 0..<3 { tick() }
    #expect(driveEnable.changes.count == count + 3)
    #expect(tick(.reset, number: 3).commandResult == .causePresent)
    driveEnable.follows = true
    tick()
    #expect(!driveEnable.isActive)
    #expect(tick(.reset, number: 4).state == .idle)
    #expect(driveEnable.changes.count == count + 5, "a line that follows is left alone")
  }

  @Test(
    "a drive-enable line that cannot be driven live is a fault of the next tick, and leaves nothing driven")
  func deadDriveEnable() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    driveEnable.follows = false
    #expect(tick(.arm).state == .armed)
    let record = tick()
    #expect(record.fault == .driveEnable && !record.outputsEnabled)
    #expect(!driveEnable.actuators.commands.read().value.enabled)
  }

  @Test("an e-stop whose drive-enable line does not follow stays an e-stop, and every record says so")
  func stopWithStuckDriveEnable() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    tick(.arm)
    driveEnable.follows = false
    #expect(tick(.stop).fault == .eStopSocket)
    for _ in 0..<3 {
      let record = tick()
      #expect(record.state == .eStop && record.inputFlags & InputFlags.driveEnableFailed != 0)
    }
  }

  @Test("each record says how many ticks ago the actuators had what they were told, on or off")
  func actuatorLag() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    #expect(tick().actuatorLagTicks == 1)
    tick(.arm)
    // The watched line has looked at that command, so that the worker does not see it as a new one.
    tick()
    #expect(tick().actuatorLagTicks == 1)
    for lag in 2...4 as ClosedRange<UInt32> { #expect(tick(actuates: false).actuatorLagTicks == lag) }
    #expect(tick().actuatorLagTicks == 1)
    tick(.disarm, number: 2)
    tick()
    #expect(tick().actuatorLagTicks == 1)
  }

  @Test("a hand whose actuator threads do not run is not armed")
  func armWithoutThreads() {
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick(actuates: false) }
    #expect(tick(.arm, actuates: false).commandResult == .actuatorsNotReady)
    tick()
    #expect(tick(.arm, number: 2).state == .armed)
  }
}
