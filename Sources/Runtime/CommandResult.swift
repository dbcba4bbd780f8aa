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
