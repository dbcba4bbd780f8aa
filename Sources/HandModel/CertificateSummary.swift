/// What was certified of one joint: docs/control.md.
package struct CertificateSummary: Sendable, Equatable {
  /// Name of the joint.
  package var joint: String
  /// The finger whose joints pull at each other, this one among them: the certificate is then the finger's.
  package var finger: String?
  /// Largest L of an unsaturated tick; below 1.
  package var lipschitz: Double
  /// Largest L of any tick, saturated ones included.
  package var lipschitzSaturated: Double
  /// Contraction, 1/s.
  package var ratePerSecond: Double
  /// Intervals between decisions that the certificate covers.
  package var minimumDtSeconds: Double
  package var maximumDtSeconds: Double
  /// Ticks from one decision to the next.
  package var holdTicks: Int
  /// Decisions until an output acts.
  package var delayTicks: Int
  /// Level of V below which nothing saturates.
  package var unsaturatedLevel: Double

  package init(
    joint: String, finger: String?, lipschitz: Double, lipschitzSaturated: Double, ratePerSecond: Double,
    minimumDtSeconds: Double, maximumDtSeconds: Double, holdTicks: Int, delayTicks: Int,
    unsaturatedLevel: Double
  ) {
    self.joint = joint
    self.finger = finger
    self.lipschitz = lipschitz
    self.lipschitzSaturated = lipschitzSaturated
    self.ratePerSecond = ratePerSecond
    self.minimumDtSeconds = minimumDtSeconds
    self.maximumDtSeconds = maximumDtSeconds
    self.holdTicks = holdTicks
    self.delayTicks = delayTicks
    self.unsaturatedLevel = unsaturatedLevel
  }
}
