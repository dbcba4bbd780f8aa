import Devices
import Simulation
import Testing

@testable import HandModel

/// Drives a whole simulated hand through the real drivers, as a bus schedule would, in virtual time.
private final class HandRunner {
  static let period: Int64 = 1_000_000

  let clock = VirtualClock(nanoseconds: 1_000_000_000)
  let hand: SimulatedHand
  private let encoders: [AS5600]
  private let currents: [INA226]
  private let forces: [ADS1115]
  private let selectors: [MultiplexerSelector]
  private let pwm: PCA9685
  private(set) var ticks = 0
  private(set) var counts = [UInt16](repeating: 0, count: 15)
  private(set) var amperes = [Double](repeating: 0, count: 15)
  private(set) var forceCounts = [Int16](repeating: 0, count: 5)

  init(seed: UInt64) throws {
    let board = TestHand.board()
    let hand = SimulatedHand(
      board: board, calibration: TestHand.calibration(), seed: seed, clock: clock)
    self.hand = hand
    encoders = board.encoders.map { AS5600(name: $0.name, bus: hand.buses[$0.bus], address: $0.address) }
    currents = try board.currentSensors.map {
      try INA226(
        name: $0.name, bus: hand.buses[$0.bus], address: $0.address, shuntOhms: $0.shuntOhms,
        maximumAmperes: $0.maximumAmperes)
    }
    forces = board.forceSensors.map {
      ADS1115(name: $0.name, bus: hand.buses[$0.bus], address: $0.address)
    }
    selectors = board.multiplexers.map {
      MultiplexerSelector([TCA9548A(name: $0.name, bus: hand.buses[$0.bus], address: $0.address)])
    }
    pwm = try PCA9685(
      name: "pwm", bus: hand.buses[0], address: 0x60, frequencyHertz: board.pwmChips[0].frequencyHertz)
    var ready = try pwm.configure()
    for joint in 0..<15 {
      try selectors[joint / 3].select(0, channel: UInt8(joint % 3))
      try currents[joint].identify()
      try currents[joint].configure()
      ready = max(ready, hand.buses[joint / 3].timeNanoseconds)
    }
    clock.sleep(until: (ready / Self.period + 1) * Self.period)
  }

  /// One tick: drive, then all buses from the same time.
  func tick(duties: [UInt16], reverse: Bool) throws {
    let start = clock.now()
    for joint in 0..<15 { hand.directionLine(joint).setActive(reverse) }
    for bus in 0..<5 {
      if bus == 0 { try pwm.setDuty(first: 0, counts: duties.span) }
      for channel in 0..<3 {
        let joint = 3 * bus + channel
        try selectors[bus].select(0, channel: UInt8(channel))
        counts[joint] = try encoders[joint].readRawAngle()
        if ticks % 3 == channel { amperes[joint] = try currents[joint].readCurrentAmperes() }
      }
      if forces[bus].isDue(at: hand.buses[bus].timeNanoseconds) {
        forceCounts[bus] = try forces[bus].readConversion()
      }
      if ticks % 4 == 0 { try forces[bus].startConversion(input: 1) }
    }
    ticks += 1
    clock.set(start + Self.period)
  }
}

@Suite struct SimulatedHandTests {
  @Test("two hands of one seed are identical to the bit after 5 s of driving, another seed is not")
  func determinism() throws {
    func run(_ seed: UInt64) throws -> ([UInt64], [SimulatedJoint.Truth], [Int16]) {
      let runner = try HandRunner(seed: seed)
      runner.hand.driveEnable.setActive(true)
      runner.hand.joints[2].setObject(atRadians: 0.7)
      // FNV-1a over every sample of the run.
      var hash = [UInt64](repeating: 0xCBF2_9CE4_8422_2325, count: 15)
      for tick in 0..<5000 {
        let duty = UInt16(100 + (tick * 7) % 500)
        try runner.tick(duties: Array(repeating: duty, count: 15), reverse: tick / 300 % 2 == 1)
        for joint in 0..<15 {
          hash[joint] = (hash[joint] ^ UInt64(runner.counts[joint])) &* 0x100_0000_01B3
          hash[joint] = (hash[joint] ^ runner.amperes[joint].bitPattern) &* 0x100_0000_01B3
        }
      }
      let now = runner.clock.now()
      return (hash, runner.hand.joints.map { $0.truth(at: now) }, runner.forceCounts)
    }
    let first = try run(7)
    let second = try run(7)
    let third = try run(8)
    #expect(first == second)
    #expect(first.0 != third.0)
    // Same drive, other noise: the open-loop motion is the same.
    #expect(first.1 == third.1)
  }

