import Analysis
import ArgumentParser
import Foundation
import HandModel
import Recording

struct LogPlot: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plot",
    abstract: "Draw a recording as SVG: joints and set-points, L and Λ, states and faults, latencies.",
    discussion: """
      However long the recording, its least and greatest values are drawn: no spike is lost. Every tick is read, at some \
      hundred thousand a second.
      Exit codes: 0 drawn; 1 the picture cannot be written; 2 the recording cannot be read or is damaged.
      """)
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Argument(help: "The picture, replaced where there is one.", transform: nonEmpty) var file: String
  @Option(help: "Only this joint; may be given several times.") var joint: [String] = []
  @Option(help: "First tick.") var from: UInt64 = 0
  @Option(help: "Last tick.") var to = UInt64(Int64.max)

  /// Ticks between two reports.
  private static let progressTicks: UInt64 = 10_000

  func validate() throws {
    guard from <= to else { throw ValidationError("--from \(from) lies after --to \(to)") }
  }

  func run() throws {
    let shown = ProgressLine()
    let (svg, ticks, damage) = try opening { () throws(RecordingError) in
      defer { shown.clear() }
      return try draw(shown)
    }
    guard ticks > 0 else {
      try report(damage)
      throw Failure("\(recording): there is no tick from \(from) to \(to)", Exit.brokenFile)
    }
    try write(svg: svg, to: file)
    try emit("\(file): \(ticks) ticks")
    try report(damage)
  }

  private func draw(
    _ shown: ProgressLine
  ) throws(RecordingError) -> (svg: String, ticks: UInt64, damage: [RecordingError]) {
    let recording = try openRecording(recording)
    var joints = Array(recording.jointNames.indices)
    if !joint.isEmpty {
      joints = []
      for name in joint {
        guard let index = recording.jointNames.firstIndex(of: name) else {
          throw .unknownJoint(name: name, known: recording.jointNames)
        }
        joints.append(index)
      }
    }
    let cursor = recording.ticks(in: from...to, skippingDamage: true)
    var record = TickRecord()
    var plot: RecordingPlot?
    var ticks: UInt64 = 0
    while try cursor.next(into: &record) {
      if plot == nil {
        let date = Date(timeIntervalSince1970: Double(record.wallNanoseconds) / 1e9).formatted(.iso8601)
        plot = RecordingPlot(
          joints: joints, names: recording.jointNames,
          title: "\(recording.handID), tick \(record.sequence) of \(date), start \(recording.runID)".printable
        )
      }
      plot?.add(record)
      ticks += 1
      if ticks % Self.progressTicks == 0 { shown.show("\(ticks) ticks") }
    }
    return (plot?.svg ?? "", ticks, cursor.damage)
  }
}
