import Devices
import Simulation

@testable import HandModel

/// Boards and calibrations made in code. Five fingers of three joints, one 1 MHz bus a finger: a multiplexer at
/// 0x71 with encoder and current sensor of each joint on channels 0...2, a force converter on the bus itself,
/// and one PWM chip on the first bus.
enum TestHand {
  static let jointsPerFinger = 3
  static let driveEnable = LineSpec(chip: "", line: "DRIVE-ENABLE", activeLow: false, bias: .pullDown)
  static let eStopLine = LineSpec(chip: "", line: "ESTOP", activeLow: false, bias: .pullUp)

  static func directionLine(_ joint: Int) -> LineSpec {
    LineSpec(chip: "", line: "DIR\(joint)", activeLow: false, bias: .none)
  }

  static func board(fingers: Int = 5) -> Board {
    let jointCount = fingers * jointsPerFinger
    let port = { (joint: Int) in
      MultiplexerPort(multiplexer: joint / jointsPerFinger, channel: UInt8(joint % jointsPerFinger))
    }
    return Board(
      name: "test", platform: .simulated,
      control: ControlSettings(
        rateHertz: 1000, windowTicks: 1000, uncertifiedBudgetTicks: 20,
        commandTimeoutNanoseconds: 100_000_000, staleSampleNanoseconds: 5_000_000,
        overrunBudgetTicks: 10),
      buses: (0..<fingers).map {
        BusSpec(name: "finger\($0)", device: "", clockHertz: 1_000_000, transferOverheadNanoseconds: 5_000)
      },
      multiplexers: (0..<fingers).map { MultiplexerSpec(name: "mux\($0)", bus: $0, address: 0x71) },
      encoders: (0..<jointCount).map {
        EncoderSpec(
          name: "encoder\($0)", chip: .as5600, bus: $0 / jointsPerFinger, port: port($0), address: 0x36)
      },
      currentSensors: (0..<jointCount).map {
        CurrentSensorSpec(
          name: "current\($0)", bus: $0 / jointsPerFinger, port: port($0), address: 0x40,
          shuntOhms: 0.05, maximumAmperes: 1.5)
      },
      forceSensors: (0..<fingers).map {
        ForceSensorSpec(
          name: "force\($0)", bus: $0, port: nil, address: 0x48, input: 1, newtonsPerVolt: 10,
          joint: $0 * jointsPerFinger + 2)
      },
      pwmChips: [
        PWMChipSpec(
          name: "pwm", chip: .pca9685(bus: 0, address: 0x60, oscillatorHertz: 25_000_000),
          frequencyHertz: 1500)
      ],
      joints: (0..<jointCount).map {
        JointWiring(
          name: "joint\($0)", encoder: $0, currentSensor: $0,
          actuator: .motor(
            .phaseEnable(PWMOutput(chip: 0, channel: $0), direction: directionLine($0)), faultLine: nil))
      },
      driveEnable: driveEnable, eStopLine: eStopLine)
  }

  /// Its current sensors have no noise, so that a current can be compared with 0.
  static func calibration(joints: Int = 15) -> Calibration {
    Calibration(
      hand: "test",
      joints: (0..<joints).map {
        var joint = joint("joint\($0)")
        joint.currentNoiseAmperes = 0
        return joint
      },
      poses: [Pose(name: "open", radians: Array(repeating: 0.1, count: joints))])
  }

  /// The nominal joint of docs/control.md; 0.7 N·m at 1 A.
  static func joint(_ name: String = "joint") -> JointCalibration {
    JointCalibration(
      name: name, encoder: EncoderCalibration(zeroCounts: 2048, sign: 1),
      limits: JointLimits(
        lowerRadians: 0, upperRadians: 1.57, radiansPerSecond: 8, radiansPerSecondSquared: 200,
        currentAmperes: 1.2, trackingErrorRadians: 0.3),
      drive: .motor(
        MotorDrive(
          plant: PlantParameters(
            inertiaKilogramSquareMetres: 2.5e-3, dampingNewtonMetreSeconds: 0.02, coulombNewtonMetres: 0,
            gravityNewtonMetres: 0),
          motor: MotorParameters(
            torqueConstantNewtonMetresPerAmpere: 0.7, backEMFVoltSecondsPerRadian: 0.5, resistanceOhms: 5,
            supplyVolts: 12, deadBandDuty: 0), torqueLimitNewtonMetres: 0.7,
          torqueRateNewtonMetresPerSecond: 100, torqueNoiseNewtonMetres: 0.01)),
      encoderNoiseRadians: 0.55e-3,
      gains: GainSet(kp: 1.5, kd: 0.06, km: 0.8, lambdaPerSecond: 0.115, backCalculation: 0.02))
  }
}

/// Writes down what passes over a bus: `36w 0c` for a write, `36w 0c r 09 ff` for a combined read.
final class TranscriptBus: I2CBus {
  private let bus: SimulatedBus
  private(set) var transcript: [String] = []

  init(_ bus: SimulatedBus) { self.bus = bus }

  var name: String { bus.name }
  var timeNanoseconds: Int64 { bus.timeNanoseconds }
  func settle() { bus.settle() }

  func takeTranscript() -> [String] {
    defer { transcript = [] }
    return transcript
  }

  func writeByte(_ address: I2CAddress, _ value: UInt8) throws(I2CError) {
    note(address, [value])
    try bus.writeByte(address, value)
  }

  func readByte(_ address: I2CAddress) throws(I2CError) -> UInt8 {
    let value = try bus.readByte(address)
    transcript.append("\(hex(address.value))r \(hex(value))")
    return value
  }

  func writeByteData(_ address: I2CAddress, register: UInt8, _ value: UInt8) throws(I2CError) {
    note(address, [register, value])
    try bus.writeByteData(address, register: register, value)
  }

  func readByteData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt8 {
    let value = try bus.readByteData(address, register: register)
    note(address, [register], read: [value])
    return value
  }

  func writeWordData(_ address: I2CAddress, register: UInt8, _ value: UInt16) throws(I2CError) {
    note(address, [register, UInt8(value & 0xFF), UInt8(value >> 8)])
    try bus.writeWordData(address, register: register, value)
  }

  func readWordData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt16 {
    let value = try bus.readWordData(address, register: register)
    note(address, [register], read: [UInt8(value & 0xFF), UInt8(value >> 8)])
    return value
  }

  func writeBlock(_ address: I2CAddress, register: UInt8, _ bytes: Span<UInt8>) throws(I2CError) {
    var sent = [register]
    for index in 0..<bytes.count { sent.append(bytes[index]) }
    note(address, sent)
    try bus.writeBlock(address, register: register, bytes)
  }

  func readBlock(
    _ address: I2CAddress, register: UInt8, into bytes: inout MutableSpan<UInt8>
  ) throws(I2CError) {
    try bus.readBlock(address, register: register, into: &bytes)
    var read: [UInt8] = []
    for index in 0..<bytes.count { read.append(bytes[index]) }
    note(address, [register], read: read)
  }

  private func note(_ address: I2CAddress, _ written: [UInt8], read: [UInt8] = []) {
    var line = "\(hex(address.value))w " + written.map(hex).joined(separator: " ")
    if !read.isEmpty { line += " r " + read.map(hex).joined(separator: " ") }
    transcript.append(line)
  }

  private func hex(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}

/// A bus under a virtual clock, without software time.
func makeBus(clockHertz: Int = 1_000_000, clock: VirtualClock = VirtualClock()) -> SimulatedBus {
  SimulatedBus(name: "test", clockHertz: clockHertz, transferOverheadNanoseconds: 0, clock: clock)
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
