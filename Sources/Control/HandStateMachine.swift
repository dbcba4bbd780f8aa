import HandModel
import PrimalLogic

/// What the joints must do because the state of the hand has changed.
enum Consequence: UInt8, BitwiseCopyable {
  case none
  /// Let go: no torque, no pulses, memory forgotten.
  case letGo
  /// Bring every set-point to rest and hold it.
  case stopMoving
  /// The same, but the law drove nothing so far and starts anew first.
  case engageAndStop
  /// The law starts anew where the joints are.
  case engage
  /// The same, and the windows that count ticks start anew too.
  case begin
}

/// What an arm or a reset asks of the hand before it is executed.
struct Readiness: BitwiseCopyable {
  var isEStopLineActive: Bool
  var isStopRequested: Bool
  /// Every joint has a fresh sample of a healthy sensor.
  var areSensorsReady: Bool
  var areActuatorsWell: Bool
  /// Every estimate is a finite number.
  var areJointsEstimated: Bool
  var areJointsInRange: Bool

  /// - Parameters:
  ///   - unready: joints (bit j) without a fresh sample.
  ///   - areActuatorsWell: everything that moves the hand does what it is told.
  @_noLocks
  init(
    _ inputs: UnsafePointer<TickInputs>, unready: JointMask, areActuatorsWell: Bool, areJointsEstimated: Bool,
    areJointsInRange: Bool
  ) {
    isEStopLineActive = inputs.pointee.eStopLineActive
    isStopRequested = inputs.pointee.stopRequested
    areSensorsReady = (unready | inputs.pointee.unhealthyJoints) == 0
    self.areActuatorsWell = areActuatorsWell
    self.areJointsEstimated = areJointsEstimated
    self.areJointsInRange = areJointsInRange
  }
}

/// The state of a hand, and what has latched. It knows no joints: what they must do about a change is
/// returned.
///
/// All of it is in a checkpoint.
struct HandStateMachine: BitwiseCopyable {
  private(set) var state = HandState.starting
  private(set) var mode = ControlMode.idle
  private(set) var fault = FaultCode.none
  /// The joint that the fault names; 255 = none.
  private(set) var faultJoint: UInt8 = 255
  /// What is being done about the latched fault; `limp` otherwise.
  private(set) var reaction = FaultReaction.limp
  private var brakeEnd: Int64 = 0
  /// The hand follows streamed set-points, which must not cease.
  private(set) var isStreaming = false
  private(set) var lastStreamNanoseconds: Int64 = 0
  /// Start of the self-test.
  private var startNanoseconds: Int64 = 0
  /// Ticks in a row with fresh samples of all joints.
  private(set) var freshTicks = 0
  /// Whether a self-test has passed.
  private(set) var isTested = false

  /// Whether the law drives the joints: armed, tracking, or holding after a fault.
  var drives: Bool {
    @_noLocks get { state.outputsLive || reaction == .hold }
  }

  /// Whether the drive-enable line is to be live: also while motors are braked.
  var enablesOutputs: Bool {
    @_noLocks get { drives || reaction == .brake }
  }

  // MARK: - Start-up

  /// The first tick of all.
  @_noLocks
  mutating func start(at now: Int64) { startNanoseconds = now }

  /// Counts a tick of the self-test.
  /// - Returns: whether it has failed, so that the fault must be latched.
  @_noLocks
  mutating func advanceSelfTest(isReady: Bool, now: Int64, limits: GuardLimits) -> Bool {
    guard state == .starting || state == .selfTest else { return false }
    state = .selfTest
    freshTicks = isReady ? freshTicks + 1 : 0
    if freshTicks >= limits.selfTestTicks {
      state = .idle
      isTested = true
      return false
    }
    return now &- startNanoseconds > limits.selfTestNanoseconds
  }

  // MARK: - Faults

