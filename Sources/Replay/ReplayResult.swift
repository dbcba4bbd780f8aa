import HandModel
import Recording
import Runtime

/// What a replay came to.
package struct ReplayResult: Sendable {
  /// The largest difference between a joint's recorded and replayed torque (of a servo: correction, rad).
  package struct TorqueDifference: Sendable, Equatable {
    package var newtonMetres: Double
    package var joint: String
    package var sequence: UInt64
  }

  /// State and latched cause.
  package struct End: Sendable, Equatable {
    package var state = HandState.starting
    package var fault = FaultCode.none
  }

  /// Half of what a recording resolves: recorded values are rounded.
  private static let torqueResolution = 0.6e-6

  /// Recorded against replayed, over the replayed ticks.
  package var difference = RecordingDifference()
  /// Ticks from which no run could begin: before the first checkpoint, and after missing ones.
  package var skippedTicks: UInt64 = 0
  package var firstTick: UInt64?
  package var lastTick: UInt64?
  /// In the last replayed tick: what the hand was doing, and what it would have been doing.
  package var recordedEnd = End()
  package var replayedEnd = End()
  package var largestTorqueDifference: TorqueDifference?

  package var replayedTicks: UInt64 { difference.comparedTicks }
  package var isIdentical: Bool { difference.isIdentical }

  mutating func note(
    _ recorded: borrowing TickRecord, _ replayed: borrowing TickRecord, names: [String]
  ) {
    if firstTick == nil { firstTick = recorded.sequence }
    lastTick = recorded.sequence
    recordedEnd = End(state: recorded.state, fault: recorded.fault)
    replayedEnd = End(state: replayed.state, fault: replayed.fault)
    for joint in 0..<Int(min(recorded.jointCount, replayed.jointCount)) {
      let difference =
        (recorded.joints[joint].torqueNewtonMetres - replayed.joints[joint].torqueNewtonMetres).magnitude
      if difference > Self.torqueResolution, difference > largestTorqueDifference?.newtonMetres ?? 0 {
        largestTorqueDifference = .init(
          newtonMetres: difference, joint: names[joint], sequence: recorded.sequence)
      }
    }
  }
}
