import Foundation
import HandModel

extension CampaignReport {
  /// Cases of one kind that are listed; the rest are counted, and all are in the JSON.
  private static let listed = 20

  /// The report as people read it.
  package var text: String {
    var lines = [
      "board \(board), hand \(hand), seed \(seed): \(episodes) episodes", "",
      Self.row([
        "class", "must be detected", "episodes", "must", "found", "median", "worst", "off", "held",
        "past rad",
        "N m", "harmless", "missed", "unsafe", "needless", "causes",
      ]),
    ]
    for report in classes { lines.append(Self.row(Self.cells(report))) }
    let found = classes.flatMap { report in report.unsafe.map { ("unsafe", $0) } }
    let missed = classes.flatMap { report in report.missed.map { ("missed", $0) } }
    let needless = classes.flatMap { report in report.needlessStops.map { ("needless stop", $0) } }
    for (cases, title) in [(found, "unsafe"), (missed, "missed"), (needless, "needless stops")]
    where !cases.isEmpty {
      lines += ["", "\(title):"]
      for (_, item) in cases.prefix(Self.listed) { lines.append("  " + Self.line(item)) }
      if cases.count > Self.listed { lines.append("  and \(cases.count - Self.listed) more; --json has all") }
    }
    if let faultFree {
      lines += [
        "",
        String(
          format: "fault-free: %.2f h (%d ticks), %d false alarms", faultFree.hours, faultFree.ticks,
          faultFree.alarms.count),
      ]
      for alarm in faultFree.alarms.prefix(Self.listed) {
        let joint = alarm.joint.map { ", \($0)" } ?? ""
        lines.append(
          "  seed \(alarm.seed), tick \(alarm.tick): \(FaultCode.name(ofID: alarm.cause))\(joint); \(alarm.activity)"
        )
      }
      for item in faultFree.unsafe.prefix(Self.listed) { lines.append("  " + Self.line(item)) }
    }
    lines += [
      "",
      isClean
        ? "no unsafe outcome, no miss, no false alarm"
        : "\(unsafeCount) unsafe, \(missedCount) missed, \(falseAlarmCount) false alarms; "
          + "motorhand faults --replay SEED shows one",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func cells(_ report: ClassReport) -> [String] {
    let causes = report.causes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\(FaultCode.name(ofID: $0.key)) \($0.value)" }
    return [
      report.fault.rawValue, report.expectation, "\(report.episodes)", "\(report.mustDetect)",
      "\(report.detected)", report.medianLatencyTicks.map(String.init) ?? "–",
      report.worstLatencyTicks.map(String.init) ?? "–", "\(report.off)", "\(report.held)",
      String(format: "%.3f", report.peakOvershootRadians), String(format: "%.2f", report.peakTorque),
      "\(report.harmless)", "\(report.missed.count)", "\(report.unsafe.count)",
      "\(report.needlessStops.count)", causes.joined(separator: ", "),
    ]
  }

  private static let widths = [17, 27, 8, 5, 6, 7, 6, 5, 5, 9, 6, 9, 7, 7, 9, 0]

  /// Two columns of words, then numbers to the right, then the causes.
  private static func row(_ cells: [String]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      let padding = String(repeating: " ", count: max(widths[index] - cell.count, 0))
      text += index < 2 ? cell + padding : (index == cells.count - 1 ? "  " + cell : padding + cell)
    }
    return text
  }

  private static func line(_ item: ClassReport.Case) -> String {
    let outcomes = item.unsafe.map { outcome in
      "\(outcome.kind.rawValue) at tick \(outcome.tick)" + (outcome.joint.map { " (\($0)" } ?? "")
        + (outcome.joint == nil ? "" : String(format: ", %.3g)", outcome.value))
    }
    let end =
      outcomes.isEmpty
      ? (item.cause.map(FaultCode.name(ofID:)) ?? "nothing latched") : outcomes.joined(separator: "; ")
    let latched = outcomes.isEmpty ? "" : "; latched: \(item.cause.map(FaultCode.name(ofID:)) ?? "nothing")"
    return "seed \(item.seed): \(item.text), \(item.joint): \(end)\(latched)"
  }
}
