import HandModel
import PrimalLogic

/// What a tick sees. Filled in place by the loop thread; nothing in it is allocated. Each part of it that decides
/// anything is in the record of the tick too: `recall(_:)` brings it back.
package struct TickInputs: BitwiseCopyable, Sendable {
  /// Start of the tick.
  package var nowNanoseconds: Int64 = 0
  package var deadlineNanoseconds: Int64 = 0
  package var wallNanoseconds: Int64 = 0
  package var previousComputeNanoseconds: Int64 = 0
  /// Deadlines skipped since start, and by this very wake-up.
  package var overruns: UInt64 = 0
  package var skippedDeadlines: Int = 0
  package var encoders = PerJoint<EncoderSample>(repeating: EncoderSample())
  package var currentsAmperes = PerJoint<Double>(repeating: 0)
  package var forcesNewtons = PerJoint<Double>(repeating: 0)
  package var inertial = InertialSample()
  /// Bit j set: the bus that serves joint j has failed.
  package var failedBusJoints: UInt16 = 0
  /// Bit j set: the joint's encoder or current sensor says that it is not to be trusted.
  package var unhealthyJoints: UInt16 = 0
  /// A chip that drives actuators no longer does what it is told.
  package var actuatorFailed = false
  /// Bit j set: the bridge of joint j reports a fault of its own.
  package var failedActuatorJoints: UInt16 = 0
  /// Ticks since the last one whose command every actuator is known to have (`ActuatorStatus.appliedSequence`): 1
  /// while all is well.
  package var actuatorLagTicks: UInt32 = 0
  /// The kill line did not follow when it was last driven.
  package var killLineFailed = false
  package var eStopLineActive = false
  /// Set by an e-stop command; survives whatever the mailbox holds.
  package var stopRequested = false
  package var stopSource: CommandSource = .socket
  /// The loop ends with this tick: a hand that is driven becomes idle, a latched cause stays.
  package var isLast = false
  /// The newest command; handled once, by its number.
  package var command = TickCommand()
  /// The newest streamed set-point; handled once, by its number.
  package var stream = TickCommand()

  package init() {}
}

/// Fault limits that are properties of the method rather than of a board.
package enum GuardLimits {
  /// Beyond the calibrated range by this much a joint has left it: 5°, more than end-stop compliance.
  package static let positionMarginRadians = 0.087
  /// From this far beyond its range on a joint leans on its end stop, which the certificate's model does not
  /// have: 1°, more than the noise about a set-point at the very end of the range.
  package static let endStopMarginRadians = 0.0175
  /// So long a joint may lean there without a certificate: a finger that rests against its stop when it is armed is
  /// back within its range long before. It has its own budget, as nothing is wrong with the ticks.
  package static let endStopSeconds = 0.25
  /// The estimate may pass the set-point's speed limit by this factor in overshoot.
  package static let velocityFactor = 1.5
  /// Rejected samples in a row that make a sensor implausible.
  package static let rejectedSamples = 3
  /// Ticks over the current limit before a fault: longer than a bus's round of current readings.
  package static let overCurrentTicks = 20
  /// Consecutive ticks with fresh samples of all joints that pass the self-test.
  package static let selfTestTicks = 10
  /// Self-test gives up after this time.
  package static let selfTestNanoseconds: Int64 = 1_000_000_000
  /// L may pass 1 by rounding only (docs/control.md).
  package static let lipschitzTolerance = 1e-9
  /// A tick this long after the one before ends no interval that a model could be taken over: as long as the oldest
  /// sample that a board may allow, when the machine was suspended rather than late.
  package static let longestStallSeconds = 1.0
  /// From this slope down a joint counts as saturated.
  package static let certifiedSlope = 0.2

  // The tests that see what the model cannot (docs/control.md, docs/faults.md).

  /// Innovations beyond this many σ are no noise, nor soft contact at the speed of a grasp.
  static let innovationDeviations = 6.0
  /// Samples in a row with such an innovation.
  static let innovationTicks = 5
  /// What blocks a joint can push back as hard as the drive pushes; beyond that by half it is not the drive's doing.
  static let loadFactor = 1.5
  /// An impact is over by then.
  static let loadSeconds = 0.02
  /// The CUSUM's allowance and trip level in σ: a false alarm in 1.7·10¹² independent readings (Siegmund).
  static let currentDrift = 0.25
  static let currentThreshold = 51.0
  /// Share of the tracking limit that the set-point may go while the encoder's word stays. Where the current tells a
  /// stuck encoder from a joint that is blocked, a firm grasp is let press further.
  static let stuckShare = 0.25
  static let blockedShare = 0.75
  /// Noise floors that V may have after a window beyond what contraction leaves.
  static let decayFloors = 4.0
  /// A change of the estimated load by this many σ is one.
  static let loadStepDeviations = 6.0
  /// A shorted motor of a finger stops within tens of milliseconds.
  static let brakeNanoseconds: Int64 = 200_000_000

  // Proof that what was decided is written (`TickInputs.actuatorLagTicks`).

  /// So many ticks may lie between a command and the proof while the hand counts on the actuators to stop it, and so
  /// many pass for following otherwise: one is the way to the chips and back, the second a bus thread or a loop that
  /// is late by a period. Limp is always safe, so that braking may end on suspicion.
  package static let brakingLagTicks: UInt32 = 2
  /// Beyond so many ticks, and beyond the age that the board allows a sample, the thread that writes hangs or is
  /// dead. As many as silence a loop for that thread (`ActuatorWorker.largestCommandAgeCycles`); and the time,
  /// because a thread that writes may be as late as one that reads: on a machine without real time some stalls are
  /// longer than five ticks of 1 ms.
  package static let drivenLagTicks: UInt32 = 5
}

