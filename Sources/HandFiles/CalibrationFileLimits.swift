import HandModel

extension Calibration {
  /// Limits of a calibration file; docs/board-file.md lists them. Upper bounds lie far above any finger and
  /// exist to catch slips of unit, such as millimetres for metres.
  enum FileLimits {
    /// An encoder's angle is known within half a turn of its zero.
    static let angle = NumberRange(closed: -Double.pi...Double.pi, text: "an angle from -pi to pi rad")
    static let degrees = NumberRange.from(-180, to: 180)
    static let velocity = NumberRange.positive(upTo: 1000)
    static let acceleration = NumberRange.positive(upTo: 1e6)
    static let torque = NumberRange.positive(upTo: 1000)
    static let torqueRate = NumberRange.positive(upTo: 1e6)
    static let current = NumberRange.positive(upTo: 100)
    static let trackingError = NumberRange.positive(upTo: .pi)
    static let inertia = NumberRange.positive(upTo: 10)
    static let damping = NumberRange.from(0, to: 100)
    static let load = NumberRange.from(0, to: 1000)
    static let torqueConstant = NumberRange.positive(upTo: 1000)
    static let backEMF = NumberRange.from(0, to: 1000)
    static let resistance = NumberRange.positive(upTo: 10_000)
    static let supply = NumberRange.positive(upTo: 60)
    static let deadBand = NumberRange.from(0, to: 0.5)
    /// Below any sensor's and actuator's noise: a 20-bit encoder has 1.7e-6 rad. Less noise than that says
    /// that a value is known for certain, which no observer can be designed for.
    private static let smallestNoise = 1e-6
    static let encoderNoise = NumberRange.from(smallestNoise, to: 0.1)
    static let torqueNoise = NumberRange.from(smallestNoise, to: 100)
    static let currentNoise = NumberRange.from(smallestNoise, to: 10)
    static let thermalSeconds = NumberRange.from(1, to: 10_000)
    static let stiffness = NumberRange.positive(upTo: 10_000)
    static let gain = NumberRange.from(0, to: 10_000)
    /// The fading rate must be positive, else the memory never fades (docs/control.md, section 2).
    static let lambda = NumberRange.positive(upTo: 100)
    /// Pulses of hobby servos lie between 0.4 and 2.6 ms; twice that catches a slip of unit.
    static let pulse = NumberRange.from(100, to: 5000)
    static let pulseSlope = NumberRange.from(-5000, to: 5000)
    /// A turn in 314 us: coarser than any servo.
    static let smallestPulseSlope = 50.0
    static let bandwidth = NumberRange.positive(upTo: 1000)
    static let dampingRatio = NumberRange.from(0.05, to: 10)
    /// Longer ones no certificate covers at any rate that controls a finger.
    static let delay = NumberRange.from(0, to: 0.2)
    static let correction = NumberRange.positive(upTo: 1)
    static let commandNoise = NumberRange.from(smallestNoise, to: 0.5)
    static let servoGain = NumberRange.from(0, to: 100)
    /// At 1 the inertia could be 0, or a motor coast for ever.
    static let uncertainShare = NumberRange.from(0, to: 0.9)
    static let poses = 64
  }
}
