import Analysis
import ArgumentParser
import Foundation
import Glibc

struct StopBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "How long a stop takes, with everything against it.",
    discussion: """
      Starts a daemon on a simulated hand at 100 Hz and one at 1 kHz, on a private Mosquitto, with the recorder's disk \
      full (as root; else it is said) and standard error closed. Idle clients, three that command without pause and a \
      flood of commands at QoS 0 and 1 are against it. Then the hand is armed and stopped again and again, over the \
      socket and over MQTT. A witness receives the same bytes by the same transport; what the daemon needs beyond \
      that is to be at most a tick. Exit code 1 when a stop was lost.
      """)
  @Option(help: "Stops in all, shared evenly by both rates and both ways.") var stops = 10_000
  @Option(help: "Idle clients of the control socket.") var clients = 64
  @Option(help: "Commands a second on the broker, half of them at QoS 0 and half at QoS 1.") var flood =
    10_000
  @Flag(help: "Print the result as JSON.") var json = false

  /// 100 Hz and 1 kHz.
  private static let boards = ["Boards/sim-servo.yaml", "Boards/sim.yaml"]

  func validate() throws {
    guard (4...1_000_000).contains(stops) else {
      throw ValidationError("--stops: found \(stops), expected 4 to 1000000")
    }
    guard (0...1000).contains(clients) else {
      throw ValidationError("--clients: found \(clients), expected 0 to 1000")
    }
    guard (0...1_000_000).contains(flood) else {
      throw ValidationError("--flood: found \(flood), expected 0 to 1000000")
    }
  }

  func run() throws {
    Interrupt.install()
    signal(SIGPIPE, SIG_IGN)
    let daemon = URL(filePath: ShippedFiles.program).deletingLastPathComponent().appending(path: "motorhandd")
      .path
    guard FileManager.default.isExecutableFile(atPath: daemon) else {
      throw Failure("\(daemon): not found, expected beside motorhand", Exit.brokenFile)
    }
    var rows: [StopBench.Row] = []
    for name in Self.boards {
      guard let board = ShippedFiles.find(name) else {
        throw Failure("\(name): not found in the checkout or the package", Exit.brokenFile)
      }
      let calibration = CalibrationOption.path(board: board, calibration: nil)
      do {
        rows += try StopBench.run(
          hand: try loadFiles(board: board, calibration: calibration), boardPath: board,
          calibrationPath: calibration, daemon: daemon, stops: max(stops / Self.boards.count, 2),
          idleClients: clients, floodPerSecond: flood, isCancelled: { Interrupt.isPending }, onStop: progress)
      } catch let error as BenchError {
        throw Failure(error, Exit.failure)
      }
    }
    if json { try printJSON(rows) } else { try emit(Self.table(rows)) }
    // What was lost is in the table.
    guard rows.allSatisfy({ $0.lost == 0 }) else { throw Exit.failure }
  }

  private func progress(_ what: String, _ number: Int, of count: Int) {
    guard isatty(STDERR_FILENO) == 1, number % 50 == 0 || number == count else { return }
    writeError("\r\(what): \(number) of \(count)\(number == count ? "\n" : "")")
  }

  private static func table(_ rows: [StopBench.Row]) -> String {
    func cell(_ text: String) -> String { String(repeating: " ", count: max(9 - text.count, 0)) + text }
    func cells(_ name: String, _ values: [String]) -> String {
      name.padding(toLength: 34, withPad: " ", startingAt: 0) + values.map(cell).joined()
    }
    func numbers(_ d: StopBench.Milliseconds?) -> [String] {
      guard let d else { return Array(repeating: "-", count: 4) }
      return [d.p50, d.p99, d.p999, d.max].map { String(format: "%.3f", $0) }
    }
    var lines = [cells("milliseconds", ["p50", "p99", "p99.9", "max"])]
    for row in rows {
      let name = "\(row.rateHertz) Hz, \(row.way.rawValue)"
      lines.append(cells("\(name): to outputs off", numbers(row.toOutputsOff)))
      lines.append(cells("  transport alone (witness)", numbers(row.transport)))
      lines.append(cells("  beyond the transport", numbers(row.beyondTransport)))
      lines.append(
        "  \(row.stops) stops, \(row.lost) lost; p99.9 is \(row.isWithinATick ? "" : "NOT ")within a tick and the "
          + "transport's own; "
          + String(format: "%.0f commands/s flooding", row.floodPerSecond)
          + ", \(row.idleClients) idle clients, "
          + (row.isDiskFull ? "disk full" : "disk not full (mounting needs root)") + ", standard error closed"
      )
      lines += row.lostReasons.sorted { $0.key < $1.key }.map { "  lost \($0.value): \($0.key)" }
    }
    return lines.joined(separator: "\n")
  }
}
