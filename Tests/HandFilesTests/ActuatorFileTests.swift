import HandFiles
import SeededRandom
import Testing

@testable import HandModel

@Suite("Actuators in board and calibration files")
struct ActuatorFileTests {
  private static let servoFile = "Boards/sim-servo.yaml"

  private func servoBoard() throws -> Board {
    try Board(yaml: ShippedFiles.text(Self.servoFile), file: "sim-servo.yaml")
  }

  static let servoMistakes: [FileMistake] = [
    FileMistake(
      "{kind: servo, pwm: servos, channel: 1}", "{kind: serv, pwm: servos, channel: 1}",
      key: "joints[1].actuator.kind", found: "serv", expected: "one of motor, servo", suggestion: "servo"),
    FileMistake(
      "{kind: servo, pwm: servos, channel: 1}", "{kind: servo, pwm: servo, channel: 1}",
      key: "joints[1].actuator.pwm", found: "servo", expected: "the name of a PWM chip", suggestion: "servos"),
    FileMistake(
      "{kind: servo, pwm: servos, channel: 1}", "{kind: servo, pwm: servos, channel: 0}",
      at: "channel: 0}}\n  - {name: middle", key: "joints[1].actuator.channel", found: "0 of servos again",
      expected: "a channel no other joint uses"),
    FileMistake(
      "{kind: servo, pwm: servos, channel: 1}", "{kind: servo, bridge: DRV8833, pwm: servos, channel: 1}",
      key: "joints[1].actuator.bridge", found: "an unknown key", expected: "one of kind, pwm, channel"),
    FileMistake(
      "chip: PCA9685, bus: hand", "chip: PCA9658, bus: hand", key: "pwm_chips[0].chip", found: "PCA9658",
      expected: "one of PCA9685, sysfs", suggestion: "PCA9685"),
    FileMistake(
      "{name: servos, chip: PCA9685, bus: hand, address: 0x40, frequency_hz: 100, oscillator_hz: 25000000}",
      "{name: servos, chip: sysfs, bus: hand, frequency_hz: 100}", key: "pwm_chips[0].bus",
      found: "an unknown key", expected: "one of name, chip, device, frequency_hz"),
    FileMistake(
      "{name: servos, chip: PCA9685, bus: hand, address: 0x40, frequency_hz: 100, oscillator_hz: 25000000}",
      "{name: servos, chip: sysfs, frequency_hz: 100001}", key: "pwm_chips[0].frequency_hz",
      found: "100001", expected: "a number from 1 to 100000"),
  ]

  @Test(
    "a mistake in a servo's wiring is one error with its line, key, finding and remedy",
    arguments: servoMistakes)
  func servoMistake(_ mistake: FileMistake) throws {
    let text = try mistake.apply(to: ShippedFiles.text(Self.servoFile))
    var errors = boardErrors(text)
    // Every joint of the file hangs on the one chip: an unreadable frequency is no servo's frequency either.
    if mistake.key == "pwm_chips[0].frequency_hz" { errors = errors.filter { $0.keyPath == mistake.key } }
    try mistake.check(errors, in: text, file: "board.yaml")
  }

  @Test("a chip whose pulses no servo takes is refused at each servo", arguments: ["49.9", "334", "1526"])
  func frame(hertz: String) throws {
    let text = try ShippedFiles.text(Self.servoFile)
      .replacing("frequency_hz: 100, oscillator", with: "frequency_hz: \(hertz), oscillator")
    let errors = boardErrors(text)
    #expect(errors.map(\.keyPath) == (0..<5).map { "joints[\($0)].actuator.pwm" })
    #expect(errors.allSatisfy { $0.expected.contains("50 to 333") })
  }

  private func motorBoard(_ actuator: String) throws -> String {
    try ShippedFiles.text("Boards/sim.yaml").replacing(
      "actuator: {pwm: pwm-a, channel: 0, direction_line: {line: DIR-0}}", with: "actuator: \(actuator)")
  }

