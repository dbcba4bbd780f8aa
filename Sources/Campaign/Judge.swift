import HandModel
import PrimalLogic
import Simulation

/// What must never happen to hardware or people. It is judged from the simulation's truth, not from what the
/// controller believes, and only where the drive causes it: the hand does not answer for a joint that
/// somebody pulls at.
package enum UnsafeKind: String, CaseIterable, Sendable, Codable {
  /// Driven into an end stop harder than the hand's own speed limit would.
  case beyondRange = "beyond range"
  /// Driven faster than twice the speed limit.
  case overspeed
  /// More torque than torque and current limit allow.
  case overtorque
  /// Outputs live after the tick that was to end them.
  case liveAfterOff = "live after off"
  /// Outputs live before anybody armed the hand.
  case liveUnarmed = "live unarmed"
  /// A NaN or infinity in a record or in the hand.
  case nonFinite = "non-finite"
  /// Far from where it was told to be, driven, and nobody noticed.
  case astray
  /// Ticks that neither reached a consumer nor were counted as lost.
  case recordsLost = "records lost"
  /// The parser accepted a command that no hand can carry out.
  case badCommandTaken = "bad command taken"
}

/// An unsafe outcome, at its first occurrence.
package struct UnsafeOutcome: Sendable, Codable, Equatable {
  package var kind: UnsafeKind
  /// The tick of its first occurrence, counted from the start of the episode.
  package var tick: Int
  /// Nil where it concerns the hand.
  package var joint: String?
  /// In the kind's unit: rad, rad/s, N m.
  package var value: Double
}

/// Watches a hand tick by tick.
struct Judge {
  /// An end stop gives way by 7 mrad when a joint meets it at 8 rad/s (docs/hardware.md, simulation): beyond
  /// this the drive threw the joint harder than its limit allows.
  static let stopComplianceRadians = 0.01
  static let speedFactor = 2.0
  /// The drive may overshoot for the time that a latch, a bus and a bridge take.
  static let speedNanoseconds: Int64 = 5_000_000
  /// The torque differs a little from the wanted one: duty is rounded to 1/4096 of the supply, and
  /// compensated for an estimated speed.
  static let torqueFactor = 1.1
  static let torqueNanoseconds: Int64 = 5_000_000
  /// One tick in which the command is given, and the bus's time to pass it on to the chips.
  static let offTicks = 2
  /// The time that a person needs to notice: half of what eye and hand need to react.
  static let astrayNanoseconds: Int64 = 250_000_000

  private struct JointLimits {
    var name: String
    var lower: Double
    var upper: Double
    var fastest: Double
    /// Infinite for a servo, whose inner loop is its own.
    var torque: Double
    var tracking: Double
  }
  private struct Watch {
    var fastNanoseconds: Int64 = 0
    var strongNanoseconds: Int64 = 0
    var astrayNanoseconds: Int64 = 0
  }

  private let limits: [JointLimits]
  private var watches: [Watch]
  private var lastNanoseconds: Int64?
  private var offTicks = 0
  private(set) var outcomes: [UnsafeOutcome] = []

  /// - Parameter calibration: its limits are the hardware's own, whatever the controller was given.
  init(_ calibration: Calibration) {
    limits = calibration.joints.map { joint in
      var torque = Double.infinity
      if case .motor(let drive) = joint.drive {
        // The hardware bears its current limit.
        torque = max(
          Self.torqueFactor * drive.torqueLimitNewtonMetres,
          drive.motor.torqueConstantNewtonMetresPerAmpere * joint.limits.currentAmperes)
      }
      return JointLimits(
        name: joint.name, lower: joint.limits.lowerRadians - SimulatedJoint.endStopMarginRadians,
        upper: joint.limits.upperRadians + SimulatedJoint.endStopMarginRadians,
        fastest: joint.limits.radiansPerSecond, torque: torque, tracking: joint.limits.trackingErrorRadians)
    }
    watches = limits.map { _ in Watch() }
  }

  mutating func note(_ kind: UnsafeKind, tick: Int, joint: Int? = nil, value: Double = 0) {
    guard !outcomes.contains(where: { $0.kind == kind }) else { return }
    outcomes.append(
      UnsafeOutcome(kind: kind, tick: tick, joint: joint.map { limits[$0].name }, value: value))
  }