  @Test("each joint's chips, line and channel belong together")
  func wiring() throws {
    let board = TestHand.board()
    for joint in 0..<15 {
      let runner = try HandRunner(seed: 1)
      runner.hand.driveEnable.setActive(true)
      var duties = [UInt16](repeating: 0, count: 15)
      duties[joint] = 1000
      for _ in 0..<30 { try runner.tick(duties: duties, reverse: false) }
      for other in 0..<15 {
        let radians = Double(Int(runner.counts[other]) - 2048) * 2 * .pi / 4096
        #expect((radians > 0.11) == (other == joint))
        #expect((abs(runner.amperes[other]) > 0.01) == (other == joint))
      }
      #expect(
        runner.hand.line(for: board.joints[joint].actuator.lines[0]) === runner.hand.directionLine(joint)
      )
    }
  }

  @Test("a fingertip on an object reads its force through the converter")
  func force() throws {
    let runner = try HandRunner(seed: 1)
    runner.hand.driveEnable.setActive(true)
    runner.hand.joints[5].setObject(atRadians: 0.3)
    for _ in 0..<1000 { try runner.tick(duties: Array(repeating: 400, count: 15), reverse: false) }
    // Stall torque 0.7 N·m/A · 12 V · 400/4096 / 5 Ω at 25 mm, 10 N/V.
    let newtons = 0.7 * 12 * 400 / 4096 / 5 / 0.025
    #expect(abs(ADS1115.volts(runner.forceCounts[1]) * 10 - newtons) < 0.01)
    #expect(runner.forceCounts[0] == 0)
  }

  @Test("dropping the drive-enable line takes current and torque away at once, with the duty still set")
  func driveEnable() throws {
    let runner = try HandRunner(seed: 1)
    let duties = [UInt16](repeating: 2000, count: 15)
    for _ in 0..<20 { try runner.tick(duties: duties, reverse: false) }
    #expect(runner.hand.joints.allSatisfy { $0.truth(at: runner.clock.now()).radians == 0.1 })
    runner.hand.driveEnable.setActive(true)
    for _ in 0..<20 { try runner.tick(duties: duties, reverse: false) }
    #expect(runner.amperes.allSatisfy { $0 > 0.1 })
    runner.hand.driveEnable.setActive(false)
    let speeds = runner.hand.joints.map { $0.truth(at: runner.clock.now()).radiansPerSecond }
    for _ in 0..<20 { try runner.tick(duties: duties, reverse: false) }
    #expect(runner.amperes.allSatisfy { $0 == 0 })
    for (joint, speed) in zip(runner.hand.joints, speeds) {
      #expect(joint.truth(at: runner.clock.now()).radiansPerSecond < speed)
    }
  }

  @Test("lines rest safe: nothing live, no stop pressed; the button works")
  func lines() {
    let clock = VirtualClock()
    let hand = SimulatedHand(
      board: TestHand.board(), calibration: TestHand.calibration(), seed: 1, clock: clock)
    #expect(!hand.driveEnable.isActive)
    #expect(!hand.eStopLine.isActive)
    hand.eStopLine.press()
    #expect(hand.eStopLine.isActive)
    hand.eStopLine.release()
    #expect(!hand.eStopLine.isActive)
    #expect(hand.line(for: TestHand.driveEnable) === hand.driveEnable)
    #expect(hand.line(for: TestHand.directionLine(99)) == nil)
    #expect(hand.joints.allSatisfy { $0.truth(at: 0).radians == 0.1 })
  }
}
