/// Steady-state Kalman observer of one joint's angle, velocity and load, driven by the torque that acted.
///
/// The load is the torque that the model does not explain, such as an object that is held. It is assumed to
/// change a little from tick to tick. Without it every grasp would look like a broken sensor. With it the
/// innovation stays white while a load changes no faster than it was designed for (docs/control.md, "What the
/// model cannot see").
public struct Observer: BitwiseCopyable, Sendable {
  /// The gains of a correction, and the statistics of a healthy innovation.
  public struct Gains: BitwiseCopyable, Sendable {
    /// Angle correction a radian of innovation.
    public var position: Double
    /// Velocity correction, 1/s.
    public var velocity: Double
    /// Load correction, N m/rad.
    public var load: Double
    /// Standard deviation of the innovation, rad: √(predicted angle variance + measurement variance).
    public var innovationDeviation: Double
    /// Standard deviation of the corrected load, N m.
    public var loadDeviation: Double
    /// Up to this age, s, velocity and acceleration alone give the joint's motion since a sample.
    public var youngAge: Double
  }

  /// A sample counts as young up to this share of the plant's time constants. The third derivative then adds
  /// less than a thousandth of the motion.
  static let youngShare = 0.1

  /// Most Riccati steps of `design`. With any real noise the recursion converges within a few thousand
  /// ticks. With hardly any, the gains fall towards 0 like 1/n and this limit ends it, within seconds for
  /// any hand's file.
  static let maximumRiccatiSteps = 20_000

