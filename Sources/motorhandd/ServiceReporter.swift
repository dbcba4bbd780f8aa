import HandModel
import Realtime
import Service

/// Tells the service manager how the hand is: ready, state, watchdog, end. Does nothing without one.
/// The thread that watches the signals only.
struct ServiceReporter: ~Copyable {
  /// `systemctl status` is read by people.
  private static let statusNanoseconds: Int64 = 1_000_000_000

  private let manager: ServiceManager?
  private let rateHertz: Int
  private var watchdog: Watchdog?
  private var isReady = false
  private var statusAt = Int64.min
  private var status = ""
  private var lastSequence: UInt64 = 0
  private var hasTriggered = false

  /// - Parameter judgesTime: whether deadlines that the loop misses count against it; no machine can keep a
  ///   simulated
  ///   hand from its time, which stands still meanwhile.
  init(_ manager: ServiceManager?, settings: ControlSettings, judgesTime: Bool, now: Int64) {
    self.manager = manager
    rateHertz = settings.rateHertz
    watchdog = manager?.watchdogNanoseconds.map {
      Watchdog(
        limitNanoseconds: $0, windowNanoseconds: Int64(settings.windowTicks) * settings.periodNanoseconds,
        overrunBudget: judgesTime ? settings.overrunBudgetTicks : .max, now: now)
    }
  }

  var hasManager: Bool { manager != nil }

  /// One look at the hand.
  /// - Returns: the invariant that the loop broke, the first time one is.
  mutating func observe(
    _ record: TickRecord, wakeUps: LatencyHistogram, now: Int64
  ) -> String? {
    // No joints: no tick has been made yet.
    let joints = record.jointCount
    guard let manager, joints > 0 else { return nil }
    if let broken = brokenInvariant(record) {
      // Asked for once and never fed again: should the request be lost, the watchdog runs out.
      guard !hasTriggered else { return nil }
      hasTriggered = true
      manager.notify(["STATUS=broken invariant: \(broken)", "WATCHDOG=trigger"])
      return broken
    }
    lastSequence = record.sequence
    let ticks = record.sequence + 1
    if let due = watchdog?.isDue(ticks: ticks, overruns: record.overruns, now: now), due, !hasTriggered,
      manager.notify(["WATCHDOG=1"])
    {
      watchdog?.pinged(ticks: ticks, now: now)
    }
    let isTested = record.state != .starting && record.state != .selfTest
    if isTested && !isReady {
      isReady = manager.notify(["READY=1", "STATUS=\(line(record, wakeUps))"])
    } else if now >= statusAt {
      statusAt = now + Self.statusNanoseconds
      let line = line(record, wakeUps)
      if line != status { manager.notify(["STATUS=\(line)"]) }
      status = line
    }
    return nil
  }

  /// The hand is about to stop.
  func stopping(_ cause: String) { manager?.notify(["STOPPING=1", "STATUS=stopping: \(cause)"]) }

  private func line(_ record: TickRecord, _ wakeUps: LatencyHistogram) -> String {
    let fault = record.fault
    let cause = fault == .none ? "" : ": \(fault.name)"
    let p99 = (wakeUps.snapshot().p99 + 500) / 1000
    return "\(record.state.name)\(cause) \(rateHertz) Hz p99 \(p99) us overruns \(record.overruns)"
  }

  /// What can only be a defect of the program or of the memory it runs in.
  private func brokenInvariant(_ record: TickRecord) -> String? {
    let isReacting = record.state == .fault && record.fault.reaction != .limp
    if record.outputsEnabled && !record.state.outputsLive && !isReacting {
      return "outputs live in state \(record.state.name) at tick \(record.sequence)"
    }
    if record.sequence < lastSequence {
      return "tick \(record.sequence) after tick \(lastSequence)"
    }
    return nil
  }
}
