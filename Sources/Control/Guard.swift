import HandModel
import PrimalLogic

/// What the guard has found.
struct Alarm: BitwiseCopyable {
  private(set) var code = FaultCode.none
  /// The joint it names; 255 = none.
  private(set) var joint = 255

  @_noLocks
  init() {}

  var isRaised: Bool {
    @_noLocks get { !(code == .none) }
  }

  /// Keeps what was raised first; `none` raises nothing.
  @_noLocks
  mutating func raise(_ code: FaultCode, _ joint: Int = 255) {
    guard self.code == .none else { return }
    self.code = code
    self.joint = joint
  }
}

/// Every condition that latches a fault or an e-stop. They are asked in the order of this file. The first
/// that holds in a tick is latched; only an e-stop overrides a fault. What each of them means:
/// docs/faults.md.
struct Guard: BitwiseCopyable {
  let limits: GuardLimits
  /// Oldest sample, and longest silence of the actuators, ns.
  private let staleness: Int64
  private let commandTimeout: Int64
  private let period: Int64
  private let overrunBudget: Int64
  private let uncertifiedBudget: Int64
  /// Whether the tests beside the certificate are made.
  private let checks: Bool

  init(_ settings: ControlSettings, limits: GuardLimits, checks: Bool) {
    self.limits = limits
    staleness = settings.staleSampleNanoseconds
    commandTimeout = settings.commandTimeoutNanoseconds
    period = settings.periodNanoseconds
    overrunBudget = Int64(settings.overrunBudgetTicks)
    uncertifiedBudget = Int64(settings.uncertifiedBudgetTicks)
    self.checks = checks
  }

  // MARK: - 1. While samples are taken in

  @_noLocks
  func sample(_ verdict: SampleVerdict, joint: Int, drives: Bool) -> Alarm {
    var alarm = Alarm()
    switch verdict {
    case .implausible: if drives { alarm.raise(.implausibleSensor, joint) }
    case .known, .first, .outdated, .fresh, .rejected: break
    }
    return alarm
  }

  // MARK: - 2. Start-up and clock

  /// - Parameter unready: joints (bit j) without a usable sample.
  @_noLocks
  func selfTest(hasFailed: Bool, unready: JointMask) -> Alarm {
    var alarm = Alarm()
    if hasFailed { alarm.raise(.selfTestFailed, unready == 0 ? 255 : unready.trailingZeroBitCount) }
    return alarm
  }

  @_noLocks
  func clock(hasAdvanced: Bool, dt: Double, drives: Bool) -> Alarm {
    var alarm = Alarm()
    let isJump = !hasAdvanced || dt >= limits.longestStallSeconds
    if isJump && drives { alarm.raise(.clockJump) }
    return alarm
  }

  // MARK: - 3. In any state

  @_noLocks
  func stops(_ inputs: UnsafePointer<TickInputs>) -> Alarm {
    var alarm = Alarm()
    if inputs.pointee.eStopLineActive { alarm.raise(.eStopLine) }
    if inputs.pointee.stopRequested {
      alarm.raise(inputs.pointee.stopSource == .mqtt ? .eStopRemote : .eStopSocket)
    }
    if inputs.pointee.driveEnableFailed { alarm.raise(.driveEnable) }
    return alarm
  }

  // MARK: - 4. While joints are driven

  /// - Parameters:
  ///   - dt: ns since the tick before.
  ///   - followed: start of the last tick by which every actuator had what it was told, ns.
  ///   - overruns: deadlines skipped in the window.
  @_noLocks
  func inputs(
    _ inputs: UnsafePointer<TickInputs>, unready: JointMask, dt: Int64, followed: Int64, overruns: Int64,
    _ alarm: inout Alarm
  ) {
    let now = inputs.pointee.nowNanoseconds
    if unready != 0 {
      let failedBus = unready & inputs.pointee.failedBusJoints
      // The machine stood still: every sample is as old as the stall, which is no sensor's doing.
      if dt &- period > staleness { alarm.raise(.lateTicks) }
      if failedBus != 0 { alarm.raise(.busFault, failedBus.trailingZeroBitCount) }
      alarm.raise(.staleSensor, unready.trailingZeroBitCount)
    }
    let unhealthy = inputs.pointee.unhealthyJoints
    if unhealthy != 0 { alarm.raise(.implausibleSensor, unhealthy.trailingZeroBitCount) }
    let failedActuators = inputs.pointee.failedActuatorJoints
    if failedActuators != 0 { alarm.raise(.actuatorFault, failedActuators.trailingZeroBitCount) }
    if inputs.pointee.actuatorFailed { alarm.raise(.actuatorFault) }
    let isUnwritten = now &- followed > staleness
    if isUnwritten && isSilent(inputs) { alarm.raise(.actuatorFault) }
    if overruns > overrunBudget { alarm.raise(.deadlineMisses) }
  }

  /// The faults of one joint. Its counters move on whichever of them holds.
  /// - Parameter hasSetpoint: whether the law leads the joint anywhere, as it does not in NULL-G.
  @_noLocks
  func joint(
    _ joint: UnsafeMutablePointer<JointState>, amperes: Double, hasSetpoint: Bool
  ) -> FaultCode {
    let constants = joint.pointee.constants
    let position = joint.pointee.observer.position
    let velocity = joint.pointee.observer.velocity
    var alarm = Alarm()
    if !(joint.pointee.isEstimated && amperes.isFinite) { return .nonFinite }
    if joint.pointee.isOutOfRange { alarm.raise(.positionLimit) }
    if velocity.magnitude > constants.velocityLimit * limits.velocityFactor { alarm.raise(.velocityLimit) }
    let trackingError = (joint.pointee.trajectory.position - position).magnitude
    if trackingError > constants.trackingErrorLimit { alarm.raise(.trackingError) }
    joint.pointee.overCurrentTicks =
      amperes.magnitude > constants.currentLimit ? joint.pointee.overCurrentTicks + 1 : 0
    if joint.pointee.overCurrentTicks > limits.overCurrentTicks { alarm.raise(.currentLimit) }
    if checks { alarm.raise(model(joint, amperes: amperes, hasSetpoint: hasSetpoint)) }
    return alarm.code
  }

