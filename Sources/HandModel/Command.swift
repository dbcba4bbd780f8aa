/// Where a command came from. Decides what it may clear: a remote reset cannot clear a local e-stop.
package enum CommandSource: UInt8, Sendable, BitwiseCopyable { case socket, mqtt, script }

/// A validated command to the hand. Angles are radians, one a joint of the board.
package enum Command: Sendable, Equatable {
  case arm
  /// Outputs on for load compensation only: the hand can be moved by hand.
  case nullG
  case disarm
  /// Latched e-stop; idempotent, never refused, never expires.
  case stop
  case reset
  /// Move all joints along minimum-jerk trajectories; `seconds` nil = as fast as the limits allow.
  case pose(radians: [Double], seconds: Double?)
  /// Move one joint.
  case move(joint: Int, radians: Double, seconds: Double?)
  /// A set-point of a stream: must be repeated within the command time-out.
  case stream(radians: [Double])
}

/// A command with what its sender said of it.
package struct CommandEnvelope: Sendable, Equatable {
  /// Sender's identifier; a repeated one gets the first reply and no second motion.
  package var id: String
  /// Wall clock after which the command must not be executed; nil = no limit.
  package var expiryNanoseconds: Int64?
  package var command: Command
  package init(id: String, expiryNanoseconds: Int64? = nil, command: Command) {
    self.id = id
    self.expiryNanoseconds = expiryNanoseconds
    self.command = command
  }
}

/// What became of a command.
package enum CommandReply: Sendable, Equatable {
  case executed
  /// It has not acted and never will.
  case refused(reason: String)
  /// Nobody knows whether it acts: the loop took it and stands still, or it was a stop whose
  /// effect was not seen.
  case unconfirmed(reason: String)

  /// The word used in every interface.
  package var word: String {
    switch self {
    case .executed: "executed"
    case .refused: "refused"
    case .unconfirmed: "unconfirmed"
    }
  }

  /// Why it was not executed; nil when it was.
  package var reason: String? {
    switch self {
    case .executed: nil
    case .refused(let reason), .unconfirmed(let reason): reason
    }
  }
}
