import Devices
import HandModel
import Realtime
import Simulation
import Testing

@testable import Runtime

/// A line that notes what the actuators had last been told whenever it was driven.
private final class WatchedLine: DigitalLine {
  let name = "KILL"
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
  private let killLine: WatchedLine
  private let workers: [BusWorker]
  private let port = CommandPort()
  private let loop: ControlLoop
  private let latest = LatestValue(TickRecord())

  init() throws {
    let hand = SimulatedHand(
      board: TestHand.board, calibration: TestHand.calibration, seed: 1, clock: clock)
    workers = try TestHand.design.plan.schedules.map {
      try BusWorker(schedule: $0, board: TestHand.board, bus: hand.buses[$0.bus], hardware: hand)
    }
    for worker in workers { #expect(worker.configure(clock: clock).isEmpty) }
    let actuators = workers.compactMap(\.actuators)
    killLine = WatchedLine(try #require(actuators.first))
    loop = ControlLoop(
      controller: HandController(settings: TestHand.board.control, parameters: TestHand.design.joints),
      buses: workers, actuatorWorkers: actuators, killLine: killLine,
      eStopLine: hand.line(TestHand.board.eStopLine), port: port,
      recorderRing: Ring(capacity: 64, filling: TickRecord()),
      publisherRing: Ring(capacity: 64, filling: TickRecord()), latest: latest,
      wakeUps: LatencyHistogram(), computes: LatencyHistogram(), blackBox: nil, wallOffsetNanoseconds: 0)
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

  @Test("the kill line is driven after the actuators know their command, and released before they lose it")
  func order() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    #expect(killLine.changes.isEmpty)
    tick(.arm)
    #expect(killLine.changes.map(\.isActive) == [true])
    #expect(killLine.changes[0].actuatorsEnabled)
    for _ in 0..<5 { tick() }
    #expect(killLine.changes.count == 1, "a line that stays is not driven again")
    tick(.stop)
    #expect(killLine.changes.map(\.isActive) == [true, false])
    #expect(killLine.changes[1].actuatorsEnabled, "released first: the actuators still have the last command")
    #expect(!killLine.actuators.commands.read().value.enabled)
  }

  @Test("a stop that comes while the kill line is driven live is not passed over")
  func stopWhileEnabling() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    killLine.whileEnabling = { [port] in port.requestStop(.mqtt) }
    tick(.arm)
    #expect(!killLine.isActive, "it may have been answered already: the line was found released")
    killLine.whileEnabling = {}
    #expect(tick().state == .eStop && !killLine.isActive)
    tick(.reset, number: 2)
    #expect(tick(.arm, number: 3).state == .armed && killLine.isActive)
  }

  @Test("a loop that ends releases the kill line, whatever its last tick was")
  func end() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    tick(.arm)
    #expect(killLine.isActive)
    loop.makeSafe()
    #expect(!killLine.isActive && !killLine.actuators.commands.read().value.enabled)
  }

  @Test("a kill line that is not released is a fault, is driven again every tick, and ends when it follows")
  func stuckKillLine() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    tick(.arm)
    killLine.follows = false
    let disarmed = tick(.disarm, number: 2)
    #expect(disarmed.state == .idle && killLine.isActive, "the tick does not know it yet")
    let record = tick()
    #expect(record.state == .fault && record.fault == .killLine && record.faultJoint == 255)
    #expect(record.inputFlags & InputFlags.killLineFailed != 0)
    let count = killLine.changes.count
    for _ in 0..<3 { tick() }
    #expect(killLine.changes.count == count + 3)
    #expect(tick(.reset, number: 3).commandResult == .causePresent)
    killLine.follows = true
    tick()
    #expect(!killLine.isActive)
    #expect(tick(.reset, number: 4).state == .idle)
    #expect(killLine.changes.count == count + 5, "a line that follows is left alone")
  }

  @Test("a kill line that cannot be driven live is a fault of the next tick, and leaves nothing driven")
  func deadKillLine() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    killLine.follows = false
    #expect(tick(.arm).state == .armed)
    let record = tick()
    #expect(record.fault == .killLine && !record.outputsEnabled)
    #expect(!killLine.actuators.commands.read().value.enabled)
  }

  @Test("an e-stop whose kill line does not follow stays an e-stop, and every record says so")
  func stopWithStuckKillLine() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    tick(.arm)
    killLine.follows = false
    #expect(tick(.stop).fault == .eStopSocket)
    for _ in 0..<3 {
      let record = tick()
      #expect(record.state == .eStop && record.inputFlags & InputFlags.killLineFailed != 0)
    }
  }

  @Test("each record says how many ticks ago the actuators had what they were told, on or off")
  func actuatorLag() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
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
    for _ in 0..<GuardLimits.selfTestTicks { tick(actuates: false) }
    #expect(tick(.arm, actuates: false).commandResult == .actuatorsNotReady)
    tick()
    #expect(tick(.arm, number: 2).state == .armed)
  }
}
