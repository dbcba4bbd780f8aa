import Simulation
import Foundation
import HandFiles
import HandRigs
import PrimalLogic
import SeededRandom
import Testing

@testable import Control
@testable import HandModel

/// The shipped hand of servos with plain 50 Hz frames under a faster loop.
enum FiftyHertz {
  /// A bus quick enough for 250 Hz; the frame is 122 x 4096 / 25 MHz = 19.989 ms.
  static func board(rateHertz: Int) -> Board {
    let text = TestFiles.text("Boards/sim-servo.yaml")
      .replacing("rate_hz: 100 #", with: "rate_hz: \(rateHertz) #")
      .replacing("frequency_hz: 100,", with: "frequency_hz: 50,")
      .replacing("transfer_overhead_us: 150", with: "transfer_overhead_us: 60")
    do { return try Board(yaml: text, file: "fifty.yaml") } catch { fatalError("\(error)") }
  }

  static func design(rateHertz: Int) throws -> HandDesign {
    try HandDesign(board: board(rateHertz: rateHertz), calibration: ServoHand.calibration)
  }

  /// 200 Hz: four ticks a decision.
  static let design: HandDesign = {
    do { return try design(rateHertz: 200) } catch { fatalError("\(error)") }
  }()
}

@Suite("Servos whose frames come less often than ticks")
struct MultiRateTests {
  private static let poses = ["power", "pointing", "open"]

  /// Armed at tick 21, which is no multiple of any hold; three poses of three seconds.
  private func grasp(_ design: HandDesign, seed: UInt64 = 5) throws -> [TickRecord] {
    let rate = design.board.control.rateHertz
    let hand = try VirtualHand(seed: seed, design: design)
    hand.command(21, .arm)
    for (index, pose) in Self.poses.enumerated() {
      hand.command(rate / 2 + 3 * rate * index, .pose(radians: ServoHand.pose(pose), seconds: 1))
    }
    return hand.run(ticks: rate / 2 + 3 * rate * Self.poses.count)
  }

  @Test(
    "hands at 100, 200 and 250 Hz follow their poses, each interval certified, a decision a frame",
    arguments: [(100, 2), (200, 4), (250, 5)])
  func follows(rateHertz: Int, hold: Int) throws {
    let design = try FiftyHertz.design(rateHertz: rateHertz)
    #expect(design.joints.allSatisfy { $0.holdTicks == hold && $0.model.delayTicks == 2 })
    let records = try grasp(design)
    let armed = try #require(records.firstIndex { $0.outputsEnabled })
    let live = records[armed...]
    #expect(live.allSatisfy { $0.fault == .none && $0.outputsEnabled })
    // The first decision ends no interval; the second is `hold` ticks later.
    #expect(records[armed..<armed + hold].allSatisfy { $0.certificate == .inactive && $0.lipschitz.isNaN })
    let certified = records[(armed + hold)...]
    #expect(certified.allSatisfy { $0.certificate == .certified || $0.certificate == .deadzone })
    #expect(certified.allSatisfy { $0.lipschitz < 1 && $0.windowProduct < 1 && $0.uncertifiedTicks == 0 })
    #expect(certified.contains { $0.certificate == .certified })
    var changes = 0
    for tick in (armed + 1)..<records.count {
      let (before, now) = (records[tick - 1].joints[1], records[tick].joints[1])
      guard now.torqueNewtonMetres != before.torqueNewtonMetres else { continue }
      changes += 1
      #expect((tick - armed) % hold == 0, "a decision at tick \(tick)")
    }
    #expect(changes > 300)
    // Rate: that of the interval, not of a tick.
    let last = records[records.count - 1]
    #expect(abs(last.ratePerSecond + log(last.lipschitz) * Double(rateHertz / hold)) < 1e-6)
    for (index, pose) in Self.poses.enumerated() {
      let end = records[rateHertz / 2 + 3 * rateHertz * (index + 1) - 1]
      for joint in 0..<5 {
        // A count at 50 Hz is 4.88 us, 7.7 mrad; the encoder's step is 1.5 mrad.
        let error = end.joints[joint].positionRadians - ServoHand.pose(pose)[joint]
        #expect(abs(error) < 0.012, "\(pose), joint \(joint): \(error) rad off")
      }
    }
  }

