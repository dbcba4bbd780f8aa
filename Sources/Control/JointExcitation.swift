import HandModel
import PrimalLogic

/// What an excitation does to its joint.
package struct ExcitationPlan: Sendable, Equatable {
  /// In the board's order.
  package var joint: Int
  /// How far from where it is, rad; either way.
  package var radians: Double
  /// Speed of the set-point, rad/s, above 0.
  package var radiansPerSecond: Double
  /// Largest torque as a share of the joint's torque limit, 0...1. A servo has no such limit.
  package var torqueShare: Double

  /// - Parameters: as the properties.
  package init(joint: Int, radians: Double, radiansPerSecond: Double, torqueShare: Double) {
    self.joint = joint
    self.radians = radians
    self.radiansPerSecond = radiansPerSecond
    self.torqueShare = torqueShare
  }
}

/// Moves one joint slowly and lets all others go limp: a controller that needs no certificate, because it
/// closes no loop over the joint's position. It runs under the same guard as the hand's controller, apart
/// from the certificate.
///
/// `arm` starts the motion, once the self-test has passed. The hand becomes idle when the joint has arrived,
/// on `disarm`, and after a fault or a stop is reset. A servo is told a slow ramp of angles. A motor gets the
/// torque that carries the load by the calibration, and more, slowly, until the joint has its speed; never
/// more than the plan allows.
package struct JointExcitation: TickController, ~Copyable {
  private let plan: ExcitationPlan
  private let joints: JointStates
  private let jointMemory: UnsafeMutablePointer<JointState>
  private let jointCount: Int
  private let rules: Guard
  private let staleness: Int64
  private let periodNanoseconds: Int64
  private let layout: RecordLayout
  private let hasher: OutputHasher
  private let motion: ExcitationLimits
  private var overrunWindow: WindowProduct
  private var memory = ControllerMemory()
  /// What a motor has been given beyond what carries its load, N m.
  private var extraTorque = 0.0
  /// The angle at which the motion ends, and the time since it began, s.
  private var targetRadians = 0.0
  private var elapsed = 0.0
  private var startCounts: UInt16 = 0
  package private(set) var handledCommand: UInt32 = 0
  package private(set) var lastResult = CommandResult.executed

  package var sequence: UInt64 {
    @_noLocks get { memory.sequence }
  }

  /// - Parameters:
  ///   - joints: of the hand, in the board's order (`HandDesign.basics`).
  ///   - plan: names one of them.
  package init(
    settings: ControlSettings, joints basics: [JointBasics], plan: ExcitationPlan,
    limits: GuardLimits = .standard
  ) {
    precondition((1...maximumJoints).contains(basics.count), "a hand has 1...\(maximumJoints) joints")
    precondition(basics.indices.contains(plan.joint), "an excitation names a joint of the hand")
    self.plan = plan
    jointCount = basics.count
    layout = RecordLayout()
    hasher = OutputHasher(jointCount: basics.count)
    rules = Guard(settings, limits: limits, checks: true)
    staleness = settings.staleSampleNanoseconds
    periodNanoseconds = settings.periodNanoseconds
    overrunWindow = WindowProduct(ticks: settings.windowTicks)
    motion = ExcitationLimits(basics[plan.joint], plan)
    jointMemory = .allocate(capacity: basics.count)
    joints = JointStates(jointMemory, count: basics.count)
    for (j, p) in basics.enumerated() {
      var slow = p
      if j == plan.joint { slow.calibration.limits.radiansPerSecond = motion.largestSpeed }
      var constants = JointConstants(slow, limits: limits)
      constants.share(with: basics.map(\.model), joint: j)
      (jointMemory + j).initialize(to: JointState(constants, model: p.model))
    }
  }

  deinit { jointMemory.deallocate() }

  /// One tick: samples → estimate → guard → command → excitation → outputs and record.
  @_noLocks
  package mutating func tick(
    _ inputs: UnsafePointer<TickInputs>, record: UnsafeMutablePointer<TickRecord>,
    actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    let now = inputs.pointee.nowNanoseconds
    let interval = memory.beginTick(
      inputs, period: periodNanoseconds, limits: rules.limits, jointCount: jointCount, record)
    let dt = Double(interval.nanoseconds) * 1e-9
    overrunWindow.push(Int64(inputs.pointee.skippedDeadlines))

    let out = layout.joints(record, count: jointCount)
    let unready = estimate(inputs, dt: dt, out)
    let hasFailed = memory.machine.advanceSelfTest(isReady: unready == 0, now: now, limits: rules.limits)
    latch(rules.selfTest(hasFailed: hasFailed, unready: unready))
    latch(rules.clock(hasAdvanced: interval.hasAdvanced, dt: dt, drives: memory.machine.drives))
    latch(rules.stops(inputs))
    watch(inputs, unready: unready, dt: interval.nanoseconds)
    memory.machine.endBraking(isDoubtful: rules.isBrakingDoubtful(inputs), now: now, limits: rules.limits)
    obey(inputs, unready: unready, record)
    if inputs.pointee.isLast { follow(memory.machine.retire()) }
    excite(inputs, dt: dt, out, actuators)
    finish(record, actuators)
    memory.sequence &+= 1
  }

  /// Takes in the samples of all joints; returns those (bit j) without a usable one.
  @_noLocks
  private mutating func estimate(
    _ inputs: UnsafePointer<TickInputs>, dt: Double, _ out: JointRecords
  ) -> JointMask {
    var unready: JointMask = 0
    let samples = layout.encoders(inputs)
    for j in 0..<jointCount {
      let verdict = joints.estimate(
        j, inputs, samples[j], dt: dt, pull: 0, staleness: staleness, limits: rules.limits, out[j])
      // At once: the joints that come after it are let go in this tick already.
      latch(rules.sample(verdict, joint: j, drives: memory.machine.drives))
      if out[j].pointee.flags & JointFlags.stale != 0 { unready |= 1 << JointMask(truncatingIfNeeded: j) }
    }
    return unready
  }

  /// The guard of a driven hand. Of the joints only the one that is driven is led anywhere.
  @_noLocks
  private mutating func watch(_ inputs: UnsafePointer<TickInputs>, unready: JointMask, dt: Int64) {
    guard memory.machine.drives else { return }
    var alarm = Alarm()
    rules.inputs(
      inputs, unready: unready, dt: dt, followed: memory.followedNanoseconds, overruns: overrunWindow.sum,
      &alarm)
    let joint = joints[plan.joint]
    alarm.raise(
      rules.joint(joint, amperes: inputs.pointee.currentsAmperes[plan.joint], hasSetpoint: true), plan.joint)
    if elapsed > motion.longestSeconds {
      // It should have been there by now: it has moved too little, or not at all.
      let moved = (Int(joint.pointee.gate.lastCounts) &- Int(startCounts)).magnitude
      alarm.raise(moved <= 1 ? .stuckSensor : .trackingError, plan.joint)
    }
    latch(alarm)
  }

  @_noLocks
  private mutating func latch(_ alarm: Alarm) {
    guard alarm.isRaised else { return }
    follow(memory.machine.latch(alarm, now: memory.clock.now, limits: rules.limits))
  }

  @_noLocks
  private mutating func follow(_ consequence: Consequence) {
    switch consequence {
    case .none: break
    case .letGo, .stopMoving: for j in 0..<jointCount { joints[j].pointee.release() }
    case .engage, .engageAndStop, .begin:
      overrunWindow.reset()
      for j in 0..<jointCount { joints[j].pointee.engageAnew() }
    }
  }

  /// Arm starts the motion. What moves joints otherwise is refused.
  @_noLocks
  private mutating func obey(
    _ inputs: UnsafePointer<TickInputs>, unready: JointMask, _ record: UnsafeMutablePointer<TickRecord>
  ) {
    guard inputs.pointee.command.number != handledCommand else { return }
    handledCommand = inputs.pointee.command.number
    layout.keepCommand(inputs, isStream: false, record, count: jointCount)
    let joint = joints[plan.joint]
    let ready = Readiness(
      inputs, unready: unready, areActuatorsWell: rules.areActuatorsWell(inputs),
      areJointsEstimated: joint.pointee.isEstimated, areJointsInRange: !joint.pointee.isOutOfRange)
    var consequence = Consequence.none
    switch inputs.pointee.command.kind {
    case .none, .stop: lastResult = .executed
    case .nullG, .pose, .stream: lastResult = .notArmed
    case .disarm: lastResult = memory.machine.disarm(&consequence)
    case .reset:
      lastResult = memory.machine.reset(
        ready, source: inputs.pointee.command.source, now: inputs.pointee.nowNanoseconds, &consequence)
    case .arm: lastResult = memory.machine.arm(into: .stationKeep, ready, &consequence)
    }
    follow(consequence)
    switch consequence {
    case .begin: begin(joint)
    case .none, .letGo, .stopMoving, .engage, .engageAndStop: break
    }
    record.pointee.commandResult = lastResult
    if lastResult == .executed { memory.executedCommand = handledCommand }
  }

  @_noLocks
  private mutating func begin(_ joint: UnsafeMutablePointer<JointState>) {
    _ = memory.machine.pose()
    let constants = joint.pointee.constants
    let position = joint.pointee.trajectory.position
    targetRadians = min(max(position + plan.radians, constants.lower), constants.upper)
    // Its mean speed is the plan's.
    joint.pointee.trajectory.plan(
      to: targetRadians, seconds: (targetRadians - position).magnitude / plan.radiansPerSecond,
      maximumVelocity: motion.largestSpeed, maximumAcceleration: constants.accelerationLimit)
    startCounts = joint.pointee.gate.lastCounts
    extraTorque = 0
    elapsed = 0
  }

  // MARK: - Excitation

  @_noLocks
  private mutating func excite(
    _ inputs: UnsafePointer<TickInputs>, dt: Double, _ out: JointRecords,
    _ actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    for j in 0..<jointCount {
      let joint = joints[j]
      if joint.pointee.isDecisionTick { joint.pointee.shiftInputs() }
      actuators.pointee.duty[j] = 0
      actuators.pointee.pulseNanoseconds[j] = 0
      joint.pointee.monitor.warm(
        amperes: inputs.pointee.currentsAmperes[j], dt: dt, limits: joint.pointee.constants.monitor)
      LawStep.recordUndriven(joint, out[j])
      if j != plan.joint || !memory.machine.drives { joint.pointee.clearInputs() }
    }
    guard memory.machine.drives else { return }
    let joint = joints[plan.joint]
    elapsed += dt
    if hasArrived(joint) { return follow(memory.machine.retire()) }
    joint.pointee.trajectory.advance(dt: dt)
    let setpoint = joint.pointee.trajectory.position
    if joint.pointee.constants.isServo {
      joint.pointee.input = setpoint
      actuators.pointee.pulseNanoseconds[plan.joint] = joint.pointee.pulseNanoseconds()
    } else {
      joint.pointee.torque = torque(joint, dt: dt)
      joint.pointee.input = joint.pointee.torque
      actuators.pointee.duty[plan.joint] = joint.pointee.commandDuty()
    }
    out[plan.joint].pointee.setpointRadians = setpoint
    out[plan.joint].pointee.setpointRadiansPerSecond = joint.pointee.trajectory.velocity
    out[plan.joint].pointee.demandNewtonMetres = joint.pointee.torque
    out[plan.joint].pointee.torqueNewtonMetres = joint.pointee.torque
  }

  /// A motor that passes its target; a servo that has been told it for a while.
  @_noLocks
  private func hasArrived(_ joint: UnsafePointer<JointState>) -> Bool {
    if joint.pointee.constants.isServo { return elapsed > motion.seconds + ExcitationLimits.settlingSeconds }
    let rest = targetRadians - joint.pointee.observer.position
    return plan.radians < 0 ? rest >= 0 : rest <= 0
  }

  /// What carries the load at the wanted speed, by the calibration, and what the missing speed has added to
  /// it.
  @_noLocks
  private mutating func torque(_ joint: UnsafePointer<JointState>, dt: Double) -> Double {
    let constants = joint.pointee.constants
    let wanted = plan.radians < 0 ? -plan.radiansPerSecond : plan.radiansPerSecond
    extraTorque += motion.torquePerRadian * (wanted - joint.pointee.observer.velocity) * dt
    extraTorque = min(max(extraTorque, -motion.largestTorque), motion.largestTorque)
    let load =
      constants.gravity * sine(joint.pointee.observer.position)
      + constants.coulomb * JointState.smoothSign(wanted) + constants.damping * wanted
    return min(max(load + extraTorque, -motion.largestTorque), motion.largestTorque)
  }

  /// Last: what leaves the tick agrees with the state that the tick ended in.
  @_noLocks
  private func finish(
    _ record: UnsafeMutablePointer<TickRecord>, _ actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    actuators.pointee.sequence = memory.sequence
    actuators.pointee.enabled = memory.machine.enablesOutputs
    if !memory.machine.drives {
      actuators.pointee.duty[plan.joint] = 0
      actuators.pointee.pulseNanoseconds[plan.joint] = 0
    }
    record.pointee.keep(memory.machine)
    record.pointee.commandNumber = memory.executedCommand
    record.pointee.certificate = .inactive
    record.pointee.lipschitz = .nan
    record.pointee.ratePerSecond = .nan
    record.pointee.windowProduct = .nan
    record.pointee.outputHash = hasher.hash(record, actuators)
  }

  // MARK: - Checkpoints

  /// None: a recording of an excitation is not replayed.
  package var checkpointByteCount: Int { 0 }
  package func beginCheckpoint(_ memory: UnsafeMutableRawPointer) {}
  package func continueCheckpoint(_ memory: UnsafeMutableRawPointer, step: Int) -> Bool { true }
}

