import Devices
import Foundation
import Testing

@testable import HandModel
@testable import Simulation

@Suite struct SimulatedJointTests {
  private struct Rig {
    let clock = VirtualClock()
    let kill: SimulatedLine
    let direction: SimulatedLine
    let joint: SimulatedJoint
    private let bridge: SimulatedPhaseEnable

    init(radians: Double = 0.5, seed: UInt64 = 1, _ change: (inout JointCalibration) -> Void = { _ in }) {
      var calibration = TestHand.joint()
      change(&calibration)
      kill = SimulatedLine(TestHand.driveEnable, clock: clock)
      direction = SimulatedLine(TestHand.directionLine(0), clock: clock)
      joint = SimulatedJoint(
        calibration, index: 0, seed: seed, radians: radians, driveEnable: kill, clock: clock)
      bridge = SimulatedPhaseEnable(joint, direction: direction, fault: SimulatedBridgeFault(line: nil))
    }

    func drive(duty: Double, at now: Int64) {
      bridge.outputChanged(duty: duty, periodNanoseconds: 655_360, at: now)
    }
  }

  private static let milliseconds: Int64 = 1_000_000

  /// Room to spin: no end stop in reach.
  private static func unlimited(_ calibration: inout JointCalibration) {
    calibration.limits.lowerRadians = -1000
    calibration.limits.upperRadians = 1000
  }

  @Test("a duty step gives the first-order response of motor and damping", arguments: [1.0, -1.0])
  func stepResponse(sign: Double) {
    let rig = Rig(radians: 0, Self.unlimited)
    let calibration = TestHand.joint()
    rig.kill.setActive(true)
    rig.direction.setActive(sign < 0)
    let start: Int64 = 123_456
    rig.drive(duty: 0.25, at: start)
    // w = w∞ (1 − e^(−t/T)), q = w∞ (t − T (1 − e^(−t/T))), from J w' + (b + Kt Ke / R) w = Kt V d / R.
    let motor = calibration.motorDrive.motor
    let damping = 0.02 + 0.7 * 0.5 / 5
    let timeConstant = calibration.motorDrive.plant.inertiaKilogramSquareMetres / damping
    let finalSpeed = sign * 0.7 * motor.supplyVolts * 0.25 / motor.resistanceOhms / damping
    for tick in [1, 5, 20, 50, 200] {
      // On the integration grid, where nothing is extrapolated.
      let time = Int64(tick) * Self.milliseconds
      let seconds = Double(time - start) * 1e-9
      let truth = rig.joint.truth(at: time)
      let rise = 1 - exp(-seconds / timeConstant)
      #expect(abs(truth.radiansPerSecond - finalSpeed * rise) < 1e-9)
      #expect(abs(truth.radians - finalSpeed * (seconds - timeConstant * rise)) < 1e-9)
      let amperes = (sign * 12 * 0.25 - 0.5 * truth.radiansPerSecond) / 5
      #expect(abs(rig.joint.motorAmperes(at: time) - amperes) < 1e-12)
    }
  }

  @Test("the joint coasts from the moment the drive-enable line drops, and carries no current")
  func coasting() {
    let rig = Rig(radians: 0, Self.unlimited)
    rig.kill.setActive(true)
    rig.drive(duty: 0.5, at: 0)
    let drop = 50 * Self.milliseconds + 12_345
    let before = rig.joint.truth(at: drop)
    rig.clock.set(drop)
    rig.kill.setActive(false)
    // Only viscous damping is left: e^(−b t / J). Nobody looks for 100 ms, yet the drop counts from its time.
    let end = 150 * Self.milliseconds
    let truth = rig.joint.truth(at: end)
    let decay = exp(-0.02 / 2.5e-3 * Double(end - drop) * 1e-9)
    // `before` is the state at the last grid point, up to one step earlier than the drop.
    #expect(abs(truth.radiansPerSecond / (before.radiansPerSecond * decay) - 1) < 1e-3)
    #expect(truth.motorAmperes == 0)
    #expect(!truth.isLive)
  }

  @Test("without the drive-enable line no duty moves the joint")
  func killed() {
    let rig = Rig()
    rig.drive(duty: 1, at: 0)
    let truth = rig.joint.truth(at: 1_000 * Self.milliseconds)
    #expect(truth.radians == 0.5)
    #expect(truth.radiansPerSecond == 0)
  }

  @Test("a swing under gravity without losses keeps its energy for 100 swings")
  func energy() {
    let rig = Rig(radians: 1.0) {
      Self.unlimited(&$0)
      $0.motorDrive.plant.dampingNewtonMetreSeconds = 0
      $0.motorDrive.plant.gravityNewtonMetres = 0.1
    }
    let energy = { (time: Int64) in
      let truth = rig.joint.truth(at: time)
      return truth.kineticJoules - 0.1 * cos(truth.radians)
    }
    let start = energy(0)
    // One swing takes 2π √(J/g) = 1 s, a little more at this amplitude.
    for tick in stride(from: 100, through: 100_000, by: 100) {
      #expect(abs(energy(Int64(tick) * Self.milliseconds) - start) < 1e-6)
    }
  }

