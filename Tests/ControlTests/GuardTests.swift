import HandModel
import HandRigs
import PrimalLogic
import Testing

@testable import Control

/// Limits of the guard that need inputs to the nanosecond: the real controller, fed by hand.
@Suite("Limits of the guard")
struct GuardTests {
  private func armed() -> ControllerBench {
    let bench = ControllerBench()
    bench.becomeIdle()
    bench.tick(.arm)
    return bench
  }

  @Test("skipped deadlines fault above the board's budget, not at it, and only while outputs are live")
  func deadlineMisses() {
    let budget = TestHand.board.control.overrunBudgetTicks
    let bench = armed()
    bench.inputs.pointee.skippedDeadlines = budget
    bench.tick()
    #expect(bench.record.pointee.state == .armed)
    bench.inputs.pointee.skippedDeadlines = 1
    bench.tick()
    #expect(bench.record.pointee.fault == .deadlineMisses && !bench.record.pointee.outputsEnabled)

    let idle = ControllerBench()
    idle.becomeIdle()
    idle.inputs.pointee.skippedDeadlines = budget + 1
    idle.tick()
    #expect(idle.record.pointee.state == .idle)
    idle.tick(.arm)
    idle.tick()
    #expect(idle.record.pointee.state == .armed, "what was missed before arming does not count")
  }

  @Test("misses further apart than the window do not add up")
  func missesOutsideWindow() {
    let bench = armed()
    for _ in 0..<3 {
      bench.inputs.pointee.skippedDeadlines = TestHand.board.control.overrunBudgetTicks
      bench.tick()
      for _ in 0..<TestHand.board.control.windowTicks { bench.tick() }
      #expect(bench.record.pointee.state == .armed)
    }
  }

  @Test("ticks longer than certified have no L and spend the budget to the tick; the fault names no joint")
  func uncertifiedBudget() {
    let bench = armed()
    bench.tick()
    #expect(bench.record.pointee.certificate == .deadzone || bench.record.pointee.certificate == .certified)
    let budget = TestHand.board.control.uncertifiedBudgetTicks
    for count in 1...budget {
      bench.tick(periods: 1.5)
      #expect(bench.record.pointee.certificate == .uncertified && bench.record.pointee.lipschitz.isNaN)
      #expect(bench.record.pointee.joints[0].lipschitz.isNaN)
      #expect(bench.record.pointee.uncertifiedTicks == UInt32(count))
      #expect(bench.record.pointee.state == .armed)
    }
    bench.tick(periods: 1.5)
    #expect(bench.record.pointee.lateTicks == UInt32(budget) + 1)
    #expect(bench.record.pointee.fault == .lateTicks && bench.record.pointee.faultJoint == 255)
    #expect(!bench.record.pointee.outputsEnabled && bench.actuators.pointee.duty[0] == 0)
  }

  /// Two joints whose drives may hardly change their torque, so that what moves is at that limit in every tick.
  @Test(
    "a budget that joints spend names the joint that spent most of it, whichever it is", arguments: [0, 1])
  func uncertifiedJoint(most: Int) {
    var parameters = Array(TestHand.design.joints.prefix(2))
    for index in parameters.indices {
      guard case .motor(var drive) = parameters[index].calibration.drive else { return }
      drive.torqueRateNewtonMetresPerSecond = 1e-6
      parameters[index].calibration.drive = .motor(drive)
      parameters[index].currentReadingTicks = 0
    }
    let bench = ControllerBench(joints: 2, parameters: parameters)
    bench.becomeIdle()
    bench.tick(.arm)
    bench.tick(.move(joint: most, radians: 0.5, seconds: nil))
    let budget = TestHand.board.control.uncertifiedBudgetTicks
    for _ in 0..<budget / 2 { bench.tick() }
    #expect(bench.record.pointee.uncertifiedTicks > 0 && bench.record.pointee.state == .tracking)
    bench.tick(.move(joint: 1 - most, radians: 0.5, seconds: nil))
    for _ in 0...budget where bench.record.pointee.fault == .none { bench.tick() }
    #expect(bench.record.pointee.fault == .uncertifiedBudget && Int(bench.record.pointee.faultJoint) == most)
    #expect(bench.record.pointee.lateTicks == 0)
  }

