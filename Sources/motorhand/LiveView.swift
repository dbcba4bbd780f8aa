import Foundation
import Runtime

/// The hand's state as text for people: mode, joints, L and margin, latencies, recorder and publisher.
struct LiveView {
  /// Without a snapshot for this long the daemon counts as gone.
  static let silenceSeconds = 2.0
  /// Width of a joint's position bar in characters.
  private static let barWidth = 24
  /// Full scale of the bars: the range of a finger joint.
  private static let barRadians = 1.6

  var colour: Bool

  func render(_ snapshot: HandSnapshot) -> String {
    var lines: [String] = []
    lines.append(
      paint(" MotorHand \(snapshot.version) ", "7") + " hand \(snapshot.handID)   board \(snapshot.board)   "
        + "\(snapshot.rateHertz) Hz   tick \(snapshot.ticks)")
    lines.append("")
    lines.append(
      field("state", paint(snapshot.state, stateColour(snapshot.state))) + field("mode", snapshot.mode)
        + field("outputs", snapshot.outputsEnabled ? paint("LIVE", "33") : "off")
        + (snapshot.fault.map { "cause  " + paint($0 + (snapshot.faultJoint.map { " (\($0))" } ?? ""), "31") }
          ?? ""))
    lines.append(
      field("certificate", paint(snapshot.certificate, certificateColour(snapshot.certificate)))
        + field("L", snapshot.lipschitz.map { String(format: "%.9f", $0) } ?? "none")
        + field("margin 1−L", snapshot.lipschitz.map { String(format: "%.3e", 1 - $0) } ?? "none")
        + field("rate", snapshot.ratePerSecond.map { String(format: "%.4f 1/s", $0) } ?? "none")
        + field("Λ", snapshot.windowProduct.map { String(format: "%.6f", $0) } ?? "none")
        + field("uncertified", "\(snapshot.uncertifiedTicks)"))
    lines.append(
      latency("wake-up", snapshot.wakeUpMicroseconds) + latency("compute", snapshot.computeMicroseconds))
    lines.append(field("overruns", "\(snapshot.overruns)") + recorder(snapshot) + publisher(snapshot))
    if !snapshot.degraded.isEmpty {
      lines.append(paint("DEGRADED, not real-time: ", "31") + snapshot.degraded.joined(separator: "; "))
    }
    lines.append("")
    lines.append(
      pad("joint", 22) + pad("position ▌ set-point │", Self.barWidth + 4)
        + "   q rad    r rad    w rad/s   τ N m     i A     L")
    lines += snapshot.joints.map(joint)
    return lines.joined(separator: "\n") + "\n"
  }

  private func joint(_ joint: HandSnapshot.Joint) -> String {
    let numbers = String(
      format: "%8.4f %8.4f %9.3f %8.4f %8.4f  ", joint.positionRadians, joint.setpointRadians,
      joint.velocityRadiansPerSecond, joint.torqueNewtonMetres, joint.currentAmperes)
    let state =
      joint.isStale
      ? paint("STALE", "31") : joint.lipschitz.map { String(format: "%.9f", $0) } ?? joint.certificate
    return pad(joint.name, 22) + bar(joint) + "  " + numbers + state
  }

  private func bar(_ joint: HandSnapshot.Joint) -> String {
    var cells = [Character](repeating: "·", count: Self.barWidth)
    func cell(_ radians: Double) -> Int {
      min(max(Int(radians / Self.barRadians * Double(Self.barWidth)), 0), Self.barWidth - 1)
    }
    for index in 0..<cell(joint.positionRadians) { cells[index] = "█" }
    cells[cell(joint.positionRadians)] = "▌"
    if cell(joint.setpointRadians) != cell(joint.positionRadians) { cells[cell(joint.setpointRadians)] = "│" }
    return "[" + String(cells) + "]"
  }

  private func latency(_ name: String, _ latency: HandSnapshot.Latency) -> String {
    field(
      name + " µs",
      String(
        format: "p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f", latency.p50, latency.p99, latency.p999,
        latency.max))
  }

  private func recorder(_ snapshot: HandSnapshot) -> String {
    guard let recorder = snapshot.recorder else { return field("recorder", "off") }
    return field(
      "recorder",
      "\(recorder.recorded) ticks, lag \(recorder.lagTicks), dropped \(recorder.dropped)"
        + (recorder.error.map { " " + paint($0, "31") } ?? ""))
  }

  private func publisher(_ snapshot: HandSnapshot) -> String {
    guard let publisher = snapshot.publisher else { return field("MQTT", "off") }
    return field(
      "MQTT",
      (publisher.connected ? "connected" : paint("not connected", "31"))
        + ", \(publisher.published) sent, lag \(publisher.lagTicks), dropped \(publisher.dropped)"
        + (publisher.error.map { " " + paint($0, "31") } ?? ""))
  }

  private func field(_ name: String, _ value: String) -> String { "\(name)  \(value)   " }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(width - text.count, 0))
  }

  private func paint(_ text: String, _ code: String) -> String {
    colour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }

  private func stateColour(_ state: String) -> String {
    switch state {
    case "fault", "e-stop": "31"
    case "armed", "tracking": "33"
    default: "32"
    }
  }

  private func certificateColour(_ certificate: String) -> String {
    switch certificate {
    case "UNCERTIFIED": "31"
    case "SATURATED": "33"
    default: "32"
    }
  }
}
