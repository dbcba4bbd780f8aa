import PrimalLogic

/// One joint in one tick. `JointFields` says in which formats its values are told.
package struct JointRecord: BitwiseCopyable, Sendable {
  /// Raw encoder word as read from the chip.
  package var encoderCounts: UInt16 = 0
  /// Bits of `JointFlags`.
  package var flags: UInt8 = 0
  package var certificate: CertificateState = .inactive
  /// Age of the encoder sample when the tick used it, ns.
  package var sampleAgeNanoseconds: Int32 = 0
  /// Wanted angle, rad.
  package var setpointRadians: Double = 0
  /// Wanted speed, rad/s.
  package var setpointRadiansPerSecond: Double = 0
  /// Angle measured by the encoder, rad.
  package var measuredRadians: Double = 0
  /// Angle estimated by the observer, rad.
  package var positionRadians: Double = 0
  /// Speed estimated by the observer, rad/s.
  package var velocityRadiansPerSecond: Double = 0
  /// Measured less predicted angle, rad.
  package var innovationRadians: Double = 0
  /// Angle of the nominal model driven by the same set-points, rad.
  package var nominalRadians: Double = 0
  /// Fading memory m, rad·s.
  package var memoryRadianSeconds: Double = 0
  /// What the law asked for, before limits: torque of a motor, N·m; correction of a servo's angle, rad.
  package var demandNewtonMetres: Double = 0
  /// What was commanded after limits: torque of a motor, N·m; correction of a servo's angle, rad.
  package var torqueNewtonMetres: Double = 0
  /// Reading of the joint's current sensor, A; 0 without one.
  package var currentAmperes: Double = 0
  /// What pulls at the joint as the observer finds it, such as an object that is held: torque at a motor,
  /// N·m; of a servo the angle that would make up for it, rad.
  package var loadNewtonMetres: Double = 0
  /// Contact force at this joint's fingertip sensor, N; 0 without one.
  package var forceNewtons: Double = 0
  /// Effective slope of the saturation, 0...1.
  package var slope: Double = 1
  /// Lipschitz constant L of this tick, of the last whole interval between two decisions where the law
  /// decides less often; NaN when there is none (inactive, uncertified).
  package var lipschitz: Double = .nan
  /// Weighted distance V to the nominal model, 0 and above, without unit.
  package var distance: Double = 0
  /// Target of the command that the tick took, rad; 0 where it took none or none for this joint.
  package var targetRadians: Double = 0

  package init() {}
}

/// What acted on or was true of a joint in a tick. Computed, because the tick may not initialise a global.
package enum JointFlags {
  /// A new encoder sample came, and the observer took it in.
  package static var fresh: UInt8 { @_noLocks get { 1 << 0 } }
  /// The torque limit acted; for a servo, that of its correction.
  package static var torqueLimited: UInt8 { @_noLocks get { 1 << 1 } }
  /// The limit on how fast the drive's input may change acted.
  package static var rateLimited: UInt8 { @_noLocks get { 1 << 2 } }
  /// The joint is where its end stop may be.
  package static var endStop: UInt8 { @_noLocks get { 1 << 3 } }
  /// The newest encoder sample is too old, or there has been none.
  package static var stale: UInt8 { @_noLocks get { 1 << 4 } }
  /// A new encoder sample came; one that is not `fresh` is not newer than the last accepted one, or further
  /// from it than the joint can have moved.
  package static var sampled: UInt8 { @_noLocks get { 1 << 5 } }
}

/// What a tick was told besides samples and commands. Computed, as `JointFlags`.
package enum InputFlags {
  /// A chip that drives actuators no longer did what it was told.
  package static var actuatorFailed: UInt32 { @_noLocks get { 1 << 0 } }
  /// An e-stop was commanded.
  package static var stop: UInt32 { @_noLocks get { 1 << 1 } }
  /// All of these stops came over MQTT.
  package static var remoteStop: UInt32 { @_noLocks get { 1 << 2 } }
  /// The loop ended with this tick.
  package static var last: UInt32 { @_noLocks get { 1 << 3 } }
  /// The drive-enable line did not follow when it was last driven.
  package static var driveEnableFailed: UInt32 { @_noLocks get { 1 << 4 } }
}

