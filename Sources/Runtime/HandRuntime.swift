import Devices
import HandModel
import LinuxIO
import PrimalLogic
import Realtime
import Simulation
import Synchronization

extension MonotonicClock: TimeSource {}

/// Why a hand did not start.
package enum StartError: Error, CustomStringConvertible {
  case overloadedBuses([String])
  case devices([DeviceError])
  /// Buses or lines that the board names and this machine does not give.
  case hardware(board: String, [HardwareError])
  case thread(name: String, RealtimeThreadError)
  case notRealtime([String])
  /// The hand's own self-test, over the first ticks, failed; the joint it names, if any.
  case selfTest(joint: String?)

  package var description: String {
    switch self {
    case .overloadedBuses(let buses):
      "the board's rate does not fit its buses (\(buses.joined(separator: ", "))); "
        + "motorhand check shows the arithmetic"
    case .devices(let failures):
      "self-test: \(failures.count) device\(failures.count == 1 ? "" : "s") failed:\n  "
        + failures.map(\.description).joined(separator: "\n  ")
    case .hardware(let board, let failures):
      "board \(board): \(failures.count) part\(failures.count == 1 ? "" : "s") not available "
        + "(motorhand check shows all):\n  " + failures.map(\.description).joined(separator: "\n  ")
    case .thread(let name, let error): "thread \(name) could not be started: \(error)"
    case .notRealtime(let reasons):
      "real-time operation is required but not possible:\n  " + reasons.joined(separator: "\n  ")
    case .selfTest(let joint):
      "self-test: " + (joint.map { "joint \($0)" } ?? "the hand")
        + " gave no fresh samples; motorhand check shows what is wired to which bus"
    }
  }
}

