/// The plant J q'' + b q' + k q = u over one tick with u held: q⁺ = a11 q + a12 w + b1 u,
/// w⁺ = a21 q + a22 w + b2 u. Exact for any dt, not an integration step (docs/control.md, "Plant").
public struct ZeroOrderHold: BitwiseCopyable, Sendable {
  /// Angle from angle.
  public var a11: Double
  /// Angle from velocity, s.
  public var a12: Double
  /// Velocity from angle, 1/s.
  public var a21: Double
  /// Velocity from velocity.
  public var a22: Double
  /// Angle from torque, rad/(N m).
  public var b1: Double
  /// Velocity from torque, rad/(N m s).
  public var b2: Double

  /// - Parameters:
  ///   - inertia: J > 0, kg m².
  ///   - damping: b ≥ 0, N m s/rad.
  ///   - stiffness: k ≥ 0, N m/rad.
  ///   - dt: time held, s, not negative.
  @_noLocks
  public init(inertia: Double, damping: Double, stiffness: Double, dt: Double) {
    if stiffness > 0 {
      self = ZeroOrderHold.elastic(
        inertia: inertia, dampingRate: damping / inertia, stiffnessRate: stiffness / inertia, dt: dt)
      return
    }
    // The usual formulas divide by b and cancel for small b dt / J; the means below do neither.
    let z = damping * dt / inertia
    a11 = 1
    a12 = dt * decayMean(z)
    a21 = 0
    a22 = z < 0.35 ? 1 - z * decayMean(z) : exponential(-z)
    b1 = dt * dt / inertia * decaySecondMean(z)
    b2 = a12 / inertia
  }

  @_noLocks
  init(a11: Double, a12: Double, a21: Double, a22: Double, b1: Double, b2: Double) {
    self.a11 = a11
    self.a12 = a12
    self.a21 = a21
    self.a22 = a22
    self.b1 = b1
    self.b2 = b2
  }

  /// The held plant with a spring, by Taylor series on a halved interval and repeated doubling, which needs
  /// no case for under-, over- and critically damped.
  @_noLocks
  static func elastic(
    inertia: Double, dampingRate: Double, stiffnessRate: Double, dt: Double
  ) -> ZeroOrderHold {
    // Velocity in units of c ≈ ω balances the matrix; a power of two scales without rounding.
    let binaryExponent = Int(stiffnessRate.bitPattern >> 52) - 1023
    let c = powerOfTwo(binaryExponent >> 1)
    let upper = c
    let lower = -stiffnessRate / c
    let magnitude = max(upper, -lower + dampingRate) * dt
    var step = dt
    var doublings = 0
    var scaled = magnitude
    // 2^-60 of the interval would mean 10^18 time constants in one tick; the loop is bounded anyway.
    while scaled > 0.25 && doublings < 60 {
      scaled *= 0.5
      step *= 0.5
      doublings += 1
    }
    // E = exp(M step) and S = ∫ exp(M t) dt over the step, term by term; 0.25^13/13! < 10^-17.
    var e = Matrix2(1, 0, 0, 1)
    var s = Matrix2(step, 0, 0, step)
    var term = Matrix2(1, 0, 0, 1)
    let m = Matrix2(0, upper * step, lower * step, -dampingRate * step)
    var order = 1.0
    while order <= 13 {
      term = (term * m).scaled(by: 1 / order)
      e = e + term
      s = s + term.scaled(by: step / (order + 1))
      order += 1
    }
    for _ in 0..<doublings {
      s = s + e * s
      e = e * e
    }
    // Back to (q, w): w = c · (scaled velocity); the input enters as (0, 1 / (J c)).
    let input = 1 / (inertia * c)
    return ZeroOrderHold(
      a11: e.m11, a12: e.m12 / c, a21: e.m21 * c, a22: e.m22, b1: s.m12 * input, b2: s.m22 * input * c)
  }

  /// Moves angle (rad) and velocity (rad/s) on by the held interval under `torque`.
  @_noLocks
  public func step(position: inout Double, velocity: inout Double, torque: Double) {
    let before = position
    position = a11 * before + a12 * velocity + b1 * torque
    velocity = a21 * before + a22 * velocity + b2 * torque
  }
}

/// A 2 × 2 matrix, for `ZeroOrderHold`.
struct Matrix2: BitwiseCopyable {
  var m11: Double
  var m12: Double
  var m21: Double
  var m22: Double

  @_noLocks
  init(_ m11: Double, _ m12: Double, _ m21: Double, _ m22: Double) {
    self.m11 = m11
    self.m12 = m12
    self.m21 = m21
    self.m22 = m22
  }

  @_noLocks
  static func * (l: Matrix2, r: Matrix2) -> Matrix2 {
    Matrix2(
      l.m11 * r.m11 + l.m12 * r.m21, l.m11 * r.m12 + l.m12 * r.m22,
      l.m21 * r.m11 + l.m22 * r.m21, l.m21 * r.m12 + l.m22 * r.m22)
  }

  @_noLocks
  static func + (l: Matrix2, r: Matrix2) -> Matrix2 {
    Matrix2(l.m11 + r.m11, l.m12 + r.m12, l.m21 + r.m21, l.m22 + r.m22)
  }

  @_noLocks
  func scaled(by factor: Double) -> Matrix2 {
    Matrix2(m11 * factor, m12 * factor, m21 * factor, m22 * factor)
  }
}
