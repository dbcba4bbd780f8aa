/// Decides when the service manager's watchdog is fed: only while the control loop itself makes progress and
/// misses no more deadlines than its board allows. A healthy side thread alone keeps nothing alive.
package struct Watchdog {
  /// What the loop has done until a moment.
  private struct Progress {
    var time: Int64
    var overruns: UInt64
  }

  private let pingNanoseconds: Int64
  private let windowNanoseconds: Int64
  private let overrunBudget: UInt64
  private var pingedTicks: UInt64
  private var nextPing: Int64
  /// Within the window, oldest first; the first one may lie before it.
  private var history: [Progress]

  /// - Parameters:
  ///   - limitNanoseconds: the manager's patience. It is fed four times as often, so that one late turn of
  ///     the feeding thread ends nothing.
  ///   - windowNanoseconds: window of the board's budget of skipped deadlines.
  ///   - overrunBudget: skipped deadlines allowed within it.
  ///   - now: the first ping is due now.
  package init(limitNanoseconds: Int64, windowNanoseconds: Int64, overrunBudget: Int, now: Int64) {
    pingNanoseconds = limitNanoseconds / 4
    self.windowNanoseconds = windowNanoseconds
    self.overrunBudget = UInt64(overrunBudget)
    pingedTicks = 0
    nextPing = now
    history = []
  }

  /// Takes in the loop's counters; true when a ping is to be sent now.
  /// - Parameters:
  ///   - ticks: ticks made since start.
  ///   - overruns: deadlines skipped since start.
  package mutating func isDue(ticks: UInt64, overruns: UInt64, now: Int64) -> Bool {
    history.append(Progress(time: now, overruns: overruns))
    while history.count > 1 && now - history[1].time >= windowNanoseconds { history.removeFirst() }
    return now >= nextPing && ticks > pingedTicks && overruns - history[0].overruns <= overrunBudget
  }

  /// Notes that the ping for these counters was sent.
  package mutating func pinged(ticks: UInt64, now: Int64) {
    pingedTicks = ticks
    nextPing = now + pingNanoseconds
  }
}
