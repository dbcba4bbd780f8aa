import Control
import Devices
import HandModel
import Realtime

/// What a jog shows of itself while it runs, and at its end.
package struct JogProgress: Sendable, Equatable {
  package var state: HandState
  /// The moved joint's set-point and estimate, rad.
  package var setpointRadians: Double
  package var positionRadians: Double
  /// N m; of a servo 0.
  package var torqueNewtonMetres: Double
  package var currentAmperes: Double

  init(_ record: borrowing TickRecord, joint: Int) {
    state = record.state
    setpointRadians = record.joints[joint].setpointRadians
    positionRadians = record.joints[joint].positionRadians
    torqueNewtonMetres = record.joints[joint].torqueNewtonMetres
    currentAmperes = record.joints[joint].currentAmperes
  }
}

/// How a jog ended. In each case the outputs are off.
package enum JogEnd: Sendable, Equatable {
  case arrived
  /// It was cancelled.
  case cancelled
  /// The hand could not be armed.
  case refused(String)
  /// What latched, and the joint that it names; 255 = none.
  case fault(FaultCode, joint: Int)
  /// The loop has stood still.
  case silent
}

/// One joint, moved slowly by `JointExcitation` on a hand of its own: arm, wait, outputs off.
package final class JogRun {
  /// How often the state is looked at.
  private static let lookNanoseconds: Int64 = 20_000_000
  /// Besides the self-test's own limit, what a busy machine may take to begin.
  private static let startNanoseconds: Int64 = 5_000_000_000

  package let runtime: HandRuntime
  private let joint: Int
  /// The joint's estimate when it was armed and when the jog ended, rad; NaN before.
  package private(set) var startRadians = Double.nan
  package private(set) var endRadians = Double.nan

  /// Opens the hand; nothing moves yet.
  package init(
    board: Board, joints: [JointBasics], plan: ExcitationPlan, hardware: any Hardware, clock: any TimeSource
  ) throws(StartError) {
    joint = plan.joint
    runtime = try HandRuntime(
      board: board, plan: BusPlan(board),
      controller: JointExcitation(settings: board.control, joints: joints, plan: plan), hardware: hardware,
      clock: clock)
  }

  /// Moves the joint and switches everything off, whatever comes.
  /// - Parameters:
  ///   - isCancelled: asked before the hand is armed and some times a second from then on; true stops it.
  ///   - progress: called as often.
  package func run(
    isCancelled: () -> Bool, progress: (JogProgress) -> Void = { _ in }
  ) throws(StartError) -> JogEnd {
    try runtime.start(cpu: nil, requireRealtime: false)
    let end = move(isCancelled: isCancelled, progress: progress)
    // A stop reaches the outputs even where the loop stands still.
    if end != .arrived { _ = runtime.port.submit(.stop, source: .socket) }
    endRadians = runtime.latestRecord().joints[joint].positionRadians
    runtime.stop()
    return end
  }

  private func move(isCancelled: () -> Bool, progress: (JogProgress) -> Void) -> JogEnd {
    let clock = MonotonicClock()
    let deadline = clock.now() + Self.startNanoseconds
    while true {
      if isCancelled() { return .cancelled }
      if runtime.standstillSeconds != nil { return .silent }
      let record = runtime.latestRecord()
      switch record.state {
      case .fault, .eStop: return .fault(record.fault, joint: Int(record.faultJoint))
      // The arm is the only command; its number is in every record from its tick on.
      case .idle where record.commandNumber > 0: return .arrived
      case .idle:
        startRadians = record.joints[joint].positionRadians
        switch runtime.port.submit(.arm, source: .socket) {
        case .executed: break
        case .refused(let reason): return .refused(reason)
        case .unconfirmed: return .silent
        }
      case .starting, .selfTest:
        if clock.now() > deadline { return .silent }
      case .armed, .tracking: progress(JogProgress(record, joint: joint))
      }
      clock.sleep(until: clock.now() + Self.lookNanoseconds)
    }
  }
}
