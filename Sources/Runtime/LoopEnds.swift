import Control
import Devices
import HandModel
import PrimalLogic
import Realtime
import Synchronization

/// Both ends of the loop: what a tick sees is gathered here, and what it decided goes out from here. It knows
/// no controller.
///
/// Owned by one thread at a time. Everything it touches was allocated before the first tick.
final class LoopEnds {
  let inputs: UnsafeMutablePointer<TickInputs>
  let record: UnsafeMutablePointer<TickRecord>
  let actuators: UnsafeMutablePointer<ActuatorCommand>
  private let buses: [BusWorker]
  /// All that drive actuators, on buses or not.
  private let actuatorWorkers: [ActuatorWorker]
  /// Joints (bit j) that each bus serves.
  private let jointsOfBus: [JointMask]
  private let driveEnable: any DigitalLine
  private let eStopLine: any DigitalLine
  private let port: CommandPort
  private let recorderRing: Ring<TickRecord>
  private let publisherRing: Ring<TickRecord>
  private let latest: TripleBuffer<TickRecord>
  private let blackBox: BlackBox?
  /// The wall clock less the loop's, ns.
  private var wallOffset: Int64
  private var outputsEnabled = false
  /// The drive-enable line did not follow when it was last driven.
  private var driveEnableFailed = false
  /// CLOCK_MONOTONIC when the last tick ended; 0 = none has.
  let lastTick = Atomic<Int64>(0)
  /// CLOCK_MONOTONIC when the outputs last went on or off; 0 = never.
  let outputsChanged = Atomic<Int64>(0)

  init(
    buses: [BusWorker], actuatorWorkers: [ActuatorWorker], driveEnable: any DigitalLine,
    eStopLine: any DigitalLine, port: CommandPort, recorderRing: Ring<TickRecord>,
    publisherRing: Ring<TickRecord>, latest: TripleBuffer<TickRecord>, blackBox: BlackBox?,
    wallOffsetNanoseconds: Int64
  ) {
    self.buses = buses
    self.actuatorWorkers = actuatorWorkers
    self.driveEnable = driveEnable
    self.eStopLine = eStopLine
    self.port = port
    self.recorderRing = recorderRing
    self.publisherRing = publisherRing
    self.latest = latest
    self.blackBox = blackBox
    wallOffset = wallOffsetNanoseconds
    jointsOfBus = buses.map { worker in
      worker.schedule.encoders.reduce(0) { $0 | 1 << JointMask($1.joint) }
    }
    inputs = .allocate(capacity: 1)
    inputs.initialize(to: TickInputs())
    record = .allocate(capacity: 1)
    record.initialize(to: TickRecord())
    actuators = .allocate(capacity: 1)
    actuators.initialize(to: ActuatorCommand())
  }

  deinit {
    inputs.deallocate()
    record.deallocate()
    actuators.deallocate()
  }

  /// What the last tick decided.
  var lastSequence: UInt64 { record.pointee.sequence }
  var areOutputsEnabled: Bool { outputsEnabled }

  /// The wall clock is set while the loop runs: it decides nothing. Virtual time only.
  func stepWallClock(byNanoseconds step: Int64) { wallOffset &+= step }

  /// The wall clock is at `wallNanoseconds` when the loop's is at `now`: for a virtual one that stood still.
  func setWallClock(_ wallNanoseconds: Int64, at now: Int64) { wallOffset = wallNanoseconds &- now }

  // MARK: - Before the tick

  /// Gathers all that the tick sees.
  /// - Parameters: as of `ControlLoop.tick`.
  ///   - sequence: of the tick.
  func gather(
    deadline: Int64, now: Int64, skipped: UInt64, missed: UInt64, isLast: Bool, sequence: UInt64
  ) {
    inputs.pointee.isLast = isLast
    inputs.pointee.nowNanoseconds = now
    inputs.pointee.deadlineNanoseconds = deadline
    inputs.pointee.wallNanoseconds = now &+ wallOffset
    inputs.pointee.overruns &+= skipped &+ missed
    inputs.pointee.skippedDeadlines = Int(truncatingIfNeeded: skipped)
    gatherActuators(sequence: sequence)
    gatherSamples()
    inputs.pointee.eStopLineActive = eStopLine.isActive
    port.collect(into: inputs)
  }

