import Control
import HandModel
import HandRigs
import Runtime
import Simulation
import Testing

/// An excitation is another controller in the same loop: buses, lines, commands and records are the hand's.
@Suite("A joint that is jogged")
struct JointExcitationTests {
  private static let degree = Double.pi / 180
  private static let joint = 3

  /// A hand in virtual time under an excitation.
  private final class Rig {
    let clock = VirtualClock()
    let hand: SimulatedHand
    let runtime: HandRuntime
    let plan: ExcitationPlan
    var records: [TickRecord] = []

    /// - Parameter change: of what the controller believes of its joint.
    init(
      _ design: HandDesign, degrees: Double = 30, joint: Int = JointExcitationTests.joint,
      torqueShare: Double = 0.25, change: (inout JointCalibration) -> Void = { _ in }
    ) throws {
      let board = design.board
      plan = ExcitationPlan(
        joint: joint, radians: degrees * degree, radiansPerSecond: 20 * degree, torqueShare: torqueShare)
      hand = SimulatedHand(board: board, calibration: design.calibration, seed: 1, clock: clock)
      var joints = try HandDesign.basics(board: board, calibration: design.calibration)
      change(&joints[joint].calibration)
      runtime = try HandRuntime(
        board: board, plan: design.plan,
        controller: JointExcitation(settings: board.control, joints: joints, plan: plan), hardware: hand,
        clock: clock)
    }

    /// Arms after the self-test and runs.
    /// - Parameters:
    ///   - at: tick before which something befalls the hand.
    func run(seconds: Double, at tick: Int = .max, _ action: (Rig) -> Void = { _ in }) {
      let ticks = Int(seconds * Double(runtime.board.control.rateHertz))
      runtime.runVirtual(
        clock, ticks: ticks, script: [ScriptedCommand(atNanoseconds: 100_000_000, command: .arm)],
        records: false, publishes: false
      ) {
        records.append(runtime.latestRecord())
        if records.count == tick { action(self) }
        return true
      }
    }

    /// The tick that is `seconds` after the start.
    func tick(at seconds: Double) -> Int { Int(seconds * Double(runtime.board.control.rateHertz)) }

    var moved: Double {
      let armed = records.first { $0.state.outputsLive }
      guard let armed, let last = records.last else { return 0 }
      return last.joints[plan.joint].positionRadians - armed.joints[plan.joint].positionRadians
    }
  }

  @Test(
    "a motor moves its way and no other joint, within its torque and near its speed, and is off at the end")
  func motor() throws {
    let rig = try Rig(TestHand.design)
    rig.run(seconds: 6)
    let last = try #require(rig.records.last)
    #expect(last.state == .idle && last.fault == .none)
    #expect(!last.outputsEnabled && !rig.runtime.isDriveEnableActive)
    // It passes its target and coasts; what the limp joint's weight then does to it is not the jog's.
    let end = try #require(rig.records.lastIndex { $0.state.outputsLive })
    let start = try #require(rig.records.firstIndex { $0.state.outputsLive })
    let joints = rig.records.map { $0.joints[Self.joint] }
    let travel = joints[end].positionRadians - joints[start].positionRadians
    #expect((25 * Self.degree...35 * Self.degree).contains(travel), "\(travel / Self.degree)°")
    guard case .motor(let drive) = TestHand.calibration.joints[Self.joint].drive else { return }
    #expect(joints.allSatisfy { $0.torqueNewtonMetres.magnitude <= 0.25 * drive.torqueLimitNewtonMetres })
    #expect(joints[start...end].allSatisfy { $0.velocityRadiansPerSecond < 3 * rig.plan.radiansPerSecond })
    for record in rig.records {
      for j in 0..<Int(record.jointCount) where j != Self.joint {
        #expect(record.joints[j].torqueNewtonMetres == 0)
      }
    }
  }

  @Test("it goes either way")
  func backwards() throws {
    let rig = try Rig(TestHand.design, degrees: 20)
    rig.run(seconds: 4)
    #expect(rig.records.last?.state == .idle)
    // A servo stays where it was told to be: forth, then back by another jog of the same hand.
    let servo = try Rig(ServoHand.design, degrees: 20, joint: 1)
    servo.run(seconds: 4)
    #expect((servo.moved - 20 * Self.degree).magnitude < 3 * Self.degree, "\(servo.moved / Self.degree)°")
    #expect(servo.records.last?.state == .idle && !servo.runtime.isDriveEnableActive)
  }

  @Test("a stop ends it in its tick, and the drive-enable line is off")
  func stop() throws {
    let rig = try Rig(TestHand.design)
    let tick = rig.tick(at: 0.6)
    rig.run(seconds: 1.5, at: tick) { $0.runtime.port.requestStop(.socket) }
    #expect(rig.records[tick - 1].outputsEnabled)
    #expect(rig.records[tick].state == .eStop && rig.records[tick].fault == .eStopSocket)
    expectOff(rig, from: tick)
  }

