/// One joint's closed loop: the second-order plant J q'' + b q' + k q = u and the law that drives it,
/// PD and fading memory with saturation, back-calculation and a delay of whole ticks (docs/control.md).
///
/// For a `motor` u is a torque in N·m. For a `servo`, whose own loop is q'' + 2ζω q' + ω² q = ω² c, divide by
/// ω²: J = 1/ω², b = 2ζ/ω, k = 1, and u = c = r + sat(v) is an angle command in rad; the law's gains are then
/// in rad per unit, `torqueLimit` is the largest correction in rad. Since the servo's own stiffness is the
/// plant's k, `directStiffness` is 0 for a servo too.
public struct LoopModel: Sendable, Equatable {
  /// J, kg m² (servo: 1/ω², s²). Positive.
  public var inertia: Double
  /// b, N m s/rad (servo: 2ζ/ω, s). Not negative; positive when `stiffness` is 0.
  public var damping: Double
  /// k, N m/rad: 0 for a motor, 1 for a servo.
  public var stiffness: Double
  /// A further proportional part of u, k_d (r − q), computed each tick, delayed as the law's torque but never
  /// saturated. 0 for both kinds; for drives that add their own sampled position loop.
  public var directStiffness: Double
  /// Kp, N m/rad.
  public var kp: Double
  /// Kd, N m s/rad.
  public var kd: Double
  /// K_m, N m/(rad s).
  public var km: Double
  /// λ, decay of the memory, 1/s. Not negative.
  public var lambda: Double
  /// h, back-calculation gain at the nominal period, rad s/(N m). Not negative.
  public var backCalculation: Double
  /// τ_max, N m. Positive.
  public var torqueLimit: Double
  /// Nominal time between ticks, s. Positive.
  public var period: Double
  /// Whole ticks between the law's output and the plant's input, 0 to `maximumDelayTicks`.
  public var delayTicks: Int

  /// Every field by name; the springs and the delay default to none.
  public init(
    inertia: Double, damping: Double, stiffness: Double = 0, directStiffness: Double = 0, kp: Double,
    kd: Double, km: Double, lambda: Double, backCalculation: Double, torqueLimit: Double, period: Double,
    delayTicks: Int = 0
  ) {
    self.inertia = inertia
    self.damping = damping
    self.stiffness = stiffness
    self.directStiffness = directStiffness
    self.kp = kp
    self.kd = kd
    self.km = km
    self.lambda = lambda
    self.backCalculation = backCalculation
    self.torqueLimit = torqueLimit
    self.period = period
    self.delayTicks = delayTicks
  }

  /// Number of states: angle, velocity, memory and one for each pending torque.
  public var stateCount: Int { 3 + delayTicks }
}

/// Most whole ticks of actuator delay that a certificate covers. It keeps the certificate's state within
/// `maximumStates`; a longer delay needs a slower control rate.
public let maximumDelayTicks = 2

/// States of the largest loop: angle, velocity, memory and two pending torques.
public let maximumStates = 5

/// The difference of two loops, or one loop's state; entries beyond the model's state count are 0.
public typealias StateVector = InlineArray<5, Double>
