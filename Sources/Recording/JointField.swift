import HandModel

/// One value of a joint in the `joints` blob of a tick: its place, width, quantum and unit.
///
/// A blob is `joint_count` frames of `JointFrame.byteCount` bytes. Integers are big-endian two's complement,
/// because SQL can take a blob apart byte by byte only from the most significant end without knowing its
/// length; real values are integers in units of `10^-decimals`.
package enum JointField: Int, CaseIterable, Sendable {
  case encoderCounts, flags, certificate, sampleAge
  case setpoint, setpointVelocity, measured, position, velocity, innovation, nominal, memory
  case demand, torque, current, load, force, slope, lipschitz, distance

  /// How the value is stored.
  package enum Storage: Sendable, Equatable {
    case unsigned8, unsigned16
    /// A plain signed integer.
    case signed32
    /// A real number: 32-bit integer times 10^-decimals, the smallest integer meaning "none" (NaN).
    case scaled32(decimals: Int)
    /// The same with 64 bits.
    case scaled64(decimals: Int)

    package var byteCount: Int {
      switch self {
      case .unsigned8: 1
      case .unsigned16: 2
      case .signed32, .scaled32: 4
      case .scaled64: 8
      }
    }
    /// Decimals of the quantum; 0 for integers.
    package var decimals: Int {
      switch self {
      case .scaled32(let decimals), .scaled64(let decimals): decimals
      default: 0
      }
    }
    package var isReal: Bool {
      switch self {
      case .scaled32, .scaled64: true
      default: false
      }
    }
  }

  /// Scales, chosen so that the range exceeds anything a hand can do and the quantum anything a sensor sees:
  /// µrad, µN·m, µA and µN reach ± 2147 units; an innovation (10 nrad) reaches ± 21 rad, more than the half
  /// turn that a wrapped encoder can jump; L is stored as 1 − L in 10^-15, near a double's spacing below 1.
  package var storage: Storage {
    switch self {
    case .encoderCounts: .unsigned16
    case .flags, .certificate: .unsigned8
    case .sampleAge: .signed32
    case .innovation: .scaled32(decimals: 8)
    case .slope: .scaled32(decimals: 9)
    case .lipschitz: .scaled64(decimals: 15)
    case .distance: .scaled64(decimals: 12)
    default: .scaled32(decimals: 6)
    }
  }

  /// Offset of the first byte in the joint's frame.
  package var offset: Int {
    switch self {
    case .encoderCounts: 0
    case .flags: 2
    case .certificate: 3
    case .lipschitz: 64
    case .distance: 72
    // From the sample age to the slope every field has four bytes.
    default: 4 + 4 * (rawValue - JointField.sampleAge.rawValue)
    }
  }

  /// Column name in the view `joint_tick`, in CSV and in differences.
  package var column: String {
    switch self {
    case .encoderCounts: "encoder_counts"
    case .flags: "flags"
    case .certificate: "certificate"
    case .sampleAge: "sample_age_nanoseconds"
    case .setpoint: "setpoint_radians"
    case .setpointVelocity: "setpoint_radians_per_second"
    case .measured: "measured_radians"
    case .position: "position_radians"
    case .velocity: "velocity_radians_per_second"
    case .innovation: "innovation_radians"
    case .nominal: "nominal_radians"
    case .memory: "memory_radian_seconds"
    case .demand: "demand_newton_metres"
    case .torque: "torque_newton_metres"
    case .current: "current_amperes"
    case .load: "load_newton_metres"
    case .force: "force_newtons"
    case .slope: "slope"
    case .lipschitz: "lipschitz"
    case .distance: "distance"
    }
  }

  package var unit: String {
    switch self {
    case .encoderCounts: "counts"
    case .flags: "bits"
    case .certificate: "code"
    case .sampleAge: "ns"
    case .setpoint, .measured, .position, .innovation, .nominal: "rad"
    case .setpointVelocity, .velocity: "rad/s"
    case .memory: "rad·s"
    case .demand, .torque, .load: "N·m"
    case .current: "A"
    case .force: "N"
    case .slope, .lipschitz, .distance: "1"
    }
  }

  /// Value of the field in a record; integers as numbers, none as NaN.
  package func value(of joint: borrowing JointRecord) -> Double {
    switch self {
    case .encoderCounts: Double(joint.encoderCounts)
    case .flags: Double(joint.flags)
    case .certificate: Double(joint.certificate.rawValue)
    case .sampleAge: Double(joint.sampleAgeNanoseconds)
    case .setpoint: joint.setpointRadians
    case .setpointVelocity: joint.setpointRadiansPerSecond
    case .measured: joint.measuredRadians
    case .position: joint.positionRadians
    case .velocity: joint.velocityRadiansPerSecond
    case .innovation: joint.innovationRadians
    case .nominal: joint.nominalRadians
    case .memory: joint.memoryRadianSeconds
    case .demand: joint.demandNewtonMetres
    case .torque: joint.torqueNewtonMetres
    case .current: joint.currentAmperes
    case .load: joint.loadNewtonMetres
    case .force: joint.forceNewtons
    case .slope: joint.slope
    case .lipschitz: joint.lipschitz
    case .distance: joint.distance
    }
  }
}
