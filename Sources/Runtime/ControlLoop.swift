import Devices
import HandModel
import PrimalLogic
import Realtime
import Synchronization

/// The body of the loop: gathers inputs, runs one tick, hands its outputs on.
///
/// Owned by one thread at a time. Everything it touches was allocated before the first tick.
package final class ControlLoop {
  private var controller: HandController
  private let inputs: UnsafeMutablePointer<TickInputs>
  private let record: UnsafeMutablePointer<TickRecord>
  private let actuators: UnsafeMutablePointer<ActuatorCommand>
  private let buses: [BusWorker]
  /// All that drive actuators, on buses or not.
  private let actuatorWorkers: [ActuatorWorker]
  /// Joints (bit j) that each bus serves.
  private let jointsOfBus: [UInt16]
  private let killLine: any DigitalLine
  private let eStopLine: any DigitalLine
  private let port: CommandPort
  private let recorderRing: Ring<TickRecord>
  private let publisherRing: Ring<TickRecord>
  private let latest: LatestValue<TickRecord>
  private let wakeUps: LatencyHistogram
  private let computes: LatencyHistogram
  private let blackBox: BlackBox?
  /// Of the controller, for whoever asks.
  let checkpoint: RequestedBlock
  /// Steps that a begun checkpoint has taken; 0 = none begun.
  private var checkpointStep = 0
  /// The tick that follows the state of a begun checkpoint.
  private var checkpointSequence: UInt64 = 0
  private var wallOffset: Int64
  private var outputsEnabled = false
  /// CLOCK_MONOTONIC when the last tick ended; 0 = none has.
  let lastTick = Atomic<Int64>(0)
  /// CLOCK_MONOTONIC when the outputs last went on or off; 0 = never.
  let outputsChanged = Atomic<Int64>(0)
  /// The kill line did not follow when it was last driven.
  private var killLineFailed = false

  init(
    controller: consuming HandController, buses: [BusWorker], actuatorWorkers: [ActuatorWorker],
    killLine: any DigitalLine, eStopLine: any DigitalLine, port: CommandPort, recorderRing: Ring<TickRecord>,
    publisherRing: Ring<TickRecord>, latest: LatestValue<TickRecord>, wakeUps: LatencyHistogram,
    computes: LatencyHistogram, blackBox: BlackBox?, wallOffsetNanoseconds: Int64
  ) {
    checkpoint = RequestedBlock(byteCount: controller.checkpointByteCount)
    self.controller = controller
    self.buses = buses
    self.actuatorWorkers = actuatorWorkers
    self.killLine = killLine
    self.eStopLine = eStopLine
    self.port = port
    self.recorderRing = recorderRing
    self.publisherRing = publisherRing
    self.latest = latest
    self.wakeUps = wakeUps
    self.computes = computes
    self.blackBox = blackBox
    wallOffset = wallOffsetNanoseconds
    jointsOfBus = buses.map { worker in
      worker.schedule.encoders.reduce(0) { $0 | 1 << UInt16($1.joint) }
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

  /// Runs the tick of `deadline`, which woke at `now`.
  /// - Parameters:
  ///   - skipped: deadlines that passed before this one without a tick.
  ///   - missed: deadlines that the machine missed while the hand's clock stood still: counted, and nothing else.
  ///   - isLast: the hand stops with this tick: its outputs are off from here on, whatever is commanded.
  ///   - finished: read after the tick, for its compute time; the same clock as `now`.
  func tick(
    deadline: Int64, now: Int64, skipped: UInt64, missed: UInt64 = 0, isLast: Bool = false,
    finished: () -> Int64
  ) {
    inputs.pointee.isLast = isLast
    inputs.pointee.nowNanoseconds = now
    inputs.pointee.deadlineNanoseconds = deadline
    inputs.pointee.wallNanoseconds = now &+ wallOffset
    inputs.pointee.overruns &+= skipped &+ missed
    inputs.pointee.skippedDeadlines = Int(truncatingIfNeeded: skipped)
    gatherSamples()
    inputs.pointee.eStopLineActive = eStopLine.isActive
    port.collect(into: inputs)
    step()
    let end = finished()
    let compute = end &- now
    inputs.pointee.previousComputeNanoseconds = compute
    wakeUps.record(now &- deadline)
    computes.record(compute)
    lastTick.store(MonotonicClock().now(), ordering: .releasing)
  }

  /// The wall clock is set while the loop runs: it decides nothing. Virtual time only.
  func stepWallClock(byNanoseconds step: Int64) { wallOffset &+= step }

  /// The wall clock is at `wallNanoseconds` when the loop's is at `now`: for a virtual one that stood still.
  func setWallClock(_ wallNanoseconds: Int64, at now: Int64) { wallOffset = wallNanoseconds &- now }

  private func gatherSamples() {
    inputs.pointee.failedBusJoints = 0
    inputs.pointee.unhealthyJoints = 0
    inputs.pointee.actuatorFailed = false
    inputs.pointee.failedActuatorJoints = 0
    inputs.pointee.killLineFailed = killLineFailed
    var applied = controller.sequence
    for index in actuatorWorkers.indices {
      actuatorWorkers[index].status.withNewest { status, _ in
        if status.chipFailed { inputs.pointee.actuatorFailed = true }
        inputs.pointee.failedActuatorJoints |= status.failedJoints
        applied = min(applied, status.appliedSequence)
      }
    }
    inputs.pointee.actuatorLagTicks = UInt32(clamping: controller.sequence &- applied)
    for index in buses.indices {
      let joints = jointsOfBus[index]
      buses[index].samples.withNewest { samples, _ in
        if samples.busFailed { inputs.pointee.failedBusJoints |= joints }
        inputs.pointee.unhealthyJoints |= samples.unhealthyJoints
        if samples.servesInertial { inputs.pointee.inertial = samples.inertial }
        for j in 0..<maximumJoints {
          if joints & (1 << UInt16(truncatingIfNeeded: j)) != 0 {
            inputs.pointee.encoders[j] = samples.encoders[j]
          }
          // A bus knows zero for what it does not serve.
          if samples.servesCurrent & (1 << UInt16(truncatingIfNeeded: j)) != 0 {
            inputs.pointee.currentsAmperes[j] = samples.currentsAmperes[j]
          }
          if samples.servesForce & (1 << UInt16(truncatingIfNeeded: j)) != 0 {
            inputs.pointee.forcesNewtons[j] = samples.forcesNewtons[j]
          }
        }
      }
    }
  }

  private func step() {
    controller.tick(inputs, record: record, actuators: actuators)
    // The kill line goes first when outputs end, and last when they begin.
    let enabled = actuators.pointee.enabled
    let wereEnabled = outputsEnabled
    // A line that did not follow is driven inactive again until it does.
    if !enabled && (outputsEnabled || killLineFailed) { killLineFailed = !killLine.setActive(false) }
    for index in actuatorWorkers.indices { actuatorWorkers[index].commands.write(actuators.pointee) }
    // Not over the head of a stop that came during the tick: it may have found no loop and released the line itself.
    if enabled && !outputsEnabled && !port.isStopPending {
      killLineFailed = !killLine.setActive(true)
      outputsEnabled = true
      // It may have found no loop between the look and the line.
      if port.isStopPending {
        killLineFailed = !killLine.setActive(false)
        outputsEnabled = false
      }
    }
    if !enabled { outputsEnabled = false }
    if outputsEnabled != wereEnabled { outputsChanged.store(MonotonicClock().now(), ordering: .releasing) }
    // Outputs whose line does not follow were not seen off.
    port.report(
      commandNumber: controller.handledCommand, result: controller.lastResult, state: record.pointee.state,
      areOutputsOn: outputsEnabled || killLineFailed)
    blackBox?.append(record)
    recorderRing.push(record.pointee)
    publisherRing.push(record.pointee)
    latest.write(record.pointee)
    continueCheckpoint()
  }

  /// What the last tick decided.
  var lastSequence: UInt64 { record.pointee.sequence }
  var areOutputsEnabled: Bool { outputsEnabled }

  /// Last of all: what was decided is on its way.
  private func continueCheckpoint() {
    guard checkpoint.isRequested else { return }
    if checkpointStep == 0 {
      controller.beginCheckpoint(checkpoint.memory)
      checkpointSequence = record.pointee.sequence &+ 1
    }
    if controller.continueCheckpoint(checkpoint.memory, step: checkpointStep) {
      checkpointStep = 0
      checkpoint.finish(tag: checkpointSequence)
    } else {
      checkpointStep += 1
    }
  }

  /// Outputs off, whatever the state: the last act of a loop.
  func makeSafe() {
    _ = killLine.setActive(false)
    outputsEnabled = false
    actuators.pointee = ActuatorCommand()
    for worker in actuatorWorkers { worker.commands.write(actuators.pointee) }
  }
}
