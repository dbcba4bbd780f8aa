import HandModel
import HandRigs
import Testing

@testable import Control

/// The real controller of one joint, which can be put back to where it was.
private final class ExploredHand {
  let bench: ControllerBench
  /// Half a period: what lasts for a tick lasts too long.
  private static let oldestSampleNanoseconds = TestHand.board.control.periodNanoseconds / 2
  private static let staleAge = oldestSampleNanoseconds + 1
  private static let freshAge: Int64 = 100_000
  /// Past the command time-out, any motion of these tests and a healthy self-test.
  private static let waitTicks =
    Int(TestHand.board.control.commandTimeoutNanoseconds / TestHand.board.control.periodNanoseconds) + 20
  private static let longWaitTicks =
    Int(GuardLimits.standard.selfTestNanoseconds / TestHand.board.control.periodNanoseconds) + 20
  private let home = UInt16(TestHand.calibration.joints[0].encoder.zeroCounts)

  /// A joint whose limits the events can pass each by itself: without a current sensor there is no expectation that
  /// their readings miss, and its motor bears them.
  init() {
    var parameters = TestHand.design.joints[0]
    parameters.currentReadingTicks = 0
    parameters.calibration.limits.continuousAmperes = .infinity
    parameters.calibration.limits.radiansPerSecond = 0.01
    var settings = TestHand.board.control
    settings.staleSampleNanoseconds = Self.oldestSampleNanoseconds
    bench = ControllerBench(settings: settings, parameters: [parameters])
  }

  /// A tenth of a motion's shortest believable time; the target is where the joint is, so that nothing moves.
  private static let poseSeconds = 0.05

  func apply(_ event: StateEvent, damage: Damage) {
    let inputs = bench.inputs
    inputs.pointee.eStopLineActive = damage.contains(.line)
    bench.sampleAgeNanoseconds = damage.isDisjoint(with: [.sensor, .bus]) ? Self.freshAge : Self.staleAge
    inputs.pointee.failedBusJoints = damage.contains(.bus) ? 1 : 0
    inputs.pointee.unhealthyJoints = damage.contains(.magnet) ? 1 : 0
    inputs.pointee.actuatorFailed = damage.contains(.chip)
    inputs.pointee.failedActuatorJoints = damage.contains(.bridge) ? 1 : 0
    inputs.pointee.driveEnableFailed = damage.contains(.driveEnable)
    inputs.pointee.actuatorLagTicks = damage.contains(.silence) ? GuardLimits.standard.drivenLagTicks + 1 : 1
    switch event {
    case .arm(let source): bench.tick(.arm, source: source)
    case .nullG(let source): bench.tick(.nullG, source: source)
    case .disarm(let source): bench.tick(.disarm, source: source)
    case .stop(let source): bench.tick(.stop, source: source)
    case .reset(let source): bench.tick(.reset, source: source)
    case .pose(let source): bench.tick(.pose(radians: [0], seconds: Self.poseSeconds), source: source)
    case .stream(let source): bench.tick(.stream(radians: [0]), source: source)
    case .stopWithReset(let source): bench.tick(.reset, source: source, withStop: true)
    case .badPose: bench.tick(.pose(radians: [.nan], seconds: nil))
    case .toggle, .tick: bench.tick()
    case .overCurrent:
      inputs.pointee.currentsAmperes[0] = 10
      for _ in 0...GuardLimits.standard.overCurrentTicks { bench.tick() }
      inputs.pointee.currentsAmperes[0] = 0
    case .badCurrent:
      inputs.pointee.currentsAmperes[0] = .nan
      bench.tick()
      inputs.pointee.currentsAmperes[0] = 0
    case .jump:
      inputs.pointee.encoders[0].counts = home &+ 500
      for _ in 0..<GuardLimits.standard.rejectedSamples { bench.tick() }
      inputs.pointee.encoders[0].counts = home
      for _ in 0..<GuardLimits.standard.rejectedSamples { bench.tick() }
    case .tooFast:
      for step in 1...12 {
        inputs.pointee.encoders[0].counts = home &+ UInt16(step <= 6 ? step : 12 - step)
        bench.tick()
      }
    case .overruns:
      inputs.pointee.skippedDeadlines = TestHand.board.control.overrunBudgetTicks + 1
      bench.tick()
    case .last:
      inputs.pointee.isLast = true
      bench.tick()
      inputs.pointee.isLast = false
    case .wait: for _ in 0..<Self.waitTicks { bench.tick() }
    case .longWait: for _ in 0..<Self.longWaitTicks { bench.tick() }
    }
  }

