import Devices
import Foundation
import HandRigs
import Simulation
import Testing

@testable import Analysis
@testable import Control
@testable import HandModel
@testable import Runtime

/// The shipped hand with other sensors: 14-bit encoders, INA219, ADS7830 and an inertial sensor.
enum SensorBoard {
  static let encoderChips: [EncoderChip] = [.as5048B, .mt6701, .as5600L]
  private static let encoderAddresses: [EncoderChip: UInt8] = [.as5048B: 0x42, .mt6701: 0x06, .as5600L: 0x50]

  /// Each finger has one encoder of each kind.
  static let board: Board = {
    var board = TestHand.board
    for index in board.encoders.indices {
      let chip = encoderChips[index % 3]
      board.encoders[index].chip = chip
      board.encoders[index].address = encoderAddresses[chip] ?? 0
    }
    for index in board.currentSensors.indices { board.currentSensors[index].chip = .ina219 }
    for index in board.forceSensors.indices {
      board.forceSensors[index].chip = .ads7830
      board.forceSensors[index].input = 7
      board.forceSensors[index].newtonsPerVolt = 5
    }
    board.imus = [IMUSpec(name: "palm", chip: .mpu6050, bus: 0, port: nil, address: 0x68)]
    return board
  }()

  /// The shipped calibration with the same zero angles in each chip's counts.
  static let calibration: Calibration = {
    var calibration = TestHand.calibration
    for joint in calibration.joints.indices {
      let turn = board.encoders[board.joints[joint].encoder].chip.countsPerTurn
      calibration.joints[joint].encoder.zeroCounts *= turn / calibration.joints[joint].encoder.countsPerTurn
      calibration.joints[joint].encoder.countsPerTurn = turn
    }
    return calibration
  }()

  static let design: HandDesign = {
    do { return try HandDesign(board: board, calibration: calibration) } catch { fatalError("\(error)") }
  }()
}

@Suite("A hand with other sensors")
struct SensorBoardTests {
  private func armed(pose: String? = nil) throws -> VirtualHand {
    let hand = try VirtualHand(design: SensorBoard.design)
    hand.command(20, .arm)
    if let pose { hand.command(100, .pose(radians: TestHand.pose(pose), seconds: 0.5)) }
    return hand
  }

  @Test("14-bit and 12-bit encoders side by side: the hand reaches its pose, each joint in its own counts")
  func reachesPose() throws {
    let hand = try armed(pose: "power")
    let records = hand.run(ticks: 1500)
    #expect(records.allSatisfy { $0.fault == .none })
    let last = records[1499]
    for (joint, target) in TestHand.pose("power").enumerated() {
      let record = last.joints[joint]
      #expect(abs(record.positionRadians - target) < 0.02, "joint \(joint)")
      // The recorded word and the measured angle are of one scale.
      let encoder = SensorBoard.calibration.joints[joint].encoder
      let turn = Double(encoder.countsPerTurn)
      var offset = Double(Int(record.encoderCounts) - encoder.zeroCounts)
      if offset > turn / 2 { offset -= turn }
      if offset < -turn / 2 { offset += turn }
      let radians = Double(encoder.sign) * offset * 2 * .pi / turn
      #expect(abs(record.measuredRadians - radians) < 1e-12, "joint \(joint)")
    }
  }

  @Test("currents and forces come through INA219 and ADS7830 as through the chips they stand in for")
  func currentsAndForces() throws {
    // Two hands of one seed push the same object with their index finger.
    let hands = try [VirtualHand(), armed(pose: "power")]
    hands[0].command(20, .arm)
    hands[0].command(100, .pose(radians: TestHand.pose("power"), seconds: 0.5))
    // 10 mrad into an object of 20 N·m/rad are 0.2 N·m, 8 N at 25 mm: within the range of either converter.
    let contact = TestHand.pose("power")[5] - 0.01
    let last = hands.map { hand in
      hand.before(50) { hand.hand.joints[5].setObject(atRadians: contact) }
      return hand.run(ticks: 1000)[999]
    }
    let forces = last.map { $0.joints[5].forceNewtons }
    #expect(forces[0] > 0.5, "the finger pushes")
    // One count of the ADS7830 is 2.5 V / 256 · 5 N/V = 49 mN.
    #expect(abs(forces[1] - forces[0]) < 0.1)
    for joint in 0..<15 {
      #expect(abs(last[1].joints[joint].currentAmperes - last[0].joints[joint].currentAmperes) < 0.05)
    }
  }

