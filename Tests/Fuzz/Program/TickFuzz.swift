import Control
import HandFiles
import HandModel
import PrimalLogic

/// The tick under inputs that nothing would make on purpose: bytes become a sequence of ticks, and after each of
/// them everything must hold that docs/design.md promises.
///
/// An input begins with a byte that chooses the hand and how it begins; then each tick is a byte that says which of
/// its inputs come from the bytes that follow. What is not said is a healthy hand at rest.
final class TickFuzz {
  nonisolated(unsafe) static let shared = TickFuzz()

  private let hands: [FuzzedHand] = [
    FuzzedHand(board: "Boards/sim.yaml", calibration: "Calibration/nominal-hand.yaml"),
    FuzzedHand(board: "Boards/sim-servo.yaml", calibration: "Calibration/servo-hand.yaml"),
  ]

  /// Enough for every window and time-out of the fuzzed hands to pass several times.
  private static let mostTicks = 512

  func run(_ input: UnsafeRawBufferPointer) {
    var reader = InputReader(input)
    let start = reader.byte()
    let hand = hands[Int(start & 1)]
    hand.begin(isIdle: start & 2 != 0)
    var ticks = 0
    while !reader.isAtEnd && ticks < Self.mostTicks {
      let times = hand.read(&reader)
      for _ in 0..<times {
        hand.tick()
        ticks += 1
      }
    }
  }
}

/// Three joints of a shipped hand with the shortest windows, so that few ticks reach every fault.
final class FuzzedHand {
  private static let jointCount = 3
  private static let windowTicks = 16
  /// Bits of the byte that begins a tick.
  private enum Given {
    static let samples: UInt8 = 1 << 0
    static let time: UInt8 = 1 << 1
    static let command: UInt8 = 1 << 2
    static let stream: UInt8 = 1 << 3
    static let measurements: UInt8 = 1 << 4
    static let failures: UInt8 = 1 << 5
    static let repetition: UInt8 = 1 << 6
    static let replay: UInt8 = 1 << 7
  }

  private var controller: HandController
  /// Runs recorded ticks again, from a checkpoint.
  private var replayer: HandController
  private var isReplaying = false
  private let parameters: [JointParameters]
  private let settings: ControlSettings
  private let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
  private let record = UnsafeMutablePointer<TickRecord>.allocate(capacity: 1)
  private let actuators = UnsafeMutablePointer<ActuatorCommand>.allocate(capacity: 1)
  private let recalled = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
  private let replayed = UnsafeMutablePointer<TickRecord>.allocate(capacity: 1)
  private let replayedActuators = UnsafeMutablePointer<ActuatorCommand>.allocate(capacity: 1)
  private let checkpoint: UnsafeMutableRawBufferPointer
  private let atStart: UnsafeMutableRawBufferPointer
  private let atIdle: UnsafeMutableRawBufferPointer
  private var restingSamples = TickInputs()
  // What the next ticks are told beyond `inputs`.
  private var stepNanoseconds: Int64 = 0
  private var hasNewSamples = true
  private var sampleAge: Int64 = 0
  // What the last tick left.
  private var before = TickRecord()
  private var beforeSequence: UInt64?
  private var handledNumber: UInt32 = 0

  init(board: String, calibration: String) {
    do {
      let files = try HandFiles(board: board, calibration: calibration)
      let design = try HandDesign(board: files.board, calibration: files.calibration)
      parameters = Array(design.joints.prefix(Self.jointCount))
      var settings = files.board.control
      settings.windowTicks = Self.windowTicks
      settings.uncertifiedBudgetTicks = 3
      settings.overrunBudgetTicks = 3
      settings.commandTimeoutNanoseconds = 8 * settings.periodNanoseconds
      settings.staleSampleNanoseconds = 3 * settings.periodNanoseconds
      self.settings = settings
    } catch { fatalError("\(error); run from the root of the repository") }
    controller = HandController(settings: settings, parameters: parameters)
    replayer = HandController(settings: settings, parameters: parameters)
    let size = controller.checkpointByteCount
    checkpoint = .allocate(byteCount: size, alignment: 64)
    atStart = .allocate(byteCount: size, alignment: 64)
    atIdle = .allocate(byteCount: size, alignment: 64)
    inputs.initialize(to: TickInputs())
    record.initialize(to: TickRecord())
    actuators.initialize(to: ActuatorCommand())
    recalled.initialize(to: TickInputs())
    replayed.initialize(to: TickRecord())
    replayedActuators.initialize(to: ActuatorCommand())
    for j in 0..<Self.jointCount {
      restingSamples.encoders[j].isValid = true
      restingSamples.encoders[j].counts = UInt16(parameters[j].calibration.encoder.zeroCounts)
    }
    restingSamples.nowNanoseconds = 1_000_000_000
    Self.copy(&controller, to: atStart)
    rest()
    for _ in 0..<GuardLimits.standard.selfTestTicks { tick() }
    require(record.pointee.state == .idle, "a resting hand is idle after its self-test")
    Self.copy(&controller, to: atIdle)
  }