  /// The abstract state that the controller is in.
  func abstract(_ damage: Damage) -> StateSpecification {
    let record = bench.record.pointee
    let isStarting = record.state == .starting || record.state == .selfTest
    return StateSpecification(
      state: record.state, mode: record.mode, fault: record.fault, isStreaming: bench.isStreaming,
      freshTicks: isStarting ? bench.freshTicks : 0, isTested: bench.isTested, damage: damage,
      isBraking: record.outputsEnabled && record.mode == .idle)
  }
}

@Suite("States of a hand, explored exhaustively")
struct StateExplorationTests {
  /// Reached abstract states with how they were reached; each holds the real controller's memory there.
  private struct Reached {
    var state: StateSpecification
    var hand: ControllerBench.Snapshot
    var parent: Int?
    var event: StateEvent?
  }

  /// Ways into one abstract state that are gone on from: whether two of them behave alike is what makes the
  /// abstraction one.
  private static let waysIntoState = 2

  /// What must hold after any event, whatever the specification says.
  private func violations(
    of before: StateSpecification, _ event: StateEvent, _ after: StateSpecification, _ bench: ControllerBench
  ) -> [String] {
    let record = bench.record.pointee
    var broken: [String] = []
    func require(_ holds: Bool, _ text: String) { if !holds { broken.append(text) } }
    let live = record.outputsEnabled
    let reacts = after.state == .fault && after.fault.reaction != .limp
    require(!live || after.isLive || reacts, "outputs live in \(after.state) \(after.fault)")
    require(bench.actuators.pointee.enabled == live, "the actuators' enable is the record's")
    require(!after.isLive || live, "armed without outputs")
    if live && !before.isDriven && !before.isBraking {
      require(before.state == .idle || before.state == .selfTest, "live from \(before.state)")
      switch event {
      case .arm, .nullG: require(bench.result == .executed, "live by a refused command")
      default: require(false, "live without arming")
      }
    }
    require(!(live && after.damage.contains(.line)), "outputs live with the e-stop line active")
    require(!live || after.damage.isDisjoint(with: .ofActuators), "live through what does not obey")
    require(!(after.isBraking && after.damage.contains(.bus)), "braking with a failed bus")
    require(live || bench.actuators.pointee.duty[0] == 0, "a duty with outputs off")
    require(bench.actuators.pointee.duty[0].magnitude <= 1, "a duty beyond 1")
    require(after.isLatched == (after.fault != .none), "a fault is named exactly while it is latched")
    require(live == (after.mode != .idle) || after.isBraking, "mode idle exactly while nothing is driven")
    require(!after.isBraking || bench.actuators.pointee.duty[0] == 0, "a duty while braking")
    require(after.isDriven || record.lipschitz.isNaN, "L without an active joint")
    if before.isLatched && !after.isLatched {
      guard case .reset(let source) = event else { return broken + ["a latched cause cleared without reset"] }
      let isLocal = before.fault == .eStopLine || before.fault == .eStopSocket
      require(!(isLocal && source == .mqtt), "a local e-stop cleared remotely")
      require(after.state == (after.isTested ? .idle : .selfTest), "a reset leads to idle, once tested")
    }
    if before.state == .eStop { require(after.state != .fault, "an e-stop became a fault") }
    if case .stop = event { require(after.state == .eStop, "a stop that did not stop") }
    if case .stopWithReset = event { require(after.state == .eStop, "a stop that a reset undid") }
    return broken
  }

