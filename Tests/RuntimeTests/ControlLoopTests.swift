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
  private(set) var changes: [(isActive: Bool, actuatorsEnabled: Bool)] = []

  init(_ actuators: ActuatorWorker) { self.actuators = actuators }

  func setActive(_ active: Bool) {
    isActive = active
    changes.append((active, actuators.commands.read().value.enabled))
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
      publisherRing: Ring(capacity: 64, filling: TickRecord()), latest: LatestValue(TickRecord()),
      wakeUps: LatencyHistogram(), computes: LatencyHistogram(), blackBox: nil, wallOffsetNanoseconds: 0)
  }

  private func tick(_ command: Command? = nil) {
    if let command { port.post(TickCommand(command, source: .socket, number: 1)) }
    let start = clock.now()
    for worker in workers {
      clock.set(start)
      worker.sample()
    }
    clock.set(start + TestHand.design.plan.periodNanoseconds)
    loop.tick(deadline: clock.now(), now: clock.now(), skipped: 0) { clock.now() }
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

  @Test("a loop that ends releases the kill line, whatever its last tick was")
  func end() {
    for _ in 0..<GuardLimits.selfTestTicks { tick() }
    tick(.arm)
    #expect(killLine.isActive)
    loop.makeSafe()
    #expect(!killLine.isActive && !killLine.actuators.commands.read().value.enabled)
  }
}