  private static func copy(
    _ controller: inout HandController, to memory: UnsafeMutableRawBufferPointer
  ) {
    guard let start = memory.baseAddress else { fatalError("a checkpoint has bytes") }
    controller.beginCheckpoint(start)
    var step = 0
    while !controller.continueCheckpoint(start, step: step) { step += 1 }
  }

  private func rest() {
    inputs.pointee = restingSamples
    stepNanoseconds = settings.periodNanoseconds
    sampleAge = settings.periodNanoseconds / 10
    hasNewSamples = true
    isReplaying = false
    beforeSequence = nil
    handledNumber = 0
  }

  /// Becomes a hand that has just started, or one whose self-test has passed.
  func begin(isIdle: Bool) {
    rest()
    do { try controller.restore(UnsafeRawBufferPointer(isIdle ? atIdle : atStart)) } catch {
      fatalError("\(error)")
    }
    if isIdle {
      inputs.pointee.nowNanoseconds += Int64(GuardLimits.standard.selfTestTicks) * settings.periodNanoseconds
    }
  }

  // MARK: - Inputs

  /// Takes what the next ticks are told from the bytes; returns how many ticks are told so.
  func read(_ reader: inout InputReader) -> Int {
    let given = reader.byte()
    stepNanoseconds = settings.periodNanoseconds
    sampleAge = settings.periodNanoseconds / 10
    hasNewSamples = true
    inputs.pointee.skippedDeadlines = 0
    inputs.pointee.stopRequested = false
    inputs.pointee.isLast = false
    if given & Given.samples != 0 { readSamples(&reader) }
    if given & Given.time != 0 {
      stepNanoseconds = reader.integer(scale: settings.periodNanoseconds / 4)
      inputs.pointee.skippedDeadlines = Int(reader.integer(scale: 1))
    }
    if given & Given.command != 0 {
      inputs.pointee.command = readCommand(&reader, after: inputs.pointee.command.number)
    }
    if given & Given.stream != 0 {
      inputs.pointee.stream = readCommand(&reader, after: inputs.pointee.stream.number)
      inputs.pointee.stream.kind = .stream
    }
    if given & Given.measurements != 0 {
      let joint = Int(reader.byte()) % Self.jointCount
      inputs.pointee.currentsAmperes[joint] = reader.double(scale: 1)
      inputs.pointee.forcesNewtons[joint] = reader.double(scale: 10)
    }
    if given & Given.failures != 0 { readFailures(&reader) }
    let times = given & Given.repetition != 0 ? Int(reader.byte() % 32) + 1 : 1
    if given & Given.replay != 0 && !isReplaying { beginReplay() }
    return times
  }

  private func readSamples(_ reader: inout InputReader) {
    let what = reader.byte()
    let joint = Int(what & 3) % Self.jointCount
    hasNewSamples = what & 4 == 0
    inputs.pointee.encoders[joint].isValid = what & 8 == 0
    if what & 16 != 0 { inputs.pointee.encoders[joint].counts = reader.word() }
    // A joint moves by little in a tick; a byte finds such ways sooner than a word.
    if what & 32 != 0 {
      inputs.pointee.encoders[joint].counts &+= UInt16(truncatingIfNeeded: Int(reader.byte()) - 128)
    }
    if what & 64 != 0 { sampleAge = reader.integer(scale: settings.periodNanoseconds / 8) }
  }

  private func readCommand(_ reader: inout InputReader, after number: UInt32) -> TickCommand {
    var command = TickCommand()
    let what = reader.byte()
    // Only these come as the newest command: `CommandPort` gives stops and set-points another way.
    let kinds: [TickCommand.Kind] = [.arm, .nullG, .disarm, .reset, .pose, .arm, .pose, .reset]
    command.kind = kinds[Int(what & 7)]
    command.source = what & 8 != 0 ? .mqtt : .socket
    // Seldom the same number again, as a repeated delivery would have.
    command.number = what & 16 != 0 ? number : number &+ 1
    if what & 32 != 0 {
      command.jointMask = JointMask(reader.word())
      for j in 0..<Self.jointCount { command.targets[j] = reader.double(scale: 1) }
    } else {
      command.jointMask = 0b111
      for j in 0..<Self.jointCount { command.targets[j] = 0.1 }
    }
    if what & 64 != 0 { command.seconds = reader.double(scale: 1) }
    return command
  }

