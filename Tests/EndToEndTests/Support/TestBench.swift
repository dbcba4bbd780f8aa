import Foundation
import Testing

/// The files of the package and the programs built from it.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path
  static let board = root + "/Boards/sim.yaml"
  static let calibration = root + "/Calibration/nominal-hand.yaml"
  static let script = root + "/Scripts/grasps.jsonl"

  /// A program of this package: the optimised one in the folder MOTORHAND_BIN, which is what users run, else
  /// the one that the build puts beside the test program.
  static func built(_ name: String) -> String {
    if let folder = ProcessInfo.processInfo.environment["MOTORHAND_BIN"] { return "\(folder)/\(name)" }
    return URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
      .appendingPathComponent(name).path
  }

  /// A program of the system; Debian keeps servers outside an ordinary user's PATH.
  static func installed(_ name: String) -> String? {
    let path = (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/local/sbin:/usr/sbin:/usr/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }
}

/// A directory of its own and every program started in it: all end with the bench.
final class TestBench {
  /// Longest time for a program that runs to its end by itself. The longest needs some 15 s alone.
  private static let runSeconds = 90.0

  let directory: String
  private var programs: [RunningProgram] = []
  private var mounts: [String] = []

  init() throws {
    // Short: a socket's path has at most 107 bytes.
    var pattern = Array("/tmp/motorhand-e2e-XXXXXX".utf8CString)
    directory = try #require(mkdtemp(&pattern).map { String(cString: $0) })
  }

  deinit {
    for program in programs.reversed() { program.kill() }
    // MNT_DETACH: a failed test may still hold files open.
    for mount in mounts { umount2(mount, 2) }
    try? FileManager.default.removeItem(atPath: directory)
  }

  func path(_ name: String) -> String { directory + "/" + name }

  /// Starts a program; its output goes into files of the bench.
  func start(_ program: String, _ arguments: [String], takesInput: Bool = false) throws -> RunningProgram {
    let running = try RunningProgram(
      program, arguments, log: path("program-\(programs.count)"), takesInput: takesInput)
    programs.append(running)
    return running
  }

  /// Runs a program to its end.
  func run(_ program: String, _ arguments: [String]) throws -> Outcome {
    let running = try start(program, arguments)
    let status = try #require(
      running.waitForExit(seconds: Self.runSeconds), "\(program) \(arguments) did not end")
    return Outcome(status: status, output: running.output, errors: running.errors)
  }

  /// Runs `motorhand`.
  func motorhand(_ arguments: String...) throws -> Outcome {
    try run(Repository.built("motorhand"), arguments)
  }

  /// Rows of a query by the `sqlite3` shell, as its columns. Of a segment's ticks all are rows.
  func query(_ database: String, _ sql: String) throws -> [[String]] {
    let shell = try #require(Repository.installed("sqlite3"), "sqlite3 is not installed")
    let isSegment = database.contains("/segment-") && sql.contains("tick")
    let file = isSegment ? try unpacked(database) : database
    defer { if isSegment { unlink(file) } }
    let outcome = try run(shell, ["-readonly", "-separator", "\t", file, sql])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return outcome.output.split(separator: "\n").map { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
  }

  /// A segment with a row for each tick, as a file of the bench.
  func unpacked(_ segment: String) throws -> String {
    let file = path("rows-\(UUID().uuidString).sqlite")
    let outcome = try motorhand("log", "unpack", segment, file)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return file
  }

  /// The simulated board with other control settings, as a file of the bench.
  ///
  /// 500 Hz and wide budgets: on a shared machine a stall of some milliseconds is an ordinary thing and not
  /// what these tests are about.
  func patientBoard(
    commandTimeoutMilliseconds: Int = 500, _ substitutions: [(String, String)] = []
  ) throws -> String {
    var text = try String(contentsOfFile: Repository.board, encoding: .utf8)
    let all =
      [
        ("rate_hz: 1000", "rate_hz: 500"), ("stale_sample_ms: 25", "stale_sample_ms: 500"),
        ("uncertified_budget_ticks: 20", "uncertified_budget_ticks: 500"),
        ("overrun_budget_ticks: 50", "overrun_budget_ticks: 500"),
        ("command_timeout_ms: 200", "command_timeout_ms: \(commandTimeoutMilliseconds)"),
      ] + substitutions
    for (old, new) in all {
      try #require(text.contains(old), "Boards/sim.yaml has no \(old)")
      text = text.replacingOccurrences(of: old, with: new)
    }
    let file = path("board-\(programs.count).yaml")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }

  /// Runs the daemon in virtual time to its end; returns the directory of its recording.
  func virtualRun(
    _ name: String, board: String = Repository.board, seconds: Double, seed: UInt64,
    script: String = Repository.script
  ) throws -> String {
    let data = path(name)
    let outcome = try run(
      Repository.built("motorhandd"),
      [
        "--virtual", "--seconds", "\(seconds)", "--seed", "\(seed)", "--board", board, "--calibration",
        Repository.calibration, "--data", data, "--script", script,
      ])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return data
  }

  /// Mounts a memory file system; nil where this user may not mount.
  func smallDisk(megabytes: Int) throws -> String? {
    let point = path("disk")
    try FileManager.default.createDirectory(atPath: point, withIntermediateDirectories: false)
    guard mount("tmpfs", point, "tmpfs", 0, "size=\(megabytes)m") == 0 else { return nil }
    mounts.append(point)
    return point
  }

  /// Whether this process may mount: the condition of the tests that need it.
  static let canMount = (try? TestBench().smallDisk(megabytes: 1)) ?? nil != nil
}

/// How a program ended.
struct Outcome {
  var status: Int32
  var output: String
  var errors: String

  /// The output as JSON of a type.
  func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
    try JSONDecoder().decode(type, from: Data(output.utf8))
  }
}

/// Waits for a condition, at most `seconds`; returns whether it came.
func waitUntil(seconds: Double = 10, _ condition: () throws -> Bool) rethrows -> Bool {
  let limit = ContinuousClock.now + .seconds(seconds)
  while try !condition() {
    if ContinuousClock.now > limit { return false }
    usleep(10_000)
  }
  return true
}
