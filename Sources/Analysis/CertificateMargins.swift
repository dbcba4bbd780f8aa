import Control
import HandModel
import PrimalLogic

/// A number of a joint's loop that may be moved, by its key in the calibration or board file.
package enum LoopParameter: String, CaseIterable, Codable, Sendable {
  case kp, kd, km
  case backCalculation = "h"
  case inertia
  case damping

  /// What `--x` and `--y` of the plot may be.
  package static let gains: [LoopParameter] = [.kp, .kd, .km, .backCalculation]

  /// The parameter's value in `model`.
  package func value(_ model: LoopModel) -> Double {
    switch self {
    case .kp: model.kp
    case .kd: model.kd
    case .km: model.km
    case .backCalculation: model.backCalculation
    case .inertia: model.inertia
    case .damping: model.damping
    }
  }

  /// Puts the parameter of `model` to `value`.
  package func set(_ value: Double, _ model: inout LoopModel) {
    switch self {
    case .kp: model.kp = value
    case .kd: model.kd = value
    case .km: model.km = value
    case .backCalculation: model.backCalculation = value
    case .inertia: model.inertia = value
    case .damping: model.damping = value
    }
  }

  /// Key and unit as in the calibration file: of a servo's own loop J and b are 1/ω² and 2ζ/ω.
  package func key(servo: Bool) -> String {
    switch self {
    case .kp: servo ? "kp" : "kp_N_m_per_rad"
    case .kd: servo ? "kd_s" : "kd_N_m_s_per_rad"
    case .km: servo ? "km_per_s" : "km_N_m_per_rad_s"
    case .backCalculation: servo ? "back_calculation_s" : "back_calculation_rad_s_per_N_m"
    case .inertia: servo ? "1/bandwidth² (s²)" : "inertia_kg_m2"
    case .damping: servo ? "2·damping_ratio/bandwidth (s)" : "damping_N_m_s"
    }
  }
}

/// How far one number of a loop may move, all others as they are, before the certificate N is lost.
package struct CertificateMargin: Codable, Sendable {
  /// Its key in the calibration or board file.
  package var parameter: String
  /// The present value, in the key's unit.
  package var value: Double
  /// Lowest value still certified; nil where a tenth of the value still is.
  package var lowest: Double?
  /// Highest value still certified; nil where ten times the value still is.
  package var highest: Double?

  /// The smaller of the two factors between the value and its limits; nil without any.
  package var factor: Double? {
    let factors = [lowest.map { value / $0 }, highest.map { $0 / value }].compactMap(\.self)
    return factors.min()
  }

  /// No limit is sought beyond this factor up or down: no number of a calibrated hand is so uncertain.
  static let widestFactor = 10.0
  /// First step of the search, and the number of its halvings: accurate to 0.2 %.
  private static let step = 1.25
  private static let bisections = 7

  /// Moves `value` by factors while `holds`.
  init(_ parameter: String, value: Double, holds: (Double) -> Bool) {
    self.parameter = parameter
    self.value = value
    guard value > 0 else { return }
    lowest = Self.limit(value, upwards: false, holds)
    highest = Self.limit(value, upwards: true, holds)
  }

  private static func limit(_ value: Double, upwards: Bool, _ holds: (Double) -> Bool) -> Double? {
    func at(_ factor: Double) -> Double { upwards ? value * factor : value / factor }
    var (working, failing) = (1.0, step)
    while holds(at(failing)) {
      if failing >= widestFactor { return nil }
      working = failing
      failing = min(failing * step, widestFactor)
    }
    for _ in 0..<bisections {
      let middle = (working * failing).squareRoot()
      if holds(at(middle)) { working = middle } else { failing = middle }
    }
    return at(working)
  }

  /// The margins of a joint: gains, inertia, control rate and, in whole ticks, delay.
  static func all(
    _ joint: Int, model: LoopModel, board: Board, calibration: JointCalibration, progress: () -> Void
  ) -> [CertificateMargin] {
    let servo = model.stiffness > 0
    var margins: [CertificateMargin] = []
    for parameter in [LoopParameter.kp, .kd, .km, .backCalculation, .inertia, .damping] {
      progress()
      margins.append(
        CertificateMargin(parameter.key(servo: servo), value: parameter.value(model)) { value in
          var moved = model
          parameter.set(value, &moved)
          return isCertified(moved)
        })
    }
    progress()
    var rate = CertificateMargin("rate_hz", value: Double(board.control.rateHertz)) { rate in
      guard let moved = Self.model(joint, calibration, board: board, rateHertz: rate) else { return false }
      return isCertified(moved)
    }
    rate.lowest?.round(.up)
    rate.highest?.round(.down)
    margins.append(rate)
    var delay = CertificateMargin("delay in ticks", value: 0) { _ in true }
    delay.value = Double(model.delayTicks)
    var later = model
    repeat {
      delay.highest = Double(later.delayTicks)
      later.delayTicks += 1
    } while later.delayTicks <= maximumDelayTicks && isCertified(later)
    margins.append(delay)
    return margins
  }

  /// The joint's loop at another control rate, with the delay that follows from it; nil where
  /// none is certified.
  static func model(
    _ joint: Int, _ calibration: JointCalibration, board: Board, rateHertz: Double
  ) -> LoopModel? {
    var board = board
    board.control.rateHertz = Int(rateHertz.rounded())
    guard board.control.rateHertz > 0,
      let timing = try? OutputTiming(of: joint, calibration, board: board, plan: BusPlan(board))
    else { return nil }
    return HandDesign.loopModel(calibration, board: board, timing: timing)
  }
}
