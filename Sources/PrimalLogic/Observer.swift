/// Steady-state Kalman observer of one joint's angle and velocity, driven by the torque that acted.
///
/// Its innovation is the first of the tests that see what the certificate's model cannot (docs/control.md).
public struct Observer: BitwiseCopyable, Sendable {
  /// The constant gains of the corrected step and what its innovation should look like.
  public struct Gains: BitwiseCopyable, Sendable {
    /// Angle correction a radian of innovation.
    public var position: Double
    /// Velocity correction, 1/s.
    public var velocity: Double
    /// Standard deviation of the innovation, rad: √(predicted angle variance + measurement variance).
    public var innovationDeviation: Double
    /// Standard deviation of the corrected angle, rad.
    public var positionDeviation: Double
    /// Standard deviation of the corrected velocity, rad/s.
    public var velocityDeviation: Double

    /// Gains from elsewhere, such as a calibration.
    public init(
      position: Double, velocity: Double, innovationDeviation: Double, positionDeviation: Double,
      velocityDeviation: Double
    ) {
      self.position = position
      self.velocity = velocity
      self.innovationDeviation = innovationDeviation
      self.positionDeviation = positionDeviation
      self.velocityDeviation = velocityDeviation
    }
  }

  /// Most Riccati steps of `design`: with a torque noise at all the recursion converges within a few thousand
  /// ticks; without any the gains fall towards 0 like 1/n and the limit ends it.
  static let maximumRiccatiSteps = 200_000

  /// Gains of the steady-state filter, by iterating the Riccati recursion until it stands still.
  /// - Parameters:
  ///   - inertia: J, kg m².
  ///   - damping: b, N m s/rad.
  ///   - stiffness: k, N m/rad.
  ///   - dt: nominal period, s.
  ///   - measurementDeviation: standard deviation of the angle sensor, rad, positive.
  ///   - torqueDeviation: standard deviation of the unknown torque, held over a tick, N m, not negative.
  public static func design(
    inertia: Double, damping: Double, stiffness: Double, dt: Double, measurementDeviation: Double,
    torqueDeviation: Double
  ) -> Gains {
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt)
    let measurementVariance = measurementDeviation * measurementDeviation
    let noise1 = hold.b1 * torqueDeviation
    let noise2 = hold.b2 * torqueDeviation
    // Predicted covariance, started where the sensor alone would leave it.
    var p11 = measurementVariance
    var p12 = 0.0
    var p22 = measurementVariance / (dt * dt)
    var position = 0.0
    var velocity = 0.0
    var corrected11 = p11
    var corrected22 = p22
    for _ in 0..<maximumRiccatiSteps {
      let variance = p11 + measurementVariance
      let gain1 = p11 / variance
      let gain2 = p12 / variance
      let c11 = p11 * measurementVariance / variance
      let c12 = p12 * measurementVariance / variance
      let c22 = p22 - gain2 * p12
      corrected11 = c11
      corrected22 = c22
      let f11 = hold.a11 * c11 + hold.a12 * c12
      let f12 = hold.a11 * c12 + hold.a12 * c22
      let f21 = hold.a21 * c11 + hold.a22 * c12
      let f22 = hold.a21 * c12 + hold.a22 * c22
      p11 = f11 * hold.a11 + f12 * hold.a12 + noise1 * noise1
      p12 = f11 * hold.a21 + f12 * hold.a22 + noise1 * noise2
      p22 = f21 * hold.a21 + f22 * hold.a22 + noise2 * noise2
      let settled =
        (gain1 - position).magnitude <= 1e-15 * gain1 && (gain2 - velocity).magnitude <= 1e-15 * gain2
      position = gain1
      velocity = gain2
      if settled { break }
    }
    return Gains(
      position: position, velocity: velocity,
      innovationDeviation: (p11 + measurementVariance).squareRoot(),
      positionDeviation: corrected11.squareRoot(), velocityDeviation: max(corrected22, 0).squareRoot())
  }

  /// The constant gains.
  public let gains: Gains
  let inertia: Double
  let damping: Double
  let stiffness: Double
  /// Estimated angle, rad.
  public private(set) var position: Double
  /// Estimated velocity, rad/s.
  public private(set) var velocity: Double
  /// Last measured minus predicted angle, rad.
  public private(set) var innovation: Double

  /// Starts at rest at `position` (rad), for the plant J, b, k.
  @_noLocks
  public init(gains: Gains, inertia: Double, damping: Double, stiffness: Double, position: Double) {
    self.gains = gains
    self.inertia = inertia
    self.damping = damping
    self.stiffness = stiffness
    self.position = position
    velocity = 0
    innovation = 0
  }

  /// Moves the estimate over the interval of `hold` under the torque that acted, N m.
  @_noLocks
  public mutating func predict(torque: Double, hold: ZeroOrderHold) {
    hold.step(position: &position, velocity: &velocity, torque: torque)
  }

  /// As `predict(torque:hold:)` with this joint's own plant over `dt` seconds.
  @_noLocks
  public mutating func predict(torque: Double, dt: Double) {
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt)
    predict(torque: torque, hold: hold)
  }

  /// Takes in a measured angle (rad) that is `age` seconds old: the estimate is compared where the joint was
  /// then, q − age · w.
  @_noLocks
  public mutating func correct(measured: Double, age: Double) {
    innovation = measured - (position - age * velocity)
    position += gains.position * innovation
    velocity += gains.velocity * innovation
  }
}
