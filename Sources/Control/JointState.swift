import HandModel
import PrimalLogic

/// What one joint remembers from tick to tick.
struct JointState: BitwiseCopyable {
  private(set) var constants: JointConstants
  private(set) var law: JointLaw
  var observer: Observer
  /// The plant over the interval that this tick ends.
  var hold: ZeroOrderHold
  /// How the memory fades over that interval.
  var kernel: MemoryKernel
  var nominal: NominalModel
  var trajectory = Trajectory(position: 0)
  var memory = 0.0
  /// What the law added in its last decision, as commanded: a torque, or a servo's correction of the
  /// set-point.
  var torque = 0.0
  /// The plant's input by the last decision and by those before, newest first: the torque, or the angle that
  /// a servo was told.
  var input = 0.0
  var previousInput = 0.0
  var secondPreviousInput = 0.0
  var thirdPreviousInput = 0.0
  /// What the law decided in the last live tick; the memory moves on from it once the next dt is known.
  var error = 0.0
  var demand = 0.0
  /// Slope of the saturation in that decision.
  var slope = 1.0
  /// Whether there is such a decision: not in the first tick after arming.
  var hasDecided = false
  /// The law between that decision and the next.
  var held: MultirateHold
  /// Torques on their way to the plant, without the load's feed-forward: what the certificate calls u.
  var pending: DelayLine
  /// ln L of the tick in units of `WindowProduct.unit`.
  var logarithm: Int64 = 0
  /// Which samples are believed.
  var gate = SampleGate()
  /// Time since the tick that last took a sample in, s.
  var sampleInterval = 0.0
  var overCurrentTicks = 0
  var endStopTicks = 0
  /// Ticks without a certificate that were not late, since the window was last without any.
  var uncertifiedTicks = 0
  /// The tick of the last decision was one that no certificate covers.
  var isLate = false
  /// The load that the observer assumed over the interval that this tick ends.
  var actingLoad = 0.0
  var monitor = JointMonitor()

  init(_ constants: JointConstants, model: LoopModel) {
    self.constants = constants
    law = JointLaw(model)
    observer = Observer(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, position: 0)
    nominal = NominalModel(model, position: 0)
    hold = ZeroOrderHold(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: model.period)
    kernel = MemoryKernel(lambda: model.lambda, dt: model.period)
    pending = DelayLine(ticks: model.delayTicks)
    held = MultirateHold(dueAfter: constants.holdTicks)
  }

  /// Takes over limits, law and plant of another state, and nothing of what it remembers.
  mutating func keepParameters(of other: JointState) {
    constants = other.constants
    law = other.law
  }

  /// Angle of an encoder word, wrapped to half a turn about the calibrated zero.
  @_noLocks
  func radians(counts: UInt16) -> Double {
    var delta = Int(counts) - constants.zeroCounts
    let half = constants.countsPerTurn / 2
    if delta >= half {
      delta -= constants.countsPerTurn
    } else if delta < -half {
      delta += constants.countsPerTurn
    }
    return Double(delta) * constants.radiansPerCount
  }

  /// Coulomb friction's direction, smooth about rest so that noise does not make it chatter.
  @_noLocks
  static func smoothSign(_ velocity: Double) -> Double {
    let scaled = velocity / frictionVelocity
    return scaled > 1 ? 1 : (scaled < -1 ? -1 : scaled)
  }

  /// Speed at which Coulomb friction is taken to be fully developed, rad/s: above the observer's noise.
  static var frictionVelocity: Double {
    @_noLocks get { 0.2 }
  }

  /// Whether the estimate is a number.
  var isEstimated: Bool {
    @_noLocks get { observer.position.isFinite && observer.velocity.isFinite }
  }

  /// Whether the joint is where its end stop may be.
  var isAtEndStop: Bool {
    @_noLocks get {
      observer.position < constants.lowerEndStop || observer.position > constants.upperEndStop
    }
  }

  /// Whether the joint has left its calibrated range.
  var isOutOfRange: Bool {
    @_noLocks get {
      observer.position < constants.lowestAngle || observer.position > constants.highestAngle
    }
  }

  /// Starts the observer anew at rest at `position`.
  @_noLocks
  mutating func restObserver(at position: Double) {
    observer = Observer(
      inertia: constants.inertia, damping: constants.damping, stiffness: constants.stiffness,
      position: position)
  }

  /// The plant's input over the tick that ends now, by the output's latency: a decision acts from then on,
  /// the one before, `holdTicks` older, until then.
  @_noLocks
  func actingInput() -> Double {
    let hold = Double(constants.holdTicks)
    // Ticks from the beginning of this tick until the newest decision acts.
    var late = constants.outputLatency - Double(held.ticks - 1)
    if late <= 0 { return input }
    if late <= 1 { return late * previousInput + (1 - late) * input }
    late -= hold
    if late <= 0 { return previousInput }
    if late <= 1 { return late * secondPreviousInput + (1 - late) * previousInput }
    late -= hold
    if late <= 0 { return secondPreviousInput }
    return late * thirdPreviousInput + (1 - late) * secondPreviousInput
  }