  @Test("losses never let the energy grow")
  func losses() {
    let rig = Rig(radians: 1.0) {
      $0.motorDrive.plant.gravityNewtonMetres = 0.1
      $0.motorDrive.plant.coulombNewtonMetres = 0.005
    }
    var last = Double.infinity
    for tick in 0..<5000 {
      let truth = rig.joint.truth(at: Int64(tick) * Self.milliseconds)
      let energy = truth.kineticJoules - 0.1 * cos(truth.radians)
      #expect(energy <= last + 1e-12)
      last = energy
    }
    // At rest where friction balances gravity, without chatter.
    let truth = rig.joint.truth(at: 6_000 * Self.milliseconds)
    #expect(truth.radiansPerSecond == 0)
    #expect(abs(sin(truth.radians) * 0.1) <= 0.005)
  }

  @Test("friction holds below its torque and gives way above")
  func stiction() {
    for (torque, moves) in [(0.019, false), (-0.019, false), (0.021, true), (-0.021, true)] {
      let rig = Rig { $0.motorDrive.plant.coulombNewtonMetres = 0.02 }
      rig.joint.setExternalTorque(newtonMetres: torque)
      let truth = rig.joint.truth(at: 100 * Self.milliseconds)
      #expect((truth.radians != 0.5) == moves)
      #expect(truth.radiansPerSecond * torque >= 0)
    }
  }

  @Test("end stops hold the full torque within milliradians", arguments: [false, true])
  func endStops(reverse: Bool) {
    let rig = Rig()
    rig.kill.setActive(true)
    rig.direction.setActive(reverse)
    rig.drive(duty: 1, at: 0)
    let stop = reverse ? -0.05 : 1.62
    var deepest = 0.0
    for tick in 0..<1000 {
      let truth = rig.joint.truth(at: Int64(tick) * Self.milliseconds)
      deepest = max(deepest, reverse ? stop - truth.radians : truth.radians - stop)
    }
    // 1.68 N·m on J ω² = 625 N·m/rad is 2.7 mrad at rest; the impact at 15 rad/s goes deeper for a moment.
    let truth = rig.joint.truth(at: 1000 * Self.milliseconds)
    #expect(abs(abs(truth.radians - stop) - 1.68 / 625) < 1e-5)
    #expect(abs(truth.radiansPerSecond) < 1e-6)
    #expect(deepest < 0.03)
  }

  @Test("a duty within the dead band does nothing, one above it counts from its edge")
  func deadBand() {
    let rig = Rig { $0.motorDrive.motor.deadBandDuty = 0.05 }
    rig.kill.setActive(true)
    rig.drive(duty: 0.05, at: 0)
    #expect(rig.joint.truth(at: 10 * Self.milliseconds).radiansPerSecond == 0)
    rig.joint.place(radians: 1.6)
    rig.drive(duty: 0.25, at: 10 * Self.milliseconds)
    // Against the end stop: standstill current V (d − dead band) / R.
    let amperes = rig.joint.motorAmperes(at: 500 * Self.milliseconds)
    #expect(abs(amperes - 12 * 0.2 / 5) < 1e-6)
  }

  @Test("an object stops the joint and is felt by the fingertip")
  func contact() {
    let rig = Rig()
    rig.joint.setObject(atRadians: 0.8)
    rig.kill.setActive(true)
    rig.drive(duty: 0.2, at: 0)
    #expect(rig.joint.contactNewtons(at: 1 * Self.milliseconds) == 0)
    // 0.336 N·m at 25 mm; 20 N·m/rad deep.
    let end = 2_000 * Self.milliseconds
    #expect(abs(rig.joint.contactNewtons(at: end) - 0.336 / 0.025) < 1e-3)
    #expect(abs(rig.joint.truth(at: end).radians - 0.8 - 0.336 / 20) < 1e-4)
    #expect(abs(rig.joint.forceSensorVolts(at: end, newtonsPerVolt: 10) - 1.344) < 1e-3)
    #expect(rig.joint.forceSensorVolts(at: end, newtonsPerVolt: 1) == 3.3)
    rig.joint.setObject(atRadians: nil)
    #expect(rig.joint.contactNewtons(at: end) == 0)
  }

