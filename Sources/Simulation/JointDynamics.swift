import Foundation
import HandModel

/// The motion of one joint with its motor or servo, end stops, contact and friction, in fixed steps.
///
/// Between two changes of the drive the linear part, J q'' + (b + K_t K_e / R) q' = τ, is solved exactly for
/// a torque that is constant over the step. Gravity, stops and contact are taken at the middle of the step,
/// extrapolated by the joint's velocity. That makes the step time-symmetric, so it keeps energy. State is
/// kept only at multiples of `stepNanoseconds` and at changes of the drive: looking at the joint never
/// changes its further motion.
///
/// A servo with pulses is a spring with damping, J ω² (c − q) − 2ζω J q'. Without pulses its gear still
/// damps, but nothing holds the joint.
struct JointDynamics: Sendable {
  /// Short against every time constant: 1/250 of a period on the end stop.
  static let stepNanoseconds: Int64 = 50_000
  /// Natural frequency of the joint against its end stop, rad/s: stops 0.7 N·m of the nominal hand within
  /// 1.1 mrad and stays well resolved by the step.
  static let endStopRadiansPerSecond = 500.0
  /// Damping ratio of the end stop: hard plastic, no visible rebound.
  static let endStopDampingRatio = 0.7
  /// Distance of the end stops from the calibrated limits, about 3°.
  static let endStopMarginRadians = 0.05
  /// Stiffness of a fingertip on an object, at the joint.
  static let contactNewtonMetresPerRadian = 20.0
  static let contactDampingRatio = 0.3
  /// Distance of the fingertip's sensor from the joint's axis.
  static let fingertipMetres = 0.025
  /// J of a joint with a servo: that of the nominal hand. It matters only to external torques.
  static let servoInertia = 0.0025
  /// A servo's current per newton metre: 0.9 A at 0.9 N m, as small metal-gear servos have it.
  static let servoAmperesPerNewtonMetre = 1.0

  private(set) var timeNanoseconds: Int64
  private(set) var radians: Double
  private(set) var radiansPerSecond = 0.0
  /// Signed duty, −1...1, as the bridge has taken it over.
  var duty = 0.0
  /// The angle that a servo was told last.
  var commandRadians = 0.0
  /// Whether bridge or servo drives the joint; otherwise it coasts.
  var isLive = false
  /// Torque from outside.
  var externalNewtonMetres = 0.0
  /// Torque of the other joints of a coupled finger.
  var couplingNewtonMetres = 0.0
  /// Whether the joint is jammed: held where it is, whatever torque acts.
  var isJammed = false
  /// Angle beyond which an object is in the way; infinite for none.
  var contactRadians = Double.infinity

  private let inertia: Double
  private let damping: Double
  private let coulomb: Double
  private let gravity: Double
  /// Nil for a servo.
  private let motor: MotorParameters?
  /// Stiffness of a servo's own loop; its damping is the joint's.
  private let servoStiffness: Double
  private let lowerStop: Double
  private let upperStop: Double
  private let stopStiffness: Double
  private let stopDamping: Double
  private let contactDamping: Double
  /// Torque of full duty at standstill.
  private let stallNewtonMetres: Double
  private let drivenStep: Step
  private let coastingStep: Step
  private var sine: LocalSine

