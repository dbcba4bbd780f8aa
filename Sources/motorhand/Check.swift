import Analysis
import ArgumentParser
import Control
import Foundation
import HandFiles
import HandModel
import LinuxIO

/// The calibration file that a command uses beside a board.
struct CalibrationOption: ParsableArguments {
  @Option(
    help: """
      Calibration file; default: calibration.yaml beside the board, as installed; else in the folder Calibration \
      beside the board's the one of the board's name, the first that fits the board, or nominal-hand.yaml.
      """, transform: nonEmpty)
  var calibration: String?

  func path(board: String) -> String { Self.path(board: board, calibration: calibration) }

  static func path(board: String, calibration: String?) -> String {
    if let calibration { return calibration }
    let file = URL(fileURLWithPath: board)
    let beside = file.deletingLastPathComponent().appendingPathComponent("calibration.yaml").path
    if FileManager.default.fileExists(atPath: beside) { return beside }
    let folder = file.deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Calibration").path
    let own = file.lastPathComponent
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    if names.contains(own) { return "\(folder)/\(own)" }
    let fitting = names.first {
      $0.hasSuffix(".yaml") && (try? HandFiles(board: board, calibration: "\(folder)/\($0)")) != nil
    }
    return "\(folder)/\(fitting ?? "nominal-hand.yaml")"
  }
}

/// Arguments after the board: a calibration is an option in every verb, and whoever gives it without is told
/// so.
struct UnexpectedArguments: ParsableArguments {
  @Argument(help: .hidden) var arguments: [String] = []

  func validate() throws {
    guard let first = arguments.first else { return }
    throw ValidationError("found '\(first)' after the board; a calibration is given as --calibration FILE")
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check a board: devices, load of each bus, highest rate, certificate of each joint.",
    discussion: """
      For platform linux this machine is searched for every bus, chip and line; nothing is written to any chip. \
      Exit codes: 0 fits, is certified and all there; 2 a file is broken; 3 the rate does not fit or a joint has \
      no certificate; 4 hardware is missing, busy or may not be used.
      """
  )
  @Argument(help: "Board file, for example Boards/sim.yaml.", transform: nonEmpty) var board: String
  @OptionGroup var calibration: CalibrationOption
  @OptionGroup var rest: UnexpectedArguments
  @Option(help: "Check at this rate instead of the board's.", transform: loopRate) var rateHz: Int?
  @Flag(
    help: "Find the certificate U of each joint as well, which takes seconds; motorhand certify says more.")
  var uncertain = false
  @Flag(help: "Print the report as JSON.") var json = false

  func run() throws {
    let file = calibration.path(board: board)
    var (board, calibration) = try load(board: board, calibration: file)
    if let rateHz { board.control.rateHertz = rateHz }
    let report: BoardReport
    do throws(DesignRefusal) {
      var design = try HandDesign(board: board, calibration: calibration)
      if uncertain {
        let progress = ProgressLine()
        design.findUncertain { progress.show("\($0): certificate U") }
        progress.clear()
      }
      report = BoardReport(board: board, design: design, refusal: nil)
    } catch {
      report = BoardReport(board: board, design: nil, refusal: error.description)
    }
    let machine = board.platform == .linux ? MachineReport(board: board) : nil
    if json {
      try printJSON(Whole(board: report, machine: machine))
    } else {
      try emit("calibration \(file)\n" + text(report) + (machine.map(text) ?? ""), terminator: "")
    }
    guard report.fits && report.refusal == nil else { throw Exit.infeasible }
    guard machine?.isComplete ?? true else { throw Exit.device }
  }

  /// What `--json` prints: the board's report with what this machine has of it, nothing where it was not
  /// searched.
  private struct Whole: Encodable {
    var board: BoardReport
    var machine: MachineReport?

    enum CodingKeys: CodingKey { case machine }

    func encode(to encoder: any Encoder) throws {
      try board.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeIfPresent(machine, forKey: .machine)
    }
  }

