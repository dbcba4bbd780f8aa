import HandModel

/// Every message with a fixed MESSAGE_ID; the raw value is the id, the same in every version. For each
/// systemd/motorhand.catalog has an entry that explains it to `journalctl -x`.
package enum JournalMessage: String, Sendable, CaseIterable {
  /// The self-test passed; the hand answers on its socket.
  case ready = "91235ad209564adba7753ed4fc3a388c"
  /// Full real-time operation is not possible.
  case degraded = "dfb60457b91445b9851b7436c263cf82"
  /// A signal asked the daemon to end.
  case stopping = "39db1cff75434cd58f0d186b1a3ef7bb"
  /// The daemon ended in order.
  case stopped = "4c038903d6b44717aa6e4f0d060ef00e"
  /// The daemon could not start, or had to end.
  case failed = "695e8f2f01c54e03acbb91d915fb7b0c"
  /// A latched fault or stop was reset.
  case faultCleared = "a35240ad7f7443d0a9d8d92296f758ed"
  /// The recording cannot be written.
  case storageFailing = "27f69906bfbb444e8ed29ddc4f1f05ed"
  /// The recording is written again.
  case storageRecovered = "e532894b4a9547bbbc941c522828c19f"
  /// Ticks were not recorded.
  case ticksDropped = "82538d8ce9514d8290fce5ca29fd6505"
  /// The oldest segments were deleted to keep recordings within their bound.
  case segmentsExpired = "45cfcd6cc029477fbc729d68b571dbc0"
  /// Head of the recorded events' hash chain.
  case chainHead = "0b7d4b3d2a9f4c0b9c7c52a5c5f0b6e4"
  /// Commands or stops do not arrive over MQTT.
  case commandsDeaf = "fdc391c75f3d4065acb00ca84ace9f1d"
  /// They arrive.
  case commandsHeard = "83709af41cd74a39a16d60a1dc540206"
  /// The last run ended without being asked to; its last ticks were saved.
  case blackBoxSaved = "cb99fc79fe8b4d968221fc3922c8fdff"
  /// The last run's last ticks could not be saved.
  case blackBoxUnusable = "315494a2db3248ce8a2f6ea78a342c3d"
  /// The loop showed what must never be: the service manager is asked to end the process.
  case unsafeOutputs = "6a7f0c07eeb24e1aa4e92e4777993b4c"
  // The faults and stops, named as in `FaultCode`.
  case eStopLine = "9be94eddaaf1402da8fc9ad0100de9ad"
  case eStopSocket = "8297d8a2aff04668a58d53de479c4582"
  case eStopRemote = "7f9efa7f3e7745eab20170a397dbb76c"
  case staleSensor = "8f997f51d0434ff3b5216e6d5c575177"
  case implausibleSensor = "dcc94dc5f7ea4b0d914023634abc5908"
  case busFault = "c18a363dc2d14e3c9b526dc4653a6f38"
  case actuatorFault = "16a4bddf45f0450e9d57cf457ca32701"
  case innovation = "b9b651c796cd460a98d883d1c6a3736a"
  case currentMismatch = "d4aa73197d5f4562952862c10c634b10"
  case stuckSensor = "ff8a77d5ca724dd88c6aa138637b780f"
  case driveEnable = "569f548484034f9ba9fb1645bb2f7c74"
  case positionLimit = "80b3a91d049e49e1b7aa225ef61a8c25"
  case velocityLimit = "ed55219164954bff8a8881df8e0bfce2"
  case currentLimit = "16b1e61856d94c15be4c1191f2278b42"
  case trackingError = "ccb1e55f89bc4357b540a01b3575f826"
  case externalTorque = "93f4d02ae2dc4f9ea7011793f1c2cf5f"
  case overload = "381580ec03a14f949f06d3a843c14792"
  case deadlineMisses = "8248228dfe5a4ff78fea9501da889f99"
  case commandTimeout = "7b46b2809f6f4030a71dee4a1b137a71"
  case clockJump = "2b5f050523694b7e98049f58d550c825"
  case lateTicks = "19ac01b437d342f589638332443099cf"
  case lipschitzViolation = "f03c6a4e7ae647d6883b2f57fc3f69c9"
  case windowViolation = "69c5f7f5fc2f4a2fa224ffb424e886b0"
  case uncertifiedBudget = "b71b77fb328348b7b70ac0fc390e7fce"
  case nonFinite = "3417ad61730a43c49b8c9b4fcf3d4137"
  case decay = "a812a616960f425197aa5272f79657cc"
  case selfTestFailed = "34e4f8f5deee47f4b6efcfad549dfa79"

  /// The message of a latched cause; nil for `.none`.
  package init?(_ fault: FaultCode) {
    switch fault {
    case .none: return nil
    case .eStopLine: self = .eStopLine
    case .eStopSocket: self = .eStopSocket
    case .eStopRemote: self = .eStopRemote
    case .staleSensor: self = .staleSensor
    case .implausibleSensor: self = .implausibleSensor
    case .busFault: self = .busFault
    case .actuatorFault: self = .actuatorFault
    case .innovation: self = .innovation
    case .currentMismatch: self = .currentMismatch
    case .stuckSensor: self = .stuckSensor
    case .driveEnable: self = .driveEnable
    case .positionLimit: self = .positionLimit
    case .velocityLimit: self = .velocityLimit
    case .currentLimit: self = .currentLimit
    case .trackingError: self = .trackingError
    case .externalTorque: self = .externalTorque
    case .overload: self = .overload
    case .deadlineMisses: self = .deadlineMisses
    case .commandTimeout: self = .commandTimeout
    case .clockJump: self = .clockJump
    case .lateTicks: self = .lateTicks
    case .lipschitzViolation: self = .lipschitzViolation
    case .windowViolation: self = .windowViolation
    case .uncertifiedBudget: self = .uncertifiedBudget
    case .nonFinite: self = .nonFinite
    case .decay: self = .decay
    case .selfTestFailed: self = .selfTestFailed
    }
  }

  /// How urgent it is.
  package var priority: JournalPriority {
    switch self {
    case .ready, .stopping, .stopped, .faultCleared, .storageRecovered, .commandsHeard: .notice
    case .chainHead: .information
    case .degraded, .ticksDropped, .blackBoxSaved: .warning
    default: .error
    }
  }
}

/// Priorities of syslog(3), as the journal keeps them.
package enum JournalPriority: Int, Sendable {
  case error = 3
  case warning = 4
  case notice = 5
  case information = 6
}
