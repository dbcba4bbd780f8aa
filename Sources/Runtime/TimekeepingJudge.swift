import Control
import HandModel
import PrimalLogic

/// Keeps `Timekeeping` tick by tick, by the rules that a real hand's guard applies to its clock. Used by the
/// thread of the simulated hand only. Allocates at the start only.
struct TimekeepingJudge: ~Copyable {
  private(set) var result = Timekeeping()
  private let settings: ControlSettings
  private let longestCertifiedSeconds: Double
  private var lateWindow: WindowProduct
  private var missedWindow: WindowProduct
  /// Whether the tick before stopped the hand. The deadlines that passed in that stall show in this tick, and
  /// must not stop it again.
  private var hasJustStopped = false

  /// - Parameter joints: of the hand; their certificates say which intervals between decisions a
  ///   real hand bears.
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
    if seconds >= GuardLimits.standard.longestStallSeconds {
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
