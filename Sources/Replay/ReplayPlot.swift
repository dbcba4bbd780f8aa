import Foundation
import HandModel

/// One joint of a replay as an SVG picture: angle, torque and L, recorded against replayed.
///
/// Memory is bounded whatever the length of the recording: when it is full every other point goes, and from then on
/// only half as many are taken.
package struct ReplayPlot {
  /// More points than a picture has columns.
  private static let mostPoints = 4000
  private static let width = 1000.0
  private static let panelHeight = 220.0
  private static let left = 80.0
  private static let right = 20.0
  private static let top = 40.0
  private static let gap = 50.0

  private struct Point {
    var seconds: Double
    /// By panel: recorded, replayed.
    var values: [(recorded: Double, replayed: Double)]
  }

  private let joint: Int
  private let title: String
  private var start: Int64?
  private var points: [Point] = []
  /// From the first tick to the last, seconds.
  private var duration = 0.0
  private var stride: UInt64 = 1
  private var seen: UInt64 = 0

  /// - Parameters:
  ///   - joint: number of the joint in the board.
  ///   - title: written above the picture.
  package init(joint: Int, title: String) {
    self.joint = joint
    self.title = title
  }

  /// Takes the next tick.
  package mutating func add(recorded: borrowing TickRecord, replayed: borrowing TickRecord) {
    let now = recorded.deadlineNanoseconds
    let begin = start ?? now
    start = begin
    duration = Double(now &- begin) * 1e-9
    seen += 1
    guard (seen - 1) % stride == 0 else { return }
    if points.count == Self.mostPoints {
      points = points.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
      stride *= 2
      guard (seen - 1) % stride == 0 else { return }
    }
    let was = recorded.joints[joint]
    let would = replayed.joints[joint]
    points.append(
      Point(
        seconds: duration,
        values: [
          (was.positionRadians, would.positionRadians), (was.torqueNewtonMetres, would.torqueNewtonMetres),
          (was.lipschitz, would.lipschitz),
        ]))
  }

  /// The picture.
  package var svg: String {
    let names = ["angle [rad]", "torque [N·m] (servo: correction [rad])", "L"]
    let height = Self.top + Double(names.count) * (Self.panelHeight + Self.gap)
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(height))" \
      font-family="sans-serif" font-size="13">
      <rect width="100%" height="100%" fill="white"/>
      <text x="\(Int(Self.left))" y="22" font-size="15">\(Self.escaped(title))</text>
      <text x="\(Int(Self.width - Self.right))" y="22" text-anchor="end">\
      <tspan fill="\(Self.recordedColour)">recorded</tspan> <tspan fill="\(Self.replayedColour)">replayed</tspan></text>

      """
    for (index, name) in names.enumerated() {
      text += panel(index, name, y: Self.top + Double(index) * (Self.panelHeight + Self.gap))
    }
    return text + "</svg>\n"
  }

  private static let recordedColour = "#1f6fb4"
  private static let replayedColour = "#d1495b"

  private func panel(_ index: Int, _ name: String, y: Double) -> String {
    let finite = points.flatMap { [$0.values[index].recorded, $0.values[index].replayed] }.filter(\.isFinite)
    var low = finite.min() ?? 0
    var high = finite.max() ?? 1
    // A flat line lies in the middle of its panel.
    if high - low < 1e-12 {
      low -= 0.5
      high += 0.5
    }
    let plotWidth = Self.width - Self.left - Self.right
    let duration = max(duration, 1e-9)
    func place(_ point: Point, _ value: Double) -> String {
      let x = Self.left + point.seconds / duration * plotWidth
      let height = y + 20 + (high - value) / (high - low) * (Self.panelHeight - 20)
      return String(format: "%.1f,%.2f", x, height)
    }
    var text = """
      <rect x="\(Self.left)" y="\(y + 20)" width="\(plotWidth)" height="\(Self.panelHeight - 20)" fill="none" \
      stroke="#cccccc"/>
      <text x="\(Self.left)" y="\(y + 14)">\(Self.escaped(name))</text>
      <text x="\(Self.left - 6)" y="\(y + 30)" text-anchor="end">\(Self.number(high))</text>
      <text x="\(Self.left - 6)" y="\(y + Self.panelHeight)" text-anchor="end">\(Self.number(low))</text>
      <text x="\(Self.left)" y="\(y + Self.panelHeight + 16)">0 s</text>
      <text x="\(Self.width - Self.right)" y="\(y + Self.panelHeight + 16)" text-anchor="end">\
      \(Self.number(duration)) s</text>

      """
    // Recorded first and thicker: where both agree it frames the other.
    for (colour, width, value) in [
      (Self.recordedColour, 3.0, { (point: Point) in point.values[index].recorded }),
      (Self.replayedColour, 1.2, { (point: Point) in point.values[index].replayed }),
    ] {
      // A value that is not there breaks the line.
      for run in points.split(whereSeparator: { !value($0).isFinite }) {
        text += "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(width)\" points=\""
        text += run.map { place($0, value($0)) }.joined(separator: " ") + "\"/>\n"
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
