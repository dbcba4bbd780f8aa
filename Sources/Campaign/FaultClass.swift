import HandModel

/// A kind of fault that the campaign injects. Raw values are the names in every interface.
package enum FaultClass: String, CaseIterable, Sendable, Codable {
  case encoderStuck = "encoder-stuck"
  case encoderJump = "encoder-jump"
  case encoderDrift = "encoder-drift"
  case encoderNoise = "encoder-noise"
  case encoderDropouts = "encoder-dropouts"
  case encoderWrap = "encoder-wrap"
  case encoderNACK = "encoder-nack"
  case busDead = "bus-dead"
  case busSlow = "bus-slow"
  case magnetLost = "magnet-lost"
  case currentDead = "current-dead"
  case currentOffset = "current-offset"

  case torqueLoss = "torque-loss"
  case signFlip = "sign-flip"
  case jam
  case actuatorDelay = "actuator-delay"
  case supplySag = "supply-sag"
  case pwmNACK = "pwm-nack"
  case pwmBrownOut = "pwm-brown-out"
  case bridgeFault = "bridge-fault"
  case actuatorHang = "actuator-hang"
  case actuatorDead = "actuator-dead"
  case driveEnable = "drive-enable"

  case commandNaN = "command-nan"
  case setpointNaN = "setpoint-nan"
  case setpointJump = "setpoint-jump"
  case commandFlood = "command-flood"
  case streamEnds = "stream-ends"
  case commandReplayed = "command-replayed"

  case overrun
  case overrunBurst = "overrun-burst"
  case overrunsMany = "overruns-many"
  case loopFrozen = "loop-frozen"
  case clockJump = "clock-jump"
  case wallJump = "wall-jump"

  case contact
  case drop
  case pull

  case recorderFull = "recorder-full"
  case publisherFull = "publisher-full"
}

/// What a hand must do about a fault.
package enum Expectation: String, Sendable, Codable {
  /// Latch it.
  case detect
  /// Whatever is safe.
  case either
  /// Go on: a stop would be needless.
  case goOn
}

/// What is drawn for a fault besides joint and time.
struct FaultParameters {
  /// Range of `EpisodePlan.strength`; drawn evenly in its logarithm, nil where the fault has no strength.
  var strength: ClosedRange<Double>?
  var unit = ""
  /// Whether the strength's sign is drawn too.
  var isSigned = false
  /// Kinds of the same fault, for example the ways in which a bus dies.
  var variants: [String] = [""]
  var activities = Activity.allCases
}

extension FaultClass {
  /// Strength from which on a drift, noise or delay must be detected (`expectation`).
  private enum Threshold {
    /// Twenty standard deviations of a healthy sample.
    static let noiseRadians = 0.01
    /// A third of the nominal motor's limit.
    static let currentAmperes = 0.3
    /// Beyond the loop's margin of 38 ms (docs/control.md).
    static let delayMilliseconds = 45.0
    /// Beyond five ticks and the age that a board allows a sample, of every shipped board.
    static let hangMilliseconds = 100.0
    /// More skipped deadlines than any shipped board's budget.
    static let frozenMilliseconds = 250.0
  }

  /// Ways in which a drive-enable line does not follow.
  enum DriveEnableVariant: Int, CaseIterable {
    case staysLiveWhenDisarmed, staysLiveWhenStopped, staysLiveUnseen, staysOffWhenArmed

    var text: String {
      switch self {
      case .staysLiveWhenDisarmed: "stays live when disarmed"
      case .staysLiveWhenStopped: "stays live when stopped"
      case .staysLiveUnseen: "stays live when stopped, and reads back as told"
      case .staysOffWhenArmed: "stays off when armed"
      }
    }
  }

  var parameters: FaultParameters {
    let moving: [Activity] = [.moving, .streaming]
    switch self {
    case .encoderStuck, .encoderNACK, .encoderWrap, .magnetLost, .signFlip, .jam, .pwmNACK, .pwmBrownOut,
      .bridgeFault, .actuatorDead, .commandReplayed, .recorderFull, .publisherFull:
      return FaultParameters()
    case .actuatorHang: return FaultParameters(strength: 10...1000, unit: "ms", activities: moving)
    case .driveEnable: return FaultParameters(variants: DriveEnableVariant.allCases.map(\.text))
    case .loopFrozen: return FaultParameters(strength: 10...2000, unit: "ms")
    // The smallest jump is above what a joint at its fastest and a sample's noise can do between two ticks.
    case .encoderJump: return FaultParameters(strength: 0.04...1.5, unit: "rad", isSigned: true)
    case .encoderDrift: return FaultParameters(strength: 0.05...2, unit: "rad/s", isSigned: true)
    case .encoderNoise: return FaultParameters(strength: 0.001...0.05, unit: "rad")
    case .encoderDropouts: return FaultParameters(strength: 0.01...0.5, unit: "of the samples")
    case .busDead:
      return FaultParameters(variants: [
        "hangs 0.3 ms", "hangs 5 ms", "no acknowledge", "bus error", "arbitration lost",
        "actuators' bus hangs 1 ms",
      ])
    case .busSlow: return FaultParameters(strength: 1.5...100, unit: "times the time")
    case .currentDead: return FaultParameters(variants: ["reads zero", "no acknowledge"])
    case .currentOffset: return FaultParameters(strength: 0.05...0.6, unit: "A", isSigned: true)
    case .torqueLoss: return FaultParameters(variants: ["90 %", "100 %"])
    case .actuatorDelay: return FaultParameters(strength: 5...100, unit: "ms")
    case .supplySag: return FaultParameters(strength: 0.2...0.4, unit: "of the supply")
    case .commandNaN:
      return FaultParameters(variants: ["NaN", "Infinity", "1e999", "-1e308", "nan as text", "null"])
    case .setpointNaN:
      return FaultParameters(variants: [
        "pose NaN", "pose +inf", "pose -inf", "stream NaN", "duration NaN", "duration inf", "duration -1",
      ])
    case .setpointJump: return FaultParameters()
    case .commandFlood: return FaultParameters(strength: 5...500, unit: "commands a tick")
    case .streamEnds: return FaultParameters(activities: [.streaming])
    case .overrun: return FaultParameters(strength: 1...10, unit: "periods")
    case .overrunBurst: return FaultParameters(strength: 0.3...4, unit: "periods, 5 to 40 times")
    case .overrunsMany: return FaultParameters(strength: 0.2...0.8, unit: "of the ticks")
    case .clockJump: return FaultParameters(strength: 5...1000, unit: "ms")
    case .wallJump: return FaultParameters(strength: 0.1...100, unit: "h", isSigned: true)
    case .contact: return FaultParameters(strength: 0.02...0.3, unit: "rad ahead", activities: moving)
    case .drop: return FaultParameters(activities: [.holding])
    case .pull: return FaultParameters(strength: 0.05...2, unit: "N m", isSigned: true)
    }
  }