  private func readFailures(_ reader: inout InputReader) {
    let what = reader.byte()
    inputs.pointee.eStopLineActive = what & 1 != 0
    inputs.pointee.stopRequested = what & 2 != 0
    inputs.pointee.stopSource = what & 4 != 0 ? .mqtt : .socket
    inputs.pointee.actuatorFailed = what & 8 != 0
    inputs.pointee.isLast = what & 16 != 0
    inputs.pointee.failedBusJoints = JointMask(what & 32 != 0 ? reader.word() : 0)
    inputs.pointee.unhealthyJoints = JointMask(what & 64 != 0 ? reader.word() & 0b111 : 0)
    inputs.pointee.failedActuatorJoints = JointMask(what & 128 != 0 ? reader.word() & 0b111 : 0)
    let proof = reader.byte()
    inputs.pointee.driveEnableFailed = proof & 1 != 0
    inputs.pointee.actuatorLagTicks = UInt32(proof >> 1)
  }

  // MARK: - Ticks

  func tick() {
    inputs.pointee.nowNanoseconds &+= stepNanoseconds
    inputs.pointee.deadlineNanoseconds = inputs.pointee.nowNanoseconds
    for j in 0..<Self.jointCount {
      guard hasNewSamples else { continue }
      inputs.pointee.encoders[j].number &+= 1
      inputs.pointee.encoders[j].timeNanoseconds = inputs.pointee.nowNanoseconds &- sampleAge
    }
    let isNew = beforeSequence != nil && inputs.pointee.command.number != handledNumber
    handledNumber = inputs.pointee.command.number
    controller.tick(inputs, record: record, actuators: actuators)
    checkOutputs()
    checkState(isCommandNew: isNew)
    if isReplaying { checkReplay() }
    before = record.pointee
    beforeSequence = record.pointee.sequence
  }

  private func checkOutputs() {
    let live = actuators.pointee.enabled
    require(record.pointee.outputsEnabled == live, "the record's outputs")
    for j in 0..<Self.jointCount {
      let duty = actuators.pointee.duty[j]
      let pulse = actuators.pointee.pulseNanoseconds[j]
      require(duty.magnitude <= 1, "duty \(duty) of joint \(j)")
      switch parameters[j].calibration.drive {
      case .motor: require(pulse == 0, "pulse \(pulse) ns of motor \(j)")
      case .servo(let servo):
        require(duty == 0, "duty \(duty) of servo \(j)")
        let shortest = Int64(servo.minimumMicroseconds * 1000)
        let longest = Int64((servo.maximumMicroseconds * 1000).rounded(.up))
        require(pulse == 0 || (shortest...longest).contains(pulse), "pulse \(pulse) ns of servo \(j)")
      }
      check(joint: j)
    }
    let record = record.pointee
    let sums = [record.psi, record.gamma, record.energyIntegral]
    require(sums.allSatisfy(\.isFinite), "ψ, γ, E_c: \(sums)")
    require(record.dtNanoseconds >= 1, "dt \(record.dtNanoseconds) ns")
    require(record.lipschitz.isNaN == record.ratePerSecond.isNaN, "a rate without L")
    require(record.lipschitz.isNaN == record.windowProduct.isNaN, "Λ without L")
    if !record.lipschitz.isNaN {
      require(record.lipschitz > 0 && record.ratePerSecond.isFinite, "L \(record.lipschitz)")
      require(record.windowProduct >= 0 && record.windowProduct.isFinite, "Λ \(record.windowProduct)")
    }
  }

