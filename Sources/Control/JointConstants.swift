import HandModel
import PrimalLogic

/// What a tick reads of a joint's parameters, as plain numbers.
struct JointConstants: BitwiseCopyable {
  /// The first joint with the same plant, and the first whose memory fades as fast: this one where there is
  /// none. The exponentials of dt, a fifth of a tick, are taken once for all that are alike.
  var samePlantJoint = 0
  var sameFadingJoint = 0
  /// Whether other joints of its finger pull at it.
  var isCoupled: Bool
  /// Signed: below 0 where counts fall as the joint bends.
  var radiansPerCount: Double
  /// The encoder's word at 0 rad.
  var zeroCounts: Int
  var countsPerTurn: Int
  /// The calibrated range, rad; then rad/s and rad/s².
  var lower: Double
  var upper: Double
  var velocityLimit: Double
  var accelerationLimit: Double
  /// Whether the plant's input is an angle command rather than a torque.
  var isServo: Bool
  /// Largest change of the plant's input in a second: N m/s, for a servo rad/s.
  var inputRate: Double
  /// A.
  var currentLimit: Double
  /// rad.
  var trackingErrorLimit: Double
  /// The plant J q'' + b q' + k q = u: kg m², N m s, N m/rad; for a servo s², s and 1.
  var inertia: Double
  var damping: Double
  var stiffness: Double
  /// Coulomb friction, and gravity's torque at sin q = 1, N m; 0 for a servo.
  var coulomb: Double
  var gravity: Double
  /// The motor's model: duty for each N m, and for each rad/s; the duty below which it does not turn. 0 for a
  /// servo.
  var dutyPerNewtonMetre: Double
  var dutyPerRadianPerSecond: Double
  var deadBand: Double
  /// The servo's pulses: at 0 rad, for each rad, and their range, ns. 0 for a motor.
  var pulseAtZero: Double
  var pulsePerRadian: Double
  var shortestPulse: Double
  var longestPulse: Double
  /// Fading of the memory, 1/s, and its gain.
  var lambda: Double
  var km: Double
  /// As in `JointParameters`.
  var outputLatency: Double
  var holdTicks: Int
  /// Largest believable change between two samples beyond what the speed limit allows, rad.
  var jumpAllowance: Double
  /// Square of the noise floor ν of V.
  var noiseFloorSquared: Double
  /// Ticks that a joint may lean on its end stop.
  var endStopTicks: Int
  var observerGains: Observer.Schedule
  var monitor: MonitorLimits
  /// Angles at which the joint leans on its end stops, and at which it has left its range, rad.
  let lowerEndStop: Double
  let upperEndStop: Double
  let lowestAngle: Double
  let highestAngle: Double

  init(_ p: JointParameters, limits: GuardLimits) {
    self.init(
      p.basics, isCoupled: p.coupled != nil, noiseFloor: p.noiseFloor(limits), limits: limits)
  }

  /// - Parameters:
  ///   - noiseFloor: ν of V; 0 for a joint that is driven without a certificate.
  ///   - limits: of the guard.
  init(_ p: JointBasics, isCoupled: Bool = false, noiseFloor: Double = 0, limits: GuardLimits) {
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
    jumpAllowance = limits.jumpDeviations * c.encoderNoiseRadians + 2 * .pi / Double(countsPerTurn)
    self.isCoupled = isCoupled
    noiseFloorSquared = noiseFloor * noiseFloor
    endStopTicks = Int((limits.endStopSeconds / p.tickSeconds).rounded(.up))
    observerGains = p.observerGains
    monitor = MonitorLimits(p, noiseFloor: noiseFloor, limits: limits)
    lowerEndStop = lower - limits.endStopMarginRadians
    upperEndStop = upper + limits.endStopMarginRadians
    lowestAngle = lower - limits.positionMarginRadians
    highestAngle = upper + limits.positionMarginRadians
  }

  /// Finds the joints whose exponentials this one shares.
  mutating func share(with models: [LoopModel], joint: Int) {
    let own = models[joint]
    samePlantJoint =
      models.firstIndex {
        $0.inertia == own.inertia && $0.damping == own.damping && $0.stiffness == own.stiffness
      } ?? joint
    sameFadingJoint = models.firstIndex { $0.lambda == own.lambda } ?? joint
  }

  /// Angle of an encoder word, wrapped to half a turn about the calibrated zero.
  @_noLocks
  func radians(counts: UInt16) -> Double {
    var delta = Int(counts) - zeroCounts
    let half = countsPerTurn / 2
    if delta >= half {
      delta -= countsPerTurn
    } else if delta < -half {
      delta += countsPerTurn
    }
    return Double(delta) * radiansPerCount
  }
}
