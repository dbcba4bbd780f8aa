import Foundation
import Testing

/// What `motorhand status --json` gives, as a user's own program would declare it.
struct StatusDocument: Decodable {
  struct Joint: Decodable {
    var name: String
    var positionRadians: Double
    var setpointRadians: Double
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
    var connected: Bool
    var published: UInt64
    var drops: [String: UInt64]
    var commands: Way
    var stopWay: Way
  }
  struct Timekeeping: Decodable {
    var lateTicks: UInt64
    var missedDeadlines: UInt64
    var longestLatenessMicroseconds: Double
    var stoodStillSeconds: Double
    var realStops: UInt64
    var realCause: String?
    var sentence: String
  }
  var handID: String
  var bootID: String
  var state: String
  var fault: String?
  var faultJoint: String?
  var outputsEnabled: Bool
  var ticks: UInt64
  var joints: [Joint]
  var recorder: Recorder?
  var publisher: Publisher?
  var timekeeping: Timekeeping?
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
  ///   - strictClock: the hand lives by the machine's clock, on the threads of a real one.
  init(
    _ bench: TestBench, board: String? = nil, broker: TestBroker? = nil, data: String? = nil,
    socket: String = "control.sock", launcher: [String] = [], strictClock: Bool = false
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
    program = try bench.start(words[0], arguments)
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
