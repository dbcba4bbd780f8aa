import Control
import HandModel
import HandRigs
import Runtime
import Simulation
import Synchronization
import Testing

/// The work of `motorhand jog`, on a simulated hand whose clock follows the machine.
@Suite("A jog")
struct JogRunTests {
  private func jog(degrees: Double, degreesPerSecond: Double) throws -> JogRun {
    let clock = VirtualClock()
    let hand = SimulatedHand(
      board: ServoHand.board, calibration: ServoHand.calibration, seed: 1, clock: clock)
    let radians = Double.pi / 180
    return try JogRun(
      board: ServoHand.board,
      joints: try HandDesign.basics(board: ServoHand.board, calibration: ServoHand.calibration),
      plan: ExcitationPlan(
        joint: 1, radians: degrees * radians, radiansPerSecond: degreesPerSecond * radians, torqueShare: 1),
      hardware: hand, clock: clock)
  }

  @Test("it ends when the joint has arrived, with the outputs off")
  func arrives() throws {
    let jog = try jog(degrees: 10, degreesPerSecond: 50)
    var states: Set<HandState> = []
    let end = try jog.run(isCancelled: { false }) { states.insert($0.state) }
    #expect(end == .arrived)
    #expect(((jog.endRadians - jog.startRadians) * 180 / .pi - 10).magnitude < 3)
    #expect(states.isSubset(of: [.armed, .tracking]))
    #expect(!jog.runtime.isDriveEnableActive)
  }

  @Test("cancelled, it ends at once, with the outputs off")
  func cancelled() throws {
    let jog = try jog(degrees: 30, degreesPerSecond: 5)
    var looks = 0
    let end = try jog.run(
      isCancelled: {
        looks += 1
        return looks > 30
      })
    #expect(end == .cancelled)
    #expect(!jog.runtime.isDriveEnableActive)
  }
}
