import Control
import Foundation
import HandModel
import SeededRandom

/// What a hand does while the fault occurs.
package enum Activity: String, CaseIterable, Sendable, Codable {
  /// Armed, in a pose.
  case rest
  /// From pose to pose, every joint of them.
  case moving
  /// Set-points at 50 Hz.
  case streaming
  /// Pressing on an object with every joint.
  case holding
}

/// The commands of an activity, tick by tick, drawn from a seed. The hand starts open and idle.
struct ActivityScript {
  /// When the hand is armed: the self-test is over by then.
  static func armSeconds(periodSeconds: Double) -> Double {
    max(0.03, Double(GuardLimits.standard.selfTestTicks + 5) * periodSeconds)
  }
  /// From arming to the first motion.
  private static let pauseSeconds = 0.01
  /// A stream of 50 Hz.
  static let streamSeconds = 0.02
  /// From here on a joint that is to rest or to hold does so.
  static let settledSeconds = 0.9

  let activity: Activity
  /// Where each joint meets the object that is held; nil for every other activity.
  let objectRadians: [Double]?

  private let ranges: [ClosedRange<Double>]
  private let speeds: [Double]
  private let periodSeconds: Double
  private let armSeconds: Double
  private let startSeconds: Double
  private var generator: SeededGenerator
  /// Of a stream, by joint.
  private let amplitudes: [Double]
  private let hertz: [Double]
  private var targets: [Double]
  private var nextMotionSeconds: Double
  private var nextPointSeconds: Double

  init(_ activity: Activity, board: Board, calibration: Calibration, generator: SeededGenerator) {
    var generator = generator
    self.activity = activity
    ranges = calibration.joints.map { $0.limits.lowerRadians...$0.limits.upperRadians }
    speeds = calibration.joints.map(\.limits.radiansPerSecond)
    periodSeconds = Double(board.control.periodNanoseconds) * 1e-9
    armSeconds = Self.armSeconds(periodSeconds: periodSeconds)
    startSeconds = armSeconds + max(Self.pauseSeconds, periodSeconds)
    nextMotionSeconds = startSeconds
    nextPointSeconds = startSeconds
    // A stream swings up from the open pose by at most three quarters of the range and stays below
    // half its speed.
    hertz = ranges.map { _ in Double.random(in: 0.3...0.7, using: &generator) }
    let reach = 0.375
    var amplitudes: [Double] = []
    for (joint, range) in ranges.enumerated() {
      let fastest = 0.5 * speeds[joint] / (2 * .pi * hertz[joint])
      let largest = min(reach * (range.upperBound - range.lowerBound), fastest)
      amplitudes.append(Double.random(in: 0.5 * largest...largest, using: &generator))
    }
    self.amplitudes = amplitudes
    let open = calibration.poses.first { $0.name == "open" }?.radians
    targets = open ?? ranges.map { min(max(0, $0.lowerBound), $0.upperBound) }
    var objects: [Double]?
    if activity == .holding {
      objects = ranges.map { range in
        range.lowerBound + Double.random(in: 0.3...0.6, using: &generator)
          * (range.upperBound - range.lowerBound)
      }
    }
    objectRadians = objects
    self.generator = generator
  }

  /// The command that `tick` gets, if any.
  mutating func command(tick: Int) -> Command? {
    let seconds = Double(tick) * periodSeconds
    if isDue(armSeconds, at: seconds) { return .arm }
    switch activity {
    case .rest:
      guard isDue(startSeconds, at: seconds) else { return nil }
      targets = ranges.map { within($0, 0.1...0.9) }
      return .pose(radians: targets, seconds: 0.6)
    case .holding:
      guard isDue(startSeconds, at: seconds), let objectRadians else { return nil }
      // The target lies so far beyond the surface that the joint presses with a fraction of its limit.
      targets = objectRadians.map { $0 + Double.random(in: 0.03...0.15, using: &generator) }
      return .pose(radians: targets, seconds: 0.6)
    case .moving:
      guard seconds >= nextMotionSeconds - 0.5 * periodSeconds else { return nil }
      let duration = Double.random(in: 0.5...1, using: &generator)
      nextMotionSeconds = seconds + duration
      targets = ranges.enumerated().map { joint, range in
        // The target lies in the other half of the range, so that every joint moves.
        let isLow = targets[joint] < 0.5 * (range.lowerBound + range.upperBound)
        return within(range, isLow ? 0.55...0.95 : 0.05...0.45)
      }
      return .pose(radians: targets, seconds: duration)
    case .streaming:
      guard seconds >= nextPointSeconds - 0.5 * periodSeconds else { return nil }
      nextPointSeconds += Self.streamSeconds
      return .stream(radians: streamed(at: seconds - startSeconds))
    }
  }

  private func streamed(at seconds: Double) -> [Double] {
    ranges.indices.map { joint in
      let start = ranges[joint].clamping(0)
      return start + amplitudes[joint] * (1 - cos(2 * .pi * hertz[joint] * seconds))
    }
  }

  private func isDue(_ moment: Double, at seconds: Double) -> Bool {
    (moment - 0.5 * periodSeconds..<moment + 0.5 * periodSeconds).contains(seconds)
  }

  private mutating func within(_ range: ClosedRange<Double>, _ share: ClosedRange<Double>) -> Double {
    range.lowerBound + Double.random(in: share, using: &generator) * (range.upperBound - range.lowerBound)
  }
}

extension ClosedRange<Double> {
  func clamping(_ value: Double) -> Double { Swift.min(Swift.max(value, lowerBound), upperBound) }
}
