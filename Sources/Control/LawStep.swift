import HandModel
import PrimalLogic

/// One joint's way from its estimate to its output and its certificate (docs/control.md).
struct LawStep {
  private let joint: UnsafeMutablePointer<JointState>
  private let out: UnsafeMutablePointer<JointRecord>
  private let certificate: CertificateTable
  private let window: UnsafeMutablePointer<WindowProduct>
  /// What a coupled joint needs of the others of its finger.
  private let share: UnsafePointer<CoupledFingers.Share>
  /// Below this slope a joint counts as saturated.
  private let certifiedSlope: Double
  /// Whether certificate and distance are looked at.
  private let checks: Bool

  @_noLocks
  init(
    _ joint: UnsafeMutablePointer<JointState>, _ out: UnsafeMutablePointer<JointRecord>,
    certificate: CertificateTable, window: UnsafeMutablePointer<WindowProduct>,
    share: UnsafePointer<CoupledFingers.Share>, certifiedSlope: Double, checks: Bool
  ) {
    self.joint = joint
    self.out = out
    self.certificate = certificate
    self.window = window
    self.share = share
    self.certifiedSlope = certifiedSlope
    self.checks = checks
  }

  /// The record of a joint that no law leads: its set-point is where it is.
  @_noLocks
  static func recordUndriven(_ joint: UnsafePointer<JointState>, _ out: UnsafeMutablePointer<JointRecord>) {
    let position = joint.pointee.observer.position
    out.pointee.certificate = .inactive
    out.pointee.setpointRadians = position
    out.pointee.setpointRadiansPerSecond = 0
    out.pointee.nominalRadians = position
    out.pointee.memoryRadianSeconds = 0
    out.pointee.demandNewtonMetres = 0
    out.pointee.torqueNewtonMetres = 0
    out.pointee.slope = 1
    out.pointee.lipschitz = .nan
    out.pointee.distance = 0
  }

  /// NULL-G: the torque that carries the load and nothing else. There is no feedback that a certificate could
  /// speak of. A servo gets no pulses.
  @_noLocks
  func compensateGravity() {
    let load = joint.pointee.constants.gravity * sine(joint.pointee.observer.position)
    joint.pointee.engage()
    joint.pointee.error = 0
    joint.pointee.torque = joint.pointee.law.saturate(load)
    if !joint.pointee.constants.isServo { joint.pointee.input = joint.pointee.torque }
    Self.recordUndriven(joint, out)
    out.pointee.demandNewtonMetres = load
    out.pointee.torqueNewtonMetres = joint.pointee.torque
  }

  /// The law. Memory and nominal model move over the interval that has passed before this tick decides, so
  /// that both see the dt that really happened.
  @_noLocks
  func drive() {
    guard joint.pointee.isDecisionTick else {
      if joint.pointee.repeatDecision(out, isAtEndStop: joint.pointee.isAtEndStop) { window.pointee.push(0) }
      return
    }
    advance()
    // What certificate and distance say is about the state before this decision.
    let difference = joint.pointee.nominal.difference(
      position: joint.pointee.observer.position, velocity: joint.pointee.observer.velocity,
      memory: joint.pointee.memory, pending: joint.pointee.pending)
    let load = decide()
    if checks {
      out.pointee.distance =
        joint.pointee.constants.isCoupled
        ? share.pointee.distance : root(certificate.distanceSquared(difference))
      certify()
    }
    joint.pointee.keepDecision(out)
    joint.pointee.slope = JointLaw.slope(
      demand: joint.pointee.demand - load, applied: joint.pointee.torque - load,
      nominalDemand: joint.pointee.nominal.demand, nominalApplied: joint.pointee.nominal.torque)
    joint.pointee.hasDecided = true
  }

  /// Memory, nominal model and set-point over the interval since the last decision.
  @_noLocks
  private func advance() {
    // A coupled finger has moved on as a whole (`CoupledFingers.advance`).
    guard joint.pointee.hasDecided && !joint.pointee.constants.isCoupled else { return }
    joint.pointee.spanDecision()
    let kernel = joint.pointee.kernel
    joint.pointee.memory = joint.pointee.law.nextMemory(
      joint.pointee.memory, error: joint.pointee.error, demand: joint.pointee.demand,
      applied: joint.pointee.torque, kernel: kernel)
    joint.pointee.nominal.advance(
      law: joint.pointee.law, kernel: kernel, hold: joint.pointee.hold, load: joint.pointee.actingLoad)
    joint.pointee.moveSetPoint(dt: joint.pointee.held.seconds)
  }