  /// Latches a fault or an e-stop. The first cause stays, but an e-stop overrides a fault, and what goes
  /// wrong while a fault's reaction is to hold takes its place.
  @_noLocks
  mutating func latch(_ alarm: Alarm, now: Int64, limits: GuardLimits) -> Consequence {
    let code = alarm.code
    let isStop = code == .eStopLine || code == .eStopSocket || code == .eStopRemote
    if state == .eStop || (state == .fault && !isStop && !(reaction == .hold)) {
      // A local stop is the stronger one: a remote reset must not clear what it holds.
      let isLocalOverRemote = code == .eStopSocket && fault == .eStopRemote
      if state == .eStop && (code == .eStopLine || isLocalOverRemote) { fault = code }
      return .none
    }
    state = isStop ? .eStop : .fault
    fault = code
    faultJoint = UInt8(truncatingIfNeeded: min(alarm.joint, 255))
    switch code.reaction {
    case .limp: return letGo()
    case .hold:
      let hasLaw = !(mode == .nullG)
      mode = .stationKeep
      isStreaming = false
      reaction = .hold
      return hasLaw ? .stopMoving : .engageAndStop
    case .brake:
      let consequence = letGo()
      reaction = .brake
      brakeEnd = now &+ limits.brakeNanoseconds
      return consequence
    }
  }

  /// Nothing drives the joints any more. A latched cause stays.
  @_noLocks
  private mutating func letGo() -> Consequence {
    mode = .idle
    reaction = .limp
    isStreaming = false
    return .letGo
  }

  /// Ends braking when its time is over or when it is doubtful that it works.
  @_noLocks
  mutating func endBraking(isDoubtful: Bool, now: Int64, limits: GuardLimits) {
    guard reaction == .brake else { return }
    // Also when the clock went back: braking has an end, whatever time it is.
    let isOver = now >= brakeEnd || brakeEnd &- now > limits.brakeNanoseconds
    if isOver || isDoubtful { reaction = .limp }
  }

  /// The loop ends: a driven hand becomes idle, what it latched stays to be seen.
  @_noLocks
  mutating func retire() -> Consequence {
    if state.outputsLive { state = .idle }
    return letGo()
  }

  // MARK: - Commands

  /// Switches outputs on, to hold the pose (`stationKeep`) or to carry the load only (`nullG`).
  @_noLocks
  mutating func arm(
    into wanted: ControlMode, _ ready: Readiness, _ consequence: inout Consequence
  ) -> CommandResult {
    if state.outputsLive {
      // Arming a hand that holds or moves changes nothing.
      if (wanted == .nullG) == (mode == .nullG) { return .executed }
      consequence = .engage
    } else {
      if ready.isEStopLineActive { return .eStopLineActive }
      if state == .starting || state == .selfTest { return .selfTestRunning }
      guard state == .idle else { return .notIdle }
      guard ready.areSensorsReady else { return .sensorsNotReady }
      guard ready.areActuatorsWell else { return .actuatorsNotReady }
      guard ready.areJointsEstimated else { return .sensorsNotReady }
      guard ready.areJointsInRange else { return .outOfRange }
      consequence = .begin
    }
    state = .armed
    mode = wanted
    isStreaming = false
    return .executed
  }

  /// Switches outputs off; also ends the holding after a fault.
  @_noLocks
  mutating func disarm(_ consequence: inout Consequence) -> CommandResult {
    guard drives else { return state == .idle ? .executed : .notArmed }
    consequence = retire()
    return .executed
  }

  /// Forgets what has latched, if its cause is gone and the sender may.
  @_noLocks
  mutating func reset(
    _ ready: Readiness, source: CommandSource, now: Int64, _ consequence: inout Consequence
  ) -> CommandResult {
    guard state == .fault || state == .eStop else { return .notLatched }
    if ready.isEStopLineActive { return .eStopLineActive }
    if state == .eStop && !(fault == .eStopRemote) && source == .mqtt { return .localEStop }
    guard ready.areSensorsReady && ready.areActuatorsWell && !ready.isStopRequested else {
      return .causePresent
    }
    // What was stopped or failed before it ever passed its self-test begins it again.
    state = isTested ? .idle : .selfTest
    freshTicks = 0
    startNanoseconds = now
    fault = .none
    faultJoint = 255
    consequence = letGo()
    return .executed
  }

  /// The joints are about to move to the targets of a pose.
  @_noLocks
  mutating func pose() -> Consequence {
    isStreaming = false
    return track()
  }

  /// The joints are about to follow a streamed set-point.
  @_noLocks
  mutating func stream(now: Int64) -> Consequence {
    lastStreamNanoseconds = now
    isStreaming = true
    return track()
  }

  @_noLocks
  private mutating func track() -> Consequence {
    let consequence: Consequence = mode == .nullG ? .engage : .none
    state = .tracking
    mode = .trajectory
    return consequence
  }

  /// Every joint of a motion has arrived.
  @_noLocks
  mutating func arrive() {
    state = .armed
    mode = .stationKeep
  }
}
