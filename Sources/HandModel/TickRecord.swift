import PrimalLogic

/// One joint in one tick. Angles in radians, torque in newton metres, time in nanoseconds.
package struct JointRecord: BitwiseCopyable, Sendable {
  /// Raw encoder word as read from the chip.
  package var encoderCounts: UInt16 = 0
  /// Bits of `JointFlags`.
  package var flags: UInt8 = 0
  package var certificate: CertificateState = .inactive
  /// Age of the encoder sample when the tick used it.
  package var sampleAgeNanoseconds: Int32 = 0
  package var setpointRadians: Double = 0
  package var setpointRadiansPerSecond: Double = 0
  /// Angle measured by the encoder.
  package var measuredRadians: Double = 0
  /// Angle estimated by the observer.
  package var positionRadians: Double = 0
  package var velocityRadiansPerSecond: Double = 0
  /// Measured minus predicted angle.
  package var innovationRadians: Double = 0
  /// Angle of the nominal model driven by the same set-points.
  package var nominalRadians: Double = 0
  /// Fading memory m.
  package var memoryRadianSeconds: Double = 0
  /// Torque the law asked for, before limits; of a servo the correction of its angle, rad.
  package var demandNewtonMetres: Double = 0
  /// Torque commanded after limits; of a servo the correction, rad.
  package var torqueNewtonMetres: Double = 0
  package var currentAmperes: Double = 0
  /// Torque from outside as the observer finds it, such as an object that is held; of a servo the angle that
  /// would make up for it, rad.
  package var loadNewtonMetres: Double = 0
  /// Contact force at this joint's fingertip sensor; zero where there is none.
  package var forceNewtons: Double = 0
  /// Effective saturation slope s in [0, 1].
  package var slope: Double = 1
  /// Lipschitz constant L of this tick, of the last whole interval between two decisions where the law decides less
  /// often; NaN when there is none (inactive, uncertified).
  package var lipschitz: Double = .nan
  /// Weighted distance V to the nominal model.
  package var distance: Double = 0

  package init() {}
}

/// What acted on or was true of a joint in a tick. Computed, because the tick may not initialise a global.
package enum JointFlags {
  package static var fresh: UInt8 { @_noLocks get { 1 << 0 } }
  package static var torqueLimited: UInt8 { @_noLocks get { 1 << 1 } }
  package static var rateLimited: UInt8 { @_noLocks get { 1 << 2 } }
  package static var endStop: UInt8 { @_noLocks get { 1 << 3 } }
  package static var stale: UInt8 { @_noLocks get { 1 << 4 } }
  /// A new encoder sample came; one that is not `fresh` was rejected.
  package static var sampled: UInt8 { @_noLocks get { 1 << 5 } }
}

/// What a tick was told besides samples and commands. Computed, as `JointFlags`.
package enum InputFlags {
  /// A chip that drives actuators no longer did what it was told.
  package static var actuatorFailed: UInt16 { @_noLocks get { 1 << 0 } }
  /// An e-stop was commanded.
  package static var stop: UInt16 { @_noLocks get { 1 << 1 } }
  /// All of these stops came over MQTT.
  package static var remoteStop: UInt16 { @_noLocks get { 1 << 2 } }
  /// The loop ended with this tick.
  package static var last: UInt16 { @_noLocks get { 1 << 3 } }
  /// The kill line did not follow when it was last driven.
  package static var killLineFailed: UInt16 { @_noLocks get { 1 << 4 } }
}

/// Everything one tick saw, decided and did. Fixed size: it goes through rings by copy.
///
/// It holds every input of the tick, exactly or in a form from which the tick decides the same, so that a recorded
/// tick can be run again (docs/recording.md, "Replay"). What lies before the end of `joints` is covered by
/// `outputHash` and therefore has no padding between its fields.
package struct TickRecord: BitwiseCopyable, Sendable {
  /// Number of the tick since this start of the daemon, from 0, without gaps.
  package var sequence: UInt64 = 0
  /// The absolute deadline the tick was to start at, CLOCK_MONOTONIC (or virtual time).
  package var deadlineNanoseconds: Int64 = 0
  /// Start of the tick minus its deadline.
  package var wakeUpNanoseconds: Int64 = 0
  /// Compute time of the tick before this one (this one's is not over when the record leaves).
  package var previousComputeNanoseconds: Int64 = 0
  /// Time that really passed since the tick before.
  package var dtNanoseconds: Int64 = 0
  /// Deadlines skipped since start.
  package var overruns: UInt64 = 0
  package var state: HandState = .starting
  package var mode: ControlMode = .idle
  /// The latched cause; `.none` unless `state` is `fault` or `eStop`.
  package var fault: FaultCode = .none
  /// Joint the fault names, or 255.
  package var faultJoint: UInt8 = 255
  /// Worst certificate state of all joints.
  package var certificate: CertificateState = .inactive
  package var jointCount: UInt8 = 0
  /// Whether the kill line was driven live by this tick.
  package var outputsEnabled: Bool = false
  package var eStopLineActive: Bool = false
  /// L of this tick, worst joint; NaN when no joint is active.
  package var lipschitz: Double = .nan
  /// −ln L / dt in 1/s, worst joint; NaN as `lipschitz`.
  package var ratePerSecond: Double = .nan
  /// Λ, product of L over the window, worst joint; NaN as `lipschitz`.
  package var windowProduct: Double = .nan
  /// Uncertified ticks within the window, worst joint.
  package var uncertifiedTicks: UInt32 = 0
  /// Identifier of the last command the tick executed.
  package var commandNumber: UInt32 = 0
  /// The source system's quantities, summed over joints: ψ = Σ K_m m, γ = Σ e, E_c = ∫ Σ ψγ dt.
  package var psi: Double = 0
  package var gamma: Double = 0
  package var energyIntegral: Double = 0
  /// Bit j set: the bus that serves joint j had failed.
  package var failedBusJoints: UInt16 = 0
  /// Bit j set: the joint's encoder or current sensor said that it was not to be trusted.
  package var unhealthyJoints: UInt16 = 0
  /// Bit j set: the bridge of joint j reported a fault of its own.
  package var failedActuatorJoints: UInt16 = 0
  /// Bits of `InputFlags`.
  package var inputFlags: UInt16 = 0
  /// Deadlines skipped by this very wake-up.
  package var skippedDeadlines: Int = 0
  /// Ticks since the last one whose command every actuator is known to have: 1 while all is well.
  package var actuatorLagTicks: UInt32 = 0
  /// Those of `uncertifiedTicks` whose dt no certificate covers.
  package var lateTicks: UInt32 = 0
  package var joints = PerJoint<JointRecord>(repeating: JointRecord())
  /// Hash of the exact bits of everything above and of what the actuators were told.
  package var outputHash: UInt64 = 0
  /// Wall clock at the tick; decides nothing.
  package var wallNanoseconds: Int64 = 0
  /// Newest reading of the hand's inertial sensor; NaN where the board has none or it does not answer. Decides
  /// nothing.
  package var inertial = InertialSample()
  /// The command or streamed set-point that the tick took; its kind is `none` where there was none.
  package var command = TickCommand()
  /// What became of it.
  package var commandResult: CommandResult = .executed

  package init() {}
}
