import Foundation
import Realtime

/// Why there is no C program to measure beside.
package enum NoPeer: Error, CustomStringConvertible {
  /// The C program's source, named here, was not found.
  case noSource(String)
  case noCompiler

  package var description: String {
    switch self {
    case .noSource(let name): "\(name) is not here; a checkout has it"
    case .noCompiler: "no C compiler is installed: apt-get install gcc"
    }
  }
}

/// One of the C programs of Benchmarks, compiled.
struct PeerProgram {
  private struct Report: Decodable {
    var seconds: Double
    var bytes_per_tick: Double?
  }

  /// Far longer than any round.
  private static let longestSeconds = 120.0

  private let path: String
  private let isCancelled: () -> Bool

  /// Compiles it into `directory`. Throws `NoPeer` where that cannot be tried, `BenchError` where it fails.
  /// - Parameter source: nil where it was not found as `name`.
  init(
    name: String, source: String?, libraries: [String], directory: String, isCancelled: @escaping () -> Bool
  ) throws {
    guard let source else { throw NoPeer.noSource(name) }
    guard let compiler = installedProgram("cc") else { throw NoPeer.noCompiler }
    path = directory + "/peer"
    self.isCancelled = isCancelled
    _ = try ToolProgram(compiler, ["-O2", "-o", path, source] + libraries.map { "-l" + $0 })
      .output(seconds: Self.longestSeconds, isCancelled: isCancelled)
  }

  /// Runs it for this much work.
  func run(_ arguments: [String], count: UInt64) throws -> BenchRun {
    let output = try ToolProgram(path, arguments)
      .output(seconds: Self.longestSeconds, isCancelled: isCancelled)
    guard let report = try? JSONDecoder().decode(Report.self, from: Data(output.utf8)) else {
      throw BenchError.program(name: path, status: 0, output: output)
    }
    return BenchRun(count: count, seconds: report.seconds, bytesEach: report.bytes_per_tick)
  }
}

/// A program beside a bench: killed with its owner, whatever happens.
final class ToolProgram {
  private let process = Process()
  private let pipe = Pipe()

  init(_ path: String, _ arguments: [String]) throws {
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  var isRunning: Bool { process.isRunning }

  /// What it prints until it ends, at most a pipe's worth. Throws unless it ends with 0, in time and without
  /// being cancelled.
  func output(seconds: Double, isCancelled: () -> Bool) throws -> String {
    let name = process.executableURL?.lastPathComponent ?? ""
    try waitFor(name, seconds: seconds, isCancelled: isCancelled) { !process.isRunning }
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      throw BenchError.program(name: name, status: process.terminationStatus, output: output)
    }
    return output
  }
}

/// Looks at a condition a thousand times a second until it holds.
func waitFor(
  _ what: String, seconds: Double, isCancelled: () -> Bool, until condition: () throws -> Bool
) throws {
  let limit = ContinuousClock.now + .seconds(seconds)
  while try !condition() {
    if isCancelled() { throw BenchError.cancelled }
    if ContinuousClock.now > limit { throw BenchError.timedOut(what: what, seconds: seconds) }
    usleep(1000)
  }
}

/// Path of a program of the system; Debian keeps servers outside an ordinary user's PATH.
func installedProgram(_ name: String) -> String? {
  let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
  return (folders + ["/usr/local/sbin", "/usr/sbin", "/usr/bin"]).map { "\($0)/\(name)" }.first {
    FileManager.default.isExecutableFile(atPath: $0)
  }
}

/// A directory of its own, removed with its owner.
final class ScratchDirectory {
  let path: String

  /// - Parameter parent: nil for the system's temporary one.
  init(in parent: String?) throws(BenchError) {
    let parent = parent ?? FileManager.default.temporaryDirectory.path
    var pattern = Array("\(parent)/motorhand-bench-XXXXXX".utf8CString)
    guard let made = mkdtemp(&pattern) else {
      throw .directory(path: parent, reason: Errno.latest.description)
    }
    path = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
