import Control
import HandModel
import Runtime
import Simulation

/// A simulated hand in virtual time: the daemon's schedule, drivers and tick on one thread.
package final class VirtualHand {
  package let clock = VirtualClock()
  package let runtime: HandRuntime
  package let hand: SimulatedHand
  package private(set) var records: [TickRecord] = []
  private var actions: [Int: [() -> Void]] = [:]
  private var commandNumber: UInt32 = 0
  /// What befalls the machine, by tick.
  package var trouble: [Int: MachineDisturbance] = [:]

  /// - Parameter simulated: the hand that is simulated, where it is another than the design's.
  package init(
    seed: UInt64 = 1, design: HandDesign = TestHand.design, simulated: Calibration? = nil
  ) throws(StartError) {
    hand = SimulatedHand(
      board: design.board, calibration: simulated ?? design.calibration, seed: seed, clock: clock)
    runtime = try HandRuntime(design: design, hardware: hand, clock: clock)
  }

  /// Does `action` before the buses sample for `tick`.
  package func before(_ tick: Int, _ action: @escaping () -> Void) {
    actions[tick, default: []].append(action)
  }

  /// Sends a command that `tick` takes.
  package func command(_ tick: Int, _ command: Command, source: CommandSource = .socket) {
    before(tick) { [unowned self] in
      commandNumber += 1
      runtime.port.post(TickCommand(command, source: source, number: commandNumber))
    }
  }

  /// Runs and keeps each record; `records[n]` is tick n.
  @discardableResult
  package func run(ticks: Int, isDone: (TickRecord) -> Bool = { _ in false }) -> [TickRecord] {
    records.reserveCapacity(ticks)
    for action in actions[0] ?? [] { action() }
    runtime.runVirtual(
      clock, ticks: ticks, records: false, publishes: false,
      onTick: {
        records.append(runtime.latestRecord())
        for action in actions[records.count] ?? [] { action() }
        return !isDone(records[records.count - 1])
      }, disturbance: { trouble[$0] ?? MachineDisturbance() })
    // They may hold this hand: a cycle that would outlive the test.
    actions = [:]
    return records
  }

  /// The first tick in a state, or nil.
  package func firstTick(_ state: HandState, from tick: Int = 0) -> Int? {
    records.indices.dropFirst(tick).first { records[$0].state == state }
  }
}
