import HandModel

/// How old the encoder sample is that a tick takes in.
package enum SampleTiming {
  /// Youngest and oldest age of a joint's samples for the certificate under uncertainty, as shares of the
  /// shortest tick.
  ///
  /// By the plan all reading ends `BusPhases.slack` before the deadline. The youngest sample has age 0: its
  /// bus was late and used the slack up. The oldest was the first transfer of the sampling part. Its age is
  /// that part, the slack, and the lateness of the tick, which is taken to be as long as the slack.
  package static func agePeriods(of joint: Int, board: Board, plan: BusPlan) -> ClosedRange<Double> {
    let bus = board.encoders[board.joints[joint].encoder].bus
    let sampling = Double(plan.schedules[bus].samplingNanoseconds) / Double(plan.periodNanoseconds)
    return 0...min((sampling + 2 * BusPhases.slack) / (1 - HandDesign.uncertainDtShare), 1)
  }
}

/// When in a period a bus does what, from the tick's deadline on.
package struct BusPhases {
  /// Where writing starts, ns after the deadline.
  package let actuating: Int64
  /// Where reading starts, ns after the deadline.
  package let sampling: Int64

  /// Sampling ends this share of a period before the deadline: wake-ups of bus threads jitter too.
  package static let slack = 0.1

  /// The phases of the bus with this schedule.
  /// - Parameter period: from one tick to the next, ns.
  package init(_ schedule: BusSchedule, periodNanoseconds period: Int64) {
    actuating = Self.actuating(periodNanoseconds: period)
    sampling = period - schedule.samplingNanoseconds - Int64(Self.slack * Double(period))
  }

  /// Where writing starts in a period of this length, ns: the same on every bus.
  package static func actuating(periodNanoseconds period: Int64) -> Int64 {
    Int64(HandDesign.actuatingPhase * Double(period))
  }
}
