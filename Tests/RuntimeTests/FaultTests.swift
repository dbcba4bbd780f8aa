import Devices
import Foundation
import HandModel
import HandRigs
import Simulation
import Testing

@testable import Control
@testable import Runtime

/// Each fault, injected into the simulated hand and seen by the daemon's own schedule, drivers and tick.
@Suite("Faults of a simulated hand")
struct FaultTests {
  /// The hand is armed and at rest in its open pose by then.
  private static let armTick = 20
  private static let faultTick = 100
  /// Index-proximal: first joint of the second finger, alone on no bus and first on none.
  private static let joint = 3
  private static let indexBus = 1
  private static let actuatorBus = 5

  private func armed() throws -> VirtualHand {
    let hand = try VirtualHand()
    hand.command(Self.armTick, .arm)
    return hand
  }

  /// Runs until something latches and some ticks on; checks what every latched fault must fulfil.
  /// - Returns: the tick that latched.
  private func latch(
    _ hand: VirtualHand, _ code: FaultCode, joint: Int?, within ticks: Int, state: HandState = .fault
  ) throws -> Int {
    var driveEnableAtLatch: Bool?
    hand.run(ticks: ticks) { record in
      if record.state == state {
        if driveEnableAtLatch == nil { driveEnableAtLatch = hand.hand.driveEnable.isActive }
        return record.sequence >= UInt64(hand.firstTick(state) ?? 0) + 20
      }
      return false
    }
    let tick = try #require(hand.firstTick(state), "nothing latched in \(ticks) ticks")
    let record = hand.records[tick]
    #expect(record.fault == code)
    #expect(record.faultJoint == UInt8(joint ?? 255))
    #expect(hand.records[tick - 1].outputsEnabled, "the hand was live before")
    #expect(!record.outputsEnabled && record.mode == .idle, "off in the very tick that sees the fault")
    #expect(driveEnableAtLatch == false)
    let after = hand.records[tick...]
    #expect(
      after.allSatisfy { $0.state == state && $0.fault == record.fault && !$0.outputsEnabled },
      "the first cause stays")
    #expect(after.allSatisfy { $0.lipschitz.isNaN && $0.certificate == .inactive })
    return tick
  }

  private func staleJoints(_ record: TickRecord) -> [Int] {
    (0..<15).filter { record.joints[$0].flags & JointFlags.stale != 0 }
  }

  @Test("a healthy hand stays armed, its joints where they are")
  func healthy() throws {
    let hand = try armed()
    let records = hand.run(ticks: 1500)
    #expect(records[Self.armTick].state == .armed && records[1499].state == .armed)
    #expect(records.allSatisfy { $0.fault == .none })
    for joint in 0..<15 { #expect(abs(records[1499].joints[joint].positionRadians) < 0.01) }
  }

  @Test("an unplugged encoder is stale after the board's limit, and only that joint")
  func staleSensor() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.encoders[Self.joint].setConnected(false) }
    let tick = try latch(hand, .staleSensor, joint: Self.joint, within: 200)
    let last = hand.records[Self.faultTick - 1].joints[Self.joint]
    // The last sample ages by a period a tick; the first tick past 25 ms latches.
    let limit = TestHand.board.control.staleSampleNanoseconds
    let expected = Self.faultTick - 1 + Int((limit - Int64(last.sampleAgeNanoseconds)) / 1_000_000) + 1
    #expect(tick == expected)
    #expect(staleJoints(hand.records[tick]) == [Self.joint])
    #expect(
      hand.records[tick].joints[Self.joint].encoderCounts == last.encoderCounts, "a failed read is no value")
  }

  @Test("a hung bus faults its finger when its samples are too old, and no other finger goes stale")
  func busFault() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.buses[Self.indexBus].inject(.hang(nanoseconds: 300_000)) }
    let tick = try latch(hand, .busFault, joint: Self.joint, within: 200)
    #expect((Self.faultTick + 24...Self.faultTick + 25).contains(tick))
    #expect(Set(staleJoints(hand.records[tick])).isSubset(of: [3, 4, 5]))
    #expect(staleJoints(hand.records[tick + 2]) == [3, 4, 5])
  }

  @Test("arbitration lost once is mended by one repetition")
  func arbitration() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.buses[Self.indexBus].inject(.arbitrationLoss, transfers: 1) }
    let records = hand.run(ticks: 200)
    #expect(records[199].state == .armed)
    for joint in 0..<15 {
      #expect(records[Self.faultTick].joints[joint].flags & JointFlags.fresh != 0, "joint \(joint)")
    }
  }

  @Test("a jump of a quarter turn is rejected twice and latches the third time")
  func implausibleJump() throws {
    let hand = try armed()
    hand.before(Self.faultTick) {
      hand.hand.buses[Self.indexBus].inject(.readsInverted(I2CAddress(AS5600.defaultAddress), mask: 0x04))
    }
    let tick = try latch(hand, .implausibleSensor, joint: Self.joint, within: 200)
    #expect(tick == Self.faultTick + GuardLimits.standard.rejectedSamples - 1)
  }

  @Test("a single outlier is left out and harms nothing")
  func outlier() throws {
    let hand = try armed()
    hand.before(Self.faultTick) {
      hand.hand.buses[Self.indexBus].inject(
        .readsInverted(I2CAddress(AS5600.defaultAddress), mask: 0x04), transfers: 1)
    }
    let records = hand.run(ticks: 200)
    let outlier = records[Self.faultTick].joints[Self.joint]
    #expect(outlier.flags & JointFlags.fresh == 0)
    #expect(abs(outlier.positionRadians) < 0.01)
    #expect(records[Self.faultTick + 1].joints[Self.joint].flags & JointFlags.fresh != 0)
    #expect(records[199].state == .armed)
  }

  @Test("a magnet that has gone is found in its turn of the health checks")
  func magnet() throws {
    let hand = try armed()
    hand.before(Self.faultTick) {
      let encoder = hand.hand.encoders[Self.joint] as? SimulatedAS5600
      encoder?.setMagnet(MagnetHealth(status: 0, automaticGain: 128, magnitude: 0))
    }
    let tick = try latch(hand, .implausibleSensor, joint: Self.joint, within: 800)
    // 10 Hz, three encoders and three current sensors on the bus in turn.
    #expect((Self.faultTick...Self.faultTick + 600).contains(tick))
  }

  @Test("a joint that an object stops is a tracking error in the tick that passes the limit")
  func trackingError() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.joints[Self.joint].setObject(atRadians: 0.3) }
    hand.command(Self.faultTick, .move(joint: Self.joint, radians: 1.5, seconds: 1))
    let tick = try latch(hand, .trackingError, joint: Self.joint, within: 2000)
    let limit = TestHand.calibration.joints[Self.joint].limits.trackingErrorRadians
    for n in Self.faultTick...tick {
      let setpoint = hand.records[n - 1].joints[Self.joint].setpointRadians
      let error = abs(setpoint - hand.records[n].joints[Self.joint].positionRadians)
      #expect((error > limit) == (n == tick), "tick \(n)")
    }
  }

  @Test("a stuck encoder is given away before its joint has gone far", arguments: [0.4, 1, 3])
  func stuckEncoder(seconds: Double) throws {
    let hand = try armed()
    hand.command(Self.faultTick, .move(joint: Self.joint, radians: 1.2, seconds: seconds))
    let stuckTick = Self.faultTick + Int(seconds * 400)
    var start = 0.0
    hand.before(stuckTick) {
      let joint = hand.hand.joints[Self.joint]
      start = joint.truth(at: hand.clock.now()).radians
      joint.setEncoderStuck(counts: joint.encoderCounts(at: hand.clock.now()))
    }
    var code = FaultCode.none
    hand.run(ticks: 4000) { record in
      code = record.fault
      return record.state == .fault
    }
    #expect([.currentMismatch, .innovation, .stuckSensor].contains(code), "\(code)")
    let end = hand.hand.joints[Self.joint].truth(at: hand.clock.now())
    #expect(abs(end.radians - start) < 0.3, "after \(hand.records.count - stuckTick) ticks: \(code)")
  }

  @Test("a joint that is torn away is let go before it has turned a quarter of its range")
  func tornAway() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.joints[Self.joint].setExternalTorque(newtonMetres: 2) }
    let tick = try latch(hand, .innovation, joint: Self.joint, within: 200)
    #expect(hand.records[tick].joints[Self.joint].measuredRadians < 0.2)
  }

  @Test("a motor with another torque than its duty should give is let go", arguments: [-1.0, 0.1, 2])
  func wrongTorque(scale: Double) throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.joints[Self.joint].setDriveScale(scale) }
    hand.command(Self.faultTick + 50, .move(joint: Self.joint, radians: 1.2, seconds: 1))
    let tick = try latch(hand, .currentMismatch, joint: Self.joint, within: 1200)
    let joint = hand.records[tick].joints[Self.joint]
    #expect(abs(joint.positionRadians - joint.setpointRadians) < 0.1)
  }

  @Test("a hand whose stream ends comes to rest after its time-out, to the tick, and holds until let go")
  func commandTimeout() throws {
    let hand = try armed()
    let last = Self.faultTick + 300
    let targets = [Double](repeating: 0.8, count: 15)
    for tick in stride(from: Self.faultTick, through: last, by: 100) {
      hand.command(tick, .stream(radians: targets))
    }
    let periods = Int(TestHand.board.control.commandTimeoutNanoseconds / 1_000_000)
    let latched = last + periods + 1
    hand.command(latched + 600, .pose(radians: targets, seconds: 1))
    hand.command(latched + 700, .disarm)
    hand.run(ticks: latched + 750)
    #expect(hand.firstTick(.fault) == latched)
    #expect(hand.records[latched...].allSatisfy { $0.state == .fault && $0.fault == .commandTimeout })
    let holding = hand.records[latched..<latched + 700]
    #expect(holding.allSatisfy { $0.outputsEnabled && $0.mode == .stationKeep && !($0.lipschitz > 1) })
    // Held where braking ended, whatever else is commanded.
    let end = hand.records[latched + 200].joints[0].setpointRadians
    #expect(hand.records[latched + 699].joints[0].setpointRadians == end)
    #expect(abs(hand.records[latched + 699].joints[0].positionRadians - end) < 0.01)
    #expect(hand.records[(latched + 700)...].allSatisfy { !$0.outputsEnabled && $0.mode == .idle })
  }

  @Test("what goes wrong while a hand holds takes the time-out's place, and the hand goes limp")
  func faultWhileHolding() throws {
    let hand = try armed()
    hand.command(Self.faultTick, .stream(radians: TestHand.pose("open")))
    hand.before(Self.faultTick + 400) { hand.hand.encoders[Self.joint].setConnected(false) }
    hand.run(ticks: Self.faultTick + 600)
    let end = hand.records[hand.records.count - 1]
    #expect(hand.records[Self.faultTick + 399].fault == .commandTimeout)
    #expect(end.fault == .staleSensor && end.faultJoint == UInt8(Self.joint))
    #expect(!end.outputsEnabled && end.mode == .idle)
  }

  @Test("a PWM chip that answers no more is an actuator fault at the third failed write")
  func actuatorGone() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.pwmChips[0].setConnected(false) }
    let tick = try latch(hand, .actuatorFault, joint: nil, within: 200)
    #expect(tick == Self.faultTick + 2)
  }

  @Test("a dead actuator thread is an actuator fault once the board's limit of age has passed")
  func deadActuatorThread() throws {
    let hand = try armed()
    var trouble = MachineDisturbance()
    trouble.killsActuatorThreads = true
    hand.trouble[Self.faultTick] = trouble
    let tick = try latch(hand, .actuatorFault, joint: nil, within: 200)
    let limit = Int(TestHand.board.control.staleSampleNanoseconds / 1_000_000)
    #expect((Self.faultTick + limit...Self.faultTick + limit + 3).contains(tick))
  }

  @Test(
    "an actuators' bus that hangs for less than the limit of age is no fault, a longer one is",
    arguments: [15, 300])
  func hungActuatorBus(milliseconds: Int) throws {
    let hand = try armed()
    hand.before(Self.faultTick) {
      hand.hand.buses[Self.actuatorBus].inject(
        .hang(nanoseconds: Int64(milliseconds) * 1_000_000), transfers: 1)
    }
    guard milliseconds > 25 else {
      let records = hand.run(ticks: 400)
      #expect(records[399].state == .armed)
      #expect((10...17).contains(records.map(\.actuatorLagTicks).dropFirst(20).max() ?? 0))
      return
    }
    let tick = try latch(hand, .actuatorFault, joint: nil, within: 200)
    #expect((Self.faultTick + 25...Self.faultTick + 29).contains(tick))
  }

  /// Braking through a bus that hangs would go on at the old duty.
  @Test("a joint that races while the actuators' bus hangs is let go in the tick that sees it, not braked")
  func raceWithHungBus() throws {
    let hand = try armed()
    hand.before(Self.faultTick) {
      hand.hand.buses[Self.actuatorBus].inject(.hang(nanoseconds: 300_000_000), transfers: 1)
    }
    // Torn along by something stronger than the drive, as fast as a wrong duty would.
    hand.before(Self.faultTick + 5) { hand.hand.joints[Self.joint].setExternalTorque(newtonMetres: 20) }
    var wasLive: Bool?
    hand.run(ticks: 200) { record in
      guard record.state == .fault else { return false }
      wasLive = hand.hand.driveEnable.isActive
      return true
    }
    #expect(wasLive == false && hand.records.count < Self.faultTick + 25)
  }

  @Test("a PWM chip after a brown-out is found by reading its mode back")
  func brownOut() throws {
    let hand = try armed()
    // The software reset leaves the chips as a brown-out does: asleep, outputs off (data sheet, 7.6).
    hand.before(Self.faultTick) {
      do throws(I2CError) {
        try hand.hand.buses[Self.actuatorBus].writeByte(I2CAddress(0), 0x06)
      } catch { Issue.record("\(error)") }
    }
    let tick = try latch(hand, .actuatorFault, joint: nil, within: 800)
    // 10 Hz: the first chip in whose turn it is.
    #expect((Self.faultTick...Self.faultTick + 100).contains(tick))
  }

  @Test(
    "a PWM chip that comes back from a loss of power is configured anew, and the hand can be reset and armed")
  func powerLoss() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.pwmChips[0].setConnected(false) }
    hand.command(200, .reset)
    hand.before(250) {
      hand.hand.pwmChips[0].powerCycle(at: hand.clock.now())
      hand.hand.pwmChips[0].setConnected(true)
    }
    hand.command(400, .reset)
    hand.command(410, .arm)
    hand.command(420, .pose(radians: TestHand.pose("power"), seconds: 1))
    let records = hand.run(ticks: 1600)
    #expect(records[Self.faultTick + 2].fault == .actuatorFault)
    #expect(records[399].state == .fault, "a reset without the chip is refused")
    #expect(records[400].state == .idle && records[410].state == .armed)
    #expect(records[1599].state == .armed && records[1599].fault == .none)
    for (joint, target) in TestHand.pose("power").enumerated() {
      #expect(abs(records[1599].joints[joint].positionRadians - target) < 0.02, "joint \(joint)")
    }
  }

  @Test("a chip that cannot be switched off keeps the hand from being armed until it has been")
  func notSwitchedOff() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.pwmChips[0].setConnected(false) }
    hand.command(Self.faultTick, .disarm)
    hand.command(110, .arm)
    hand.before(150) { hand.hand.pwmChips[0].setConnected(true) }
    hand.command(310, .arm)
    let records = hand.run(ticks: 320) { record in
      if record.sequence == 300 {
        #expect((0..<16).allSatisfy { hand.hand.pwmChips[0].duty($0) == 0 })
      }
      return false
    }
    #expect(records[309].state == .idle && records[309].fault == .none)
    #expect(records[310].state == .armed)
  }

  @Test("the e-stop line switches off in the tick that sees it; the motors coast")
  func eStopLine() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.eStopLine.press() }
    let tick = try latch(hand, .eStopLine, joint: nil, within: 200, state: .eStop)
    #expect(tick == Self.faultTick)
    for joint in hand.hand.joints { #expect(!joint.truth(at: hand.clock.now()).isLive) }
  }

  @Test("an e-stop command switches off in the tick that takes it", arguments: [CommandSource.socket, .mqtt])
  func eStopCommand(source: CommandSource) throws {
    let hand = try armed()
    hand.command(Self.faultTick, .stop, source: source)
    let code: FaultCode = source == .mqtt ? .eStopRemote : .eStopSocket
    let tick = try latch(hand, code, joint: nil, within: 200, state: .eStop)
    #expect(tick == Self.faultTick)
  }

  @Test("after a fault was mended and reset, the hand arms and moves again")
  func recovery() throws {
    let hand = try armed()
    hand.before(Self.faultTick) { hand.hand.encoders[Self.joint].setConnected(false) }
    hand.command(140, .reset)
    hand.before(150) { hand.hand.encoders[Self.joint].setConnected(true) }
    hand.command(160, .reset)
    hand.command(170, .arm)
    hand.command(180, .pose(radians: TestHand.pose("power"), seconds: 1))
    let records = hand.run(ticks: 1400)
    #expect(records[139].fault == .staleSensor)
    #expect(records[145].state == .fault, "a reset while the cause is present is refused")
    #expect(records[160].state == .idle && records[170].state == .armed && records[180].state == .tracking)
    #expect(records[1399].state == .armed)
    for (joint, target) in TestHand.pose("power").enumerated() {
      #expect(abs(records[1399].joints[joint].positionRadians - target) < 0.02, "joint \(joint)")
    }
  }
}
