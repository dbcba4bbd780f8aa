import HandModel
import PrimalLogic

/// Why a board and a calibration give no hand that may be armed.
package struct DesignRefusal: Error, Equatable, CustomStringConvertible {
  /// What stands against it.
  package enum Cause: Error, Equatable {
    /// No certificate was found for the joint's loop.
    case certificate(CertificateRefusal)
    /// No certificate was found for the finger's joints together.
    case coupled(CertificateRefusal)
    /// The servo's frames take more than `OutputTiming.maximumHoldTicks` ticks.
    case slowFrame(chip: String, frameHertz: Double, rateHertz: Int)
    /// What a tick decides acts later than any certificate covers.
    case lateOutput(seconds: Double, largestSeconds: Double)
  }
  /// Name of the joint; of the finger where its joints are coupled.
  package var joint: String
  package var cause: Cause

  package var description: String {
    let text =
      switch cause {
      case .certificate(let refusal): Self.text(refusal)
      case .coupled(.searchFailed(let contraction)):
        "no norm covers every saturation of its joints together (best L found \(contraction)); make their gains "
          + "alike for their inertias (kp/J, kd/J, km/kp, kp h), or lower km; less coupling helps too, if "
          + "couplings_N_m_per_rad has more than the finger"
      case .coupled(let refusal): Self.text(refusal) + "; the window is that of each joint alone"
      case .slowFrame(let chip, let frame, let rate):
        "PWM chip \(chip) sends \(frame) pulses a second, so that at \(rate) ticks a second the law would decide "
          + "less often than every \(OutputTiming.maximumHoldTicks) ticks; raise its frequency_hz if the servo "
          + "allows, or lower control.rate_hz to at most \(Int(frame * Double(OutputTiming.maximumHoldTicks)))"
      case .lateOutput(let seconds, let largest):
        "a command acts \(seconds * 1000) ms after its tick (bus, servo frame and the servo's delay), later "
          + "than the \(maximumDelayTicks) decisions (\(largest * 1000) ms) that a certificate covers; lower "
          + "control.rate_hz or raise the chip's frequency_hz"
      }
    let kind = if case .coupled = cause { "finger" } else { "joint" }
    return "\(kind) \(joint): no certificate, so the hand must not be armed: \(text)"
  }

  /// Why there is no certificate and, where something helps, what does: for people.
  package static func text(_ cause: CertificateRefusal) -> String {
    switch cause {
    case .invalidModel(let field):
      "\(field) of its model is not finite or out of range; correct the calibration"
    case .invalidRange: "the range of dt does not contain the period"
    case .unstable(let radius, let window):
      "the loop is unstable at this rate (spectral radius \(radius) a tick); the memory gain must lie within "
        + "\(window.lower) to \(window.upper), and a higher rate_hz or lower gains help"
    case .searchFailed(let contraction):
      "the loop does not contract at this rate (best L found \(contraction)); raise rate_hz or lower the gains"
    case .verificationFailed(let dt, let slope, let margin):
      "the verification refused the certificate by \(margin) at dt \(dt) s and slope \(slope)"
    }
  }

  package init(joint: String, cause: Cause) {
    self.joint = joint
    self.cause = cause
  }
}

