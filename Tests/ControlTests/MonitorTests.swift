import HandModel
import HandRigs
import PrimalLogic
import SeededRandom
import Testing

@testable import Control

/// The tests beside the certificate, each by itself on the first joint of the shipped hand.
@Suite("What the certificate's model cannot see")
struct MonitorTests {
  private static let parameters = TestHand.design.joints[0]
  private static let limits = JointConstants(parameters, limits: .standard).monitor
  private static let settings = TestHand.board.control

  /// A bench that gives the readings of a motor which does as it is told.
  private func armed(_ change: (inout JointParameters) -> Void = { _ in }) -> ControllerBench {
    var parameters = Self.parameters
    change(&parameters)
    let bench = ControllerBench(parameters: [parameters])
    bench.becomeIdle()
    bench.tick(.arm)
    return bench
  }

  private func tick(_ bench: ControllerBench, _ count: Int, until done: (TickRecord) -> Bool = { _ in false })
  {
    for _ in 0..<count where !done(bench.record.pointee) {
      bench.tick()
      bench.inputs.pointee.currentsAmperes[0] = bench.record.pointee.joints[0].torqueNewtonMetres
    }
  }

  /// The joint's word at an angle, from its calibration: 4096 counts a turn.
  private func counts(_ radians: Double) -> UInt16 {
    let encoder = Self.parameters.calibration.encoder
    let turn = Double(encoder.countsPerTurn)
    let counts = encoder.zeroCounts + encoder.sign * Int((radians * turn / (2 * .pi)).rounded())
    return UInt16((counts + encoder.countsPerTurn) % encoder.countsPerTurn)
  }

  @Test("five innovations beyond six deviations in a row are a fault, four are not")
  func innovation() {
    for count in [4, 5] {
      var monitor = JointMonitor()
      for number in 0..<20 {
        let isLarge = number >= 10 && number < 10 + count
        let sigmas = isLarge ? (number % 2 == 0 ? 6.1 : -6.1) : 5.9
        monitor.take(innovation: sigmas * 0.001, deviation: 0.001, limits: Self.limits)
        let trips = monitor.innovationTicks >= GuardLimits.standard.innovationTicks
        #expect(trips == (count == 5 && number == 14), "\(count) in a row, sample \(number)")
      }
    }
  }

  @Test("an encoder that became noisy, within what a sample may jump, is an innovation fault")
  func noisyEncoder() {
    let bench = armed()
    tick(bench, 50)
    for number in 0..<50 where bench.record.pointee.state != .fault {
      bench.inputs.pointee.encoders[0].counts = counts(number % 2 == 0 ? 0.007 : -0.007)
      tick(bench, 1)
    }
    #expect(bench.record.pointee.fault == .innovation)
  }

  /// Readings, each another by a little, until the CUSUM trips; nil if it does not within a thousand.
  private func readingsToTrip(amperes: Double, share: Double = 0, duty: Double = 0) -> Int? {
    var parameters = Self.parameters
    parameters.calibration.uncertainty.currentShare = share
    let limits = JointConstants(parameters, limits: .standard).monitor
    var monitor = JointMonitor()
    for number in 1...1000 {
      monitor.expect(duty: duty, velocity: 0, limits: limits)
      if number < 3 { continue }
      monitor.take(amperes: amperes + (number % 2 == 0 ? 1e-9 : 0), limits: limits)
      if monitor.currentSum > GuardLimits.standard.currentThreshold { return number - 2 }
    }
    return nil
  }