  /// What the hand must do about a fault of this class.
  /// - Parameter hasFaultLine: whether the joint's bridge reports its own faults.
  func expectation(
    _ activity: Activity, strength: Double, variant: Int, hasFaultLine: Bool
  ) -> Expectation {
    let isMoving = activity == .moving || activity == .streaming
    let works = activity != .rest
    switch self {
    case .encoderJump, .encoderWrap, .encoderNACK, .busDead, .magnetLost, .signFlip, .pwmNACK, .pwmBrownOut,
      .actuatorDead, .driveEnable, .streamEnds, .overrunsMany:
      return .detect
    case .actuatorHang: return strength >= Threshold.hangMilliseconds ? .detect : .either
    case .loopFrozen: return strength >= Threshold.frozenMilliseconds ? .detect : .either
    // A joint at rest shows none of these.
    case .encoderStuck, .supplySag: return isMoving ? .detect : .either
    // Until the set-point is far away, a blocked joint looks like a firm grasp.
    case .jam: return .either
    case .torqueLoss: return works ? .detect : .either
    case .bridgeFault: return hasFaultLine || works ? .detect : .either
    case .encoderNoise: return strength >= Threshold.noiseRadians ? .detect : .either
    case .actuatorDelay: return isMoving && strength >= Threshold.delayMilliseconds ? .detect : .either
    // A reading of zero is noticed only where a current should flow. A sensor that no longer answers keeps
    // its last value.
    case .currentDead: return activity == .holding && variant == 0 ? .detect : .either
    case .currentOffset: return strength.magnitude >= Threshold.currentAmperes ? .detect : .either
    // Until the samples are stale, a paused machine is only late.
    case .clockJump: return strength > 30 ? .detect : .either
    case .encoderDrift, .busSlow, .setpointNaN, .overrunBurst, .contact, .pull: return .either
    // No set-point can be followed through an object.
    case .setpointJump, .commandFlood: return activity == .holding ? .either : .goOn
    case .encoderDropouts, .commandNaN, .commandReplayed, .overrun, .wallJump, .drop,
      .recorderFull, .publisherFull:
      return .goOn
    }
  }

  /// Where it must be detected, or that it must not stop the hand.
  package var expectationText: String {
    switch self {
    case .encoderJump, .encoderWrap, .encoderNACK, .busDead, .magnetLost, .signFlip, .pwmNACK, .pwmBrownOut,
      .actuatorDead, .driveEnable, .streamEnds, .overrunsMany:
      "always"
    case .actuatorHang: "from \(Int(Threshold.hangMilliseconds)) ms"
    case .loopFrozen: "from \(Int(Threshold.frozenMilliseconds)) ms"
    case .encoderStuck, .supplySag: "moving"
    case .jam: "by outcome"
    case .torqueLoss: "not at rest"
    case .bridgeFault: "fault line, or not at rest"
    case .encoderNoise: "from \(Threshold.noiseRadians) rad"
    case .actuatorDelay: "moving, from \(Int(Threshold.delayMilliseconds)) ms"
    case .currentDead: "holding, reads zero"
    case .currentOffset: "from \(Threshold.currentAmperes) A"
    case .clockJump: "above 30 ms"
    case .encoderDrift, .busSlow, .setpointNaN, .overrunBurst, .contact, .pull: "by outcome"
    case .setpointJump, .commandFlood: "must go on, unless holding"
    case .encoderDropouts, .commandNaN, .commandReplayed, .overrun, .wallJump, .drop,
      .recorderFull, .publisherFull:
      "must go on"
    }
  }

  /// Whether the fault is of a single motor's drive and means nothing to a servo.
  private var concernsMotor: Bool {
    switch self {
    case .torqueLoss, .signFlip, .supplySag, .bridgeFault: true
    default: false
    }
  }

  /// The joints of a board that can have this fault.
  func joints(of board: Board) -> [Int] {
    board.joints.indices.filter { joint in
      let wiring = board.joints[joint]
      switch self {
      case .currentDead, .currentOffset: return wiring.currentSensor != nil
      case .magnetLost: return board.encoders[wiring.encoder].chip.reportsHealth
      case .pwmNACK, .pwmBrownOut, .actuatorHang: return board.pwmChips[wiring.actuator.pwmChip].bus != nil
      case .bridgeFault:
        // A TB6612 has no protection of its own in the simulation.
        if case .motor(.tb6612, _) = wiring.actuator { return false }
        return !wiring.actuator.isServo
      default: return !(concernsMotor && wiring.actuator.isServo)
      }
    }
  }
}
