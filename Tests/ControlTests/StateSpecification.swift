import HandModel

/// What is wrong around a hand, until it is mended.
struct Damage: OptionSet, Hashable, CustomStringConvertible {
  let rawValue: UInt8
  /// The e-stop line is active.
  static let line = Damage(rawValue: 1 << 0)
  /// Encoder samples grow old.
  static let sensor = Damage(rawValue: 1 << 1)
  /// So they do because their bus has failed.
  static let bus = Damage(rawValue: 1 << 2)
  /// The encoder says that it is not to be trusted.
  static let magnet = Damage(rawValue: 1 << 3)
  /// A PWM chip does not do what it is told.
  static let chip = Damage(rawValue: 1 << 4)
  /// The joint's bridge reports a fault of its own.
  static let bridge = Damage(rawValue: 1 << 5)
  /// The drive-enable line does not follow.
  static let driveEnable = Damage(rawValue: 1 << 6)
  /// Those that write to the actuators prove nothing any more.
  static let silence = Damage(rawValue: 1 << 7)

  /// What may stand between a hand and its actuators.
  static let ofActuators: Damage = [.chip, .bridge, .driveEnable, .silence]

  static let all: [(name: String, damage: Damage)] = [
    ("line", .line), ("sensor", .sensor), ("bus", .bus), ("magnet", .magnet), ("chip", .chip),
    ("bridge", .bridge), ("drive-enable line", .driveEnable), ("silence", .silence),
  ]
  var description: String { Self.all.filter { contains($0.damage) }.map(\.name).joined(separator: "+") }
}

/// What may happen to a hand: a command, a change around it, or time that passes.
enum StateEvent: Hashable {
  case arm(CommandSource)
  case nullG(CommandSource)
  case disarm(CommandSource)
  case stop(CommandSource)
  case reset(CommandSource)
  case pose(CommandSource)
  case stream(CommandSource)
  /// A stop and a reset that one tick takes.
  case stopWithReset(CommandSource)
  /// A pose that is no number.
  case badPose
  /// Breaks what is whole and mends what is broken.
  case toggle(Damage)
  /// More current than allowed for longer than allowed.
  case overCurrent
  /// A current that is no number.
  case badCurrent
  /// An angle that no joint can have reached, three samples long.
  case jump
  /// A joint that turns faster than it may, for some ticks.
  case tooFast
  /// More deadlines skipped than the window's budget.
  case overruns
  /// The loop ends.
  case last
  /// One tick in which nothing happens.
  case tick
  /// Ticks until a stream has timed out, a motion has arrived and a healthy self-test has passed.
  case wait
  /// Ticks until a self-test gives up.
  case longWait

  static let all: [StateEvent] =
    [CommandSource.socket, .mqtt].flatMap {
      [.arm($0), .nullG($0), .disarm($0), .stop($0), .reset($0), .pose($0), .stream($0), .stopWithReset($0)]
    } + Damage.all.map { .toggle($0.damage) }
    + [.badPose, .overCurrent, .badCurrent, .jump, .tooFast, .overruns, .last, .tick, .wait, .longWait]
}

/// The states of a hand as docs/design.md and docs/control.md tell them, written down once more without looking at the
/// controller. A value of it is an abstract state: it holds everything that future states depend on.
struct StateSpecification: Hashable {
  var state = HandState.starting
  var mode = ControlMode.idle
  var fault = FaultCode.none
  var isStreaming = false
  /// Ticks in a row with fresh samples, while they count.
  var freshTicks = 0
  /// A self-test has passed.
  var isTested = false
  var damage: Damage = []
  /// A fault's reaction is to short the motors, for some time.
  var isBraking = false

  var isLive: Bool { state == .armed || state == .tracking }
  /// A fault's reaction is to hold.
  var isHolding: Bool { state == .fault && mode == .stationKeep }
  var isDriven: Bool { isLive || isHolding }
  var isLatched: Bool { state == .fault || state == .eStop }
  private var isBlind: Bool { !damage.isDisjoint(with: [.sensor, .bus]) }
  private var isFit: Bool { !isBlind && !damage.contains(.magnet) }
  private var isObeyed: Bool { damage.isDisjoint(with: .ofActuators) }