  /// Moves the inputs on by a decision, for the next one.
  @_noLocks
  mutating func shiftInputs() {
    thirdPreviousInput = secondPreviousInput
    secondPreviousInput = previousInput
    previousInput = input
  }

  /// No input: no torque. A servo without pulses has no spring, which is one whose centre follows the joint.
  @_noLocks
  mutating func clearInputs() {
    input = constants.isServo ? observer.position : 0
    guard constants.isServo else { return }
    previousInput = input
    secondPreviousInput = input
    thirdPreviousInput = input
  }

  /// Starts the law and the nominal model at the measured angle, at rest.
  @_noLocks
  mutating func engage() {
    release()
    previousInput = 0
    clearInputs()
    endStopTicks = 0
    let position = observer.position
    trajectory.hold(at: min(max(position, constants.lower), constants.upper))
    nominal.rest(at: position)
  }

  /// As `engage()`; every count of the guard starts anew too, but not the winding's heat.
  @_noLocks
  mutating func engageAnew() {
    engage()
    overCurrentTicks = 0
    monitor.engage(counts: gate.lastCounts, setpoint: trajectory.position)
  }

  /// Plans the set-point's way to `target`, rad, or to the end of the range before it.
  /// - Parameters:
  ///   - seconds: wanted duration; 0 = as fast as the limits allow.
  ///   - keepsSameTarget: a repeated target keeps its trajectory, because planning anew each time would never
  ///     arrive.
  @_noLocks
  mutating func planSetPoint(to target: Double, seconds: Double, keepsSameTarget: Bool) {
    let within = min(max(target, constants.lower), constants.upper)
    if keepsSameTarget && within == trajectory.target { return }
    trajectory.plan(
      to: within, seconds: seconds, maximumVelocity: constants.velocityLimit,
      maximumAcceleration: constants.accelerationLimit)
  }

  /// Brings the set-point to rest, as quickly as its limits allow.
  @_noLocks
  mutating func stopSetPoint() {
    trajectory.stop(
      within: constants.lower, constants.upper, maximumVelocity: constants.velocityLimit,
      maximumAcceleration: constants.accelerationLimit)
  }

  /// Moves the set-point on by `dt` seconds. A motion that was planned again at speed may need more room to
  /// brake than the range has left: its set-point rests where the range ends, and goes on from there.
  @_noLocks
  mutating func moveSetPoint(dt: Double) {
    trajectory.advance(dt: dt)
    let within = min(max(trajectory.position, constants.lower), constants.upper)
    guard within != trajectory.position else { return }
    let target = trajectory.target
    trajectory.hold(at: within)
    trajectory.plan(
      to: target, seconds: 0, maximumVelocity: constants.velocityLimit,
      maximumAcceleration: constants.accelerationLimit)
  }

  /// Lets go: no torque remembered, memory forgotten.
  @_noLocks
  mutating func release() {
    memory = 0
    torque = 0
    clearInputs()
    hasDecided = false
    forgetDecision()
    pending = DelayLine(ticks: pending.ticks)
  }

  /// The pulse that tells a servo the commanded angle, ns. Calibration files guarantee that no command of a
  /// joint within its range lies outside the pulses the servo may see.
  @_noLocks
  func pulseNanoseconds() -> Int64 {
    let pulse = constants.pulseAtZero + constants.pulsePerRadian * input
    // Written so that NaN becomes no pulse.
    guard pulse >= constants.shortestPulse else {
      return pulse < constants.shortestPulse ? Int64(constants.shortestPulse) : 0
    }
    return Int64((pulse < constants.longestPulse ? pulse : constants.longestPulse) + 0.5)
  }

  /// Duty cycle that makes the motor give `torque` at `velocity`:
  /// (R τ / K_t + K_e ω) / V, dead band compensated, −1...1.
  @_noLocks
  func duty(torque: Double, velocity: Double) -> Double {
    let linear = torque * constants.dutyPerNewtonMetre + velocity * constants.dutyPerRadianPerSecond
    // Written so that NaN becomes no duty.
    guard linear.magnitude > 0 else { return 0 }
    let compensated = min(linear.magnitude + constants.deadBand, 1)
    return linear < 0 ? -compensated : compensated
  }

  /// The duty that makes the motor give the decided torque; tells the monitor what current it will draw.
  @_noLocks
  mutating func commandDuty() -> Double {
    let duty = duty(torque: input, velocity: observer.velocity)
    monitor.expect(duty: duty, velocity: observer.velocity, limits: constants.monitor)
    return duty
  }
}