  private enum Lag: CaseIterable {
    case short, long, steady

    /// Ticks since a proof, in each tick.
    func ticks(_ number: Int) -> UInt32 {
      switch self {
      // A thread that is late by many periods, and catches up within the age that the board allows a sample.
      case .short: UInt32(1 + number % 20)
      case .long: UInt32(1 + number)
      case .steady: GuardLimits.standard.drivenLagTicks
      }
    }
  }

  @Test(
    "actuators that are late are no fault; those that prove nothing for longer than a sample may be old are",
    arguments: Lag.allCases)
  private func unwritten(lag: Lag) {
    let bench = armed()
    let control = TestHand.board.control
    var latched: Int?
    for number in 0..<200 where latched == nil {
      bench.inputs.pointee.actuatorLagTicks = lag.ticks(number)
      bench.tick()
      if bench.record.pointee.fault != .none { latched = number }
    }
    guard lag == .long else { return #expect(latched == nil) }
    #expect(bench.record.pointee.fault == .actuatorFault && !bench.record.pointee.outputsEnabled)
    let allowed = Int(control.staleSampleNanoseconds / control.periodNanoseconds)
    // Lag 1 and 2 follow: the time counts from the second tick on.
    #expect(latched == allowed + 2)
    bench.tick(.reset)
    #expect(bench.result == .causePresent)
    bench.inputs.pointee.actuatorLagTicks = 1
    bench.tick(.reset)
    #expect(bench.record.pointee.state == .idle)
  }

  @Test("a loop that was frozen does not hold it against actuators that had its last command")
  func frozenLoop() {
    let bench = armed()
    bench.tick()
    bench.inputs.pointee.actuatorLagTicks = 3
    bench.tick(periods: 45)
    #expect(bench.record.pointee.fault == .none)
  }

  @Test("the certified lengths of a tick are those of docs/control.md", arguments: [0.81, 1.0, 1.19])
  func certifiedDt(periods: Double) {
    let bench = armed()
    bench.tick()
    bench.tick(periods: periods)
    #expect(bench.record.pointee.lipschitz < 1)
    bench.tick(periods: periods < 1 ? 0.79 : 1.21)
    #expect(bench.record.pointee.certificate == .uncertified)
  }

  @Test("over-current faults after twenty ticks, and a short peak does not")
  func overCurrent() {
    // Without a sensor there is no expectation that the readings given here could miss.
    var parameters = TestHand.design.joints[0]
    parameters.currentReadingTicks = 0
    let bench = ControllerBench(parameters: [parameters])
    bench.becomeIdle()
    bench.tick(.arm)
    let limit = TestHand.calibration.joints[0].limits.currentAmperes
    for _ in 0..<2 {
      bench.inputs.pointee.currentsAmperes[0] = -limit * 1.01
      for _ in 0..<GuardLimits.standard.overCurrentTicks {
        bench.tick()
        #expect(bench.record.pointee.state == .armed)
      }
      bench.inputs.pointee.currentsAmperes[0] = limit
      bench.tick()
    }
    bench.inputs.pointee.currentsAmperes[0] = limit * 1.01
    for _ in 0...GuardLimits.standard.overCurrentTicks { bench.tick() }
    #expect(bench.record.pointee.fault == .currentLimit)
  }

  @Test("a value that is no number is a fault")
  func nonFinite() {
    let bench = armed()
    bench.inputs.pointee.currentsAmperes[0] = .nan
    bench.tick()
    #expect(bench.record.pointee.fault == .nonFinite && bench.record.pointee.faultJoint == 0)
  }

  @Test("a torque or an angle that is no number becomes no duty and no pulse")
  func nonFiniteOutputs() {
    func state(_ p: JointParameters) -> JointState {
      JointState(JointConstants(p, limits: .standard), model: p.model)
    }
    let joint = state(TestHand.design.joints[0])
    var servo = state(ServoHand.design.joints[0])
    servo.input = 0
    #expect(servo.pulseNanoseconds() > 0)
    for value in [Double.nan, -.nan] {
      #expect(joint.duty(torque: value, velocity: 0) == 0)
      #expect(joint.duty(torque: 0, velocity: value) == 0)
      servo.input = value
      #expect(servo.pulseNanoseconds() == 0)
    }
    #expect(joint.duty(torque: .infinity, velocity: 0) == 1)
    #expect(joint.duty(torque: -.infinity, velocity: 0) == -1)
  }

  @Test("a hand whose estimate is no number is not armed")
  func armWithoutEstimate() {
    let bench = ControllerBench()
    bench.becomeIdle()
    // A sample that is older than the one before it corrects nothing, and is not stale.
    bench.sampleAgeNanoseconds = 2 * TestHand.board.control.periodNanoseconds
    bench.spoilEstimate(joint: 0)
    bench.tick(.arm)
    #expect(bench.result == .sensorsNotReady && bench.record.pointee.state == .idle)
    #expect(!bench.record.pointee.outputsEnabled && bench.actuators.pointee.duty[0] == 0)
  }

  /// 1.6 rad and 0.087 of margin.
  @Test(
    "a joint outside its range by more than the margin is a position fault, and the hand cannot be armed with it",
    arguments: [(1.67, true), (1.70, false), (-0.10, false)])
  func positionLimit(radians: Double, isWithin: Bool) {
    let encoder = TestHand.calibration.joints[0].encoder
    let counts = Double(encoder.sign) * radians * 4096 / (2 * .pi)
    let outside = UInt16((encoder.zeroCounts + Int(counts.rounded()) + 4096) % 4096)
    let idle = ControllerBench()
    idle.inputs.pointee.encoders[0].counts = outside
    idle.becomeIdle()
    idle.tick(.arm)
    #expect(idle.result == (isWithin ? .executed : .outOfRange))
    #expect(idle.record.pointee.state == (isWithin ? .armed : .idle))

    // Carried there count by count, which no filter takes for a jump; NULL-G lets itself be carried.
    // Nobody makes up the currents of a hand that is moved by hand here.
    let moved = ControllerBench(checks: false)
    moved.becomeIdle()
    moved.tick(.nullG)
    let start = Int(moved.inputs.pointee.encoders[0].counts)
    let way = ((Int(outside) - start + 6144) % 4096) - 2048
    for step in 1...way.magnitude {
      let counts = start + Int(step) * way.signum()
      moved.inputs.pointee.encoders[0].counts = UInt16((counts + 4096) % 4096)
      moved.tick()
    }
    for _ in 0..<100 { moved.tick() }
    #expect(moved.record.pointee.fault == (isWithin ? .none : .positionLimit))
  }

  @Test("an estimate above one and a half times the speed limit is a velocity fault")
  func velocityLimit() {
    var parameters = TestHand.design.joints[0]
    // Room for a run-up, and an observer that trusts the encoder.
    parameters.calibration.limits.upperRadians = 3
    parameters.calibration.limits.trackingErrorRadians = 10
    parameters.observerGains = Observer.Schedule(
      inertia: parameters.model.inertia, damping: parameters.model.damping, stiffness: 0,
      dt: parameters.model.period, measurementDeviation: 0.0005, torqueDeviation: 1,
      loadDeviation: 0)
    parameters.currentReadingTicks = 0
    let bench = ControllerBench(parameters: [parameters])
    let encoder = parameters.calibration.encoder
    bench.becomeIdle()
    bench.tick(.arm)
    let limit = parameters.calibration.limits.radiansPerSecond * GuardLimits.standard.velocityFactor
    var time = 0.0
    while bench.record.pointee.state == .armed && time < 0.3 {
      #expect(abs(bench.record.pointee.joints[0].velocityRadiansPerSecond) <= limit)
      time += 0.001
      // 60 rad/s²: 12 rad/s after 0.2 s and 1.2 rad.
      let counts = Double(encoder.sign) * 30 * time * time * 4096 / (2 * .pi)
      bench.inputs.pointee.encoders[0].counts = UInt16(
        (encoder.zeroCounts + Int(counts.rounded()) + 4096) % 4096)
      bench.tick()
    }
    #expect(bench.record.pointee.fault == .velocityLimit)
    #expect(bench.record.pointee.joints[0].velocityRadiansPerSecond > limit)
    #expect((0.19...0.23).contains(time))
  }

  @Test("a repeated command number is executed once")
  func once() {
    let bench = armed()
    bench.tick(.disarm)
    #expect(bench.record.pointee.state == .idle)
    bench.tick(.arm)
    bench.inputs.pointee.eStopLineActive = true
    bench.tick()
    bench.inputs.pointee.eStopLineActive = false
    bench.tick(.reset)
    // The arm stays in the mailbox; it must not arm again.
    for _ in 0..<10 { bench.tick() }
    #expect(bench.record.pointee.state == .idle)
  }

  @Test("a set-point that is no number is a fault and reaches no output")
  func nonFiniteSetPoint() {
    let bench = armed()
    bench.tick(.stream(radians: [.infinity]))
    #expect(bench.record.pointee.fault == .nonFinite && bench.record.pointee.faultJoint == 0)
    #expect(bench.record.pointee.joints[0].setpointRadians.isFinite && !bench.actuators.pointee.enabled)
  }

  @Test(
    "after a stall of seconds or years the hand is let go, and knows where it is: it can be armed again",
    arguments: [1e3, 3.6e6, 3e11])
  func stall(periods: Double) {
    for isArmed in [true, false] {
      let bench = ControllerBench()
      // An eighth of a turn, where gravity would carry a model that nobody corrects away.
      let encoder = TestHand.calibration.joints[0].encoder
      bench.inputs.pointee.encoders[0].counts = UInt16(
        (encoder.zeroCounts + encoder.sign * 512 + 4096) % 4096)
      bench.becomeIdle()
      if isArmed { bench.tick(.arm) }
      bench.tick(periods: periods)
      #expect(bench.record.pointee.fault == (isArmed ? .clockJump : .none))
      #expect(!bench.record.pointee.outputsEnabled)
      for _ in 0..<10 {
        bench.tick()
        #expect(abs(bench.record.pointee.joints[0].positionRadians - .pi / 4) < 0.01)
      }
      if isArmed { bench.tick(.reset) }
      bench.tick(.arm)
      for _ in 0..<10 { bench.tick() }
      #expect(bench.record.pointee.state == .armed)
    }
  }

  @Test("after many late ticks in a row the estimate is where the joint is", arguments: [50.0, 370, 990])
  func lateTicks(periods: Double) {
    let bench = ControllerBench()
    let encoder = TestHand.calibration.joints[0].encoder
    bench.inputs.pointee.encoders[0].counts = UInt16(
      (encoder.zeroCounts + encoder.sign * 512 + 4096) % 4096)
    bench.becomeIdle()
    for _ in 0..<500 {
      bench.tick(periods: periods)
      #expect(abs(bench.record.pointee.joints[0].positionRadians) < 10)
    }
    for _ in 0..<500 { bench.tick() }
    #expect(abs(bench.record.pointee.joints[0].positionRadians - .pi / 4) < 0.01)
  }

  /// Ticks without a certificate count as L = 1; a budget as long as the window lets them fill it.
  @Test("a window in which nothing is known to contract, Λ = 1, is a fault")
  func windowOfOnes() {
    var settings = TestHand.board.control
    settings.windowTicks = 8
    settings.uncertifiedBudgetTicks = 8
    let bench = ControllerBench(settings: settings)
    bench.becomeIdle()
    bench.tick(.arm)
    for _ in 0..<7 {
      bench.tick(periods: 1.5)
      #expect(bench.record.pointee.state == .armed)
    }
    bench.tick(periods: 1.5)
    #expect(bench.record.pointee.fault == .windowViolation && bench.record.pointee.uncertifiedTicks == 8)
  }

  @Test("the last tick of a loop has its outputs off, whatever is commanded in it; a latched cause stays")
  func lastTick() {
    let bench = ControllerBench()
    for _ in 0..<20 { bench.tick() }
    bench.tick(.arm)
    #expect(bench.record.pointee.outputsEnabled)
    bench.inputs.pointee.isLast = true
    bench.tick(.arm)
    #expect(bench.record.pointee.state == .idle)
    #expect(!bench.record.pointee.outputsEnabled)
    #expect(!bench.actuators.pointee.enabled)

    let stopped = ControllerBench()
    for _ in 0..<20 { stopped.tick() }
    stopped.tick(.stop)
    stopped.inputs.pointee.isLast = true
    stopped.tick()
    #expect(stopped.record.pointee.state == .eStop)
    #expect(stopped.record.pointee.fault == .eStopSocket)
  }
}
