import Testing

@testable import HandFiles
@testable import HandModel

/// The sensors of a board file and what follows from them in a calibration file.
@Suite("Sensors in board and calibration files")
struct SensorFileTests {
  private static let encoder = "{name: thumb-proximal, chip: AS5600, bus: thumb, address: 0x36"
  private static let sensor =
    "{name: thumb-proximal, chip: INA226, bus: thumb, address: 0x41, shunt_ohms: 0.075, maximum_amperes: 1.0}"
  private static let tip = "{name: thumb-tip, chip: ADS1115, bus: thumb, address: 0x48, input: 0,"
  private static let palm = "\nimus:\n  - {name: palm, chip: MPU6050, bus: index, address: 0x68}\n"

  static let mistakes: [FileMistake] = [
    // Addresses by chip.
    FileMistake(
      encoder, "{name: thumb-proximal, chip: AS5048B, bus: thumb, address: 0x44", key: "encoders[0].address",
      found: "0x44", expected: "an integer from 0x40 to 0x43"),
    FileMistake(
      encoder, "{name: thumb-proximal, chip: MT6701, bus: thumb, address: 0x36", key: "encoders[0].address",
      found: "0x36", expected: "an integer from 0x6 to 0x6"),
    FileMistake(
      encoder, "{name: thumb-proximal, chip: AS5600L, bus: thumb, address: 0x78", key: "encoders[0].address",
      found: "0x78", expected: "an integer from 0x8 to 0x77"),
    FileMistake(
      encoder, "{name: thumb-proximal, chip: AS5048A, bus: thumb, address: 0x40", key: "encoders[0].chip",
      found: "AS5048A", expected: "one of AS5600, AS5600L, AS5048B, MT6701", suggestion: "AS5048B"),
    FileMistake(
      "bus: actuators, address: 0x40", "bus: thumb, address: 0x41", at: "name: pwm-a",
      key: "pwm_chips[0].address", found: "0x41, the address of thumb-proximal on the same bus",
      expected: "an address of its own"),
    // Currents.
    FileMistake(
      sensor, sensor.replacing("INA226", with: "INA219").replacing("1.0}", with: "4.3}"),
      key: "current_sensors[0].maximum_amperes", found: "4.3", expected: "320.0 mV over 0.075 ohms"),
    FileMistake(
      sensor, sensor.replacing("INA226", with: "INA220"), key: "current_sensors[0].chip", found: "INA220",
      expected: "one of INA226, INA219", suggestion: "INA226"),
    // Forces.
    FileMistake(
      tip, tip.replacing("input: 0", with: "input: 4"), key: "force_sensors[0].input", found: "4",
      expected: "an integer from 0 to 3"),
    FileMistake(
      tip, tip.replacing("ADS1115", with: "ADS7830").replacing("input: 0", with: "input: 8"),
      key: "force_sensors[0].input", found: "8", expected: "an integer from 0 to 7"),
    FileMistake(
      tip, tip.replacing("ADS1115", with: "ADS7830") + " external_reference_volts: 6,",
      key: "force_sensors[0].external_reference_volts", found: "6", expected: "a number from 0.05 to 5.25"),
    FileMistake(
      tip, tip + " external_reference_volts: 3.3,", at: "external_reference_volts",
      key: "force_sensors[0].external_reference_volts", found: "an unknown key", expected: "one of name, chip"
    ),
    FileMistake(
      "force_sensors:\n",
      "force_sensors:\n  - {name: pad, chip: ADS7830, bus: thumb, address: 0x48, input: 3, newtons_per_volt: 5, joint: thumb-proximal}\n",
      at: "ADS1115", key: "force_sensors[1].chip", found: "ADS1115",
      expected: "ADS7830, as pad at the same address has it"),
    // Inertial sensor.
    FileMistake(
      "\njoints:", palm.replacing("0x68", with: "0x6A") + "\njoints:", at: "address: 0x6A",
      key: "imus[0].address", found: "0x6A", expected: "an integer from 0x68 to 0x69"),
    FileMistake(
      "\njoints:", palm.replacing("MPU6050", with: "MPU9250") + "\njoints:", at: "MPU9250",
      key: "imus[0].chip", found: "MPU9250", expected: "MPU6050", suggestion: "MPU6050"),
    FileMistake(
      "\njoints:", palm + "  - {name: wrist, chip: MPU6050, bus: index, address: 0x69}\n\njoints:",
      at: "- {name: palm",
      key: "imus", found: "a list of 2", expected: "a list of 0 to 1"),
  ]

  @Test("a mistake is one error with its line, key, finding and remedy", arguments: mistakes)
  func mistake(_ mistake: FileMistake) throws {
    let text = try mistake.apply(to: ShippedFiles.text("Boards/sim.yaml"))
    try mistake.check(boardErrors(text), in: text, file: "board.yaml")
  }

