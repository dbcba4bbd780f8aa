import Foundation
import SeededRandom
import Testing

@testable import Control

@Suite("Minimum-jerk trajectories")
struct TrajectoryTests {
  /// 10 s³ − 15 s⁴ + 6 s⁵ and its derivatives (Flash and Hogan 1985), worked out as fractions.
  private static let closedForm: [[Double]] = [
    [0.25, 53 / 512, 135 / 128, 45 / 8], [0.5, 1 / 2, 15 / 8, 0], [0.75, 459 / 512, 135 / 128, -45 / 8],
  ]

  @Test("a motion from rest to rest has the values of the closed form", arguments: closedForm)
  func golden(values: [Double]) {
    let (s, position, velocity, acceleration) = (values[0], values[1], values[2], values[3])
    let distance = 0.8
    let seconds = 2.0
    var trajectory = Trajectory(position: 0.3)
    trajectory.plan(
      to: 0.3 + distance, seconds: seconds, maximumVelocity: 100, maximumAcceleration: 1000)
    trajectory.advance(dt: s * seconds)
    #expect(abs(trajectory.position - (0.3 + distance * position)) < 1e-14)
    #expect(abs(trajectory.velocity - distance * velocity / seconds) < 1e-14)
    #expect(abs(trajectory.acceleration - distance * acceleration / (seconds * seconds)) < 1e-13)
  }

  @Test("a motion starts at rest and ends at its target at rest, exactly")
  func ends() {
    var trajectory = Trajectory(position: 0.3)
    trajectory.plan(to: 1.1, seconds: 0.5, maximumVelocity: 100, maximumAcceleration: 1000)
    #expect(!trajectory.isFinished)
    #expect(trajectory.position == 0.3 && trajectory.velocity == 0 && trajectory.acceleration == 0)
    trajectory.advance(dt: 0.5)
    #expect(trajectory.isFinished)
    #expect(trajectory.position == 1.1 && trajectory.velocity == 0 && trajectory.acceleration == 0)
    trajectory.advance(dt: 1)
    #expect(trajectory.position == 1.1)
  }

  @Test("a target that is the present place is reached at once")
  func nowhere() {
    var trajectory = Trajectory(position: 0.3)
    trajectory.plan(to: 0.3, seconds: 0, maximumVelocity: 8, maximumAcceleration: 60)
    #expect(trajectory.isFinished && trajectory.position == 0.3)
  }

