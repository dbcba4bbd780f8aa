import PrimalLogic

/// A command as the tick takes it: fixed size, validated before it gets here.
package struct TickCommand: BitwiseCopyable, Sendable {
  /// What a command asks for; `none` = there is no command.
  package enum Kind: UInt8, BitwiseCopyable, Sendable, InterfaceWord {
    case none, arm, nullG, disarm, stop, reset, pose, stream

    /// The verb. That of `pose` stands for `move` too, which is a pose of one joint.
    package var id: String {
      switch self {
      case .none: "none"
      case .arm: "arm"
      case .nullG: "null-g"
      case .disarm: "disarm"
      case .stop: "stop"
      case .reset: "reset"
      case .pose: "pose"
      case .stream: "stream"
      }
    }
  }
  package var kind: Kind = .none
  package var source: CommandSource = .socket
  /// Counts up from 1; 0 = no command yet.
  package var number: UInt32 = 0
  /// Bit j set: joint j has a target.
  package var jointMask: JointMask = 0
  /// Wanted duration, seconds; 0 = as fast as the limits allow.
  package var seconds: Double = 0
  /// Target angles, rad; 0 where `jointMask` has no bit.
  package var targets = PerJoint<Double>(repeating: 0)

  package init() {}

  /// The command as the tick takes it; a duration that it does not name becomes 0.
  /// - Parameter number: counts up from 1.
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
      jointMask = 1 << JointMask(joint)
      targets[joint] = radians
    case .stream(let radians):
      kind = .stream
      setTargets(radians)
    }
  }

  private mutating func setTargets(_ radians: [Double]) {
    for (joint, value) in radians.enumerated() {
      jointMask |= 1 << JointMask(joint)
      targets[joint] = value
    }
  }
}

/// A command without its targets: what a record holds once. The targets are with the record's joints.
package struct TickCommandHead: BitwiseCopyable, Sendable {
  /// What the command asks for; `none` = there was no command.
  package var kind: TickCommand.Kind = .none
  package var source: CommandSource = .socket
  /// Counts up from 1; 0 where there was no command.
  package var number: UInt32 = 0
  package var jointMask: JointMask = 0
  /// Wanted duration, seconds; 0 = as fast as the limits allow.
  package var seconds: Double = 0

  package init() {}

  /// All of `command` but its targets.
  @_noLocks
  package init(_ command: borrowing TickCommand) {
    kind = command.kind
    source = command.source
    number = command.number
    jointMask = command.jointMask
    seconds = command.seconds
  }
}

extension TickRecord {
  /// The command that the tick took, with its targets.
  package var takenCommand: TickCommand {
    get {
      var taken = TickCommand()
      taken.kind = command.kind
      taken.source = command.source
      taken.number = command.number
      taken.jointMask = command.jointMask
      taken.seconds = command.seconds
      for joint in 0..<min(Int(jointCount), maximumJoints) {
        taken.targets[joint] = joints[joint].targetRadians
      }
      return taken
    }
    set {
      command = TickCommandHead(newValue)
      for joint in 0..<maximumJoints { joints[joint].targetRadians = newValue.targets[joint] }
    }
  }
}
