import Foundation
import Testing

/// What `motorhand status --json` gives, as a user's own program would declare it.
struct StatusDocument: Decodable {
  struct Joint: Decodable {
    var name: String
    var positionRadians: Double
    var setpointRadians: Double

    private enum CodingKeys: String, CodingKey {
      case name
      case positionRadians = "position_radians"
      case setpointRadians = "setpoint_radians"
    }
  }
  struct Recorder: Decodable {
    var recorded: UInt64
    var dropped: UInt64
    var path: String
    var error: String?
  }
  struct Publisher: Decodable {
    struct Way: Decodable {
      var state: String
      var error: String?
    }
    struct Upload: Decodable {
      var connected: Bool
      var backlogTicks: UInt64
      var backlogEvents: UInt64
      var blocksSent: UInt64
      var blocksAcknowledged: UInt64
      var consumer: String?
      var error: String?

      private enum CodingKeys: String, CodingKey {
        case connected, consumer, error
        case backlogTicks = "backlog_ticks"
        case backlogEvents = "backlog_events"
        case blocksSent = "blocks_sent"
        case blocksAcknowledged = "blocks_acknowledged"
      }
    }
    var connected: Bool
    var broker: String
    var published: UInt64
    var drops: [String: UInt64]
    struct Sparkplug: Decodable {
      var way: Way
      var births: UInt64
      var data: UInt64
      var refused: UInt64
    }
    var commands: Way
    var stopWay: Way
    var sparkplug: Sparkplug?
    var upload: Upload?

    private enum CodingKeys: String, CodingKey {
      case connected, broker, published, drops, commands, sparkplug, upload
      case stopWay = "stop_way"
    }
  }
  struct Timekeeping: Decodable {
    var lateTicks: UInt64
    var missedDeadlines: UInt64
    var longestLatenessNanoseconds: Double
    var stoodStillSeconds: Double
    var realStops: UInt64
    var realCause: String?
    var sentence: String

    private enum CodingKeys: String, CodingKey {
      case lateTicks = "late_ticks"
      case missedDeadlines = "missed_deadlines"
      case longestLatenessNanoseconds = "longest_lateness_nanoseconds"
      case stoodStillSeconds = "stood_still_seconds"
      case realStops = "real_stops"
      case realCause = "real_cause"
      case sentence
    }
  }
  private enum CodingKeys: String, CodingKey {
    case handID = "hand_id"
    case runID = "run_id"
    case state
    case fault
    case faultJoint = "fault_joint"
    case outputsEnabled = "outputs_enabled"
    case sequence, joints, recorder, publisher, timekeeping
  }
  var handID: String
  var runID: String
  var state: String
  var fault: String?
  var faultJoint: String?
  var outputsEnabled: Bool
  var sequence: UInt64
  var joints: [Joint]
  var recorder: Recorder?
  var publisher: Publisher?
  var timekeeping: Timekeeping?

  var ticks: UInt64 { sequence + 1 }
}

/// A running `motorhandd` on a simulated board.
final class TestDaemon {
  static let hand = "e2e"
  /// Longest time to the line "ready" on a busy machine.
  private static let readySeconds = 20.0

  let program: RunningProgram
  let socket: String
  let data: String
  private let bench: TestBench

  /// - Parameters:
  ///   - launcher: a program and its first arguments that becomes the daemon by exec.
  ///   - more: further arguments.
  ///   - strictClock: the hand lives by the machine's clock, on the threads of a real one.
  init(
    _ bench: TestBench, board: String? = nil, broker: TestBroker? = nil, data: String? = nil,
    socket: String = "control.sock", launcher: [String] = [], strictClock: Bool = false,
    options: [String] = []
  ) throws {
    self.bench = bench
    self.socket = bench.path(socket)
    self.data = data ?? bench.path("recordings")
    let words = launcher + [Repository.built("motorhandd")]
    var arguments = Array(words.dropFirst())
    arguments += ["--board", try board ?? bench.patientBoard(), "--calibration", Repository.calibration]
    arguments += ["--hand", Self.hand, "--socket", self.socket, "--data", self.data]
    if let broker { arguments += ["--broker", broker.url] }
    if strictClock { arguments.append("--strict-clock") }
    program = try bench.start(words[0], arguments + options)
    let ready = waitUntil(seconds: Self.readySeconds) {
      program.errors.contains("ready:") || !program.isRunning
    }
    try #require(ready && program.isRunning, "\(program.errors)")
    try #require(try reaches("idle"), "\(program.errors)")
  }

  /// Runs a command of `motorhand` against this daemon.
  func command(_ arguments: String...) throws -> Outcome {
    try bench.run(Repository.built("motorhand"), arguments + ["--socket", socket])
  }

  /// Runs a command and requires that it was executed.
  func execute(_ arguments: String...) throws {
    let outcome = try bench.run(Repository.built("motorhand"), arguments + ["--socket", socket])
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)")
  }

  func status() throws -> StatusDocument {
    let outcome = try command("status", "--json")
    try #require(outcome.status == 0, "\(outcome.errors)")
    return try outcome.decoded(StatusDocument.self)
  }

  /// Waits for a state of the hand.
  func reaches(_ state: String, seconds: Double = 10) throws -> Bool {
    try waitUntil(seconds: seconds) { try status().state == state }
  }

  /// Ends the daemon as a service manager does; returns its exit status.
  func terminate() throws -> Int32 {
    program.send(SIGTERM)
    return try #require(program.waitForExit(seconds: 20), "motorhandd did not end on SIGTERM")
  }

  /// Ticks that the daemon says it made; nil before it stopped.
  var ticksMade: UInt64? {
    program.errors.split(separator: "\n").compactMap { line in
      line.split(separator: "stopped: ").last?.split(separator: " ticks").first.flatMap { UInt64($0) }
    }.first
  }

  /// Segments of this daemon's start, in their order.
  func segments(boot: String) throws -> [String] {
    let directory = data + "/" + boot
    return try FileManager.default.contentsOfDirectory(atPath: directory)
      .filter { $0.hasPrefix("segment-") && $0.hasSuffix(".sqlite") }.sorted().map { directory + "/" + $0 }
  }

  func events(boot: String) -> String { "\(data)/\(boot)/events.sqlite" }
}