  init(_ calibration: JointCalibration, radians: Double, timeNanoseconds: Int64) {
    switch calibration.drive {
    case .motor(let drive):
      motor = drive.motor
      inertia = drive.plant.inertiaKilogramSquareMetres
      damping = drive.plant.dampingNewtonMetreSeconds
      coulomb = drive.plant.coulombNewtonMetres
      gravity = drive.plant.gravityNewtonMetres
      servoStiffness = 0
      stallNewtonMetres =
        drive.motor.torqueConstantNewtonMetresPerAmpere * drive.motor.supplyVolts / drive.motor.resistanceOhms
    case .servo(let servo):
      inertia = Self.servoInertia
      let omega = servo.bandwidthRadiansPerSecond
      damping = 2 * servo.dampingRatio * omega * inertia
      coulomb = 0
      gravity = 0
      motor = nil
      servoStiffness = inertia * omega * omega
      stallNewtonMetres = 0
    }
    lowerStop = calibration.limits.lowerRadians - Self.endStopMarginRadians
    upperStop = calibration.limits.upperRadians + Self.endStopMarginRadians
    stopStiffness = inertia * Self.endStopRadiansPerSecond * Self.endStopRadiansPerSecond
    stopDamping = 2 * Self.endStopDampingRatio * inertia * Self.endStopRadiansPerSecond
    contactDamping =
      2 * Self.contactDampingRatio * (Self.contactNewtonMetresPerRadian * inertia).squareRoot()
    let seconds = Double(Self.stepNanoseconds) * 1e-9
    drivenStep = Step(inertia: inertia, damping: Self.damping(damping, motor, live: true), seconds: seconds)
    coastingStep = Step(
      inertia: inertia, damping: Self.damping(damping, motor, live: false), seconds: seconds)
    self.radians = radians
    self.timeNanoseconds = timeNanoseconds
    sine = LocalSine(radians)
  }

  /// Sets angle and velocity, at the joint's present time.
  mutating func place(radians: Double, radiansPerSecond: Double) {
    self.radians = radians
    self.radiansPerSecond = radiansPerSecond
  }

  /// Advances by all whole steps of the grid that end by `target`.
  mutating func advance(to target: Int64) {
    let grid = Self.stepNanoseconds
    guard target > timeNanoseconds else { return }
    var next = (timeNanoseconds / grid + 1) * grid
    while next <= target {
      if next - timeNanoseconds == grid {
        step(isLive ? drivenStep : coastingStep)
      } else {
        step(partial: next - timeNanoseconds)
      }
      timeNanoseconds = next
      next += grid
    }
  }

  /// Advances to `target` exactly, for a change of the drive there.
  mutating func advance(exactlyTo target: Int64) {
    advance(to: target)
    guard target > timeNanoseconds else { return }
    step(partial: target - timeNanoseconds)
    timeNanoseconds = target
  }

  /// The angle at a time near `timeNanoseconds`. Does not advance the joint.
  func radians(at time: Int64) -> Double {
    radians + radiansPerSecond * (Double(time - timeNanoseconds) * 1e-9)
  }

  /// Motor current, averaged over the PWM period.
  var motorAmperes: Double {
    guard isLive else { return 0 }
    guard let motor else {
      return Self.servoAmperesPerNewtonMetre
        * (servoStiffness * (commandRadians - radians) - damping * radiansPerSecond)
    }
    return (motor.supplyVolts * effectiveDuty - motor.backEMFVoltSecondsPerRadian * radiansPerSecond)
      / motor.resistanceOhms
  }

  /// Torque of motor or servo on the joint, with back-EMF and a servo's own damping.
  var driveNewtonMetres: Double {
    guard isLive else { return 0 }
    guard let motor else {
      return servoStiffness * (commandRadians - radians) - damping * radiansPerSecond
    }
    return motor.torqueConstantNewtonMetresPerAmpere * motorAmperes
  }

  /// Torque of the object against the joint, never negative.
  var contactNewtonMetres: Double { contactTorque(at: radians) }

  private func contactTorque(at radians: Double) -> Double {
    let depth = radians - contactRadians
    guard depth > 0 else { return 0 }
    return max(0, Self.contactNewtonMetresPerRadian * depth + contactDamping * radiansPerSecond)
  }

  /// Kinetic energy, joules.
  var kineticJoules: Double {
    0.5 * inertia * radiansPerSecond * radiansPerSecond
  }

  /// The dead band is lost voltage (dead time of the bridge, brushes): only the duty beyond it acts.
  private var effectiveDuty: Double {
    let excess = duty.magnitude - (motor?.deadBandDuty ?? 0)
    return excess > 0 ? (duty < 0 ? -excess : excess) : 0
  }

  private mutating func step(partial nanoseconds: Int64) {
    step(
      Step(
        inertia: inertia, damping: Self.damping(damping, motor, live: isLive),
        seconds: Double(nanoseconds) * 1e-9))
  }

