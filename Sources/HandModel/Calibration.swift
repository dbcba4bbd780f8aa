/// What was measured of one physical hand: one entry a joint, in the board's order.
/// Read from YAML by `Calibration.init(yaml:file:board:)`.
package struct Calibration: Sendable, Equatable {
  /// Name of the calibrated hand, for people.
  package var hand: String
  package var joints: [JointCalibration]
  /// Named poses in radians, one value a joint: at least `open`.
  package var poses: [Pose]
  /// The fingers whose joints pull at each other.
  package var couplings: [FingerCoupling] = []

  package init(hand: String, joints: [JointCalibration], poses: [Pose], couplings: [FingerCoupling] = []) {
    self.hand = hand
    self.joints = joints
    self.poses = poses
    self.couplings = couplings
  }
}

/// A named target for all joints.
package struct Pose: Sendable, Equatable {
  /// Unique.
  package var name: String
  /// One angle a joint, in the board's order, within the joints' limits.
  package var radians: [Double]

  package init(name: String, radians: [Double]) {
    self.name = name
    self.radians = radians
  }
}

/// What was measured of one joint, and the gains chosen for it.
package struct JointCalibration: Sendable, Equatable {
  /// As in the board file.
  package var name: String
  /// Where zero is, and which way is positive.
  package var encoder: EncoderCalibration
  /// What the guard holds the joint to.
  package var limits: JointLimits
  /// Of the kind that the board file wires.
  package var drive: DriveCalibration
  /// Standard deviation of one encoder sample, quantisation included; 1e-6 to 0.1.
  package var encoderNoiseRadians: Double
  /// Standard deviation by which the load changes from tick to tick: N m, of a servo rad.
  package var loadNoise = 0.0
  /// Standard deviation of a current reading from what the model expects of motor and duty.
  package var currentNoiseAmperes = defaultCurrentNoiseAmperes
  /// Certified before the hand may be armed.
  package var gains: GainSet
  /// What the certificate U covers.
  package var uncertainty = PlantUncertainty()

  package init(
    name: String, encoder: EncoderCalibration, limits: JointLimits, drive: DriveCalibration,
    encoderNoiseRadians: Double, loadNoise: Double = 0.0,
    currentNoiseAmperes: Double = defaultCurrentNoiseAmperes, gains: GainSet,
    uncertainty: PlantUncertainty = PlantUncertainty()
  ) {
    self.name = name
    self.encoder = encoder
    self.limits = limits
    self.drive = drive
    self.encoderNoiseRadians = encoderNoiseRadians
    self.loadNoise = loadNoise
    self.currentNoiseAmperes = currentNoiseAmperes
    self.gains = gains
    self.uncertainty = uncertainty
  }
}

/// Calibrated motor constants are accurate to a few percent: that is this much of half an ampere.
package let defaultCurrentNoiseAmperes = 0.02

/// How far the plant may lie from what was measured: shares of inertia and damping, of a servo's 1/ω² and
/// 2ζ/ω. The defaults are what a calibration of one hand leaves open: load and pose change a finger's inertia
/// by a fifth, temperature and grease its damping by half.
package struct PlantUncertainty: Sendable, Equatable {
  /// Of the inertia; of a servo, of 1/ω². 0 to 0.9.
  package var inertiaShare = 0.2
  /// Of the damping; of a servo, of 2ζ/ω. 0 to 0.9.
  package var dampingShare = 0.5
  /// Of the current that the model expects from duty and speed. A winding that is 40 K warmer has 16 % more
  /// resistance, and supply and dead band are known no better. 0 to 0.9.
  package var currentShare = 0.2

  package init(inertiaShare: Double = 0.2, dampingShare: Double = 0.5, currentShare: Double = 0.2) {
    self.inertiaShare = inertiaShare
    self.dampingShare = dampingShare
    self.currentShare = currentShare
  }
}

/// What moves a joint, as measured.
package enum DriveCalibration: Sendable, Equatable {
  case motor(MotorDrive)
  case servo(ServoParameters)
}

