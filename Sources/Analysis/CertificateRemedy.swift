import Control
import HandModel
import PrimalLogic

/// What would give a refused joint its certificate: single changes of a gain or of the rate. Each
/// has been tried.
enum CertificateRemedy {
  /// Factors by which a gain is moved until a certificate is found, and the widest.
  private static let step = 1.5
  private static let widest = 1000.0

  static func find(_ joint: Int, model: LoopModel, board: Board, calibration: JointCalibration) -> [String] {
    let servo = model.stiffness > 0
    var remedies: [String] = []
    let levers: [(LoopParameter, up: Bool)] = [
      (.km, false), (.backCalculation, true), (.backCalculation, false), (.kd, true), (.kd, false),
      (.kp, false), (.kp, true),
    ]
    for (parameter, up) in levers {
      // A gain of 0 is moved from its usual value.
      let usual = up ? usualValue(parameter, model) : 0
      let present = parameter.value(model)
      let start = present > 0 ? present : usual
      guard start > 0, let found = firstCertified(parameter, model, from: start, up: up) else { continue }
      remedies.append(
        "\(parameter.key(servo: servo)) \(up ? "at least" : "at most") \(rounded(found)) (now \(rounded(present)))"
      )
    }
    var rate = Double(board.control.rateHertz)
    while rate < 10_000 {
      rate = min(rate * 1.25, 10_000)
      guard let faster = CertificateMargin.model(joint, calibration, board: board, rateHertz: rate) else {
        break
      }
      guard isCertified(faster) else { continue }
      let plan = BusPlan(board)
      let slowest = board.buses.indices.max { plan.load($0) < plan.load($1) }
      let limit =
        rate <= plan.highestRateHertz
        ? ""
        : "; bus \(slowest.map { board.buses[$0].name } ?? "") allows \(Int(plan.highestRateHertz)): "
          + "raise its clock_hz or move chips to another bus"
      remedies.append("rate_hz about \(Int(rate)) (now \(board.control.rateHertz))\(limit)")
      break
    }
    return remedies
  }

  private static func firstCertified(
    _ parameter: LoopParameter, _ model: LoopModel, from start: Double, up: Bool
  ) -> Double? {
    var factor = step
    var moved = model
    while factor <= widest {
      let value = up ? start * factor : start / factor
      parameter.set(value, &moved)
      if isCertified(moved) { return value }
      factor *= step
    }
    return nil
  }

  /// A gain that is 0 now: critical damping; a memory that unwinds within a thirtieth of a second.
  private static func usualValue(_ parameter: LoopParameter, _ model: LoopModel) -> Double {
    switch parameter {
    case .kd: ((model.kp + model.stiffness) * model.inertia).squareRoot()
    case .backCalculation: 30 * model.period / max(model.kp + model.stiffness, 1e-9)
    default: 0
    }
  }

  /// Three digits: a remedy only shows the direction.
  private static func rounded(_ value: Double) -> String { CertificateReport.digits(value, 3) }
}