  private func text(_ machine: MachineReport) -> String {
    var lines = ["", "on this machine:"]
    let names = machine.parts.map(\.part.count).max() ?? 0
    for part in machine.parts {
      lines.append(
        "  \(part.state.rawValue.padding(toLength: 10, withPad: " ", startingAt: 0))  "
          + "\(part.part.padding(toLength: names, withPad: " ", startingAt: 0))  \(part.place): \(part.found)"
      )
      if !part.remedy.isEmpty { lines.append("              → \(part.remedy)") }
    }
    let missing = machine.parts.count { $0.state != .found && $0.state != .unseen }
    lines.append("")
    lines.append(
      missing == 0
        ? "all there; what is unseen is tested when the daemon starts"
        : "\(missing) of \(machine.parts.count) parts cannot be used; motorhand scan lists what this machine has"
    )
    return lines.joined(separator: "\n") + "\n"
  }

  private func text(_ report: BoardReport) -> String {
    var lines = [
      String(
        format: "board %@ (%@), %d Hz: period %.1f µs, a bus may be busy for %.0f %% of it", report.board,
        report.platform, report.rateHertz, report.periodMicroseconds, report.largestLoad * 100), "",
    ]
    for bus in report.buses {
      lines.append(String(format: "bus %@, %.0f kHz", bus.name, Double(bus.clockHertz) / 1000))
      lines += bus.devices.map { "  \($0)" }
      for cost in bus.costs {
        lines.append(
          String(
            format: "  %2d × %7.1f µs  %@ (%d bits + software)", cost.count, cost.microsecondsEach, cost.what,
            cost.bits))
      }
      lines.append(
        String(
          format: "  = %.1f µs of %.1f µs: load %.1f %%, at most %.0f Hz%@", bus.cycleMicroseconds,
          report.periodMicroseconds, bus.load * 100, bus.highestRateHertz, bus.fits ? "" : "  DOES NOT FIT"))
    }
    for chip in report.kernelPWMChips { lines.append("kernel PWM chip \(chip)") }
    lines.append("")
    if let refusal = report.refusal {
      lines.append(refusal)
    } else {
      lines.append(
        "joint                  L            L saturated  rate 1/s  hold  delay  output µs  dt valid ms")
      for joint in report.joints {
        lines.append(
          joint.name.padding(toLength: 22, withPad: " ", startingAt: 0)
            + String(
              format: " %.9f  %.9f  %8.5f  %4d  %5d  %9.1f  %.3f–%.3f", joint.lipschitz,
              joint.lipschitzSaturated,
              joint.ratePerSecond, joint.holdTicks, joint.delayTicks, joint.outputLatencyMicroseconds,
              joint.minimumDtMilliseconds, joint.maximumDtMilliseconds))
      }
    }
    for finger in Set(report.joints.compactMap(\.finger)).sorted() {
      let names = report.joints.filter { $0.finger == finger }.map(\.name).joined(separator: ", ")
      lines.append("finger \(finger): \(names) pull at each other and have one certificate")
    }
    for joint in report.joints {
      let name = joint.name.padding(toLength: 22, withPad: " ", startingAt: 0)
      if let found = joint.uncertain {
        lines.append(
          String(
            format: "U of %@ %.9f  %8.5f 1/s, slopes from %.3f", name, found.lipschitz, found.ratePerSecond,
            found.smallestSlope))
      } else if let refusal = joint.uncertainRefusal {
        lines.append("U of \(name) none: \(refusal)")
      }
    }
    lines += ["", report.recording.text]
    if report.fits {
      lines.append(String(format: "the buses bear it; they would bear %.0f Hz", report.highestRateHertz))
    } else {
      let worst = report.buses.max { $0.load < $1.load }
      lines.append(
        String(
          format:
            "refused: %d Hz does not fit. Bus %@ needs %.1f µs a tick, %.0f %% of the period are %.1f µs; "
            + "at most %.0f Hz. Lower rate_hz, raise clock_hz, or spread the chips over more buses.",
          report.rateHertz, worst?.name ?? "", worst?.cycleMicroseconds ?? 0, report.largestLoad * 100,
          report.periodMicroseconds * report.largestLoad, report.highestRateHertz))
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// Reads a board and its calibration; the failure, with 2, names every error of a file.
func load(board: String, calibration: String) throws -> (Board, Calibration) {
  let files = try loadFiles(board: board, calibration: calibration)
  return (files.board, files.calibration)
}

/// The same with the text of both.
func loadFiles(board: String, calibration: String) throws -> HandFiles {
  do {
    return try HandFiles(board: board, calibration: calibration)
  } catch {
    throw Failure("\(error)", Exit.brokenFile)
  }
}