/// A joint with a DC motor.
package struct MotorDrive: Sendable, Equatable {
  package var plant: PlantParameters
  package var motor: MotorParameters
  /// Largest torque that the law may ask for; positive.
  package var torqueLimitNewtonMetres: Double
  /// Largest change of torque in a second; positive.
  package var torqueRateNewtonMetresPerSecond: Double
  /// Standard deviation of the torque that the model does not explain, per tick; at least 1e-6.
  package var torqueNoiseNewtonMetres: Double

  package init(
    plant: PlantParameters, motor: MotorParameters, torqueLimitNewtonMetres: Double,
    torqueRateNewtonMetresPerSecond: Double, torqueNoiseNewtonMetres: Double
  ) {
    self.plant = plant
    self.motor = motor
    self.torqueLimitNewtonMetres = torqueLimitNewtonMetres
    self.torqueRateNewtonMetresPerSecond = torqueRateNewtonMetresPerSecond
    self.torqueNoiseNewtonMetres = torqueNoiseNewtonMetres
  }
}

/// Counts to radians: q = sign · (counts − zero, wrapped to ± half a turn) · 2π / countsPerTurn.
package struct EncoderCalibration: Sendable, Equatable {
  package var zeroCounts: Int
  /// +1 or −1.
  package var sign: Int
  /// What the joint's encoder chip counts in a turn, from the board: a power of two.
  package var countsPerTurn = EncoderChip.as5600.countsPerTurn

  package init(zeroCounts: Int, sign: Int, countsPerTurn: Int = EncoderChip.as5600.countsPerTurn) {
    self.zeroCounts = zeroCounts
    self.sign = sign
    self.countsPerTurn = countsPerTurn
  }
}

/// What a joint is held to: set-points stay within, and the guard faults the hand beyond.
package struct JointLimits: Sendable, Equatable {
  /// −π to π, below `upperRadians`.
  package var lowerRadians: Double
  /// −π to π.
  package var upperRadians: Double
  /// Largest speed of a set-point; positive. The guard allows the joint `GuardLimits.velocityFactor` times
  /// this.
  package var radiansPerSecond: Double
  /// Largest acceleration of the set-point; positive.
  package var radiansPerSecondSquared: Double
  /// Largest current; positive. Infinite for a servo without a current sensor.
  package var currentAmperes: Double
  /// Current that the motor can carry for ever; at most `currentAmperes`.
  package var continuousAmperes = Double.infinity
  /// Time constant of the motor's winding, 1 to 10 000 s.
  package var thermalSeconds = defaultThermalSeconds
  /// Largest |set-point − position| before a tracking fault; above 0, at most π.
  package var trackingErrorRadians: Double

  package init(
    lowerRadians: Double, upperRadians: Double, radiansPerSecond: Double, radiansPerSecondSquared: Double,
    currentAmperes: Double, continuousAmperes: Double = Double.infinity,
    thermalSeconds: Double = defaultThermalSeconds, trackingErrorRadians: Double
  ) {
    self.lowerRadians = lowerRadians
    self.upperRadians = upperRadians
    self.radiansPerSecond = radiansPerSecond
    self.radiansPerSecondSquared = radiansPerSecondSquared
    self.currentAmperes = currentAmperes
    self.continuousAmperes = continuousAmperes
    self.thermalSeconds = thermalSeconds
    self.trackingErrorRadians = trackingErrorRadians
  }
}

/// Windings of finger-sized gear motors warm up within half a minute to a minute. The shorter time is
/// the safer one.
package let defaultThermalSeconds = 30.0

/// J q'' + b q' = τ − gravity · sin q − friction.
package struct PlantParameters: Sendable, Equatable {
  /// J at the joint; positive.
  package var inertiaKilogramSquareMetres: Double
  /// b, viscous; not negative.
  package var dampingNewtonMetreSeconds: Double
  /// Friction that does not depend on speed; not negative.
  package var coulombNewtonMetres: Double
  /// Amplitude of the gravity load, τ_g = gravity · sin q; not negative.
  package var gravityNewtonMetres: Double

  package init(
    inertiaKilogramSquareMetres: Double, dampingNewtonMetreSeconds: Double, coulombNewtonMetres: Double,
    gravityNewtonMetres: Double
  ) {
    self.inertiaKilogramSquareMetres = inertiaKilogramSquareMetres
    self.dampingNewtonMetreSeconds = dampingNewtonMetreSeconds
    self.coulombNewtonMetres = coulombNewtonMetres
    self.gravityNewtonMetres = gravityNewtonMetres
  }
}

