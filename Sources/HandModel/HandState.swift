/// What the hand is doing. Outputs are live only in `armed` and `tracking`.
package enum HandState: UInt8, Sendable, BitwiseCopyable, InterfaceWord {
  case starting, selfTest, idle, armed, tracking, fault, eStop

  /// Whether actuators may carry torque in this state.
  package var outputsLive: Bool {
    @_noLocks get {
      switch self {
      case .armed, .tracking: true
      case .starting, .selfTest, .idle, .fault, .eStop: false
      }
    }
  }

  package var id: String {
    switch self {
    case .starting: "starting"
    case .selfTest: "self-test"
    case .idle: "idle"
    case .armed: "armed"
    case .tracking: "tracking"
    case .fault: "fault"
    case .eStop: "e-stop"
    }
  }
}

/// The AGP mode; raw values are the source system's gauge.
package enum ControlMode: UInt8, Sendable, BitwiseCopyable, InterfaceWord {
  /// Outputs off.
  case idle = 0
  /// Load compensation only: the hand can be moved by hand.
  case nullG = 1
  /// Hold a pose.
  case stationKeep = 2
  /// Follow set-points.
  case trajectory = 3

  /// The source system's words.
  package var id: String {
    switch self {
    case .idle: "IDLE"
    case .nullG: "NULL-G"
    case .stationKeep: "STATION-KEEP"
    case .trajectory: "TRAJECTORY"
    }
  }
}

/// Why the hand latched `fault` or `e-stop`. Raw values are stable: they are recorded.
package enum FaultCode: UInt8, Sendable, BitwiseCopyable, InterfaceWord {
  case none = 0
  case eStopLine = 1
  case eStopSocket = 2
  case eStopRemote = 3
  case staleSensor = 10
  case implausibleSensor = 11
  case busFault = 12
  case actuatorFault = 13
  case innovation = 14
  case currentMismatch = 15
  case stuckSensor = 16
  case driveEnable = 17
  case positionLimit = 20
  case velocityLimit = 21
  case currentLimit = 22
  case trackingError = 23
  case externalTorque = 24
  case overload = 25
  case deadlineMisses = 30
  case commandTimeout = 31
  case clockJump = 32
  case lateTicks = 33
  case lipschitzViolation = 40
  case windowViolation = 41
  case uncertifiedBudget = 42
  case nonFinite = 43
  case decay = 44
  case selfTestFailed = 50

  /// `none` is null in JSON.
  package var id: String {
    switch self {
    case .none: "none"
    case .eStopLine: "e-stop-line"
    case .eStopSocket: "e-stop-socket"
    case .eStopRemote: "e-stop-remote"
    case .staleSensor: "stale-sample"
    case .implausibleSensor: "implausible-sensor"
    case .busFault: "bus-fault"
    case .actuatorFault: "actuator-fault"
    case .innovation: "innovation"
    case .currentMismatch: "current-mismatch"
    case .stuckSensor: "stuck-sensor"
    case .driveEnable: "drive-enable"
    case .positionLimit: "position-limit"
    case .velocityLimit: "velocity-limit"
    case .currentLimit: "current-limit"
    case .trackingError: "tracking-error"
    case .externalTorque: "external-torque"
    case .overload: "motor-overload"
    case .deadlineMisses: "deadline-misses"
    case .commandTimeout: "command-timeout"
    case .clockJump: "clock-jump"
    case .lateTicks: "late-ticks"
    case .lipschitzViolation: "lipschitz-violation"
    case .windowViolation: "window-violation"
    case .uncertifiedBudget: "uncertified-budget"
    case .nonFinite: "non-finite"
    case .decay: "no-decay"
    case .selfTestFailed: "self-test-failed"
    }
  }

  /// The id; nil for `none`.
  package var idOrNil: String? { self == .none ? nil : id }

  package var name: String {
    switch self {
    case .none: "none"
    case .eStopLine: "e-stop line"
    case .eStopSocket: "e-stop by local command"
    case .eStopRemote: "e-stop by remote command"
    case .staleSensor: "stale sensor"
    case .implausibleSensor: "implausible sensor"
    case .busFault: "bus fault"
    case .actuatorFault: "actuator fault"
    case .innovation: "innovation alarm"
    case .currentMismatch: "current mismatch"
    case .stuckSensor: "stuck sensor or joint"
    case .driveEnable: "drive-enable line"
    case .positionLimit: "position limit"
    case .velocityLimit: "velocity limit"
    case .currentLimit: "current limit"
    case .trackingError: "tracking error"
    case .externalTorque: "external torque limit"
    case .overload: "motor overload (I²t)"
    case .deadlineMisses: "deadline misses"
    case .commandTimeout: "command time-out"
    case .clockJump: "clock jump"
    case .lateTicks: "late ticks"
    case .lipschitzViolation: "Lipschitz violation (L > 1)"
    case .windowViolation: "window product Λ ≥ 1"
    case .uncertifiedBudget: "uncertified budget spent"
    case .nonFinite: "non-finite value"
    case .decay: "no decay towards the model"
    case .selfTestFailed: "self-test failed"
    }
  }
}

/// What the certificate says of one tick of one joint, and of the worst joint of a hand.
/// Raw values are recorded; the order of the cases is that of severity.
package enum CertificateState: UInt8, Sendable, BitwiseCopyable, InterfaceWord {
  case inactive = 0
  case deadzone = 1
  case certified = 2
  case saturated = 3
  case uncertified = 4

  /// 0...4, growing with severity.
  package var severity: UInt8 {
    @_noLocks get {
      switch self {
      case .inactive: 0
      case .deadzone: 1
      case .certified: 2
      case .saturated: 3
      case .uncertified: 4
      }
    }
  }

  package var id: String {
    switch self {
    case .inactive: "INACTIVE"
    case .deadzone: "DEADZONE"
    case .certified: "CERTIFIED"
    case .saturated: "SATURATED"
    case .uncertified: "UNCERTIFIED"
    }
  }
}
