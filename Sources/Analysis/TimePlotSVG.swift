import Foundation

extension TimePlot {
  private static let width = 1000.0
  private static let left = 80.0
  private static let right = 20.0
  private static let plotWidth = width - left - right
  private static let top = 40.0
  /// Between two panels: numbers of the time, and the title of the next one.
  private static let gap = 46.0
  private static let stripHeight = 18.0
  private static let stripGap = 6.0
  /// A band is seen however short it was.
  private static let leastBandWidth = 2.0
  /// Of text of the font's size, roughly: decides only whether a label fits.
  private static let characterWidth = 7.0

  /// The picture.
  package var svg: String {
    let head =
      Self.top + Double(strips.count) * (Self.stripHeight + Self.stripGap) + (strips.isEmpty ? 0 : 20)
    let height = head + panels.reduce(0) { $0 + $1.height + Self.gap } + 4
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(height))" \
      font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(Int(Self.left))" y="22" font-size="15">\(Self.escaped(title))</text>
      <text x="\(Int(Self.width - Self.right))" y="22" text-anchor="end">\(legend)</text>

      """
    for (index, strip) in strips.enumerated() {
      text += svg(strip, y: Self.top + Double(index) * (Self.stripHeight + Self.stripGap))
    }
    if !strips.isEmpty { text += bandLegend(y: head - 8) }
    var y = head
    var curve = 0
    for panel in panels {
      text += svg(panel, curves: curve..<curve + panel.curves.count, y: y + 20)
      curve += panel.curves.count
      y += panel.height + Self.gap
    }
    return text + "</svg>\n"
  }

  private var legend: String {
    var names: [String] = []
    return panels.flatMap(\.curves).compactMap { curve in
      guard !names.contains(curve.name) else { return nil }
      names.append(curve.name)
      return "<tspan fill=\"\(curve.colour)\">\(Self.escaped(curve.name))</tspan>"
    }.joined(separator: " ")
  }

  // MARK: - Bands

  /// From where to where a band lies in pixels.
  private func places(_ strip: Strip) -> [(
    band: Band, x: Double, width: Double, seconds: ClosedRange<Double>
  )] {
    var changes = strip.changes
    if strip.omitted > 0 {
      changes.append((strip.omittedFrom, Band("\(strip.omitted) changes not drawn", colour: "#555555")))
    }
    return changes.indices.compactMap { index in
      guard let band = changes[index].band else { return nil }
      let start = changes[index].seconds
      let end = index + 1 < changes.count ? changes[index + 1].seconds : duration
      let x = column(start)
      return (band, x, max(column(end) - x, Self.leastBandWidth), start...max(start, end))
    }
  }

  private func svg(_ strip: Strip, y: Double) -> String {
    var text =
      "<text x=\"\(Int(Self.left) - 6)\" y=\"\(y + 13)\" text-anchor=\"end\">\(Self.escaped(strip.title))</text>\n"
    if strip.changes.allSatisfy({ $0.band == nil }) {
      text += "<text x=\"\(Int(Self.left) + 4)\" y=\"\(y + 13)\" fill=\"#777777\">none</text>\n"
    }
    for place in places(strip) {
      let label = Self.escaped(place.band.label)
      let times = "\(Self.number(place.seconds.lowerBound)) to \(Self.number(place.seconds.upperBound)) s"
      text += String(
        format: "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" fill=\"%@\">", place.x, y,
        place.width,
        Self.stripHeight, place.band.colour)
      text += "<title>\(label): \(times)</title></rect>\n"
      if place.width > Double(place.band.label.count) * Self.characterWidth + 6 {
        text += String(format: "<text x=\"%.1f\" y=\"%.1f\" fill=\"white\">", place.x + 4, y + 13)
        text += label + "</text>\n"
      }
    }
    return text
  }

  /// The colours of the bands with their labels: narrow bands have no room for their own.
  private func bandLegend(y: Double) -> String {
    var seen: [Band] = []
    for band in strips.flatMap(\.changes).compactMap(\.band) where !seen.contains(band) { seen.append(band) }
    var x = Self.left
    var text = ""
    for band in seen {
      let width = Double(band.label.count) * Self.characterWidth + 26
      // What does not fit is told when the pointer rests on its band.
      guard x + width < Self.width - Self.right else { break }
      text += String(
        format: "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" fill=\"%@\"/>", x, y - 9, band.colour)
      text +=
        String(format: "<text x=\"%.1f\" y=\"%.1f\">", x + 14, y) + Self.escaped(band.label) + "</text>\n"
      x += width
    }
    return text
  }

  // MARK: - Panels

  private func column(_ seconds: Double) -> Double {
    Self.left + seconds / max(duration, 1e-9) * Self.plotWidth
  }

  private func svg(_ panel: Panel, curves: Range<Int>, y: Double) -> String {
    let envelopes = columns.flatMap { $0.curves[curves] }.filter { !$0.first.isNaN }
    var low = envelopes.map(\.low).min() ?? 0
    var high = envelopes.map(\.high).max() ?? 1
    let range = envelopes.isEmpty ? "no value" : "\(Self.number(low)) … \(Self.number(high))"
    // How far a limit is away is what it is drawn for.
    if let limit = panel.limit, !envelopes.isEmpty { (low, high) = (min(low, limit), max(high, limit)) }
    // A flat line lies in the middle of its panel.
    if high - low < 1e-12 * max(1, abs(high)) {
      low -= 0.5
      high += 0.5
    }
    // Lines do not lie on the frame.
    let margin = (high - low) * 0.04
    low -= margin
    high += margin
    func row(_ value: Double) -> Double { y + (high - value) / (high - low) * panel.height }
    var text = """
      <rect x="\(Int(Self.left))" y="\(y)" width="\(Int(Self.plotWidth))" height="\(panel.height)" fill="#fafafa" \
      stroke="#cccccc"/>
      <text x="\(Int(Self.left))" y="\(y - 5)">\(Self.escaped(panel.title))</text>
      <text x="\(Int(Self.width - Self.right))" y="\(y - 5)" text-anchor="end" fill="#777777">\(range)</text>