  /// Every operator's way back: mend, release, wait for the self-test, reset at the hand, disarm.
  private func canRecover(_ hand: ExploredHand) -> Bool {
    for event in [.tick, .wait, .reset(.socket), .wait, .disarm(.socket), .tick] as [StateEvent] {
      hand.apply(event, damage: [])
    }
    return hand.bench.record.pointee.state == .idle
  }

  @Test("every reachable state keeps to the specification under every event, and leads back to idle")
  func exploration() throws {
    let hand = ExploredHand()
    hand.apply(.tick, damage: [])
    var start = StateSpecification()
    start.step(.tick)
    try #require(hand.abstract([]) == start)
    var reached = [Reached(state: start, hand: hand.bench.snapshot(), parent: nil, event: nil)]
    var ways: [StateSpecification: Int] = [start: 1]
    var transitions = 0
    var next = 0
    func path(to index: Int, _ event: StateEvent) -> [StateEvent] {
      var events = [event]
      var index: Int? = index
      while let at = index {
        if let event = reached[at].event { events.append(event) }
        index = reached[at].parent
      }
      return events.reversed()
    }
    while next < reached.count {
      let from = reached[next]
      for event in StateEvent.all {
        var expected = from.state
        expected.step(event)
        try hand.bench.restore(from.hand)
        hand.apply(event, damage: expected.damage)
        transitions += 1
        let found = hand.abstract(expected.damage)
        var broken = violations(of: from.state, event, found, hand.bench)
        if found != expected { broken.append("found \(found), expected \(expected)") }
        for text in broken { Issue.record("\(text) after \(path(to: next, event))") }
        guard broken.isEmpty else { return }
        let count = ways[found, default: 0]
        guard count < Self.waysIntoState else { continue }
        ways[found] = count + 1
        reached.append(Reached(state: found, hand: hand.bench.snapshot(), parent: next, event: event))
        guard count == 0 else { continue }
        if !canRecover(hand) { Issue.record("no way back to idle after \(path(to: next, event))") }
      }
      next += 1
    }
    print("explored \(ways.count) states of a hand, \(transitions) transitions")
    let faults = Set(ways.keys.map(\.fault.rawValue))
    for cause in [
      FaultCode.eStopLine, .eStopSocket, .eStopRemote, .staleSensor, .implausibleSensor, .busFault,
      .actuatorFault, .driveEnable, .currentLimit, .velocityLimit, .deadlineMisses, .commandTimeout,
      .nonFinite,
      .selfTestFailed,
    ] {
      #expect(faults.contains(cause.rawValue), "\(cause) was never reached")
    }
  }

  @Test("ten ticks with fresh samples pass the self-test; a second without fails it")
  func selfTest() {
    let bench = ControllerBench()
    for _ in 0..<9 {
      bench.tick()
      #expect(bench.record.pointee.state == .selfTest)
    }
    bench.tick()
    #expect(bench.record.pointee.state == .idle)

    let blind = ControllerBench(joints: 2)
    blind.inputs.pointee.encoders[1].isValid = false
    for _ in 0...1000 { blind.tick() }
    #expect(blind.record.pointee.state == .selfTest)
    blind.tick()
    #expect(blind.record.pointee.state == .fault && blind.record.pointee.fault == .selfTestFailed)
    #expect(blind.record.pointee.faultJoint == 1)
  }

  @Test("a motion ends in armed, holding the pose")
  func arrival() {
    let bench = ControllerBench()
    bench.becomeIdle()
    bench.tick(.arm)
    #expect(bench.record.pointee.state == .armed && bench.record.pointee.mode == .stationKeep)
    bench.tick(.move(joint: 0, radians: 0.001, seconds: 0.01))
    #expect(bench.record.pointee.state == .tracking && bench.record.pointee.mode == .trajectory)
    var ticks = 0
    while bench.record.pointee.state == .tracking && ticks < 100 {
      bench.tick()
      ticks += 1
    }
    #expect(bench.record.pointee.state == .armed && bench.record.pointee.mode == .stationKeep)
  }