  @Test("the inputs of one ADS7830 share its reference")
  func reference() throws {
    let two = """
      force_sensors:
        - {name: a, chip: ADS7830, bus: index, address: 0x4B, input: 0, newtons_per_volt: 5, joint: thumb-proximal, external_reference_volts: 3.3}
        - {name: b, chip: ADS7830, bus: index, address: 0x4B, input: 7, newtons_per_volt: 5, joint: thumb-intermediate}
      """
    let text = try ShippedFiles.text("Boards/sim.yaml").replacing("force_sensors:", with: two)
    #expect(boardErrors(text).map(\.keyPath) == ["force_sensors[1].external_reference_volts"])
    let mended = text.replacing(
      "joint: thumb-intermediate}", with: "joint: thumb-intermediate, external_reference_volts: 3.3}")
    let board = try Board(yaml: mended, file: "board.yaml")
    #expect(board.forceSensors.prefix(2).map(\.chip) == [.ads7830, .ads7830])
    #expect(board.forceSensors.prefix(3).map(\.externalReferenceVolts) == [3.3, 3.3, nil])
    #expect(board.forceSensors[1].input == 7)
  }

  /// A board whose thumb has an encoder of each 14-bit kind, a current sensor at the INA219's full scale and an
  /// inertial sensor.
  private func mixedBoard() throws -> Board {
    let text = try ShippedFiles.text("Boards/sim.yaml")
      .replacing(Self.encoder, with: "{name: thumb-proximal, chip: AS5048B, bus: thumb, address: 0x40")
      .replacing(
        "{name: thumb-distal, chip: AS5600, bus: thumb, address: 0x36",
        with: "{name: thumb-distal, chip: MT6701, bus: thumb, address: 0x06"
      )
      .replacing(
        Self.sensor,
        with:
          "{name: thumb-proximal, chip: INA219, bus: thumb, address: 0x41, shunt_ohms: 0.1, maximum_amperes: 3.2}"
      )
      .replacing("\njoints:", with: Self.palm + "\njoints:")
    return try Board(yaml: text, file: "board.yaml")
  }

  @Test("a board may mix chips, up to the full scale of each")
  func mixed() throws {
    let board = try mixedBoard()
    #expect(board.encoders.prefix(4).map(\.chip) == [.as5048B, .as5600, .mt6701, .as5600])
    #expect(board.encoders.prefix(3).map(\.chip.countsPerTurn) == [16_384, 4096, 16_384])
    #expect(board.currentSensors[0].chip == .ina219 && board.currentSensors[1].chip == .ina226)
    #expect(board.imus == [IMUSpec(name: "palm", chip: .mpu6050, bus: 1, port: nil, address: 0x68)])
    #expect(try Board(yaml: ShippedFiles.text("Boards/sim.yaml"), file: "sim.yaml").imus.isEmpty)
  }

  @Test("a zero may lie anywhere in the turn of the joint's own chip")
  func zeroCounts() throws {
    let board = try mixedBoard()
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
    let proximal = "thumb-proximal: {encoder: {zero_counts: 310,"
    func errors(_ counts: Int, _ board: Board) -> [ConfigurationError] {
      calibrationErrors(
        text.replacing(proximal, with: "thumb-proximal: {encoder: {zero_counts: \(counts),"), board: board)
    }
    #expect(errors(16_383, board).isEmpty)
    #expect(errors(16_384, board).map(\.expected) == ["an integer from 0 to 16383"])
    #expect(errors(4096, try ShippedFiles.board()).map(\.expected) == ["an integer from 0 to 4095"])
    let calibration = try Calibration(yaml: text, file: "hand.yaml", board: board)
    #expect(calibration.joints.prefix(4).map(\.encoder.countsPerTurn) == [16_384, 4096, 16_384, 4096])
  }

  @Test("a zero from the defaults that only some chips can have is reported for each joint that cannot")
  func defaultZero() throws {
    let board = try mixedBoard()
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing("zero_counts: 0 #", with: "zero_counts: 5000 #")
      .replacing("encoder: {zero_counts: 310, sign: -1}", with: "encoder: {sign: -1}")
      .replacing("encoder: {zero_counts: 705, sign: -1}", with: "encoder: {sign: -1}")
    // thumb-proximal has 14 bits, thumb-intermediate 12.
    let errors = calibrationErrors(text, board: board)
    #expect(errors.map(\.found) == ["5000"])
    #expect(errors.map(\.expected) == ["an integer from 0 to 4095"])
    #expect(errors.map(\.keyPath) == ["defaults.encoder.zero_counts"])
  }
}
