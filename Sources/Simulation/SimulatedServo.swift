import Devices
import HandModel

/// The input of a hobby servo: turns the pulse into an angle, once the next frame has begun and the servo's
/// own delay has passed. The servo's loop is part of the joint's dynamics.
final class SimulatedServo: PWMLoad {
  private let joint: SimulatedJoint
  private let parameters: ServoParameters
  /// Whether it goes on holding its last angle without pulses, as some digital servos do.
  var holdsWithoutPulses = false

  init(_ joint: SimulatedJoint, _ parameters: ServoParameters) {
    self.joint = joint
    self.parameters = parameters
  }

  func outputChanged(duty: Double, periodNanoseconds: Double, at now: Int64) {
    let frame = Int64(periodNanoseconds)
    // Frames have a grid of their own: what is written during a frame takes effect in the next.
    let start = (now / frame + 1) * frame
    guard duty > 0 else {
      // A missing pulse takes effect without the servo's delay: nothing moves the servo any further.
      if !holdsWithoutPulses { joint.driveChanged(.none, at: start) }
      return
    }
    let radians =
      (duty * periodNanoseconds * 1e-3 - parameters.zeroMicroseconds) / parameters.microsecondsPerRadian
    joint.driveChanged(.angle(radians), at: start + Int64(parameters.delaySeconds * 1e9))
  }
}

/// A channel of a kernel PWM chip, without the kernel.
package final class SimulatedPWMChannel: PWMChannel {
  package let name: String
  private let clock: any TimeSource
  private let load: any PWMLoad
  private var periodNanoseconds: Int64 = 0
  /// Length of the pulses, 0 when it is stopped.
  package private(set) var pulseNanoseconds: Int64 = 0
  /// Number of changes since it was made. Tests use it to check what is written on change only.
  package private(set) var writes = 0

  init(name: String, load: any PWMLoad, clock: any TimeSource) {
    self.name = name
    self.load = load
    self.clock = clock
  }

  package func start(periodNanoseconds: Int64) throws(PWMError) {
    guard periodNanoseconds > 0 else {
      throw PWMError(channel: name, reason: "period \(periodNanoseconds) ns, expected more than 0")
    }
    self.periodNanoseconds = periodNanoseconds
    set(0)
  }

  package func setPulse(nanoseconds: Int64) throws(PWMError) {
    guard (0...periodNanoseconds).contains(nanoseconds), periodNanoseconds > 0 else {
      throw PWMError(
        channel: name,
        reason: "pulse of \(nanoseconds) ns, expected 0 to the period of \(periodNanoseconds) ns")
    }
    writes += 1
    set(nanoseconds)
  }

  package func stop() throws(PWMError) {
    if periodNanoseconds > 0 { set(0) }
  }

  private func set(_ pulse: Int64) {
    pulseNanoseconds = pulse
    let period = Double(periodNanoseconds)
    load.outputChanged(duty: Double(pulse) / period, periodNanoseconds: period, at: clock.now())
  }
}
