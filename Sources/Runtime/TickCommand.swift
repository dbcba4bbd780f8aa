import HandModel
import PrimalLogic

/// A command as the tick takes it: fixed size, validated before it gets here.
package struct TickCommand: BitwiseCopyable, Sendable {
  package enum Kind: UInt8, BitwiseCopyable, Sendable {
    case none, arm, nullG, disarm, stop, reset, pose, stream
  }
  package var kind: Kind = .none
  package var source: CommandSource = .socket
  /// Counts up from 1; 0 = no command yet.
  package var number: UInt32 = 0
  /// Bit j set: joint j has a target.
  package var jointMask: UInt16 = 0
  package var targets = PerJoint<Double>(repeating: 0)
  /// Wanted duration; 0 = as fast as the limits allow.
  package var seconds: Double = 0

  package init() {}

  package init(_ command: Command, source: CommandSource, number: UInt32) {
    self.source = source
    self.number = number
    switch command {
    case .arm: kind = .arm
    case .nullG: kind = .nullG
    case .disarm: kind = .disarm
    case .stop: kind = .stop
    case .reset: kind = .reset
    case .pose(let radians, let seconds):
      kind = .pose
      self.seconds = seconds ?? 0
      setTargets(radians)
    case .move(let joint, let radians, let seconds):
      kind = .pose
      self.seconds = seconds ?? 0
      jointMask = 1 << UInt16(joint)
      targets[joint] = radians
    case .stream(let radians):
      kind = .stream
      setTargets(radians)
    }
  }

  private mutating func setTargets(_ radians: [Double]) {
    for (joint, value) in radians.enumerated() {
      jointMask |= 1 << UInt16(joint)
      targets[joint] = value
    }
  }
}

/// What the tick did with a command.
package enum CommandResult: UInt8, Sendable, BitwiseCopyable {
  case executed
  case notIdle
  case notArmed
  case notLatched
  case eStopLineActive
  case localEStop
  case sensorsNotReady
  case causePresent
  case outOfRange
  case actuatorsNotReady

  /// The reason for the sender, with what to do; nil when the command was executed.
  package var refusal: String? {
    switch self {
    case .executed: nil
    case .notIdle: "the hand is not idle: disarm it, or reset a latched fault first"
    case .notArmed: "the hand is not armed: send arm first"
    case .notLatched: "nothing to reset: no fault or e-stop is latched"
    case .eStopLineActive: "the e-stop line is active: release it first"
    case .localEStop: "a local e-stop cannot be reset remotely: reset it at the hand's own socket"
    case .sensorsNotReady: "not every joint has a fresh encoder sample: see status for the joint"
    case .causePresent: "the cause of the fault is still present"
    case .outOfRange: "a joint stands beyond its range: move it back by hand, see status for the joint"
    case .actuatorsNotReady: "an actuator's chip does not answer as configured: see the daemon's log"
    }
  }
}
