import HandModel

/// The joints of a board file: what each belongs to, is measured by and driven through.
extension BoardFileReader {
  private enum ActuatorKind: String, CaseIterable { case motor, servo }
  private enum BridgeKind: String, CaseIterable {
    case phaseEnable = "phase-enable", tb6612 = "TB6612", drv8833 = "DRV8833"
  }

  mutating func readJoints(
    _ readers: [MappingReader], names: [String?], encoders: [EncoderSpec],
    currentSensors: [CurrentSensorSpec], pwmChips: [PWMChipSpec]
  ) -> [JointWiring] {
    var usedEncoders: Set<Int> = []
    var usedSensors: Set<Int> = []
    var outputs = OutputUses(chips: pwmChips)
    let fingered = readers.map { $0.has("finger") }
    return zip(readers, names).map { reader, name in
      let finger = reader.has("finger") ? reader.name("finger") : nil
      if let finger, names.enumerated().contains(where: { $0.element == finger && !fingered[$0.offset] }) {
        reader.report(
          "finger", found: "\(finger), the name of a joint that belongs to no finger",
          expected: "another name, or `finger: \(finger)` at that joint too: a pose could not tell them apart"
        )
      }
      let encoder = reader.reference("encoder", to: encoders.map(\.name), kind: "an encoder")
      if let encoder, !usedEncoders.insert(encoder).inserted {
        reader.report(
          "encoder", found: "\(encoders[encoder].name) again", expected: "an encoder no other joint uses")
      }
      var sensor: Int?
      if reader.has("current_sensor") {
        sensor = reader.reference("current_sensor", to: currentSensors.map(\.name), kind: "a current sensor")
        if let sensor, !usedSensors.insert(sensor).inserted {
          reader.report(
            "current_sensor", found: "\(currentSensors[sensor].name) again",
            expected: "a current sensor no other joint uses")
        }
      }
      var actuator = ActuatorWiring.servo(PWMOutput(chip: 0, channel: 0))
      if let section = reader.section("actuator") {
        actuator = readActuator(section, joint: name ?? "a joint", &outputs) ?? actuator
      }
      reader.finish()
      return JointWiring(
        name: name ?? "", finger: finger, encoder: encoder ?? 0, currentSensor: sensor, actuator: actuator)
    }
  }

  /// Nil where not even the kind could be read: the other keys then say nothing.
  private mutating func readActuator(
    _ section: MappingReader, joint: String, _ outputs: inout OutputUses
  ) -> ActuatorWiring? {
    guard let kind: ActuatorKind = section.choice("kind", default: .motor),
      let bridge: BridgeKind = kind == .servo
        ? .phaseEnable : section.choice("bridge", default: .phaseEnable)
    else { return nil }
    defer { section.finish() }
    let chip = section.reference("pwm", to: outputs.chips.map(\.name), kind: "a PWM chip")
    if kind == .servo {
      let output = outputs.read("channel", section, chip: chip)
      if let chip { outputs.checkServoFrame(of: chip, section) }
      return .servo(output)
    }
    func line(_ key: String, _ what: String) -> LineSpec {
      readLine(section, key: key, use: "\(what) of \(joint)")
    }
    switch bridge {
    case .tb6612:
      let output = outputs.read("channel", section, chip: chip)
      return .motor(
        .tb6612(output, in1: line("in1_line", "IN1"), in2: line("in2_line", "IN2")), faultLine: nil)
    case .drv8833:
      let in1 = outputs.read("in1_channel", section, chip: chip)
      let in2 = outputs.read("in2_channel", section, chip: chip)
      return .motor(.drv8833(in1: in1, in2: in2), faultLine: readFaultLine(section, joint: joint))
    case .phaseEnable:
      let output = outputs.read("channel", section, chip: chip)
      let direction = line("direction_line", "the direction")
      return .motor(
        .phaseEnable(output, direction: direction), faultLine: readFaultLine(section, joint: joint))
    }
  }

  /// nFAULT: an open drain that pulls low for a fault, hence active low against a pull-up.
  private mutating func readFaultLine(_ section: MappingReader, joint: String) -> LineSpec? {
    guard section.has("fault_line") else { return nil }
    let spec = readLine(section, key: "fault_line", use: "nFAULT of \(joint)")
    if !spec.activeLow {
      section.section("fault_line")?.report(
        "active_low", found: "false", expected: "true: the bridge pulls nFAULT low for a fault")
    }
    if spec.bias == .pullDown {
      section.section("fault_line")?.report(
        "bias", found: "pull-down",
        expected: "pull-up, or none with a resistor on the board: nFAULT is an open drain")
    }
    return spec
  }
}
