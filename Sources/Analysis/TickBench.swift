import Control
import HandFiles
import HandModel
import PrimalLogic
import Realtime
import Runtime
import Simulation
import Synchronization

/// The full tick of a hand, fed with the samples of a simulated grasp: what `motorhand bench loop` measures.
///
/// The samples come from a virtual run of the same board beforehand, so that the measured part is the tick
/// and its hand-over to the rings, as in the daemon, and not the simulated chips.
package final class TickBench: @unchecked Sendable {
  // Safety of @unchecked: `tick` belongs to the loop thread; the drain thread touches only `drain`.

  /// One cycle of samples: open, power grasp, open again; it ends where it began.
  private static let cycleMilliseconds: Int64 = 4000
  private static let longestGapNanoseconds: Int64 = 500_000_000
  private static let drainNanoseconds: Int64 = 5_000_000

  private var controller: HandController
  private let inputs: UnsafeMutablePointer<TickInputs>
  private let record: UnsafeMutablePointer<TickRecord>
  private let actuators: UnsafeMutablePointer<ActuatorCommand>
  private let drain: Drain
  private let latest = TripleBuffer<TickRecord>(TickRecord())
  private let samples: UnsafeMutablePointer<PerJoint<EncoderSample>>
  private let closeCommand: TickCommand
  private let openCommand: TickCommand
  private let jointCount: Int
  private let recordBytes: Int
  private let periodNanoseconds: Int64
  private let cycleTicks: Int
  private let amperesPerTorque: [Double]
  private var start: Int64 = 0
  private var last: Int64 = 0
  private var lastIndex: Int64 = -1
  private var lastMilliseconds: Int64 = -1
  private var commandNumber: UInt32 = 0
  private let clock = MonotonicClock()
  /// Durations of the controller's ticks alone.
  package let ticks = LatencyHistogram()
  private var drainThread: RealtimeThread?

  /// What the consumer's thread holds. It must not hold the bench, whose end waits for that thread.
  private final class Drain: Sendable {
    let ring: Ring<TickRecord>
    let shouldStop = Atomic<Bool>(false)

    init(recordBytes: Int) {
      ring = Ring(capacity: 1024, filling: TickRecord(), recordBytes: recordBytes)
    }
  }

  /// - Parameters:
  ///   - board: a simulated board, whose samples the bench replays.
  ///   - rateHertz: rate of the measured controller. Where the board's buses are too slow for it, the samples
  ///     come from faster ones.
  ///   - checks: false leaves the certificate and the tests beside it out, to see what they cost.
  package init(board: Board, calibration: Calibration, rateHertz: Int, checks: Bool = true) throws {
    var fast = board
    fast.control.rateHertz = rateHertz
    // A bench on a busy machine measures overruns. It must not stop because of them.
    fast.control.overrunBudgetTicks = .max
    fast.control.uncertifiedBudgetTicks = .max
    let speedUp = max(Double(rateHertz) / Double(board.control.rateHertz), 1)
    for bus in fast.buses.indices {
      fast.buses[bus].clockHertz = Int((Double(board.buses[bus].clockHertz) * speedUp).rounded(.up))
      fast.buses[bus].transferOverheadNanoseconds =
        Int64(Double(board.buses[bus].transferOverheadNanoseconds) / speedUp)
    }
    let design = try HandDesign(board: fast, calibration: calibration)
    controller = HandController(settings: fast.control, parameters: design.joints, checks: checks)
    amperesPerTorque = calibration.joints.map {
      if case .motor(let drive) = $0.drive { 1 / drive.motor.torqueConstantNewtonMetresPerAmpere } else { 0 }
    }
    jointCount = board.joints.count
    recordBytes = TickRecord.byteCount(joints: jointCount)
    drain = Drain(recordBytes: recordBytes)
    periodNanoseconds = fast.control.periodNanoseconds
    cycleTicks = Int(Self.cycleMilliseconds * 1_000_000 / periodNanoseconds)
    let radians = { (name: String) -> [Double] in
      calibration.poses.first { $0.name == name }?.radians ?? calibration.poses[0].radians
    }
    closeCommand = TickCommand(.pose(radians: radians("power"), seconds: 1), source: .script, number: 0)
    openCommand = TickCommand(.pose(radians: radians("open"), seconds: 1), source: .script, number: 0)
    inputs = .allocate(capacity: 1)
    inputs.initialize(to: TickInputs())
    record = .allocate(capacity: 1)
    record.initialize(to: TickRecord())
    actuators = .allocate(capacity: 1)
    actuators.initialize(to: ActuatorCommand())
    samples = .allocate(capacity: cycleTicks)
    samples.initialize(repeating: .init(repeating: EncoderSample()), count: cycleTicks)
    try capture(design)
  }

  deinit {
    stop()
    inputs.deallocate()
    record.deallocate()
    actuators.deallocate()
    samples.deallocate()
  }

  /// The commands of a cycle, with their times in milliseconds.
  private static let armAt: Int64 = 100
  private static let closeAt: Int64 = 500
  private static let openAt: Int64 = 2000

  private func capture(_ design: HandDesign) throws {
    let clock = VirtualClock()
    let hand = SimulatedHand(board: design.board, calibration: design.calibration, seed: 1, clock: clock)
    let runtime = try HandRuntime(design: design, hardware: hand, clock: clock)
    func entry(_ milliseconds: Int64, _ command: Command) -> ScriptedCommand {
      .init(atNanoseconds: milliseconds * 1_000_000, command: command)
    }
    let poses = design.calibration.poses
    let power = poses.first { $0.name == "power" } ?? poses[0]
    let open = poses.first { $0.name == "open" } ?? poses[0]
    var tick = 0
    runtime.runVirtual(
      clock, ticks: cycleTicks,
      script: [
        entry(Self.armAt, .arm), entry(Self.closeAt, .pose(radians: power.radians, seconds: 1)),
        entry(Self.openAt, .pose(radians: open.radians, seconds: 1)),
      ], records: false, publishes: false
    ) { [self] in
      let record = runtime.latestRecord()
      for j in 0..<jointCount {
        samples[tick][j].counts = record.joints[j].encoderCounts
        // The sample's age in its tick. The bench subtracts it from the time of the measured tick.
        samples[tick][j].timeNanoseconds = Int64(record.joints[j].sampleAgeNanoseconds)
        samples[tick][j].isValid = true
      }
      tick += 1
      return true
    }
  }

  /// Starts the consumer of the records; called before the first tick.
  package func begin() throws(RealtimeThreadError) {
    let clock = MonotonicClock()
    drainThread = try RealtimeThread(name: "bench-drain", policy: .normal) { [drain] in
      while !drain.shouldStop.load(ordering: .acquiring) {
        _ = drain.ring.drain { _ in }
        clock.sleep(until: clock.now() + Self.drainNanoseconds)
      }
    }
  }

  /// Ends the consumer of the records and waits for it.
  package func stop() {
    drain.shouldStop.store(true, ordering: .releasing)
    drainThread?.join()
    drainThread = nil
  }

  /// One tick that started at `now`.
  package func tick(_ machineNow: Int64) {
    if start == 0 { start = machineNow }
    // Between two segments of a bench the hand's time advances by at most a tick.
    let gap = machineNow - last
    if last != 0 && gap > Self.longestGapNanoseconds { start += gap - periodNanoseconds }
    last = machineNow
    // In the middle of the samples' ticks, so that the jitter of a wake-up does not cross their borders.
    let now = machineNow - start + periodNanoseconds / 2
    let index = now / periodNanoseconds
    let slot = Int(index % Int64(cycleTicks))
    if index != lastIndex {
      lastIndex = index
      for j in 0..<jointCount {
        let age = samples[slot][j].timeNanoseconds
        inputs.pointee.encoders[j] = samples[slot][j]
        inputs.pointee.encoders[j].timeNanoseconds = now - age
        inputs.pointee.encoders[j].number = UInt32(truncatingIfNeeded: index + 1)
      }
      command(through: Int64(slot) * periodNanoseconds / 1_000_000)
    }
    inputs.pointee.nowNanoseconds = now
    inputs.pointee.deadlineNanoseconds = now
    // The motors of this hand follow their commands. The samples' own currents would belong to
    // another rate's duty.
    for j in 0..<jointCount {
      inputs.pointee.currentsAmperes[j] = amperesPerTorque[j] * record.pointee.joints[j].torqueNewtonMetres
    }
    let begin = clock.now()
    controller.tick(inputs, record: record, actuators: actuators)
    ticks.record(clock.now() - begin)
    drain.ring.push(UnsafePointer(record))
    latest.writeInPlace { slot in
      withUnsafeMutableBytes(of: &slot) { bytes in
        bytes.baseAddress?.copyMemory(from: record, byteCount: recordBytes)
      }
    }
  }

  /// Gives the command that became due since the last call. A stalled machine may skip milliseconds, and
  /// samples of a movement that was never commanded would be a tracking error.
  private func command(through milliseconds: Int64) {
    let since = lastMilliseconds <= milliseconds ? lastMilliseconds : -1
    lastMilliseconds = milliseconds
    switch true {
    case since < Self.openAt && Self.openAt <= milliseconds: inputs.pointee.command = openCommand
    case since < Self.closeAt && Self.closeAt <= milliseconds: inputs.pointee.command = closeCommand
    case since < Self.armAt && Self.armAt <= milliseconds: inputs.pointee.command.kind = .arm
    default: return
    }
    commandNumber &+= 1
    inputs.pointee.command.number = commandNumber
  }

  /// What the measured hand was doing at the end: a bench of a faulted hand would measure nothing.
  package var lastRecord: TickRecord { record.pointee }
}
