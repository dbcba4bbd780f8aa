/// How well the machine kept the time of a simulated hand, and what a real hand would have made of it.
///
/// The simulated hand's clock stands still while the machine does, so that late ticks are no fault of this
/// hand. A real hand moves on meanwhile.
package struct Timekeeping: BitwiseCopyable, Sendable {
  package var ticks: UInt64 = 0
  /// Ticks that ended an interval for which a real hand of this board has no certificate.
  package var lateTicks: UInt64 = 0
  /// Deadlines that passed while the machine did something else.
  package var missedDeadlines: UInt64 = 0
  /// The longest that a tick came after its deadline.
  package var longestLatenessNanoseconds: Int64 = 0
  /// How far the hand's clock fell behind the machine's.
  package var stoodStillNanoseconds: Int64 = 0
  /// How often a real hand would have stopped if it had been armed again after each stop. Counted only while
  /// the hand was driven.
  package var realStops: UInt64 = 0
  /// Tick of the first such stop.
  package var firstRealStop: UInt64 = 0
  /// Cause of the first such stop; `none` without any.
  package var firstRealCause = FaultCode.none

  package init() {}

  /// The same in words.
  package var sentence: String {
    guard missedDeadlines > 0 || lateTicks > 0 else {
      return "this machine kept time: \(ticks) ticks, none late enough to matter to a real hand"
    }
    let late = Self.milliseconds(longestLatenessNanoseconds)
    let still = Self.milliseconds(stoodStillNanoseconds)
    return
      "of \(ticks) ticks \(lateTicks) came late, by \(late) ms at most, and \(missedDeadlines) deadlines passed "
      + "unserved; the simulated hand's clock stood still for \(still) ms meanwhile; a real hand would have "
      + (realStops == 0
        ? "gone on"
        : "stopped \(realStops) time\(realStops == 1 ? "" : "s"), first at tick \(firstRealStop): "
          + "\(firstRealCause.name)")
  }

  /// Milliseconds with one decimal.
  private static func milliseconds(_ nanoseconds: Int64) -> String {
    let tenths = (nanoseconds + 50_000) / 100_000
    return "\(tenths / 10).\(tenths % 10)"
  }
}
