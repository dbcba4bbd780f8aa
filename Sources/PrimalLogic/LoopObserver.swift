/// What the law knows of its joint: the linear observer between the encoder and the law, as the uncertainty
/// certificate models it (docs/control.md, "The uncertainty certificate").
///
/// It predicts with the nominal plant over the dt that passed. The plant is driven by the decided torques,
/// mixed by their mean latency, and by the estimated load. The estimate at the sample's instant is corrected
/// and then brought forward.
public struct LoopObserver: Sendable, Equatable {
  /// Angle correction a radian of innovation.
  public var position: Double
  /// Velocity correction, 1/s.
  public var velocity: Double
  /// Load correction, N m/rad; 0 for an observer that estimates no load.
  public var load: Double
  /// Periods from a decision until it acts, as the prediction assumes: 0 to the model's `delayTicks`.
  public var latencyPeriods: Double

  /// Every field by name.
  public init(position: Double, velocity: Double, load: Double = 0, latencyPeriods: Double) {
    self.position = position
    self.velocity = velocity
    self.load = load
    self.latencyPeriods = latencyPeriods
  }

  /// Angle, velocity and, where there is one, load.
  public var stateCount: Int { load == 0 ? 2 : 3 }

  /// Whether the gains are numbers and the latency is one of `model`.
  func isValid(for model: LoopModel) -> Bool {
    position.isFinite && velocity.isFinite && load.isFinite && latencyPeriods >= 0
      && latencyPeriods <= Double(model.delayTicks)
  }
}

/// The difference of two runs of a loop with its observer: q̃, w̃, m̃, the pending torques, the errors
/// of the estimated angle and velocity (true less estimated) and the estimated load; entries beyond
/// the states are 0.
public typealias ObservedState = SIMD8<Double>
