import Devices
import HandModel
import PrimalLogic
import Runtime
import SeededRandom
import Simulation

/// A fault at work in a running hand: at the chips' registers and wires, in the joint's mechanics,
/// in the machine.
struct Injection {
  /// Senders that flood do so for this long.
  private static let floodSeconds = 0.3
  /// Deadlines that a burst misses.
  private static let burstTicks = 5...40
  /// How late single wake-ups of a busy machine are, in periods.
  private static let latePeriods = 0.2...3.0
  /// Time after which an adapter gives up on a hung bus.
  private static let hangNanoseconds: Int64 = 300_000
  private static let longHangNanoseconds: Int64 = 5_000_000
  /// From the start of a motion until the bus hangs: within the 50 ms in which a joint at its fastest
  /// reaches full speed.
  private static let accelerationSeconds = 0.001...0.05
  /// Ticks from a disarm until the line sticks, and until the hand is armed again.
  private static let ticksToStick = 3
  private static let ticksToArm = 5

  private let plan: EpisodePlan
  private let hand: CampaignHand
  private let simulation: SimulatedHand
  private let board: Board
  private let floodEnd: Int
  /// The tick in which the actuators' bus hangs: some way into the motion with which the fault begins.
  private let hangTick: Int
  private let burstEnd: Int
  private var generator: SeededGenerator
  private(set) var hasBegun = false
  /// Whether the parser took a command that it must refuse.
  private(set) var acceptedBadCommand = false

  init(_ plan: EpisodePlan, hand: CampaignHand, simulation: SimulatedHand) {
    self.plan = plan
    self.hand = hand
    self.simulation = simulation
    board = hand.design.board
    var generator = plan.generator
    floodEnd = plan.tick + hand.ticks(seconds: Self.floodSeconds)
    burstEnd = plan.tick + Int.random(in: Self.burstTicks, using: &generator)
    hangTick =
      plan.tick + hand.ticks(seconds: Double.random(in: Self.accelerationSeconds, using: &generator))
    self.generator = generator
  }

  /// Whether the activity sends no commands any more.
  var silencesActivity: Bool { hasBegun && (plan.fault == .streamEnds || plan.fault == .driveEnable) }
  /// Whether the drive-enable line is stuck live, whatever the hand does.
  var holdsDriveEnableLive: Bool {
    hasBegun && plan.fault == .driveEnable && driveEnableVariant != .staysOffWhenArmed
  }
  var blocksRecorder: Bool { hasBegun && plan.fault == .recorderFull }
  var blocksPublisher: Bool { hasBegun && plan.fault == .publisherFull }

  private var driveEnableVariant: FaultClass.DriveEnableVariant? { .init(rawValue: plan.variant) }
  /// Nil where the kernel's chips drive the joint.
  private var actuatorBus: SimulatedBus? {
    board.pwmChips[board.joints[plan.joint].actuator.pwmChip].bus.map { simulation.buses[$0] }
  }
  private var joint: SimulatedJoint { simulation.joints[plan.joint] }
  private var encoderSpec: EncoderSpec { board.encoders[board.joints[plan.joint].encoder] }
  private var encoder: SimulatedChip { simulation.encoders[board.joints[plan.joint].encoder] }
  private var pwmChip: SimulatedPCA9685? {
    // Chips of the kernel's own are not among the simulation's.
    let chip = board.joints[plan.joint].actuator.pwmChip
    guard board.pwmChips[chip].bus != nil else { return nil }
    return simulation.pwmChips[board.pwmChips[..<chip].count { $0.bus != nil }]
  }

  // MARK: Faults of the hand

  /// Called before the buses work for `tick`. Starts the fault, and continues it where it needs that.
  mutating func act(before tick: Int, now: Int64, sender: inout CommandSender) {
    guard tick >= plan.tick else { return }
    if tick == plan.tick {
      hasBegun = true
      begin(now: now, sender: &sender)
    }
    switch plan.fault {
    case .encoderDropouts:
      encoder.setConnected(Double.random(in: 0..<1, using: &generator) >= plan.strength)
    case .commandFlood where tick < floodEnd: flood(&sender)
    case .commandReplayed: sender.replay()
    case .actuatorHang where tick == hangTick:
      actuatorBus?.inject(.hang(nanoseconds: Int64(plan.strength * 1e6)), transfers: 1)
    case .driveEnable where driveEnableVariant == .staysOffWhenArmed:
      if tick == plan.tick + Self.ticksToStick { simulation.driveEnable.setStuck(.seen) }
      if tick == plan.tick + Self.ticksToArm { sender.send(.arm) }
    default: break
    }
  }