  /// What the event does to the hand.
  mutating func step(_ event: StateEvent) {
    switch event {
    case .toggle(let part):
      damage.formSymmetricDifference(part)
      pass(ticks: 1)
    case .tick: pass(ticks: 1)
    case .wait:
      pass(ticks: 20)
      isBraking = false
      // The last set-point is too old by now, or the motion has arrived.
      if state == .tracking { if isStreaming { latch(.commandTimeout) } else { hold() } }
    case .longWait:
      pass(ticks: 20)
      isBraking = false
      if state == .tracking { if isStreaming { latch(.commandTimeout) } else { hold() } }
      if state == .selfTest { latch(.selfTestFailed) }
    case .overCurrent: pass(ticks: 20, ending: .currentLimit)
    case .badCurrent: pass(ticks: 1, ending: .nonFinite)
    case .overruns: pass(ticks: 1, ending: .deadlineMisses)
    case .jump:
      // Six samples: three elsewhere, three back.
      pass(ticks: 6, ending: .implausibleSensor)
    case .tooFast:
      // Six samples there, and six back.
      pass(ticks: 12, ending: .velocityLimit)
    case .stop(let source): pass(ticks: 1, stop: source)
    case .stopWithReset(let source): pass(ticks: 1, stop: source)
    case .last:
      pass(ticks: 1)
      if isLive { end() } else { letGo() }
    case .arm, .nullG, .disarm, .reset, .pose, .stream, .badPose:
      pass(ticks: 1)
      obey(event)
    }
  }

  /// Ticks with nothing but what is there: start-up, stops, damage.
  /// - Parameter fault: what the ticks show a driven hand besides.
  private mutating func pass(ticks: Int, ending fault: FaultCode = .none, stop source: CommandSource? = nil) {
    for _ in 0..<ticks { advanceStartUp() }
    // Stops come before everything, the line before a command; an e-stop overrides a fault.
    if damage.contains(.line) { stop(.eStopLine) }
    if let source { stop(source == .mqtt ? .eStopRemote : .eStopSocket) }
    if damage.contains(.driveEnable) && state != .eStop && (state != .fault || isHolding) {
      latch(.driveEnable)
    }
    if isDriven && damage.contains(.bus) { latch(.busFault) }
    if isDriven && damage.contains(.sensor) { latch(.staleSensor) }
    if isDriven && damage.contains(.magnet) { latch(.implausibleSensor) }
    if isDriven && !damage.isDisjoint(with: .ofActuators) { latch(.actuatorFault) }
    if isDriven && fault != .none { latch(fault) }
    // Motors are shorted through what may be broken.
    if !damage.isDisjoint(with: Damage.ofActuators.union(.bus)) { isBraking = false }
  }

  private mutating func advanceStartUp() {
    guard state == .starting || state == .selfTest else { return }
    state = .selfTest
    freshTicks = isBlind ? 0 : freshTicks + 1
    if freshTicks == 10 {
      state = .idle
      freshTicks = 0
      isTested = true
    }
  }

  private mutating func obey(_ event: StateEvent) {
    switch event {
    case .arm:
      if state == .idle && isFit && isObeyed || isLive && mode == .nullG { hold() }
    case .nullG:
      guard state == .idle && isFit && isObeyed || isLive else { return }
      state = .armed
      mode = .nullG
      isStreaming = false
    case .disarm: if isLive { end() } else if isHolding { letGo() }
    case .pose, .stream:
      guard isLive else { return }
      state = .tracking
      mode = .trajectory
      if case .stream = event { isStreaming = true } else { isStreaming = false }
    case .badPose: if isLive { latch(.nonFinite) }
    case .reset(let source):
      // What holds a local stop is cleared where one sees the hand, and only once the cause is gone.
      let isLocalStop = fault == .eStopLine || fault == .eStopSocket
      guard isLatched && !(isLocalStop && source == .mqtt) else { return }
      guard isFit && isObeyed && !damage.contains(.line) else { return }
      // A hand that never passed its self-test begins it again.
      state = isTested ? .idle : .selfTest
      fault = .none
      letGo()
    default: break
    }
  }

  private mutating func hold() {
    state = .armed
    mode = .stationKeep
    isStreaming = false
  }

  private mutating func end() {
    state = .idle
    letGo()
  }

  private mutating func letGo() {
    mode = .idle
    isStreaming = false
    isBraking = false
  }

  /// Lets go, but for a commander that fell silent, for whom the hand holds, and a joint that is too fast.
  private mutating func latch(_ cause: FaultCode) {
    end()
    if cause == .commandTimeout { mode = .stationKeep }
    isBraking = cause == .velocityLimit
    state = .fault
    freshTicks = 0
    fault = cause
  }

  /// Of two e-stops the first stays, but a local one takes over a remote one, and the line is the strongest.
  private mutating func stop(_ cause: FaultCode) {
    let isStronger = cause == .eStopLine || fault == .eStopRemote && cause == .eStopSocket
    if state != .eStop || isStronger { fault = cause }
    end()
    state = .eStop
    freshTicks = 0
  }
}
