import HandModel
import PrimalLogic

/// The worst of all joints in a tick, each quantity for itself.
struct WorstJoint: BitwiseCopyable {
  private(set) var certificate = CertificateState.inactive
  /// A joint away from its end stops has no certificate; for such a joint the tick came too late.
  private(set) var isUncertified = false
  private(set) var isLate = false
  /// The largest L, and ln L in units of `WindowProduct.unit`; NaN where no joint has one.
  private(set) var lipschitz = Double.nan
  private var logarithm: Int64 = 0
  /// Length of the interval of that L, s.
  private var interval = 1.0
  /// The joint that has it; 255 = none.
  private(set) var joint = 255
  /// The largest ln Λ, and the joint that has it.
  private(set) var windowSum = Int64.min
  private(set) var windowJoint = 0

  @_noLocks
  init() {}

  /// The rate of contraction that the largest L means, 1/s; NaN where there is none.
  var ratePerSecond: Double {
    @_noLocks get { lipschitz.isNaN ? .nan : -Double(logarithm) * WindowProduct.unit / interval }
  }

  /// Takes a joint in.
  @_noLocks
  mutating func take(
    joint j: Int, _ record: UnsafePointer<JointRecord>, logarithm: Int64, interval: Double, windowSum: Int64
  ) {
    if record.pointee.certificate.severity > certificate.severity { certificate = record.pointee.certificate }
    // Written so that the first finite value replaces NaN.
    if record.pointee.lipschitz.isFinite && !(record.pointee.lipschitz <= lipschitz) {
      lipschitz = record.pointee.lipschitz
      self.logarithm = logarithm
      self.interval = interval
      joint = j
    }
    if windowSum > self.windowSum {
      self.windowSum = windowSum
      windowJoint = j
    }
  }

  /// Takes in whether a joint has a certificate.
  /// - Returns: whether it has none and the cause is the joint itself.
  @_noLocks
  mutating func takeUncertified(_ record: UnsafePointer<JointRecord>, isLate: Bool) -> Bool {
    guard record.pointee.certificate == .uncertified && record.pointee.flags & JointFlags.endStop == 0 else {
      return false
    }
    isUncertified = true
    if isLate { self.isLate = true }
    return !isLate
  }
}
