import HandModel
import Testing

@testable import Runtime

/// What may happen to a hand in one tick of the exploration.
private enum Event: CaseIterable {
  case arm, disarm, localStop, remoteStop, localReset, remoteReset, pose, stream, pressOrRelease, breakOrHeal

  var command: (Command, CommandSource)? {
    switch self {
    case .arm: (.arm, .mqtt)
    case .disarm: (.disarm, .socket)
    case .localStop: (.stop, .socket)
    case .remoteStop: (.stop, .mqtt)
    case .localReset: (.reset, .socket)
    case .remoteReset: (.reset, .mqtt)
    case .pose: (.pose(radians: [1], seconds: 1), .mqtt)
    case .stream: (.stream(radians: [1]), .mqtt)
    case .pressOrRelease, .breakOrHeal: nil
    }
  }
}

/// The states of a hand as docs/design.md tells them, written down once more without looking at the controller.
private struct Specification: Equatable {
  var state = HandState.idle
  var fault = FaultCode.none
  var linePressed = false
  var sensorBroken = false

  mutating func step(_ event: Event) {
    if event == .pressOrRelease { linePressed.toggle() }
    if event == .breakOrHeal { sensorBroken.toggle() }
    // Stops come before everything, the line before a command; an e-stop overrides a fault, and of two
    // e-stops the first stays, but a local one takes over a remote one, and the line is the strongest.
    if linePressed { stop(.eStopLine) }
    if event == .localStop { stop(.eStopSocket) }
    if event == .remoteStop { stop(.eStopRemote) }
    let isLive = state == .armed || state == .tracking
    if isLive && sensorBroken {
      state = .fault
      fault = .staleSensor
      return
    }
    switch event {
    case .arm: if state == .idle && !sensorBroken { state = .armed }
    case .disarm: if isLive { state = .idle }
    case .pose, .stream: if isLive { state = .tracking }
    case .localReset, .remoteReset:
      let mayClear = event == .localReset || state == .fault || fault == .eStopRemote
      if (state == .fault || state == .eStop) && mayClear && !linePressed && !sensorBroken {
        state = .idle
        fault = .none
      }
    case .localStop, .remoteStop, .pressOrRelease, .breakOrHeal: break
    }
  }

  private mutating func stop(_ cause: FaultCode) {
    if state != .eStop || cause == .eStopLine || (fault == .eStopRemote && cause == .eStopSocket) {
      fault = cause
    }
    state = .eStop
  }
}

@Suite("States of a hand, explored exhaustively")
struct StateExplorationTests {
  private static let staleAge = TestHand.board.control.staleSampleNanoseconds + 1
  private static let freshAge: Int64 = 100_000

  /// One event, one tick, and everything that must hold after it.
  private func step(
    _ event: Event, _ bench: ControllerBench, _ specification: inout Specification,
    isArmed: inout Bool, path: @autoclosure () -> [Event]
  ) -> Bool {
    specification.step(event)
    let before = bench.record.pointee.state
    bench.inputs.pointee.eStopLineActive = specification.linePressed
    bench.sampleAgeNanoseconds = specification.sensorBroken ? Self.staleAge : Self.freshAge
    bench.tick(event.command?.0, source: event.command?.1 ?? .socket)
    let record = bench.record.pointee

    if event == .arm && bench.result == .executed && record.outputsEnabled { isArmed = true }
    let latched = record.state == .fault || record.state == .eStop
    if latched || event == .disarm { isArmed = false }
    var broken: [String] = []
    if record.state != specification.state || record.fault != specification.fault {
      broken.append("expected \(specification.state) \(specification.fault)")
    }
    let isLive = record.state == .armed || record.state == .tracking
    if record.outputsEnabled != isLive || bench.actuators.pointee.enabled != isLive {
      broken.append("outputs are live in armed and tracking only")
    }
    if record.outputsEnabled && !isArmed { broken.append("outputs live without an arm since the last end") }
    if specification.linePressed && record.outputsEnabled {
      broken.append("outputs live with the line active")
    }
    if !isLive && bench.actuators.pointee.duty[0] != 0 { broken.append("a duty with outputs off") }
    if latched != (record.fault != .none) { broken.append("a fault is named exactly while it is latched") }
    if isLive == (record.mode == .idle) { broken.append("mode idle exactly while outputs are off") }
    if before == .fault && isLive { broken.append("armed straight from a fault") }
    if !isLive && !record.lipschitz.isNaN { broken.append("L without an active joint") }
    for text in broken {
      Issue.record("\(text): \(path()) ends in \(record.state) \(record.fault)")
    }
    return broken.isEmpty
  }

  /// Back to idle, for the next sequence, by the way every operator has.
  private func recover(_ bench: ControllerBench) {
    bench.inputs.pointee.eStopLineActive = false
    bench.sampleAgeNanoseconds = Self.freshAge
    bench.tick(.reset)
    bench.tick(.disarm)
  }

  @Test("all 100,000 sequences of five events, from idle, keep to the specification")
  func fromIdle() {
    let events = Event.allCases
    let length = 5
    let bench = ControllerBench()
    bench.becomeIdle()
    var total = 1
    for _ in 0..<length { total *= events.count }
    for number in 0..<total {
      #expect(bench.record.pointee.state == .idle, "sequence \(number)")
      var specification = Specification()
      var isArmed = false
      var rest = number
      for position in 0..<length {
        let event = events[rest % events.count]
        rest /= events.count
        func path() -> [Event] {
          var path: [Event] = []
          var rest = number
          for _ in 0...position {
            path.append(events[rest % events.count])
            rest /= events.count
          }
          return path
        }
        if !step(event, bench, &specification, isArmed: &isArmed, path: path()) { return }
      }
      recover(bench)
    }
  }

  @Test("no command makes outputs live before the self-test has passed")
  func duringSelfTest() {
    for event in Event.allCases where event != .breakOrHeal {
      let bench = ControllerBench()
      for tick in 0..<GuardLimits.selfTestTicks - 1 {
        bench.inputs.pointee.eStopLineActive = event == .pressOrRelease
        bench.tick(event.command?.0, source: event.command?.1 ?? .socket)
        #expect(!bench.record.pointee.outputsEnabled, "\(event), tick \(tick)")
        let stops = [.localStop, .remoteStop, .pressOrRelease].contains(event)
        let expected: HandState = stops ? .eStop : .selfTest
        // A reset in the tick before nothing has latched is refused and changes nothing.
        #expect(bench.record.pointee.state == expected, "\(event), tick \(tick)")
      }
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
    for result in [
      CommandResult.notIdle, .notArmed, .notLatched, .eStopLineActive, .localEStop, .outOfRange,
      .actuatorsNotReady,
    ] {
      #expect(result.refusal?.contains(":") ?? false)
    }
  }
}
