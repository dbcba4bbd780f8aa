import Analysis
import ArgumentParser
import Control
import Foundation
import HandModel

struct Certify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Both certificates of each joint, their margins, a map of two gains, and advice on gains.",
    discussion: """
      N is the certificate of the calibrated model, which arms a hand; U holds for everything within the stated \
      uncertainty at once (docs/control.md). --plot draws where in two gains a joint is certified, stable without \
      proof or unstable. --suggest proposes gains for a wanted stiffness and damping ratio.
      Exit codes: 0 every joint has N; 2 a file is broken; 3 a joint has none, or no gains were found.
      """
  )
  @Argument(help: "Board file, for example Boards/sim.yaml.", transform: nonEmpty) var board: String
  @OptionGroup var calibration: CalibrationOption
  @OptionGroup var rest: UnexpectedArguments
  @Flag(help: "Print the result as JSON.") var json = false
  @Option(help: "Write the map of two gains to this SVG file.", transform: nonEmpty) var plot: String?
  @Option(help: "Joint of the map or the advice; default: the first.") var joint: String?
  @Option(help: "Gain across: kp, kd, km or h (back-calculation).") var x = LoopParameter.kp
  @Option(help: "Gain upwards.") var y = LoopParameter.kd
  @Option(help: "End of the axis across; default: three times the present gain.") var xMax: Double?
  @Option(help: "End of the axis upwards; likewise.") var yMax: Double?
  @Flag(help: "Propose gains for --stiffness and --damping-ratio.") var suggest = false
  @Option(help: "Wanted stiffness: N m/rad; for a servo relative to its own, at least 1.") var stiffness:
    Double?
  @Option(help: "Wanted damping ratio.") var dampingRatio = 1.0

  func validate() throws {
    guard LoopParameter.gains.contains(x), LoopParameter.gains.contains(y), x != y else {
      throw ValidationError("--x and --y: expected two different ones of kp, kd, km, h")
    }
    guard (xMax ?? 1) > 0, (yMax ?? 1) > 0, (xMax ?? 1).isFinite, (yMax ?? 1).isFinite else {
      throw ValidationError("--x-max and --y-max: expected numbers above 0")
    }
    if suggest {
      guard let stiffness, stiffness > 0, stiffness.isFinite else {
        throw ValidationError("--suggest needs --stiffness above 0")
      }
      guard (0.1...10).contains(dampingRatio) else {
        throw ValidationError("--damping-ratio: found \(dampingRatio), expected 0.1 to 10")
      }
    }
  }

  func run() throws {
    let path = calibration.path(board: board)
    let (board, calibration) = try load(board: board, calibration: path)
    let names = calibration.joints.map(\.name)
    let chosen = joint ?? names[0]
    guard let index = names.firstIndex(of: chosen) else {
      throw ValidationError("--joint: found \(chosen), expected one of \(names.joined(separator: ", "))")
    }
    if suggest || plot != nil, calibration.couplings.contains(where: { $0.joints.contains(index) }) {
      throw ValidationError(
        "--joint: found \(chosen), at which other joints pull; maps and advice are of single joints: name another, or "
          + "take the finger out of couplings_N_m_per_rad")
    }
    let progress = ProgressLine()
    defer { progress.clear() }
    if suggest {
      try advise(board, calibration, joint: index, progress)
      return
    }
    if let plot {
      let map: CertificateMap
      do throws(DesignRefusal) {
        map = try CertificateMap(
          board: board, calibration: calibration, joint: index, x: x, y: y, xMaximum: xMax, yMaximum: yMax,
          progress: progress.show)
      } catch {
        throw Failure(error, Exit.infeasible)
      }
      try write(svg: map.svg, to: plot)
    }
    let report = CertificateReport(board: board, calibration: calibration, progress: progress.show)
    progress.clear()
    if json { try printJSON(report) } else { try emit(report.text, terminator: "") }
    guard report.isCertified else { throw Exit.infeasible }
  }

  private func advise(
    _ board: Board, _ calibration: Calibration, joint index: Int, _ progress: ProgressLine
  ) throws {
    let advice: GainAdvice
    do throws(GainAdvice.Refusal) {
      advice = try GainAdvice(
        board: board, calibration: calibration, joint: index, stiffness: stiffness ?? .nan,
        dampingRatio: dampingRatio, progress: progress.show)
    } catch {
      throw Failure(error, Exit.infeasible)
    }
    progress.clear()
    if json { try printJSON(advice) } else { try emit(advice.text, terminator: "") }
  }
}

extension LoopParameter: ExpressibleByArgument {}

/// One line on the terminal that says what is being computed; nothing where standard error is no terminal.
struct ProgressLine {
  private let isInteractive = isatty(STDERR_FILENO) == 1

  func show(_ text: String) {
    guard isInteractive else { return }
    writeError("\r\u{1B}[K\(text) …")
  }

  func clear() {
    guard isInteractive else { return }
    writeError("\r\u{1B}[K")
  }
}
