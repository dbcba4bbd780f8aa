import Devices
import Foundation
import HandModel
import Realtime

/// What drives a joint from a moment on.
enum JointDrive: Sendable {
  /// A bridge's mean output, −1...1 of the supply.
  case duty(Double)
  /// The angle that a servo takes from its pulse.
  case angle(Double)
  /// A bridge with its outputs open, a servo without pulses.
  case none
}

/// A joint with its motor or servo, seen by chips on several buses, hence by several threads.
///
/// Time flows in by the chips' transfers: each look advances the joint lazily. Changes of the drive are kept
/// until a look passes their time, so that a bus whose time line runs ahead does not show the future to the
/// others.
package final class SimulatedJoint: Sendable {
  /// Standard deviation of the encoder's analogue noise, radians (docs/hardware.md, simulation).
  package static let encoderNoiseRadians = 0.3e-3
  /// Distance of the end stops from the calibrated limits.
  package static let endStopMarginRadians = JointDynamics.endStopMarginRadians
  /// The force sensor's amplifier runs from 3.3 V and cannot say more.
  package static let forceSensorMaximumVolts = 3.3
  /// Changes of the drive that may wait: some periods of the fastest loop.
  private static let pendingCapacity = 16

  package let name: String

  private struct DriveChange {
    var timeNanoseconds: Int64 = 0
    var drive = JointDrive.none
  }

  private struct State {
    var dynamics: JointDynamics
    var pending = InlineArray<16, DriveChange>(repeating: DriveChange())
    var pendingCount = 0
    var sampleNumber: UInt64 = 0
    var stuckCounts: UInt16?
    var encoderError = EncoderError()
    var currentError = CurrentError()
    var driveScale = 1.0
    /// Changes of the drive act this much later; those are kept apart, there may be many.
    var driveDelayNanoseconds: Int64 = 0
    var delayed: [DriveChange] = []
    /// When the first of those acts: looking into the array each time would cost as much as the motion itself.
    var nextDelayed = Int64.max
    /// Whether the kill line is active, as far as time has come.
    var isEnabled = false
    /// Whether bridge or servo are driven by what they last got.
    var isDriven: Bool
  }

  private let state: SharedState<State>
  private let killLine: SimulatedLine
  private let encoder: EncoderCalibration
  private let noise: GaussianNoise

  /// - Parameters:
  ///   - index: place in the board's order; chooses the noise.
  ///   - radians: angle at the start.
  ///   - killLine: active = bridge enabled, or servo powered.
  package init(
    _ calibration: JointCalibration, index: Int, seed: UInt64, radians: Double, killLine: SimulatedLine,
    clock: any TimeSource
  ) {
    name = calibration.name
    encoder = calibration.encoder
    noise = GaussianNoise(seed: seed, stream: index)
    self.killLine = killLine
    // A bridge that has heard nothing yet brakes; a servo is limp.
    let isMotor = if case .motor = calibration.drive { true } else { false }
    state = SharedState(
      State(
        dynamics: JointDynamics(calibration, radians: radians, timeNanoseconds: clock.now()),
        isDriven: isMotor))
  }

  // MARK: What chips see

  /// Is driven otherwise from `now` on; changes keep the order in which they come.
  func driveChanged(_ drive: JointDrive, at now: Int64) {
    state.withLock { state in
      if state.driveDelayNanoseconds > 0 || state.nextDelayed != .max {
        let time = max(now + state.driveDelayNanoseconds, state.delayed.last?.timeNanoseconds ?? .min)
        state.delayed.append(DriveChange(timeNanoseconds: time, drive: drive))
        state.nextDelayed = state.delayed[0].timeNanoseconds
        return
      }
      if state.pendingCount == Self.pendingCapacity {
        advance(&state, to: state.pending[0].timeNanoseconds)
      }
      let last = state.pendingCount > 0 ? state.pending[state.pendingCount - 1].timeNanoseconds : .min
      state.pending[state.pendingCount] = DriveChange(timeNanoseconds: max(now, last), drive: drive)
      state.pendingCount += 1
    }
  }

  /// One encoder sample: counts of the calibration's turn, with noise. Each call is a new sample.
  package func encoderCounts(at now: Int64) -> UInt16 {
    state.withLock { state in
      let number = state.sampleNumber
      state.sampleNumber += 1
      if let stuck = state.stuckCounts { return stuck }
      advance(&state, to: now)
      let error = state.encoderError
      let deviation = Self.encoderNoiseRadians + error.noiseRadians
      return counts(
        state.dynamics.radians(at: now) + error.radians(at: now) + deviation * noise.value(number))
    }
  }

  /// Motor current as the shunt shows it, averaged over the PWM period, signed as the torque.
  package func motorAmperes(at now: Int64) -> Double {
    state.withLock { state in
      advance(&state, to: now)
      return state.dynamics.motorAmperes * state.currentError.scale + state.currentError.offsetAmperes
    }
  }

  /// Force of the object on the fingertip.
  package func contactNewtons(at now: Int64) -> Double {
    state.withLock { state in
      advance(&state, to: now)
      return state.dynamics.contactNewtonMetres / JointDynamics.fingertipMetres
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
    /// Whether the kill line enables the drive, and the drive does anything.
    package var isLive: Bool
    package var motorAmperes: Double
    /// What motor or servo do to the joint; 0 while nothing drives it.
    package var driveNewtonMetres: Double
    package var kineticJoules: Double
  }

  /// The joint as it really is at `now`.
  package func truth(at now: Int64) -> Truth {
    state.withLock { state in
      advance(&state, to: now)
      let dynamics = state.dynamics
      return Truth(
        radians: dynamics.radians(at: now), radiansPerSecond: dynamics.radiansPerSecond,
        duty: dynamics.duty, commandRadians: dynamics.commandRadians, isLive: dynamics.isLive,
        motorAmperes: dynamics.motorAmperes, driveNewtonMetres: dynamics.driveNewtonMetres,
        kineticJoules: dynamics.kineticJoules)
    }
  }

  /// Goes through the time up to `now`.
  package func advance(to now: Int64) {
    state.withLock { advance(&$0, to: now) }
  }

  /// Puts the joint somewhere, at the time it has reached.
  package func place(radians: Double, radiansPerSecond: Double = 0) {
    state.withLock { $0.dynamics.place(radians: radians, radiansPerSecond: radiansPerSecond) }
  }

  /// A torque from outside, for example a finger that is pulled at, from the time the joint has reached on.
  package func setExternalTorque(newtonMetres: Double) {
    state.withLock { $0.dynamics.externalNewtonMetres = newtonMetres }
  }

  /// An object in the way from this angle on towards larger angles; nil takes it away.
  package func setObject(atRadians radians: Double?) {
    state.withLock { $0.dynamics.contactRadians = radians ?? .infinity }
  }

  /// Fault: the encoder repeats one value, as with a magnet that came loose; nil ends it.
  package func setEncoderStuck(counts: UInt16?) {
    state.withLock { $0.stuckCounts = counts }
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
    state.withLock { $0.encoderError = error }
  }

  private struct CurrentError {
    var scale = 1.0
    var offsetAmperes = 0.0
  }

  /// Fault: the shunt's voltage is wrong: scale 0 is a shorted shunt.
  package func setCurrentError(scale: Double, offsetAmperes: Double) {
    state.withLock { $0.currentError = CurrentError(scale: scale, offsetAmperes: offsetAmperes) }
  }

  /// Fault: what the bridge or servo is told acts later by this, from the next change on.
  package func setDriveDelay(nanoseconds: Int64) {
    precondition(nanoseconds >= 0, "a delay is not negative")
    state.withLock { $0.driveDelayNanoseconds = nanoseconds }
  }

  /// Fault: the joint is held where it is, whatever turns it; false frees it.
  package func setJammed(_ jammed: Bool) {
    state.withLock { $0.dynamics.isJammed = jammed }
  }

  /// Fault: the drive acts by this factor from the next latched duty on: −1 is reversed wiring, 0.1 a worn
  /// motor.
  package func setDriveScale(_ scale: Double) {
    state.withLock { $0.driveScale = scale }
  }

  // MARK: Time

  private func advance(_ state: inout State, to now: Int64) {
    let kill = killLine.lastChange
    while true {
      // What was delayed came after all that is pending.
      let nextDrive =
        state.pendingCount > 0 ? state.pending[0].timeNanoseconds : state.nextDelayed
      if kill.isActive != state.isEnabled, kill.timeNanoseconds <= min(nextDrive, now) {
        state.dynamics.advance(exactlyTo: kill.timeNanoseconds)
        state.isEnabled = kill.isActive
        state.dynamics.isLive = state.isEnabled && state.isDriven
      } else if nextDrive <= now {
        Self.applyOldest(&state)
      } else {
        break
      }
    }
    state.dynamics.advance(to: now)
  }

  private static func applyOldest(_ state: inout State) {
    let isDelayed = state.pendingCount == 0
    let change = isDelayed ? state.delayed.removeFirst() : state.pending[0]
    state.dynamics.advance(exactlyTo: change.timeNanoseconds)
    state.isDriven = true
    switch change.drive {
    case .duty(let duty): state.dynamics.duty = state.driveScale * duty
    case .angle(let radians): state.dynamics.commandRadians = radians
    case .none:
      state.dynamics.duty = 0
      state.isDriven = false
    }
    state.dynamics.isLive = state.isEnabled && state.isDriven
    guard !isDelayed else {
      state.nextDelayed = state.delayed.first?.timeNanoseconds ?? .max
      return
    }
    state.pendingCount -= 1
    for index in 0..<state.pendingCount { state.pending[index] = state.pending[index + 1] }
  }

  /// The inverse of the calibration's counts-to-radians formula.
  private func counts(_ radians: Double) -> UInt16 {
    let turn = encoder.countsPerTurn
    let counts = (Double(encoder.sign) * radians * (Double(turn) / (2 * .pi))).rounded()
    return UInt16((encoder.zeroCounts + Int(counts)) & (turn - 1))
  }
}
