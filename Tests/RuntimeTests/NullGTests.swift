import HandModel
import HandRigs
import Simulation
import Testing

@testable import Control
@testable import Runtime

@Suite("A hand in NULL-G")
struct NullGTests {
  @Test("in NULL-G the hand carries its own weight, yields to a push, and a pose takes over from where it is")
  func nullG() throws {
    let hand = try VirtualHand()
    let power = try #require(TestHand.calibration.poses.first { $0.name == "power" }).radians
    hand.command(50, .arm)
    hand.command(100, .pose(radians: power, seconds: 0.5))
    hand.command(900, .nullG)
    hand.command(2000, .pose(radians: power, seconds: 0.5))
    hand.before(1200) { hand.hand.joints[3].setExternalTorque(newtonMetres: -0.03) }
    hand.before(1500) { hand.hand.joints[3].setExternalTorque(newtonMetres: 0) }
    let records = hand.run(ticks: 3000)
    #expect(records[1100].mode == .nullG && records[1100].certificate == .inactive)
    #expect(records[1100].lipschitz.isNaN && records[1100].outputsEnabled)
    // Friction and exact compensation hold the joints where they are.
    for j in 0..<15 {
      #expect(abs(records[1199].joints[j].positionRadians - records[905].joints[j].positionRadians) < 0.02)
    }
    #expect(records[1600].joints[3].positionRadians - records[1199].joints[3].positionRadians < -0.1)
    #expect(records[2001].mode == .trajectory)
    #expect(abs(records[2999].joints[3].positionRadians - power[3]) < 0.02)
    #expect(records.allSatisfy { $0.fault == .none })
  }
}