  private func gatherActuators(sequence: UInt64) {
    inputs.pointee.actuatorFailed = false
    inputs.pointee.failedActuatorJoints = 0
    inputs.pointee.driveEnableFailed = driveEnableFailed
    var applied = sequence
    for index in actuatorWorkers.indices {
      actuatorWorkers[index].status.withNewest { status, _ in
        if status.chipFailed { inputs.pointee.actuatorFailed = true }
        inputs.pointee.failedActuatorJoints |= status.failedJoints
        applied = min(applied, status.appliedSequence)
      }
    }
    inputs.pointee.actuatorLagTicks = UInt32(clamping: sequence &- applied)
  }

  private func gatherSamples() {
    inputs.pointee.failedBusJoints = 0
    inputs.pointee.unhealthyJoints = 0
    for index in buses.indices {
      let joints = jointsOfBus[index]
      buses[index].samples.withNewest { samples, _ in
        if samples.busFailed { inputs.pointee.failedBusJoints |= joints }
        inputs.pointee.unhealthyJoints |= samples.unhealthyJoints
        if samples.servesInertial { inputs.pointee.inertial = samples.inertial }
        for j in 0..<maximumJoints {
          if joints & (1 << JointMask(truncatingIfNeeded: j)) != 0 {
            inputs.pointee.encoders[j] = samples.encoders[j]
          }
          // A bus knows zero for what it does not serve.
          if samples.servesCurrent & (1 << JointMask(truncatingIfNeeded: j)) != 0 {
            inputs.pointee.currentsAmperes[j] = samples.currentsAmperes[j]
          }
          if samples.servesForce & (1 << JointMask(truncatingIfNeeded: j)) != 0 {
            inputs.pointee.forcesNewtons[j] = samples.forcesNewtons[j]
          }
        }
      }
    }
  }

  // MARK: - After the tick

  /// Lets out what the tick decided: to the actuators, to the sender of the command, to all that read
  /// records.
  /// - Parameters:
  ///   - handledCommand: number of the last command that was looked at.
  ///   - result: what it came to.
  func deliver(handledCommand: UInt32, result: CommandResult) {
    driveOutputs()
    // Outputs whose line does not follow were not seen off.
    port.report(
      commandNumber: handledCommand, result: result, state: record.pointee.state,
      areOutputsOn: outputsEnabled || driveEnableFailed)
    blackBox?.append(record)
    recorderRing.push(UnsafePointer(record))
    publisherRing.push(UnsafePointer(record))
    // Of the slot's old record only what a hand with more joints would have stays.
    latest.writeInPlace { slot in
      withUnsafeMutableBytes(of: &slot) { bytes in
        bytes.baseAddress?.copyMemory(from: record, byteCount: recorderRing.recordBytes)
      }
    }
  }

  private func driveOutputs() {
    // The drive-enable line goes first when outputs end, and last when they begin.
    let enabled = actuators.pointee.enabled
    let wereEnabled = outputsEnabled
    // A line that did not follow is driven inactive again until it does.
    if !enabled && (outputsEnabled || driveEnableFailed) { driveEnableFailed = !driveEnable.setActive(false) }
    for index in actuatorWorkers.indices { actuatorWorkers[index].commands.write(actuators.pointee) }
    // Not over the head of a stop that came during the tick: it may have found no loop and released the line
    // itself.
    if enabled && !outputsEnabled && !port.isStopPending {
      driveEnableFailed = !driveEnable.setActive(true)
      outputsEnabled = true
      // It may have found no loop between the look and the line.
      if port.isStopPending {
        driveEnableFailed = !driveEnable.setActive(false)
        outputsEnabled = false
      }
    }
    if !enabled { outputsEnabled = false }
    if outputsEnabled != wereEnabled { outputsChanged.store(MonotonicClock().now(), ordering: .releasing) }
  }

  /// The tick is over.
  func end(computeNanoseconds: Int64) {
    inputs.pointee.previousComputeNanoseconds = computeNanoseconds
    lastTick.store(MonotonicClock().now(), ordering: .releasing)
  }

  /// Outputs off, whatever the state: the last act of a loop.
  func makeSafe() {
    _ = driveEnable.setActive(false)
    outputsEnabled = false
    actuators.pointee = ActuatorCommand()
    for worker in actuatorWorkers { worker.commands.write(actuators.pointee) }
  }
}
