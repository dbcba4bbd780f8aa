import Control
import Foundation
import HandModel
import PrimalLogic

/// Where in the plane of two gains a joint's loop is certified, stable without proof or
/// unstable; drawn as SVG.
package struct CertificateMap: Sendable {
  /// What is known of a cell's loop.
  package enum Region: Int, Sendable, CaseIterable {
    /// N exists for dt within ±20 %.
    case certified
    /// The unsaturated nominal loop decays, but no norm covers its saturation.
    case unproven
    case unstable
  }

  /// Cells along each axis, in blocks of four. A search takes 5 to 40 ms: only blocks whose corners differ,
  /// those on a border between regions, are searched cell by cell.
  package static let cells = 48
  private static let block = 4
  /// The axes reach this many times the present gains.
  private static let reach = 3.0

  /// Name of the joint.
  package let joint: String
  /// The gain along x, by its key in the calibration file.
  package let xKey: String
  /// The gain along y, by its key in the calibration file.
  package let yKey: String
  /// End of the x axis, which starts at 0; in the unit that `xKey` names.
  package let xMaximum: Double
  /// End of the y axis, which starts at 0; in the unit that `yKey` names.
  package let yMaximum: Double
  /// The gains as calibrated.
  package let present: (x: Double, y: Double)
  /// Row by row from y = 0, at the cells' centres.
  package let regions: [Region]
  private let subtitle: String

  /// - Throws: when the joint's output acts too late: there is no loop to draw.
  package init(
    board: Board, calibration: Calibration, joint index: Int, x: LoopParameter, y: LoopParameter,
    xMaximum: Double? = nil, yMaximum: Double? = nil, progress: (String) -> Void = { _ in }
  ) throws(DesignRefusal) {
    let joint = calibration.joints[index]
    let timing: OutputTiming
    do throws(DesignRefusal.Cause) {
      timing = try OutputTiming(of: index, joint, board: board, plan: BusPlan(board))
    } catch {
      throw DesignRefusal(joint: joint.name, cause: error)
    }
    let model = HandDesign.loopModel(joint, board: board, timing: timing)
    let servo = model.stiffness > 0
    self.joint = joint.name
    xKey = x.key(servo: servo)
    yKey = y.key(servo: servo)
    self.xMaximum = xMaximum ?? Self.maximum(x, model)
    self.yMaximum = yMaximum ?? Self.maximum(y, model)
    present = (x.value(model), y.value(model))
    subtitle =
      "\(board.control.rateHertz) Hz, "
      + (timing.holdTicks == 1 ? "" : "a decision every \(timing.holdTicks) ticks, ")
      + "\(timing.delayTicks) "
      + (timing.holdTicks > 1 ? "of them" : timing.delayTicks == 1 ? "tick" : "ticks")
      + " of delay; other gains as calibrated"
    let (width, height) = (self.xMaximum, self.yMaximum)
    regions = Self.fill(progress: { progress("map of \(x.rawValue) and \(y.rawValue): \($0) %") }) {
      row, column in
      var moved = model
      x.set((Double(column) + 0.5) / Double(Self.cells) * width, &moved)
      y.set((Double(row) + 0.5) / Double(Self.cells) * height, &moved)
      return Self.region(moved)
    }
  }

  /// All cells, row by row. `region` is called for few of them where the map is uniform.
  static func fill(progress: (Int) -> Void, region: (_ row: Int, _ column: Int) -> Region) -> [Region] {
    var known = [Region?](repeating: nil, count: cells * cells)
    func at(_ row: Int, _ column: Int) -> Region {
      if let found = known[row * cells + column] { return found }
      let found = region(row, column)
      known[row * cells + column] = found
      return found
    }
    let corners = Array(stride(from: 0, to: cells - 1, by: block)) + [cells - 1]
    for (rows, top) in zip(corners, corners.dropFirst()) {
      progress(100 * rows / cells)
      for (columns, right) in zip(corners, corners.dropFirst()) {
        let first = at(rows, columns)
        let plain = at(rows, right) == first && at(top, columns) == first && at(top, right) == first
        for row in rows...top {
          for column in columns...right {
            if plain && known[row * cells + column] == nil { known[row * cells + column] = first }
            if !plain { _ = at(row, column) }
          }
        }
      }
    }
    return known.map { $0 ?? .unstable }
  }

  static func region(_ model: LoopModel) -> Region {
    if !(model.spectralRadius(dt: model.period) < 1) { return .unstable }
    return isCertified(model) ? .certified : .unproven
  }

  private static func maximum(_ parameter: LoopParameter, _ model: LoopModel) -> Double {
    let present = parameter.value(model)
    if present > 0 { return reach * present }
    // A gain of 0 has no scale of its own, so the joint's is used.
    return switch parameter {
    case .kd: 2 * (model.inertia * (model.kp + model.stiffness)).squareRoot()
    case .km: 0.5 * model.memoryGainWindow.upper
    case .backCalculation: 100 * model.period / max(model.kp + model.stiffness, 1e-9)
    default: reach * max(model.stiffness, 1)
    }
  }

  // MARK: - SVG

  private static let side = 480.0
  private static let left = 90.0
  private static let top = 70.0

  /// The map as a picture, with axes and legend.
  package var svg: String {
    let (left, top, side) = (Self.left, Self.top, Self.side)
    let cell = side / Double(Self.cells)
    func number(_ value: Double) -> String { String(format: "%.6g", value) }
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 820 630\" width=\"820\" height=\"630\" "
        + "font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">",
      "<rect width=\"820\" height=\"630\" fill=\"#fff\"/>",
      "<text x=\"\(number(left))\" y=\"30\" font-size=\"17\">\(Self.escaped(joint)): where its loop is certified</text>",
      "<text x=\"\(number(left))\" y=\"52\">\(Self.escaped(subtitle))</text>",
    ]
    // One rectangle a run of equal cells.
    for row in 0..<Self.cells {
      var start = 0
      while start < Self.cells {
        let region = regions[row * Self.cells + start]
        var end = start + 1
        while end < Self.cells && regions[row * Self.cells + end] == region { end += 1 }
        lines.append(
          "<rect x=\"\(number(left + Double(start) * cell))\" "
            + "y=\"\(number(top + side - Double(row + 1) * cell))\" width=\"\(number(Double(end - start) * cell))\" "
            + "height=\"\(number(cell))\" fill=\"\(Self.color(region))\" shape-rendering=\"crispEdges\"/>")
        start = end
      }
    }
    lines.append(
      "<rect x=\"\(number(left))\" y=\"\(number(top))\" width=\"\(number(side))\" height=\"\(number(side))\" "
        + "fill=\"none\" stroke=\"#222\"/>")
    lines += axes(number)
    let px = left + present.x / xMaximum * side
    let py = top + side - present.y / yMaximum * side
    // A map that ends below the present gains cannot show them.
    if present.x <= xMaximum && present.y <= yMaximum {
      lines += [
        "<circle cx=\"\(number(px))\" cy=\"\(number(py))\" r=\"7\" fill=\"#fff\" stroke=\"#111\" stroke-width=\"2\"/>",
        "<circle cx=\"\(number(px))\" cy=\"\(number(py))\" r=\"2\" fill=\"#111\"/>",
      ]
    }
    lines += legend(number)
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  private func axes(_ number: (Double) -> String) -> [String] {
    let (left, top, side) = (Self.left, Self.top, Self.side)
    var lines: [String] = []
    for value in Self.ticks(xMaximum) {
      let at = left + value / xMaximum * side
      lines += [
        "<line x1=\"\(number(at))\" y1=\"\(number(top + side))\" x2=\"\(number(at))\" y2=\"\(number(top + side + 6))\" "
          + "stroke=\"#222\"/>",
        "<text x=\"\(number(at))\" y=\"\(number(top + side + 22))\" text-anchor=\"middle\">\(number(value))</text>",
      ]
    }
    for value in Self.ticks(yMaximum) {
      let at = top + side - value / yMaximum * side
      lines += [
        "<line x1=\"\(number(left - 6))\" y1=\"\(number(at))\" x2=\"\(number(left))\" y2=\"\(number(at))\" "
          + "stroke=\"#222\"/>",
        "<text x=\"\(number(left - 10))\" y=\"\(number(at + 4))\" text-anchor=\"end\">\(number(value))</text>",
      ]
    }
    lines += [
      "<text x=\"\(number(left + side / 2))\" y=\"\(number(top + side + 46))\" text-anchor=\"middle\">"
        + "\(Self.escaped(Self.label(xKey)))</text>",
      "<text transform=\"translate(22 \(number(top + side / 2))) rotate(-90)\" text-anchor=\"middle\">"
        + "\(Self.escaped(Self.label(yKey)))</text>",
    ]
    return lines
  }

  private func legend(_ number: (Double) -> String) -> [String] {
    let x = Self.left + Self.side + 24
    var lines: [String] = []
    let texts: [(Region, String, String)] = [
      (.certified, "certified", "one norm for every"), (.unproven, "stable, unproven", "no norm covers its"),
      (.unstable, "unstable", "a difference grows"),
    ]
    let second = ["saturation, dt ±20 %", "saturation", "without saturation"]
    for (index, entry) in texts.enumerated() {
      let y = Self.top + 12 + Double(index) * 74
      lines += [
        "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"20\" height=\"20\" fill=\"\(Self.color(entry.0))\" "
          + "stroke=\"#222\"/>",
        "<text x=\"\(number(x + 30))\" y=\"\(number(y + 15))\" font-weight=\"bold\">\(entry.1)</text>",
        "<text x=\"\(number(x + 30))\" y=\"\(number(y + 33))\">\(entry.2)</text>",
        "<text x=\"\(number(x + 30))\" y=\"\(number(y + 50))\">\(second[index])</text>",
      ]
    }
    let y = Self.top + 12 + 3 * 74.0
    lines += [
      "<circle cx=\"\(number(x + 10))\" cy=\"\(number(y + 10))\" r=\"7\" fill=\"#fff\" stroke=\"#111\" "
        + "stroke-width=\"2\"/>",
      "<circle cx=\"\(number(x + 10))\" cy=\"\(number(y + 10))\" r=\"2\" fill=\"#111\"/>",
      "<text x=\"\(number(x + 30))\" y=\"\(number(y + 15))\" font-weight=\"bold\">present gains</text>",
      "<text x=\"\(number(x + 30))\" y=\"\(number(y + 33))\">\(number(present.x)) across</text>",
      "<text x=\"\(number(x + 30))\" y=\"\(number(y + 50))\">\(number(present.y)) upwards</text>",
    ]
    return lines
  }

  /// The key of the calibration file with its unit in words.
  private static func label(_ key: String) -> String {
    let units = [
      "kp_N_m_per_rad": "Kp, N m/rad", "kd_N_m_s_per_rad": "Kd, N m s/rad",
      "km_N_m_per_rad_s": "Km, N m/(rad s)",
      "back_calculation_rad_s_per_N_m": "h, rad s/(N m)", "kp": "kp, rad/rad", "kd_s": "kd, s",
      "km_per_s": "km, 1/s", "back_calculation_s": "h, s",
    ]
    return units[key] ?? key
  }

  private static func color(_ region: Region) -> String {
    // Told apart in grey and by colour-blind eyes: dark blue, light yellow, mid grey.
    switch region {
    case .certified: "#3f7fb5"
    case .unproven: "#f6dd8a"
    case .unstable: "#b9b4b4"
    }
  }

  /// Five to ten round numbers from 0 to `maximum`.
  static func ticks(_ maximum: Double) -> [Double] {
    let decade = pow(10, (log10(maximum)).rounded(.down))
    let step = [0.1, 0.2, 0.5, 1, 2].map { $0 * decade }.first { maximum / $0 <= 10 } ?? decade
    return (0...10).map { Double($0) * step }.filter { $0 <= maximum * 1.000001 }
  }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
  }
}
