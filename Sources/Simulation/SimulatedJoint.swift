import Devices
import Foundation
import HandModel
import Realtime

/// A joint with its motor or servo. Chips on several buses see it, and hence several threads.
///
/// The chips' transfers advance the joint: each look brings it up to its time. A change of the drive
/// waits until a look has passed its time. So a bus whose time line runs ahead does not show the future
/// to the others.
package final class SimulatedJoint: Sendable {
  /// Standard deviation of the encoder's analogue noise, radians (docs/hardware.md, simulation).
  package static let encoderNoiseRadians = 0.3e-3
  /// Distance of the end stops from the calibrated limits.
  package static let endStopMarginRadians = JointDynamics.endStopMarginRadians
  /// The force sensor's amplifier is supplied with 3.3 V, so its output ends there.
  package static let forceSensorMaximumVolts = 3.3

  /// As in the board file.
  package let name: String

  /// The motion of the joints that move together, this one's among them.
  private let motion: Locked<FingerMotion>
  private let member: Int
  private let encoder: EncoderCalibration
  private let noise: GaussianNoise
  private let currentNoise: GaussianNoise
  private let currentNoiseAmperes: Double

  /// - Parameters:
  ///   - index: place in the board's order; chooses the noise.
  ///   - radians: angle at the start.
  ///   - driveEnable: active = bridge enabled, or servo powered.
  package convenience init(
    _ calibration: JointCalibration, index: Int, seed: UInt64, radians: Double, driveEnable: SimulatedLine,
    clock: any TimeSource
  ) {
    let motion = FingerMotion(
      [(calibration, radians)], stiffness: [], driveEnable: driveEnable, timeNanoseconds: clock.now())
    self.init(calibration, index: index, seed: seed, motion: Locked(motion), member: 0)
  }

  /// - Parameters:
  ///   - index: place in the board's order; chooses the noise.
  ///   - motion: of the finger's joints, if they pull at each other, else of this one.
  ///   - member: which of them it is.
  init(
    _ calibration: JointCalibration, index: Int, seed: UInt64, motion: Locked<FingerMotion>, member: Int
  ) {
    name = calibration.name
    encoder = calibration.encoder
    noise = GaussianNoise(seed: seed, stream: index)
    currentNoise = GaussianNoise(seed: ~seed, stream: index)
    currentNoiseAmperes = calibration.currentNoiseAmperes
    self.motion = motion
    self.member = member
  }

  // MARK: What chips see

  /// Drives the joint differently from `now` on. Changes keep the order of the calls.
  func driveChanged(_ drive: JointDrive, at now: Int64) {
    motion.withLock { $0.change(member, drive, at: now) }
  }

  /// One encoder sample: counts of the calibration's turn, with noise. Each call is a new sample.
  package func encoderCounts(at now: Int64) -> UInt16 {
    motion.withLock { motion in
      let number = motion.joints[member].sampleNumber
      motion.joints[member].sampleNumber += 1
      if let stuck = motion.joints[member].stuckCounts { return stuck }
      motion.advance(to: now)
      let error = motion.joints[member].encoderError
      let deviation = Self.encoderNoiseRadians + error.noiseRadians
      return counts(
        motion.joints[member].dynamics.radians(at: now) + error.radians(at: now)
          + deviation * noise.value(number))
    }
  }

  /// Motor current as the shunt shows it, averaged over the PWM period, signed as the torque.
  package func motorAmperes(at now: Int64) -> Double {
    motion.withLock { motion in
      motion.advance(to: now)
      let error = motion.joints[member].currentError
      return motion.joints[member].dynamics.motorAmperes * error.scale + error.offsetAmperes
    }
  }

  /// One reading of the current sensor: with the noise that the calibration states. Each call is
  /// a new reading.
  package func currentReading(at now: Int64) -> Double {
    let number = motion.withLock { motion in
      defer { motion.joints[member].currentNumber += 1 }
      return motion.joints[member].currentNumber
    }
    return motorAmperes(at: now) + currentNoiseAmperes * currentNoise.value(number)
  }

  /// Force of the object on the fingertip.
  package func contactNewtons(at now: Int64) -> Double {
    motion.withLock { motion in
      motion.advance(to: now)
      return motion.joints[member].dynamics.contactNewtonMetres / JointDynamics.fingertipMetres
    }
  }

  /// Output of a fingertip force sensor.
  package func forceSensorVolts(at now: Int64, newtonsPerVolt: Double) -> Double {
    min(contactNewtons(at: now) / newtonsPerVolt, Self.forceSensorMaximumVolts)
  }

  // MARK: What tests and campaigns see and do

  /// True state of a joint.
  package struct Truth: Sendable, Equatable {
    package var radians: Double
    package var radiansPerSecond: Double
    /// Signed duty as latched by the bridge; 0 for a servo.
    package var duty: Double
    /// The angle that a servo was told last; 0 for a motor.
    package var commandRadians: Double
    /// Whether the drive-enable line enables the drive, and the drive does anything.
    package var isLive: Bool
    package var motorAmperes: Double
    /// Torque of motor or servo on the joint; 0 while nothing drives it.
    package var driveNewtonMetres: Double
    /// Kinetic energy of the joint's inertia.
    package var kineticJoules: Double
  }

  /// The joint as it really is at `now`.
  package func truth(at now: Int64) -> Truth {
    motion.withLock { motion in
      motion.advance(to: now)
      let dynamics = motion.joints[member].dynamics
      return Truth(
        radians: dynamics.radians(at: now), radiansPerSecond: dynamics.radiansPerSecond,
        duty: dynamics.duty, commandRadians: dynamics.commandRadians, isLive: dynamics.isLive,
        motorAmperes: dynamics.motorAmperes, driveNewtonMetres: dynamics.driveNewtonMetres,
        kineticJoules: dynamics.kineticJoules)
    }
  }

  /// Advances to `now`.
  package func advance(to now: Int64) {
    motion.withLock { $0.advance(to: now) }
  }

  /// Sets angle and speed, at the time that the joint has reached.
  package func place(radians: Double, radiansPerSecond: Double = 0) {
    motion.withLock { $0.joints[member].dynamics.place(radians: radians, radiansPerSecond: radiansPerSecond) }
  }

  /// An external torque, such as somebody pulling at the finger, from the time that the joint has reached.
  package func setExternalTorque(newtonMetres: Double) {
    motion.withLock { $0.joints[member].dynamics.externalNewtonMetres = newtonMetres }
  }

  /// An object in the way from this angle on towards larger angles; nil takes it away.
  package func setObject(atRadians radians: Double?) {
    motion.withLock { $0.joints[member].dynamics.contactRadians = radians ?? .infinity }
  }

  /// Fault: the encoder repeats one value, as with a magnet that came loose; nil ends it.
  package func setEncoderStuck(counts: UInt16?) {
    motion.withLock { $0.joints[member].stuckCounts = counts }
  }

  /// Fault: the encoder repeats what it shows at `now`; nil ends it.
  package func setEncoderStuck(at now: Int64?) {
    setEncoderStuck(counts: now.map { encoderCounts(at: $0) })
  }

  /// How an encoder's angle is wrong.
  package struct EncoderError: Sendable, Equatable {
    package var offsetRadians = 0.0
    package var driftRadiansPerSecond = 0.0
    /// When the drift began.
    package var sinceNanoseconds: Int64 = 0
    /// Standard deviation of noise beyond the chip's own.
    package var noiseRadians = 0.0

    package init() {}

    fileprivate func radians(at now: Int64) -> Double {
      offsetRadians + driftRadiansPerSecond * (Double(now - sinceNanoseconds) * 1e-9)
    }
  }

  /// Fault: the encoder's angle is wrong by this, as with a magnet that slips on its shaft.
  package func setEncoderError(_ error: EncoderError) {
    motion.withLock { $0.joints[member].encoderError = error }
  }

  /// How a shunt's voltage is wrong.
  struct CurrentError: Sendable {
    var scale = 1.0
    var offsetAmperes = 0.0
  }

  /// Fault: the shunt's voltage is wrong: scale 0 is a shorted shunt.
  package func setCurrentError(scale: Double, offsetAmperes: Double) {
    motion.withLock {
      $0.joints[member].currentError = CurrentError(scale: scale, offsetAmperes: offsetAmperes)
    }
  }

  /// Fault: commands to bridge or servo act later by this, from the next change on.
  package func setDriveDelay(nanoseconds: Int64) {
    precondition(nanoseconds >= 0, "a delay is not negative")
    motion.withLock { $0.joints[member].driveDelayNanoseconds = nanoseconds }
  }

  /// Fault: the joint is jammed, whatever torque acts; false frees it.
  package func setJammed(_ jammed: Bool) {
    motion.withLock { $0.joints[member].dynamics.isJammed = jammed }
  }

  /// Fault: the drive's effect is multiplied by this factor, from the next latched duty on: −1 is reversed
  /// wiring, 0.1 a worn motor.
  package func setDriveScale(_ scale: Double) {
    motion.withLock { $0.joints[member].driveScale = scale }
  }

  // MARK: Encoder

  /// The inverse of the calibration's counts-to-radians formula.
  private func counts(_ radians: Double) -> UInt16 {
    let turn = encoder.countsPerTurn
    let counts = (Double(encoder.sign) * radians * (Double(turn) / (2 * .pi))).rounded()
    return UInt16((encoder.zeroCounts + Int(counts)) & (turn - 1))
  }
}
