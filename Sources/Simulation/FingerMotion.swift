import HandModel

/// What drives a joint, from a moment on.
enum JointDrive: Sendable {
  /// A bridge's mean output, −1...1 of the supply.
  case duty(Double)
  /// The angle that a servo takes from its pulse.
  case angle(Double)
  /// A bridge with its outputs open, a servo without pulses.
  case none
}

/// The motion of one joint, or of the joints of a finger that pull at each other. Those share one time:
/// looking at one of them advances the others too.
struct FingerMotion: Sendable {
  /// Most changes of a drive that wait: those of some periods of the fastest loop.
  private static let pendingCapacity = 16

  fileprivate struct DriveChange {
    var timeNanoseconds: Int64 = 0
    var drive = JointDrive.none
  }

  struct Joint {
    var dynamics: JointDynamics
    fileprivate var pending = InlineArray<16, DriveChange>(repeating: DriveChange())
    fileprivate var pendingCount = 0
    var sampleNumber: UInt64 = 0
    var currentNumber: UInt64 = 0
    var stuckCounts: UInt16?
    var encoderError = SimulatedJoint.EncoderError()
    var currentError = SimulatedJoint.CurrentError()
    var driveScale = 1.0
    /// Delay after which changes of the drive act. They are kept apart, because there may be many.
    var driveDelayNanoseconds: Int64 = 0
    fileprivate var delayed: [DriveChange] = []
    /// When the first of the delayed changes acts. Looking into the array each time would cost as much as the
    /// motion itself.
    fileprivate var nextDelayed = Int64.max
    /// Whether the last change drives bridge or servo.
    fileprivate var isDriven: Bool

    /// A delayed change came after all that are pending.
    fileprivate var nextChange: Int64 { pendingCount > 0 ? pending[0].timeNanoseconds : nextDelayed }

    fileprivate mutating func delay(_ drive: JointDrive, at now: Int64) {
      let time = max(now + driveDelayNanoseconds, delayed.last?.timeNanoseconds ?? .min)
      delayed.append(DriveChange(timeNanoseconds: time, drive: drive))
      nextDelayed = delayed[0].timeNanoseconds
    }

    /// Takes the next change out of its queue.
    fileprivate mutating func takeOldest() -> JointDrive {
      guard pendingCount > 0 else {
        let change = delayed.removeFirst()
        nextDelayed = delayed.first?.timeNanoseconds ?? .max
        return change.drive
      }
      let change = pending[0]
      pendingCount -= 1
      for index in 0..<pendingCount { pending[index] = pending[index + 1] }
      return change.drive
    }
  }

  var joints: [Joint]
  /// K row by row, N m/rad; empty for a joint alone.
  private let stiffness: [Double]
  private let driveEnable: SimulatedLine
  /// Whether the drive-enable line is active, as far as time has come.
  private var isEnabled = false

  /// - Parameters:
  ///   - joints: each with its angle at the start.
  ///   - stiffness: K row by row; empty for a joint alone.
  init(
    _ joints: [(calibration: JointCalibration, radians: Double)], stiffness: [Double],
    driveEnable: SimulatedLine, timeNanoseconds: Int64
  ) {
    self.joints = joints.map { calibration, radians in
      // A bridge without a command yet brakes; a servo is limp.
      let isMotor = if case .motor = calibration.drive { true } else { false }
      return Joint(
        dynamics: JointDynamics(calibration, radians: radians, timeNanoseconds: timeNanoseconds),
        isDriven: isMotor)
    }
    self.stiffness = stiffness
    self.driveEnable = driveEnable
  }

  /// Drives a joint differently from `now` on. Changes keep the order of the calls.
  mutating func change(_ joint: Int, _ drive: JointDrive, at now: Int64) {
    if joints[joint].driveDelayNanoseconds > 0 || joints[joint].nextDelayed != .max {
      return joints[joint].delay(drive, at: now)
    }
    if joints[joint].pendingCount == Self.pendingCapacity { advance(to: joints[joint].nextChange) }
    let count = joints[joint].pendingCount
    let last = count > 0 ? joints[joint].pending[count - 1].timeNanoseconds : .min
    joints[joint].pending[count] = DriveChange(timeNanoseconds: max(now, last), drive: drive)
    joints[joint].pendingCount = count + 1
  }

  /// Advances to `now` through everything that happens until then.
  mutating func advance(to now: Int64) {
    let kill = driveEnable.lastChange
    while true {
      var due = 0
      for joint in joints.indices.dropFirst() where joints[joint].nextChange < joints[due].nextChange {
        due = joint
      }
      let nextDrive = joints[due].nextChange
      if kill.isActive != isEnabled, kill.timeNanoseconds <= min(nextDrive, now) {
        move(exactlyTo: kill.timeNanoseconds)
        isEnabled = kill.isActive
        for joint in joints.indices { joints[joint].dynamics.isLive = isEnabled && joints[joint].isDriven }
      } else if nextDrive <= now {
        move(exactlyTo: nextDrive)
        applyOldest(due)
      } else {
        break
      }
    }
    if stiffness.isEmpty {
      joints[0].dynamics.advance(to: now)
    } else {
      step(to: now - now % JointDynamics.stepNanoseconds)
    }
  }

  private mutating func move(exactlyTo target: Int64) {
    if stiffness.isEmpty { joints[0].dynamics.advance(exactlyTo: target) } else { step(to: target) }
  }

  /// Advances to `target` in steps that end on the grid. The coupling of a step is that at its middle,
  /// extrapolated by the joints' velocities, as gravity and stops are.
  private mutating func step(to target: Int64) {
    let (grid, count) = (JointDynamics.stepNanoseconds, joints.count)
    var time = joints[0].dynamics.timeNanoseconds
    while time < target {
      let next = min((time / grid + 1) * grid, target)
      let half = Double(next - time) * 0.5e-9
      for i in 0..<count {
        var torque = 0.0
        for j in 0..<count {
          let other = joints[j].dynamics
          torque -= stiffness[i * count + j] * (other.radians + half * other.radiansPerSecond)
        }
        joints[i].dynamics.couplingNewtonMetres = torque
      }
      for i in 0..<count { joints[i].dynamics.advance(exactlyTo: next) }
      time = next
    }
  }

  private mutating func applyOldest(_ joint: Int) {
    joints[joint].isDriven = true
    switch joints[joint].takeOldest() {
    case .duty(let duty): joints[joint].dynamics.duty = joints[joint].driveScale * duty
    case .angle(let radians): joints[joint].dynamics.commandRadians = radians
    case .none:
      joints[joint].dynamics.duty = 0
      joints[joint].isDriven = false
    }
    joints[joint].dynamics.isLive = isEnabled && joints[joint].isDriven
  }
}
