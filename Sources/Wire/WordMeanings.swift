import HandModel

// What each word means, for docs/words.md. A new case of a list does not compile until it is explained here.

extension WordLists {
  static func meaning(of state: HandState) -> String {
    switch state {
    case .starting: "the loop runs, no tick has been judged yet"
    case .selfTest: "waits for fresh samples of every joint"
    case .idle: "outputs off"
    case .armed: "outputs live, no motion under way"
    case .tracking: "outputs live, set-points move"
    case .fault: "a fault is latched; outputs off unless its reaction is to hold"
    case .eStop: "an e-stop is latched; outputs off"
    }
  }

  static func meaning(of word: StatusPayload.Word) -> String {
    switch word {
    case .starting: "state `starting` or `self-test`"
    case .ready: "state `idle`"
    case .armed: "state `armed`"
    case .moving: "state `tracking`"
    case .fault: "state `fault`"
    case .eStop: "state `e-stop`"
    case .disconnected: "the daemon ended and said so"
    case .lost: "the will: connection or daemon is gone"
    }
  }

  static func meaning(of mode: ControlMode) -> String {
    switch mode {
    case .idle: "outputs off"
    case .nullG: "load compensation only: the hand can be moved by hand"
    case .stationKeep: "holds a pose"
    case .trajectory: "follows set-points"
    }
  }

  static func meaning(of certificate: CertificateState) -> String {
    switch certificate {
    case .inactive: "the law drives nothing: there is no L"
    case .deadzone: "as `CERTIFIED`, and V lies below what noise alone makes of it"
    case .certified: "L was looked up for what happened in the tick"
    case .saturated: "as certified, with a limit acting"
    case .uncertified: "no certificate covers the tick: there is no L"
    }
  }

  static func meaning(of kind: HandEvent.Kind) -> String {
    switch kind {
    case .start: "first tick seen; `to` is its state"
    case .inForce:
      "the recording began with these: `to` is the program's version, `text` the SHA-512 of board file, calibration file and certificate"
    case .state: "the state changed"
    case .mode: "the mode changed"
    case .fault: "the latched fault, or the joint it names, changed; null is no fault"
    case .eStopLine: "the e-stop line became `active` or `inactive`"
    case .command:
      "commands were executed: number of the last one before and after; at most one event a second"
    case .refused:
      "commands were refused: how many before and after since the first tick; at most one event a second"
    case .overrun: "deadlines were skipped: totals before and after; at most one event a second"
    case .agp:
      "the AGP state, once a minute: the tick with the largest L of the `count` ticks since the last; `to` is its mode, `text` a `detail` message"
    case .gap: "ticks are missing: the last before, the first after, and how many"
    case .storageDrop: "ticks were dropped because storage failed: first, last, and how many"
    case .storageError: "storage began to fail"
    case .storageRecovered: "storage works again"
    case .segment:
      "a segment was closed: `from` is its file, `to` the file's SHA-512, `count` its ticks, `seq` the last of them"
    case .expired: "a closed segment was deleted to keep within the bounds: its first and last tick"
    case .disorder: "a record with a sequence not above the last one was refused"
    case .eventsLost: "events were not stored, as many as `count` says; their numbers are missing in the file"
    case .stopped: "the hand stopped in order; `to` is its last state. Missing after a crash"
    case .summary: "the recorder stopped; `to` is how many ticks it recorded. Missing after a crash"
    }
  }

  static func meaning(of verb: CommandParser.Verb) -> String {
    switch verb {
    case .arm: "outputs live, holding where the hand is"
    case .nullG: "outputs live for load compensation only"
    case .disarm: "outputs off"
    case .stop: "e-stop, latched; never refused"
    case .reset: "clears a latched fault or e-stop"
    case .pose: "all joints to a pose"
    case .move: "one joint to an angle"
    case .stream: "a set-point of a stream, to be repeated within the command time-out"
    }
  }

  static func meaning(of word: ReplyMessage.Word) -> String {
    switch word {
    case .executed: "the hand took the command; of a stop, outputs were seen off"
    case .refused: "it has not acted and never will"
    case .unconfirmed: "nobody knows whether it acts"
    }
  }

  static func meaning(of way: CommandWay.State) -> String {
    switch way {
    case .down: "no connection"
    case .asking: "connected; the broker has not answered yet"
    case .deaf: "the broker refuses the subscription, or grants it and delivers nothing"
    case .unproved: "subscribed; that the broker delivers could not be shown"
    case .up: "subscribed, and a message of the hand's own has come back"
    }
  }
}