  private mutating func step(_ step: Step) {
    if isJammed {
      radiansPerSecond = 0
      return
    }
    var torque = externalNewtonMetres + couplingNewtonMetres
    let middle = radians + 0.5 * step.angleOfVelocity * radiansPerSecond
    if isLive { torque += stallNewtonMetres * effectiveDuty + servoStiffness * (commandRadians - middle) }
    if gravity != 0 { torque -= gravity * sine.of(middle) }
    if middle < lowerStop {
      torque += max(0, stopStiffness * (lowerStop - middle) - stopDamping * radiansPerSecond)
    } else if middle > upperStop {
      torque -= max(0, stopStiffness * (middle - upperStop) + stopDamping * radiansPerSecond)
    }
    if middle > contactRadians { torque -= contactTorque(at: middle) }

    let friction = coulomb
    let isSticking = radiansPerSecond == 0
    if isSticking {
      guard torque.magnitude > friction else { return }
      torque -= torque < 0 ? -friction : friction
    } else {
      torque -= radiansPerSecond < 0 ? -friction : friction
    }
    let newVelocity = step.velocityOfVelocity * radiansPerSecond + step.velocityOfTorque * torque
    if friction > 0, !isSticking, (newVelocity < 0) != (radiansPerSecond < 0) {
      // Friction may stop a motion but never reverse it. The joint then rests at the end of this step, having
      // moved on by about half of its velocity. Whether it starts again is decided in the next step.
      radians += 0.5 * step.angleOfVelocity * radiansPerSecond
      radiansPerSecond = 0
    } else {
      radians += step.angleOfVelocity * radiansPerSecond + step.angleOfTorque * torque
      radiansPerSecond = newVelocity
    }
  }

  /// Viscous damping with the back-EMF's share.
  private static func damping(_ viscous: Double, _ motor: MotorParameters?, live: Bool) -> Double {
    guard live, let motor else { return viscous }
    return viscous
      + motor.torqueConstantNewtonMetresPerAmpere * motor.backEMFVoltSecondsPerRadian
      / motor.resistanceOhms
  }

  /// Exact zero-order hold of J w' + b w = τ, q' = w over a time (docs/control.md, plant).
  private struct Step {
    let velocityOfVelocity: Double
    let velocityOfTorque: Double
    let angleOfVelocity: Double
    let angleOfTorque: Double

    init(inertia: Double, damping: Double, seconds: Double) {
      let exponent = damping * seconds / inertia
      velocityOfVelocity = exp(-exponent)
      if exponent < 1e-4 {
        // The closed form cancels here; the series is exact to 10⁻¹² relative.
        velocityOfTorque = seconds / inertia * (1 - exponent / 2 + exponent * exponent / 6)
        angleOfVelocity = seconds * (1 - exponent / 2 + exponent * exponent / 6)
        angleOfTorque =
          seconds * seconds / inertia * (0.5 - exponent / 6 + exponent * exponent / 24)
      } else {
        let loss = -expm1(-exponent)
        velocityOfTorque = loss / damping
        angleOfVelocity = inertia / damping * loss
        angleOfTorque = (seconds - angleOfVelocity) / damping
      }
    }
  }
}

/// sin near a moving point, as a cubic: the library's sine would cost more than the rest of a step.
/// Error below 3·10⁻⁹.
private struct LocalSine: Sendable {
  /// The cubic's remainder d⁴/24 is 2.5·10⁻⁹ here.
  static let reach = 1.0 / 64

  private var centre: Double
  private var sine: Double
  private var cosine: Double

  init(_ radians: Double) {
    centre = radians
    sine = sin(radians)
    cosine = cos(radians)
  }

  mutating func of(_ radians: Double) -> Double {
    var offset = radians - centre
    if offset.magnitude > Self.reach {
      self = LocalSine(radians)
      offset = 0
    }
    let square = offset * offset
    return sine * (1 - 0.5 * square) + cosine * offset * (1 - square / 6)
  }
}