  private func stickDriveEnable(_ sender: inout CommandSender) {
    switch driveEnableVariant {
    case .staysLiveWhenDisarmed, nil:
      simulation.driveEnable.setStuck(.seen)
      sender.send(.disarm)
    case .staysLiveWhenStopped:
      simulation.driveEnable.setStuck(.seen)
      sender.send(.stop)
    case .staysLiveUnseen:
      simulation.driveEnable.setStuck(.unseen)
      sender.send(.stop)
    case .staysOffWhenArmed: sender.send(.disarm)
    }
  }

  private mutating func begin(now: Int64, sender: inout CommandSender) {
    var error = SimulatedJoint.EncoderError()
    error.sinceNanoseconds = now
    switch plan.fault {
    case .encoderStuck: joint.setEncoderStuck(at: now)
    case .encoderJump:
      error.offsetRadians = plan.strength
      joint.setEncoderError(error)
    case .encoderDrift:
      error.driftRadiansPerSecond = plan.strength
      joint.setEncoderError(error)
    case .encoderNoise:
      error.noiseRadians = plan.strength
      joint.setEncoderError(error)
    case .encoderWrap:
      // Half a turn from the calibrated zero, where the angle changes its sign.
      error.offsetRadians = .pi - joint.truth(at: now).radians
      joint.setEncoderError(error)
    case .encoderNACK: encoder.setConnected(false)
    case .busDead: killBus()
    case .busSlow: simulation.buses[encoderSpec.bus].setSlowness(plan.strength)
    case .magnetLost:
      (encoder as? SimulatedAS5600)?.setMagnet(MagnetHealth(status: 0, automaticGain: 255, magnitude: 0))
      (encoder as? SimulatedAS5048B)?.setDiagnostics(
        AS5048BDiagnostics(
          flags: AS5048BDiagnostics.offsetCompensationFinished | AS5048BDiagnostics.fieldTooWeak,
          automaticGain: 255, magnitude: 0))
    case .currentDead where plan.variant == 0: joint.setCurrentError(scale: 0, offsetAmperes: 0)
    case .currentDead:
      if let sensor = board.joints[plan.joint].currentSensor {
        simulation.currentSensors[sensor].setConnected(false)
      }
    case .currentOffset: joint.setCurrentError(scale: 1, offsetAmperes: plan.strength)
    case .torqueLoss: joint.setDriveScale(plan.variant == 0 ? 0.1 : 0)
    case .signFlip: joint.setDriveScale(-1)
    case .jam: joint.setJammed(true)
    case .actuatorDelay: joint.setDriveDelay(nanoseconds: Int64(plan.strength * 1e6))
    case .supplySag: for joint in simulation.joints { joint.setDriveScale(plan.strength) }
    case .pwmNACK: pwmChip?.setConnected(false)
    case .pwmBrownOut: pwmChip?.powerCycle(at: now)
    case .bridgeFault: simulation.bridgeFault(plan.joint).setTripped(true)
    case .actuatorHang: sendFarEnd(now: now, &sender)
    case .driveEnable: stickDriveEnable(&sender)
    case .commandNaN: sendUnparsable(&sender)
    case .setpointNaN: sendNonFinite(now: now, &sender)
    case .setpointJump: sendFarEnd(now: now, &sender)
    case .contact: joint.setObject(atRadians: joint.truth(at: now).radians + plan.strength)
    case .drop: for joint in simulation.joints { joint.setObject(atRadians: nil) }
    case .pull: joint.setExternalTorque(newtonMetres: plan.strength)
    case .encoderDropouts, .actuatorDead, .commandFlood, .streamEnds, .commandReplayed, .overrun,
      .overrunBurst, .overrunsMany, .loopFrozen, .clockJump, .wallJump, .recorderFull, .publisherFull:
      break
    }
  }

