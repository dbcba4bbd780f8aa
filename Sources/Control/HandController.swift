import HandModel
import PrimalLogic

/// The controller of one hand: a pure step from inputs to outputs, run once a tick. It composes values that
/// stand in files of their own: gate and estimate (`SampleGate`, `JointEstimate`), states
/// (`HandStateMachine`), law and certificate (`LawStep`), and the conditions that latch (`Guard`).
///
/// Touches no file, socket, lock or allocator after `init` (checked by the compiler through `@_noLocks`);
/// time comes in with the inputs. The same code runs on hardware, in simulation and in replay.
package struct HandController: TickController, ~Copyable {
  let jointCount: Int
  let joints: JointStates
  private let jointMemory: UnsafeMutablePointer<JointState>
  let windows: UnsafeMutablePointer<WindowProduct>
  private let certificates: UnsafeMutablePointer<CertificateMemory>
  private let fingers: CoupledFingers
  let rules: Guard
  private let staleness: Int64
  private let periodNanoseconds: Int64
  /// Whether the certificate and the tests beside it look at the tick; only a bench, which measures what they
  /// cost, leaves them out.
  private let checks: Bool
  let layout: RecordLayout
  private let hasher: OutputHasher
  /// Fingerprint of a checkpoint's layout.
  let checkpointLayout: UInt64

  // What the controller remembers. All of it is in a checkpoint, but for the numbers of what was handled.

  var memory = ControllerMemory()
  /// Ticks without a certificate; those of them that came too late; skipped deadlines.
  var uncertifiedWindow: WindowProduct
  var lateWindow: WindowProduct
  var overrunWindow: WindowProduct
  /// The last command that was looked at, refused or not, for its sender.
  package internal(set) var handledCommand: UInt32 = 0
  var handledStream: UInt32 = 0
  /// What the last command came to, for its sender.
  package internal(set) var lastResult = CommandResult.executed

  /// Number of the tick that comes next.
  package var sequence: UInt64 {
    @_noLocks get { memory.sequence }
  }

  /// - Parameter parameters: one a joint, in the board's order, 1...`maximumJoints`.
  package init(
    settings: ControlSettings, parameters: [JointParameters], limits: GuardLimits = .standard,
    checks: Bool = true
  ) {
    precondition((1...maximumJoints).contains(parameters.count), "a hand has 1...\(maximumJoints) joints")
    self.checks = checks
    layout = RecordLayout()
    hasher = OutputHasher(jointCount: parameters.count)
    rules = Guard(settings, limits: limits, checks: checks)
    staleness = settings.staleSampleNanoseconds
    periodNanoseconds = settings.periodNanoseconds
    jointCount = parameters.count
    jointMemory = .allocate(capacity: parameters.count)
    joints = JointStates(jointMemory, count: parameters.count)
    certificates = .allocate(capacity: parameters.count)
    windows = .allocate(capacity: parameters.count)
    for (j, p) in parameters.enumerated() {
      var constants = JointConstants(p, limits: limits)
      constants.share(with: parameters.map(\.model), joint: j)
      (jointMemory + j).initialize(to: JointState(constants, model: p.model))
      (certificates + j).initialize(to: CertificateMemory(copying: p.certificate))
      (windows + j).initialize(to: WindowProduct(ticks: settings.windowTicks))
    }
    fingers = CoupledFingers(parameters)
    uncertifiedWindow = WindowProduct(ticks: settings.windowTicks)
    lateWindow = WindowProduct(ticks: settings.windowTicks)
    overrunWindow = WindowProduct(ticks: settings.windowTicks)
    checkpointLayout = Self.layout(
      of: joints[0].pointee, jointCount: jointCount, windowTicks: settings.windowTicks)
  }

  deinit {
    jointMemory.deallocate()
    windows.deinitialize(count: jointCount)
    windows.deallocate()
    certificates.deinitialize(count: jointCount)
    certificates.deallocate()
  }

  /// One tick: samples → estimate → command → law → certificate → guard → outputs and record.
  @_noLocks
  package mutating func tick(
    _ inputs: UnsafePointer<TickInputs>, record: UnsafeMutablePointer<TickRecord>,
    actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    let now = inputs.pointee.nowNanoseconds
    let interval = memory.beginTick(
      inputs, period: periodNanoseconds, limits: rules.limits, jointCount: jointCount, record)
    let dt = Double(interval.nanoseconds) * 1e-9
    overrunWindow.push(Int64(inputs.pointee.skippedDeadlines))

    let unready = estimate(inputs, dt: dt, record)
    let hasFailed = memory.machine.advanceSelfTest(isReady: unready == 0, now: now, limits: rules.limits)
    latch(rules.selfTest(hasFailed: hasFailed, unready: unready))
    latch(rules.clock(hasAdvanced: interval.hasAdvanced, dt: dt, drives: memory.machine.drives))
    latch(rules.stops(inputs))
    watch(inputs, unready: unready, dt: interval.nanoseconds)
    memory.machine.endBraking(isDoubtful: rules.isBrakingDoubtful(inputs), now: now, limits: rules.limits)
    obey(inputs, unready: unready, record)
    if inputs.pointee.isLast { follow(memory.machine.retire()) }
    control(inputs, dt: dt, record, actuators)
    finish(record, actuators)
    memory.sequence &+= 1
  }

  // MARK: - Estimate and guard

  /// Takes in the samples; returns the joints (bit j) without a usable one.
  @_noLocks
  private mutating func estimate(
    _ inputs: UnsafePointer<TickInputs>, dt: Double, _ record: UnsafeMutablePointer<TickRecord>
  ) -> JointMask {
    var unready: JointMask = 0
    let samples = layout.encoders(inputs)
    let out = layout.joints(record, count: jointCount)
    fingers.pull(joints, dt: dt)
    for j in 0..<jointCount {
      let verdict = joints.estimate(
        j, inputs, samples[j], dt: dt, pull: fingers.share(j).pointee.pull, staleness: staleness,
        limits: rules.limits, out[j])
      // At once: the joints that come after it are let go in this tick already.
      latch(rules.sample(verdict, joint: j, drives: memory.machine.drives))
      if out[j].pointee.flags & JointFlags.stale != 0 { unready |= 1 << JointMask(truncatingIfNeeded: j) }
    }
    return unready
  }

  /// Faults that show in a driven hand whatever is commanded.
  @_noLocks
  private mutating func watch(_ inputs: UnsafePointer<TickInputs>, unready: JointMask, dt: Int64) {
    guard memory.machine.drives else { return }
    var alarm = Alarm()
    rules.inputs(
      inputs, unready: unready, dt: dt, followed: memory.followedNanoseconds, overruns: overrunWindow.sum,
      &alarm)
    let hasSetpoint = !(memory.machine.mode == .nullG)
    for j in 0..<jointCount {
      alarm.raise(
        rules.joint(joints[j], amperes: inputs.pointee.currentsAmperes[j], hasSetpoint: hasSetpoint), j)
    }
    rules.commandTimeout(memory.machine, now: inputs.pointee.nowNanoseconds, &alarm)
    latch(alarm)
  }

  @_noLocks
  mutating func latch(_ alarm: Alarm) {
    guard alarm.isRaised else { return }
    follow(memory.machine.latch(alarm, now: memory.clock.now, limits: rules.limits))
  }

  /// Does to the joints what a change of state asks.
  @_noLocks
  mutating func follow(_ consequence: Consequence) {
    switch consequence {
    case .none: break
    case .letGo: for j in 0..<jointCount { joints[j].pointee.release() }
    case .stopMoving: for j in 0..<jointCount { joints[j].pointee.stopSetPoint() }
    case .engageAndStop:
      engage()
      for j in 0..<jointCount { joints[j].pointee.stopSetPoint() }
    case .engage: engage()
    case .begin:
      uncertifiedWindow.reset()
      lateWindow.reset()
      overrunWindow.reset()
      engage()
    }
  }

  /// Law, nominal model and set-point of every joint start anew where the joint is.
  @_noLocks
  private mutating func engage() {
    for j in 0..<jointCount {
      joints[j].pointee.engageAnew()
      (windows + j).pointee.reset()
    }
  }

  // MARK: - Control

  @_noLocks
  private mutating func control(
    _ inputs: UnsafePointer<TickInputs>, dt: Double, _ record: UnsafeMutablePointer<TickRecord>,
    _ actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    let live = memory.machine.drives
    let isFloating = memory.machine.mode == .nullG
    let out = layout.joints(record, count: jointCount)
    var worst = WorstJoint()
    var undecayed = 255
    var psi = 0.0
    var gamma = 0.0
    if live && !isFloating { fingers.advance(joints, dt: dt, out, checks: checks) }
    for j in 0..<jointCount {
      let joint = joints[j]
      if joint.pointee.isDecisionTick { joint.pointee.shiftInputs() }
      actuators.pointee.duty[j] = 0
      actuators.pointee.pulseNanoseconds[j] = 0
      joint.pointee.monitor.warm(
        amperes: inputs.pointee.currentsAmperes[j], dt: dt, limits: joint.pointee.constants.monitor)
      guard live else {
        joint.pointee.clearInputs()
        LawStep.recordUndriven(joint, out[j])
        continue
      }
      let law = LawStep(
        joint, out[j], certificate: (certificates + j).pointee.table, window: (windows + j),
        share: fingers.share(j),
        certifiedSlope: rules.limits.certifiedSlope, checks: checks)
      if isFloating { law.compensateGravity() } else { law.drive() }
      if !joint.pointee.constants.isServo {
        actuators.pointee.duty[j] = joint.pointee.commandDuty()
      } else if !isFloating {
        actuators.pointee.pulseNanoseconds[j] = joint.pointee.pulseNanoseconds()
      }
      worst.take(
        joint: j, out[j], logarithm: joint.pointee.logarithm, interval: joint.pointee.endedInterval,
        windowSum: (windows + j).pointee.sum)
      if worst.takeUncertified(out[j], isLate: joint.pointee.isLate) {
        joint.pointee.uncertifiedTicks &+= 1
      }
      if checks && law.hasNotDecayed() && undecayed == 255 { undecayed = j }
      psi += joint.pointee.constants.km * joint.pointee.memory
      gamma += joint.pointee.error
    }
    if live { memory.energyIntegral += psi * gamma * dt }
    record.pointee.psi = psi
    record.pointee.gamma = gamma
    record.pointee.energyIntegral = memory.energyIntegral
    record.pointee.certificate = worst.certificate
    record.pointee.lipschitz = worst.lipschitz
    record.pointee.ratePerSecond = worst.ratePerSecond
    record.pointee.windowProduct = .nan
    guard live else { return }
    if !worst.lipschitz.isNaN {
      record.pointee.windowProduct = (windows + worst.windowJoint).pointee.product
    }
    uncertifiedWindow.push(worst.isUncertified ? 1 : 0)
    lateWindow.push(worst.isLate ? 1 : 0)
    latch(
      rules.certificate(
        worst, isWindowFull: (windows + worst.windowJoint).pointee.isFull, uncertified: uncertifiedWindow.sum,
        late: lateWindow.sum, undecayed: undecayed, joints: joints, jointCount: jointCount))
  }

  /// Last: what leaves the tick agrees with the state that the tick ended in.
  @_noLocks
  private func finish(
    _ record: UnsafeMutablePointer<TickRecord>, _ actuators: UnsafeMutablePointer<ActuatorCommand>
  ) {
    actuators.pointee.sequence = memory.sequence
    actuators.pointee.enabled = memory.machine.enablesOutputs
    if !memory.machine.drives {
      for j in 0..<jointCount {
        actuators.pointee.duty[j] = 0
        actuators.pointee.pulseNanoseconds[j] = 0
      }
    }
    record.pointee.keep(memory.machine)
    record.pointee.commandNumber = memory.executedCommand
    record.pointee.uncertifiedTicks = UInt32(clamping: uncertifiedWindow.sum)
    record.pointee.lateTicks = UInt32(clamping: lateWindow.sum)
    record.pointee.outputHash = hasher.hash(record, actuators)
  }
}