  @Test("how often and in which order a joint is looked at does not change its motion")
  func looksDoNotMatter() {
    let seen = (0..<2).map { variant in
      let rig = Rig { $0.motorDrive.plant.gravityNewtonMetres = 0.05 }
      rig.kill.setActive(true)
      for tick in 0..<500 {
        let time = Int64(tick) * Self.milliseconds
        rig.drive(duty: 0.1 + 0.1 * Double(tick % 3), at: time + 300_007)
        if variant == 1 {
          for offset in [11_111, 777_777, 333_333] { _ = rig.joint.truth(at: time + Int64(offset)) }
        }
      }
      return rig.joint.truth(at: 500 * Self.milliseconds)
    }
    #expect(seen[0] == seen[1])
  }

  @Test("a drive change on a bus that runs ahead is not seen before its time")
  func noFuture() {
    let rig = Rig()
    rig.kill.setActive(true)
    rig.drive(duty: 1, at: 5 * Self.milliseconds)
    #expect(rig.joint.truth(at: 4 * Self.milliseconds).radiansPerSecond == 0)
    #expect(rig.joint.truth(at: 6 * Self.milliseconds).radiansPerSecond > 0)
  }

  @Test("counts follow zero, sign and wrap of the calibration", arguments: [1, -1])
  func wrap(sign: Int) {
    for zero in [0, 10, 2048, 4090] {
      for radians in stride(from: -0.1, through: 1.6, by: 0.1) {
        let rig = Rig(radians: radians) {
          Self.unlimited(&$0)
          $0.encoder = EncoderCalibration(zeroCounts: zero, sign: sign)
        }
        let counts = Int(rig.joint.encoderCounts(at: 0))
        #expect(0..<4096 ~= counts)
        // Counts to radians as the calibration file defines it.
        var offset = (counts - zero) % 4096
        if offset > 2048 { offset -= 4096 }
        if offset < -2048 { offset += 4096 }
        let decoded = Double(sign * offset) * 2 * .pi / 4096
        // Half a count and five standard deviations.
        #expect(abs(decoded - radians) < .pi / 4096 + 5 * SimulatedJoint.encoderNoiseRadians)
      }
    }
  }

  @Test("encoder noise is Gaussian of 0.3 mrad with the quantisation of 12 bits")
  func noiseStatistics() {
    let seed: UInt64 = 42
    let rig = Rig(radians: 0.5, seed: seed)
    let count = 20_000
    let values = (0..<count).map { _ in
      Double(Int(rig.joint.encoderCounts(at: 0)) - 2048) * 2 * .pi / 4096
    }
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(count)
    // 0.5 rad is 325.95 counts, where 0.3 mrad (0.196 counts) is too little dither for the textbook
    // √(0.3² + (1.534²/12)): the distribution of round(325.95 + 0.196 z) is 98.9 % 326 and 1.1 % 325.
    let lowShare = values.filter { $0 < 325.5 * 2 * .pi / 4096 }.count
    let expected = 0.5 * erfc((325.9493 - 325.5) / 0.19557 / 2.0.squareRoot()) * Double(count)
    #expect(abs(Double(lowShare) - expected) < 5 * expected.squareRoot(), "seed \(seed)")
    #expect(variance < 0.6e-6, "seed \(seed)")
  }

  @Test("noise depends on seed and joint, and repeats with them")
  func noiseSeeds() {
    let samples = { (seed: UInt64) in
      let rig = Rig(radians: 0.50039, seed: seed)
      return (0..<200).map { _ in rig.joint.encoderCounts(at: 0) }
    }
    #expect(samples(1) == samples(1))
    #expect(samples(1) != samples(2))
  }

  @Test("readings of the current scatter as the calibration says, the same for the same seed")
  func currentNoise() {
    let deviation = TestHand.joint().currentNoiseAmperes
    func readings(_ seed: UInt64) -> [Double] {
      let rig = Rig(seed: seed)
      return (0..<10_000).map { _ in rig.joint.currentReading(at: 0) }
    }
    let values = readings(1)
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
    // Four standard errors of mean and deviation over 10,000 readings.
    #expect(abs(mean) < 0.04 * deviation, "\(mean)")
    #expect(abs(variance.squareRoot() - deviation) < 0.03 * deviation, "\(variance.squareRoot())")
    #expect(values == readings(1))
    #expect(values != readings(2))
  }

  @Test("a stuck encoder repeats itself and reversed wiring turns the drive round")
  func jointFaults() {
    let rig = Rig()
    rig.kill.setActive(true)
    rig.joint.setDriveScale(-1)
    rig.joint.setEncoderStuck(counts: 77)
    rig.drive(duty: 0.5, at: 0)
    #expect(rig.joint.encoderCounts(at: 20 * Self.milliseconds) == 77)
    #expect(rig.joint.truth(at: 20 * Self.milliseconds).radiansPerSecond < 0)
    rig.joint.setEncoderStuck(counts: nil)
    #expect(rig.joint.encoderCounts(at: 20 * Self.milliseconds) > 2048)
  }
}
