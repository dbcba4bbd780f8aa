import HandModel

/// How old the encoder sample is that a tick takes in.
enum SampleTiming {
  /// Youngest and oldest age of a joint's samples for the certificate under uncertainty, in lengths of the shortest tick.
  ///
  /// By the plan all reading ends `BusPhases.slack` before the deadline. A sample is as young as 0 where the bus used that up,
  /// and as old as the whole sampling part where its own transfer is the first, with the slack and a tick that
  /// comes late by as much.
  static func agePeriods(of joint: Int, board: Board, plan: BusPlan) -> ClosedRange<Double> {
    let bus = board.encoders[board.joints[joint].encoder].bus
    let sampling = Double(plan.schedules[bus].samplingNanoseconds) / Double(plan.periodNanoseconds)
    return 0...min((sampling + 2 * BusPhases.slack) / (1 - HandDesign.uncertainDtShare), 1)
  }
}