  @Test("a hand that was stopped during its self-test does it again after the reset")
  func stoppedSelfTest() {
    let bench = ControllerBench()
    for _ in 0..<5 { bench.tick() }
    bench.tick(.stop)
    #expect(bench.record.pointee.state == .eStop)
    bench.tick(.reset)
    #expect(bench.record.pointee.state == .selfTest && bench.record.pointee.fault == .none)
    for _ in 1..<GuardLimits.standard.selfTestTicks { bench.tick() }
    #expect(bench.record.pointee.state == .selfTest)
    bench.tick()
    #expect(bench.record.pointee.state == .idle)
    bench.tick(.stop)
    bench.tick(.reset)
    #expect(bench.record.pointee.state == .idle, "a self-test that passed stays passed")
  }

  @Test("a hand is not armed while a bridge reports a fault of its own")
  func armWithBridgeFault() {
    let bench = ControllerBench()
    bench.becomeIdle()
    bench.inputs.pointee.failedActuatorJoints = 1
    bench.tick(.arm)
    #expect(bench.result == .actuatorsNotReady && bench.record.pointee.state == .idle)
    #expect(!bench.record.pointee.outputsEnabled)
  }

  @Test("a refused command is not recorded as the last one executed")
  func refusedNumber() {
    let bench = ControllerBench()
    bench.becomeIdle()
    bench.tick(.arm)
    #expect(bench.record.pointee.commandNumber == 1)
    bench.tick(.reset)
    #expect(bench.record.pointee.commandNumber == 1 && bench.record.pointee.command.number == 2)
    #expect(bench.record.pointee.commandResult == .notLatched)
    bench.tick(.disarm)
    #expect(bench.record.pointee.commandNumber == 3)
  }

  @Test("each refusal says why and what to do")
  func refusals() {
    let bench = ControllerBench()
    bench.becomeIdle()
    bench.tick(.pose(radians: [1], seconds: nil))
    #expect(bench.result == .notArmed)
    bench.tick(.disarm)
    #expect(bench.result == .executed)
    bench.tick(.reset)
    #expect(bench.result == .notLatched)
    bench.inputs.pointee.unhealthyJoints = 1
    bench.tick(.arm)
    #expect(bench.result == .sensorsNotReady)
    bench.inputs.pointee.unhealthyJoints = 0
    bench.inputs.pointee.eStopLineActive = true
    bench.tick(.arm)
    #expect(bench.result == .eStopLineActive)
    bench.tick(.reset)
    #expect(bench.result == .eStopLineActive)
    bench.inputs.pointee.eStopLineActive = false
    bench.tick(.reset, source: .mqtt)
    #expect(bench.result == .localEStop)
    bench.tick(.arm)
    #expect(bench.result == .notIdle)
    bench.inputs.pointee.actuatorFailed = true
    bench.tick(.reset)
    #expect(bench.result == .causePresent)
    bench.inputs.pointee.actuatorFailed = false
    bench.tick(.reset)
    #expect(bench.result == .executed && bench.record.pointee.state == .idle)
    bench.inputs.pointee.actuatorFailed = true
    bench.tick(.arm)
    #expect(bench.result == .actuatorsNotReady && bench.record.pointee.state == .idle)
    let young = ControllerBench()
    young.tick(.arm)
    #expect(young.result == .selfTestRunning && young.record.pointee.commandResult == .selfTestRunning)
    for result in [
      CommandResult.notIdle, .notArmed, .notLatched, .eStopLineActive, .localEStop, .outOfRange,
      .actuatorsNotReady, .selfTestRunning,
    ] {
      #expect(result.refusal?.contains(":") ?? false)
    }
  }
}
