import HandModel
import HandRigs
import SeededRandom
import Testing

@testable import Control

@Suite("Set-points of poses")
struct SetPointTests {
  /// A joint that is where it should be, and commands that change in the middle of motions.
  @Test("however often targets change, no set-point leaves the joint's range, and the last target is reached")
  func setPointsInRange() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of the targets: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let calibration = TestHand.calibration.joints[0]
    let range = calibration.limits.lowerRadians...calibration.limits.upperRadians
    // The currents that such motions draw are not made up here.
    let bench = ControllerBench(checks: false)
    bench.becomeIdle()
    bench.tick(.arm)
    func tick(_ command: Command? = nil) {
      let angle = bench.record.pointee.joints[0].setpointRadians
      let counts = Int((Double(calibration.encoder.sign) * angle * 4096 / (2 * .pi)).rounded())
      bench.inputs.pointee.encoders[0].counts = UInt16(
        (calibration.encoder.zeroCounts + counts + 4096) % 4096)
      bench.tick(command)
    }
    for round in 0..<500 {
      let target =
        [range.lowerBound, range.upperBound, .random(in: range, using: &generator)].randomElement(
          using: &generator) ?? 0
      tick(.pose(radians: [target], seconds: nil))
      for _ in 0..<Int.random(in: 1...150, using: &generator) {
        tick()
        let setpoint = bench.record.pointee.joints[0].setpointRadians
        #expect(range.contains(setpoint), "seed \(seed), round \(round)")
      }
      // What moves so unlike its model may be a fault; that is not the question here.
      if bench.record.pointee.fault != .none {
        tick(.reset)
        tick(.arm)
      }
    }
    tick(.reset)
    tick(.arm)
    tick(.pose(radians: [0.5], seconds: nil))
    for _ in 0..<1000 { tick() }
    #expect(bench.record.pointee.joints[0].setpointRadians == 0.5, "seed \(seed)")
  }
}