  /// The tests beside the certificate, which see what its model cannot.
  @_noLocks
  private func model(
    _ joint: UnsafeMutablePointer<JointState>, amperes: Double, hasSetpoint: Bool
  ) -> FaultCode {
    let monitorLimits = joint.pointee.constants.monitor
    var alarm = Alarm()
    if joint.pointee.monitor.innovationTicks >= limits.innovationTicks { alarm.raise(.innovation) }
    if joint.pointee.monitor.isOverborne(load: joint.pointee.observer.load, limits: monitorLimits) {
      alarm.raise(.externalTorque)
    }
    joint.pointee.monitor.take(amperes: amperes, limits: monitorLimits)
    if joint.pointee.monitor.currentSum > limits.currentThreshold { alarm.raise(.currentMismatch) }
    if joint.pointee.monitor.heat > monitorLimits.continuousSquared { alarm.raise(.overload) }
    guard hasSetpoint else { return alarm.code }
    let isStuck = joint.pointee.monitor.isStuck(
      counts: joint.pointee.gate.lastCounts, turn: joint.pointee.constants.countsPerTurn,
      setpoint: joint.pointee.trajectory.position, limits: monitorLimits)
    if isStuck { alarm.raise(.stuckSensor) }
    return alarm.code
  }

  /// The last of this part: it makes the hand hold, and any other fault takes the place of that.
  @_noLocks
  func commandTimeout(_ machine: HandStateMachine, now: Int64, _ alarm: inout Alarm) {
    if machine.isStreaming && now &- machine.lastStreamNanoseconds > commandTimeout {
      alarm.raise(.commandTimeout)
    }
  }

  // MARK: - 5. While commands are taken

  /// Whoever reads commands refuses such a number; a motor must not depend on that.
  @_noLocks
  func target(_ radians: Double, joint: Int) -> Alarm {
    var alarm = Alarm()
    if !radians.isFinite { alarm.raise(.nonFinite, joint) }
    return alarm
  }

  // MARK: - 6. After the law

  /// - Parameters:
  ///   - isWindowFull: of the joint with the largest Λ.
  ///   - undecayed: the first joint that the decay test names; 255 = none.
  @_noLocks
  func certificate(
    _ worst: WorstJoint, isWindowFull: Bool, uncertified: Int64, late: Int64, undecayed: Int,
    joints: JointStates, jointCount: Int
  ) -> Alarm {
    var alarm = Alarm()
    if worst.lipschitz > 1 + limits.lipschitzTolerance { alarm.raise(.lipschitzViolation, worst.joint) }
    if isWindowFull && worst.windowSum >= 0 { alarm.raise(.windowViolation, worst.windowJoint) }
    if uncertified > uncertifiedBudget {
      // By the clock where most of these ticks came late, else by the joint that lacked a certificate most.
      if 2 * late > uncertified { alarm.raise(.lateTicks) }
      alarm.raise(.uncertifiedBudget, leastCertified(joints, jointCount))
    }
    for j in 0..<jointCount {
      if uncertified == 0 { joints[j].pointee.uncertifiedTicks = 0 }
      if joints[j].pointee.endStopTicks > joints[j].pointee.constants.endStopTicks {
        alarm.raise(.uncertifiedBudget, j)
      }
    }
    if undecayed < 255 { alarm.raise(.decay, undecayed) }
    return alarm
  }

  /// The joint with the most uncertified ticks since the window was last without any.
  @_noLocks
  private func leastCertified(_ joints: JointStates, _ jointCount: Int) -> Int {
    var most = 0
    for j in 1..<jointCount
    where joints[j].pointee.uncertifiedTicks > joints[most].pointee.uncertifiedTicks { most = j }
    return most
  }

  // MARK: - What arming, resetting and braking ask

  /// Whether the threads that write have proved nothing for more ticks than one that is late explains.
  @_noLocks
  private func isSilent(_ inputs: UnsafePointer<TickInputs>) -> Bool {
    inputs.pointee.actuatorLagTicks > limits.drivenLagTicks
  }

  /// Whether everything that moves the hand does what it is told.
  @_noLocks
  func areActuatorsWell(_ inputs: UnsafePointer<TickInputs>) -> Bool {
    inputs.pointee.failedActuatorJoints == 0 && !inputs.pointee.actuatorFailed
      && !inputs.pointee.driveEnableFailed && !isSilent(inputs)
  }

  /// Braking works through the actuators, which may be what fails: whether anything on their way has failed,
  /// or they do not prove that they write.
  @_noLocks
  func isBrakingDoubtful(_ inputs: UnsafePointer<TickInputs>) -> Bool {
    let failed = inputs.pointee.failedActuatorJoints | inputs.pointee.failedBusJoints
    return failed != 0 || inputs.pointee.actuatorFailed || inputs.pointee.driveEnableFailed
      || inputs.pointee.actuatorLagTicks > limits.brakingLagTicks
  }
}
