import Analysis
import ArgumentParser
import Control
import Foundation
import HandFiles
import HandModel
import Realtime
import Recording
import Replay

struct LogReplay: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Run the recorded ticks again and compare every bit of what they decided.",
    discussion: """
      With another calibration, or the gains of one, it shows what the hand would have been told; the samples stay \
      those of the recording.
      Exit codes: 0 identical; 1 different; 2 a file is broken or the recording cannot be run again; 3 a joint has no \
      certificate.
      """)
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Option(help: "Use the gains of this calibration file, everything else as recorded.", transform: nonEmpty)
  var gains: String?
  @Option(help: "Use this calibration file in place of the recorded one.", transform: nonEmpty)
  var calibration: String?
  @Option(
    help: "Write angle, torque and L of a joint, recorded against replayed, as SVG into this file.",
    transform: nonEmpty)
  var plot: String?
  @Option(help: "The joint to plot; default: the one that differs most, else the first.") var joint: String?
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    guard gains == nil || calibration == nil else {
      throw ValidationError("give --gains or --calibration, not both: a calibration has gains")
    }
    guard joint == nil || plot != nil else { throw ValidationError("--joint needs --plot FILE") }
  }

  func run() throws {
    do {
      try replay()
    } catch let error as DesignRefusal {
      throw Failure(error, Exit.infeasible)
    } catch let error as ExitCode {
      throw error
    } catch let error as Failure {
      throw error
    } catch let error as ValidationError {
      throw error
    } catch {
      throw Failure("\(error)", Exit.brokenFile)
    }
  }

  private func replay() throws {
    let recording = try openRecording(recording)
    let files = try RecordedFiles(recording)
    let recorded = try files.design()
    if recorded.certificates.json != recording.certificateJSON {
      complain(
        "note: this version finds another certificate than version \(recording.version) recorded; L will differ"
      )
    }
    var design = recorded
    if let path = gains ?? calibration {
      let other = try Calibration(yaml: try HandFiles.text(path), file: path, board: files.board)
      design = try files.design(calibration: other, gainsOnly: gains != nil)
    }
    let replay = Replay(recording, design: design)
    let clock = MonotonicClock()
    let start = clock.now()
    var plots = try plots(recording)
    let result = try replay.run(
      onTick: { was, would in
        for index in plots.indices { plots[index].add(recorded: was, replayed: would) }
      }, progress: progress(recording, since: start))
    let seconds = Double(clock.now() - start) * 1e-9
    clearProgress()
    if let plot {
      let most = result.largestTorqueDifference.flatMap { recording.jointNames.firstIndex(of: $0.joint) } ?? 0
      let chosen = plots[plots.count == 1 ? 0 : most]
      try write(svg: chosen.svg, to: plot)
    }
    let report = ReplayReport(result, recording: recording, seconds: seconds)
    if json { try printJSON(report) } else { try emit(report.text) }
    guard result.isIdentical else { throw Exit.failure }
  }

  /// One for the chosen joint, or one for each where the choice depends on the result.
  private func plots(_ recording: Recording) throws -> [ReplayPlot] {
    guard plot != nil else { return [] }
    var joints = Array(recording.jointNames.indices)
    if let joint {
      guard let index = recording.jointNames.firstIndex(of: joint) else {
        throw RecordingError.unknownJoint(name: joint, known: recording.jointNames)
      }
      joints = [index]
    }
    let changed = (gains ?? calibration).map { ", with \($0)" } ?? ""
    return joints.map {
      ReplayPlot(joint: $0, title: "\(recording.jointNames[$0]), start \(recording.runID)\(changed)")
    }
  }

  /// Prints how far the replay is, where somebody watches.
  private func progress(_ recording: Recording, since start: Int64) -> (UInt64) -> Void {
    guard isatty(STDERR_FILENO) == 1 else { return { _ in } }
    return { ticks in
      let seconds = max(Double(MonotonicClock().now() - start) * 1e-9, 1e-9)
      let rate = Double(ticks) / seconds
      let line = String(
        format: "\r%llu ticks, %.0f a second, %.0f times real time\u{1B}[K", ticks, rate,
        rate / Double(max(recording.rateHertz, 1)))
      writeError(line)
    }
  }

  private func clearProgress() {
    guard isatty(STDERR_FILENO) == 1 else { return }
    writeError("\r\u{1B}[K")
  }
}

