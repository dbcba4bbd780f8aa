import Control
import Devices
import HandModel
import Realtime
import Synchronization

extension MonotonicClock: TimeSource {}

/// A tick of a loop, whatever its controller is. It is made where the type of the controller is known, so
/// that nothing within the tick is called through a table.
typealias LoopTick = (
  _ deadline: Int64, _ now: Int64, _ skipped: UInt64, _ missed: UInt64, _ isLast: Bool,
  _ finished: () -> Int64
) -> Void

/// A running hand: devices, bus workers, control loop and the threads that carry them.
///
/// Composition only: records leave through the two rings, commands enter through `port`, the present state
/// is read through `latestRecord()`.
package final class HandRuntime: @unchecked Sendable {
  // Safety of @unchecked: `threads` belongs to the owner's thread, `ends` and `tickLoop` to the loop's thread
  // while it runs; the rest crosses threads through wait-free structures.

  /// About four seconds at 1 kHz: longer than the worst commit stall seen on a shared disk.
  package static let recorderRingCapacity = 4096
  /// The publisher decimates; a second is enough for it to notice every transition.
  package static let publisherRingCapacity = 1024
  /// Virtual time waits this long for a consumer to make room.
  static let backPressureNanoseconds: Int64 = 100_000

  package let board: Board
  let plan: BusPlan
  /// Their certificates say which intervals between ticks a real hand bears; empty where the controller needs
  /// none.
  let joints: [JointParameters]
  package let port: CommandPort
  /// Records of ticks on their way to the recorder.
  package let recorderRing: Ring<TickRecord>
  /// Records of ticks on their way to the publisher.
  package let publisherRing: Ring<TickRecord>
  /// How long after their deadlines ticks started, ns.
  package let wakeUps = LatencyHistogram()
  /// How long ticks took to compute, ns.
  package let computes = LatencyHistogram()
  let clock: any TimeSource
  let workers: [BusWorker]
  /// Drives the actuators on the kernel's PWM chips; nil where the board has none.
  let localActuators: ActuatorWorker?
  let ends: LoopEnds
  /// `ControlLoop.tick` of the loop that was made for this hand's controller.
  private let tickLoop: LoopTick
  /// States of the controller on request, tagged with the tick that follows: where a replay may begin. Nil
  /// where the controller makes none.
  package let checkpoint: SnapshotRequest?
  let latest = TripleBuffer<TickRecord>(TickRecord())
  /// How the machine keeps a simulated hand's time.
  let timekeeping = TripleBuffer<Timekeeping>(Timekeeping())
  private let timekeepingReader = Locked<Timekeeping>(Timekeeping())
  /// Readers of `latest` share its one reader side.
  private let latestReader = Locked<TickRecord>(TickRecord())
  let driveEnable: any DigitalLine
  let shouldStop = Atomic<Bool>(false)
  let probe = ProbeMarks()
  var threads: [RealtimeThread] = []
  package internal(set) var threadReports: [ThreadReport] = []

  /// As the other `init`, with a `HandController` made from the design.
  package convenience init(
    design: HandDesign, hardware: any Hardware, clock: any TimeSource, port: CommandPort = CommandPort(),
    blackBox: BlackBox? = nil, recorderCapacity: Int = recorderRingCapacity,
    publisherCapacity: Int = publisherRingCapacity
  ) throws(StartError) {
    // Here the controller's type is known, so that the loop is made for it.
    try self.init(
      board: design.board, plan: design.plan, joints: design.joints,
      controller: HandController(settings: design.board.control, parameters: design.joints),
      hardware: hardware, clock: clock, port: port, blackBox: blackBox, recorderCapacity: recorderCapacity,
      publisherCapacity: publisherCapacity)
  }

  /// Builds the hand, configures its chips and tests them; nothing moves, neither loop nor bus thread runs
  /// yet.
  /// - Parameters:
  ///   - joints: empty for a controller without certificates.
  ///   - controller: runs in the loop.
  ///   - hardware: what the board names, opened or simulated; the hand is its only user from now on.
  ///   - clock: the machine's, or one that virtual time and a simulated hand live by.
  ///   - blackBox: gets every tick too.
  ///   - recorderCapacity: ticks that the recorder's ring holds, a power of two; the publisher's likewise.
  package init<Controller: TickController & ~Copyable>(
    board: Board, plan: BusPlan, joints: [JointParameters] = [], controller: consuming Controller,
    hardware: any Hardware, clock: any TimeSource, port: CommandPort = CommandPort(),
    blackBox: BlackBox? = nil, recorderCapacity: Int = recorderRingCapacity,
    publisherCapacity: Int = publisherRingCapacity
  ) throws(StartError) {
    let recordBytes = TickRecord.byteCount(joints: board.joints.count)
    recorderRing = Ring(capacity: recorderCapacity, filling: TickRecord(), recordBytes: recordBytes)
    publisherRing = Ring(capacity: publisherCapacity, filling: TickRecord(), recordBytes: recordBytes)
    self.board = board
    self.plan = plan
    self.joints = joints
    self.port = port
    self.clock = clock
    try Self.requireFit(board, plan)
    let driveEnable = hardware.line(board.driveEnable)
    self.driveEnable = driveEnable
    var workers: [BusWorker] = []
    var failures: [DeviceError] = []
    for schedule in plan.schedules {
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
    ends = LoopEnds(
      buses: workers, actuatorWorkers: workers.compactMap(\.actuators) + [localActuators].compactMap(\.self),
      driveEnable: driveEnable, eStopLine: hardware.line(board.eStopLine), port: port,
      recorderRing: recorderRing, publisherRing: publisherRing, latest: latest, blackBox: blackBox,
      wallOffsetNanoseconds: MonotonicClock().wallNow() - clock.now())
    let loop = ControlLoop(controller: controller, ends: ends, wakeUps: wakeUps, computes: computes)
    checkpoint = loop.checkpoint
    tickLoop = { deadline, now, skipped, missed, isLast, finished in
      loop.tick(
        deadline: deadline, now: now, skipped: skipped, missed: missed, isLast: isLast, finished: finished)
    }
    // Safe to share: setting a line is one call into the kernel, or one atomic store of a simulated one.
    nonisolated(unsafe) let line = driveEnable
    port.fallBack(periodNanoseconds: plan.periodNanoseconds) {
      line.setActive(false) && !line.isActive
    }
  }

  /// Throws when the buses do not bear the rate: before anything is opened.
  package static func requireFit(_ design: HandDesign) throws(StartError) {
    try requireFit(design.board, design.plan)
  }

  /// The same of a board and its buses' plan.
  package static func requireFit(_ board: Board, _ plan: BusPlan) throws(StartError) {
    let overloaded = plan.overloaded
    guard overloaded.isEmpty else { throw .overloadedBuses(overloaded.map { board.buses[$0].name }) }
  }

  /// Runs one tick of the loop; the parameters are those of `ControlLoop.tick`.
  func tick(
    deadline: Int64, now: Int64, skipped: UInt64, missed: UInt64 = 0, isLast: Bool = false,
    finished: () -> Int64
  ) {
    tickLoop(deadline, now, skipped, missed, isLast, finished)
  }

  /// The newest record. For any thread but the loop's.
  package func latestRecord() -> TickRecord {
    latestReader.withLock { record in
      _ = latest.take(into: &record)
      return record
    }
  }

  /// How well the machine has kept the hand's time; nil where the hand's clock is the machine's own.
  package func latestTimekeeping() -> Timekeeping? {
    guard clock is any SteppedClock else { return nil }
    return timekeepingReader.withLock { value in
      _ = timekeeping.take(into: &value)
      return value
    }
  }

  /// Whether the drive-enable line is live, read back.
  package var isDriveEnableActive: Bool { driveEnable.isActive }

  /// How long the loop has stood still, s; nil while it ticks.
  package var standstillSeconds: Double? {
    let last = ends.lastTick.load(ordering: .acquiring)
    let age = MonotonicClock().now() - last
    return last > 0 && age > CommandPort.answerTimeoutNanoseconds ? Double(age) * 1e-9 : nil
  }

  /// CLOCK_MONOTONIC when the outputs last went on or off; 0 = never.
  package var outputsChangedNanoseconds: Int64 { ends.outputsChanged.load(ordering: .acquiring) }

  /// A thread that has not ended by then stands still: a hung I2C transfer holds one for up to 1 s
  /// (docs/hardware.md).
  private static let endNanoseconds: Int64 = 1_200_000_000

  /// Stops the threads; every actuator is off and the drive-enable line released when it returns. A loop that
  /// stands still has its line released without it, as for a stop; a thread that does not end is left behind.
  /// - Returns: the threads left behind.
  @discardableResult
  package func stop() -> [String] {
    shouldStop.store(true, ordering: .releasing)
    let start = MonotonicClock().now()
    let patience = 2 * plan.periodNanoseconds + CommandPort.stopPatienceNanoseconds
    var left: [String] = []
    // The loop is the last thread started and the first to end: its outputs must not outlive it.
    for (index, thread) in threads.reversed().enumerated() {
      if index == 0, !thread.hasReturned(by: start + patience) { _ = driveEnable.setActive(false) }
      if !thread.join(by: start + Self.endNanoseconds) { left.append(thread.report.name) }
    }
    threads = []
    _ = driveEnable.setActive(false)
    return left
  }
}
