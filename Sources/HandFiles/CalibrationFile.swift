import HandModel

extension Calibration {
  /// Reads a calibration of the hand on `board` from the text of its YAML file. `file` is the name that
  /// errors carry. The file's joints must be the board's; the board's order wins.
  ///
  /// Throws all errors of the file at once; docs/board-file.md has keys, units and limits.
  package init(yaml: String, file: String, board: Board) throws(ConfigurationErrors) {
    let diagnostics = ConfigurationDiagnostics(file: file)
    guard let root = YAMLDocument.compose(yaml, diagnostics),
      let reader = MappingReader([(root, "")], diagnostics)
    else {
      try diagnostics.throwIfAny()
      preconditionFailure("a document that cannot be read has been reported")
    }
    guard FileKind.calibration.accepts(reader) else {
      try diagnostics.throwIfAny()
      preconditionFailure("what is not accepted has been reported")
    }
    self = CalibrationFileReader(reader: reader, board: board).read()
    reader.finish()
    try diagnostics.throwIfAny()
  }
}

/// Turns the mappings of a calibration file into a `Calibration`.
private struct CalibrationFileReader {
  private typealias Limits = Calibration.FileLimits
  let reader: MappingReader
  let board: Board

  func read() -> Calibration {
    let hand = reader.name("hand") ?? ""
    // `defaults` is also read by itself, so that a wrong value shows even where every joint overrides it.
    if let defaults = reader.node("defaults") {
      if let alone = MappingReader([defaults], isPartial: true, reader.diagnostics) {
        _ = readJoint(alone, index: nil, name: "")
      }
    }
    let joints = readJoints()
    return Calibration(
      hand: hand, joints: joints, poses: PoseReader(reader: reader, board: board, joints: joints).read(),
      couplings: readCouplings(joints))
  }

  // MARK: Joints

  private func readJoints() -> [JointCalibration] {
    guard let section = reader.section("joints") else { return [] }
    let joints = board.joints.enumerated().compactMap { index, wiring -> JointCalibration? in
      guard let own = section.requiredNode(wiring.name, expected: "the calibration of this joint") else {
        return nil
      }
      // An empty entry is a joint that is all defaults.
      let layers = [own.node.isEmpty ? nil : own, reader.node("defaults")].compactMap(\.self)
      guard let joint = MappingReader(layers, at: (own.node.mark, own.path), reader.diagnostics) else {
        return nil
      }
      return readJoint(joint, index: index, name: wiring.name)
    }
    section.finish(kindOfKey: "joint")
    return joints
  }

  /// Reads one joint, or the defaults alone where `index` is nil.
  private func readJoint(_ reader: MappingReader, index: Int?, name: String) -> JointCalibration {
    // `defaults` may serve joints of both kinds. The keys that it has of either kind are read.
    let isServo = index.map { board.joints[$0].actuator.isServo } ?? reader.keys.contains("servo")
    let isMotor = index.map { !board.joints[$0].actuator.isServo } ?? true
    let encoder = readEncoder(reader, index: index)
    let hasSensor = index.map { board.joints[$0].currentSensor != nil } ?? false
    let limits = reader.section("limits")
    let noise = reader.section("noise")
    var joint = JointCalibration(
      name: name, encoder: encoder,
      limits: readLimits(limits, needsCurrent: isMotor || hasSensor),
      drive: .motor(Self.noMotor), encoderNoiseRadians: number(noise, "encoder_rad", Limits.encoderNoise),
      gains: GainSet(kp: .nan, kd: .nan, km: .nan, lambdaPerSecond: .nan, backCalculation: .nan))
    if isServo {
      let servo = readServo(reader)
      joint.drive = .servo(servo)
      // If it is left out, the load is assumed to change as fast as the unexplained part of the input.
      joint.loadNoise = optional(noise, "load_rad", Limits.commandNoise) ?? servo.commandNoiseRadians
      joint.gains = readServoGains(reader)
    }
    if isMotor {
      let motor = readMotorDrive(reader, limits: limits, noise: noise)
      joint.drive = .motor(motor)
      joint.loadNoise = optional(noise, "load_N_m", Limits.torqueNoise) ?? motor.torqueNoiseNewtonMetres
      joint.gains = readGains(reader)
    }
    joint.currentNoiseAmperes =
      optional(noise, "current_A", Limits.currentNoise) ?? joint.currentNoiseAmperes
    joint.uncertainty = readUncertainty(reader)
    if !isServo {
      let expected = "no such section: the board wires this joint to a motor"
      reader.pass(over: "servo", "servo_gains", expecting: expected)
      noise?.pass(over: "load_rad", expecting: "noise.load_N_m")
    } else if !isMotor {
      let expected = "servo and servo_gains: the board wires this joint to a servo"
      reader.pass(over: "plant", "motor", "gains", expecting: expected)
      limits?.pass(over: "torque_N_m", "torque_rate_N_m_per_s", expecting: "servo.correction_rad")
      noise?.pass(over: "torque_N_m", expecting: "servo.command_noise_rad")
      noise?.pass(over: "load_N_m", expecting: "noise.load_rad")
    }
    limits?.finish()
    noise?.finish()
    reader.finish()
    if let index { check(joint, index: index, reader) }
    return joint
  }

