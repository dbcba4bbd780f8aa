/// How far a joint may differ from its model, and a tick from the nominal one, without leaving what the
/// uncertainty certificate covers (docs/control.md, "The uncertainty certificate").
public struct Uncertainty: Sendable, Equatable {
  /// J lies within (1 ± this) of the model's: 0 to below 1.
  public var inertiaShare: Double
  /// b lies within (1 ± this) of the model's: 0 to 1.
  public var dampingShare: Double
  /// dt lies within (1 ± this) of the period: 0 to below 1.
  public var dtShare: Double
  /// When the plant feels what a tick decides, in lengths of that tick: within 0 and the
  /// model's `delayTicks`.
  public var delayPeriods: ClosedRange<Double>
  /// How old the sample is that a tick takes in, in lengths of the interval before that tick: within 0 and 1.
  public var agePeriods: ClosedRange<Double>

  /// Every field by name.
  public init(
    inertiaShare: Double, dampingShare: Double, dtShare: Double, delayPeriods: ClosedRange<Double>,
    agePeriods: ClosedRange<Double>
  ) {
    self.inertiaShare = inertiaShare
    self.dampingShare = dampingShare
    self.dtShare = dtShare
    self.delayPeriods = delayPeriods
    self.agePeriods = agePeriods
  }

  /// Whether every share, the delay and the age lie within their ranges for `model`.
  func isValid(for model: LoopModel) -> Bool {
    inertiaShare >= 0 && inertiaShare < 1 && dampingShare >= 0 && dampingShare <= 1 && dtShare >= 0
      && dtShare < 1 && delayPeriods.lowerBound >= 0
      && delayPeriods.upperBound <= Double(model.delayTicks)
      && agePeriods.lowerBound >= 0 && agePeriods.upperBound <= 1
      // A plant without damping or spring coasts for ever.
      && (model.stiffness > 0 || dampingShare < 1)
  }
}
