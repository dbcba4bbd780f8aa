/// What was measured of one physical hand: one entry a joint, in the board's order.
/// Read from YAML by `Calibration.init(yaml:file:board:)`.
package struct Calibration: Sendable, Equatable {
  package var hand: String
  package var joints: [JointCalibration]
  /// Named poses in radians, one value a joint: at least `open`.
  package var poses: [Pose]
}

package struct Pose: Sendable, Equatable {
  package var name: String
  package var radians: [Double]
}

package struct JointCalibration: Sendable, Equatable {
  package var name: String
  package var encoder: EncoderCalibration
  package var limits: JointLimits
  package var plant: PlantParameters
  package var motor: MotorParameters
  package var noise: NoiseFigures
  package var gains: GainSet
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
  package var torqueNewtonMetres: Double
  /// Largest change of torque in a second.
  package var torqueRateNewtonMetresPerSecond: Double
  package var currentAmperes: Double
  /// Largest |set-point − position| before a tracking fault.
  package var trackingErrorRadians: Double
}

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

package struct NoiseFigures: Sendable, Equatable {
  /// Standard deviation of one encoder sample, quantisation included.
  package var encoderRadians: Double
  /// Standard deviation of the torque the model does not explain, per tick.
  package var torqueNewtonMetres: Double
}

/// Gains of the law, docs/control.md section 2.
package struct GainSet: Sendable, Equatable {
  package var kp: Double
  package var kd: Double
  package var km: Double
  package var lambdaPerSecond: Double
  package var backCalculation: Double
}