  /// Stands in for a drive that is not read yet.
  private static let noMotor = MotorDrive(
    plant: PlantParameters(
      inertiaKilogramSquareMetres: .nan, dampingNewtonMetreSeconds: .nan, coulombNewtonMetres: .nan,
      gravityNewtonMetres: .nan),
    motor: MotorParameters(
      torqueConstantNewtonMetresPerAmpere: .nan, backEMFVoltSecondsPerRadian: .nan, resistanceOhms: .nan,
      supplyVolts: .nan, deadBandDuty: .nan), torqueLimitNewtonMetres: .nan,
    torqueRateNewtonMetresPerSecond: .nan, torqueNoiseNewtonMetres: .nan)

  private func number(_ section: MappingReader?, _ key: String, _ range: NumberRange) -> Double {
    section?.number(key, range) ?? .nan
  }

  /// Nil where the key is left out.
  private func optional(_ section: MappingReader?, _ key: String, _ range: NumberRange) -> Double? {
    section?.has(key) == true ? number(section, key, range) : nil
  }

  /// The counts of a turn are those of the joint's chip; for the defaults alone, the largest of the board's.
  private func readEncoder(_ joint: MappingReader, index: Int?) -> EncoderCalibration {
    let chips = index.map { [board.encoders[board.joints[$0].encoder].chip] } ?? board.encoders.map(\.chip)
    let countsPerTurn = chips.map(\.countsPerTurn).max() ?? EncoderChip.as5600.countsPerTurn
    var encoder = EncoderCalibration(zeroCounts: 0, sign: 1, countsPerTurn: countsPerTurn)
    guard let section = joint.section("encoder") else { return encoder }
    encoder.zeroCounts = section.integer("zero_counts", in: 0...countsPerTurn - 1) ?? 0
    if let sign = section.integer("sign", in: -1...1) {
      if sign == 0 { section.report("sign", found: "0", expected: "1 or -1") }
      encoder.sign = sign
    }
    section.finish()
    return encoder
  }

  private func readLimits(_ section: MappingReader?, needsCurrent: Bool) -> JointLimits {
    // Without a sensor there is nothing to compare with. The limit of a servo's current may then be left out.
    let hasCurrent = needsCurrent || section?.has("current_A") ?? false
    let current = hasCurrent ? number(section, "current_A", Limits.current) : .infinity
    return JointLimits(
      lowerRadians: number(section, "lower_rad", Limits.angle),
      upperRadians: number(section, "upper_rad", Limits.angle),
      radiansPerSecond: number(section, "velocity_rad_per_s", Limits.velocity),
      radiansPerSecondSquared: number(section, "acceleration_rad_per_s2", Limits.acceleration),
      currentAmperes: current,
      continuousAmperes: optional(section, "continuous_current_A", Limits.current) ?? current,
      thermalSeconds: optional(section, "thermal_time_constant_s", Limits.thermalSeconds)
        ?? defaultThermalSeconds,
      trackingErrorRadians: number(section, "tracking_error_rad", Limits.trackingError))
  }

  private func readMotorDrive(
    _ joint: MappingReader, limits: MappingReader?, noise: MappingReader?
  ) -> MotorDrive {
    MotorDrive(
      plant: readPlant(joint), motor: readMotor(joint),
      torqueLimitNewtonMetres: number(limits, "torque_N_m", Limits.torque),
      torqueRateNewtonMetresPerSecond: number(limits, "torque_rate_N_m_per_s", Limits.torqueRate),
      torqueNoiseNewtonMetres: number(noise, "torque_N_m", Limits.torqueNoise))
  }

