import HandModel
import PrimalLogic

/// Why a board and a calibration give no hand that may be armed.
package struct DesignRefusal: Error, Sendable, CustomStringConvertible {
  package var joint: String
  package var cause: CertificateRefusal

  package var description: String {
    "joint \(joint): no certificate, so the hand must not be armed: \(Self.text(cause))"
  }

  private static func text(_ cause: CertificateRefusal) -> String {
    switch cause {
    case .invalidModel(let field):
      "\(field) of its model is not finite or out of range; correct the calibration"
    case .invalidRange: "the range of dt does not contain the period"
    case .unstable(let radius, let window):
      "the loop is unstable at this rate (spectral radius \(radius) a tick); km_N_m_per_rad_s must lie within "
        + "\(window.lower) to \(window.upper), and a higher rate_hz or lower gains help"
    case .searchFailed(let contraction):
      "the loop does not contract at this rate (best L found \(contraction)); raise rate_hz or lower the gains"
    case .verificationFailed(let dt, let slope, let margin):
      "the verification refused the certificate by \(margin) at dt \(dt) s and slope \(slope)"
    }
  }
}

/// What follows from a board and a calibration before anything runs: bus schedule, loop model, observer and
/// certificate of each joint.
package struct HandDesign: Sendable {
  package let board: Board
  package let calibration: Calibration
  package let plan: BusPlan
  package let joints: [JointParameters]

  /// Actuating starts this share of a period after the tick's deadline: past the wake-up's usual lateness
  /// and the tick's compute time, so that a bus finds the outputs of the tick and not of the one before.
  package static let actuatingPhase = 0.1

  /// Finds and verifies a certificate for every joint; joints with equal models share the search.
  package init(board: Board, calibration: Calibration) throws(DesignRefusal) {
    self.board = board
    self.calibration = calibration
    let plan = BusPlan(board)
    self.plan = plan
    var found: [(model: LoopModel, certificate: Certificate)] = []
    var joints: [JointParameters] = []
    for (index, joint) in calibration.joints.enumerated() {
      let latency = Self.outputLatency(of: index, board: board, plan: plan)
      let model = Self.loopModel(joint, board: board, latency: latency)
      var certificate = found.first { $0.model == model }?.certificate
      if certificate == nil {
        do throws(CertificateRefusal) {
          let new = try certify(model)
          found.append((model, new))
          certificate = new
        } catch {
          throw DesignRefusal(joint: joint.name, cause: error)
        }
      }
      guard let certificate else { preconditionFailure("a joint has a certificate or is refused") }
      joints.append(
        JointParameters(
          calibration: joint, model: model, certificate: certificate,
          observerGains: Observer.design(
            inertia: model.inertia, damping: model.damping, stiffness: 0, dt: model.period,
            measurementDeviation: joint.noise.encoderRadians, torqueDeviation: joint.noise.torqueNewtonMetres),
          outputLatency: latency))
    }
    self.joints = joints
  }

  /// From deadline to the end of the block that carries the joint's duty, as a share of the period, at most 1.
  private static func outputLatency(of joint: Int, board: Board, plan: BusPlan) -> Double {
    let wiring = board.joints[joint].actuator
    let bus = board.pwmChips[wiring.pwmChip].bus
    var end = actuatingPhase * Double(plan.periodNanoseconds)
    for slot in plan.schedules[bus].pwm {
      let spec = board.buses[bus]
      let bits = TransferBits.writeBlock(4 * slot.channelCount)
      end += Double(bits) * 1e9 / Double(spec.clockHertz) + Double(spec.transferOverheadNanoseconds)
      if slot.chip == wiring.pwmChip && slot.joints.contains(joint) { break }
    }
    return min(end / Double(plan.periodNanoseconds), 1)
  }

  /// The nominal closed loop. The output's latency counts as whole ticks, rounded up: later is worse.
  private static func loopModel(_ joint: JointCalibration, board: Board, latency: Double) -> LoopModel {
    LoopModel(
      inertia: joint.plant.inertiaKilogramSquareMetres, damping: joint.plant.dampingNewtonMetreSeconds,
      kp: joint.gains.kp, kd: joint.gains.kd, km: joint.gains.km, lambda: joint.gains.lambdaPerSecond,
      backCalculation: joint.gains.backCalculation, torqueLimit: joint.limits.torqueNewtonMetres,
      period: Double(board.control.periodNanoseconds) * 1e-9, delayTicks: latency > 0 ? 1 : 0)
  }

  /// The certificates as JSON, for recordings and `motorhand check`.
  package var certificateJSON: String {
    let entries = joints.map { joint in
      let certificate = joint.certificate
      return "{\"joint\":\(JSON.quoted(joint.calibration.name)),\"lipschitz\":\(certificate.contraction),"
        + "\"lipschitzSaturated\":\(certificate.saturatedContraction),"
        + "\"ratePerSecond\":\(certificate.ratePerSecond),"
        + "\"minimumDtSeconds\":\(certificate.minimumDt),\"maximumDtSeconds\":\(certificate.maximumDt),"
        + "\"delayTicks\":\(joint.model.delayTicks),"
        + "\"unsaturatedLevel\":\(certificate.unsaturatedLevel)}"
    }
    return "[" + entries.joined(separator: ",") + "]"
  }
}
