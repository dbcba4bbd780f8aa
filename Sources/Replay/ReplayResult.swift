import HandModel
import Recording

/// What a replay came to.
package struct ReplayResult: Sendable {
  /// The largest difference between a joint's recorded and replayed torque (of a servo: correction, rad).
  package struct TorqueDifference: Sendable, Equatable {
    package var newtonMetres: Double
    /// Name of the joint.
    package var joint: String
    /// Sequence number of the tick.
    package var sequence: UInt64
  }

  /// State and latched cause.
  package struct End: Sendable, Equatable {
    /// What the hand was doing.
    package var state = HandState.starting
    /// The latched cause; `none` without a fault.
    package var fault = FaultCode.none
  }

  /// Half of a recording's resolution: recorded values are rounded.
  private static let torqueResolution = 0.6e-6

  /// Recorded against replayed, over the replayed ticks.
  package var difference = RecordingDifference()
  /// Ticks from which no run could begin: before the first checkpoint, and after missing ones.
  package var skippedTicks: UInt64 = 0
  /// Sequence number of the first replayed tick; nil when none was replayed.
  package var firstTick: UInt64?
  /// Sequence number of the last replayed tick; nil when none was replayed.
  package var lastTick: UInt64?
  /// In the last replayed tick: what the hand was doing, and what it would have been doing.
  package var recordedEnd = End()
  package var replayedEnd = End()
  package var largestTorqueDifference: TorqueDifference?

  package var replayedTicks: UInt64 { difference.comparedTicks }
  package var isIdentical: Bool { difference.isIdentical }

  mutating func note(
    _ recorded: UnsafePointer<TickRecord>, _ replayed: UnsafePointer<TickRecord>, names: [String]
  ) {
    if firstTick == nil { firstTick = recorded.pointee.sequence }
    lastTick = recorded.pointee.sequence
    recordedEnd = End(state: recorded.pointee.state, fault: recorded.pointee.fault)
    replayedEnd = End(state: replayed.pointee.state, fault: replayed.pointee.fault)
    for joint in 0..<Int(min(recorded.pointee.jointCount, replayed.pointee.jointCount)) {
      let difference =
        (recorded.pointee.joints[joint].torqueNewtonMetres - replayed.pointee.joints[joint].torqueNewtonMetres)
        .magnitude
      if difference > Self.torqueResolution, difference > largestTorqueDifference?.newtonMetres ?? 0 {
        largestTorqueDifference = .init(
          newtonMetres: difference, joint: names[joint], sequence: recorded.pointee.sequence)
      }
    }
  }
}
