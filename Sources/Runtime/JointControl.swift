import HandModel
import PrimalLogic

/// Everything of one joint that does not change between start and exit.
package struct JointParameters: Sendable {
  package var calibration: JointCalibration
  package var model: LoopModel
  package var certificate: Certificate
  /// What the certificate U covers, from the calibration's shares and the output's timing.
  package var uncertainty: Uncertainty
  /// U or why there is none; nil where it was not asked for.
  package var uncertain: Result<UncertainCertificate, UncertaintyRefusal>?
  package var observerGains: Observer.Schedule
  /// The observer as U models it.
  package var loopObserver: LoopObserver
  /// Ticks that pass before the plant sees what a tick decides, on average: 0 to `maximumDelayTicks` decisions.
  package var outputLatency: Double
  /// Ticks from one decision of the law to the next: more than 1 for a servo whose frames come less often.
  package var holdTicks: Int
  /// Ticks from one reading of the joint's current to the next; 0 = it has no sensor.
  package var currentReadingTicks: Int
  /// The finger whose joints pull at each other, this one among them. `certificate` is then the finger's.
  package var coupled: CoupledFinger?

  /// Nominal time from tick to tick, s: the model's period is that of a decision.
  var tickSeconds: Double { model.period / Double(holdTicks) }
}

/// The part of `JointParameters` that the tick reads, as plain numbers.
struct JointConstants: BitwiseCopyable {
  /// The joints of a hand are much alike: the exponentials of dt, a fifth of a tick, are taken once for all that
  /// have the same plant, and once for all with the same λ. These are the first of them.
  var holdOf = 0
  var kernelOf = 0
  /// Whether other joints of its finger pull at it.
  var isCoupled: Bool
  var radiansPerCount: Double
  var zeroCounts: Int
  var countsPerTurn: Int
  var lower: Double
  var upper: Double
  var velocityLimit: Double
  var accelerationLimit: Double
  /// Whether the plant's input is an angle command rather than a torque.
  var isServo: Bool
  /// Largest change of the plant's input in a second: N m/s, for a servo rad/s.
  var inputRate: Double
  var currentLimit: Double
  var trackingErrorLimit: Double
  var inertia: Double
  var damping: Double
  var stiffness: Double
  var coulomb: Double
  var gravity: Double
  var dutyPerNewtonMetre: Double
  var dutyPerRadianPerSecond: Double
  var deadBand: Double
  var pulseAtZero: Double
  var pulsePerRadian: Double
  var shortestPulse: Double
  var longestPulse: Double
  var lambda: Double
  var km: Double
  var outputLatency: Double
  var holdTicks: Int
  /// Largest believable change between two samples beyond what the speed limit allows.
  var jumpAllowance: Double
  /// Square of the noise floor ν of V.
  var noiseFloorSquared: Double
  /// Ticks that a joint may lean on its end stop.
  var endStopTicks: Int
  var observerGains: Observer.Schedule
  var monitor: MonitorLimits
  var nominalRate: Double

  init(_ p: JointParameters) {
    let c = p.calibration
    countsPerTurn = c.encoder.countsPerTurn
    radiansPerCount = Double(c.encoder.sign) * 2 * .pi / Double(countsPerTurn)
    zeroCounts = c.encoder.zeroCounts
    lower = c.limits.lowerRadians
    upper = c.limits.upperRadians
    velocityLimit = c.limits.radiansPerSecond
    accelerationLimit = c.limits.radiansPerSecondSquared
    currentLimit = c.limits.currentAmperes
    trackingErrorLimit = c.limits.trackingErrorRadians
    inertia = p.model.inertia
    damping = p.model.damping
    stiffness = p.model.stiffness
    coulomb = 0
    gravity = 0
    dutyPerNewtonMetre = 0
    dutyPerRadianPerSecond = 0
    deadBand = 0
    pulseAtZero = 0
    pulsePerRadian = 0
    shortestPulse = 0
    longestPulse = 0
    switch c.drive {
    case .motor(let drive):
      isServo = false
      inputRate = drive.torqueRateNewtonMetresPerSecond
      coulomb = drive.plant.coulombNewtonMetres
      gravity = drive.plant.gravityNewtonMetres
      let motor = drive.motor
      dutyPerNewtonMetre =
        motor.resistanceOhms / (motor.torqueConstantNewtonMetresPerAmpere * motor.supplyVolts)
      dutyPerRadianPerSecond = motor.backEMFVoltSecondsPerRadian / motor.supplyVolts
      deadBand = motor.deadBandDuty
    case .servo(let servo):
      isServo = true
      inputRate = servo.angleRateRadiansPerSecond
      pulseAtZero = servo.zeroMicroseconds * 1000
      pulsePerRadian = servo.microsecondsPerRadian * 1000
      shortestPulse = servo.minimumMicroseconds * 1000
      longestPulse = servo.maximumMicroseconds * 1000
    }
    lambda = c.gains.lambdaPerSecond
    km = c.gains.km
    outputLatency = p.outputLatency
    holdTicks = p.holdTicks
    jumpAllowance = jumpNoiseMultiple * c.encoderNoiseRadians + 2 * .pi / Double(countsPerTurn)
    isCoupled = p.coupled != nil
    let floor = noiseFloor(p)
    noiseFloorSquared = floor * floor
    endStopTicks = Int((GuardLimits.endStopSeconds / p.tickSeconds).rounded(.up))
    observerGains = p.observerGains
    monitor = MonitorLimits(p)
    nominalRate = p.certificate.ratePerSecond
  }
}