  /// Siegmund: a shift of x σ is found after 51 / (x − 0.25) readings.
  @Test("a current off by three deviations is found in the time that the CUSUM's theory says, either way")
  func currentShift() {
    let shift = 3 * Self.parameters.calibration.currentNoiseAmperes
    #expect(readingsToTrip(amperes: shift) == 19)
    #expect(readingsToTrip(amperes: -shift) == 19)
    #expect(readingsToTrip(amperes: shift / 15) == nil)

    let bench = armed()
    tick(bench, 50)
    var ticks = 0
    while bench.record.pointee.state != .fault && ticks < 1000 {
      bench.inputs.pointee.currentsAmperes[0] = bench.record.pointee.joints[0].torqueNewtonMetres + shift
      bench.tick()
      ticks += 1
    }
    #expect(bench.record.pointee.fault == .currentMismatch)
    // A reading that repeats itself counts once a round.
    #expect((19...19 * Self.parameters.currentReadingTicks + 2).contains(ticks), "\(ticks) ticks")
  }

  @Test("what the motor's model leaves open is no deviation, what is beyond it is")
  func currentShare() {
    // (0.11 − 0.01) × 12 V / 8 Ω = 0.15 A, and a fifth of the 0.165 A of the whole duty.
    #expect(readingsToTrip(amperes: 0.15 + 0.033, share: 0.2, duty: 0.11) == nil)
    #expect(readingsToTrip(amperes: 0.15 - 0.033, share: 0.2, duty: 0.11) == nil)
    #expect(readingsToTrip(amperes: 0.15 + 0.063, share: 0.2, duty: 0.11) == 19)
  }

  @Test("a reading may be of any of the last three ticks; one that repeats itself counts once a round")
  func currentReadings() {
    var monitor = JointMonitor()
    for duties in [[0.11, 0.21, 0.5], [0.5, 0.11, 0.21], [0.21, 0.5, 0.11], [0.5, 0.21, 0.11]] {
      for duty in duties { monitor.expect(duty: duty, velocity: 0, limits: Self.limits) }
      for amperes in [0.15, 0.3, 0.735] { monitor.take(amperes: amperes, limits: Self.limits) }
      #expect(monitor.currentSum == 0, "\(duties)")
    }
    let deviation = Self.parameters.calibration.currentNoiseAmperes
    monitor.missTicks()
    monitor.take(amperes: 0, limits: Self.limits)
    #expect(monitor.currentSum == 0, "the drive may have been off")
    for duty in [0.21, 0.11] { monitor.expect(duty: duty, velocity: 0, limits: Self.limits) }
    for _ in 1...100 { monitor.take(amperes: 0, limits: Self.limits) }
    let readings = Double(100 / Self.parameters.currentReadingTicks)
    let expected = readings * (0.15 / deviation - GuardLimits.standard.currentDrift)
    #expect((monitor.currentSum - expected).magnitude < 1e-9, "\(monitor.currentSum), \(expected)")
  }

  @Test("white noise of the stated deviation on the current raises no alarm in a million readings")
  func currentNoise() {
    var monitor = JointMonitor()
    let seed: UInt64 = 91
    var generator = SeededGenerator(seed: seed)
    let deviation = Self.parameters.calibration.currentNoiseAmperes
    var largest = 0.0
    for _ in 0..<1_000_000 {
      // The sum of twelve uniform numbers is close to Gaussian.
      var noise = -6.0
      for _ in 0..<12 { noise += Double.random(in: 0...1, using: &generator) }
      monitor.take(amperes: deviation * noise, limits: Self.limits)
      largest = max(largest, monitor.currentSum)
    }
    #expect(largest < GuardLimits.standard.currentThreshold, "seed \(seed): \(largest)")
  }

  @Test(
    "an encoder whose word stays is a fault once the set-point has gone its way, a word that moves is not")
  func stuck() {
    let bench = armed()
    bench.tick(.move(joint: 0, radians: 0.5, seconds: 2))
    var way = 0.0
    tick(bench, 3000) {
      if $0.outputsEnabled { way = $0.joints[0].setpointRadians }
      return $0.state == .fault
    }
    #expect(bench.record.pointee.fault == .stuckSensor)
    #expect((0..<0.01).contains(way - Self.limits.stuckTravel), "\(way)")

    var monitor = JointMonitor()
    monitor.engage(counts: 0, setpoint: 0)
    for step in 1...100 {
      // Two counts a step, across the wrap.
      let stuck = monitor.isStuck(
        counts: UInt16((4096 - 2 * step) % 4096), turn: 4096, setpoint: 0.1 * Double(step),
        limits: Self.limits)
      #expect(!stuck)
    }
  }

