import HandModel
import PrimalLogic

/// What a tick sees. Filled in place by the loop thread; nothing in it is allocated. Every part that decides
/// something is also in the tick's record: `recall(_:)` brings it back.
package struct TickInputs: BitwiseCopyable, Sendable {
  /// Start of the tick, ns on the loop's clock.
  package var nowNanoseconds: Int64 = 0
  /// When the tick should have started.
  package var deadlineNanoseconds: Int64 = 0
  /// The wall clock at the tick. Decides nothing.
  package var wallNanoseconds: Int64 = 0
  /// How long the tick before took.
  package var previousComputeNanoseconds: Int64 = 0
  /// Deadlines skipped since start.
  package var overruns: UInt64 = 0
  /// Deadlines skipped by this wake-up.
  package var skippedDeadlines: Int = 0
  /// The newest sample of each joint's encoder.
  package var encoders = PerJoint<EncoderSample>(repeating: EncoderSample())
  package var currentsAmperes = PerJoint<Double>(repeating: 0)
  package var forcesNewtons = PerJoint<Double>(repeating: 0)
  package var inertial = InertialSample()
  /// Bit j set: the bus that serves joint j has failed.
  package var failedBusJoints: JointMask = 0
  /// Bit j set: the joint's encoder or current sensor says that it is not to be trusted.
  package var unhealthyJoints: JointMask = 0
  /// A chip that drives actuators no longer does what it is told.
  package var actuatorFailed = false
  /// Bit j set: the bridge of joint j reports a fault of its own.
  package var failedActuatorJoints: JointMask = 0
  /// Ticks since the last one whose command every actuator is known to have
  /// (`ActuatorStatus.appliedSequence`): 1 while all is well.
  package var actuatorLagTicks: UInt32 = 0
  /// The drive-enable line did not follow when it was last driven.
  package var driveEnableFailed = false
  /// Whether the e-stop line showed a stop when the loop gathered these inputs.
  package var eStopLineActive = false
  /// A stop was commanded. It is kept apart from the mailbox, so that no other command can replace it.
  package var stopRequested = false
  /// Who stopped: `mqtt` when all of these stops came over MQTT, otherwise `socket`. It means something only
  /// where `stopRequested` is set.
  package var stopSource: CommandSource = .socket
  /// The loop ends with this tick: a driven hand becomes idle, a latched fault or stop stays latched.
  package var isLast = false
  /// The newest command; handled once, by its number.
  package var command = TickCommand()
  /// The newest streamed set-point; handled once, by its number.
  package var stream = TickCommand()

  package init() {}
}