  private func readPlant(_ joint: MappingReader) -> PlantParameters {
    let section = joint.section("plant")
    defer { section?.finish() }
    return PlantParameters(
      inertiaKilogramSquareMetres: number(section, "inertia_kg_m2", Limits.inertia),
      dampingNewtonMetreSeconds: number(section, "damping_N_m_s", Limits.damping),
      coulombNewtonMetres: number(section, "coulomb_N_m", Limits.load),
      gravityNewtonMetres: number(section, "gravity_N_m", Limits.load))
  }

  private func readMotor(_ joint: MappingReader) -> MotorParameters {
    let section = joint.section("motor")
    defer { section?.finish() }
    return MotorParameters(
      torqueConstantNewtonMetresPerAmpere: number(
        section, "torque_constant_N_m_per_A", Limits.torqueConstant),
      backEMFVoltSecondsPerRadian: number(section, "back_emf_V_s_per_rad", Limits.backEMF),
      resistanceOhms: number(section, "resistance_ohms", Limits.resistance),
      supplyVolts: number(section, "supply_V", Limits.supply),
      deadBandDuty: number(section, "dead_band_duty", Limits.deadBand))
  }

  private func readGains(_ joint: MappingReader) -> GainSet {
    let section = joint.section("gains")
    defer { section?.finish() }
    return GainSet(
      kp: number(section, "kp_N_m_per_rad", Limits.stiffness),
      kd: number(section, "kd_N_m_s_per_rad", Limits.gain),
      km: number(section, "km_N_m_per_rad_s", Limits.gain),
      lambdaPerSecond: number(section, "lambda_per_s", Limits.lambda),
      backCalculation: number(section, "back_calculation_rad_s_per_N_m", Limits.gain))
  }

  /// The section and each of its keys may be left out.
  private func readUncertainty(_ joint: MappingReader) -> PlantUncertainty {
    var uncertainty = PlantUncertainty()
    guard joint.has("uncertainty"), let section = joint.section("uncertainty") else { return uncertainty }
    if section.has("inertia_share") {
      uncertainty.inertiaShare = number(section, "inertia_share", Limits.uncertainShare)
    }
    if section.has("damping_share") {
      uncertainty.dampingShare = number(section, "damping_share", Limits.uncertainShare)
    }
    if section.has("current_share") {
      uncertainty.currentShare = number(section, "current_share", Limits.uncertainShare)
    }
    section.finish()
    return uncertainty
  }

  private func readServo(_ joint: MappingReader) -> ServoParameters {
    let section = joint.section("servo")
    defer { section?.finish() }
    let servo = ServoParameters(
      zeroMicroseconds: number(section, "zero_us", Limits.pulse),
      microsecondsPerRadian: number(section, "us_per_rad", Limits.pulseSlope),
      minimumMicroseconds: number(section, "minimum_us", Limits.pulse),
      maximumMicroseconds: number(section, "maximum_us", Limits.pulse),
      bandwidthRadiansPerSecond: number(section, "bandwidth_rad_per_s", Limits.bandwidth),
      dampingRatio: number(section, "damping_ratio", Limits.dampingRatio),
      delaySeconds: number(section, "delay_s", Limits.delay),
      angleRateRadiansPerSecond: number(section, "angle_rate_rad_per_s", Limits.velocity),
      correctionRadians: number(section, "correction_rad", Limits.correction),
      commandNoiseRadians: number(section, "command_noise_rad", Limits.commandNoise))
    if servo.microsecondsPerRadian.magnitude < Limits.smallestPulseSlope {
      section?.report(
        "us_per_rad", found: "\(servo.microsecondsPerRadian)",
        expected: "at least \(Limits.smallestPulseSlope) either way: one that tells angles apart")
    }
    return servo
  }

  private func readServoGains(_ joint: MappingReader) -> GainSet {
    let section = joint.section("servo_gains")
    defer { section?.finish() }
    return GainSet(
      kp: number(section, "kp", Limits.servoGain), kd: number(section, "kd_s", Limits.servoGain),
      km: number(section, "km_per_s", Limits.servoGain),
      lambdaPerSecond: number(section, "lambda_per_s", Limits.lambda),
      backCalculation: number(section, "back_calculation_s", Limits.servoGain))
  }

  // MARK: Checks between values