/// The controller of one hand: a pure step from inputs to outputs, run once a tick.
///
/// Touches no file, socket, lock or allocator after `init` (checked by the compiler through `@_noLocks`);
/// time comes in with the inputs. The same code runs on hardware, in simulation and in replay.
package struct HandController: ~Copyable {
  private let settings: ControlSettings
  let jointCount: Int
  let joints: UnsafeMutablePointer<JointState>
  private let certificates: UnsafeMutablePointer<CertificateTable>
  private let fingers: CoupledFingers
  let windows: UnsafeMutablePointer<WindowProduct>
  // Where the arrays lie in their structures: indexing them there, a copy of the whole array is not at the
  // optimiser's mercy.
  private let jointRecordsOffset: Int
  private let encodersOffset: Int
  private let hasher: OutputHasher
  /// Fingerprint of a checkpoint's layout.
  let layout: UInt64
  var uncertifiedWindow: WindowProduct
  /// Of the uncertified ticks those that came too late.
  var lateWindow: WindowProduct
  var overrunWindow: WindowProduct
  private let periodNanoseconds: Int64

  // What the controller remembers, with joints and windows. All of it is in a checkpoint.
  var state = HandState.starting
  var mode = ControlMode.idle
  var fault = FaultCode.none
  var faultJoint: UInt8 = 255
  /// What is being done about the latched fault; `limp` otherwise.
  var reaction = FaultReaction.limp
  var brakeEnd: Int64 = 0
  var sequence: UInt64 = 0
  var lastNow: Int64 = 0
  /// Start of the self-test.
  var startNanoseconds: Int64 = 0
  var freshTicks = 0
  /// Whether a self-test has passed.
  var isTested = false
  /// The last tick by which every actuator had what it was told.
  var followedNanoseconds: Int64 = 0
  var isStreaming = false
  var lastStreamNanoseconds: Int64 = 0
  /// The last command that was looked at, refused or not, for its sender.
  package var handledCommand: UInt32 = 0
  var executedCommand: UInt32 = 0
  var handledStream: UInt32 = 0
  var energyIntegral = 0.0
  /// What the last command came to, for its sender.
  package private(set) var lastResult = CommandResult.executed

  /// Whether the certificate and the tests beside it look at the tick; only a bench, which measures what they cost,
  /// leaves them out.
  private let checks: Bool

  /// - Parameter parameters: one a joint, in the board's order, 1...`maximumJoints`.
  package init(settings: ControlSettings, parameters: [JointParameters], checks: Bool = true) {
    self.checks = checks
    precondition((1...maximumJoints).contains(parameters.count), "a hand has 1...\(maximumJoints) joints")
    guard let jointRecordsOffset = MemoryLayout<TickRecord>.offset(of: \.joints),
      let encodersOffset = MemoryLayout<TickInputs>.offset(of: \.encoders)
    else { preconditionFailure("stored properties have an offset") }
    self.jointRecordsOffset = jointRecordsOffset
    self.encodersOffset = encodersOffset
    hasher = OutputHasher(jointCount: parameters.count)
    self.settings = settings
    jointCount = parameters.count
    periodNanoseconds = settings.periodNanoseconds
    joints = .allocate(capacity: parameters.count)
    certificates = .allocate(capacity: parameters.count)
    windows = .allocate(capacity: parameters.count)
    for (j, p) in parameters.enumerated() {
      let holdOf = parameters.firstIndex {
        $0.model.inertia == p.model.inertia && $0.model.damping == p.model.damping
          && $0.model.stiffness == p.model.stiffness
      }
      let kernelOf = parameters.firstIndex { $0.model.lambda == p.model.lambda }
      (joints + j).initialize(to: JointState(p, holdOf: holdOf ?? j, kernelOf: kernelOf ?? j))
      (certificates + j).initialize(to: CertificateTable(copying: p.certificate))
      (windows + j).initialize(to: WindowProduct(ticks: settings.windowTicks))
    }
    fingers = CoupledFingers(parameters)
    uncertifiedWindow = WindowProduct(ticks: settings.windowTicks)
    lateWindow = WindowProduct(ticks: settings.windowTicks)
    overrunWindow = WindowProduct(ticks: settings.windowTicks)
    layout = Self.layout(
      of: joints[0], jointCount: jointCount, windowTicks: settings.windowTicks)
  }

  deinit {
    windows.deinitialize(count: jointCount)
    windows.deallocate()
    joints.deallocate()
    for j in 0..<jointCount { (certificates + j).pointee.deallocate() }
    certificates.deallocate()
    fingers.deallocate()
  }

  /// One tick: samples → estimate → command → law → certificate → guard → outputs and record.
  @_noLocks
  package mutating func tick(
    _ inputs: UnsafePointer<TickInputs>, record: UnsafeMutablePointer<TickRecord>,
    actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    let now = inputs.pointee.nowNanoseconds
    let dtNanoseconds: Int64
    var clockAdvanced = true
    if sequence == 0 {
      startNanoseconds = now
      dtNanoseconds = periodNanoseconds
    } else {
      clockAdvanced = now > lastNow
      dtNanoseconds = max(now &- lastNow, 1)
    }
    lastNow = now
    let dt = Double(dtNanoseconds) * 1e-9

    record.pointee.sequence = sequence
    record.pointee.deadlineNanoseconds = inputs.pointee.deadlineNanoseconds
    record.pointee.wallNanoseconds = inputs.pointee.wallNanoseconds
    record.pointee.wakeUpNanoseconds = now &- inputs.pointee.deadlineNanoseconds
    record.pointee.previousComputeNanoseconds = inputs.pointee.previousComputeNanoseconds
    record.pointee.dtNanoseconds = dtNanoseconds
    record.pointee.overruns = inputs.pointee.overruns
    record.pointee.jointCount = UInt8(truncatingIfNeeded: jointCount)
    record.pointee.eStopLineActive = inputs.pointee.eStopLineActive
    record.pointee.inertial = inputs.pointee.inertial
    note(inputs, record)
    if inputs.pointee.actuatorLagTicks <= GuardLimits.brakingLagTicks { followedNanoseconds = now }
    overrunWindow.push(Int64(inputs.pointee.skippedDeadlines))

    let unready = estimate(inputs, dt: dt, record)
    advanceStartUp(unready: unready, now: now)
    let isJump = !clockAdvanced || dt >= GuardLimits.longestStallSeconds
    if isJump && drives { latch(.clockJump, 255) }
    watchInputs(
      inputs, unready: unready, now: now,
      isStalled: dtNanoseconds &- periodNanoseconds > settings.staleSampleNanoseconds)
    watchBraking(inputs, now: now)
    obey(inputs, unready: unready, now: now, record)
    if inputs.pointee.isLast { retire() }
    control(inputs, dt: dt, record, actuators)
    finish(record, actuators)
    sequence &+= 1
  }

  /// Keeps what the tick is told besides samples, so that it can be run again.
  @_noLocks
  private func note(_ inputs: UnsafePointer<TickInputs>, _ record: UnsafeMutablePointer<TickRecord>) {
    record.pointee.failedBusJoints = inputs.pointee.failedBusJoints
    record.pointee.unhealthyJoints = inputs.pointee.unhealthyJoints
    record.pointee.failedActuatorJoints = inputs.pointee.failedActuatorJoints
    record.pointee.skippedDeadlines = inputs.pointee.skippedDeadlines
    record.pointee.actuatorLagTicks = inputs.pointee.actuatorLagTicks
    var flags: UInt16 = 0
    if inputs.pointee.actuatorFailed { flags |= InputFlags.actuatorFailed }
    if inputs.pointee.stopRequested {
      flags |= InputFlags.stop
      if inputs.pointee.stopSource == .mqtt { flags |= InputFlags.remoteStop }
    }
    if inputs.pointee.isLast { flags |= InputFlags.last }
    if inputs.pointee.killLineFailed { flags |= InputFlags.killLineFailed }
    record.pointee.inputFlags = flags
    record.pointee.command.kind = .none
    record.pointee.commandResult = .executed
  }

  /// The records of the joints within `record`.
  @_noLocks
  private func jointRecords(_ record: UnsafeMutablePointer<TickRecord>) -> UnsafeMutablePointer<JointRecord> {
    UnsafeMutableRawPointer(record).advanced(by: jointRecordsOffset).assumingMemoryBound(to: JointRecord.self)
  }

  // MARK: - Estimate

  /// Takes in the samples; returns the joints (bit j) without a usable one.
  @_noLocks
  private mutating func estimate(
    _ inputs: UnsafePointer<TickInputs>, dt: Double, _ record: UnsafeMutablePointer<TickRecord>
  ) -> UInt16 {
    var unready: UInt16 = 0
    let now = inputs.pointee.nowNanoseconds
    let samples = UnsafeRawPointer(inputs).advanced(by: encodersOffset)
      .assumingMemoryBound(to: EncoderSample.self)
    fingers.pull(joints, dt: dt)
    for j in 0..<jointCount {
      let joint = joints + j
      let out = jointRecords(record) + j
      let constants = joint.pointee.constants
      let sample = samples[j]
      // As recorded: beyond two seconds, far past any limit of staleness, an age is not told apart.
      let recordedAge = Int32(clamping: now &- sample.timeNanoseconds)
      let age = Int64(recordedAge)
      let sampleTime = now &- age
      // A joint comes after the one it shares with.
      let hold =
        constants.holdOf == j
        ? ZeroOrderHold(
          inertia: constants.inertia, damping: constants.damping, stiffness: constants.stiffness, dt: dt)
        : (joints + constants.holdOf).pointee.hold
      joint.pointee.hold = hold
      joint.pointee.kernel =
        constants.kernelOf == j
        ? MemoryKernel(lambda: constants.lambda, dt: dt) : (joints + constants.kernelOf).pointee.kernel
      joint.pointee.pass(dt: dt, skippedDeadlines: inputs.pointee.skippedDeadlines)
      if inputs.pointee.skippedDeadlines > 0 { joint.pointee.monitor.missTicks() }
      // The plant still felt what earlier ticks decided for the output's latency.
      let applied = joint.pointee.actingInput()
      var load =
        constants.gravity * sine(joint.pointee.observer.position)
        + constants.coulomb * JointState.smoothSign(joint.pointee.observer.velocity)
      if constants.isCoupled { load += fingers.share(j).pointee.pull }
      joint.pointee.actingLoad = joint.pointee.observer.load
      joint.pointee.sampleInterval += dt
      if dt < GuardLimits.longestStallSeconds {
        joint.pointee.observer.predict(torque: applied - load, hold: hold)
      } else {
        joint.pointee.restObserver(at: joint.pointee.lastSampleRadians)
      }

      var flags: UInt8 = 0
      var measured = joint.pointee.lastSampleRadians
      if sample.isValid && sample.number != joint.pointee.lastSampleNumber {
        joint.pointee.lastSampleNumber = sample.number
        joint.pointee.lastCounts = sample.counts
        flags |= JointFlags.sampled
        measured = joint.pointee.radians(counts: sample.counts)
        if !joint.pointee.hasPosition {
          joint.pointee.hasPosition = true
          joint.pointee.restObserver(at: measured)
          accept(joint, measured, sampleTime)
          flags |= JointFlags.fresh
        } else {
          let gap = Double(sampleTime &- joint.pointee.lastSampleTime) * 1e-9
          let largest = constants.velocityLimit * GuardLimits.velocityFactor * gap + constants.jumpAllowance
          if gap <= 0 {
            // Older than what is known already: it says nothing, and its age tells of staleness.
            measured = joint.pointee.lastSampleRadians
          } else if (measured - joint.pointee.lastSampleRadians).magnitude <= largest {
            let gains = joint.pointee.constants.observerGains.after(joint.pointee.sampleInterval)
            joint.pointee.observer.correct(measured: measured, age: Double(age) * 1e-9, gains: gains)
            // An estimate half a turn off is none. Written so that NaN is one too.
            if !(joint.pointee.observer.innovation.magnitude < .pi) {
              joint.pointee.restObserver(at: measured)
            }
            // The model knows no stop, and says so: what a joint does there is no sensor's fault.
            let innovation = isAtEndStop(joint) ? 0 : joint.pointee.observer.innovation
            joint.pointee.monitor.take(
              innovation: innovation, deviation: gains.innovationDeviation, limits: constants.monitor)
            accept(joint, measured, sampleTime)
            flags |= JointFlags.fresh
          } else {
            joint.pointee.rejectedSamples += 1
            if joint.pointee.rejectedSamples >= GuardLimits.rejectedSamples {
              if drives { latch(.implausibleSensor, j) }
              // Not driven: the hand may be moved by hand faster than it could move itself.
              joint.pointee.restObserver(at: measured)
              accept(joint, measured, sampleTime)
            }
          }
        }
      }
      if !joint.pointee.hasPosition || age > settings.staleSampleNanoseconds {
        flags |= JointFlags.stale
        unready |= 1 << UInt16(truncatingIfNeeded: j)
      }

      out.pointee.flags = flags
      out.pointee.encoderCounts = sample.counts
      out.pointee.sampleAgeNanoseconds = recordedAge
      out.pointee.measuredRadians = measured
      out.pointee.positionRadians = joint.pointee.observer.position
      out.pointee.velocityRadiansPerSecond = joint.pointee.observer.velocity
      out.pointee.innovationRadians =
        flags & JointFlags.fresh != 0 ? joint.pointee.observer.innovation : 0
      out.pointee.loadNewtonMetres = joint.pointee.observer.load
      out.pointee.currentAmperes = inputs.pointee.currentsAmperes[j]
      out.pointee.forceNewtons = inputs.pointee.forcesNewtons[j]
    }
    return unready
  }

  @_noLocks
  private func accept(_ joint: UnsafeMutablePointer<JointState>, _ measured: Double, _ time: Int64) {
    joint.pointee.lastSampleRadians = measured
    joint.pointee.lastSampleTime = time
    joint.pointee.sampleInterval = 0
    joint.pointee.rejectedSamples = 0
  }

  // MARK: - States

  @_noLocks
  private mutating func advanceStartUp(unready: UInt16, now: Int64) {
    guard state == .starting || state == .selfTest else { return }
    state = .selfTest
    freshTicks = unready == 0 ? freshTicks + 1 : 0
    if freshTicks >= GuardLimits.selfTestTicks {
      state = .idle
      isTested = true
    } else if now &- startNanoseconds > GuardLimits.selfTestNanoseconds {
      latch(.selfTestFailed, unready == 0 ? 255 : unready.trailingZeroBitCount)
    }
  }

  /// Whether the law drives the joints: armed, tracking, or holding after a fault that says so.
  private var drives: Bool {
    @_noLocks get { state.outputsLive || reaction == .hold }
  }

  /// Latches a fault or an e-stop; the first cause stays, but an e-stop overrides a fault, and what goes wrong
  /// while a fault's reaction is to hold takes its place.
  @_noLocks
  private mutating func latch(_ code: FaultCode, _ joint: Int) {
    let isStop = code == .eStopLine || code == .eStopSocket || code == .eStopRemote
    if state == .eStop || (state == .fault && !isStop && !(reaction == .hold)) {
      // A local stop is the stronger one: a remote reset must not clear what it holds.
      let isLocalOverRemote = code == .eStopSocket && fault == .eStopRemote
      if state == .eStop && (code == .eStopLine || isLocalOverRemote) { fault = code }
      return
    }
    state = isStop ? .eStop : .fault
    fault = code
    faultJoint = UInt8(truncatingIfNeeded: min(joint, 255))
    reaction = code.reaction
    switch reaction {
    case .limp: letGo()
    case .hold: stopMoving()
    case .brake:
      letGo()
      reaction = .brake
      brakeEnd = lastNow &+ GuardLimits.brakeNanoseconds
    }
  }

  /// Brings every set-point to rest, as quickly as its limits allow, where it then stays.
  @_noLocks
  private mutating func stopMoving() {
    if mode == .nullG { engage() }
    mode = .stationKeep
    isStreaming = false
    for j in 0..<jointCount {
      let constants = (joints + j).pointee.constants
      (joints + j).pointee.trajectory.stop(
        within: constants.lower, constants.upper, maximumVelocity: constants.velocityLimit,
        maximumAcceleration: constants.accelerationLimit)
    }
  }

  @_noLocks
  private mutating func letGo() {
    mode = .idle
    reaction = .limp
    isStreaming = false
    for j in 0..<jointCount { (joints + j).pointee.release() }
  }

  /// A hand whose loop ends is no longer driven; what it latched stays to be seen.
  @_noLocks
  private mutating func retire() {
    if state.outputsLive { state = .idle }
    letGo()
  }

  /// Faults that the inputs show whatever is commanded.
  /// - Parameter isStalled: the machine stood still for longer than a sample may be old.
  @_noLocks
  private mutating func watchInputs(
    _ inputs: UnsafePointer<TickInputs>, unready: UInt16, now: Int64, isStalled: Bool
  ) {
    if inputs.pointee.eStopLineActive { latch(.eStopLine, 255) }
    if inputs.pointee.stopRequested {
      latch(inputs.pointee.stopSource == .mqtt ? .eStopRemote : .eStopSocket, 255)
    }
    if inputs.pointee.killLineFailed { latch(.killLine, 255) }
    guard drives else { return }
    if unready != 0 {
      let failedBus = unready & inputs.pointee.failedBusJoints
      if isStalled {
        // No sensor's doing: every sample is as old as the stall.
        latch(.lateTicks, 255)
      } else if failedBus != 0 {
        latch(.busFault, failedBus.trailingZeroBitCount)
      } else {
        latch(.staleSensor, unready.trailingZeroBitCount)
      }
    }
    let unhealthy = inputs.pointee.unhealthyJoints
    if unhealthy != 0 { latch(.implausibleSensor, unhealthy.trailingZeroBitCount) }
    let failedActuators = inputs.pointee.failedActuatorJoints
    if failedActuators != 0 { latch(.actuatorFault, failedActuators.trailingZeroBitCount) }
    if inputs.pointee.actuatorFailed { latch(.actuatorFault, 255) }
    let isUnwritten = now &- followedNanoseconds > settings.staleSampleNanoseconds
    if isUnwritten && isSilent(inputs) { latch(.actuatorFault, 255) }
    if overrunWindow.sum > Int64(settings.overrunBudgetTicks) { latch(.deadlineMisses, 255) }
    if isStreaming && now &- lastStreamNanoseconds > settings.commandTimeoutNanoseconds {
      latch(.commandTimeout, 255)
    }
    for j in 0..<jointCount { watch(joint: j, amperes: inputs.pointee.currentsAmperes[j]) }
  }

  /// Braking works through the actuators, which may be what fails: it ends with its time, and at once when anything on
  /// their way does, or when they do not prove that they write.
  @_noLocks
  private mutating func watchBraking(_ inputs: UnsafePointer<TickInputs>, now: Int64) {
    guard reaction == .brake else { return }
    // Also when the clock went back: braking has an end, whatever time it is.
    let isOver = now >= brakeEnd || brakeEnd &- now > GuardLimits.brakeNanoseconds
    let failed = inputs.pointee.failedActuatorJoints | inputs.pointee.failedBusJoints
    let isDoubtful =
      failed != 0 || inputs.pointee.actuatorFailed || inputs.pointee.killLineFailed
      || inputs.pointee.actuatorLagTicks > GuardLimits.brakingLagTicks
    if isOver || isDoubtful { reaction = .limp }
  }

  /// Whether those that write have proved nothing for more ticks than a late thread explains.
  @_noLocks
  private func isSilent(_ inputs: UnsafePointer<TickInputs>) -> Bool {
    inputs.pointee.actuatorLagTicks > GuardLimits.drivenLagTicks
  }

  /// Whether everything that moves the hand does what it is told.
  @_noLocks
  private func areActuatorsWell(_ inputs: UnsafePointer<TickInputs>) -> Bool {
    inputs.pointee.failedActuatorJoints == 0 && !inputs.pointee.actuatorFailed
      && !inputs.pointee.killLineFailed && !isSilent(inputs)
  }

  @_noLocks
  private mutating func watch(joint j: Int, amperes: Double) {
    let joint = joints + j
    let constants = joint.pointee.constants
    let position = joint.pointee.observer.position
    let velocity = joint.pointee.observer.velocity
    if !(isEstimated(joint) && amperes.isFinite) { return latch(.nonFinite, j) }
    if isOutOfRange(joint) { latch(.positionLimit, j) }
    if velocity.magnitude > constants.velocityLimit * GuardLimits.velocityFactor { latch(.velocityLimit, j) }
    if (joint.pointee.trajectory.position - position).magnitude > constants.trackingErrorLimit {
      latch(.trackingError, j)
    }
    joint.pointee.overCurrentTicks =
      amperes.magnitude > constants.currentLimit ? joint.pointee.overCurrentTicks + 1 : 0
    if joint.pointee.overCurrentTicks > GuardLimits.overCurrentTicks { latch(.currentLimit, j) }
    if checks { watchModel(joint: j, amperes: amperes) }
  }

  /// The tests beside the certificate, which see what its model cannot.
  @_noLocks
  private mutating func watchModel(joint j: Int, amperes: Double) {
    let joint = joints + j
    let limits = joint.pointee.constants.monitor
    if joint.pointee.monitor.innovationTicks >= GuardLimits.innovationTicks { latch(.innovation, j) }
    if joint.pointee.monitor.isOverborne(load: joint.pointee.observer.load, limits: limits) {
      latch(.externalTorque, j)
    }
    joint.pointee.monitor.take(amperes: amperes, limits: limits)
    if joint.pointee.monitor.currentSum > GuardLimits.currentThreshold { latch(.currentMismatch, j) }
    if joint.pointee.monitor.heat > limits.continuousSquared { latch(.overload, j) }
    if mode == .nullG { return }
    let stuck = joint.pointee.monitor.isStuck(
      counts: joint.pointee.lastCounts, turn: joint.pointee.constants.countsPerTurn,
      setpoint: joint.pointee.trajectory.position, limits: limits)
    if stuck { latch(.stuckSensor, j) }
  }

  @_noLocks
  private func isEstimated(_ joint: UnsafePointer<JointState>) -> Bool {
    joint.pointee.observer.position.isFinite && joint.pointee.observer.velocity.isFinite
  }

  /// Whether the joint is where its end stop may be.
  @_noLocks
  private func isAtEndStop(_ joint: UnsafePointer<JointState>) -> Bool {
    let position = joint.pointee.observer.position
    let margin = GuardLimits.endStopMarginRadians
    return position < joint.pointee.constants.lower - margin
      || position > joint.pointee.constants.upper + margin
  }

  @_noLocks
  private func isOutOfRange(_ joint: UnsafePointer<JointState>) -> Bool {
    let position = joint.pointee.observer.position
    let margin = GuardLimits.positionMarginRadians
    return position < joint.pointee.constants.lower - margin
      || position > joint.pointee.constants.upper + margin
  }

  @_noLocks
  private mutating func obey(
    _ inputs: UnsafePointer<TickInputs>, unready: UInt16, now: Int64,
    _ record: UnsafeMutablePointer<TickRecord>
  ) {
    // One of the two a tick, because a record holds one: a set-point that comes with a command waits a period.
    if inputs.pointee.command.number != handledCommand {
      handledCommand = inputs.pointee.command.number
      record.pointee.command = inputs.pointee.command
      lastResult = execute(inputs, unready: unready)
      record.pointee.commandResult = lastResult
      if lastResult == .executed { executedCommand = handledCommand }
    } else if inputs.pointee.stream.number != handledStream {
      handledStream = inputs.pointee.stream.number
      record.pointee.command = inputs.pointee.stream
      if state.outputsLive {
        lastStreamNanoseconds = now
        isStreaming = true
        follow(UnsafePointer(inputs), stream: true)
      } else {
        record.pointee.commandResult = .notArmed
      }
    }
    guard state == .tracking && !isStreaming else { return }
    var finished = true
    for j in 0..<jointCount where !(joints + j).pointee.trajectory.isFinished { finished = false }
    if finished {
      state = .armed
      mode = .stationKeep
    }
  }

  @_noLocks
  private mutating func execute(_ inputs: UnsafePointer<TickInputs>, unready: UInt16) -> CommandResult {
    switch inputs.pointee.command.kind {
    case .none, .stop:
      return .executed
    case .arm: return arm(inputs, into: .stationKeep, unready: unready)
    case .nullG: return arm(inputs, into: .nullG, unready: unready)
    case .disarm:
      guard drives else { return state == .idle ? .executed : .notArmed }
      if state.outputsLive { state = .idle }
      letGo()
      return .executed
    case .reset:
      return reset(inputs, unready: unready)
    case .pose:
      guard state.outputsLive else { return .notArmed }
      isStreaming = false
      follow(inputs, stream: false)
      return .executed
    case .stream:
      return .executed
    }
  }

  /// Switches outputs on, to hold the pose (`stationKeep`) or to carry the load only (`nullG`).
  @_noLocks
  private mutating func arm(
    _ inputs: UnsafePointer<TickInputs>, into wanted: ControlMode, unready: UInt16
  ) -> CommandResult {
    if state.outputsLive {
      // Arming a hand that holds or moves changes nothing.
      if (wanted == .nullG) == (mode == .nullG) { return .executed }
    } else {
      if inputs.pointee.eStopLineActive { return .eStopLineActive }
      if state == .starting || state == .selfTest { return .selfTestRunning }
      guard state == .idle else { return .notIdle }
      guard (unready | inputs.pointee.unhealthyJoints) == 0 else { return .sensorsNotReady }
      guard areActuatorsWell(inputs) else { return .actuatorsNotReady }
      for j in 0..<jointCount where !isEstimated(joints + j) { return .sensorsNotReady }
      for j in 0..<jointCount where isOutOfRange(joints + j) { return .outOfRange }
      uncertifiedWindow.reset()
      lateWindow.reset()
      overrunWindow.reset()
    }
    state = .armed
    mode = wanted
    isStreaming = false
    engage()
    return .executed
  }

  /// Law, nominal model and set-point of every joint start anew where the joint is.
  @_noLocks
  private mutating func engage() {
    for j in 0..<jointCount {
      let joint = joints + j
      joint.pointee.engage()
      joint.pointee.overCurrentTicks = 0
      joint.pointee.monitor.engage(
        counts: joint.pointee.lastCounts, setpoint: joint.pointee.trajectory.position)
      (windows + j).pointee.reset()
    }
  }

  @_noLocks
  private mutating func reset(_ inputs: UnsafePointer<TickInputs>, unready: UInt16) -> CommandResult {
    guard state == .fault || state == .eStop else { return .notLatched }
    if inputs.pointee.eStopLineActive { return .eStopLineActive }
    if state == .eStop && !(fault == .eStopRemote) && inputs.pointee.command.source == .mqtt {
      return .localEStop
    }
    guard
      (unready | inputs.pointee.unhealthyJoints) == 0 && areActuatorsWell(inputs)
        && !inputs.pointee.stopRequested
    else {
      return .causePresent
    }
    // What was stopped or failed before it ever passed its self-test begins it again.
    state = isTested ? .idle : .selfTest
    freshTicks = 0
    startNanoseconds = inputs.pointee.nowNanoseconds
    fault = .none
    faultJoint = 255
    letGo()
    return .executed
  }

  /// Plans each named joint towards its target.
  @_noLocks
  private mutating func follow(_ inputs: UnsafePointer<TickInputs>, stream: Bool) {
    if mode == .nullG { engage() }
    state = .tracking
    mode = .trajectory
    let mask = stream ? inputs.pointee.stream.jointMask : inputs.pointee.command.jointMask
    for j in 0..<jointCount where mask & (1 << UInt16(truncatingIfNeeded: j)) != 0 {
      let joint = joints + j
      let asked = stream ? inputs.pointee.stream.targets[j] : inputs.pointee.command.targets[j]
      // Whoever reads commands refuses such a number; a motor must not depend on that.
      guard asked.isFinite else { return latch(.nonFinite, j) }
      let target = min(max(asked, joint.pointee.constants.lower), joint.pointee.constants.upper)
      // A repeated target keeps its trajectory: planning again each time would never arrive.
      if stream && target == joint.pointee.trajectory.target { continue }
      joint.pointee.trajectory.plan(
        to: target, seconds: stream ? 0 : inputs.pointee.command.seconds,
        maximumVelocity: joint.pointee.constants.velocityLimit,
        maximumAcceleration: joint.pointee.constants.accelerationLimit)
    }
  }

  // MARK: - Control

  @_noLocks
  private mutating func control(
    _ inputs: UnsafePointer<TickInputs>, dt: Double, _ record: UnsafeMutablePointer<TickRecord>,
    _ actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    let live = drives
    var worst = WorstJoint()
    var undecayed = 255
    var psi = 0.0
    var gamma = 0.0
    if live && !(mode == .nullG) { fingers.advance(joints, dt: dt, jointRecords(record), checks: checks) }
    for j in 0..<jointCount {
      let joint = joints + j
      if joint.pointee.isDecisionTick { joint.pointee.ageInputs() }
      actuators.pointee.duty[j] = 0
      actuators.pointee.pulseNanoseconds[j] = 0
      joint.pointee.monitor.warm(
        amperes: inputs.pointee.currentsAmperes[j], dt: dt, limits: joint.pointee.constants.monitor)
      guard live else {
        joint.pointee.restInputs()
        idle(j, jointRecords(record) + j)
        continue
      }
      if mode == .nullG {
        float(j, jointRecords(record) + j)
      } else {
        drive(j, jointRecords(record) + j)
      }
      if !joint.pointee.constants.isServo {
        let duty = joint.pointee.duty(
          torque: joint.pointee.input, velocity: joint.pointee.observer.velocity)
        actuators.pointee.duty[j] = duty
        joint.pointee.monitor.expect(
          duty: duty, velocity: joint.pointee.observer.velocity, limits: joint.pointee.constants.monitor)
      } else if !(mode == .nullG) {
        actuators.pointee.pulseNanoseconds[j] = joint.pointee.pulseNanoseconds()
      }
      worst.take(
        joint: j, jointRecords(record) + j, logarithm: joint.pointee.logarithm,
        interval: joint.pointee.endedInterval, windowSum: (windows + j).pointee.sum)
      if worst.takeUncertified(jointRecords(record) + j, isLate: joint.pointee.isLate) {
        joint.pointee.uncertifiedTicks &+= 1
      }
      if checks && hasNotDecayed(j, jointRecords(record) + j) && undecayed == 255 { undecayed = j }
      psi += joint.pointee.constants.km * joint.pointee.memory
      gamma += joint.pointee.error
    }
    if live { energyIntegral += psi * gamma * dt }
    record.pointee.psi = psi
    record.pointee.gamma = gamma
    record.pointee.energyIntegral = energyIntegral
    record.pointee.certificate = worst.certificate
    record.pointee.lipschitz = worst.lipschitz
    record.pointee.ratePerSecond =
      worst.lipschitz.isNaN ? .nan : -Double(worst.logarithm) * WindowProduct.unit / worst.interval
    record.pointee.windowProduct = .nan
    guard live else { return }
    if !worst.lipschitz.isNaN {
      record.pointee.windowProduct = (windows + worst.windowJoint).pointee.product
    }
    uncertifiedWindow.push(worst.isUncertified ? 1 : 0)
    lateWindow.push(worst.isLate ? 1 : 0)
    if worst.lipschitz > 1 + GuardLimits.lipschitzTolerance { latch(.lipschitzViolation, worst.joint) }
    if (windows + worst.windowJoint).pointee.isFull && worst.windowSum >= 0 {
      latch(.windowViolation, worst.windowJoint)
    }
    if uncertifiedWindow.sum > Int64(settings.uncertifiedBudgetTicks) { latchUncertified() }
    for j in 0..<jointCount {
      let joint = joints + j
      if uncertifiedWindow.sum == 0 { joint.pointee.uncertifiedTicks = 0 }
      if joint.pointee.endStopTicks > joint.pointee.constants.endStopTicks { latch(.uncertifiedBudget, j) }
    }
    if undecayed < 255 { latch(.decay, undecayed) }
  }

  /// The budget is spent: by the clock where most of its ticks came late, else by the joint that lacked a certificate
  /// most since the window was last without such ticks.
  @_noLocks
  private mutating func latchUncertified() {
    if 2 * lateWindow.sum > uncertifiedWindow.sum { return latch(.lateTicks, 255) }
    var most = 0
    for j in 1..<jointCount
    where (joints + j).pointee.uncertifiedTicks > (joints + most).pointee.uncertifiedTicks { most = j }
    latch(.uncertifiedBudget, most)
  }

  @_noLocks
  private func hasNotDecayed(_ j: Int, _ out: UnsafePointer<JointRecord>) -> Bool {
    // What one joint of a coupled finger bears moves V of them all.
    let isCertified = out.pointee.lipschitz.isFinite && !fingers.share(j).pointee.hasLoadStepped
    return (joints + j).pointee.monitor.hasNotDecayed(
      distance: out.pointee.distance, load: (joints + j).pointee.observer.load, isCertified: isCertified,
      windowTicks: (windows + j).pointee.ticks, windowSum: (windows + j).pointee.sum,
      limits: (joints + j).pointee.constants.monitor)
  }

  @_noLocks
  private func idle(_ j: Int, _ out: UnsafeMutablePointer<JointRecord>) {
    let position = (joints + j).pointee.observer.position
    out.pointee.certificate = .inactive
    out.pointee.setpointRadians = position
    out.pointee.setpointRadiansPerSecond = 0
    out.pointee.nominalRadians = position
    out.pointee.memoryRadianSeconds = 0
    out.pointee.demandNewtonMetres = 0
    out.pointee.torqueNewtonMetres = 0
    out.pointee.slope = 1
    out.pointee.lipschitz = .nan
    out.pointee.distance = 0
  }

  /// NULL-G: the load's torque and nothing else; there is no feedback that a certificate could speak of.
  /// A servo gets no pulses.
  @_noLocks
  private func float(_ j: Int, _ out: UnsafeMutablePointer<JointRecord>) {
    let joint = joints + j
    let position = joint.pointee.observer.position
    let load = joint.pointee.constants.gravity * sine(position)
    joint.pointee.engage()
    joint.pointee.error = 0
    joint.pointee.torque = joint.pointee.law.saturate(load)
    if !joint.pointee.constants.isServo { joint.pointee.input = joint.pointee.torque }
    idle(j, out)
    out.pointee.demandNewtonMetres = load
    out.pointee.torqueNewtonMetres = joint.pointee.torque
  }

  /// The law of one joint (docs/control.md). Memory and nominal model move over the interval that has passed
  /// before this tick decides, so that both see the dt that really happened.
  @_noLocks
  private func drive(_ j: Int, _ out: UnsafeMutablePointer<JointRecord>) {
    let joint = joints + j
    guard joint.pointee.isDecisionTick else {
      if joint.pointee.repeatDecision(out, isAtEndStop: isAtEndStop(joint)) { (windows + j).pointee.push(0) }
      return
    }
    let constants = joint.pointee.constants
    let dt = joint.pointee.held.seconds
    // A coupled finger has moved on as a whole (`CoupledFingers.advance`).
    if joint.pointee.hasDecided && !constants.isCoupled {
      joint.pointee.spanDecision()
      let kernel = joint.pointee.kernel
      joint.pointee.memory = joint.pointee.law.nextMemory(
        joint.pointee.memory, error: joint.pointee.error, demand: joint.pointee.demand,
        applied: joint.pointee.torque, kernel: kernel)
      joint.pointee.nominal.advance(
        law: joint.pointee.law, kernel: kernel, hold: joint.pointee.hold, load: joint.pointee.actingLoad)
      joint.pointee.moveSetPoint(dt: dt)
    }
    let setpoint = joint.pointee.trajectory.position
    let setpointVelocity = joint.pointee.trajectory.velocity
    let position = joint.pointee.observer.position
    let velocity = joint.pointee.observer.velocity
    let difference = joint.pointee.nominal.difference(
      position: position, velocity: velocity, memory: joint.pointee.memory, pending: joint.pointee.pending)

    var motion =
      constants.inertia * joint.pointee.trajectory.acceleration + constants.damping * setpointVelocity
    if constants.isCoupled { motion += fingers.share(j).pointee.feedForward }
    let load =
      constants.gravity * sine(position) + constants.coulomb * JointState.smoothSign(setpointVelocity)
    let error = setpoint - position
    let demand = joint.pointee.law.demand(
      error: error, errorRate: setpointVelocity - velocity, memory: joint.pointee.memory,
      feedForward: motion + load)
    var torque = joint.pointee.law.saturate(demand)
    var flags = out.pointee.flags
    if torque != demand { flags |= JointFlags.torqueLimited }
    // A servo is told the set-point and what the law adds to it.
    let base = constants.isServo ? setpoint : 0
    var input = base + torque
    let change = constants.inputRate * dt
    if (input - joint.pointee.input).magnitude > change {
      input = joint.pointee.input + (input > joint.pointee.input ? change : -change)
      torque = input - base
      flags |= JointFlags.rateLimited
    }
    if isAtEndStop(joint) {
      flags |= JointFlags.endStop
      joint.pointee.endStopTicks += joint.pointee.constants.holdTicks
      // What it learned elsewhere must not press it on against the stop.
      let isBelow = position < constants.lower
      if isBelow == (joint.pointee.memory < 0) { joint.pointee.memory = 0 }
    } else {
      joint.pointee.endStopTicks = 0
    }
    out.pointee.nominalRadians = joint.pointee.nominal.position
    joint.pointee.nominal.decide(
      setpoint: setpoint, setpointVelocity: setpointVelocity, feedForwardInertia: motion, load: load,
      law: joint.pointee.law)

    joint.pointee.error = error
    joint.pointee.demand = demand
    joint.pointee.torque = torque
    joint.pointee.input = input
    _ = joint.pointee.pending.push(torque - load)

    out.pointee.flags = flags
    out.pointee.setpointRadians = setpoint
    out.pointee.setpointRadiansPerSecond = setpointVelocity
    out.pointee.memoryRadianSeconds = joint.pointee.memory
    out.pointee.demandNewtonMetres = demand
    out.pointee.torqueNewtonMetres = torque
    if checks {
      out.pointee.distance =
        constants.isCoupled
        ? fingers.share(j).pointee.distance : root((certificates + j).pointee.distanceSquared(difference))
      certify(j, dt: dt, out)
    }
    joint.pointee.keepDecision(out)
    joint.pointee.slope = JointLaw.slope(
      demand: demand - load, applied: torque - load, nominalDemand: joint.pointee.nominal.demand,
      nominalApplied: joint.pointee.nominal.torque)
    joint.pointee.hasDecided = true
  }

  /// Looks the certificate up for the interval that has passed and the slope with which it began; writes
  /// state and L into the record and L into the joint's window.
  @_noLocks
  private func certify(_ j: Int, dt: Double, _ out: UnsafeMutablePointer<JointRecord>) {
    let joint = joints + j
    guard joint.pointee.hasDecided else {
      // The first tick after arming ends no interval of the law.
      out.pointee.certificate = .inactive
      out.pointee.slope = 1
      out.pointee.lipschitz = .nan
      return
    }
    let isCoupled = joint.pointee.constants.isCoupled
    let slope = isCoupled ? fingers.share(j).pointee.slope : joint.pointee.slope
    let flags = out.pointee.flags
    let lookup = (certificates + j).pointee.lookup(dt: dt, slope: slope)
    joint.pointee.isLate = !(certificates + j).pointee.covers(dt: dt)
    let outside =
      flags & (JointFlags.endStop | JointFlags.rateLimited | JointFlags.stale) != 0
      || (isCoupled && fingers.share(j).pointee.isOutside)
    let certificate: CertificateState
    if !lookup.valid || outside || joint.pointee.held.wasOutside {
      certificate = .uncertified
    } else if slope < GuardLimits.certifiedSlope {
      certificate = .saturated
    } else {
      let distance = out.pointee.distance
      certificate = distance * distance < joint.pointee.constants.noiseFloorSquared ? .deadzone : .certified
    }
    out.pointee.certificate = certificate
    out.pointee.slope = slope
    out.pointee.lipschitz = certificate == .uncertified ? .nan : lookup.lipschitz
    joint.pointee.logarithm = certificate == .uncertified ? 0 : lookup.logarithm
    (windows + j).pointee.push(joint.pointee.logarithm)
  }

  // MARK: - Outputs

  /// Last: what leaves the tick agrees with the state the tick ended in.
  @_noLocks
  private func finish(
    _ record: UnsafeMutablePointer<TickRecord>, _ actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    let live = drives || reaction == .brake
    actuators.pointee.sequence = sequence
    actuators.pointee.enabled = live
    if !drives {
      for j in 0..<jointCount {
        actuators.pointee.duty[j] = 0
        actuators.pointee.pulseNanoseconds[j] = 0
      }
    }
    record.pointee.state = state
    record.pointee.mode = mode
    record.pointee.fault = fault
    record.pointee.faultJoint = faultJoint
    record.pointee.outputsEnabled = live
    record.pointee.commandNumber = executedCommand
    record.pointee.uncertifiedTicks = UInt32(clamping: uncertifiedWindow.sum)
    record.pointee.lateTicks = UInt32(clamping: lateWindow.sum)
    record.pointee.outputHash = hasher.hash(record, actuators)
  }
}