      """
    for place in strips.flatMap(places) where place.band.isTrouble {
      text += String(
        format: "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%@\" opacity=\"0.12\"/>\n",
        place.x, y,
        place.width, panel.height, place.band.colour)
    }
    text += grid(panel, low: low, high: high, y: y, row: row)
    for mark in marks {
      let x = String(format: "%.1f", column(mark.seconds))
      text += """
        <line x1="\(x)" x2="\(x)" y1="\(y)" y2="\(y + panel.height)" stroke="\(mark.colour)" stroke-dasharray="4 3"/>
        <text x="\(x)" y="\(y - 5)" fill="\(mark.colour)" text-anchor="middle">\(Self.escaped(mark.label))</text>

        """
    }
    for (curve, index) in zip(panel.curves, curves) {
      for line in lines(curve: index, row: row) {
        text +=
          "<polyline fill=\"none\" stroke=\"\(curve.colour)\" stroke-width=\"\(curve.width)\" points=\"\(line)\"/>\n"
      }
    }
    return text
  }

  private func grid(_ panel: Panel, low: Double, high: Double, y: Double, row: (Double) -> Double) -> String {
    var text = ""
    for value in Self.ticks(low...high, about: panel.height / 35) {
      let place = String(format: "%.1f", row(value))
      text += """
        <line x1="\(Int(Self.left))" x2="\(Int(Self.width - Self.right))" y1="\(place)" y2="\(place)" stroke="#e4e4e4"/>
        <text x="\(Int(Self.left) - 6)" y="\(row(value) + 4)" text-anchor="end">\(Self.number(value))</text>

        """
    }
    let below = y + panel.height + 14
    let end = "\(Self.number(duration)) s"
    for seconds in Self.ticks(0...max(duration, 1e-9), about: 8) {
      let x = column(seconds)
      text += String(
        format: "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>\n", x, x, y,
        y + panel.height)
      // The end has a number of its own.
      guard x < Self.width - Self.right - Double(end.count + 5) * Self.characterWidth else { continue }
      text += String(format: "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#777777\">", x, below)
      text += "\(Self.number(seconds)) s</text>\n"
    }
    text +=
      "<text x=\"\(Int(Self.width - Self.right))\" y=\"\(below)\" text-anchor=\"end\" fill=\"#777777\">\(end)</text>\n"
    if let limit = panel.limit, (low...high).contains(limit) {
      let place = String(format: "%.1f", row(limit))
      text += """
        <line x1="\(Int(Self.left))" x2="\(Int(Self.width - Self.right))" y1="\(place)" y2="\(place)" stroke="#d1495b" \
        stroke-dasharray="6 4"/>

        """
    }
    return text
  }

  /// Points of a curve's lines, each without a break.
  private func lines(curve: Int, row: (Double) -> Double) -> [String] {
    var lines: [[String]] = [[]]
    for (number, entry) in columns.enumerated() {
      let envelope = entry.curves[curve]
      if (entry.isApart && number > 0) || envelope.first.isNaN, !lines[lines.count - 1].isEmpty {
        lines.append([])
      }
      guard !envelope.first.isNaN else { continue }
      let (start, end) = (column(entry.seconds.lowerBound), column(entry.seconds.upperBound))
      var points = [(start, envelope.first)]
      if envelope.low < min(envelope.first, envelope.last) {
        points.append(((start + end) / 2, envelope.low))
      }
      if envelope.high > max(envelope.first, envelope.last) {
        points.append(((start + end) / 2, envelope.high))
      }
      if entry.points > 1 { points.append((end, envelope.last)) }
      for (x, value) in points {
        let text = String(format: "%.1f,%.2f", x, row(value))
        if text != lines[lines.count - 1].last { lines[lines.count - 1].append(text) }
      }
    }
    // A single point is a line of no length, drawn as a dot of it.
    return lines.filter { !$0.isEmpty }.map { ($0.count == 1 ? $0 + $0 : $0).joined(separator: " ") }
  }

  /// Round numbers in a range, roughly so many.
  static func ticks(_ range: ClosedRange<Double>, about count: Double) -> [Double] {
    let rough = (range.upperBound - range.lowerBound) / max(count, 1)
    guard rough > 0, rough.isFinite else { return [] }
    let power = pow(10, floor(log10(rough)))
    let step = ([1, 2, 5].first { $0 * power >= rough } ?? 10) * power
    let first = (range.lowerBound / step).rounded(.up)
    let last = (range.upperBound / step).rounded(.down)
    guard first <= last, last - first < 100 else { return [] }
    return (0...Int(last - first)).map { (first + Double($0)) * step }
  }

  private static func number(_ value: Double) -> String {
    // 0.30000000000000004 is 0.3, and -0 is 0.
    String(format: "%.6g", value == 0 ? 0 : value)
  }

  static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;")
  }
}