  /// Judges the hand's true state at `now`.
  /// - Parameters:
  ///   - record: the tick that ended then; for times between two ticks the one before.
  ///   - isPaused: no thread of the machine runs, or not the loop's. Nobody can notice then that a joint is
  ///     astray; all else counts.
  ///   - isStuckLive: the drive-enable line is live whatever it is told: then the drives must be off
  ///     by themselves.
  mutating func look(
    _ truths: [SimulatedJoint.Truth], _ record: borrowing TickRecord, tick: Int, now: Int64, isArmed: Bool,
    isPaused: Bool = false, isStuckLive: Bool = false
  ) {
    let passed = now - (lastNanoseconds ?? now)
    lastNanoseconds = now
    offTicks = record.outputsEnabled ? 0 : offTicks + 1
    let joints = record.joints.span
    let mayBeAstray = record.fault == .none && !isPaused
    for (index, truth) in truths.enumerated() {
      let setpoint = joints[index].setpointRadians
      look(
        truth, joint: index, setpoint: setpoint, mayBeAstray: mayBeAstray, tick: tick, passed: passed)
      guard isDriven(truth, joint: index, isStuckLive: isStuckLive) else { continue }
      if !isArmed { note(.liveUnarmed, tick: tick, joint: index) }
      if offTicks >= Self.offTicks { note(.liveAfterOff, tick: tick, joint: index) }
    }
  }

  /// Whether the drive of a joint is live. If its enable is stuck live, a motor counts as driven only by its
  /// duty: 0 shorts it, and the hand can do no more then.
  func isDriven(_ truth: SimulatedJoint.Truth, joint: Int, isStuckLive: Bool) -> Bool {
    let isServo = limits[joint].torque == .infinity
    return truth.isLive && (!isStuckLive || isServo || truth.duty != 0)
  }

  private mutating func look(
    _ truth: SimulatedJoint.Truth, joint: Int, setpoint: Double, mayBeAstray: Bool, tick: Int, passed: Int64
  ) {
    let limit = limits[joint]
    let (angle, speed, torque) = (truth.radians, truth.radiansPerSecond, truth.driveNewtonMetres)
    guard angle.isFinite && speed.isFinite && torque.isFinite else {
      return note(.nonFinite, tick: tick, joint: joint)
    }
    let beyond = max(angle - limit.upper, limit.lower - angle)
    let pushesOut = angle > limit.upper ? torque > 0 : torque < 0
    if truth.isLive && beyond > Self.stopComplianceRadians && pushesOut {
      note(.beyondRange, tick: tick, joint: joint, value: beyond)
    }
    // The drive is the cause unless it brakes.
    let drives = truth.isLive && torque * speed >= 0 && torque != 0
    let isFast = drives && speed.magnitude > Self.speedFactor * limit.fastest
    watches[joint].fastNanoseconds = isFast ? watches[joint].fastNanoseconds + passed : 0
    if watches[joint].fastNanoseconds > Self.speedNanoseconds {
      note(.overspeed, tick: tick, joint: joint, value: speed)
    }
    let isStrong = drives && torque.magnitude > limit.torque
    watches[joint].strongNanoseconds = isStrong ? watches[joint].strongNanoseconds + passed : 0
    if watches[joint].strongNanoseconds > Self.torqueNanoseconds {
      note(.overtorque, tick: tick, joint: joint, value: torque)
    }
    let error = angle - setpoint
    let isAstray = truth.isLive && mayBeAstray && error.magnitude > limit.tracking
    watches[joint].astrayNanoseconds = isAstray ? watches[joint].astrayNanoseconds + passed : 0
    if watches[joint].astrayNanoseconds > Self.astrayNanoseconds {
      note(.astray, tick: tick, joint: joint, value: error)
    }
  }

  /// Every number that a record must have is finite. L, its rate and Λ may be absent, and so may the inertial
  /// sensor's reading.
  mutating func look(at record: borrowing TickRecord, tick: Int) {
    var sum = record.psi + record.gamma + record.energyIntegral
    let joints = record.joints.span
    for joint in limits.indices {
      let out = joints[joint]
      sum += out.setpointRadians + out.setpointRadiansPerSecond + out.measuredRadians + out.positionRadians
      sum += out.velocityRadiansPerSecond + out.innovationRadians + out.nominalRadians
      sum += out.memoryRadianSeconds + out.demandNewtonMetres + out.torqueNewtonMetres + out.currentAmperes
      sum += out.forceNewtons + out.slope + out.distance
      if !sum.isFinite { return note(.nonFinite, tick: tick, joint: joint) }
    }
    if !sum.isFinite { note(.nonFinite, tick: tick) }
  }
}
