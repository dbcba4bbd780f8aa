import PrimalLogic

/// A command as the tick takes it: fixed size, validated before it gets here.
package struct TickCommand: BitwiseCopyable, Sendable {
  package enum Kind: UInt8, BitwiseCopyable, Sendable, CaseIterable {
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