/// duty = (R τ / K_t + K_e ω n) / V, with K_t at the joint side (gear included).
package struct MotorParameters: Sendable, Equatable {
  /// K_t at the joint side: torque that an ampere gives.
  package var torqueConstantNewtonMetresPerAmpere: Double
  /// K_e n at the joint side: volts that the motor induces at 1 rad/s of the joint.
  package var backEMFVoltSecondsPerRadian: Double
  /// Of the winding; positive.
  package var resistanceOhms: Double
  /// Of the bridge; above 0, at most 60.
  package var supplyVolts: Double
  /// Duty below which the motor does not move, 0 to 0.5; compensated when commanding.
  package var deadBandDuty: Double

  package init(
    torqueConstantNewtonMetresPerAmpere: Double, backEMFVoltSecondsPerRadian: Double, resistanceOhms: Double,
    supplyVolts: Double, deadBandDuty: Double
  ) {
    self.torqueConstantNewtonMetresPerAmpere = torqueConstantNewtonMetresPerAmpere
    self.backEMFVoltSecondsPerRadian = backEMFVoltSecondsPerRadian
    self.resistanceOhms = resistanceOhms
    self.supplyVolts = supplyVolts
    self.deadBandDuty = deadBandDuty
  }
}

/// A joint with a servo: q'' + 2ζω q' + ω² q = ω² c, c by the length of the pulse
/// (docs/control.md, "The plant").
package struct ServoParameters: Sendable, Equatable {
  /// Pulse at angle 0, 100 to 5000 µs as all pulses here.
  package var zeroMicroseconds: Double
  /// Pulse length a radian, of magnitude 50 to 5000; negative where longer pulses turn towards
  /// smaller angles.
  package var microsecondsPerRadian: Double
  /// Shortest pulse that the servo may get.
  package var minimumMicroseconds: Double
  /// Longest pulse that the servo may get.
  package var maximumMicroseconds: Double
  /// ω of the servo's own loop; positive.
  package var bandwidthRadiansPerSecond: Double
  /// ζ of the servo's own loop, 0.05 to 10.
  package var dampingRatio: Double
  /// Time from the start of a pulse to the motion it asks for, 0 to 0.2 s.
  package var delaySeconds: Double
  /// Largest change of the commanded angle in a second; positive.
  package var angleRateRadiansPerSecond: Double
  /// Largest distance that the law may put between set-point and commanded angle; above 0, at most 1 rad.
  package var correctionRadians: Double
  /// Standard deviation of the command that the model does not explain, per tick; 1e-6 to 0.5.
  package var commandNoiseRadians: Double

  /// The pulse of a commanded angle, within the pulses the servo may see.
  package func pulseMicroseconds(radians: Double) -> Double {
    min(
      max(zeroMicroseconds + microsecondsPerRadian * radians, minimumMicroseconds), maximumMicroseconds)
  }

  package init(
    zeroMicroseconds: Double, microsecondsPerRadian: Double, minimumMicroseconds: Double,
    maximumMicroseconds: Double, bandwidthRadiansPerSecond: Double, dampingRatio: Double,
    delaySeconds: Double, angleRateRadiansPerSecond: Double, correctionRadians: Double,
    commandNoiseRadians: Double
  ) {
    self.zeroMicroseconds = zeroMicroseconds
    self.microsecondsPerRadian = microsecondsPerRadian
    self.minimumMicroseconds = minimumMicroseconds
    self.maximumMicroseconds = maximumMicroseconds
    self.bandwidthRadiansPerSecond = bandwidthRadiansPerSecond
    self.dampingRatio = dampingRatio
    self.delaySeconds = delaySeconds
    self.angleRateRadiansPerSecond = angleRateRadiansPerSecond
    self.correctionRadians = correctionRadians
    self.commandNoiseRadians = commandNoiseRadians
  }
}

/// Gains of the law (docs/control.md). They give a torque for a motor, and a correction of the commanded
/// angle for a servo; hence two units each.
package struct GainSet: Sendable, Equatable {
  /// Stiffness: N m/rad, positive; servo rad/rad, not negative.
  package var kp: Double
  /// Damping: N m s/rad; servo s. Not negative.
  package var kd: Double
  /// Gain of the fading integral of the error: N m/(rad s); servo 1/s. Not negative.
  package var km: Double
  /// λ, the rate at which that integral fades, 1/s; positive.
  package var lambdaPerSecond: Double
  /// h, the anti-windup gain that unwinds the integral while the output is limited: rad s/(N m); servo s. Not
  /// negative.
  package var backCalculation: Double

  package init(kp: Double, kd: Double, km: Double, lambdaPerSecond: Double, backCalculation: Double) {
    self.kp = kp
    self.kd = kd
    self.km = km
    self.lambdaPerSecond = lambdaPerSecond
    self.backCalculation = backCalculation
  }
}