  @Test("each bridge is read with its outputs and lines")
  func bridges() throws {
    func actuator(_ text: String) throws -> ActuatorWiring {
      try Board(yaml: motorBoard(text), file: "board.yaml").joints[0].actuator
    }
    func line(_ name: String) -> LineSpec { LineSpec(chip: "", line: name, activeLow: false, bias: .none) }
    let fault = LineSpec(chip: "", line: "F", activeLow: true, bias: .pullUp)
    let output = PWMOutput(chip: 0, channel: 0)
    #expect(
      try actuator(
        "{kind: motor, pwm: pwm-a, channel: 0, direction_line: {line: D}, "
          + "fault_line: {line: F, active_low: true, bias: pull-up}}")
        == .motor(.phaseEnable(output, direction: line("D")), faultLine: fault))
    #expect(
      try actuator("{bridge: TB6612, pwm: pwm-a, channel: 0, in1_line: {line: A}, in2_line: {line: B}}")
        == .motor(.tb6612(output, in1: line("A"), in2: line("B")), faultLine: nil))
    #expect(
      try actuator(
        "{bridge: DRV8833, pwm: pwm-b, in1_channel: 14, in2_channel: 15, "
          + "fault_line: {line: F, active_low: true, bias: pull-up}}")
        == .motor(
          .drv8833(in1: PWMOutput(chip: 1, channel: 14), in2: PWMOutput(chip: 1, channel: 15)),
          faultLine: fault))
  }

  static let bridgeMistakes: [(String, key: String, expected: String)] = [
    ("{bridge: TB6612, pwm: pwm-a, channel: 0, in1_line: {line: A}}", "in2_line", "a mapping"),
    (
      "{bridge: TB6612, pwm: pwm-a, channel: 0, in1_line: {line: A}, in2_line: {line: A}}", "in2_line.line",
      "a line of its own for IN2 of thumb-proximal"
    ),
    (
      "{bridge: TB6612, pwm: pwm-a, channel: 0, in1_line: {line: A}, in2_line: {line: B}, "
        + "fault_line: {line: F, active_low: true}}", "fault_line", "one of kind"
    ),
    ("{bridge: DRV8833, pwm: pwm-b, in1_channel: 14}", "in2_channel", "an integer from 0 to 15"),
    (
      "{bridge: DRV8833, pwm: pwm-b, in1_channel: 14, in2_channel: 14}", "in2_channel",
      "a channel no other joint uses"
    ),
    (
      "{bridge: DRV8833, pwm: pwm-b, in1_channel: 14, in2_channel: 15, fault_line: {line: F}}",
      "fault_line.active_low", "pulls nFAULT low"
    ),
    (
      "{bridge: DRV8833, pwm: pwm-b, in1_channel: 14, in2_channel: 15, "
        + "fault_line: {line: F, active_low: true, bias: pull-down}}", "fault_line.bias", "open drain"
    ),
    ("{bridge: L298, pwm: pwm-a, channel: 0, direction_line: {line: D}}", "bridge", "phase-enable, TB6612"),
  ]

  @Test("a mistake in a bridge's wiring is reported at its key", arguments: bridgeMistakes.indices)
  func bridgeMistake(_ index: Int) throws {
    let (text, key, expected) = Self.bridgeMistakes[index]
    let errors = boardErrors(try motorBoard(text))
    let error = try #require(errors.first, "\(text) was accepted")
    #expect(errors.count == 1, "\(errors)")
    #expect(error.keyPath == "joints[0].actuator.\(key)" && error.expected.contains(expected), "\(error)")
  }

  static let calibrationMistakes: [FileMistake] = [
    FileMistake(
      "us_per_rad: 636.6 #", "us_per_rad: 6.366 #", key: "defaults.servo.us_per_rad", found: "6.366",
      expected: "at least 50.0"),
    FileMistake(
      "minimum_us: 600", "minimum_us: 900", key: "defaults.servo.minimum_us", found: "900.0 for thumb",
      expected: "the shortest pulse of its range with the correction"),
    FileMistake(
      "maximum_us: 2400", "maximum_us: 2100", key: "defaults.servo.maximum_us", found: "2100.0 for thumb",
      expected: "the longest pulse of its range with the correction"),
    FileMistake(
      "angle_rate_rad_per_s: 8.7", "angle_rate_rad_per_s: 4.0", key: "defaults.servo.angle_rate_rad_per_s",
      found: "4.0 for thumb", expected: "more than limits.velocity_rad_per_s (4.0)"),
    FileMistake(
      "damping_ratio: 0.8", "damping_ratio: 0", key: "defaults.servo.damping_ratio", found: "0",
      expected: "a number from 0.05 to 10"),
    FileMistake(
      "delay_s: 0.004", "delay_s: 4", key: "defaults.servo.delay_s", found: "4",
      expected: "a number from 0 to 0.2"),
    FileMistake(
      "  index: {encoder: {zero_counts: 1490}}",
      "  index: {encoder: {zero_counts: 1490}, motor: {supply_V: 5}}", key: "joints.index.motor",
      found: "a key of another kind of joint", expected: "the board wires this joint to a servo"),
    FileMistake(
      "  index: {encoder: {zero_counts: 1490}}",
      "  index: {encoder: {zero_counts: 1490}, limits: {torque_N_m: 1}}",
      key: "joints.index.limits.torque_N_m",
      found: "a key of another kind of joint", expected: "servo.correction_rad"),
  ]

  @Test("a mistake in a servo's calibration is named with its remedy", arguments: calibrationMistakes)
  func calibrationMistake(_ mistake: FileMistake) throws {
    let text = try mistake.apply(to: ShippedFiles.text("Calibration/servo-hand.yaml"))
    // A default that fits no joint is reported for each; the first is the one looked at.
    let errors = calibrationErrors(text, board: try servoBoard())
    try mistake.check(Array(errors.prefix(1)), in: text, file: "hand.yaml")
    #expect(errors.count <= 5)
  }

  @Test("a servo's section on a joint with a motor is refused")
  func servoOnMotor() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing("  index-distal: {", with: "  index-distal: {servo: {zero_us: 1500}, ")
    let errors = calibrationErrors(text, board: try ShippedFiles.board())
    #expect(errors.map(\.keyPath) == ["joints.index-distal.servo"])
    #expect(errors.first?.expected.contains("wires this joint to a motor") == true)
  }

  @Test("with a current sensor a servo needs its current limit")
  func currentLimit() throws {
    let board = try Board(
      yaml: ShippedFiles.text(Self.servoFile)
        .replacing(
          "pwm_chips:",
          with: """
            current_sensors:
              - {name: c, chip: INA226, bus: hand, address: 0x44, shunt_ohms: 0.05, maximum_amperes: 1.5}
            pwm_chips:
            """
        ).replacing("encoder: ring,", with: "encoder: ring, current_sensor: c,"),
      file: "board.yaml")
    let text = try ShippedFiles.text("Calibration/servo-hand.yaml")
    let errors = calibrationErrors(text, board: board)
    #expect(errors.map(\.keyPath) == ["joints.ring.limits.current_A"])
    let with = text.replacing(
      "  ring: {encoder: {zero_counts: 3420}}",
      with: "  ring: {encoder: {zero_counts: 3420}, limits: {current_A: 1.0}}")
    let calibration = try Calibration(yaml: with, file: "hand.yaml", board: board)
    #expect(
      calibration.joints.map(\.limits.currentAmperes) == [.infinity, .infinity, .infinity, 1, .infinity])
  }

  @Test("one file of defaults serves a board that mixes motors and servos")
  func mixed() throws {
    let board = try Board(
      yaml: ShippedFiles.text("Boards/sim.yaml")
        .replacing(
          "pwm_chips:",
          with: "pwm_chips:\n  - {name: servos, chip: sysfs, frequency_hz: 100}"
        ).replacing(
          "actuator: {pwm: pwm-a, channel: 0, direction_line: {line: DIR-0}}",
          with: "actuator: {kind: servo, pwm: servos, channel: 0}"), file: "board.yaml")
    let servo = try ShippedFiles.text("Calibration/servo-hand.yaml")
    func section(_ name: String, until end: String) throws -> Substring {
      let start = try #require(servo.firstRange(of: "  \(name):")).lowerBound
      return servo[start..<(try #require(servo[start...].firstRange(of: end))).lowerBound]
    }
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml").replacing(
      "{encoder: {zero_counts: 310, sign: -1}, plant: {gravity_N_m: 0.05}}", with: "{}"
    ).replacing(
      "defaults:\n",
      with: "defaults:\n"
        + (try section("servo", until: "  noise:").replacing(
          "angle_rate_rad_per_s: 8.7", with: "angle_rate_rad_per_s: 9"))
        + (try section("servo_gains", until: "joints:")))
    let calibration = try Calibration(yaml: text, file: "hand.yaml", board: board)
    guard case .servo = calibration.joints[0].drive, case .motor = calibration.joints[1].drive else {
      Issue.record("the drives are not those of the board")
      return
    }
    #expect(calibration.joints[0].gains.kp == 0.2 && calibration.joints[1].gains.kp == 1.5)
  }

  @Test("damage to the servo board and its calibration gives valid files or placed errors, never a crash")
  func damage() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of damaged servo files: \(seed)")
    var mutator = Mutator(generator: SeededGenerator(seed: seed))
    let boardText = try ShippedFiles.text(Self.servoFile)
    let calibrationText = try ShippedFiles.text("Calibration/servo-hand.yaml")
    let board = try servoBoard()
    var refused = 0
    for round in 0..<300 {
      for errors in [
        boardErrors(mutator.mutate(boardText)),
        calibrationErrors(mutator.mutate(calibrationText), board: board),
      ] {
        if !errors.isEmpty { refused += 1 }
        for error in errors {
          #expect(error.line >= 1 && !error.expected.isEmpty, "seed \(seed), round \(round): \(error)")
        }
      }
    }
    #expect(refused > 100, "the damage is too gentle to test anything")
  }

  @Test("every command a calibrated servo can be given has a pulse it may see")
  func pulsesInRange() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of commands: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let calibration = try Calibration(
      yaml: ShippedFiles.text("Calibration/servo-hand.yaml"), file: "hand.yaml", board: servoBoard())
    for joint in calibration.joints {
      guard case .servo(let servo) = joint.drive else { continue }
      for _ in 0..<200 {
        let setpoint = Double.random(
          in: joint.limits.lowerRadians...joint.limits.upperRadians, using: &generator)
        let radians =
          setpoint + Double.random(in: -servo.correctionRadians...servo.correctionRadians, using: &generator)
        let unlimited = servo.zeroMicroseconds + servo.microsecondsPerRadian * radians
        #expect(servo.pulseMicroseconds(radians: radians) == unlimited, "seed \(seed): \(radians) rad")
      }
    }
  }
}
