import Devices

/// A phase/enable H-bridge with slow decay (docs/hardware.md, actuators). It takes over the direction line
/// together with the next duty. Duty 0 brakes.
final class SimulatedPhaseEnable: PWMLoad {
  private let joint: SimulatedJoint
  private let direction: SimulatedLine
  private let fault: SimulatedBridgeFault

  init(_ joint: SimulatedJoint, direction: SimulatedLine, fault: SimulatedBridgeFault) {
    self.joint = joint
    self.direction = direction
    self.fault = fault
  }

  func outputChanged(duty: Double, periodNanoseconds: Double, at now: Int64) {
    joint.driveChanged(fault.gated(.duty(direction.isActive ? -duty : duty)), at: now)
  }
}

/// One half of a TB6612: IN1 and IN2 choose the direction, PWM is the duty. Both low coasts, both high
/// brakes. Not checked against the data sheet (docs/hardware.md, actuators).
final class SimulatedTB6612: PWMLoad {
  private let joint: SimulatedJoint
  private let in1: SimulatedLine
  private let in2: SimulatedLine
  private var duty = 0.0

  init(_ joint: SimulatedJoint, in1: SimulatedLine, in2: SimulatedLine) {
    self.joint = joint
    self.in1 = in1
    self.in2 = in2
    for line in [in1, in2] { line.onChange = { [unowned self] _, now in drive(at: now) } }
    drive(at: 0)
  }

  func outputChanged(duty: Double, periodNanoseconds: Double, at now: Int64) {
    self.duty = duty
    drive(at: now)
  }

  private func drive(at now: Int64) {
    let drive: JointDrive =
      switch (in1.isActive, in2.isActive) {
      case (true, false): .duty(duty)
      case (false, true): .duty(-duty)
      case (true, true): .duty(0)
      case (false, false): .none
      }
    joint.driveChanged(drive, at: now)
  }
}

/// One half of a DRV8833: the input that is high for longer wins by the difference. Both high brakes, both
/// low coasts. Not checked against the data sheet (docs/hardware.md, actuators). Coasting for a part of the
/// period (fast decay) counts as braking.
final class SimulatedDRV8833 {
  private let joint: SimulatedJoint
  private let fault: SimulatedBridgeFault
  private var shares: [Double] = [0, 0]

  init(_ joint: SimulatedJoint, fault: SimulatedBridgeFault) {
    self.joint = joint
    self.fault = fault
    joint.driveChanged(.none, at: 0)
  }

  /// IN1 (0) or IN2 (1), to be connected to a PWM output.
  func input(_ index: Int) -> any PWMLoad { Input(bridge: self, index: index) }

  private final class Input: PWMLoad {
    let bridge: SimulatedDRV8833
    let index: Int

    init(bridge: SimulatedDRV8833, index: Int) {
      self.bridge = bridge
      self.index = index
    }

    func outputChanged(duty: Double, periodNanoseconds: Double, at now: Int64) {
      bridge.shares[index] = duty
      bridge.drive(at: now)
    }
  }

  private func drive(at now: Int64) {
    let isLow = shares[0] == 0 && shares[1] == 0
    joint.driveChanged(fault.gated(isLow ? .none : .duty(shares[0] - shares[1])), at: now)
  }
}

/// The protection of a bridge: an overload opens its outputs from the next change on and pulls nFAULT.
package final class SimulatedBridgeFault {
  private let line: SimulatedLine?
  package private(set) var isTripped = false

  init(line: SimulatedLine?) {
    self.line = line
  }

  /// Trips the protection, or ends the overload.
  package func setTripped(_ tripped: Bool) {
    isTripped = tripped
    line?.setActive(tripped)
  }

  func gated(_ drive: JointDrive) -> JointDrive { isTripped ? .none : drive }
}
