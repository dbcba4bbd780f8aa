import ArgumentParser
import Foundation
import Glibc
import Realtime
import Runtime

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

  /// Clients that command without pause.
  private static let commanders = 3
  private static let hands = [
    (board: "Boards/sim-servo.yaml", calibration: "Calibration/servo-hand.yaml"),
    (board: "Boards/sim.yaml", calibration: "Calibration/nominal-hand.yaml"),
  ]

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
    var rows: [StopBenchRow] = []
    for hand in Self.hands {
      guard !Interrupt.isPending else { break }
      rows += try measure(board: hand.board, calibration: hand.calibration)
    }
    if json {
      try printJSON(rows)
    } else {
      print(Self.table(rows))
    }
    guard rows.count == 2 * Self.hands.count, rows.allSatisfy({ $0.lost == 0 }) else { throw Exit.failure }
  }

  private func measure(board: String, calibration: String) throws -> [StopBenchRow] {
    let (boardFile, _) = try load(board: board, calibration: calibration)
    let site = try StopBenchSite(board: board, calibration: calibration, programs: Self.programs)
    defer { site.stop() }
    let topic = "motorhand/hand/\(StopBenchSite.hand)/cmd/"
    try site.idle(clients: clients)
    try site.commanding(clients: Self.commanders, command: #"{"verb":"pose","pose":"open"}"#)
    for qos: Int32 in [0, 1] {
      try site.flood(perSecond: flood / 2, qos: qos, topic: topic + "pose", payload: #"{"pose":"open"}"#)
    }
    return try StopBenchWay.allCases.map { way in
      let floodedBefore = site.flooded.value
      let start = MonotonicClock().now()
      let trials = try StopBenchTrials(
        site: site, way: way, topic: topic + "stop", periodNanoseconds: boardFile.control.periodNanoseconds,
        progress: json ? nil : "\(boardFile.control.rateHertz) Hz, \(way.rawValue)")
      try trials.run(stops: max(stops / (2 * Self.hands.count), 1))
      let seconds = Double(MonotonicClock().now() - start) * 1e-9
      return StopBenchRow(
        rateHertz: boardFile.control.rateHertz, way: way, trials: trials, isDiskFull: site.isDiskFull,
        idleClients: clients, floodPerSecond: Double(site.flooded.value - floodedBefore) / seconds)
    }
  }

  /// The folder of this program.
  private static var programs: String {
    let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(filePath: path).deletingLastPathComponent().path
  }

  private static func table(_ rows: [StopBenchRow]) -> String {
    func cell(_ text: String) -> String { String(repeating: " ", count: max(9 - text.count, 0)) + text }
    func cells(_ name: String, _ values: [String]) -> String {
      name.padding(toLength: 34, withPad: " ", startingAt: 0) + values.map(cell).joined()
    }
    func numbers(_ d: StopBenchRow.Milliseconds) -> [String] {
      [d.p50, d.p99, d.p999, d.max].map { String(format: "%.3f", $0) }
    }
    var lines = [cells("milliseconds", ["p50", "p99", "p99.9", "max"])]
    for row in rows {
      let name = "\(row.rateHertz) Hz, \(row.way.rawValue)"
      lines.append(cells("\(name): to outputs off", numbers(row.toOutputsOff)))
      lines.append(cells("  transport alone (witness)", numbers(row.transport)))
      lines.append(cells("  beyond the transport", numbers(row.beyondTransport)))
      lines.append(
        "  \(row.stops) stops, \(row.lost) lost; p99.9 beyond the transport is "
          + String(format: "%.2f", row.ticksAtP999) + " ticks; "
          + String(format: "%.0f commands/s flooding", row.floodPerSecond)
          + ", \(row.idleClients) idle clients, "
          + (row.isDiskFull ? "disk full" : "disk not full (mounting needs root)") + ", standard error closed"
      )
    }
    return lines.joined(separator: "\n")
  }
}

enum StopBenchWay: String, Codable, CaseIterable {
  case socket, mqtt
}

/// What came of one way at one rate.
struct StopBenchRow: Codable {
  struct Milliseconds: Codable {
    var p50: Double
    var p99: Double
    var p999: Double
    var max: Double

    init(nanoseconds: [Int64]) {
      let sorted = nanoseconds.sorted()
      func at(_ share: Double) -> Double {
        guard !sorted.isEmpty else { return .nan }
        let index = Int((share * Double(sorted.count)).rounded(.up)) - 1
        return Double(sorted[min(Swift.max(index, 0), sorted.count - 1)]) * 1e-6
      }
      p50 = at(0.5)
      p99 = at(0.99)
      p999 = at(0.999)
      max = at(1)
    }
  }

  var rateHertz: Int
  var way: StopBenchWay
  var stops: Int
  var lost: Int
  /// From sending to outputs off.
  var toOutputsOff: Milliseconds
  /// From sending to the witness's receipt.
  var transport: Milliseconds
  /// Stop by stop, how much later than the witness's receipt the outputs were off.
  var beyondTransport: Milliseconds
  /// p99.9 of the latter in ticks.
  var ticksAtP999: Double
  var isDiskFull: Bool
  var idleClients: Int
  var floodPerSecond: Double

  init(
    rateHertz: Int, way: StopBenchWay, trials: StopBenchTrials, isDiskFull: Bool, idleClients: Int,
    floodPerSecond: Double
  ) {
    self.rateHertz = rateHertz
    self.way = way
    stops = trials.results.count + trials.lost
    lost = trials.lost
    toOutputsOff = Milliseconds(nanoseconds: trials.results.map(\.toOutputsOff))
    transport = Milliseconds(nanoseconds: trials.results.map(\.transport))
    beyondTransport = Milliseconds(nanoseconds: trials.results.map { $0.toOutputsOff - $0.transport })
    ticksAtP999 = beyondTransport.p999 * Double(rateHertz) * 1e-3
    self.isDiskFull = isDiskFull
    self.idleClients = idleClients
    self.floodPerSecond = floodPerSecond
  }
}