/// A replay's result as it is printed.
private struct ReplayReport: Encodable {
  struct Difference: Encodable {
    var tick: UInt64
    var field: String
    var joint: String?
    var recorded: String
    var replayed: String
  }
  struct Torque: Encodable {
    var newtonMetres: Double
    var joint: String
    var tick: UInt64
  }
  struct End: Encodable, Equatable {
    var state: HandState
    var fault: FaultCode

    private enum CodingKeys: CodingKey { case state, fault }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(state.id, forKey: .state)
      // Null where nothing is latched.
      try container.encode(fault.idOrNil, forKey: .fault)
    }

    var text: String { "\(state.name) (\(fault.name))" }
  }

  /// Path of the start that was replayed, and further starts in the data directory that was given.
  var recording: String
  var otherStarts: [RecordedStart]
  var identical: Bool
  var replayedTicks: UInt64
  var firstTick: UInt64?
  var lastTick: UInt64?
  var skippedTicks: UInt64
  var differingTicks: UInt64
  var firstDifference: Difference?
  var largestTorqueDifference: Torque?
  var recordedEnd: End
  var replayedEnd: End
  var seconds: Double
  var ticksPerSecond: Double
  var timesRealTime: Double

  init(_ result: ReplayResult, recording: Recording, seconds: Double) {
    self.recording = recording.path
    otherStarts = recording.otherStarts
    identical = result.isIdentical
    replayedTicks = result.replayedTicks
    firstTick = result.firstTick
    lastTick = result.lastTick
    skippedTicks = result.skippedTicks
    differingTicks = result.difference.differingTicks
    firstDifference = result.difference.first.map {
      Difference(tick: $0.sequence, field: $0.column, joint: $0.joint, recorded: $0.a, replayed: $0.b)
    }
    largestTorqueDifference = result.largestTorqueDifference.map {
      Torque(newtonMetres: $0.newtonMetres, joint: $0.joint, tick: $0.sequence)
    }
    recordedEnd = End(state: result.recordedEnd.state, fault: result.recordedEnd.fault)
    replayedEnd = End(state: result.replayedEnd.state, fault: result.replayedEnd.fault)
    self.seconds = seconds
    ticksPerSecond = Double(result.replayedTicks) / max(seconds, 1e-9)
    timesRealTime = ticksPerSecond / Double(max(recording.rateHertz, 1))
  }

  var text: String {
    var lines: [String] = []
    let range = "ticks \(firstTick ?? 0) to \(lastTick ?? 0)"
    if identical {
      lines.append("identical to the bit: \(replayedTicks) ticks, \(range)")
    } else if let first = firstDifference {
      let place = first.joint.map { "\($0).\(first.field)" } ?? first.field
      lines.append(
        "different from tick \(first.tick): \(place) recorded \(first.recorded), replayed \(first.replayed)")
      lines.append("\(differingTicks) of \(replayedTicks) ticks differ, \(range)")
    }
    if skippedTicks > 0 {
      lines.append("\(skippedTicks) ticks not run: before the first stored state, or after missing ticks")
    }
    if let torque = largestTorqueDifference {
      lines.append(
        String(format: "largest difference of torque: %.6f N·m, ", torque.newtonMetres)
          + "\(torque.joint), tick \(torque.tick)")
    }
    if recordedEnd != replayedEnd { lines.append("ended \(recordedEnd.text), replayed \(replayedEnd.text)") }
    lines.append(
      String(
        format: "%.2f s, %.0f ticks a second, %.0f times real time", seconds, ticksPerSecond, timesRealTime))
    return lines.joined(separator: "\n")
  }
}
