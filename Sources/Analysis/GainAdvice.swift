import Control
import Foundation
import HandModel
import PrimalLogic

/// Gains for a wanted stiffness and damping ratio of one joint, with the widest margin found.
///
/// Kp is the stiffness, and Kd follows from the damping ratio of J s² + (b + Kd) s + Kp. The memory gain and
/// the back-calculation are free. The memory must at least double the stiffness against a constant load,
/// Kp + K_m/λ. So K_m is λ Kp times 1, 2, 4 or 8, within a fifth of Routh's window. The back-calculation
/// unwinds the memory at 3 to 300 1/s. The pair is chosen that stays certified while inertia, damping, period
/// and each gain, one at a time, are off by the largest common factor. Among nearly equal pairs the stronger
/// memory wins. The printed numbers are those certified, to the last digit.
package struct GainAdvice: Codable, Sendable {
  /// Why there is no advice.
  package enum Refusal: Error, CustomStringConvertible {
    case design(DesignRefusal)
    /// A servo cannot be softer than its own loop.
    case tooSoft(joint: String, stiffness: Double)
    /// The joint's own damping exceeds what was asked for.
    case tooDamped(joint: String, lowestRatio: Double)
    /// No candidate is certified; the joint's delay in ticks.
    case none(joint: String, delayTicks: Int)

    package var description: String {
      switch self {
      case .design(let refusal): refusal.description
      case .tooSoft(let joint, let stiffness):
        "joint \(joint): a servo's own stiffness is 1; found --stiffness \(stiffness), expected more than 1"
      case .tooDamped(let joint, let ratio):
        "joint \(joint): its own damping alone makes the ratio \(CertificateReport.digits(ratio, 3)) at this "
          + "stiffness; ask for at least that, or for a higher stiffness"
      case .none(let joint, let ticks):
        "joint \(joint): no gains for this stiffness and damping ratio are certified with \(ticks) ticks of delay; "
          + "lower --stiffness or raise rate_hz"
      }
    }
  }

  /// Name of the joint.
  package let joint: String
  /// As asked for: N m/rad; of a servo as a multiple of its own loop's, above 1.
  package let stiffness: Double
  /// As asked for; 1 is critical.
  package let dampingRatio: Double
  /// By their keys in the calibration file, in the units that the keys name.
  package let gains: [String: Double]
  /// All of inertia, damping, period and gains may be off by this factor, one at a time.
  package let marginFactor: Double
  /// L of an unsaturated tick with these gains, at the nominal period.
  package let lipschitz: Double
  /// Contraction of an unsaturated tick with these gains, 1/s.
  package let ratePerSecond: Double
  /// Stiffness against a constant load, Kp + K_m/λ, with a servo's own.
  package let staticStiffness: Double
  private let yaml: [String]

  /// Beyond a factor of three up or down all candidates count as equal, and the stronger memory wins.
  private static let widestMargin = 3.0
  private static let bisections = 6
  /// Margins closer than this are equal.
  private static let equalMargins = 1.02

  /// Searches; takes seconds. `progress` gets one line a step.
  package init(
    board: Board, calibration: Calibration, joint index: Int, stiffness: Double, dampingRatio: Double,
    progress: (String) -> Void = { _ in }
  ) throws(Refusal) {
    let joint = calibration.joints[index]
    let timing: OutputTiming
    do throws(DesignRefusal.Cause) {
      timing = try OutputTiming(of: index, joint, board: board, plan: BusPlan(board))
    } catch {
      throw .design(DesignRefusal(joint: joint.name, cause: error))
    }
    var model = HandDesign.loopModel(joint, board: board, timing: timing)
    let servo = model.stiffness > 0
    guard stiffness > model.stiffness else { throw .tooSoft(joint: joint.name, stiffness: stiffness) }
    model.kp = Self.printed(stiffness - model.stiffness)
    let natural = (stiffness * model.inertia).squareRoot()
    let kd = 2 * dampingRatio * natural - model.damping
    guard kd >= 0 else {
      throw .tooDamped(joint: joint.name, lowestRatio: model.damping / (2 * natural))
    }
    model.kd = Self.printed(kd)

    var best: (model: LoopModel, margin: Double)?
    let memories = [8.0, 4, 2, 1].map { $0 * model.lambda * stiffness }
      .filter { $0 <= 0.2 * model.memoryGainWindow.upper }
    let unwindings = [3.0, 10, 30, 100, 300]
    var tried = 0
    for memory in memories {
      for unwinding in unwindings {
        tried += 1
        progress("\(joint.name): candidate \(tried) of \(memories.count * unwindings.count)")
        var candidate = model
        candidate.km = Self.printed(memory)
        candidate.backCalculation = Self.printed(unwinding * model.period / stiffness)
        let floor = best.map { $0.margin * Self.equalMargins } ?? 1
        if let margin = Self.margin(candidate, above: floor) { best = (candidate, margin) }
      }
    }
    guard let best else { throw .none(joint: joint.name, delayTicks: model.delayTicks) }
    let certificate: Certificate
    do throws(CertificateRefusal) {
      certificate = try certify(best.model)
    } catch {
      throw .design(DesignRefusal(joint: joint.name, cause: .certificate(error)))
    }
    self.joint = joint.name
    self.stiffness = stiffness
    self.dampingRatio = dampingRatio
    marginFactor = best.margin
    lipschitz = certificate.contraction
    ratePerSecond = certificate.ratePerSecond
    staticStiffness = stiffness + best.model.km / best.model.lambda
    var gains: [String: Double] = [:]
    var yaml = [servo ? "servo_gains:" : "gains:"]
    for parameter in [LoopParameter.kp, .kd, .km] {
      gains[parameter.key(servo: servo)] = parameter.value(best.model)
      yaml.append("  \(parameter.key(servo: servo)): \(parameter.value(best.model))")
    }
    gains["lambda_per_s"] = best.model.lambda
    yaml.append("  lambda_per_s: \(best.model.lambda)")
    let key = LoopParameter.backCalculation.key(servo: servo)
    gains[key] = best.model.backCalculation
    yaml.append("  \(key): \(best.model.backCalculation)")
    self.gains = gains
    self.yaml = yaml
  }

  /// Four digits: nobody can tune more finely, and the file then holds exactly what was certified.
  private static func printed(_ value: Double) -> Double {
    Double(CertificateReport.digits(value, 4)) ?? value
  }

  /// The largest common factor by which each number may be off; nil unless it is above `floor`.
  private static func margin(_ model: LoopModel, above floor: Double) -> Double? {
    func holds(_ factor: Double) -> Bool {
      for scale in [factor, 1 / factor] {
        for parameter in LoopParameter.allCases {
          var moved = model
          parameter.set(parameter.value(model) * scale, &moved)
          guard isCertified(moved) else { return false }
        }
        var moved = model
        moved.period *= scale
        guard isCertified(moved) else { return false }
      }
      return true
    }
    guard floor < widestMargin, isCertified(model), holds(floor) else { return nil }
    var (working, failing) = (floor, widestMargin)
    if holds(failing) { return failing }
    for _ in 0..<bisections {
      let middle = (working * failing).squareRoot()
      if holds(middle) { working = middle } else { failing = middle }
    }
    return working
  }

  /// The gains as YAML for the calibration file, under comments that say what they give.
  package var text: String {
    let head = [
      "# \(joint): stiffness \(CertificateReport.digits(stiffness, 4)), damping ratio "
        + "\(CertificateReport.digits(dampingRatio, 3)); against a constant load "
        + CertificateReport.digits(staticStiffness, 4) + ".",
      String(
        format:
          "# Certified: L %.9f, %.4f 1/s. Stays so with inertia, damping, period or any gain off by a factor "
          + "of %.2f, one at a time.", lipschitz, ratePerSecond, marginFactor),
    ]
    return (head + yaml).joined(separator: "\n") + "\n"
  }
}
