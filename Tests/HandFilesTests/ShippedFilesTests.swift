import Foundation
import Testing

@testable import HandFiles
@testable import HandModel

/// The files that ship with the package, read as a user's daemon reads them.
enum ShippedFiles {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  static func board() throws -> Board { try Board(yaml: text("Boards/sim.yaml"), file: "sim.yaml") }

  static func calibration() throws -> Calibration {
    try Calibration(
      yaml: text("Calibration/nominal-hand.yaml"), file: "nominal-hand.yaml", board: board())
  }
}

@Suite("The shipped files")
struct ShippedFilesTests {
  @Test("the simulated board is the hand of fifteen joints on five finger buses and an actuator bus")
  func board() throws {
    let board = try ShippedFiles.board()
    #expect(board.platform == .simulated)
    #expect(
      board.control
        == ControlSettings(
          rateHertz: 1000, windowTicks: 1000, uncertifiedBudgetTicks: 20,
          commandTimeoutNanoseconds: 200_000_000, staleSampleNanoseconds: 25_000_000, overrunBudgetTicks: 50))
    #expect(board.control.periodNanoseconds == 1_000_000)
    #expect(board.buses.map(\.name) == ["thumb", "index", "middle", "ring", "little", "actuators"])
    #expect(board.buses.allSatisfy { $0.clockHertz == 1_000_000 && $0.transferOverheadNanoseconds == 20_000 })
    #expect(board.multiplexers.map(\.bus) == [0, 1, 2, 3, 4])
    #expect(board.multiplexers.allSatisfy { $0.address == 0x71 })
    #expect(board.joints.count == 15)
    #expect(board.joints[0].name == "thumb-proximal" && board.joints[14].name == "little-distal")
    for (index, joint) in board.joints.enumerated() {
      let encoder = board.encoders[joint.encoder]
      #expect(encoder.name == joint.name && encoder.bus == index / 3 && encoder.address == 0x36)
      #expect(encoder.port == MultiplexerPort(multiplexer: index / 3, channel: UInt8(index % 3)))
      let sensor = board.currentSensors[try #require(joint.currentSensor)]
      #expect(sensor.name == joint.name && sensor.bus == index / 3 && sensor.port == nil)
      #expect(sensor.address == [0x41, 0x44, 0x45][index % 3])
      let output = PWMOutput(chip: index < 8 ? 0 : 1, channel: index % 8)
      let direction = LineSpec(chip: "", line: "DIR-\(index)", activeLow: false, bias: .none)
      #expect(joint.actuator == .motor(.phaseEnable(output, direction: direction), faultLine: nil))
    }
    #expect(board.forceSensors.map(\.joint) == [2, 5, 8, 11, 14])
    #expect(
      board.pwmChips.map(\.chip)
        == [0x40, 0x41].map { .pca9685(bus: 5, address: $0, oscillatorHertz: 25_000_000) })
    #expect(board.driveEnable == LineSpec(chip: "", line: "DRIVE-ENABLE", activeLow: false, bias: .pullDown))
    #expect(board.eStopLine == LineSpec(chip: "", line: "E-STOP", activeLow: true, bias: .pullDown))
  }

  @Test("a bus may name its own wires for recovery, both or neither")
  func recovery() throws {
    let bus = "{name: thumb, clock_hz: 1000000, transfer_overhead_us: 20"
    func board(_ recovery: String) throws -> Board {
      let text = try ShippedFiles.text("Boards/sim.yaml")
      return try Board(
        yaml: text.replacingOccurrences(of: bus, with: "\(bus), recovery: \(recovery)"), file: "sim.yaml")
    }
    #expect(try ShippedFiles.board().buses[0].recovery == nil)
    let lines = try #require(try board("{scl_line: {line: SCL}, sda_line: {line: SDA}}").buses[0].recovery)
    #expect(lines.clock.line == "SCL" && lines.data.line == "SDA")
    for (text, key) in [
      ("{scl_line: {line: SCL}}", "sda_line"), ("{scl_line: {line: A}, sda_line: {line: A}}", "sda_line"),
    ] {
      let errors = #expect(throws: ConfigurationErrors.self) { try board(text) }
      #expect(errors?.description.contains(key) == true)
    }
  }

  @Test("the nominal hand has the figures of docs/control.md section 2")
  func calibration() throws {
    let calibration = try ShippedFiles.calibration()
    #expect(calibration.joints.map(\.name) == (try ShippedFiles.board()).joints.map(\.name))
    for (index, joint) in calibration.joints.enumerated() {
      #expect(
        joint.motorDrive.plant.inertiaKilogramSquareMetres == 2.5e-3
          && joint.motorDrive.plant.dampingNewtonMetreSeconds == 0.02)
      #expect(joint.motorDrive.plant.gravityNewtonMetres == [0.05, 0.03, 0.015][index % 3])
      #expect(
        joint.gains == GainSet(kp: 1.5, kd: 0.06, km: 0.8, lambdaPerSecond: 0.115, backCalculation: 0.02))
      #expect(joint.motorDrive.torqueLimitNewtonMetres == 0.7 && joint.limits.radiansPerSecond == 8)
      #expect(joint.limits.lowerRadians == 0 && joint.limits.upperRadians >= .pi / 2)
      #expect(joint.encoder.sign == (index < 3 ? -1 : 1))
    }
    // Rounded to the file's three digits: √(0.3² + 1.534²/12) mrad.
    let encoder = (0.3 * 0.3 + 1.534 * 1.534 / 12).squareRoot() / 1000
    #expect(abs(calibration.joints[0].encoderNoiseRadians - encoder) < 5e-7)
  }

  @Test("the poses are the grasps of docs/control.md section 2 in radians")
  func poses() throws {
    let calibration = try ShippedFiles.calibration()
    #expect(calibration.poses.map(\.name) == ["open", "power", "precision", "pointing", "rest"])
    func degrees(_ pose: String) -> [Double] {
      (calibration.poses.first { $0.name == pose }?.radians ?? []).map { ($0 * 1800 / .pi).rounded() / 10 }
    }
    #expect(degrees("open") == [Double](repeating: 0, count: 15))
    #expect(degrees("power") == Array([[Double]](repeating: [60, 72, 60], count: 5).joined()))
    #expect(degrees("precision") == [45, 60, 45, 60, 72, 60] + [Double](repeating: 5.7, count: 9))
    #expect(degrees("pointing") == [60, 60, 60, 0, 0, 0] + [Double](repeating: 90, count: 9))
    #expect(degrees("rest") == Array([[Double]](repeating: [5.7, 8.6, 5.7], count: 5).joined()))
  }
}

/// The parts of a joint with a motor, which all joints of these tests have.
extension JointCalibration {
  var motorDrive: MotorDrive {
    get {
      guard case .motor(let drive) = drive else { preconditionFailure("joint \(name) has no motor") }
      return drive
    }
    set { drive = .motor(newValue) }
  }
}
