/// What was measured of one physical hand: one entry a joint, in the board's order.
/// Read from YAML by `Calibration.init(yaml:file:board:)`.
package struct Calibration: Sendable, Equatable {
  package var hand: String
  package var joints: [JointCalibration]
  /// Named poses in radians, one value a joint: at least `open`.
  package var poses: [Pose]
  /// The fingers whose joints pull at each other.
  package var couplings: [FingerCoupling] = []
}

package struct Pose: Sendable, Equatable {
  package var name: String
  package var radians: [Double]
}

package struct JointCalibration: Sendable, Equatable {
  package var name: String
  package var encoder: EncoderCalibration
  package var limits: JointLimits
  /// Of the kind that the board file wires.
  package var drive: DriveCalibration
  /// Standard deviation of one encoder sample, quantisation included.
  package var encoderNoiseRadians: Double
  /// Standard deviation by which the load changes from tick to tick: N m, of a servo rad.
  package var loadNoise = 0.0
  /// Standard deviation of a current reading about what motor and duty make one expect.
  package var currentNoiseAmperes = defaultCurrentNoiseAmperes
  package var gains: GainSet
  package var uncertainty = PlantUncertainty()
}

/// Calibrated motor constants are good to some percent, which is this much of half an ampere.
private let defaultCurrentNoiseAmperes = 0.02

/// How far the plant may lie from what was measured: shares of inertia and damping, of a servo's 1/ω² and 2ζ/ω.
/// The defaults are what a calibration of one hand leaves open: load and pose change a finger's inertia by a
/// fifth, temperature and grease its damping by half.
package struct PlantUncertainty: Sendable, Equatable {
  package var inertiaShare = 0.2
  package var dampingShare = 0.5
  /// Of the current that duty and speed make one expect: a winding that is 40 K warmer has 16 % more resistance, and
  /// supply and dead band are known no better.
  package var currentShare = 0.2
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
  /// Largest torque the law may ask for.
  package var torqueLimitNewtonMetres: Double
  /// Largest change of torque in a second.
  package var torqueRateNewtonMetresPerSecond: Double
  /// Standard deviation of the torque the model does not explain, per tick.
  package var torqueNoiseNewtonMetres: Double
}

/// Counts to radians: q = sign · (counts − zero, wrapped to ± half a turn) · 2π / countsPerTurn.
package struct EncoderCalibration: Sendable, Equatable {
  package var zeroCounts: Int
  /// +1 or −1.
  package var sign: Int
  /// What the joint's encoder chip counts in a turn, from the board: a power of two.
  package var countsPerTurn = EncoderChip.as5600.countsPerTurn
}

package struct JointLimits: Sendable, Equatable {
  package var lowerRadians: Double
  package var upperRadians: Double
  package var radiansPerSecond: Double
  package var radiansPerSecondSquared: Double
  /// Infinite for a servo without a current sensor.
  package var currentAmperes: Double
  /// What the motor bears for ever; at most `currentAmperes`.
  package var continuousAmperes = Double.infinity
  /// How fast the motor's winding warms up.
  package var thermalSeconds = defaultThermalSeconds
  /// Largest |set-point − position| before a tracking fault.
  package var trackingErrorRadians: Double
}

/// Windings of finger-sized gear motors warm up within half a minute to a minute; the quicker one is the safe one.
let defaultThermalSeconds = 30.0

/// J q'' + b q' = τ − gravity · sin q − friction.
package struct PlantParameters: Sendable, Equatable {
  package var inertiaKilogramSquareMetres: Double
  package var dampingNewtonMetreSeconds: Double
  package var coulombNewtonMetres: Double
  /// Amplitude of the gravity load: τ_g = gravity · sin q.
  package var gravityNewtonMetres: Double
}

/// duty = (R τ / K_t + K_e ω n) / V, with K_t at the joint side (gear included).
package struct MotorParameters: Sendable, Equatable {
  package var torqueConstantNewtonMetresPerAmpere: Double
  package var backEMFVoltSecondsPerRadian: Double
  package var resistanceOhms: Double
  package var supplyVolts: Double
  /// Duty below which the motor does not move; compensated when commanding.
  package var deadBandDuty: Double
}

/// A joint with a servo: q'' + 2ζω q' + ω² q = ω² c, c by the length of the pulse
/// (docs/control.md, "The plant").
package struct ServoParameters: Sendable, Equatable {
  /// Pulse at angle 0.
  package var zeroMicroseconds: Double
  /// Pulse length a radian; negative where longer pulses turn towards smaller angles.
  package var microsecondsPerRadian: Double
  /// Pulses the servo must never see are shorter or longer than these.
  package var minimumMicroseconds: Double
  package var maximumMicroseconds: Double
  /// ω of the servo's own loop.
  package var bandwidthRadiansPerSecond: Double
  /// ζ of the servo's own loop.
  package var dampingRatio: Double
  /// From the start of a pulse to the beginning of the motion it asks for.
  package var delaySeconds: Double
  /// Largest change of the commanded angle in a second.
  package var angleRateRadiansPerSecond: Double
  /// Largest distance that the law may put between set-point and commanded angle.
  package var correctionRadians: Double
  /// Standard deviation of the command the model does not explain, per tick.
  package var commandNoiseRadians: Double

  /// The pulse of a commanded angle, within the pulses the servo may see.
  package func pulseMicroseconds(radians: Double) -> Double {
    min(
      max(zeroMicroseconds + microsecondsPerRadian * radians, minimumMicroseconds), maximumMicroseconds)
  }
}

/// Gains of the law (docs/control.md), per N m of torque for a motor, per radian of correction for a servo.
package struct GainSet: Sendable, Equatable {
  package var kp: Double
  package var kd: Double
  package var km: Double
  package var lambdaPerSecond: Double
  package var backCalculation: Double
}