  private func killBus() {
    let bus = simulation.buses[encoderSpec.bus]
    switch plan.variant {
    case 0: bus.inject(.hang(nanoseconds: Self.hangNanoseconds))
    case 1: bus.inject(.hang(nanoseconds: Self.longHangNanoseconds))
    case 2: bus.inject(.nack(nil))
    case 3: bus.inject(.busError(nil))
    case 4: bus.inject(.arbitrationLoss)
    default:
      // Where the kernel's chips drive the hand there is no such bus. The encoders' bus dies instead.
      (actuatorBus ?? bus).inject(.hang(nanoseconds: 1_000_000))
    }
  }

  // MARK: Commands

  private mutating func sendUnparsable(_ sender: inout CommandSender) {
    let value = ["NaN", "Infinity", "1e999", "-1e308", "\"nan\"", "null"][plan.variant]
    let others = Array(repeating: "0.1", count: board.joints.count - 1)
    let list = (others + [value]).joined(separator: ",")
    for text in [
      "{\"verb\":\"move\",\"joint\":\"\(board.joints[plan.joint].name)\",\"radians\":\(value)}",
      "{\"verb\":\"stream\",\"radians\":[\(list)]}",
      "{\"verb\":\"pose\",\"radians\":[\(list)],\"seconds\":\(value)}",
    ] {
      guard case .success(let envelope) = hand.parser.parse(Array(text.utf8), now: 0) else { continue }
      acceptedBadCommand = true
      sender.send(envelope.command)
    }
  }

  private func sendNonFinite(now: Int64, _ sender: inout CommandSender) {
    var command = TickCommand()
    command.kind = plan.variant == 3 ? .stream : .pose
    command.jointMask = 1 << JointMask(plan.joint)
    command.targets[plan.joint] = joint.truth(at: now).radians
    switch plan.variant {
    case 0, 3: command.targets[plan.joint] = .nan
    case 1: command.targets[plan.joint] = .infinity
    case 2: command.targets[plan.joint] = -.infinity
    case 4: command.seconds = .nan
    case 5: command.seconds = .infinity
    default: command.seconds = -1
    }
    sender.send(command)
  }

  private func sendFarEnd(now: Int64, _ sender: inout CommandSender) {
    let targets = simulation.joints.enumerated().map { index, joint in
      let limits = hand.design.calibration.joints[index].limits
      let middle = 0.5 * (limits.lowerRadians + limits.upperRadians)
      return joint.truth(at: now).radians < middle ? limits.upperRadians : limits.lowerRadians
    }
    // A single set-point outside a stream would start a stream and end it.
    sender.send(
      plan.activity == .streaming ? .stream(radians: targets) : .pose(radians: targets, seconds: nil))
  }

  private mutating func flood(_ sender: inout CommandSender) {
    for _ in 0..<Int(plan.strength) {
      let targets = hand.design.calibration.joints.map {
        Double.random(in: $0.limits.lowerRadians...$0.limits.upperRadians, using: &generator)
      }
      switch Int.random(in: 0..<4, using: &generator) {
      case 0: sender.send(.arm)
      case 1: sender.send(.reset)
      default: sender.send(.pose(radians: targets, seconds: nil))
      }
    }
  }

  // MARK: Faults of the machine

  /// What goes wrong with the machine in `tick`.
  mutating func trouble(in tick: Int) -> MachineDisturbance {
    var trouble = MachineDisturbance()
    guard tick >= plan.tick else { return trouble }
    let period = Double(board.control.periodNanoseconds)
    switch plan.fault {
    case .overrun where tick == plan.tick, .overrunBurst where tick < burstEnd:
      trouble.loopLateNanoseconds = Int64(plan.strength * period)
    case .overrunsMany where Double.random(in: 0..<1, using: &generator) < plan.strength:
      trouble.loopLateNanoseconds = Int64(Double.random(in: Self.latePeriods, using: &generator) * period)
    case .loopFrozen where tick == plan.tick:
      trouble.loopLateNanoseconds = Int64(plan.strength * 1e6)
    case .actuatorDead: trouble.killsActuatorThreads = true
    case .clockJump where tick == plan.tick:
      trouble.pausedNanoseconds = Int64(plan.strength * 1e6)
    case .wallJump where tick == plan.tick:
      trouble.wallStepNanoseconds = Int64(plan.strength * 3600e9)
    case .recorderFull, .publisherFull: trouble.consumersAreStuck = true
    default: break
    }
    return trouble
  }
}