  @Test(
    "planning again in mid-motion keeps position, velocity and acceleration",
    arguments: [1, 2, 3] as [UInt64])
  func replanning(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      var trajectory = Trajectory(position: .random(in: 0...1.6, using: &random))
      trajectory.plan(
        to: .random(in: 0...1.6, using: &random), seconds: 0, maximumVelocity: 8, maximumAcceleration: 60)
      for _ in 0..<Int.random(in: 1...40, using: &random) { trajectory.advance(dt: 0.001) }
      guard !trajectory.isFinished else { continue }
      let before = trajectory
      let target = Double.random(in: 0...1.6, using: &random)
      trajectory.plan(to: target, seconds: 0, maximumVelocity: 8, maximumAcceleration: 60)
      trajectory.advance(dt: 1e-9)
      #expect(abs(trajectory.position - before.position) < 1e-7, "seed \(seed)")
      #expect(abs(trajectory.velocity - before.velocity) < 1e-5, "seed \(seed)")
      // The jerk is bounded by a few times acceleration over duration: 1e5 rad/s³ here.
      #expect(abs(trajectory.acceleration - before.acceleration) < 1e-3, "seed \(seed)")
      for _ in 0..<10_000 where !trajectory.isFinished { trajectory.advance(dt: 0.001) }
      #expect(trajectory.position == target && trajectory.velocity == 0, "seed \(seed)")
    }
  }

  /// The range of the nominal hand, and half of what counts as leaning on an end stop.
  @Test(
    "planned again in mid-motion within a range, a set-point never leaves it by more than a joint's noise margin",
    arguments: [6, 7, 8] as [UInt64])
  func range(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      var trajectory = Trajectory(position: .random(in: 0...1.6, using: &random))
      for _ in 0..<4 {
        trajectory.plan(
          to: .random(in: 0...1.6, using: &random),
          seconds: Bool.random(using: &random) ? 0 : .random(in: 0.1...2, using: &random),
          maximumVelocity: 8, maximumAcceleration: 60)
        for _ in 0..<Int.random(in: 1...400, using: &random) {
          trajectory.advance(dt: 0.001)
          #expect((-0.009...1.609).contains(trajectory.position), "seed \(seed)")
        }
      }
      for _ in 0..<10_000 where !trajectory.isFinished { trajectory.advance(dt: 0.001) }
      #expect(trajectory.position == trajectory.target && trajectory.velocity == 0, "seed \(seed)")
    }
  }

  @Test("a target that is not finite is no plan: the motion under way goes on")
  func notFinite() {
    for target in [Double.nan, .infinity, -.infinity] {
      var trajectory = Trajectory(position: 0.3)
      trajectory.plan(to: 1.1, seconds: 0.5, maximumVelocity: 8, maximumAcceleration: 60)
      trajectory.advance(dt: 0.1)
      var other = trajectory
      other.plan(to: target, seconds: 0.5, maximumVelocity: 8, maximumAcceleration: 60)
      for _ in 0..<500 {
        trajectory.advance(dt: 0.001)
        other.advance(dt: 0.001)
        #expect(other.position == trajectory.position)
      }
      #expect(other.isFinished && other.position == 1.1)
    }
  }

  @Test(
    "from rest to rest no motion passes its limits, and one of them is used to the full",
    arguments: [4, 5] as [UInt64])
  func limits(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<100 {
      let maximumVelocity = Double.random(in: 0.5...10, using: &random)
      let maximumAcceleration = Double.random(in: 5...100, using: &random)
      let start = Double.random(in: -1.6...1.6, using: &random)
      let end = Double.random(in: -1.6...1.6, using: &random)
      guard abs(end - start) > 0.01 else { continue }
      var trajectory = Trajectory(position: start)
      trajectory.plan(
        to: end, seconds: 0, maximumVelocity: maximumVelocity, maximumAcceleration: maximumAcceleration)
      var speed = 0.0
      var acceleration = 0.0
      while !trajectory.isFinished {
        trajectory.advance(dt: 0.0005)
        speed = max(speed, abs(trajectory.velocity))
        acceleration = max(acceleration, abs(trajectory.acceleration))
      }
      #expect(speed <= maximumVelocity * (1 + 1e-12), "seed \(seed)")
      #expect(acceleration <= maximumAcceleration * (1 + 1e-12), "seed \(seed)")
      // Sampled every 0.5 ms, the peak is missed by less than 5 %.
      #expect(
        max(speed / maximumVelocity, acceleration / maximumAcceleration) > 0.95, "seed \(seed)")
    }
  }

  @Test("a duration that the limits do not allow is lengthened, a longer one is kept")
  func durations() {
    func duration(_ seconds: Double) -> Double {
      var trajectory = Trajectory(position: 0)
      trajectory.plan(to: 1, seconds: seconds, maximumVelocity: 1, maximumAcceleration: 1000)
      var time = 0.0
      while !trajectory.isFinished {
        trajectory.advance(dt: 0.001)
        time += 0.001
      }
      return time
    }
    // 15/8 of the distance over the speed limit.
    #expect(abs(duration(0.1) - 1.875) < 0.0021)
    #expect(abs(duration(3) - 3) < 0.0021)
  }

  @Test(
    "a duration that no motion has is not taken at its word, and every set-point stays between start and target",
    arguments: [Double.nan, .infinity, -.infinity, 1e300, -1])
  func absurdDurations(seconds: Double) {
    var trajectory = Trajectory(position: 0)
    trajectory.plan(to: 1, seconds: seconds, maximumVelocity: 1, maximumAcceleration: 1000)
    #expect(!trajectory.isFinished)
    for _ in 0..<4000 {
      trajectory.advance(dt: 1)
      #expect((0...1).contains(trajectory.position) && trajectory.velocity.isFinite)
    }
    #expect(trajectory.isFinished && trajectory.position == 1)
  }

  @Test("the square root agrees with the platform's to 1e-12")
  func squareRoot() {
    #expect(root(0) == 0 && root(-1) == 0)
    for exponent in stride(from: -8.0, through: 8.0, by: 0.01) {
      let x = pow(10, exponent)
      #expect(abs(root(x) / x.squareRoot() - 1) < 1e-12, "root(\(x))")
    }
  }

  @Test("the sine agrees with the platform's to 1e-9 in a joint's range")
  func sineAccuracy() {
    for x in stride(from: -2.0, through: 2.0, by: 0.001) {
      #expect(abs(sine(x) - sin(x)) < 1e-9, "sine(\(x))")
    }
    // Beyond half a turn it stays where it is there: near zero.
    for x in [4, -4, 1e9, -1e300, .infinity] { #expect(abs(sine(x)) < 1e-6, "sine(\(x))") }
  }
}