  @Test("a load beyond what the drive can hold against is a fault after twenty milliseconds")
  func load() {
    var monitor = JointMonitor()
    for number in 1...21 {
      let isOverborne = monitor.isOverborne(load: -1.51 * 0.7, limits: Self.limits)
      #expect(isOverborne == (number == 21), "tick \(number)")
    }
    let isStill = monitor.isOverborne(load: 1.49 * 0.7, limits: Self.limits)
    let isAgain = monitor.isOverborne(load: 1.51 * 0.7, limits: Self.limits)
    #expect(!isStill && !isAgain)
  }

  /// i² (1 − exp(−t/τ)) reaches the continuous square at t = −τ ln(1 − 0.36/0.49).
  @Test("a motor at full torque is let go when its winding is as warm as the continuous current makes it")
  func overload() {
    var monitor = JointMonitor()
    var seconds = 0.0
    while monitor.heat <= Self.limits.continuousSquared && seconds < 100 {
      monitor.warm(amperes: 0.7, dt: 0.001, limits: Self.limits)
      seconds += 0.001
    }
    #expect(abs(seconds - 39.81) < 0.05, "\(seconds) s")
    let bench = armed { $0.calibration.limits.continuousAmperes = 0.001 }
    bench.inputs.pointee.currentsAmperes[0] = 0.05
    for _ in 0..<20 where bench.record.pointee.state != .fault { bench.tick() }
    #expect(bench.record.pointee.fault == .overload)
  }

  @Test("a distance that does not shrink is found at the end of the window, one that does is not")
  func decay() {
    let ticks = 100
    // ln L of a window that halves distances.
    let halving = Int64(-0.693147 / WindowProduct.unit)
    for (end, isBroken) in [(0.5005, false), (0.4, false), (0.502, true), (1, true)] {
      var monitor = JointMonitor()
      var trips: [Int] = []
      for number in 0...(2 * ticks + 2) {
        let share = Double(number) / Double(ticks)
        let distance = 1000 * Self.limits.decayAllowance * (number <= ticks ? 1 + share * (end - 1) : end)
        let trip = monitor.hasNotDecayed(
          distance: distance, load: 0, isCertified: number > 0, windowTicks: ticks, windowSum: halving,
          limits: Self.limits)
        if trip { trips.append(number) }
      }
      #expect(trips.contains { $0 <= ticks + 1 } == isBroken, "to \(end): \(trips)")
    }
  }

  @Test("a window in which the load changed or a tick had no certificate says nothing of decay")
  func disturbedWindow() {
    for isLoad in [true, false] {
      var monitor = JointMonitor()
      for number in 0..<1000 {
        let changes = number % 50 == 0
        let trip = monitor.hasNotDecayed(
          distance: Double(number), load: isLoad && changes ? Double(number) : 0,
          isCertified: isLoad || !changes, windowTicks: 100, windowSum: 0, limits: Self.limits)
        #expect(!trip)
      }
    }
  }

  @Test("a clock that stands still is a fault of a driven hand")
  func clock() {
    let bench = armed()
    bench.tick(periods: 0)
    #expect(bench.record.pointee.fault == .clockJump && !bench.record.pointee.outputsEnabled)
    let idle = ControllerBench()
    idle.becomeIdle()
    idle.tick(periods: 0)
    #expect(idle.record.pointee.state == .idle)
  }

