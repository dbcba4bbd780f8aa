import Devices
import Foundation
import HandFiles
import HandRigs
import PrimalLogic
import Simulation
import Testing

@testable import Control
@testable import HandModel
@testable import Runtime

@Suite("A hand of servos")
struct ServoHandTests {
  private static let armTick = 20
  private static let poseTick = 50

  /// Open, armed, through three poses, each at rest for a second.
  private static let grasp: [TickRecord] = {
    do {
      let hand = try VirtualHand(seed: 5, design: ServoHand.design)
      hand.command(armTick, .arm)
      for (index, pose) in ["power", "pointing", "open"].enumerated() {
        hand.command(poseTick + 250 * index, .pose(radians: ServoHand.pose(pose), seconds: 1))
      }
      return hand.run(ticks: poseTick + 750)
    } catch { fatalError("\(error)") }
  }()

  /// A hand that goes on although most samples are missing: for its limits of the shipped hand it would stop.
  @Test("a hand whose encoders answer in every fourth tick only is followed through a grasp, and is no fault")
  func sparseSamples() throws {
    let text = TestFiles.text("Boards/sim-servo.yaml")
      .replacing("uncertified_budget_ticks: 20 #", with: "uncertified_budget_ticks: 200 #")
      .replacing("stale_sample_ms: 50 #", with: "stale_sample_ms: 500 #")
    let board = try Board(yaml: text, file: "sparse.yaml")
    let hand = try VirtualHand(seed: 5, design: HandDesign(board: board, calibration: ServoHand.calibration))
    hand.command(Self.armTick, .arm)
    let end = Self.poseTick + 750
    for (index, pose) in ["power", "pointing", "open"].enumerated() {
      hand.command(Self.poseTick + 250 * index, .pose(radians: ServoHand.pose(pose), seconds: 1))
    }
    for tick in Self.poseTick..<end {
      hand.before(tick) { for encoder in hand.hand.encoders { encoder.setConnected(tick % 4 == 0) } }
    }
    let records = hand.run(ticks: end)
    #expect(records.allSatisfy { $0.fault == .none })
    #expect(records.suffix(100).allSatisfy { $0.outputsEnabled })
    // Three ticks of a fast finger.
    for record in records[Self.poseTick...] {
      for joint in 0..<5 {
        let sample = record.joints[joint]
        #expect((sample.positionRadians - sample.setpointRadians).magnitude < 0.25)
      }
    }
  }

  @Test("each tick of a grasp is certified, with L below 1 and no fault")
  func certified() {
    let live = Self.grasp[(Self.armTick + 1)...]
    #expect(live.allSatisfy { $0.state == .armed || $0.state == .tracking })
    #expect(live.allSatisfy { $0.certificate == .certified || $0.certificate == .deadzone })
    #expect(live.allSatisfy { $0.lipschitz < 1 && $0.windowProduct < 1 && $0.uncertifiedTicks == 0 })
    #expect(live.contains { $0.certificate == .certified })
  }

  @Test("the servos follow the poses within their model's error and arrive")
  func follows() {
    for (index, pose) in ["power", "pointing", "open"].enumerated() {
      let last = Self.grasp[Self.poseTick + 250 * (index + 1) - 1]
      for joint in 0..<5 {
        // The encoder's step is 1.5 mrad, a count of the PCA9685 at 100 Hz 2.44 us or 3.8 mrad.
        let error = last.joints[joint].positionRadians - ServoHand.pose(pose)[joint]
        #expect(abs(error) < 0.008, "\(pose), joint \(joint): \(error) rad off")
      }
    }
    for joint in 0..<5 {
      var hand = 0.0
      var model = 0.0
      for record in Self.grasp[Self.poseTick..<Self.poseTick + 100] {
        hand += pow(record.joints[joint].setpointRadians - record.joints[joint].positionRadians, 2)
        model += pow(record.joints[joint].setpointRadians - record.joints[joint].nominalRadians, 2)
      }
      let excess = (hand / 100).squareRoot() - (model / 100).squareRoot()
      #expect(excess < 0.01, "joint \(joint): \(excess) rad over the model's own error")
    }
  }

