import Foundation
import Testing

@testable import Runtime

@Suite struct TrajectoryTests {
  @Test("a rest-to-rest motion is the minimum-jerk polynomial 10s³ − 15s⁴ + 6s⁵")
  func minimumJerk() {
    var trajectory = Trajectory(position: 0.2)
    trajectory.plan(to: 1.2, seconds: 2, maximumVelocity: 8, maximumAcceleration: 60)
    for step in 1...2000 {
      trajectory.advance(dt: 1e-3)
      let s = Double(step) / 2000
      let position = 0.2 + s * s * s * (10 - 15 * s + 6 * s * s)
      let velocity = 30 * s * s * (1 - s) * (1 - s) / 2
      let acceleration = 60 * s * (1 - s) * (1 - 2 * s) / 4
      #expect(abs(trajectory.position - position) < 1e-9)
      #expect(abs(trajectory.velocity - velocity) < 1e-9)
      #expect(abs(trajectory.acceleration - acceleration) < 1e-8)
    }
    // 2000 times 1 ms falls short of 2 s by rounding.
    trajectory.advance(dt: 1e-3)
    #expect(trajectory.isFinished && trajectory.position == 1.2)
  }

  @Test("as fast as possible stays within the limits of velocity and acceleration, and reaches one of them")
  func limits() {
    var seed = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let from = Double.random(in: 0...1.6, using: &seed)
      let to = Double.random(in: 0...1.6, using: &seed)
      let (velocity, acceleration) = (Double.random(in: 0.5...8), Double.random(in: 5...60))
      var trajectory = Trajectory(position: from)
      trajectory.plan(to: to, seconds: 0, maximumVelocity: velocity, maximumAcceleration: acceleration)
      var (fastest, hardest) = (0.0, 0.0)
      while !trajectory.isFinished {
        trajectory.advance(dt: 1e-3)
        fastest = max(fastest, abs(trajectory.velocity))
        hardest = max(hardest, abs(trajectory.acceleration))
      }
      let context: Comment = "from \(from) to \(to), limits \(velocity) rad/s, \(acceleration) rad/s²"
      #expect(fastest <= velocity * (1 + 1e-9) && hardest <= acceleration * (1 + 1e-9), context)
      // Sampled at 1 ms, the peak may be missed by a little.
      if abs(to - from) > 0.05 { #expect(fastest > 0.95 * velocity || hardest > 0.9 * acceleration, context) }
    }
  }

  @Test("a new target in mid-motion keeps position, velocity and acceleration continuous")
  func replanning() {
    var trajectory = Trajectory(position: 0)
    trajectory.plan(to: 1.2, seconds: 0.8, maximumVelocity: 8, maximumAcceleration: 60)
    for _ in 0..<300 { trajectory.advance(dt: 1e-3) }
    let before = trajectory
    trajectory.plan(to: 0.1, seconds: 0, maximumVelocity: 8, maximumAcceleration: 60)
    trajectory.advance(dt: 1e-9)
    #expect(abs(trajectory.position - before.position) < 1e-7)
    #expect(abs(trajectory.velocity - before.velocity) < 1e-6)
    #expect(abs(trajectory.acceleration - before.acceleration) < 1e-4)
    for _ in 0..<5000 { trajectory.advance(dt: 1e-3) }
    #expect(trajectory.position == 0.1 && trajectory.velocity == 0)
  }

  @Test("root and sine agree with the C library where the tick uses them")
  func elementary() {
    for exponent in stride(from: -8.0, through: 8, by: 0.01) {
      let x = pow(10, exponent)
      #expect(abs(root(x) / x.squareRoot() - 1) < 1e-11)
    }
    #expect(root(0) == 0 && root(-1) == 0)
    for x in stride(from: -2.0, through: 2, by: 0.001) { #expect(abs(sine(x) - sin(x)) < 1e-9) }
  }
}
