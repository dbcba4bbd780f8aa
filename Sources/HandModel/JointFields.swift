/// Every value of a joint in a tick that is told, in the order of its frame. A new one is a stored property
/// of `JointRecord`, a row here and a new `FieldTable.version`.
///
/// Each range exceeds anything a hand can do, and each quantum is finer than any sensor sees: µrad, µN·m, µA
/// and µN reach ± 2147 units. An innovation (10 nrad) reaches ± 21 rad, more than the half turn that a
/// wrapped encoder can jump. L is stored as 1 − L in 10^-15, near a double's spacing below 1. V lies between
/// 10^-5 and 10^-2 in a hand that works; three digits more would cost a tenth of a recording.
package enum JointFields {
  /// In the order of the frame.
  package static let all: [Field] = sensed + followed + acted + judged

  private static let sensed: [Field] = [
    .integer("encoder_counts", "counts", \JointRecord.encoderCounts, "raw encoder word, 0…65535"),
    .integer(
      "flags", "bits", \JointRecord.flags,
      "1 fresh, 2 torque limited, 4 rate limited, 8 end stop, 16 stale, 32 a new sample came "
        + "(without 1: it is not newer than the last accepted one, or too far from it)"
    ).channel().snapshot(),
    .word("certificate", .certificate, \JointRecord.certificate, "state of the joint's certificate")
      .channel().snapshot(),
    .integer(
      "sample_age_nanoseconds", "ns", \JointRecord.sampleAgeNanoseconds,
      "age of the encoder sample when the tick used it"
    ).channel().snapshot(),
  ]

  private static let followed: [Field] = [
    .real("setpoint_radians", "rad", \JointRecord.setpointRadians, "wanted angle")
      .channel("setpoint", range: .angle).snapshot(),
    .real("setpoint_radians_per_second", "rad/s", \JointRecord.setpointRadiansPerSecond, "wanted speed"),
    .real(
      "measured_radians", "rad", \JointRecord.measuredRadians, "angle by the encoder; null before a sample"),
    .real("position_radians", "rad", \JointRecord.positionRadians, "angle by the observer")
      .channel("position", range: .angle).snapshot(),
    .real(
      "velocity_radians_per_second", "rad/s", \JointRecord.velocityRadiansPerSecond, "speed by the observer"
    )
    .channel("velocity", range: .speed).snapshot(),
    .real(
      "innovation_radians", "rad", \JointRecord.innovationRadians,
      "measured less predicted angle; 0 in a tick without a fresh sample", .scaled32(decimals: 8)
    ).channel("innovation"),
    .real(
      "nominal_radians", "rad", \JointRecord.nominalRadians,
      "angle of the nominal model, driven by the same set-points"),
    .real("memory_radian_seconds", "rad·s", \JointRecord.memoryRadianSeconds, "fading memory m")
      .channel("memory"),
  ]

  private static let acted: [Field] = [
    .real(
      "demand_newton_metres", "N·m", \JointRecord.demandNewtonMetres,
      "of a motor: torque the law asked for, before limits"
    ).of(.motors),
    .real(
      "demand_radians", "rad", \JointRecord.demandNewtonMetres,
      "of a servo: correction of its angle that the law asked for, before limits"
    ).of(.servos),
    .real(
      "torque_newton_metres", "N·m", \JointRecord.torqueNewtonMetres,
      "of a motor: torque commanded after limits"
    ).of(.motors).channel("torque", range: .torque).snapshot(),
    .real(
      "correction_radians", "rad", \JointRecord.torqueNewtonMetres,
      "of a servo: correction of its angle after limits"
    ).of(.servos).channel("correction", range: .correction).snapshot(),
    .real(
      "current_amperes", "A", \JointRecord.currentAmperes, "by the joint's current sensor; null without one"
    )
    .of(.currentSensor).channel("current", range: .current).snapshot(),
    .real(
      "load_newton_metres", "N·m", \JointRecord.loadNewtonMetres,
      "of a motor: torque from outside as the observer finds it, such as an object that is held"
    ).of(.motors),
    .real(
      "load_radians", "rad", \JointRecord.loadNewtonMetres,
      "of a servo: the angle that would make up for what pulls at it"
    ).of(.servos),
    .real(
      "force_newtons", "N", \JointRecord.forceNewtons,
      "contact force by the sensor at this joint's fingertip; null without one"
    ).of(.forceSensor).channel("force").snapshot(),
  ]

  private static let judged: [Field] = [
    .real(
      "slope", "1", \JointRecord.slope, "effective slope of the saturation, 0 (limited) to 1 (free)",
      .scaled32(decimals: 9)
    ).channel("slope", range: .fixed(0, 1)).snapshot(),
    .real(
      "lipschitz", "1", \JointRecord.lipschitz, "L of the tick; null without a certificate",
      .complement64(decimals: 15)
    ).channel("lipschitz", isWide: true).snapshot(),
    .real(
      "distance", "1", \JointRecord.distance, "weighted distance V to the nominal model, 0 and above",
      .scaled64(decimals: 9)
    ).channel("distance"),
  ]
}