  private func check(joint j: Int) {
    let joint = record.pointee.joints[j]
    let numbers = [
      joint.setpointRadians, joint.setpointRadiansPerSecond, joint.measuredRadians, joint.positionRadians,
      joint.velocityRadiansPerSecond, joint.innovationRadians, joint.nominalRadians,
      joint.memoryRadianSeconds,
      joint.demandNewtonMetres, joint.torqueNewtonMetres, joint.distance,
    ]
    require(numbers.allSatisfy(\.isFinite), "joint \(j): \(numbers)")
    if record.pointee.mode == .stationKeep || record.pointee.mode == .trajectory {
      let limits = parameters[j].calibration.limits
      let range = limits.lowerRadians...limits.upperRadians
      require(range.contains(joint.setpointRadians), "set-point \(joint.setpointRadians) of joint \(j)")
    }
    require((0...1).contains(joint.slope), "slope \(joint.slope) of joint \(j)")
    require(joint.lipschitz.isNaN || joint.lipschitz > 0 && joint.lipschitz.isFinite, "L of joint \(j)")
    require(joint.distance >= 0, "V of joint \(j)")
    if case .motor(let drive) = parameters[j].calibration.drive {
      require(
        joint.torqueNewtonMetres.magnitude <= drive.torqueLimitNewtonMetres,
        "torque \(joint.torqueNewtonMetres) N m of joint \(j)")
    }
  }

  private func checkState(isCommandNew: Bool) {
    let now = record.pointee
    let live = now.outputsEnabled
    let latched = now.state == .fault || now.state == .eStop
    // docs/faults.md: after some faults the hand holds, or brakes for a time, instead of going limp.
    let holds = now.state == .fault && now.fault.reaction == .hold && now.mode == .stationKeep
    let drives = now.state == .armed || now.state == .tracking || holds
    let mayBrake = now.state == .fault && now.fault.reaction == .brake
    require(live == drives || live && mayBrake, "outputs \(live) in \(now.state), \(now.fault)")
    let given = inputs.pointee
    let isDoubtful =
      given.actuatorFailed || given.failedActuatorJoints | given.failedBusJoints != 0
      || given.actuatorLagTicks > GuardLimits.standard.brakingLagTicks
    require(!(live && !drives && isDoubtful), "braking through what fails")
    require(!(live && given.driveEnableFailed), "outputs live with a drive-enable line that does not follow")
    require(latched == (now.fault != .none), "\(now.fault) in \(now.state)")
    require(drives == (now.mode != .idle), "\(now.mode) in \(now.state), \(now.fault)")
    for j in 0..<Self.jointCount where !drives {
      let isOff = actuators.pointee.duty[j] == 0 && actuators.pointee.pulseNanoseconds[j] == 0
      require(isOff, "joint \(j) is driven in \(now.state), \(now.fault)")
    }
    let isStop = inputs.pointee.eStopLineActive || inputs.pointee.stopRequested
    if isStop { require(now.state == .eStop, "\(now.state) with a stop") }
    if inputs.pointee.isLast { require(!live, "outputs live after the last tick") }
    guard let sequence = beforeSequence else { return }
    require(now.sequence == sequence &+ 1, "tick \(now.sequence) after \(sequence)")
    let kind = inputs.pointee.command.kind
    let source = inputs.pointee.command.source
    if live && !before.outputsEnabled {
      require(isCommandNew && (kind == .arm || kind == .nullG), "live without arming: \(kind)")
      require(before.state == .idle || before.state == .selfTest, "armed from \(before.state)")
    }
    let wasLatched = before.state == .fault || before.state == .eStop
    if wasLatched && !latched {
      require(isCommandNew && kind == .reset, "\(before.fault) cleared by \(kind)")
      let isLocal = before.fault == .eStopLine || before.fault == .eStopSocket
      require(!(isLocal && source == .mqtt), "a local e-stop cleared remotely")
    }
    if before.state == .eStop { require(now.state != .fault, "an e-stop became a fault") }
  }

  // MARK: - Replay

  /// From here on the recorded ticks are run again beside the ticks, as `motorhand log replay` would.
  private func beginReplay() {
    guard beforeSequence != nil else { return }
    Self.copy(&controller, to: checkpoint)
    do { try replayer.restore(UnsafeRawBufferPointer(checkpoint)) } catch { fatalError("\(error)") }
    recalled.pointee = TickInputs()
    isReplaying = true
  }

  private func summary(_ record: UnsafePointer<TickRecord>) -> String {
    let record = record.pointee
    let joints = (0..<Self.jointCount).map { record.joints[$0] }
    return "\(record.state) \(record.mode) \(record.fault), command \(record.commandNumber), dt "
      + "\(record.dtNanoseconds), \(joints)"
  }

  private func checkReplay() {
    recalled.pointee.recall(record)
    replayer.tick(recalled, record: replayed, actuators: replayedActuators)
    let isEqual = replayed.pointee.outputHash == record.pointee.outputHash
    require(isEqual, "replay differs:\n\(summary(record))\n\(summary(replayed))")
  }
}