/// How fast, how hard and how long an excitation moves its joint.
private struct ExcitationLimits: BitwiseCopyable {
  /// A servo is given this long to follow the end of its ramp, s: several of its time constants.
  static var settlingSeconds: Double {
    @_noLocks get { 0.3 }
  }
  /// The guard's speed limit is this many times the wanted speed, but not below what a joint may reach that
  /// breaks loose, and not above its own.
  private static let speedFactor = 4.0
  private static let leastSpeedLimit = 0.5
  /// The joint may take this many times as long as its set-point, and this long besides.
  private static let timeFactor = 3.0
  private static let patienceSeconds = 2.0

  /// rad/s
  let largestSpeed: Double
  /// N m; of a servo 0.
  let largestTorque: Double
  /// How fast missing speed adds torque, N m/rad: J s² + b s + K has a damping ratio of 1/√2 with K = b²/2J.
  let torquePerRadian: Double
  /// Duration of the set-point's motion, and the longest of the joint's, s.
  let seconds: Double
  let longestSeconds: Double

  init(_ joint: JointBasics, _ plan: ExcitationPlan) {
    largestSpeed = min(
      joint.calibration.limits.radiansPerSecond,
      max(Self.speedFactor * plan.radiansPerSecond, Self.leastSpeedLimit))
    if case .motor(let drive) = joint.calibration.drive {
      largestTorque = plan.torqueShare * drive.torqueLimitNewtonMetres
      let damping = drive.plant.dampingNewtonMetreSeconds
      torquePerRadian = damping * damping / (2 * drive.plant.inertiaKilogramSquareMetres)
    } else {
      largestTorque = 0
      torquePerRadian = 0
    }
    seconds = plan.radians.magnitude / plan.radiansPerSecond
    longestSeconds = Self.timeFactor * seconds + Self.patienceSeconds
  }
}
