/// The deadlines of a fixed-rate loop: always start + n × period, whatever happens to single ticks.
///
/// A tick that ends after later deadlines have passed skips them. They are counted and never caught up in a
/// burst, because a burst would feed stale commands to the hardware.
package struct DeadlineSchedule: Sendable, Equatable {
  /// Distance of two deadlines, > 0.
  package let periodNanoseconds: Int64
  /// The deadline the loop is to sleep to next.
  package private(set) var deadlineNanoseconds: Int64
  /// Deadlines skipped since the start.
  package private(set) var skippedTotal: UInt64 = 0

  /// - Parameter start: the first deadline.
  package init(periodNanoseconds: Int64, start: Int64) {
    precondition(periodNanoseconds > 0, "a loop's period must be positive")
    self.periodNanoseconds = periodNanoseconds
    deadlineNanoseconds = start
  }

  /// The first deadline is one period after `now`, so that the first tick is not late by construction.
  package init(rateHertz: Double, now: Int64) {
    precondition(rateHertz > 0 && rateHertz <= 1e9, "a loop's rate must lie in (0, 1e9] Hz")
    let period = Int64((1e9 / rateHertz).rounded())
    self.init(periodNanoseconds: period, start: now &+ period)
  }

  /// Moves to the first deadline after `now`, in one step however long the stall was.
  ///
  /// Call it when the tick of the current deadline is over. Arithmetic wraps with the clock: only the
  /// distance of `now` and the deadline counts, which may be up to 2⁶³ ns (292 years).
  /// - Returns: deadlines skipped: 0 when the next one was still in the future.
  @_noLocks
  @discardableResult
  package mutating func advance(now: Int64) -> UInt64 {
    let next = deadlineNanoseconds &+ periodNanoseconds
    let late = now &- next
    guard late >= 0 else {
      deadlineNanoseconds = next
      return 0
    }
    let skipped = late / periodNanoseconds &+ 1
    deadlineNanoseconds = next &+ skipped &* periodNanoseconds
    skippedTotal &+= UInt64(bitPattern: skipped)
    return UInt64(bitPattern: skipped)
  }
}
