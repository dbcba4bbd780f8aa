import Foundation

/// Curves over time in panels one below the other, as an SVG picture.
///
/// Memory is bounded whatever the time: when it is full every other point goes, and from then on only half as many
/// are taken.
package struct TimePlot {
  /// One line of a panel.
  package struct Curve {
    package var name: String
    package var colour: String
    package var width: Double

    package init(_ name: String, colour: String, width: Double) {
      self.name = name
      self.colour = colour
      self.width = width
    }
  }

  /// One panel, its curves from the lowest layer to the highest.
  package struct Panel {
    package var title: String
    package var curves: [Curve]

    package init(_ title: String, _ curves: [Curve]) {
      self.title = title
      self.curves = curves
    }
  }

  /// A moment marked in every panel.
  private struct Mark {
    var seconds: Double
    var label: String
    var colour: String
  }

  private struct Point {
    var seconds: Double
    /// Of every curve of every panel, in order.
    var values: [Double]
  }

  /// More points than a picture has columns.
  private static let mostPoints = 4000
  private static let width = 1000.0
  private static let panelHeight = 220.0
  private static let left = 80.0
  private static let right = 20.0
  private static let top = 40.0
  private static let gap = 50.0

  private let title: String
  private let panels: [Panel]
  private var points: [Point] = []
  private var marks: [Mark] = []
  /// From 0 to the last point, seconds.
  private var duration = 0.0
  private var stride: UInt64 = 1
  private var seen: UInt64 = 0

  /// - Parameter title: written above the picture.
  package init(title: String, panels: [Panel]) {
    self.title = title
    self.panels = panels
  }

  /// Takes the next point.
  /// - Parameters:
  ///   - seconds: not before the last one.
  ///   - values: of every curve of every panel, in order; one that is not finite breaks its line.
  package mutating func add(seconds: Double, _ values: @autoclosure () -> [Double]) {
    duration = seconds
    seen += 1
    guard (seen - 1) % stride == 0 else { return }
    if points.count == Self.mostPoints {
      points = points.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
      stride *= 2
      guard (seen - 1) % stride == 0 else { return }
    }
    points.append(Point(seconds: seconds, values: values()))
  }

  /// Marks a moment in every panel.
  package mutating func mark(seconds: Double, label: String, colour: String) {
    marks.append(Mark(seconds: seconds, label: label, colour: colour))
  }

  /// The picture.
  package var svg: String {
    let height = Self.top + Double(panels.count) * (Self.panelHeight + Self.gap)
    var names: [String] = []
    var legend: [String] = []
    for curve in panels.flatMap(\.curves) where !names.contains(curve.name) {
      names.append(curve.name)
      legend.append("<tspan fill=\"\(curve.colour)\">\(Self.escaped(curve.name))</tspan>")
    }
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(height))" \
      font-family="sans-serif" font-size="13">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(Int(Self.left))" y="22" font-size="15">\(Self.escaped(title))</text>
      <text x="\(Int(Self.width - Self.right))" y="22" text-anchor="end">\(legend.joined(separator: " "))</text>

      """
    var curve = 0
    for (index, panel) in panels.enumerated() {
      let y = Self.top + Double(index) * (Self.panelHeight + Self.gap)
      text += svg(panel, curves: curve..<curve + panel.curves.count, y: y)
      curve += panel.curves.count
    }
    return text + "</svg>\n"
  }

  private func svg(_ panel: Panel, curves: Range<Int>, y: Double) -> String {
    let finite = points.flatMap { $0.values[curves] }.filter(\.isFinite)
    var low = finite.min() ?? 0
    var high = finite.max() ?? 1
    // A flat line lies in the middle of its panel.
    if high - low < 1e-12 {
      low -= 0.5
      high += 0.5
    }
    let plotWidth = Self.width - Self.left - Self.right
    let duration = max(duration, 1e-9)
    func column(_ seconds: Double) -> Double { Self.left + seconds / duration * plotWidth }
    func place(_ seconds: Double, _ value: Double) -> String {
      let height = y + 20 + (high - value) / (high - low) * (Self.panelHeight - 20)
      return String(format: "%.1f,%.2f", column(seconds), height)
    }
    var text = """
      <rect x="\(Self.left)" y="\(y + 20)" width="\(plotWidth)" height="\(Self.panelHeight - 20)" fill="none" \
      stroke="#cccccc"/>
      <text x="\(Self.left)" y="\(y + 14)">\(Self.escaped(panel.title))</text>
      <text x="\(Self.left - 6)" y="\(y + 30)" text-anchor="end">\(Self.number(high))</text>
      <text x="\(Self.left - 6)" y="\(y + Self.panelHeight)" text-anchor="end">\(Self.number(low))</text>
      <text x="\(Self.left)" y="\(y + Self.panelHeight + 16)">0 s</text>
      <text x="\(Self.width - Self.right)" y="\(y + Self.panelHeight + 16)" text-anchor="end">\
      \(Self.number(duration)) s</text>

      """
    for mark in marks {
      let x = String(format: "%.1f", column(mark.seconds))
      text += """
        <line x1="\(x)" x2="\(x)" y1="\(y + 20)" y2="\(y + Self.panelHeight)" stroke="\(mark.colour)" \
        stroke-dasharray="4 3"/>
        <text x="\(x)" y="\(y + 14)" fill="\(mark.colour)" text-anchor="middle">\(Self.escaped(mark.label))</text>

        """
    }
    for (curve, index) in zip(panel.curves, curves) {
      // A value that is not there breaks the line.
      for run in points.split(whereSeparator: { !$0.values[index].isFinite }) {
        text += "<polyline fill=\"none\" stroke=\"\(curve.colour)\" stroke-width=\"\(curve.width)\" points=\""
        text += run.map { place($0.seconds, $0.values[index]) }.joined(separator: " ") + "\"/>\n"
      }
    }
    return text
  }

  private static func number(_ value: Double) -> String { String(format: "%.6g", value) }

  private static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;")
  }
}
