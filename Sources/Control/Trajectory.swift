import PrimalLogic

/// A minimum-jerk trajectory of one joint: the quintic through position, velocity and acceleration at the
/// start and rest at the end. Planned again from wherever it is when the target changes, so that set-points,
/// their velocity and their acceleration stay continuous. A set-point never swings out further than it takes
/// to stop: where one quintic would, it stops first and then goes to the target.
package struct Trajectory: BitwiseCopyable, Sendable {
  /// The present set-point, rad.
  package private(set) var position: Double
  /// Its speed, rad/s.
  package private(set) var velocity: Double = 0
  /// Its acceleration, rad/s².
  package private(set) var acceleration: Double = 0
  /// Where it comes to rest, rad.
  package private(set) var target: Double
  private var c0: Double, c1 = 0.0, c2 = 0.0, c3 = 0.0, c4 = 0.0, c5 = 0.0
  private var elapsed = 0.0
  private var duration = 0.0
  /// What follows a stop; the duration is 0 where none does.
  private var nextDuration = 0.0
  private var stopsAt: Double

  package init(position: Double) {
    self.position = position
    target = position
    stopsAt = position
    c0 = position
  }

  /// Whether the target has been reached.
  package var isFinished: Bool {
    @_noLocks get { elapsed >= duration && nextDuration == 0 }
  }

  /// No motion of a hand takes so long; the fifth power of a longer one would leave the range of its
  /// coefficients.
  private static let longestSeconds = 3600.0
  /// Peak speed of a rest-to-rest minimum-jerk motion over its mean speed (15/8).
  private static let peakSpeedRatio = 1.875
  /// Peak acceleration times T² over the distance, of the same motion (10/√3).
  private static let peakAccelerationRatio = 5.773502691896258

  /// A stop takes this many times velocity over acceleration, so that its peak deceleration is the limit (a
  /// cubic from v to 0 has 3/2 v/T).
  private static let stopRatio = 1.5
  /// No stop is shorter: some ticks at the usual rates.
  private static let shortestStopSeconds = 0.02
  /// A swing that is smaller than this is none: a third of what counts as leaning on an end stop.
  private static let swingRadians = 0.005
  /// Points at which a motion is looked at for swinging out.
  private static let swingPoints = 16

  /// Plans from the present set-point to `target`. What is not finite is no plan: the present one stays.
  /// - Parameters:
  ///   - seconds: wanted duration; 0 or no number = as fast as the limits allow. A duration that the limits
  ///     do not allow is lengthened; one of more than an hour is an hour.
  ///   - maximumVelocity: rad/s, maximumAcceleration: rad/s².
  @_noLocks
  package mutating func plan(
    to target: Double, seconds: Double, maximumVelocity: Double, maximumAcceleration: Double
  ) {
    guard target.isFinite else { return }
    // A motion under way must also be able to stop: allow twice the time that braking needs.
    let byBraking = 2 * velocity.magnitude / maximumAcceleration
    let limits = Self.shortest(
      (target - position).magnitude, maximumVelocity: maximumVelocity,
      maximumAcceleration: maximumAcceleration)
    // Written so that NaN becomes 0.
    let wanted = seconds > 0 ? min(seconds, Self.longestSeconds) : 0
    let t = max(max(wanted, limits), byBraking)
    // Where the motion under way would come to rest, and when.
    let restsAt = nextDuration > 0 ? stopsAt : self.target
    let restsIn = duration - elapsed
    self.target = target
    nextDuration = 0
    guard t > 0 else {
      hold(at: target)
      return
    }
    start(to: target, seconds: t)
    guard velocity != 0 else { return }
    var stop = max(Self.stopRatio * velocity.magnitude / maximumAcceleration, Self.shortestStopSeconds)
    // Where the cubic velocity from (v, a) to rest ends.
    var end = position + velocity * stop / 2 + acceleration * stop * stop / 12
    let isOnTheWay = (restsAt - position) * velocity > 0 && restsIn > 0
    if isOnTheWay && (restsAt - position).magnitude < (end - position).magnitude {
      end = restsAt
      stop = restsIn
    }
    let low = min(min(position, target), end) - Self.swingRadians
    let high = max(max(position, target), end) + Self.swingRadians
    var swings = false
    for point in 1..<Self.swingPoints {
      let place = place(t * Double(point) / Double(Self.swingPoints))
      if place < low || place > high { swings = true }
    }
    guard swings else { return }
    start(to: end, seconds: stop)
    stopsAt = end
    nextDuration = max(
      wanted - stop,
      Self.shortest(
        (target - end).magnitude, maximumVelocity: maximumVelocity, maximumAcceleration: maximumAcceleration))
  }

  /// Duration of a motion from rest to rest at the limits.
  @_noLocks
  private static func shortest(
    _ distance: Double, maximumVelocity: Double, maximumAcceleration: Double
  ) -> Double {
    max(
      Self.peakSpeedRatio * distance / maximumVelocity,
      root(Self.peakAccelerationRatio * distance / maximumAcceleration))
  }

  /// The quintic from the present set-point to rest at `end`.
  @_noLocks
  private mutating func start(to end: Double, seconds t: Double) {
    elapsed = 0
    duration = t
    let d = end - position - velocity * t - 0.5 * acceleration * t * t
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

  @_noLocks
  private func place(_ t: Double) -> Double {
    c0 + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * c5))))
  }

  /// Comes to rest ahead of where it is, as far as braking takes it, within a range.
  /// - Parameters: as of `plan(to:seconds:maximumVelocity:maximumAcceleration:)`.
  @_noLocks
  package mutating func stop(
    within lower: Double, _ upper: Double, maximumVelocity: Double, maximumAcceleration: Double
  ) {
    // The time that `plan` gives a motion to brake in, at the mean speed of braking.
    let ahead = position + velocity * velocity.magnitude / maximumAcceleration
    plan(
      to: min(max(ahead, lower), upper), seconds: 0, maximumVelocity: maximumVelocity,
      maximumAcceleration: maximumAcceleration)
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
    nextDuration = 0
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
    if elapsed >= duration && nextDuration > 0 {
      let rest = elapsed - duration
      let end = target
      let next = nextDuration
      hold(at: stopsAt)
      target = end
      start(to: end, seconds: next)
      elapsed = rest
    }
    if elapsed >= duration {
      let end = target
      let total = duration
      hold(at: end)
      elapsed = total
      duration = total
      return
    }
    let t = elapsed
    position = place(t)
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

/// Sine by its series; the error is below 1e-9 within a joint's range of ± 2 rad. An angle beyond ± π counts
/// as ± π: no joint gets there, but an estimate may go astray, and the series would grow without bound.
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
