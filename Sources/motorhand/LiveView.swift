import Foundation
import Wire

/// The hand's state as text for people: mode, joints, L and margin, latencies, recorder and publisher, or as
/// much of it as fits. A pure function of snapshot, size and options.
struct LiveView {
  /// Columns and rows that may be written; `rows` is nil where a text may be as long as it likes.
  struct Size: Equatable {
    var columns: Int
    var rows: Int?
  }

  /// Without a snapshot for this long the daemon counts as gone: one that ended closes the connection at
  /// once, and one on a busy machine takes its time.
  static let silenceSeconds = 10.0
  /// Where there is no terminal: wide enough for everything.
  static let fileColumns = 120
  /// From here on percentiles have room for p99.9.
  private static let wideColumns = 110
  /// Below either, state, fault and outputs go first, and only what is left shows more.
  private static let smallColumns = 60
  private static let smallRows = 16
  /// A fault's text takes at most so many lines.
  private static let faultLines = 3

  var isDegrees = false
  /// Whether keys are read, and so shown.
  var showsKeys = false
  /// What became of the last key.
  var notice: String?

  /// At most `size.rows` lines of at most `size.columns` columns. Without a limit of rows no line is cut.
  func lines(_ snapshot: HandSnapshot, size: Size) -> [ScreenText] {
    let columns = max(size.columns, 1)
    let rows = size.rows ?? .max
    let isSmall = columns < Self.smallColumns || rows < Self.smallRows
    let keys = showsKeys && rows > 3 ? [keyLine(columns)] : []
    // State and outputs may take a line each.
    let faultLines = max(min(Self.faultLines, rows - keys.count - 2), 1)
    var header = groups(snapshot, columns: columns, faultLines: faultLines)
    let wanted = snapshot.joints.count + 1 + keys.count
    // From what matters least while a hand moves.
    for part in [.latencies, .storage, .title] + (isSmall ? [.certificate, .degraded] : []) as [Part]
    where header.reduce(wanted, { $0 + $1.lines.count }) > rows { header.removeAll { $0.part == part } }
    let used = header.reduce(keys.count) { $0 + $1.lines.count }
    let table = JointTable(snapshot, columns: columns, isDegrees: isDegrees).lines(atMost: rows - used)
    let blank = rows - used - table.count >= 2 ? [ScreenText()] : []
    let titleLines = header.filter { $0.part == .title }.flatMap(\.lines)
    let rest = header.filter { $0.part != .title }.flatMap(\.lines)
    let frame = titleLines + (titleLines.isEmpty ? [] : blank) + rest + (table.isEmpty ? [] : blank + table)
    guard size.rows != nil else { return frame }
    return Array((frame.prefix(rows - keys.count) + keys).map { $0.clipped(to: columns) })
  }

  /// The whole of it as plain text, for a file or a terminal that scrolls.
  func text(_ snapshot: HandSnapshot, columns: Int) -> String {
    lines(snapshot, size: Size(columns: columns, rows: nil)).map { $0.text(isColoured: false) + "\n" }
      .joined()
  }

  /// One line that says how the hand is, for a file.
  func summary(_ snapshot: HandSnapshot) -> String {
    let stale = snapshot.joints.filter(\.isStale).map(\.name)
    let fields =
      [
        field("state", snapshot.state), outputs(snapshot), field("mode", snapshot.mode),
        field("fault", fault(snapshot) ?? "none"), field("L", lipschitz(snapshot)),
        field("tick", "\(snapshot.sequence)"), field("overruns", "\(snapshot.overruns)"),
      ] + (stale.isEmpty ? [] : [field("stale", stale.joined(separator: ","))])
      + (snapshot.degraded.isEmpty ? [] : [ScreenText("DEGRADED")])
    return fields.map { $0.text(isColoured: false) }.joined(separator: "  ")
  }

  // MARK: The lines above the joints

  /// Parts of the view in the order in which they are shown.
  private enum Part { case title, state, certificate, latencies, storage, degraded }
  private typealias Group = (part: Part, lines: [ScreenText])

  private func groups(_ snapshot: HandSnapshot, columns: Int, faultLines: Int) -> [Group] {
    let isWide = columns >= Self.wideColumns
    let title =
      ScreenText(" MotorHand \(snapshot.version) ", .reverse)
      + ScreenText(
        "  hand \(snapshot.handID)  board \(snapshot.board)  \(snapshot.rateHertz) Hz  tick \(snapshot.sequence)"
      )
    let certificate = [
      field("certificate", snapshot.certificate, colour(certificate: snapshot.certificate)),
      field("L", lipschitz(snapshot)),
      field("rate", snapshot.ratePerSecond.map { String(format: "%.4f/s", $0) } ?? "none"),
      field("Λ", snapshot.windowProduct.map { String(format: "%.6f", $0) } ?? "none"),
      field("uncertified", "\(snapshot.uncertifiedTicks)"),
    ]
    let latencies = [
      latency("wake-up", snapshot.wakeUps, isWide),
      latency("compute", snapshot.computes, isWide),
    ]
    let storage =
      [field("overruns", "\(snapshot.overruns)"), recorder(snapshot), publisher(snapshot)]
      + [upload(snapshot)].compactMap(\.self)
    var groups: [Group] = [
      (.title, [title]), (.state, stateLines(snapshot, columns, faultLines)),
      (.certificate, Self.flow(certificate, columns)), (.latencies, Self.flow(latencies, columns)),
      (.storage, Self.flow(storage, columns)),
    ]
    if !snapshot.degraded.isEmpty {
      let reasons = "DEGRADED, not real-time: " + snapshot.degraded.joined(separator: "; ")
      groups.append((.degraded, [ScreenText(reasons, .red)]))
    }
    return groups
  }