/// Everything one tick saw, decided and did. `TickFields` says in which formats its values are told.
///
/// It holds every input of the tick, exactly or in a form from which the tick decides the same, so that a
/// recorded tick can be run again (docs/recording.md, "Replay").
///
/// The joints come last: rings, black box and backlog copy `byteCount(joints:)` bytes and leave out those
/// that a hand does not have. What lies before `outputHash`, and the joints, are covered by it and therefore
/// have no padding between their fields.
package struct TickRecord: BitwiseCopyable, Sendable {
  /// Number of the tick since this start of the daemon, from 0, without gaps.
  package var sequence: UInt64 = 0
  /// The absolute deadline the tick was to start at, ns of CLOCK_MONOTONIC (or virtual time).
  package var deadlineNanoseconds: Int64 = 0
  /// Start of the tick less its deadline, ns.
  package var wakeUpNanoseconds: Int64 = 0
  /// Compute time of the tick before this one, ns (this one's is not over when the record leaves).
  package var previousComputeNanoseconds: Int64 = 0
  /// Time that really passed since the tick before, ns.
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
  /// 1...`maximumJoints`; 0 in a record of no tick.
  package var jointCount: UInt8 = 0
  /// Whether the drive-enable line was driven live by this tick.
  package var outputsEnabled: Bool = false
  /// Whether the e-stop line showed a stop at this tick.
  package var eStopLineActive: Bool = false
  /// L of this tick, worst joint; NaN when no joint is active.
  package var lipschitz: Double = .nan
  /// −ln L / dt in 1/s, worst joint; NaN as `lipschitz`.
  package var ratePerSecond: Double = .nan
  /// Λ, product of L over the window, worst joint; NaN as `lipschitz`.
  package var windowProduct: Double = .nan
  /// Uncertified ticks within the window, worst joint.
  package var uncertifiedTicks: UInt32 = 0
  /// Identifier of the last command the tick executed; 0 before the first.
  package var commandNumber: UInt32 = 0
  /// ψ = Σ K_m m over the joints, as the source system sums it: N·m of motors, rad of servos.
  package var psi: Double = 0
  /// γ = Σ e over the joints, set-point less angle, rad.
  package var gamma: Double = 0
  /// E_c = ∫ Σ ψγ dt since the start: N·m·rad·s of motors, rad²·s of servos.
  package var energyIntegral: Double = 0
  /// Bit j set: the bus that serves joint j had failed.
  package var failedBusJoints: JointMask = 0
  /// Bit j set: the joint's encoder or current sensor said that it was not to be trusted.
  package var unhealthyJoints: JointMask = 0
  /// Bit j set: the bridge of joint j reported a fault of its own.
  package var failedActuatorJoints: JointMask = 0
  /// Bits of `InputFlags`.
  package var inputFlags: UInt32 = 0
  /// Deadlines skipped by this very wake-up, 0 and above.
  package var skippedDeadlines: Int = 0
  /// Ticks since the last one whose command every actuator is known to have: 1 while all is well.
  package var actuatorLagTicks: UInt32 = 0
  /// Those of `uncertifiedTicks` whose dt no certificate covers.
  package var lateTicks: UInt32 = 0
  /// Hash of the exact bits of everything above, of the joints, of the command taken and of what the
  /// actuators were told.
  package var outputHash: UInt64 = 0
  /// Wall clock at the tick, ns since 1970; decides nothing.
  package var wallNanoseconds: Int64 = 0
  /// Newest reading of the hand's inertial sensor; NaN where the board has none or it does not answer.
  /// Decides nothing.
  package var inertial = InertialSample()
  /// The command or streamed set-point that the tick took; its kind is `none` where there was none.
  package var command = TickCommandHead()
  /// What became of it.
  package var commandResult: CommandResult = .executed
  /// The first `jointCount` are the hand's.
  package var joints = PerJoint<JointRecord>(repeating: JointRecord())

  package init() {}
}

extension TickRecord {
  /// Bytes of a record up to the end of its last joint: what memory keeps of it.
  /// - Parameter joints: of the hand, 0...`maximumJoints`.
  package static func byteCount(joints: Int) -> Int {
    // A literal path is a constant; `offset(of:)` looks for it at each call.
    guard let head = MemoryLayout<TickRecord>.offset(of: \.joints) else {
      preconditionFailure("stored properties have an offset")
    }
    return head + joints * MemoryLayout<JointRecord>.stride
  }

  /// Bytes from the start of a record to a stored property: for constants.
  package static func offset(of property: PartialKeyPath<TickRecord>) -> Int {
    guard let offset = MemoryLayout<TickRecord>.offset(of: property) else {
      preconditionFailure("stored properties have an offset")
    }
    return offset
  }

  /// Offset of joint `joint` in a record.
  package static func jointOffset(_ joint: Int) -> Int { byteCount(joints: joint) }
}