  @Test("the law's command reaches the PCA9685 as the count that the kernel's driver writes for its pulse")
  func registers() throws {
    let hand = try VirtualHand(design: ServoHand.design)
    hand.command(Self.armTick, .arm)
    hand.command(Self.poseTick, .pose(radians: ServoHand.pose("power"), seconds: 1))
    var compared = 0
    hand.run(ticks: 200) { record in
      guard record.sequence > UInt64(Self.armTick + 1) else { return false }
      // The chip has what the tick before decided.
      let before = hand.records[Int(record.sequence) - 1]
      for joint in 0..<5 {
        let out = before.joints[joint]
        let servo = ServoHand.servo(joint)
        let micros =
          servo.zeroMicroseconds
          + servo.microsecondsPerRadian * (out.setpointRadians + out.torqueNewtonMetres)
        let nanoseconds = (micros * 1000).rounded()
        // drivers/pwm/pwm-pca9685.c, Linux 6.12: DIV_ROUND_UP_ULL(4096 * duty_cycle, period).
        let expected = Int((4096 * nanoseconds / 10_000_000).rounded(.up))
        let chip = hand.hand.pwmChips[0]
        let base = UInt8(0x06 + 4 * joint)
        let found = Int(chip.register(base + 2)) | Int(chip.register(base + 3)) << 8
        #expect(found == expected, "tick \(record.sequence), joint \(joint)")
        #expect(chip.register(base) == 0 && chip.register(base + 1) == 0)
        compared += 1
      }
      return false
    }
    #expect(compared > 800)
  }