  /// Checks the values of a joint against each other. A value that could not be read is NaN here. Every
  /// comparison below is written so that NaN passes, because its error has been reported.
  private func check(_ joint: JointCalibration, index: Int, _ reader: MappingReader) {
    let limits = joint.limits
    if limits.lowerRadians >= limits.upperRadians {
      reader.section("limits")?.report(
        "upper_rad", found: "\(limits.upperRadians) for \(joint.name)",
        expected: "more than lower_rad (\(limits.lowerRadians))")
    }
    if limits.continuousAmperes > limits.currentAmperes {
      reader.section("limits")?.report(
        "continuous_current_A", found: "\(limits.continuousAmperes) for \(joint.name)",
        expected: "at most current_A (\(limits.currentAmperes) A)")
    }
    if let sensor = board.joints[index].currentSensor {
      let maximum = board.currentSensors[sensor].maximumAmperes
      if limits.currentAmperes >= maximum {
        reader.section("limits")?.report(
          "current_A", found: "\(limits.currentAmperes) for \(joint.name)",
          expected: "less than its current sensor can measure (\(maximum) A)")
      }
    }
    switch joint.drive {
    case .motor(let drive): check(drive, of: joint, reader)
    case .servo(let servo): check(servo, of: joint, chip: board.joints[index].actuator.pwmChip, reader)
    }
  }

  /// The certificate models one saturation, the torque limit. The limits of supply and current must
  /// lie beyond it.
  private func check(_ drive: MotorDrive, of joint: JointCalibration, _ reader: MappingReader) {
    let load = drive.plant.coulombNewtonMetres + drive.plant.gravityNewtonMetres
    if load >= drive.torqueLimitNewtonMetres {
      reader.section("limits")?.report(
        "torque_N_m", found: "\(drive.torqueLimitNewtonMetres) for \(joint.name)",
        expected: "more than friction and gravity together (\(load) N m)")
    }
    let limits = joint.limits
    let motor = drive.motor
    let amperes = drive.torqueLimitNewtonMetres / motor.torqueConstantNewtonMetresPerAmpere
    if limits.currentAmperes < amperes {
      reader.section("limits")?.report(
        "current_A", found: "\(limits.currentAmperes) for \(joint.name)",
        expected: "at least the current of the torque limit (\(amperes) A)")
    }
    let volts = motor.resistanceOhms * amperes + motor.backEMFVoltSecondsPerRadian * limits.radiansPerSecond
    if volts > motor.supplyVolts {
      reader.section("motor")?.report(
        "supply_V", found: "\(motor.supplyVolts) for \(joint.name)",
        expected: "at least \(volts) V for the torque limit at the velocity limit")
    }
  }

  /// The correction limit likewise: every command within it must have a pulse that the servo may get.
  private func check(
    _ servo: ServoParameters, of joint: JointCalibration, chip: Int, _ reader: MappingReader
  ) {
    func refuse(_ key: String, _ found: Double, _ expected: String) {
      reader.section("servo")?.report(key, found: "\(found) for \(joint.name)", expected: expected)
    }
    let frame = 1e6 / board.pwmChips[chip].frequencyHertz
    if servo.maximumMicroseconds >= frame {
      refuse(
        "maximum_us", servo.maximumMicroseconds,
        "less than the frame of \(board.pwmChips[chip].name) (\(frame) us)")
    }
    let reach = servo.correctionRadians
    let ends = [joint.limits.lowerRadians - reach, joint.limits.upperRadians + reach].map {
      servo.zeroMicroseconds + servo.microsecondsPerRadian * $0
    }
    let shortest = min(ends[0], ends[1])
    let longest = max(ends[0], ends[1])
    if servo.minimumMicroseconds > shortest {
      refuse(
        "minimum_us", servo.minimumMicroseconds,
        "at most \(shortest) us, the shortest pulse of its range with the correction")
    }
    if servo.maximumMicroseconds < longest {
      refuse(
        "maximum_us", servo.maximumMicroseconds,
        "at least \(longest) us, the longest pulse of its range with the correction")
    }
    if servo.angleRateRadiansPerSecond <= joint.limits.radiansPerSecond {
      refuse(
        "angle_rate_rad_per_s", servo.angleRateRadiansPerSecond,
        "more than limits.velocity_rad_per_s (\(joint.limits.radiansPerSecond))")
    }
  }

  private func readCouplings(_ joints: [JointCalibration]) -> [FingerCoupling] {
    guard reader.has("couplings_N_m_per_rad"), let section = reader.section("couplings_N_m_per_rad") else {
      return []
    }
    return FingerCouplingReader(section: section, board: board, joints: joints).read()
  }
}