/// The worst of all joints in a tick, each quantity for itself.
private struct WorstJoint {
  var certificate = CertificateState.inactive
  /// A joint is without a certificate although it is away from its end stops; of one the tick was too late for it.
  var isUncertified = false
  var isLate = false
  var lipschitz = Double.nan
  var logarithm: Int64 = 0
  /// Length of the interval of that L, s.
  var interval = 1.0
  var joint = 255
  var windowSum = Int64.min
  var windowJoint = 0

  @_noLocks
  mutating func take(
    joint j: Int, _ record: UnsafePointer<JointRecord>, logarithm: Int64, interval: Double, windowSum: Int64
  ) {
    if record.pointee.certificate.severity > certificate.severity { certificate = record.pointee.certificate }
    // Written so that the first finite value replaces NaN.
    if record.pointee.lipschitz.isFinite && !(record.pointee.lipschitz <= lipschitz) {
      lipschitz = record.pointee.lipschitz
      self.logarithm = logarithm
      self.interval = interval
      joint = j
    }
    if windowSum > self.windowSum {
      self.windowSum = windowSum
      windowJoint = j
    }
  }

  /// Returns whether the joint itself is why it has no certificate.
  @_noLocks
  mutating func takeUncertified(_ record: UnsafePointer<JointRecord>, isLate: Bool) -> Bool {
    guard record.pointee.certificate == .uncertified && record.pointee.flags & JointFlags.endStop == 0 else {
      return false
    }
    isUncertified = true
    if isLate { self.isLate = true }
    return !isLate
  }
}