  /// Decides the plant's next input.
  /// - Returns: the load's part of the feed-forward: N m, for a servo rad.
  @_noLocks
  private func decide() -> Double {
    let constants = joint.pointee.constants
    let setpoint = joint.pointee.trajectory.position
    let setpointVelocity = joint.pointee.trajectory.velocity
    let position = joint.pointee.observer.position

    var motion =
      constants.inertia * joint.pointee.trajectory.acceleration + constants.damping * setpointVelocity
    if constants.isCoupled { motion += share.pointee.feedForward }
    let load =
      constants.gravity * sine(position) + constants.coulomb * JointState.smoothSign(setpointVelocity)
    let error = setpoint - position
    let demand = joint.pointee.law.demand(
      error: error, errorRate: setpointVelocity - joint.pointee.observer.velocity,
      memory: joint.pointee.memory, feedForward: motion + load)
    var torque = joint.pointee.law.saturate(demand)
    var flags = out.pointee.flags
    if torque != demand { flags |= JointFlags.torqueLimited }
    // A servo is told the set-point and what the law adds to it.
    let base = constants.isServo ? setpoint : 0
    var input = base + torque
    let change = constants.inputRate * joint.pointee.held.seconds
    if (input - joint.pointee.input).magnitude > change {
      input = joint.pointee.input + (input > joint.pointee.input ? change : -change)
      torque = input - base
      flags |= JointFlags.rateLimited
    }
    if joint.pointee.isAtEndStop {
      flags |= JointFlags.endStop
      joint.pointee.endStopTicks += constants.holdTicks
      // What it learned elsewhere must not press it further against the stop.
      let isBelow = position < constants.lower
      if isBelow == (joint.pointee.memory < 0) { joint.pointee.memory = 0 }
    } else {
      joint.pointee.endStopTicks = 0
    }
    out.pointee.nominalRadians = joint.pointee.nominal.position
    joint.pointee.nominal.decide(
      setpoint: setpoint, setpointVelocity: setpointVelocity, feedForwardInertia: motion, load: load,
      law: joint.pointee.law)

    joint.pointee.error = error
    joint.pointee.demand = demand
    joint.pointee.torque = torque
    joint.pointee.input = input
    _ = joint.pointee.pending.push(torque - load)

    out.pointee.flags = flags
    out.pointee.setpointRadians = setpoint
    out.pointee.setpointRadiansPerSecond = setpointVelocity
    out.pointee.memoryRadianSeconds = joint.pointee.memory
    out.pointee.demandNewtonMetres = demand
    out.pointee.torqueNewtonMetres = torque
    return load
  }

  /// Looks the certificate up for the interval that has passed and the slope with which it began. State and L
  /// go into the record, L into the joint's window.
  @_noLocks
  private func certify() {
    guard joint.pointee.hasDecided else {
      // The first tick after arming ends no interval of the law.
      out.pointee.certificate = .inactive
      out.pointee.slope = 1
      out.pointee.lipschitz = .nan
      return
    }
    let dt = joint.pointee.held.seconds
    let isCoupled = joint.pointee.constants.isCoupled
    let slope = isCoupled ? share.pointee.slope : joint.pointee.slope
    let flags = out.pointee.flags
    let lookup = certificate.lookup(dt: dt, slope: slope)
    joint.pointee.isLate = !certificate.covers(dt: dt)
    let isOutside =
      flags & (JointFlags.endStop | JointFlags.rateLimited | JointFlags.stale) != 0
      || (isCoupled && share.pointee.isOutside)
    let state: CertificateState
    if !lookup.valid || isOutside || joint.pointee.held.wasOutside {
      state = .uncertified
    } else if slope < certifiedSlope {
      state = .saturated
    } else {
      let distance = out.pointee.distance
      state = distance * distance < joint.pointee.constants.noiseFloorSquared ? .deadzone : .certified
    }
    out.pointee.certificate = state
    out.pointee.slope = slope
    out.pointee.lipschitz = state == .uncertified ? .nan : lookup.lipschitz
    joint.pointee.logarithm = state == .uncertified ? 0 : lookup.logarithm
    window.pointee.push(joint.pointee.logarithm)
  }

  /// The windowed decay test.
  /// - Returns: whether V did not fall as Λ says.
  @_noLocks
  func hasNotDecayed() -> Bool {
    // What one joint of a coupled finger bears moves V of them all.
    let isCertified = out.pointee.lipschitz.isFinite && !share.pointee.hasLoadStepped
    return joint.pointee.monitor.hasNotDecayed(
      distance: out.pointee.distance, load: joint.pointee.observer.load, isCertified: isCertified,
      windowTicks: window.pointee.ticks, windowSum: window.pointee.sum,
      limits: joint.pointee.constants.monitor)
  }
}
