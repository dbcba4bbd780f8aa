import Testing

@testable import HandModel
@testable import Realtime
@testable import Simulation

@Suite struct CoupledMotionTests {
  private static let milliseconds: Int64 = 1_000_000

  /// Three joints without stops in reach, load or friction, put at 0.9, 0.2 and 0.4 rad.
  private struct Rig {
    let clock = VirtualClock()
    let kill: SimulatedLine
    let joints: [SimulatedJoint]

    init() {
      var calibration = TestHand.joint()
      calibration.limits.lowerRadians = -10
      calibration.limits.upperRadians = 10
      kill = SimulatedLine(TestHand.driveEnable, clock: clock)
      let motion = Locked(
        FingerMotion(
          [0.9, 0.2, 0.4].map { (calibration, $0) },
          stiffness: [0.3, -0.2, 0.05, -0.2, 0.3, -0.1, 0.05, -0.1, 0.2], driveEnable: kill,
          timeNanoseconds: clock.now()))
      joints = (0..<3).map {
        SimulatedJoint(calibration, index: $0, seed: 1, motion: motion, member: $0)
      }
    }

    func angles(at now: Int64) -> [Double] { joints.map { $0.truth(at: now).radians } }
  }

  @Test(
    "coasting, joints that pull at each other move as their linear equations say (golden: scipy.linalg.expm)")
  func coasting() {
    let rig = Rig()
    for (milliseconds, golden) in [
      (100, [0.5619011272399685, 0.3998167910465342, 0.25902699773559523]),
      (400, [0.1148143001741011, 0.04359463918540332, 0.08561092898839602]),
    ] {
      for (angle, expected) in zip(rig.angles(at: Int64(milliseconds) * Self.milliseconds), golden) {
        // The coupling is held over steps of 50 µs.
        #expect((angle - expected).magnitude < 2e-6, "\(milliseconds) ms: \(angle), expected \(expected)")
      }
    }
  }

  @Test(
    "who is looked at, when and how often does not change how the finger goes on, nor do changes of a drive")
  func looks() {
    let quiet = Rig()
    let watched = Rig()
    for rig in [quiet, watched] {
      rig.kill.setActive(true)
      rig.joints[1].driveChanged(.duty(0.2), at: 3_123_456)
      rig.joints[0].driveChanged(.duty(-0.1), at: 7_654_321)
    }
    for look in 1...60 {
      let now = Int64(look) * 777_777
      switch look % 3 {
      case 0: _ = watched.joints[0].encoderCounts(at: now)
      case 1: _ = watched.joints[2].motorAmperes(at: now)
      default: watched.joints[1].advance(to: now)
      }
    }
    #expect(quiet.angles(at: 50 * Self.milliseconds) == watched.angles(at: 50 * Self.milliseconds))
  }
}