/// What follows from a board and a calibration before anything runs: bus schedule, loop model, observer and
/// certificate of each joint.
package struct HandDesign: Sendable {
  package let board: Board
  package let calibration: Calibration
  package let plan: BusPlan
  /// In the board's order.
  package private(set) var joints: [JointParameters]

  /// Actuating starts this share of a period after the tick's deadline: past the wake-up's usual lateness
  /// and the tick's compute time, so that a bus finds the outputs of the tick and not of the one before.
  package static let actuatingPhase = 0.1

  /// Ticks whose dt differs from the period by more than this share are outside U; a healthy loop thread's
  /// are far inside.
  package static let uncertainDtShare = 0.1

  /// Finds and verifies a certificate for every joint; joints with equal models share the search.
  ///
  /// What arms a hand is N, the certificate of the nominal model. U takes up to seconds a model and nothing
  /// of it is in the tick, so it is found by `findUncertain` only where it is asked for.
  package init(board: Board, calibration: Calibration) throws(DesignRefusal) {
    self.board = board
    self.calibration = calibration
    let plan = BusPlan(board)
    self.plan = plan
    var found: [(model: LoopModel, certificate: Certificate)] = []
    let fingers = try Self.coupledFingers(board: board, calibration: calibration, plan: plan)
    var joints: [JointParameters] = []
    for (index, joint) in calibration.joints.enumerated() {
      let timing: OutputTiming
      do throws(DesignRefusal.Cause) {
        timing = try OutputTiming(of: index, joint, board: board, plan: plan)
      } catch {
        throw DesignRefusal(joint: joint.name, cause: error)
      }
      let model = Self.loopModel(joint, board: board, timing: timing)
      let gains = Self.observerGains(joint, model, timing)
      let finger = fingers.first { $0.joints.contains(index) }
      var certificate = finger?.certificate.table ?? found.first { $0.model == model }?.certificate
      if certificate == nil {
        do throws(CertificateRefusal) {
          let new = try certify(model)
          found.append((model, new))
          certificate = new
        } catch {
          throw DesignRefusal(joint: joint.name, cause: .certificate(error))
        }
      }
      guard let certificate else { preconditionFailure("a joint has a certificate or is refused") }
      // The part of an input that the model does not explain lasts as long as the input, for N ticks. The
      // observer takes it as new in each tick, so it is given √N times as much, which has the same power.
      joints.append(
        JointParameters(
          calibration: joint, model: model, certificate: certificate,
          uncertainty: Self.uncertainty(index, joint, timing, board: board, plan: plan),
          observerGains: gains, loopObserver: Self.loopObserver(gains.everyTick, timing),
          outputLatency: timing.meanTicks, holdTicks: timing.holdTicks,
          currentReadingTicks: plan.currentReadingTicks(joint: index), coupled: finger))
    }
    self.joints = joints
  }

  /// What is known of the joints without a certificate, in the board's order.
  package static func basics(board: Board, calibration: Calibration) throws(DesignRefusal) -> [JointBasics] {
    let plan = BusPlan(board)
    var basics: [JointBasics] = []
    for (index, joint) in calibration.joints.enumerated() {
      do throws(DesignRefusal.Cause) {
        let timing = try OutputTiming(of: index, joint, board: board, plan: plan)
        let model = loopModel(joint, board: board, timing: timing)
        basics.append(
          JointBasics(
            calibration: joint, model: model, observerGains: observerGains(joint, model, timing),
            outputLatency: timing.meanTicks, holdTicks: timing.holdTicks,
            currentReadingTicks: plan.currentReadingTicks(joint: index)))
      } catch {
        throw DesignRefusal(joint: joint.name, cause: error)
      }
    }
    return basics
  }

  /// Finds and verifies the certificate of every finger whose joints pull at each other; fingers with equal
  /// models share the search.
  private static func coupledFingers(
    board: Board, calibration: Calibration, plan: BusPlan
  ) throws(DesignRefusal) -> [CoupledFinger] {
    var found: [CoupledFinger] = []
    for coupling in calibration.couplings {
      let (model, gains) = try coupledModel(coupling, board: board, calibration: calibration, plan: plan)
      let certificate: CoupledCertificate
      if let same = found.first(where: { $0.model == model }) {
        certificate = same.certificate
      } else {
        do throws(CertificateRefusal) {
          certificate = try certify(model)
        } catch {
          throw DesignRefusal(joint: coupling.finger, cause: .coupled(error))
        }
      }
      found.append(CoupledFinger(coupling, model: model, certificate: certificate, observerGains: gains))
    }
    return found
  }

  /// The nominal closed loops of a coupled finger, and the gains of its joints' observers.
  package static func coupledModel(
    _ coupling: FingerCoupling, board: Board, calibration: Calibration, plan: BusPlan
  ) throws(DesignRefusal) -> (model: CoupledModel, gains: [Observer.Gains]) {
    var models: [LoopModel] = []
    var gains: [Observer.Gains] = []
    for index in coupling.joints {
      let joint = calibration.joints[index]
      do throws(DesignRefusal.Cause) {
        let timing = try OutputTiming(of: index, joint, board: board, plan: plan)
        let model = loopModel(joint, board: board, timing: timing)
        models.append(model)
        gains.append(observerGains(joint, model, timing).everyTick)
      } catch {
        throw DesignRefusal(joint: joint.name, cause: error)
      }
    }
    return (CoupledModel(joints: models, stiffness: coupling.stiffness), gains)
  }

  /// What the joint's certificate U has to cover. The output may act as early as its timing allows, and as
  /// late as the whole ticks that N assumes. The sample may be as old as its bus can make it.
  package static func uncertainty(
    _ index: Int, _ joint: JointCalibration, _ timing: OutputTiming, board: Board, plan: BusPlan
  ) -> Uncertainty {
    Uncertainty(
      inertiaShare: joint.uncertainty.inertiaShare, dampingShare: joint.uncertainty.dampingShare,
      dtShare: uncertainDtShare, delayPeriods: timing.earliestPeriods...Double(timing.delayTicks),
      agePeriods: SampleTiming.agePeriods(of: index, board: board, plan: plan))
  }

  /// The gains of the joint's observer by the time between samples.
  package static func observerGains(
    _ joint: JointCalibration, _ model: LoopModel, _ timing: OutputTiming
  ) -> Observer.Schedule {
    // The part of a held input that the model does not explain lasts for as many ticks.
    let hold = Double(timing.holdTicks)
    return Observer.Schedule(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: model.period / hold,
      measurementDeviation: joint.encoderNoiseRadians,
      torqueDeviation: joint.drive.inputNoise * hold.squareRoot(), loadDeviation: joint.loadNoise)
  }

  /// The same observer as the certificate under uncertainty models it.
  package static func loopObserver(_ gains: Observer.Gains, _ timing: OutputTiming) -> LoopObserver {
    LoopObserver(
      position: gains.position, velocity: gains.velocity, load: gains.load,
      latencyPeriods: timing.meanTicks / Double(timing.holdTicks))
  }

  /// Finds U for every joint that is not coupled; a coupled finger has only N. Joints with equal models,
  /// observers and uncertainties share the search.
  /// - Parameter progress: called before each search with the joint's name.
  package mutating func findUncertain(progress: (String) -> Void = { _ in }) {
    for index in joints.indices where joints[index].uncertain == nil && joints[index].coupled == nil {
      let (model, uncertainty) = (joints[index].model, joints[index].uncertainty)
      let observer = joints[index].loopObserver
      guard joints[index].holdTicks == 1 else {
        joints[index].uncertain = .failure(.severalSamples)
        continue
      }
      progress(joints[index].calibration.name)
      let found = Result { () throws(UncertaintyRefusal) in try certify(model, observer, under: uncertainty) }
      for other in joints.indices
      where joints[other].model == model && joints[other].uncertainty == uncertainty
        && joints[other].loopObserver == observer
      {
        joints[other].uncertain = found
      }
    }
  }

  /// The nominal closed loop, from decision to decision.
  package static func loopModel(_ joint: JointCalibration, board: Board, timing: OutputTiming) -> LoopModel {
    let gains = joint.gains
    let period = Double(board.control.periodNanoseconds * Int64(timing.holdTicks)) * 1e-9
    let delayTicks = timing.delayTicks
    switch joint.drive {
    case .motor(let drive):
      return LoopModel(
        inertia: drive.plant.inertiaKilogramSquareMetres, damping: drive.plant.dampingNewtonMetreSeconds,
        kp: gains.kp, kd: gains.kd, km: gains.km, lambda: gains.lambdaPerSecond,
        backCalculation: gains.backCalculation, torqueLimit: drive.torqueLimitNewtonMetres, period: period,
        delayTicks: delayTicks)
    case .servo(let servo):
      // q'' + 2ζω q' + ω² q = ω² c, divided by ω² (docs/control.md, "The plant").
      let omega = servo.bandwidthRadiansPerSecond
      return LoopModel(
        inertia: 1 / (omega * omega), damping: 2 * servo.dampingRatio / omega, stiffness: 1, kp: gains.kp,
        kd: gains.kd, km: gains.km, lambda: gains.lambdaPerSecond, backCalculation: gains.backCalculation,
        torqueLimit: servo.correctionRadians, period: period, delayTicks: delayTicks)
    }
  }

  /// What was certified, for recordings and reports.
  package var certificates: [CertificateSummary] {
    joints.map { joint in
      let certificate = joint.certificate
      return CertificateSummary(
        joint: joint.calibration.name, finger: joint.coupled?.name, lipschitz: certificate.contraction,
        lipschitzSaturated: certificate.saturatedContraction, ratePerSecond: certificate.ratePerSecond,
        minimumDtSeconds: certificate.minimumDt, maximumDtSeconds: certificate.maximumDt,
        holdTicks: joint.holdTicks, delayTicks: joint.model.delayTicks,
        unsaturatedLevel: certificate.unsaturatedLevel)
    }
  }
}

extension DriveCalibration {
  /// Standard deviation of the plant's input that the model does not explain, per decision: N m, servo rad.
  fileprivate var inputNoise: Double {
    switch self {
    case .motor(let drive): drive.torqueNoiseNewtonMetres
    case .servo(let servo): servo.commandNoiseRadians
    }
  }
}
