import HandModel
import PrimalLogic

/// A joint's law between two of its decisions: where a servo's frames come less often than ticks it decides
/// once in `holdTicks` ticks (docs/control.md, "Several ticks a frame"). What it decided and what was
/// published of the last interval stand until then.
struct MultirateHold: BitwiseCopyable {
  /// Ticks since the decision, skipped ones included, at most `holdTicks`; with that many the next one is
  /// due.
  fileprivate(set) var ticks: Int
  /// The time since the decision: the dt of the interval that the next one ends, s.
  fileprivate(set) var seconds = 0.0
  /// Whether the joint leaned on an end stop, or had no sample, in a tick since.
  fileprivate(set) var wasOutside = false
  /// What the decision published.
  fileprivate var certificate = CertificateState.inactive
  fileprivate(set) var flags: UInt8 = 0
  fileprivate var slope = 1.0
  fileprivate var lipschitz = Double.nan
  fileprivate var distance = 0.0
  /// The dt of the interval that the decision ended, s.
  fileprivate var endedSeconds = 1.0

  /// - Parameter ticks: `holdTicks`, so that the first decision is due at once.
  init(dueAfter ticks: Int) { self.ticks = ticks }
}

extension JointState {
  /// Whether the law decides in this tick.
  var isDecisionTick: Bool {
    @_noLocks get { held.ticks >= constants.holdTicks }
  }

  /// Takes in the interval that a tick ends.
  /// - Parameters:
  ///   - dt: its length, s.
  ///   - skippedDeadlines: ticks that it should have had besides: they are part of the hold.
  @_noLocks
  mutating func pass(dt: Double, skippedDeadlines: Int) {
    if isDecisionTick {
      held.ticks = 0
      held.seconds = 0
      held.wasOutside = false
    }
    held.seconds += dt
    held.ticks = min(
      held.ticks &+ 1 &+ min(max(skippedDeadlines, 0), constants.holdTicks), constants.holdTicks)
  }

  /// The next decision is due in this tick, and nothing has been published.
  @_noLocks
  mutating func forgetDecision() {
    held.ticks = constants.holdTicks
    held.certificate = .inactive
    held.flags = 0
    held.slope = 1
    held.lipschitz = .nan
    held.distance = 0
  }

  /// Keeps what a decision published.
  @_noLocks
  mutating func keepDecision(_ out: UnsafePointer<JointRecord>) {
    held.certificate = out.pointee.certificate
    held.flags = out.pointee.flags & (JointFlags.torqueLimited | JointFlags.rateLimited)
    held.slope = out.pointee.slope
    held.lipschitz = out.pointee.lipschitz
    held.distance = out.pointee.distance
    held.endedSeconds = held.seconds
  }

  /// Length of the interval that L is about, s.
  var endedInterval: Double {
    @_noLocks get { held.endedSeconds }
  }

  /// Makes `hold` and `kernel` span the whole interval since the last decision. A single tick's are shared
  /// between joints and already there.
  @_noLocks
  mutating func spanDecision() {
    guard constants.holdTicks > 1 else { return }
    hold = ZeroOrderHold(
      inertia: constants.inertia, damping: constants.damping, stiffness: constants.stiffness, dt: held.seconds
    )
    kernel = MemoryKernel(lambda: constants.lambda, dt: held.seconds)
  }

  /// A tick between two decisions publishes the last one again. Where the joint leans on its end stop or has
  /// no sample, this tick is uncertified, and the interval will be.
  /// - Returns: whether the law has ended an interval at all, so that the tick belongs in the window.
  @_noLocks
  mutating func repeatDecision(_ out: UnsafeMutablePointer<JointRecord>, isAtEndStop: Bool) -> Bool {
    if isAtEndStop { out.pointee.flags |= JointFlags.endStop }
    let isOutside = out.pointee.flags & (JointFlags.endStop | JointFlags.stale) != 0
    if isOutside { held.wasOutside = true }
    out.pointee.flags |= held.flags
    out.pointee.setpointRadians = trajectory.position
    out.pointee.setpointRadiansPerSecond = trajectory.velocity
    out.pointee.nominalRadians = nominal.position
    out.pointee.memoryRadianSeconds = memory
    out.pointee.demandNewtonMetres = demand
    out.pointee.torqueNewtonMetres = torque
    out.pointee.slope = held.slope
    out.pointee.distance = held.distance
    out.pointee.certificate = held.certificate
    out.pointee.lipschitz = held.lipschitz
    guard !(held.certificate == .inactive) else { return false }
    if isOutside {
      out.pointee.certificate = .uncertified
      out.pointee.lipschitz = .nan
    }
    return true
  }
}