  @Test("the inertial sample of the hand is in every record; without a sensor it is NaN")
  func inertial() throws {
    let hand = try armed()
    let moving = InertialSample(
      accelerationMetresPerSecondSquared: Vector3(x: 1, y: -2, z: 9),
      rotationRadiansPerSecond: Vector3(x: 0.1, y: 0.2, z: -0.3))
    hand.before(100) { hand.hand.imu?.setMotion(moving) }
    let records = hand.run(ticks: 300)
    #expect(records[99].inertial.accelerationMetresPerSecondSquared.z == MPU6050.standardGravity)
    let found = records[299].inertial
    // Half a count: 0.6 mm/s² and 0.13 mrad/s.
    #expect(abs(found.accelerationMetresPerSecondSquared.x - 1) < 0.7e-3)
    #expect(abs(found.accelerationMetresPerSecondSquared.y + 2) < 0.7e-3)
    #expect(abs(found.accelerationMetresPerSecondSquared.z - 9) < 0.7e-3)
    #expect(abs(found.rotationRadiansPerSecond.x - 0.1) < 0.15e-3)
    #expect(abs(found.rotationRadiansPerSecond.y - 0.2) < 0.15e-3)
    #expect(abs(found.rotationRadiansPerSecond.z + 0.3) < 0.15e-3)
    let plain = try VirtualHand().run(ticks: 50)
    #expect(plain.allSatisfy { $0.inertial.accelerationMetresPerSecondSquared.x.isNaN })
    #expect(plain.allSatisfy { $0.inertial.rotationRadiansPerSecond.z.isNaN })
  }

  @Test(
    "a failed inertial reading is no value and no fault",
    arguments: [BusFault.nack(I2CAddress(0x68)), .shortRead(nil)])
  func inertialGone(fault: BusFault) throws {
    let hand = try armed()
    hand.before(100) { hand.hand.buses[0].inject(fault) }
    hand.before(200) { hand.hand.buses[0].clearFaults() }
    let records = hand.run(ticks: 300)
    #expect(!records[99].inertial.accelerationMetresPerSecondSquared.z.isNaN)
    #expect(records[199].inertial.accelerationMetresPerSecondSquared.z.isNaN)
    #expect(!records[299].inertial.accelerationMetresPerSecondSquared.z.isNaN)
    #expect(records.allSatisfy { $0.fault == .none })
    #expect(records[299].state == .armed)
  }

  @Test("a bus that fails takes its inertial sample with it, in the same cycle")
  func inertialBusGone() throws {
    let hand = try armed()
    hand.before(100) { hand.hand.buses[0].inject(.hang(nanoseconds: 100_000)) }
    hand.before(200) { hand.hand.buses[0].clearFaults() }
    let records = hand.run(ticks: 300)
    #expect(!records[99].inertial.accelerationMetresPerSecondSquared.z.isNaN)
    for record in records[100..<200] {
      #expect(record.inertial.accelerationMetresPerSecondSquared.z.isNaN, "tick \(record.sequence)")
    }
    #expect(!records[299].inertial.accelerationMetresPerSecondSquared.z.isNaN)
  }

  @Test("an inertial sensor that fell asleep shows no old values")
  func inertialAsleep() throws {
    let hand = try armed()
    hand.before(100) { hand.hand.imu?.reset(at: hand.clock.now()) }
    let records = hand.run(ticks: 1500)
    #expect(records[1499].inertial.accelerationMetresPerSecondSquared.z.isNaN)
    #expect(records.allSatisfy { $0.fault == .none })
  }