  @Test("the PCA9685 holds the count of the last decision in every tick, and a frame fits into a decision")
  func registers() throws {
    let hand = try VirtualHand(design: FiftyHertz.design)
    hand.command(21, .arm)
    hand.command(60, .pose(radians: ServoHand.pose("power"), seconds: 1))
    var compared = 0
    hand.run(ticks: 300) { record in
      guard record.sequence > 22 else { return false }
      let before = hand.records[Int(record.sequence) - 1]
      for joint in 0..<5 {
        let out = before.joints[joint]
        let servo = ServoHand.servo(joint)
        let micros =
          servo.zeroMicroseconds
          + servo.microsecondsPerRadian * (out.setpointRadians + out.torqueNewtonMetres)
        // drivers/pwm/pwm-pca9685.c, Linux 6.12: DIV_ROUND_UP_ULL(4096 * duty_cycle, period).
        let expected = Int((4096 * (micros * 1000).rounded() / 20_000_000).rounded(.up))
        let chip = hand.hand.pwmChips[0]
        let base = UInt8(0x06 + 4 * joint)
        #expect(Int(chip.register(base + 2)) | Int(chip.register(base + 3)) << 8 == expected)
        compared += 1
      }
      return false
    }
    #expect(compared > 1000)
    // A whole frame passes within a decision.
    let board = FiftyHertz.design.board
    #expect(1 / board.pwmChips[0].trueFrequencyHertz <= FiftyHertz.design.joints[0].model.period)
  }

  @Test("at any number of ticks a frame the joint's model has the spectral radius of its 20 ms frame")
  func golden() throws {
    for rate in [50, 100, 200, 250, 500] {
      var calibration = ServoHand.calibration
      guard case .servo(var servo) = calibration.joints[0].drive else { return }
      servo.bandwidthRadiansPerSecond = 12 * .pi
      calibration.joints[0].drive = .servo(servo)
      let board = FiftyHertz.board(rateHertz: rate)
      let timing = try OutputTiming(of: 0, calibration.joints[0], board: board, plan: BusPlan(board))
      var model = HandDesign.loopModel(calibration.joints[0], board: board, timing: timing)
      #expect(timing.holdTicks == rate / 50 && model.period == 0.02)
      model.delayTicks = 1
      // 6 Hz, damping 0.8, kp 0.2, kd 0, km 0.6, 20 ms frame, one frame of delay: numpy's eigenvalues of the
      // exact discretisation.
      #expect(abs(model.spectralRadius(dt: model.period) - 0.9873226993) < 1e-10)
      // And the loop itself, its plant moved tick by tick, decays so in the long run.
      var loop = TickedLoop(model, position: 1)
      for _ in 0..<1500 {
        loop.decide(model); loop.pass(model, ticks: timing.holdTicks, dt: 1 / Double(rate))
      }
      let before = loop.position
      loop.decide(model)
      loop.pass(model, ticks: timing.holdTicks, dt: 1 / Double(rate))
      #expect(abs(loop.position / before - 0.9873226993) < 1e-9)
    }
  }