  @Test("the e-stop line ends it, and the drive-enable line is off")
  func eStopLine() throws {
    let rig = try Rig(TestHand.design)
    let tick = rig.tick(at: 0.6)
    rig.run(seconds: 1.5, at: tick) { $0.hand.eStopLine.press() }
    #expect(rig.records.last?.fault == .eStopLine)
    expectOff(rig, from: tick)
  }

  @Test("an encoder whose word stays is a fault of its joint before it has gone far")
  func stuckEncoder() throws {
    let rig = try Rig(TestHand.design)
    let tick = rig.tick(at: 0.4)
    rig.run(seconds: 5, at: tick) { $0.hand.joints[Self.joint].setEncoderStuck(at: $0.clock.now()) }
    let last = try #require(rig.records.last)
    #expect(last.state == .fault && Int(last.faultJoint) == Self.joint, "\(last.fault)")
    #expect(
      [FaultCode.stuckSensor, .innovation, .trackingError, .currentMismatch].contains(last.fault),
      "\(last.fault)")
    #expect(!last.outputsEnabled && !rig.runtime.isDriveEnableActive)
  }

  @Test("a joint that is blocked from the start is given up")
  func blocked() throws {
    let rig = try Rig(TestHand.design, degrees: 10)
    rig.hand.joints[Self.joint].setJammed(true)
    rig.run(seconds: 6)
    let last = try #require(rig.records.last)
    #expect(last.fault == .stuckSensor && Int(last.faultJoint) == Self.joint, "\(last.fault)")
    #expect(!last.outputsEnabled && !rig.runtime.isDriveEnableActive)
  }

  @Test("a motor gets no more than its share of the torque, whatever the load and the missing speed ask for")
  func weak() throws {
    let rig = try Rig(TestHand.design, torqueShare: 0.005)
    rig.run(seconds: 8)
    guard case .motor(let drive) = TestHand.calibration.joints[Self.joint].drive else { return }
    let torques = rig.records.map { $0.joints[Self.joint].torqueNewtonMetres.magnitude }
    #expect(torques.max() == 0.005 * drive.torqueLimitNewtonMetres)
    #expect(rig.records.last?.outputsEnabled == false)
  }

  @Test("an encoder of the wrong sign is a fault before the joint has gone twice its way")
  func wrongSign() throws {
    let rig = try Rig(TestHand.design, degrees: 20, change: { $0.encoder.sign = -$0.encoder.sign })
    rig.run(seconds: 8)
    let last = try #require(rig.records.last)
    #expect(last.state == .fault && Int(last.faultJoint) == Self.joint, "\(last.fault)")
    let angles = rig.records.filter(\.outputsEnabled).map { $0.joints[Self.joint].measuredRadians }
    let first = try #require(angles.first)
    let farthest = try #require(angles.map { ($0 - first).magnitude }.max())
    #expect(farthest < 40 * Self.degree, "\(farthest / Self.degree)°")
  }

  @Test("a current above the joint's limit is a fault after as many ticks as the guard allows")
  func overCurrent() throws {
    let rig = try Rig(TestHand.design, change: { $0.limits.currentAmperes = 0.02 })
    rig.run(seconds: 4)
    let last = try #require(rig.records.last)
    #expect(last.state == .fault && last.fault == .currentLimit && Int(last.faultJoint) == Self.joint)
    let fault = try #require(rig.records.firstIndex { $0.state == .fault })
    let over = rig.records[..<fault].suffix(GuardLimits.standard.overCurrentTicks)
    #expect(over.allSatisfy { $0.joints[Self.joint].currentAmperes.magnitude > 0.02 })
    #expect(!last.outputsEnabled && !rig.runtime.isDriveEnableActive)
  }

  @Test("commands that move a hand otherwise are refused, disarm ends the jog")
  func commands() throws {
    let rig = try Rig(TestHand.design)
    let moving = rig.tick(at: 0.5)
    rig.run(seconds: 1, at: moving) {
      $0.runtime.port.post(TickCommand(.nullG, source: .socket, number: 100))
    }
    #expect(rig.records[moving].commandResult == .notArmed && rig.records[moving].state == .tracking)
    let other = try Rig(TestHand.design)
    other.run(seconds: 1, at: moving) {
      $0.runtime.port.post(TickCommand(.disarm, source: .socket, number: 100))
    }
    #expect(other.records[moving].state == .idle)
    expectOff(other, from: moving)
  }

  private func expectOff(_ rig: Rig, from tick: Int) {
    let off = rig.records[(tick + 1)...].allSatisfy {
      !$0.outputsEnabled && $0.joints[Self.joint].torqueNewtonMetres == 0
    }
    #expect(off && rig.records.count > tick + 1)
    #expect(!rig.runtime.isDriveEnableActive)
  }
}
