import HandModel
import PrimalLogic

extension JointStates {
  /// Brings the estimate of one joint to this tick, and its record. The joints are taken in their order: one
  /// takes over what an earlier one that is alike has computed.
  /// - Parameters:
  ///   - dt: length of the interval that this tick ends, s.
  ///   - pull: torque of the coupled joints of its finger, N m.
  ///   - staleness: age from which a sample is stale, ns.
  /// - Returns: what the joint's sample was worth.
  @_noLocks
  func estimate(
    _ joint: Int, _ inputs: UnsafePointer<TickInputs>, _ sample: EncoderSample, dt: Double, pull: Double,
    staleness: Int64, limits: GuardLimits, _ out: UnsafeMutablePointer<JointRecord>
  ) -> SampleVerdict {
    let state = self[joint]
    state.pointee.spanTick(dt: dt, joint: joint, self)
    state.pointee.predict(
      dt: dt, skippedDeadlines: inputs.pointee.skippedDeadlines, pull: pull, stall: limits.longestStallSeconds
    )
    let verdict = state.pointee.correct(
      sample, now: inputs.pointee.nowNanoseconds, staleness: staleness, limits: limits, out)
    out.pointee.currentAmperes = inputs.pointee.currentsAmperes[joint]
    out.pointee.forceNewtons = inputs.pointee.forcesNewtons[joint]
    out.pointee.targetRadians = 0
    return verdict
  }
}

/// Where a joint is: the model's prediction, corrected by the samples that the gate believes.
extension JointState {
  /// Makes `hold` and `kernel` span the interval that this tick ends: those of the first joint that is alike,
  /// which comes before this one.
  @_noLocks
  mutating func spanTick(dt: Double, joint: Int, _ joints: JointStates) {
    hold =
      constants.samePlantJoint == joint
      ? ZeroOrderHold(
        inertia: constants.inertia, damping: constants.damping, stiffness: constants.stiffness, dt: dt)
      : joints[constants.samePlantJoint].pointee.hold
    kernel =
      constants.sameFadingJoint == joint
      ? MemoryKernel(lambda: constants.lambda, dt: dt) : joints[constants.sameFadingJoint].pointee.kernel
  }

  /// Moves the estimate on over the interval that this tick ends. `hold` and `kernel` span it already.
  /// - Parameters:
  ///   - dt: its length, s.
  ///   - skippedDeadlines: ticks that it should have had besides.
  ///   - pull: torque of the coupled joints of its finger, N m.
  ///   - stall: from this length on no model is taken over an interval, s.
  @_noLocks
  mutating func predict(dt: Double, skippedDeadlines: Int, pull: Double, stall: Double) {
    pass(dt: dt, skippedDeadlines: skippedDeadlines)
    if skippedDeadlines > 0 { monitor.missTicks() }
    // The plant still felt what earlier ticks decided for the output's latency.
    let applied = actingInput()
    var load =
      constants.gravity * sine(observer.position)
      + constants.coulomb * Self.smoothSign(observer.velocity)
    if constants.isCoupled { load += pull }
    actingLoad = observer.load
    sampleInterval += dt
    if dt < stall {
      observer.predict(torque: applied - load, hold: hold)
    } else {
      restObserver(at: gate.lastRadians)
    }
  }

  /// Takes in the newest sample and publishes it.
  /// - Parameters:
  ///   - now: the tick's start, ns.
  ///   - staleness: age from which a sample is stale, ns.
  /// - Returns: what the sample was worth.
  @_noLocks
  mutating func correct(
    _ sample: EncoderSample, now: Int64, staleness: Int64, limits: GuardLimits,
    _ out: UnsafeMutablePointer<JointRecord>
  ) -> SampleVerdict {
    // As the record has it: an age beyond two seconds, far past any limit of staleness, is two seconds.
    let recordedAge = Int32(clamping: now &- sample.timeNanoseconds)
    let age = Int64(recordedAge)
    var measured = 0.0
    let verdict = gate.take(
      sample, time: now &- age, radians: constants.radians(counts: sample.counts),
      largestSpeed: constants.velocityLimit * limits.velocityFactor, allowance: constants.jumpAllowance,
      rejections: limits.rejectedSamples, measured: &measured)
    var flags: UInt8 = 0
    switch verdict {
    case .known: break
    case .outdated, .rejected: flags = JointFlags.sampled
    case .first:
      restObserver(at: measured)
      sampleInterval = 0
      flags = JointFlags.sampled | JointFlags.fresh
    case .fresh:
      correctObserver(measured: measured, age: Double(age) * 1e-9)
      sampleInterval = 0
      flags = JointFlags.sampled | JointFlags.fresh
    case .implausible:
      restObserver(at: measured)
      sampleInterval = 0
      flags = JointFlags.sampled
    }
    if !gate.hasPosition || age > staleness { flags |= JointFlags.stale }

    out.pointee.flags = flags
    out.pointee.encoderCounts = sample.counts
    out.pointee.sampleAgeNanoseconds = recordedAge
    out.pointee.measuredRadians = measured
    out.pointee.positionRadians = observer.position
    out.pointee.velocityRadiansPerSecond = observer.velocity
    out.pointee.innovationRadians = flags & JointFlags.fresh != 0 ? observer.innovation : 0
    out.pointee.loadNewtonMetres = observer.load
    return verdict
  }

  /// - Parameter age: of the sample, s.
  @_noLocks
  private mutating func correctObserver(measured: Double, age: Double) {
    let gains = constants.observerGains.after(sampleInterval)
    observer.correct(measured: measured, age: age, gains: gains)
    // An estimate half a turn off is none. Written so that NaN is one too.
    if !(observer.innovation.magnitude < .pi) { restObserver(at: measured) }
    // The model has no end stop, and the innovation shows it: what a joint does there is no sensor's fault.
    let innovation = isAtEndStop ? 0 : observer.innovation
    monitor.take(innovation: innovation, deviation: gains.innovationDeviation, limits: constants.monitor)
  }
}