/// Standard deviations beyond which a change between samples is no noise: 6σ is one in 10⁹.
private let jumpNoiseMultiple = 6.0
/// V below this many of its root mean squares says nothing about decay.
private let noiseFloorDeviations = 3.0

/// ν, the noise floor of V; of a coupled joint its finger's.
func noiseFloor(_ p: JointParameters) -> Double {
  noiseFloorDeviations
    * (p.coupled?.noiseDistance
      ?? p.model.noiseDistance(p.certificate, p.observerGains.everyTick, corrections: p.holdTicks))
}

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
  /// What the law added in its last decision, as commanded: a torque, or a servo's correction of the set-point.
  var torque = 0.0
  /// The plant's input by the last decision and by those before, newest first: the torque, or the angle that a
  /// servo was told.
  var input = 0.0
  var inputBefore = 0.0
  var inputBeforeThat = 0.0
  var oldestInput = 0.0
  /// What the law decided in the last live tick; the memory moves on from it once the next dt is known.
  var error = 0.0
  var demand = 0.0
  /// Slope of the saturation in that decision.
  var slope = 1.0
  /// Whether there is such a decision: not in the first tick after arming.
  var hasDecided = false
  /// The law between that decision and the next.
  var held: HeldDecision
  /// Torques on their way to the plant, without the load's feed-forward: what the certificate calls u.
  var pending: DelayLine
  /// ln L of the tick in units of `WindowProduct.unit`.
  var logarithm: Int64 = 0
  var lastSampleNumber: UInt32 = 0
  var lastSampleTime: Int64 = 0
  var lastSampleRadians = 0.0
  /// Time since the tick that last took a sample in, s.
  var sampleInterval = 0.0
  var lastCounts: UInt16 = 0
  var hasPosition = false
  var rejectedSamples = 0
  var overCurrentTicks = 0
  var endStopTicks = 0
  /// Ticks without a certificate that were not late, since the window was last without any.
  var uncertifiedTicks = 0
  /// The tick of the last decision was one that no certificate covers.
  var isLate = false
  /// The load that the observer assumed over the interval that this tick ends.
  var actingLoad = 0.0
  var monitor = JointMonitor()

  /// - Parameters:
  ///   - holdOf: the first joint with the same plant, this one if there is none.
  ///   - kernelOf: the first joint whose memory fades as fast.
  init(_ p: JointParameters, holdOf: Int, kernelOf: Int) {
    constants = JointConstants(p)
    constants.holdOf = holdOf
    constants.kernelOf = kernelOf
    law = JointLaw(p.model)
    observer = Observer(
      inertia: p.model.inertia, damping: p.model.damping, stiffness: p.model.stiffness, position: 0)
    nominal = NominalModel(p.model, position: 0)
    hold = ZeroOrderHold(
      inertia: p.model.inertia, damping: p.model.damping, stiffness: p.model.stiffness, dt: p.model.period)
    kernel = MemoryKernel(lambda: p.model.lambda, dt: p.model.period)
    pending = DelayLine(ticks: p.model.delayTicks)
    held = HeldDecision(dueAfter: p.holdTicks)
  }

  /// Takes over limits, law and plant of another state, and nothing of what that remembers.
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
  static let frictionVelocity = 0.2

  /// Starts the observer anew at rest at `position`.
  @_noLocks
  mutating func restObserver(at position: Double) {
    observer = Observer(
      inertia: constants.inertia, damping: constants.damping, stiffness: constants.stiffness,
      position: position)
  }

  /// The plant's input over the tick that ends now, by the output's latency: a decision acts from then on, the one
  /// before, `holdTicks` older, until then.
  @_noLocks
  func actingInput() -> Double {
    let hold = Double(constants.holdTicks)
    // Ticks from the beginning of this tick until the newest decision acts.
    var late = constants.outputLatency - Double(held.ticks - 1)
    if late <= 0 { return input }
    if late <= 1 { return late * inputBefore + (1 - late) * input }
    late -= hold
    if late <= 0 { return inputBefore }
    if late <= 1 { return late * inputBeforeThat + (1 - late) * inputBefore }
    late -= hold
    if late <= 0 { return inputBeforeThat }
    return late * oldestInput + (1 - late) * inputBeforeThat
  }

  /// Moves the inputs on by a decision, for the next one.
  @_noLocks
  mutating func ageInputs() {
    oldestInput = inputBeforeThat
    inputBeforeThat = inputBefore
    inputBefore = input
  }

  /// No input: no torque. A servo without pulses has no spring, which is one whose centre follows the joint.
  @_noLocks
  mutating func restInputs() {
    input = constants.isServo ? observer.position : 0
    guard constants.isServo else { return }
    inputBefore = input
    inputBeforeThat = input
    oldestInput = input
  }

  /// Starts the law and the nominal model at the measured angle, at rest.
  @_noLocks
  mutating func engage() {
    release()
    inputBefore = 0
    restInputs()
    endStopTicks = 0
    let position = observer.position
    trajectory.hold(at: min(max(position, constants.lower), constants.upper))
    nominal.rest(at: position)
  }

  /// Moves the set-point on by `dt` seconds. A motion that was planned again at speed may need more room to brake than
  /// the range has left: its set-point rests where the range ends, and goes on from there.
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
    restInputs()
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
}