  @Test("a servo at rest is not written again until its pulse changes")
  func onChange() throws {
    let clock = VirtualClock()
    let simulation = SimulatedHand(
      board: ServoHand.board, calibration: ServoHand.calibration, seed: 1, clock: clock)
    let worker = try #require(
      try ActuatorWorker(
        schedule: ServoHand.design.plan.schedules[0], board: ServoHand.board, bus: simulation.buses[0],
        hardware: simulation))
    var readyAt: Int64 = 0
    #expect(worker.configure(readyAt: &readyAt).isEmpty)
    clock.set(readyAt)
    func cycle(_ pulse: Int64) throws -> Int64 {
      var command = ActuatorCommand()
      command.enabled = true
      for joint in 0..<5 { command.pulseNanoseconds[joint] = pulse }
      worker.commands.write(command)
      let before = simulation.buses[0].timeNanoseconds
      try worker.actuate()
      return simulation.buses[0].timeNanoseconds - before
    }
    #expect(try cycle(1_500_000) > 0)
    #expect(try cycle(1_500_000) == 0)
    // Within the same count of 2.44 us nothing new can come out.
    #expect(try cycle(1_500_100) == 0)
    #expect(try cycle(1_510_000) > 0)
    try worker.switchOff()
    #expect((0..<5).allSatisfy { simulation.pwmChips[0].duty($0) == 0 })
    // After switching off the chip has other registers than were written last.
    #expect(try cycle(1_510_000) > 0)
  }

  /// What ends outputs, and the fault it must latch.
  enum End: CaseIterable { case eStop, stop, staleSample, disarm, actuator }

  @Test("whatever ends outputs, servos get no pulses and go limp", arguments: End.allCases)
  func losesPulses(end: End) throws {
    let hand = try VirtualHand(design: ServoHand.design)
    hand.command(Self.armTick, .arm)
    switch end {
    case .eStop: hand.before(100) { hand.hand.eStopLine.press() }
    case .stop: hand.command(100, .stop)
    case .staleSample: hand.before(100) { hand.hand.encoders[2].setConnected(false) }
    case .disarm: hand.command(100, .disarm)
    case .actuator: hand.before(100) { hand.hand.pwmChips[0].setConnected(false) }
    }
    let records = hand.run(ticks: 130)
    #expect(records[99].outputsEnabled)
    let off = try #require(records.firstIndex { $0.sequence > 50 && !$0.outputsEnabled })
    let fault: FaultCode =
      switch end {
      case .eStop: .eStopLine
      case .stop: .eStopSocket
      case .staleSample: .staleSensor
      case .disarm: .none
      case .actuator: .actuatorFault
      }
    #expect(records[off].fault == fault)
    if end == .staleSample { #expect(records[off].faultJoint == 2) }
    #expect(records[off...].allSatisfy { !$0.outputsEnabled && $0.lipschitz.isNaN })
    #expect(!hand.hand.driveEnable.isActive)
    for joint in 0..<5 {
      // A chip off the bus keeps its pulses: then the drive-enable line alone makes the servo limp.
      if end != .actuator { #expect(hand.hand.pwmChips[0].duty(joint) == 0) }
      #expect(!hand.hand.joints[joint].truth(at: hand.clock.now()).isLive)
    }
  }

  @Test("NULL-G gives servos no pulses; they can be moved by hand and hold where they are when armed again")
  func nullG() throws {
    let hand = try VirtualHand(design: ServoHand.design)
    hand.command(Self.armTick, .nullG)
    for step in 1...30 {
      hand.before(40 + step) { hand.hand.joints[1].place(radians: 0.02 * Double(step)) }
    }
    hand.command(100, .arm)
    let records = hand.run(ticks: 200) { record in
      if (30..<100).contains(record.sequence) { #expect(hand.hand.pwmChips[0].duty(1) == 0) }
      if record.sequence == 190 { #expect(hand.hand.pwmChips[0].duty(1) > 0) }
      return false
    }
    #expect(records.allSatisfy { $0.fault == .none })
    #expect(abs(records[199].joints[1].positionRadians - 0.6) < 0.01)
  }

  @Test("a servo that holds without pulses is let go by the drive-enable line")
  func holding() throws {
    let hand = try VirtualHand(design: ServoHand.design)
    for joint in 0..<5 { hand.hand.setHoldsWithoutPulses(true, joint: joint) }
    hand.command(Self.armTick, .arm)
    hand.command(100, .stop)
    hand.run(ticks: 120)
    #expect(!hand.hand.joints[0].truth(at: hand.clock.now()).isLive)
  }

  @Test("held by force beyond its correction limit a servo is saturated, and the loop never expands")
  func saturated() throws {
    var calibration = ServoHand.calibration
    for joint in calibration.joints.indices { calibration.joints[joint].limits.trackingErrorRadians = 1 }
    let design = try HandDesign(board: ServoHand.board, calibration: calibration)
    let hand = try VirtualHand(design: design)
    hand.command(Self.armTick, .arm)
    // The simulated servo's stiffness is 2.5e-3 * 37.7^2 = 3.55 N m/rad: 2 N m are 0.56 rad.
    for step in 0...100 {
      hand.before(60 + 2 * step) { hand.hand.joints[3].setExternalTorque(newtonMetres: 0.02 * Double(step)) }
    }
    let records = hand.run(ticks: 600) { $0.state == .fault }
    #expect(records.contains { $0.joints[3].flags & JointFlags.torqueLimited != 0 })
    let live = records.filter(\.outputsEnabled)
    #expect(live.allSatisfy { !($0.lipschitz > 1) })
    #expect(live.contains { $0.joints[3].slope < 1 })
  }
}

@Suite("Timing of a servo's command")
struct OutputTimingTests {
  private func refusal(
    _ change: (inout Board, inout Calibration) -> Void
  ) -> DesignRefusal? {
    var board = ServoHand.board
    var calibration = ServoHand.calibration
    change(&board, &calibration)
    do throws(DesignRefusal) {
      _ = try HandDesign(board: board, calibration: calibration)
      return nil
    } catch {
      return error
    }
  }

  @Test("ticks of the certificate are bus, a whole frame and the servo's delay, rounded up")
  func delay() {
    for joint in ServoHand.design.joints {
      // 1 ms + 200 bits at 400 kHz + 150 us, a frame of 61 * 4096 / 25 MHz, 4 ms.
      #expect(joint.model.delayTicks == 2)
      #expect(abs(joint.outputLatency - (1.65 + 9.99424 / 2 + 4) / 10) < 1e-9)
      #expect(joint.model.stiffness == 1 && joint.certificate.contraction < 1)
    }
  }

  @Test("a frame of more than ten ticks is refused with the highest rate")
  func slowFrame() throws {
    let error = try #require(
      refusal { board, _ in
        board.control.rateHertz = 1000
        board.pwmChips[0].frequencyHertz = 50
      })
    #expect(error.joint == "thumb")
    guard case .slowFrame("servos", let hertz, 1000) = error.cause else {
      Issue.record("\(error)")
      return
    }
    // 25 MHz / (4096 * 122).
    #expect(abs(hertz - 50.03) < 0.01)
    #expect(error.description.contains("lower control.rate_hz to at most 500"))
  }

  @Test("the prescaler's rounding counts: 200 Hz give 196.9 Hz, so that 200 ticks need two a decision")
  func roundedFrame() throws {
    var board = ServoHand.board
    board.control.rateHertz = 200
    board.pwmChips[0].frequencyHertz = 200
    #expect(abs(board.pwmChips[0].trueFrequencyHertz - 196.89) < 0.01)
    let timing = try OutputTiming(of: 0, ServoHand.calibration.joints[0], board: board, plan: BusPlan(board))
    #expect(timing.holdTicks == 2)
    // 0.5 ms + 200 bits at 400 kHz + 150 us, half of 31 * 4096 / 25 MHz, 4 ms, in ticks of 5 ms.
    #expect(abs(timing.meanTicks - (1.15 + 5.07904 / 2 + 4) / 5) < 1e-9)
    #expect(abs(timing.earliestPeriods - 5.15 / 10) < 1e-9)
    #expect(timing.delayTicks == 2)
  }

  @Test("a command that acts after more ticks than a certificate covers is refused")
  func lateOutput() throws {
    let error = try #require(
      refusal { _, calibration in
        guard case .servo(var servo) = calibration.joints[2].drive else { return }
        servo.delaySeconds = 0.05
        calibration.joints[2].drive = .servo(servo)
      })
    #expect(error.joint == "middle")
    guard case .lateOutput = error.cause else {
      Issue.record("\(error)")
      return
    }
  }

  @Test("at the frame of every servo, 50 Hz, the hand has a certificate too")
  func fiftyHertz() throws {
    #expect(
      refusal { board, _ in
        board.control.rateHertz = 50
        board.pwmChips[0].frequencyHertz = 50
      } == nil)
  }
}