/// A running hand: devices, bus workers, control loop and the threads that carry them.
///
/// Composition only: records leave through the two rings, commands enter through `port`, the present state
/// is read through `latestRecord()`.
package final class HandRuntime: @unchecked Sendable {
  // Safety of @unchecked: `threads` and `loop` are touched by the owner's thread in start and stop only;
  // the rest crosses threads through wait-free structures.

  /// About four seconds at 1 kHz: longer than the worst commit stall seen on a shared disk.
  package static let recorderRingCapacity = 4096
  /// The publisher decimates; a second is enough for it to notice every transition.
  package static let publisherRingCapacity = 1024
  /// Design document, threads of the daemon.
  static let loopPriority: Int32 = 80
  static let busPriority: Int32 = 79
  /// Virtual time waits this long for a consumer to make room.
  private static let backPressureNanoseconds: Int64 = 100_000

  package let design: HandDesign
  package let port: CommandPort
  package let recorderRing: Ring<TickRecord>
  package let publisherRing: Ring<TickRecord>
  package let wakeUps = LatencyHistogram()
  package let computes = LatencyHistogram()
  /// The simulated hand behind the drivers; nil on real hardware.
  package let simulation: SimulatedHand?

  private let clock: any TimeSource
  private let workers: [BusWorker]
  /// Drives the actuators on the kernel's PWM chips; nil where the board has none.
  private let localActuators: ActuatorWorker?
  private let loop: ControlLoop
  private let latest = LatestValue<TickRecord>(TickRecord())
  /// How the machine keeps a simulated hand's time.
  private let timekeeping = LatestValue<Timekeeping>(Timekeeping())
  private let timekeepingReader = SharedState<Timekeeping>(Timekeeping())
  /// Readers of `latest` share its one reader side.
  private let latestReader = SharedState<TickRecord>(TickRecord())
  private let killLine: any DigitalLine
  private let shouldStop = Atomic<Bool>(false)
  private let probe = ProbeMarks()
  private var threads: [RealtimeThread] = []
  package private(set) var threadReports: [ThreadReport] = []

  /// Builds the hand, configures its chips and tests them; nothing moves, neither loop nor bus thread runs yet.
  /// - Parameters:
  ///   - blackBox: gets every tick too.
  ///   - simulated: the hand that is simulated, where it is to be another than the one the design knows.
  ///   - recorderCapacity: ticks that the recorder's ring holds, a power of two; the publisher's likewise.
  package init(
    design: HandDesign, seed: UInt64, clock: any TimeSource, port: CommandPort = CommandPort(),
    blackBox: BlackBox? = nil, simulated: Calibration? = nil, recorderCapacity: Int = recorderRingCapacity,
    publisherCapacity: Int = publisherRingCapacity
  ) throws(StartError) {
    recorderRing = Ring(capacity: recorderCapacity, filling: TickRecord())
    publisherRing = Ring(capacity: publisherCapacity, filling: TickRecord())
    self.design = design
    self.port = port
    self.clock = clock
    let board = design.board
    let overloaded = design.plan.overloaded
    guard overloaded.isEmpty else { throw .overloadedBuses(overloaded.map { board.buses[$0].name }) }
    let hardware: any Hardware
    // Virtual time has no machine under it: there a linux board is simulated too.
    if board.platform == .simulated || clock is VirtualClock {
      let simulation = SimulatedHand(
        board: board, calibration: simulated ?? design.calibration, seed: seed, clock: clock)
      self.simulation = simulation
      hardware = simulation
    } else {
      simulation = nil
      do throws(HardwareErrors) {
        hardware = try LinuxHardware(board: board)
      } catch { throw .hardware(board: board.name, error.errors) }
    }
    let killLine = hardware.line(board.killLine)
    self.killLine = killLine
    var workers: [BusWorker] = []
    var failures: [DeviceError] = []
    for schedule in design.plan.schedules {
      do throws(DeviceError) {
        let worker = try BusWorker(
          schedule: schedule, board: board, bus: hardware.bus(schedule.bus), hardware: hardware)
        failures += worker.configure(clock: clock)
        workers.append(worker)
      } catch {
        failures.append(error)
      }
    }
    let localActuators = ActuatorWorker(local: board, hardware: hardware)
    var readyAt = clock.now()
    if let localActuators { failures += localActuators.configure(readyAt: &readyAt) }
    guard failures.isEmpty else { throw .devices(failures) }
    self.workers = workers
    self.localActuators = localActuators
    loop = ControlLoop(
      controller: HandController(settings: board.control, parameters: design.joints), buses: workers,
      actuatorWorkers: workers.compactMap(\.actuators) + [localActuators].compactMap(\.self),
      killLine: killLine, eStopLine: hardware.line(board.eStopLine), port: port, recorderRing: recorderRing,
      publisherRing: publisherRing, latest: latest, wakeUps: wakeUps, computes: computes,
      blackBox: blackBox, wallOffsetNanoseconds: MonotonicClock().wallNow() - clock.now())
    // Safe to share: setting a line is one call into the kernel, or one atomic store of a simulated one.
    nonisolated(unsafe) let line = killLine
    port.fallBack(periodNanoseconds: design.plan.periodNanoseconds) {
      line.setActive(false) && !line.isActive
    }
  }

  /// States of the controller on request, tagged with the tick that follows: where a replay may begin.
  package var checkpoint: RequestedBlock { loop.checkpoint }

  /// The newest record. For any thread but the loop's.
  package func latestRecord() -> TickRecord {
    latestReader.withLock { record in
      _ = latest.take(into: &record)
      return record
    }
  }

  /// How well the machine has kept the hand's time; nil where the hand's clock is the machine's own.
  package func latestTimekeeping() -> Timekeeping? {
    guard clock is VirtualClock else { return nil }
    return timekeepingReader.withLock { value in
      _ = timekeeping.take(into: &value)
      return value
    }
  }

  /// Whether the kill line is live, read back.
  package var isKillLineActive: Bool { killLine.isActive }

  /// How long the loop has stood still, s; nil while it ticks.
  package var standstillSeconds: Double? {
    let last = loop.lastTick.load(ordering: .acquiring)
    let age = MonotonicClock().now() - last
    return last > 0 && age > CommandPort.answerTimeoutNanoseconds ? Double(age) * 1e-9 : nil
  }

  /// CLOCK_MONOTONIC when the outputs last went on or off; 0 = never.
  package var outputsChangedNanoseconds: Int64 { loop.outputsChanged.load(ordering: .acquiring) }

  // MARK: - Real time

  /// Starts the hand: bus threads and loop thread on the machine's clock; or, where its clock is a virtual one, one
  /// thread that lets this clock follow the machine's.
  /// - Parameters:
  ///   - cpu: CPU that the loop is pinned to; nil = not pinned.
  ///   - requireRealtime: refuse to run without SCHED_FIFO instead of degrading.
  package func start(cpu: Int?, requireRealtime: Bool) throws(StartError) {
    let period = design.plan.periodNanoseconds
    let missing: RealtimeThread.MissingPrivilege = requireRealtime ? .fail : .degrade
    if let clock = clock as? VirtualClock {
      return try spawn("loop", priority: Self.loopPriority, cpu: cpu, missing) { [self] in follow(clock) }
    }
    // Two periods ahead, so that every bus has sampled once before the first tick.
    let epoch = clock.now() + 2 * period
    for worker in workers {
      let name = "bus " + design.board.buses[worker.schedule.bus].name
      try spawn(name, priority: Self.busPriority, cpu: nil, missing) { [self] in
        serve(worker, epoch: epoch)
      }
    }
    if let localActuators {
      try spawn("pwm", priority: Self.busPriority, cpu: nil, missing) { [self] in
        serve(localActuators, epoch: epoch)
      }
    }
    try spawn("loop", priority: Self.loopPriority, cpu: cpu, missing) { [self] in run(epoch: epoch) }
  }

  private func spawn(
    _ name: String, priority: Int32, cpu: Int?, _ missing: RealtimeThread.MissingPrivilege,
    _ body: @escaping @Sendable () -> Void
  ) throws(StartError) {
    do throws(RealtimeThreadError) {
      let thread = try RealtimeThread(
        name: name, policy: .fifo(priority: priority), cpu: cpu, onMissingPrivilege: missing, body: body)
      threads.append(thread)
      threadReports.append(thread.report)
    } catch {
      stop()
      throw .thread(name: name, error)
    }
  }

  /// The loop thread: sleep, tick, next deadline.
  private func run(epoch: Int64) {
    let clock = MonotonicClock()
    var cadence = LoopCadence(periodNanoseconds: design.plan.periodNanoseconds, start: epoch)
    var skipped: UInt64 = 0
    probe.begin()
    while true {
      let deadline = cadence.deadlineNanoseconds
      clock.sleep(until: deadline)
      // Seen after the sleep: outputs end within a period, and the last tick shows in the recording that they did.
      let isLast = shouldStop.load(ordering: .acquiring)
      let now = clock.now()
      loop.tick(deadline: deadline, now: now, skipped: skipped, isLast: isLast) { clock.now() }
      if isLast { break }
      skipped = cadence.advance(now: clock.now())
    }
    probe.end()
    loop.makeSafe()
  }

  /// The thread of a simulated hand: buses and ticks in the order of their times, each tick when the machine's clock
  /// has reached it. While the machine stands still the hand's clock does too, as in a physics simulator: what the
  /// machine missed is counted, and the hand sees ticks at equal distances.
  private func follow(_ clock: VirtualClock) {
    let machine = MonotonicClock()
    let period = design.plan.periodNanoseconds
    var deadline = clock.now() + 2 * period
    var buses = VirtualBuses(workers, localActuators, periodNanoseconds: period, epoch: deadline)
    var cadence = LoopCadence(periodNanoseconds: period, start: machine.now() + 2 * period)
    var judge = TimekeepingJudge(settings: design.board.control, joints: design.joints)
    let wallOffset = machine.wallNow() - machine.now()
    var missed: UInt64 = 0
    var before = cadence.deadlineNanoseconds - period
    while true {
      machine.sleep(until: cadence.deadlineNanoseconds)
      let woke = machine.now()
      let lateness = woke - cadence.deadlineNanoseconds
      let isLast = shouldStop.load(ordering: .acquiring)
      buses.serve(by: deadline, clock: clock)
      clock.set(deadline)
      loop.setWallClock(woke + wallOffset, at: deadline)
      let began = machine.now()
      // The machine's deadline lies as far before the tick as the machine was late.
      loop.tick(deadline: deadline - lateness, now: deadline, skipped: 0, missed: missed, isLast: isLast) {
        deadline + machine.now() - began
      }
      judge.observe(
        sequence: loop.lastSequence, lateness: lateness, interval: woke - before, missed: missed,
        isDriven: loop.areOutputsEnabled)
      timekeeping.write(judge.result)
      if isLast { break }
      before = woke
      deadline += period
      missed = cadence.advance(now: machine.now())
    }
    finishVirtual()
  }

  private func finishVirtual() {
    loop.makeSafe()
    for worker in workers { worker.switchOff() }
    if let localActuators { do throws(DeviceError) { try localActuators.switchOff() } catch {} }
    _ = killLine.setActive(false)
  }

  /// A bus thread: actuate after the tick's deadline, sample before the next one.
  private func serve(_ worker: BusWorker, epoch: Int64) {
    let phases = BusPhases(worker.schedule, periodNanoseconds: design.plan.periodNanoseconds)
    var cadence = LoopCadence(
      periodNanoseconds: design.plan.periodNanoseconds, start: epoch - design.plan.periodNanoseconds)
    while !shouldStop.load(ordering: .acquiring) {
      let deadline = cadence.deadlineNanoseconds
      if worker.drivesActuators {
        clock.sleep(until: deadline + phases.actuating)
        worker.actuate()
      }
      clock.sleep(until: deadline + phases.sampling)
      worker.sample()
      cadence.advance(now: clock.now())
    }
    worker.switchOff()
  }

  /// The thread of the actuators on the kernel's PWM chips: writing one may sleep, so the loop must not.
  private func serve(_ worker: ActuatorWorker, epoch: Int64) {
    let period = design.plan.periodNanoseconds
    var cadence = LoopCadence(periodNanoseconds: period, start: epoch - period)
    while !shouldStop.load(ordering: .acquiring) {
      clock.sleep(until: cadence.deadlineNanoseconds + BusPhases.actuating(periodNanoseconds: period))
      // A failed write is counted by the worker, which reports it to the loop.
      do throws(DeviceError) { try worker.actuate() } catch {}
      cadence.advance(now: clock.now())
    }
    do throws(DeviceError) { try worker.switchOff() } catch {}
  }

  /// A thread that has not ended by then stands still: a hung I2C transfer holds one for up to 1 s (docs/hardware.md).
  private static let endNanoseconds: Int64 = 1_200_000_000

  /// Stops the threads; every actuator is off and the kill line released when it returns. A loop that stands still has
  /// its line released without it, as for a stop; a thread that does not end is left behind.
  /// - Returns: the threads left behind.
  @discardableResult
  package func stop() -> [String] {
    shouldStop.store(true, ordering: .releasing)
    let start = MonotonicClock().now()
    let patience = 2 * design.plan.periodNanoseconds + CommandPort.stopPatienceNanoseconds
    var left: [String] = []
    // The loop is the last thread started and the first to end: its outputs must not outlive it.
    for (index, thread) in threads.reversed().enumerated() {
      if index == 0, !thread.hasReturned(by: start + patience) { _ = killLine.setActive(false) }
      if !thread.join(by: start + Self.endNanoseconds) { left.append(thread.report.name) }
    }
    threads = []
    _ = killLine.setActive(false)
    return left
  }

  // MARK: - Virtual time

  /// Runs `ticks` ticks under a virtual clock, on the calling thread, as fast as the processor allows.
  ///
  /// The very same schedule, drivers and tick run in the order of their times. Rings exert back-pressure
  /// here: virtual time waits for a consumer, so nothing is dropped.
  /// - Parameters:
  ///   - script: commands by the tick's time since start, in order of time.
  ///   - records: whether something drains the recorder's ring.
  ///   - publishes: whether something drains the publisher's ring.
  ///   - onTick: called after each tick; false ends the run.
  ///   - trouble: asked before each tick what befalls the machine in it.
  ///   - whileLate: called once a period in which the loop should have run and did not, while the buses go on.
  package func runVirtual(
    _ clock: VirtualClock, ticks: Int, script: [CommandScript.Entry] = [], records: Bool, publishes: Bool,
    onTick: () -> Bool = { true }, trouble: (_ tick: Int) -> MachineTrouble = { _ in MachineTrouble() },
    whileLate: (_ now: Int64) -> Void = { _ in }
  ) {
    let period = design.plan.periodNanoseconds
    let epoch = clock.now() + 2 * period
    var buses = VirtualBuses(workers, localActuators, periodNanoseconds: period, epoch: epoch)
    var cadence = LoopCadence(periodNanoseconds: period, start: epoch)
    var skipped: UInt64 = 0
    var nextCommand = 0
    var number: UInt32 = 0
    for tick in 0..<ticks {
      let deadline = cadence.deadlineNanoseconds
      buses.serve(by: deadline, clock: clock)
      let trouble = trouble(tick)
      if trouble.killsActuatorThreads { buses.killActuatorThreads() }
      let now = deadline + trouble.pausedNanoseconds + trouble.loopLateNanoseconds
      if now > deadline {
        let resumed = deadline + trouble.pausedNanoseconds
        buses.pause(until: resumed)
        for time in stride(from: resumed + period, to: now, by: Int(period)) {
          buses.serve(by: time, clock: clock)
          whileLate(time)
        }
        buses.serve(by: now, clock: clock)
      }
      loop.stepWallClock(byNanoseconds: trouble.wallStepNanoseconds)
      clock.set(now)
      // One command a tick: the mailbox holds the newest only.
      if nextCommand < script.count && script[nextCommand].atNanoseconds <= now - epoch {
        number += 1
        port.post(TickCommand(script[nextCommand].command, source: .script, number: number))
        nextCommand += 1
      }
      if !trouble.consumersAreStuck {
        makeRoom(recorderRing, isConsumed: records)
        makeRoom(publisherRing, isConsumed: publishes)
      }
      loop.tick(deadline: deadline, now: now, skipped: skipped) { now }
      skipped = cadence.advance(now: now)
      if !onTick() { break }
    }
    finishVirtual()
  }

  private func makeRoom(_ ring: Ring<TickRecord>, isConsumed: Bool) {
    guard isConsumed else {
      _ = ring.drain { _ in }
      return
    }
    let machine = MonotonicClock()
    while ring.count == ring.capacity { machine.sleep(until: machine.now() + Self.backPressureNanoseconds) }
  }
}

/// When in a period a bus does what, from the tick's deadline on.
struct BusPhases {
  let actuating: Int64
  let sampling: Int64

  /// Sampling ends this share of a period before the deadline: wake-ups of bus threads jitter too.
  static let slack = 0.1

  init(_ schedule: BusSchedule, periodNanoseconds period: Int64) {
    actuating = Self.actuating(periodNanoseconds: period)
    sampling = period - schedule.samplingNanoseconds - Int64(Self.slack * Double(period))
  }

  static func actuating(periodNanoseconds period: Int64) -> Int64 {
    Int64(HandDesign.actuatingPhase * Double(period))
  }
}
