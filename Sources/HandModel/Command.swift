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
  /// Nobody knows whether it acts: a loop that took it stands still, or a stop whose effect was not seen.
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

/// Identity of a running hand, constant from start to exit: what consumers of its records must know.
package struct HandIdentity: Sendable {
  /// `[A-Za-z0-9_-]{1,64}`.
  package var handID: String
  /// Unique for ever: a UUID made at each start. With the tick's sequence it is the key of a record.
  package var bootID: String
  package var board: Board
  package var calibration: Calibration
  /// The files as read, stored inside each recording.
  package var boardYAML: String
  package var calibrationYAML: String
  package var version: String
  /// JSON of the certificate, stored inside each recording.
  package var certificateJSON: String

  /// Whether an identifier may be used: it goes into topics and file names, so it holds no separator or wildcard.
  package static func isValid(handID: String) -> Bool {
    (1...64).contains(handID.utf8.count)
      && handID.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  package init(
    handID: String, bootID: String, board: Board, calibration: Calibration, boardYAML: String,
    calibrationYAML: String, version: String, certificateJSON: String
  ) {
    self.handID = handID
    self.bootID = bootID
    self.board = board
    self.calibration = calibration
    self.boardYAML = boardYAML
    self.calibrationYAML = calibrationYAML
    self.version = version
    self.certificateJSON = certificateJSON
  }
}