  @Test("a joint that is too fast is braked, and limp when that is over")
  func brake() {
    let bench = armed {
      $0.calibration.limits.upperRadians = 3
      $0.calibration.limits.radiansPerSecond = 0.01
      $0.currentReadingTicks = 0
    }
    var angle = 0.0
    while bench.record.pointee.state != .fault && angle < 0.5 {
      angle += 0.001
      bench.inputs.pointee.encoders[0].counts = counts(angle)
      bench.tick()
    }
    #expect(bench.record.pointee.fault == .velocityLimit)
    let ticks = Int(GuardLimits.standard.brakeNanoseconds / 1_000_000)
    for number in 0..<ticks {
      #expect(bench.actuators.pointee.enabled && bench.actuators.pointee.duty[0] == 0, "tick \(number)")
      #expect(bench.record.pointee.outputsEnabled && bench.record.pointee.mode == .idle)
      bench.tick()
    }
    #expect(!bench.actuators.pointee.enabled && bench.record.pointee.state == .fault)
  }

  /// Braking, one tick old.
  private func braking() -> ControllerBench {
    let bench = armed {
      $0.calibration.limits.upperRadians = 3
      $0.calibration.limits.radiansPerSecond = 0.01
      $0.currentReadingTicks = 0
    }
    var angle = 0.0
    while bench.record.pointee.state != .fault && angle < 0.5 {
      angle += 0.001
      bench.inputs.pointee.encoders[0].counts = counts(angle)
      bench.tick()
    }
    bench.tick()
    return bench
  }

  private enum Failure: String, CaseIterable {
    case chip, bridge, bus, driveEnable, unwritten

    func befall(_ inputs: UnsafeMutablePointer<TickInputs>) {
      switch self {
      case .chip: inputs.pointee.actuatorFailed = true
      case .bridge: inputs.pointee.failedActuatorJoints = 1
      case .bus: inputs.pointee.failedBusJoints = 1
      case .driveEnable: inputs.pointee.driveEnableFailed = true
      case .unwritten: inputs.pointee.actuatorLagTicks = GuardLimits.standard.brakingLagTicks + 1
      }
    }
  }

  @Test("braking ends in limp in the tick that sees anything on its way fail", arguments: Failure.allCases)
  private func brakeFails(failure: Failure) {
    let bench = braking()
    #expect(bench.record.pointee.fault == .velocityLimit && bench.record.pointee.outputsEnabled)
    failure.befall(bench.inputs)
    bench.tick()
    #expect(!bench.record.pointee.outputsEnabled && !bench.actuators.pointee.enabled)
    #expect(bench.record.pointee.fault == .velocityLimit, "the first cause stays")
  }

  @Test("braking goes on while a command is written a tick late")
  func brakeLate() {
    let bench = braking()
    bench.inputs.pointee.actuatorLagTicks = GuardLimits.standard.brakingLagTicks
    for _ in 0..<50 {
      bench.tick()
      #expect(bench.record.pointee.outputsEnabled && bench.actuators.pointee.duty[0] == 0)
    }
  }

  @Test("a joint that is too fast is let go in that tick where the actuators do not prove that they write")
  func brakeUnwritten() {
    let bench = armed {
      $0.calibration.limits.upperRadians = 3
      $0.calibration.limits.radiansPerSecond = 0.01
      $0.currentReadingTicks = 0
    }
    bench.inputs.pointee.actuatorLagTicks = GuardLimits.standard.brakingLagTicks + 1
    var angle = 0.0
    while bench.record.pointee.state != .fault && angle < 0.02 {
      angle += 0.001
      bench.inputs.pointee.encoders[0].counts = counts(angle)
      bench.tick()
    }
    #expect(bench.record.pointee.fault == .velocityLimit && !bench.record.pointee.outputsEnabled)
  }

  @Test("an e-stop overrides a hand that holds or brakes")
  func stopWhileReacting() {
    let bench = armed { $0.currentReadingTicks = 0 }
    bench.tick(.stream(radians: [0.1]))
    for _ in 0..<300 { bench.tick() }
    #expect(bench.record.pointee.fault == .commandTimeout && bench.record.pointee.outputsEnabled)
    bench.tick(.stop, source: .mqtt)
    #expect(bench.record.pointee.state == .eStop && bench.record.pointee.fault == .eStopRemote)
    #expect(!bench.record.pointee.outputsEnabled && bench.actuators.pointee.duty[0] == 0)
  }
}
