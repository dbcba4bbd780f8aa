import HandModel
import PrimalLogic

/// One reading of a joint's encoder, or the fact that it failed.
package struct EncoderSample: BitwiseCopyable, Sendable {
  /// The encoder's word, 0 to its counts a turn less 1.
  package var counts: UInt16 = 0
  /// False until the first good reading.
  package var isValid = false
  /// Consecutive failed readings since the last good one.
  package var failures: UInt16 = 0
  /// Number of good readings; a change means a fresh sample.
  package var number: UInt32 = 0
  /// When the chip was read, on the runtime's clock.
  package var timeNanoseconds: Int64 = 0

  package init() {}
}

/// What one bus knows after a cycle: samples of the joints it serves, others untouched.
package struct BusSamples: BitwiseCopyable, Sendable {
  /// The newest sample of each joint whose encoder is on this bus.
  package var encoders = PerJoint<EncoderSample>(repeating: EncoderSample())
  package var currentsAmperes = PerJoint<Double>(repeating: 0)
  package var forcesNewtons = PerJoint<Double>(repeating: 0)
  /// Joints (bit j) whose current this bus measures.
  package var servesCurrent: JointMask = 0
  /// Joints (bit j) whose contact force this bus measures.
  package var servesForce: JointMask = 0
  /// The hand's inertial sensor: NaN after a failed reading.
  package var inertial = InertialSample()
  /// Whether the hand's inertial sensor is on this bus.
  package var servesInertial = false
  /// The last transfer failed in a way that concerns the whole bus.
  package var busFailed = false
  /// Bit j set: joint j's encoder does not trust its own angle (its magnet may be missing, too weak or too
  /// strong), or its current sensor has lost its calibration or its range.
  package var unhealthyJoints: JointMask = 0
  /// Failed transfers since start.
  package var errors: UInt64 = 0

  package init() {}
}

/// What the loop hands to the bus threads that drive actuators.
package struct ActuatorCommand: BitwiseCopyable, Sendable {
  /// Tick that computed it.
  package var sequence: UInt64 = 0
  /// Whether outputs are driven; false = all are off, whatever duty and pulses say.
  package var enabled = false
  /// Signed duty cycle −1...1 of each joint with a motor.
  package var duty = PerJoint<Double>(repeating: 0)
  /// Length of the pulses of each joint with a servo; 0 = no pulses.
  package var pulseNanoseconds = PerJoint<Int64>(repeating: 0)

  package init() {}
}

/// What the threads that drive actuators tell the loop.
package struct ActuatorStatus: BitwiseCopyable, Sendable {
  /// A PWM chip lost its configuration or no longer takes writes, until it has been configured anew.
  package var chipFailed = false
  /// Bit j set: the bridge of joint j reports a fault of its own (nFAULT).
  package var failedJoints: JointMask = 0
  /// The newest tick whose command is known to be in the chips, whether it switched outputs on or off. It
  /// proves that the thread lives, that its bus does not hang and that the chips take writes.
  package var appliedSequence: UInt64 = 0

  package init() {}
}
