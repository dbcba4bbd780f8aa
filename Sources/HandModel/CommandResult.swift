/// What the tick did with a command. Raw values are recorded.
package enum CommandResult: UInt8, Sendable, BitwiseCopyable, InterfaceWord {
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
  case selfTestRunning

  package var id: String {
    switch self {
    case .executed: "executed"
    case .notIdle: "not-idle"
    case .notArmed: "not-armed"
    case .notLatched: "nothing-latched"
    case .eStopLineActive: "e-stop-line-active"
    case .localEStop: "local-e-stop"
    case .sensorsNotReady: "sensors-not-ready"
    case .causePresent: "cause-present"
    case .outOfRange: "out-of-range"
    case .actuatorsNotReady: "actuators-not-ready"
    case .selfTestRunning: "self-test-running"
    }
  }

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
    case .actuatorsNotReady:
      "an actuator's chip, bridge, thread or the drive-enable line does not do what it is told: see the daemon's log"
    case .selfTestRunning: "the self-test is running: wait for idle"
    }
  }
}