  /// State, outputs and fault: what is shown wherever anything is.
  private func stateLines(_ snapshot: HandSnapshot, _ columns: Int, _ faultLines: Int) -> [ScreenText] {
    var fields = [field("state", snapshot.state, colour(state: snapshot.state)), outputs(snapshot)]
    if columns >= Self.smallColumns { fields.append(field("mode", snapshot.mode)) }
    guard let fault = fault(snapshot) else { return Self.flow(fields + [field("fault", "none")], columns) }
    let whole = Self.flow(fields + [field("fault", fault, .red)], columns)
    return whole.allSatisfy { $0.width <= columns }
      ? whole
      : Self.flow(fields, columns)
        + ScreenText.wrapped("fault " + fault, columns: columns, lines: faultLines, .red)
  }

  private func keyLine(_ columns: Int) -> ScreenText {
    var fields = [ScreenText("space stop"), ScreenText("q quit")]
    fields.append(ScreenText(isDegrees ? "r radians" : "d degrees"))
    if let notice { fields.insert(ScreenText(notice, .reverse), at: 0) }
    return Self.flow(fields, columns)[0]
  }

  /// Fields one after another in as few lines as they need.
  private static func flow(_ fields: [ScreenText], _ columns: Int) -> [ScreenText] {
    var lines: [ScreenText] = []
    for field in fields {
      if let last = lines.last, last.width + 2 + field.width <= columns {
        lines[lines.count - 1] = last + ScreenText("  ") + field
      } else {
        lines.append(field)
      }
    }
    return lines
  }

  // MARK: Fields

  private func field(_ name: String, _ value: String, _ colour: ScreenText.Colour? = nil) -> ScreenText {
    ScreenText(name + " ", .faint) + ScreenText(value, colour)
  }

  private func outputs(_ snapshot: HandSnapshot) -> ScreenText {
    snapshot.outputsEnabled ? field("outputs", "LIVE", .yellow) : field("outputs", "off")
  }

  private func fault(_ snapshot: HandSnapshot) -> String? {
    (snapshot.faultText ?? snapshot.fault).map { $0 + (snapshot.faultJoint.map { " (\($0))" } ?? "") }
  }

  private func lipschitz(_ snapshot: HandSnapshot) -> String {
    snapshot.lipschitz.map { String(format: "%.9f", $0) } ?? "none"
  }

  private func latency(_ name: String, _ latency: HandSnapshot.Latency, _ isWide: Bool) -> ScreenText {
    field(
      name + " µs",
      String(format: "p50 %.1f p99 %.1f ", latency.p50 / 1000, latency.p99 / 1000)
        + (isWide ? String(format: "p99.9 %.1f ", latency.p999 / 1000) : "")
        + String(format: "max %.1f", latency.max / 1000))
  }

  private func recorder(_ snapshot: HandSnapshot) -> ScreenText {
    guard let recorder = snapshot.recorder else { return field("recorder", "off") }
    return field(
      "recorder", "\(recorder.recorded) ticks, lag \(recorder.lagTicks), dropped \(recorder.dropped)")
      + ScreenText(recorder.error.map { " " + $0 } ?? "", .red)
  }

  private func publisher(_ snapshot: HandSnapshot) -> ScreenText {
    guard let publisher = snapshot.publisher else { return field("MQTT", "off") }
    return field(
      "MQTT", publisher.connected ? "connected" : "not connected", publisher.connected ? nil : .red)
      + ScreenText(", \(publisher.published) sent, lag \(publisher.lagTicks), dropped \(publisher.dropped)")
      + ScreenText(publisher.error.map { " " + $0 } ?? "", .red)
  }

  private func upload(_ snapshot: HandSnapshot) -> ScreenText? {
    guard let upload = snapshot.publisher?.upload else { return nil }
    let megabytes = (Double(upload.backlogBytes) / 1e5).rounded() / 10
    let lost =
      upload.expiredUnsent > 0
      ? ScreenText(", \(upload.expiredUnsent) ticks expired unsent", .red) : ScreenText("")
    return field("upload", upload.mode)
      + ScreenText(
        ", backlog \(upload.backlogTicks) ticks (\(megabytes) MB) and \(upload.backlogEvents) events, "
          + "\(upload.blocksSent) blocks sent, \(upload.blocksAcknowledged) acknowledged, "
          + "\(upload.blocksStored) stored by \(upload.consumer ?? "nobody who says so")")
      + (upload.unheard > 0 ? ScreenText(", \(upload.unheard) unheard") : ScreenText("")) + lost
      + ScreenText(upload.error.map { " " + $0 } ?? "", .red)
  }

  private func colour(state: String) -> ScreenText.Colour {
    switch state {
    case "fault", "e-stop": .red
    case "armed", "tracking": .yellow
    default: .green
    }
  }

  private func colour(certificate: String) -> ScreenText.Colour {
    switch certificate {
    case "UNCERTIFIED": .red
    case "SATURATED": .yellow
    default: .green
    }
  }
}