  /// Gains of the steady-state filter whose samples come every so many ticks, by iterating the Riccati
  /// recursion until it stands still.
  /// - Parameters:
  ///   - inertia: J, kg m².
  ///   - damping: b, N m s/rad.
  ///   - stiffness: k, N m/rad.
  ///   - dt: nominal period of a tick, s.
  ///   - ticks: ticks from sample to sample, positive.
  ///   - measurementDeviation: standard deviation of the angle sensor, rad, positive.
  ///   - torqueDeviation: standard deviation of the unknown torque, held over a tick, N m, not negative.
  ///   - loadDeviation: standard deviation of the load's change from tick to tick, N m, not
  ///     negative; 0 = none.
  public static func design(
    inertia: Double, damping: Double, stiffness: Double, dt: Double, ticks: Int = 1,
    measurementDeviation: Double, torqueDeviation: Double, loadDeviation: Double
  ) -> Gains {
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt)
    let measurementVariance = measurementDeviation * measurementDeviation
    // The plant with the load as a third state, which only the noise changes.
    var plant = SmallMatrix(3)
    plant[0, 0] = hold.a11
    plant[0, 1] = hold.a12
    plant[0, 2] = hold.b1
    plant[1, 0] = hold.a21
    plant[1, 1] = hold.a22
    plant[1, 2] = hold.b2
    plant[2, 2] = 1
    let torque: InlineArray<3, Double> = [hold.b1 * torqueDeviation, hold.b2 * torqueDeviation, 0]
    var noise = SmallMatrix(3)
    for i in 0..<3 { for j in 0..<3 { noise[i, j] = torque[i] * torque[j] } }
    noise[2, 2] = loadDeviation * loadDeviation
    // The same from sample to sample.
    var (way, unknown) = (plant, noise)
    for _ in 1..<ticks {
      way = plant * way
      unknown = plant * unknown * plant.transposed
      for i in 0..<3 { for j in 0..<3 { unknown[i, j] += noise[i, j] } }
    }
    // Predicted covariance, started where the sensor alone would leave it.
    var predicted = SmallMatrix(3)
    predicted[0, 0] = measurementVariance
    predicted[1, 1] = measurementVariance / (Double(ticks * ticks) * dt * dt)
    predicted[2, 2] = loadDeviation * loadDeviation
    var gain: InlineArray<3, Double> = [0, 0, 0]
    var corrected = predicted
    for _ in 0..<maximumRiccatiSteps {
      let variance = predicted[0, 0] + measurementVariance
      var settled = true
      for i in 0..<3 {
        let next = predicted[i, 0] / variance
        if !((next - gain[i]).magnitude <= 1e-15 * next.magnitude) { settled = false }
        gain[i] = next
      }
      for i in 0..<3 { for j in 0..<3 { corrected[i, j] = predicted[i, j] - gain[i] * predicted[0, j] } }
      predicted = way * corrected * way.transposed
      for i in 0..<3 { for j in 0..<3 { predicted[i, j] += unknown[i, j] } }
      if settled { break }
    }
    return Gains(
      position: gain[0], velocity: gain[1], load: gain[2],
      innovationDeviation: (predicted[0, 0] + measurementVariance).squareRoot(),
      loadDeviation: max(corrected[2, 2], 0).squareRoot(),
      youngAge: youngShare * inertia / (damping + (stiffness * inertia).squareRoot()))
  }

  /// The gains by the time that has passed since the last sample.
  ///
  /// With the gains of every tick, an estimate diverges if its samples come every third tick. The longer
  /// velocity and load were predicted, the less a sample can say of them (docs/control.md, "What the
  /// model cannot see").
  public struct Schedule: BitwiseCopyable, Sendable {
    /// Intervals of 1 to 8 ticks have gains of their own. After a longer interval a sample says almost
    /// nothing but the joint's angle. Its gains fall with the interval, as those of a free point do.
    static var intervals: Int { @_noLocks get { 8 } }

    let inversePeriod: Double
    var gains: InlineArray<8, Gains>

    /// - Parameters: as those of `Observer.design`.
    public init(
      inertia: Double, damping: Double, stiffness: Double, dt: Double, measurementDeviation: Double,
      torqueDeviation: Double, loadDeviation: Double
    ) {
      inversePeriod = 1 / dt
      gains = InlineArray { index in
        Observer.design(
          inertia: inertia, damping: damping, stiffness: stiffness, dt: dt, ticks: index + 1,
          measurementDeviation: measurementDeviation, torqueDeviation: torqueDeviation,
          loadDeviation: loadDeviation)
      }
    }

    /// The gains while every tick has a sample, which the certificates assume.
    public var everyTick: Gains {
      get { gains[0] }
      set { gains[0] = newValue }
    }

    /// The gains for a sample after `seconds` without one.
    @_noLocks
    public func after(_ seconds: Double) -> Gains {
      let ticks = seconds * inversePeriod
      if ticks < 1.5 { return gains[0] }
      if ticks < Double(Self.intervals) + 0.5 { return gains[Int(ticks + 0.5) &- 1] }
      var last = gains[Self.intervals &- 1]
      let share = Double(Self.intervals) / ticks
      last.velocity *= share
      last.load *= share * share
      last.innovationDeviation /= share * share
      return last
    }
  }

  let inertia: Double
  let inverseInertia: Double
  let damping: Double
  let stiffness: Double
  /// Estimated angle, rad.
  public private(set) var position: Double
  /// Estimated velocity, rad/s.
  public private(set) var velocity: Double
  /// Estimated torque that the model does not explain, N m; of a servo the equivalent angle, rad.
  public private(set) var load: Double
  /// Last measured minus predicted angle, rad.
  public private(set) var innovation: Double
  /// Torque of the predicted interval without the load, N m.
  var torque: Double

  /// Starts at rest at `position` (rad), for the plant J, b, k.
  @_noLocks
  public init(inertia: Double, damping: Double, stiffness: Double, position: Double) {
    self.inertia = inertia
    inverseInertia = 1 / inertia
    self.damping = damping
    self.stiffness = stiffness
    self.position = position
    velocity = 0
    load = 0
    innovation = 0
    torque = 0
  }

  /// Moves the estimate over the interval of `hold` under the torque that acted, N m, and the load.
  @_noLocks
  public mutating func predict(torque: Double, hold: ZeroOrderHold) {
    hold.step(position: &position, velocity: &velocity, torque: torque + load)
    self.torque = torque
  }

  /// As `predict(torque:hold:)` with this joint's own plant over `dt` seconds.
  @_noLocks
  public mutating func predict(torque: Double, dt: Double) {
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt)
    predict(torque: torque, hold: hold)
  }

  /// Takes in a measured angle (rad) that is `age` seconds old. The estimate at that time is corrected and
  /// brought forward again under the torque of the interval, so that the error decays as with fresh samples.
  @_noLocks
  public mutating func correct(measured: Double, age: Double, gains: Gains) {
    if age > gains.youngAge { return correctOld(measured: measured, age: age, gains: gains) }
    // q − a w + a²/2 w' back, and the corrections of velocity and load that much on again.
    let acceleration = (torque + load - damping * velocity - stiffness * position) * inverseInertia
    innovation = measured - (position - age * (velocity - 0.5 * age * acceleration))
    let change =
      age * inverseInertia * (gains.load - damping * gains.velocity - stiffness * gains.position)
    position += (gains.position + age * (gains.velocity + 0.5 * change)) * innovation
    velocity += (gains.velocity + change) * innovation
    load += gains.load * innovation
  }

  /// As `correct(measured:age:gains:)`, by the exact solution there and back.
  @_noLocks
  private mutating func correctOld(measured: Double, age: Double, gains: Gains) {
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: age)
    let inverse = 1 / (hold.a11 * hold.a22 - hold.a12 * hold.a21)
    let angle = position - hold.b1 * (torque + load)
    let speed = velocity - hold.b2 * (torque + load)
    innovation = measured - inverse * (hold.a22 * angle - hold.a12 * speed)
    velocity = inverse * (hold.a11 * speed - hold.a21 * angle) + gains.velocity * innovation
    position = measured - innovation + gains.position * innovation
    load += gains.load * innovation
    hold.step(position: &position, velocity: &velocity, torque: torque + load)
  }
}