  @Test("two loops that decide every fourth tick never grow by more than L over an interval")
  func contracts() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let joint = FiftyHertz.design.joints[0]
    let model = joint.model
    let certificate = joint.certificate
    var intervals = 0
    for _ in 0..<200 {
      var a = TickedLoop(model, position: Double.random(in: -1...1, using: &random))
      var b = TickedLoop(model, position: Double.random(in: -1...1, using: &random))
      a.velocity = Double.random(in: -5...5, using: &random)
      b.memory = Double.random(in: -1...1, using: &random)
      for _ in 0..<100 {
        let before = certificate.distanceSquared(a.difference(b)).squareRoot()
        let target = Double.random(in: 0...1, using: &random)
        a.decide(model, setpoint: target)
        b.decide(model, setpoint: target)
        let slope = JointLaw.slope(
          demand: a.demand, applied: a.applied, nominalDemand: b.demand, nominalApplied: b.applied)
        var dt = 0.0
        for tick in 0..<joint.holdTicks {
          let one = 0.005 * Double.random(in: 0.8...1.2, using: &random)
          dt += one
          a.move(model, dt: one)
          b.move(model, dt: one)
          if tick == joint.holdTicks - 1 {
            a.fade(model, dt: dt)
            b.fade(model, dt: dt)
          }
        }
        let found = certificate.lookup(dt: dt, slope: slope)
        guard found.valid else { continue }
        intervals += 1
        let after = certificate.distanceSquared(a.difference(b)).squareRoot()
        #expect(after <= found.lipschitz * before * (1 + 1e-9) + 1e-12, "seed \(seed)")
      }
    }
    #expect(intervals > 10_000)
  }

  @Test("an e-stop between two decisions switches off in its tick", arguments: 0..<4)
  func eStop(phase: Int) throws {
    let hand = try VirtualHand(design: FiftyHertz.design)
    hand.command(21, .arm)
    hand.command(60, .pose(radians: ServoHand.pose("power"), seconds: 1))
    let press = 120 + phase
    hand.before(press) { hand.hand.eStopLine.press() }
    let records = hand.run(ticks: 140)
    #expect(records[press - 1].outputsEnabled)
    #expect(records[press].fault == .eStopLine && !records[press].outputsEnabled)
    #expect(records[press].certificate == .inactive && records[press].lipschitz.isNaN)
    #expect((0..<5).allSatisfy { hand.hand.pwmChips[0].duty($0) == 0 })
  }

  /// The second joint, whose angle is 0, under a controller of its own, armed.
  private func bench() -> ControllerBench {
    let design = FiftyHertz.design
    var parameters = design.joints[1]
    // Encoders that jump are given here on purpose.
    parameters.observerGains.everyTick.innovationDeviation = 1
    let bench = ControllerBench(joints: 1, settings: design.board.control, parameters: [parameters])
    bench.inputs.pointee.encoders[0].counts = UInt16(ServoHand.calibration.joints[1].encoder.zeroCounts)
    bench.becomeIdle()
    bench.tick(.arm)
    return bench
  }

  @Test(
    "a deadline skipped between decisions is part of the hold; one beyond it makes all four ticks uncertified"
  )
  func skipped() {
    let bench = bench()
    for _ in 0..<40 { bench.tick() }
    #expect(bench.record.pointee.lipschitz < 1)
    // Decided just now: 1 + (1 + 1) + 1 periods are the hold.
    bench.tick()
    bench.inputs.pointee.skippedDeadlines = 1
    bench.tick(periods: 2)
    bench.tick(.pose(radians: [0.5], seconds: 1))
    #expect(bench.record.pointee.lipschitz < 1 && bench.record.pointee.uncertifiedTicks == 0)
    for _ in 0..<3 { bench.tick() }
    #expect(bench.record.pointee.uncertifiedTicks == 0)
    // Five periods for four: 25 ms are outside the certified 16 to 24 ms.
    bench.inputs.pointee.skippedDeadlines = 1
    bench.tick(periods: 2)
    for tick in 1...4 {
      #expect(bench.record.pointee.certificate == .uncertified && bench.record.pointee.lipschitz.isNaN)
      #expect(bench.record.pointee.uncertifiedTicks == UInt32(tick))
      bench.tick()
    }
    #expect(bench.record.pointee.lipschitz < 1 && bench.record.pointee.uncertifiedTicks == 4)
  }

  @Test("an end stop met between two decisions makes that tick and the whole interval uncertified")
  func endStop() {
    let zero = ServoHand.calibration.joints[1].encoder.zeroCounts
    var between = 0
    for (phase, length) in (0..<4).flatMap({ phase in (1...8).map { (phase, $0) } }) {
      let bench = bench()
      for _ in 0..<40 + phase { bench.tick() }
      // Ticks since arming, decisions at its multiples of four; 20 counts of 4096 a turn are 31 mrad.
      var touched = [Bool](repeating: false, count: 41 + phase)
      var uncertified = touched
      for tick in 0..<40 {
        bench.inputs.pointee.encoders[0].counts = UInt16(tick < length ? zero - 20 : zero)
        bench.tick()
        touched.append(bench.record.pointee.joints[0].flags & JointFlags.endStop != 0)
        uncertified.append(bench.record.pointee.certificate == .uncertified)
        if touched[touched.count - 1] { #expect(uncertified[uncertified.count - 1]) }
      }
      for decision in stride(from: 44, to: touched.count - 4, by: 4) {
        let interval = touched[(decision - 3)...decision]
        if interval.contains(true) && !touched[decision] { between += 1 }
        #expect(interval.contains(true) == uncertified[decision])
        if uncertified[decision] { #expect(uncertified[decision..<decision + 4].allSatisfy { $0 }) }
      }
      #expect(bench.record.pointee.fault == .none && bench.record.pointee.lipschitz < 1)
    }
    #expect(between > 0)
  }

  @Test("the window product counts L once a decision and spans the window's time")
  func window() {
    let bench = bench()
    let ticks = FiftyHertz.design.board.control.windowTicks
    var factors: [Double] = []
    for tick in 1...ticks + 50 {
      bench.tick()
      // The first interval is ended by the fourth tick after arming; ticks until then are not in the window.
      guard tick >= 4 else { continue }
      factors.append(tick % 4 == 0 ? bench.record.pointee.lipschitz : 1)
      let product = factors.suffix(ticks).reduce(1, *)
      #expect(abs(bench.record.pointee.windowProduct / product - 1) < 1e-9, "tick \(tick)")
    }
  }

  @Test("what is taken to act on the plant is what a record of every tick's input says")
  func actingInput() {
    var random = SeededGenerator(seed: 7)
    for hold in 1...10 {
      for _ in 0..<20 {
        var parameters = FiftyHertz.design.joints[0]
        parameters.holdTicks = hold
        parameters.outputLatency = Double.random(in: 0...Double(2 * hold), using: &random)
        var state = JointState(
          JointConstants(parameters, limits: .standard), model: parameters.model)
        state.engage()
        // Input in force after tick n, from long before the first.
        var history = [Double](repeating: state.input, count: 40)
        for _ in 0..<60 {
          state.pass(dt: 0.005, skippedDeadlines: 0)
          let whole = Int(parameters.outputLatency)
          let share = parameters.outputLatency - Double(whole)
          let newest = history.count - 1 - whole
          let expected = (1 - share) * history[newest] + share * history[newest - 1]
          #expect(abs(state.actingInput() - expected) < 1e-12, "hold \(hold), \(parameters.outputLatency)")
          if state.isDecisionTick {
            state.shiftInputs()
            state.input = Double.random(in: 0...1, using: &random)
          }
          history.append(state.input)
        }
      }
    }
  }

  @Test("moving between two poses the innovations of 50 Hz frames at 200 Hz are as large as designed")
  func innovations() throws {
    let design = FiftyHertz.design
    let hand = try VirtualHand(seed: 5, design: design)
    hand.command(21, .arm)
    for index in 0..<8 {
      let pose = ServoHand.pose(index % 2 == 0 ? "power" : "open")
      hand.command(100 + 400 * index, .pose(radians: pose, seconds: 1))
    }
    let live = hand.run(ticks: 3300).filter(\.outputsEnabled)
    for (joint, parameters) in design.joints.enumerated() {
      let squares = live.map { pow($0.joints[joint].innovationRadians, 2) }.reduce(0, +)
      let rms =
        (squares / Double(live.count)).squareRoot() / parameters.observerGains.everyTick.innovationDeviation
      // Without the hold in the noise it would be 1.5.
      #expect((0.8...1.25).contains(rms), "joint \(joint): \(rms) of the designed deviation")
    }
  }

  @Test("two runs are the same to the bit, and so is a controller fed with the recorded inputs")
  func repeats() throws {
    let records = try grasp(FiftyHertz.design)
    #expect(try grasp(FiftyHertz.design).map(\.outputHash) == records.map(\.outputHash))
    // From the start, and from a checkpoint between two decisions.
    let armed = try #require(records.firstIndex { $0.outputsEnabled })
    let checkpoint = armed + 4 * 50 + 2
    let settings = FiftyHertz.design.board.control
    var whole = HandController(settings: settings, parameters: FiftyHertz.design.joints)
    var resumed = HandController(settings: settings, parameters: FiftyHertz.design.joints)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: whole.checkpointByteCount, alignment: 64)
    defer { memory.deallocate() }
    var (inputs, record, actuators) = (TickInputs(), TickRecord(), ActuatorCommand())
    var late = TickInputs()
    for (tick, recorded) in records.enumerated() {
      var recorded = recorded
      inputs.recall(&recorded)
      whole.tick(&inputs, record: &record, actuators: &actuators)
      #expect(record.outputHash == recorded.outputHash, "tick \(tick)")
      if tick == checkpoint {
        whole.beginCheckpoint(memory)
        var step = 0
        while !whole.continueCheckpoint(memory, step: step) { step += 1 }
        try resumed.restore(UnsafeRawBufferPointer(start: memory, count: whole.checkpointByteCount))
      } else if tick > checkpoint {
        late.recall(&recorded)
        resumed.tick(&late, record: &record, actuators: &actuators)
        #expect(record.outputHash == recorded.outputHash, "tick \(tick), resumed")
      }
    }
  }
}
