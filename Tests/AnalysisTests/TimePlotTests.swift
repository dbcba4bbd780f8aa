import Foundation
import HandModel
import Testing

@testable import Analysis

@Suite("Pictures over time")
struct TimePlotTests {
  private static func panel(_ height: Double = 200, limit: Double? = nil) -> TimePlot.Panel {
    TimePlot.Panel(
      "value", [TimePlot.Curve("measured", colour: "#000000", width: 1)], height: height, limit: limit)
  }

  /// Points of each line of a picture.
  private static func lines(_ svg: String) -> [[(x: Double, y: Double)]] {
    svg.split(separator: "\n").filter { $0.hasPrefix("<polyline") }.map { line in
      line.split(separator: "points=\"")[1].prefix { $0 != "\"" }.split(separator: " ").map { point in
        let parts = point.split(separator: ",")
        return (Double(parts[0]) ?? .nan, Double(parts[1]) ?? .nan)
      }
    }
  }

  @Test("one tick of a spike among many is drawn, upwards and downwards, where it was")
  func spikes() {
    var plot = TimePlot(title: "", panels: [Self.panel()])
    for tick in 0..<200_000 {
      plot.add(
        seconds: Double(tick) * 1e-3,
        [tick == 50_000 ? 50 : tick == 150_001 ? -50 : sin(Double(tick) * 1e-3)])
    }
    let svg = plot.svg
    #expect(svg.contains(">-50 … 50<"))
    #expect(svg.utf8.count < 200_000)
    let points = Self.lines(svg).flatMap(\.self)
    // A twenty-fourth of the range is margin; up is a small y.
    let top = points.min { $0.y < $1.y }
    let bottom = points.max { $0.y < $1.y }
    // The plot goes from x 80 to 980.
    #expect(abs((top?.x ?? 0) - (80 + 900 * 0.25)) < 2 && abs((bottom?.x ?? 0) - (80 + 900 * 0.75)) < 2)
    #expect((bottom?.y ?? 0) - (top?.y ?? 0) > 180)
    #expect(abs((points.last?.x ?? 0) - 980) < 0.2 && abs((points.first?.x ?? 0) - 80) < 0.2)
  }

  @Test(
    "a line breaks where there is no value or where ticks are missing, and nothing but numbers is written")
  func breaks() {
    var plot = TimePlot(title: "a & b", panels: [Self.panel()])
    for (tick, value) in [1, 2, .nan, 3, .infinity, 4].enumerated() {
      plot.add(seconds: Double(tick), [value])
    }
    plot.interrupt()
    plot.add(seconds: 9, [5])
    let svg = plot.svg
    #expect(Self.lines(svg).map(\.count) == [2, 2, 2, 2], "a single point is a dot")
    #expect(!svg.contains("nan") && !svg.contains("inf") && svg.contains("a &amp; b"))
    let empty = TimePlot(title: "", panels: [Self.panel()], strips: ["state"]).svg
    #expect(empty.contains("no value") && empty.contains(">none<") && !empty.contains("nan"))
  }

  @Test("a band of one tick in a day is seen, trouble shades the panels, and what is not drawn is counted")
  func bands() {
    var plot = TimePlot(title: "", panels: [Self.panel()], strips: ["fault"])
    let fault = TimePlot.Band("stale <sensor>", colour: "#ff0000", isTrouble: true)
    plot.add(seconds: 0, [0])
    plot.setBand(strip: 0, seconds: 100, fault)
    plot.setBand(strip: 0, seconds: 100.001, fault)
    plot.setBand(strip: 0, seconds: 100.001, nil)
    plot.add(seconds: 86_400, [0])
    let svg = plot.svg
    #expect(
      svg.contains(
        "width=\"2.0\" height=\"18\" fill=\"#ff0000\"><title>stale &lt;sensor&gt;: 100 to 100.001 s<"))
    #expect(svg.contains("opacity=\"0.12\""))
    for change in 0..<TimePlot.mostChanges {
      plot.setBand(strip: 0, seconds: 200, change % 2 == 0 ? fault : nil)
    }
    #expect(plot.strips[0].changes.count == TimePlot.mostChanges && plot.strips[0].omitted == 2)
    #expect(plot.svg.contains(">2 changes not drawn<"))
  }

  @Test("a limit is in the picture, however far the curve stays below it")
  func limit() {
    var plot = TimePlot(title: "", panels: [Self.panel(limit: 1)])
    for tick in 0..<10 { plot.add(seconds: Double(tick), [0.5]) }
    let svg = plot.svg
    #expect(svg.contains("stroke-dasharray=\"6 4\"") && svg.contains(">0.5 … 0.5<"))
  }

  @Test("axes have round numbers", arguments: [0.001, 1, 7.3, 999, 1e9])
  func ticks(range: Double) {
    let ticks = TimePlot.ticks(-range / 3...range, about: 5)
    #expect((2...10).contains(ticks.count), "\(ticks)")
    #expect(ticks.contains { abs($0) < range * 1e-9 })
    #expect(TimePlot.ticks(1...1, about: 5).isEmpty)
  }

  @Test("a recording's picture has states, faults, missing ticks, L, latencies and each joint")
  func recording() {
    var plot = RecordingPlot(joints: [1], names: ["a", "b"], title: "hand")
    var record = TickRecord()
    record.jointCount = 2
    for tick in 0..<UInt64(2000) where !(500..<600).contains(tick) {
      record.sequence = tick
      record.deadlineNanoseconds = Int64(tick) * 1_000_000
      record.state = tick < 1500 ? .tracking : .fault
      record.fault = tick < 1500 ? .none : .trackingError
      record.lipschitz = tick < 1500 ? 0.999 : .nan
      record.wakeUpNanoseconds = tick == 700 ? 900_000 : 10_000
      record.joints[1].positionRadians = tick == 800 ? 1.5 : 0
      plot.add(record)
    }
    let svg = plot.svg
    for text in [
      "tracking", "tracking error", "100: 0.499 to 0.6 s", "10 … 900", "0 … 1.5", "b [rad]", "0.999 … 0.999",
    ] {
      #expect(svg.contains(text), "\(text)")
    }
    #expect(!svg.contains("a [rad]") && !svg.contains("nan"))
  }
}
