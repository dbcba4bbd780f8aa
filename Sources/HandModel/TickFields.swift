/// Every value of a tick that is told, in the order of its columns. A new one is a stored property of
/// `TickRecord`, a row here and a new `FieldTable.version`.
package enum TickFields {
  /// In the order of the columns.
  package static let all: [Field] = time + decision + contraction + sums + inertial + inputs

  private static let time: [Field] = [
    .integer(
      "sequence", "ticks", \TickRecord.sequence, "number of the tick since the start, from 0 without gaps"
    )
    .channel("seq", isWide: true).snapshot(),
    .integer(
      "deadline_nanoseconds", "ns", \TickRecord.deadlineNanoseconds,
      "when it was to start, monotonic (or virtual) clock"),
    .integer("wall_seconds", "s", \TickRecord.wallNanoseconds, "wall clock since 1970, for plotters")
      .unrecorded().channel("t", isSeconds: true),
    .integer("wall_nanoseconds", "ns", \TickRecord.wallNanoseconds, "wall clock since 1970; decides nothing")
      .channel("t_ns", isWide: true).snapshot(),
    .integer(
      "wake_up_nanoseconds", "ns", \TickRecord.wakeUpNanoseconds,
      "start less deadline, so that their sum is the start; a simulated hand's clock stands still between ticks, "
        + "and the deadline lies as far before the start as the machine was late"
    ).channel(),
    .integer(
      "previous_compute_nanoseconds", "ns", \TickRecord.previousComputeNanoseconds,
      "compute time of the tick before"
    ).channel(),
    .integer("dt_nanoseconds", "ns", \TickRecord.dtNanoseconds, "time since the tick before").channel(),
    .integer("overruns", "ticks", \TickRecord.overruns, "deadlines skipped since the start")
      .channel(isWide: true).snapshot(),
  ]

  private static let decision: [Field] = [
    .word("state", .state, \TickRecord.state, "what the hand did").channel().snapshot(),
    .word("mode", .mode, \TickRecord.mode, "its gauge, in the words of the AGP scheme").channel().snapshot(),
    .code("mode_gauge", \TickRecord.mode, "the same as a number, 0…3").unrecorded()
      .channel(range: .fixed(0, 3)),
    .word("fault", .fault, \TickRecord.fault, "the latched cause; null while nothing is latched").channel()
      .snapshot(),
    .joint("fault_joint", \TickRecord.faultJoint, "the joint that the fault names; null where it names none")
      .channel().snapshot(),
    .word("certificate", .certificate, \TickRecord.certificate, "the worst joint's certificate state")
      .channel().snapshot(),
    .integer("joint_count", "1", \TickRecord.jointCount, "joints of the hand: frames in the blob"),
    .flag("outputs_enabled", \TickRecord.outputsEnabled, "whether the drive-enable line was driven live")
      .channel().snapshot(),
    .flag("estop_line_active", \TickRecord.eStopLineActive, "whether the e-stop line was active")
      .channel().snapshot(),
  ]

  private static let contraction: [Field] = [
    .real(
      "lipschitz", "1", \TickRecord.lipschitz, "L of the worst joint; null where no joint has a certificate"
    ).channel(range: .fixed(0, 1), isWide: true).snapshot(),
    .real("rate_per_second", "1/s", \TickRecord.ratePerSecond, "−ln L / dt, as `lipschitz`")
      .channel(isWide: true).snapshot(),
    .real(
      "window_product", "1", \TickRecord.windowProduct, "Λ, the product of L over the window, as `lipschitz`"
    ).channel(range: .fixed(0, 1), isWide: true).snapshot(),
    .integer(
      "uncertified_ticks", "ticks", \TickRecord.uncertifiedTicks,
      "uncertified ticks within the window, worst joint"
    ).channel().snapshot(),
    .integer(
      "command_number", "1", \TickRecord.commandNumber,
      "last command executed, 0 before the first; a refused one does not count"
    ).channel(),
  ]

  private static let sums: [Field] = [
    .real(
      "psi_newton_metres", "N·m", \TickRecord.psi, "ψ = Σ K_m m over the joints of a hand of motors"
    ).of(.motors).channel(isWide: true),
    .real("psi_radians", "rad", \TickRecord.psi, "the same of a hand of servos").of(.servos)
      .channel(isWide: true),
    .real("gamma_radians", "rad", \TickRecord.gamma, "γ = Σ e, set-point less angle over the joints")
      .channel(isWide: true),
    .real(
      "energy_integral_newton_metre_radian_seconds", "N·m·rad·s", \TickRecord.energyIntegral,
      "E_c = ∫ Σ ψγ dt of a hand of motors"
    ).of(.motors).channel(isWide: true),
    .real(
      "energy_integral_radian_squared_seconds", "rad²·s", \TickRecord.energyIntegral,
      "the same of a hand of servos"
    ).of(.servos).channel(isWide: true),
  ]

  private static let inertial: [Field] = [
    acceleration("x", \.inertial.accelerationMetresPerSecondSquared.x),
    acceleration("y", \.inertial.accelerationMetresPerSecondSquared.y),
    acceleration("z", \.inertial.accelerationMetresPerSecondSquared.z),
    rotation("x", \.inertial.rotationRadiansPerSecond.x),
    rotation("y", \.inertial.rotationRadiansPerSecond.y),
    rotation("z", \.inertial.rotationRadiansPerSecond.z),
  ]

  private static func acceleration(_ axis: String, _ path: KeyPath<TickRecord, Double>) -> Field {
    .real(
      "acceleration_\(axis)_metres_per_second_squared", "m/s²", path,
      "newest reading of the hand's inertial sensor, in its own axes; null without one or while it does not answer"
    ).channel()
  }

  private static func rotation(_ axis: String, _ path: KeyPath<TickRecord, Double>) -> Field {
    .real("rotation_\(axis)_radians_per_second", "rad/s", path, "rate of turn, likewise").channel()
  }

  private static let inputs: [Field] = [
    .integer(
      "failed_bus_joints", "bits", \TickRecord.failedBusJoints, "bit j: the bus of joint j had failed"),
    .integer(
      "unhealthy_joints", "bits", \TickRecord.unhealthyJoints,
      "bit j: the encoder or current sensor of joint j said that it was not to be trusted"),
    .integer(
      "failed_actuator_joints", "bits", \TickRecord.failedActuatorJoints,
      "bit j: the bridge of joint j reported a fault"),
    .integer(
      "input_flags", "bits", \TickRecord.inputFlags,
      "1 a PWM chip failed; 2 an e-stop was commanded, 4 over MQTT only; 8 the loop ended with this tick; "
        + "16 the drive-enable line did not follow when it was last driven"),
    .integer(
      "skipped_deadlines", "ticks", \TickRecord.skippedDeadlines, "deadlines skipped by this very wake-up"),
    .bits64(
      "output_hash", \TickRecord.outputHash, "hash of the exact bits of all that the tick saw and decided"),
    .integer(
      "actuator_lag_ticks", "ticks", \TickRecord.actuatorLagTicks,
      "ticks since the last one whose command every actuator is known to have: 1 while all is well"),
    .integer(
      "late_ticks", "ticks", \TickRecord.lateTicks,
      "those of `uncertified_ticks` that came too late for any certificate"),
    .word(
      "command_result", .commandResult, \TickRecord.commandResult,
      "what became of the command that the tick took; null where it took none"
    ).of(.command),
  ]
}

extension TickRecord {
  /// Where the tick says whether it took a command.
  static let commandKindOffset = offset(of: \.command.kind)
}