  @Test("an AS5048B without its magnet is an implausible sensor in its turn of the health checks")
  func magnet() throws {
    let hand = try armed()
    hand.before(100) {
      let encoder = hand.hand.encoders[3] as? SimulatedAS5048B
      encoder?.setDiagnostics(AS5048BDiagnostics(flags: 0b1001, automaticGain: 255, magnitude: 10))
    }
    let records = hand.run(ticks: 800) { $0.state == .fault }
    let last = try #require(records.last)
    #expect(last.fault == .implausibleSensor && last.faultJoint == 3)
  }

  @Test(
    "a current sensor after a brown-out, which reads no current for ever, is an implausible sensor",
    arguments: [false, true])
  func currentSensorBrownOut(isINA219: Bool) throws {
    let hand = try isINA219 ? armed() : VirtualHand()
    if !isINA219 { hand.command(20, .arm) }
    hand.before(100) {
      let now = hand.clock.now()
      (hand.hand.currentSensors[4] as? SimulatedINA219)?.powerCycle(at: now)
      (hand.hand.currentSensors[4] as? SimulatedINA226)?.powerCycle(at: now)
    }
    let records = hand.run(ticks: 900) { $0.state == .fault }
    let last = try #require(records.last)
    #expect(last.fault == .implausibleSensor && last.faultJoint == 4)
  }

  @Test("an encoder that is well does not excuse a current sensor that is not")
  func separateHealth() throws {
    // The encoders' turns come before and after the current sensor's: the fault must stand through them.
    let hand = try VirtualHand(design: SensorBoard.design)
    hand.before(30) {
      (hand.hand.currentSensors[3] as? SimulatedINA219)?.powerCycle(at: hand.clock.now())
    }
    hand.command(1500, .arm)
    let records = hand.run(ticks: 1600)
    #expect(records.allSatisfy { $0.state != .armed }, "a hand with a blind current sensor arms not")
  }

  /// By hand, 1 MHz and 20 µs a transfer. Thumb: three selections 120 µs, three words 204 µs, and of the round the
  /// inertial block 156 + 20 = 176 µs: 500 µs. Index: of the round two words of an INA219's health, 136 µs: 460 µs.
  @Test("the bus plan prices each chip's transfers by their bits")
  func plan() {
    let plan = BusPlan(SensorBoard.board)
    #expect(plan.schedules[0].samplingNanoseconds == 500_000)
    #expect(plan.schedules[1].samplingNanoseconds == 460_000)
    #expect(plan.costs[0].last?.bits == 156)
    #expect(plan.costs[1].last?.bits == 48 && plan.costs[1].last?.count == 2)
    let devices = BoardReport(board: SensorBoard.board, design: nil, refusal: nil).buses[0].devices
    #expect(devices.contains("MPU6050 palm at 0x68"))
    #expect(devices.contains("INA219 thumb-distal at 0x45"))
    #expect(devices.contains("ADS7830 thumb-tip at 0x48"))
    #expect(devices.contains("MT6701 thumb-intermediate at 0x06 behind thumb-mux channel 1"))
  }

  @Test("an inertial sensor that is not there keeps the hand from starting, by name")
  func startUp() throws {
    var board = SensorBoard.board
    board.imus[0].address = 0x69
    let clock = VirtualClock()
    let hand = SimulatedHand(
      board: SensorBoard.board, calibration: SensorBoard.calibration, seed: 1, clock: clock)
    let worker = try BusWorker(
      schedule: BusPlan(board).schedules[0], board: board, bus: hand.buses[0], hardware: hand)
    let failures = worker.configure(clock: clock)
    #expect(failures.map(\.device.description) == ["MPU6050 palm"])
    #expect(failures.first?.i2cFailure == .nack)
  }
}
