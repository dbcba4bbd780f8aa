import PrimalLogic

/// A minimum-jerk trajectory of one joint: the quintic through position, velocity and acceleration at the
/// start and rest at the end. Planned again from wherever it is when the target changes, so that set-points,
/// their velocity and their acceleration stay continuous.
package struct Trajectory: BitwiseCopyable, Sendable {
  package private(set) var position: Double
  package private(set) var velocity: Double = 0
  package private(set) var acceleration: Double = 0
  package private(set) var target: Double
  private var c0: Double, c1 = 0.0, c2 = 0.0, c3 = 0.0, c4 = 0.0, c5 = 0.0
  private var elapsed = 0.0
  private var duration = 0.0

  package init(position: Double) {
    self.position = position
    target = position
    c0 = position
  }

  /// Whether the target has been reached.
  package var isFinished: Bool {
    @_noLocks get { elapsed >= duration }
  }

  /// No motion of a hand takes so long; the fifth power of a longer one would leave the range of its coefficients.
  private static let longestSeconds = 3600.0
  /// Peak speed of a rest-to-rest minimum-jerk motion over its mean speed (15/8).
  private static let peakSpeedRatio = 1.875
  /// Peak acceleration times T² over the distance, of the same motion (10/√3).
  private static let peakAccelerationRatio = 5.773502691896258

  /// Plans from the present set-point to `target`.
  /// - Parameters:
  ///   - seconds: wanted duration; 0 or no number = as fast as the limits allow. A duration that the limits do not
  ///     allow is lengthened, one of more than an hour is an hour.
  ///   - maximumVelocity: rad/s, maximumAcceleration: rad/s².
  @_noLocks
  package mutating func plan(
    to target: Double, seconds: Double, maximumVelocity: Double, maximumAcceleration: Double
  ) {
    let distance = (target - position).magnitude
    let bySpeed = Self.peakSpeedRatio * distance / maximumVelocity
    let byAcceleration = root(Self.peakAccelerationRatio * distance / maximumAcceleration)
    // A motion under way must also be able to stop: allow twice the time that braking needs.
    let byBraking = 2 * velocity.magnitude / maximumAcceleration
    // Written so that NaN becomes 0.
    let wanted = seconds > 0 ? min(seconds, Self.longestSeconds) : 0
    let t = max(max(wanted, bySpeed), max(byAcceleration, byBraking))
    self.target = target
    elapsed = 0
    duration = t
    guard t > 0 else {
      hold(at: target)
      return
    }
    let d = target - position - velocity * t - 0.5 * acceleration * t * t
    let dv = -velocity - acceleration * t
    let da = -acceleration
    let t2 = t * t
    let t3 = t2 * t
    c0 = position
    c1 = velocity
    c2 = 0.5 * acceleration
    c3 = (10 * d - 4 * dv * t + 0.5 * da * t2) / t3
    c4 = (-15 * d + 7 * dv * t - da * t2) / (t3 * t)
    c5 = (6 * d - 3 * dv * t + 0.5 * da * t2) / (t3 * t2)
  }

  /// Rests at `position`, at once.
  @_noLocks
  package mutating func hold(at position: Double) {
    self.position = position
    target = position
    velocity = 0
    acceleration = 0
    elapsed = 0
    duration = 0
    c0 = position
    c1 = 0
    c2 = 0
    c3 = 0
    c4 = 0
    c5 = 0
  }

  /// Moves the set-point on by `dt` seconds.
  @_noLocks
  package mutating func advance(dt: Double) {
    guard elapsed < duration else { return }
    elapsed += dt
    if elapsed >= duration {
      let end = target
      let total = duration
      hold(at: end)
      elapsed = total
      duration = total
      return
    }
    let t = elapsed
    position = c0 + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * c5))))
    velocity = c1 + t * (2 * c2 + t * (3 * c3 + t * (4 * c4 + t * 5 * c5)))
    acceleration = 2 * c2 + t * (6 * c3 + t * (12 * c4 + t * 20 * c5))
  }
}

/// Square root by Newton's iteration: the standard one is not available to code that is checked not to
/// allocate. Relative error below 1e-12 for arguments in 1e-8...1e8.
@_noLocks
func root(_ x: Double) -> Double {
  guard x > 0 else { return 0 }
  // Halving the exponent's bits starts within 6 %; each step squares the error.
  var y = Double(bitPattern: (x.bitPattern >> 1) &+ (1023 << 51))
  for _ in 0..<4 { y = 0.5 * (y + x / y) }
  return y
}

/// Sine for |x| ≤ π by its series, error below 1e-9 within a joint's range of ± 2 rad; beyond, where no joint is but
/// an estimate may go astray, that of ± π, for there the series would grow without bound.
@_noLocks
func sine(_ angle: Double) -> Double {
  let x = angle > .pi ? .pi : (angle < -.pi ? -.pi : angle)
  let z = x * x
  // Taylor coefficients up to x¹⁷.
  var sum = 1.0 - z / 272
  sum = 1 - z / 210 * sum
  sum = 1 - z / 156 * sum
  sum = 1 - z / 110 * sum
  sum = 1 - z / 72 * sum
  sum = 1 - z / 42 * sum
  sum = 1 - z / 20 * sum
  sum = 1 - z / 6 * sum
  return x * sum
}
