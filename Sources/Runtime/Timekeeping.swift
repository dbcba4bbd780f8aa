import HandModel
import PrimalLogic

/// How well the machine kept the time of a simulated hand, and what a real hand would have made of it.
///
/// The simulated hand's clock stands still while the machine does, so that late ticks are no fault of this hand. A
/// real one moves on meanwhile.
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
  /// How often a real hand, armed again after each, would have stopped; while the hand was driven only.
  package var realStops: UInt64 = 0
  /// Tick and cause of the first such stop.
  package var firstRealStop: UInt64 = 0
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

/// Keeps `Timekeeping`, tick by tick, by the rules that a real hand's guard has for its clock. Used by the thread of
/// the simulated hand only; takes its memory at the start.
struct TimekeepingJudge: ~Copyable {
  private(set) var result = Timekeeping()
  private let settings: ControlSettings
  private let longestCertifiedSeconds: Double
  private var lateWindow: WindowProduct
  private var missedWindow: WindowProduct
  /// The stall that stopped the hand shows once more, as the deadlines that passed in it.
  private var hasJustStopped = false

  /// - Parameter joints: of the hand; their certificates say which intervals between decisions a real hand bears.
  init(settings: ControlSettings, joints: [JointParameters]) {
    self.settings = settings
    longestCertifiedSeconds =
      joints.map {
        $0.certificate.maximumDt - Double(($0.holdTicks - 1) * Int(settings.periodNanoseconds)) * 1e-9
      }.min() ?? .infinity
    lateWindow = WindowProduct(ticks: settings.windowTicks)
    missedWindow = WindowProduct(ticks: settings.windowTicks)
  }

  /// Takes in one tick.
  /// - Parameters:
  ///   - lateness: time from the deadline to the tick.
  ///   - interval: time since the tick before.
  ///   - missed: deadlines that passed before this tick.
  ///   - isDriven: whether the hand's outputs are on; nothing else can be stopped.
  mutating func observe(
    sequence: UInt64, lateness: Int64, interval: Int64, missed: UInt64, isDriven: Bool
  ) {
    result.ticks += 1
    result.missedDeadlines += missed
    result.longestLatenessNanoseconds = max(result.longestLatenessNanoseconds, lateness)
    result.stoodStillNanoseconds = Int64(result.missedDeadlines) * settings.periodNanoseconds
    let seconds = Double(interval) * 1e-9
    let isLate = seconds > longestCertifiedSeconds
    if isLate { result.lateTicks += 1 }
    missedWindow.push(hasJustStopped ? 0 : Int64(clamping: missed))
    hasJustStopped = false
    guard isDriven else { return lateWindow.reset() }
    lateWindow.push(isLate ? 1 : 0)
    let cause: FaultCode
    if seconds >= GuardLimits.longestStallSeconds {
      cause = .clockJump
    } else if interval > settings.staleSampleNanoseconds {
      // Its samples would be as old as the stall.
      cause = .lateTicks
    } else if missedWindow.sum > Int64(settings.overrunBudgetTicks) {
      cause = .deadlineMisses
    } else if lateWindow.sum > Int64(settings.uncertifiedBudgetTicks) {
      cause = .lateTicks
    } else {
      return
    }
    if result.realStops == 0 {
      result.firstRealStop = sequence
      result.firstRealCause = cause
    }
    result.realStops += 1
    hasJustStopped = true
    lateWindow.reset()
    missedWindow.reset()
  }
}
