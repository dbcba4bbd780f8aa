import Analysis
import Foundation
import HandModel
import Runtime

/// One episode, or one stretch of fault-free time, run again: told in words and drawn.
package struct EpisodeStory {
  /// What happened, tick by tick, and the verdict.
  package let text: String
  /// Angle, torque and state of the joint over time, as a picture.
  package let svg: String
  /// What the episode came to; nil for fault-free time.
  package let result: EpisodeResult?
  package let faultFree: FaultFreeReport?
  package let isClean: Bool

  private static let injectionColour = "#e08e0b"
  private static let detectionColour = "#b00020"

  /// Runs the episode that a campaign on this hand ran under this seed.
  package init(seed: UInt64, hand: CampaignHand) throws(StartError) {
    if Campaign.isFaultFree(seed: seed) {
      try self.init(faultFree: seed, hand: hand)
    } else {
      try self.init(episode: seed, hand: hand)
    }
  }

  private init(episode seed: UInt64, hand: CampaignHand) throws(StartError) {
    let plan = EpisodePlan(seed: seed, hand: hand)
    let joint = hand.design.board.joints[plan.joint].name
    var log = Log(title: "\(joint): \(plan.text), seed \(seed)")
    let result = try Episode(plan, hand: hand).run {
      log.add($0)
      return true
    }
    let ticks = log.ticks
    log.mark(ticks.count > plan.tick ? ticks[plan.tick].seconds : 0, "fault", Self.injectionColour)
    log.lines.append((plan.tick, "fault: \(plan.text), \(joint)"))
    if let tick = result.detectionTick {
      log.mark(ticks[tick].seconds, result.cause.map(FaultCode.name(ofID:)) ?? "", Self.detectionColour)
    }
    for outcome in result.unsafe { log.add(outcome) }
    var verdict: [String] = []
    if let cause = result.prematureCause {
      verdict.append("latched before the fault: \(FaultCode.name(ofID: cause))")
    }
    if let latency = result.latencyTicks, let cause = result.cause {
      verdict.append(
        "detected as \(FaultCode.name(ofID: cause)) in \(latency) ticks, drives \(result.isOff == true ? "off" : "held")"
      )
    } else if result.prematureCause == nil {
      verdict.append("not detected")
    }
    if result.isMissed { verdict.append("which is a miss: \(plan.fault.expectationText)") }
    if result.isNeedlessStop { verdict.append("a needless stop") }
    verdict.append(
      String(
        format: "%.4f rad past what it was told, torque up to %.3f N m", result.overshootRadians,
        result.peakTorque))
    verdict.append(result.unsafe.isEmpty ? "no unsafe outcome" : "\(result.unsafe.count) unsafe outcomes")
    text = log.text + verdict.joined(separator: "\n") + "\n"
    svg = log.plot.svg
    isClean = result.unsafe.isEmpty && !result.isMissed && !result.isNeedlessStop
    self.result = result
    faultFree = nil
  }

  private init(faultFree seed: UInt64, hand: CampaignHand) throws(StartError) {
    let time = FaultFreeTime(seed: seed, hand: hand)
    let names = hand.design.board.joints.map(\.name)
    // Which joint is worth a picture is known only at the end.
    let first = try time.run()
    let joint = first.alarm?.joint.flatMap { names.firstIndex(of: $0) } ?? 0
    var log = Log(title: "\(names[joint]): fault-free time, seed \(seed)")
    let result = try time.run(joint: joint) { log.add($0) }
    if let alarm = result.alarm {
      log.mark(log.ticks[alarm.tick].seconds, FaultCode.name(ofID: alarm.cause), Self.detectionColour)
    }
    for outcome in result.unsafe { log.add(outcome) }
    let end =
      result.alarm.map {
        "false alarm: \(FaultCode.name(ofID: $0.cause))" + ($0.joint.map { ", \($0)" } ?? "")
          + ", while \($0.activity)"
      } ?? "no false alarm"
    text = log.text + end + "\n"
    svg = log.plot.svg
    isClean = result.alarm == nil && result.unsafe.isEmpty
    self.result = nil
    var report = FaultFreeReport()
    report.ticks = result.ticks
    report.hours = Double(result.ticks) * Double(hand.design.board.control.periodNanoseconds) / 3600e9
    report.alarms = [result.alarm].compactMap(\.self)
    faultFree = report
  }

  /// What one joint went through.
  private struct Log {
    var ticks: [EpisodeTick] = []
    var lines: [(tick: Int, text: String)] = []
    var plot: TimePlot

    init(title: String) {
      plot = TimePlot(
        title: title,
        panels: [
          TimePlot.Panel(
            "angle [rad]",
            [
              TimePlot.Curve("set-point", colour: "#888888", width: 3),
              TimePlot.Curve("true", colour: "#1f6fb4", width: 2),
              TimePlot.Curve("estimate", colour: "#d1495b", width: 1.2),
            ]),
          TimePlot.Panel(
            "torque of the drive [N·m]", [TimePlot.Curve("true", colour: "#1f6fb4", width: 1.2)]),
          TimePlot.Panel(
            "state (2 idle, 3 armed, 4 tracking, 5 fault)",
            [TimePlot.Curve("state", colour: "#2a7d46", width: 2)]),
        ])
    }

    mutating func add(_ tick: EpisodeTick) {
      if tick.state != ticks.last?.state {
        let cause = tick.cause == .none ? "" : ": \(tick.cause.name)"
        lines.append((tick.tick, tick.state.name + cause))
      }
      ticks.append(tick)
      plot.add(
        seconds: tick.seconds,
        [
          tick.setpointRadians, tick.trueRadians, tick.estimatedRadians, tick.torqueNewtonMetres,
          Double(tick.state.rawValue),
        ])
    }

    mutating func add(_ outcome: UnsafeOutcome) {
      let joint = outcome.joint.map { " (\($0), \(String(format: "%.4g", outcome.value)))" } ?? ""
      lines.append((outcome.tick, "UNSAFE: \(outcome.kind.rawValue)\(joint)"))
    }

    mutating func mark(_ seconds: Double, _ label: String, _ colour: String) {
      plot.mark(seconds: seconds, label: label, colour: colour)
    }

    /// What happened, tick by tick, with the joint as it was then.
    var text: String {
      lines.sorted { $0.tick < $1.tick }.map { line in
        guard ticks.indices.contains(line.tick) else { return "tick \(line.tick): \(line.text)\n" }
        let joint = ticks[line.tick]
        return String(
          format: "tick %5d  %7.3f s  set-point %8.4f  true %8.4f  estimate %8.4f rad  %7.3f N m  %@\n",
          line.tick, joint.seconds, joint.setpointRadians, joint.trueRadians, joint.estimatedRadians,
          joint.torqueNewtonMetres, line.text)
      }.joined()
    }
  }
}

extension FaultCode {
  /// A cause as people read it.
  static func name(ofID id: String) -> String { FaultCode(id: id)?.name ?? id }
}
