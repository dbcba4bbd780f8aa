import Foundation

/// A child process whose output goes into files; killed with its owner.
final class RunningProgram {
  private let process = Process()
  private let outputPath: String
  private let errorPath: String
  private let input: Pipe?

  init(_ program: String, _ arguments: [String], log: String, takesInput: Bool) throws {
    outputPath = log + ".out"
    errorPath = log + ".err"
    input = takesInput ? Pipe() : nil
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    for path in [outputPath, errorPath] {
      guard FileManager.default.createFile(atPath: path, contents: nil) else {
        throw CocoaError(.fileWriteUnknown)
      }
    }
    let files = try [outputPath, errorPath].map { try FileHandle(forWritingTo: URL(fileURLWithPath: $0)) }
    // The process has its own. Foundation keeps these for ever, and crashes in `run` when over a thousand are open:
    // it reads past the end of a full page of directory entries.
    defer { for file in files { try? file.close() } }
    process.standardOutput = files[0]
    process.standardError = files[1]
    process.standardInput = input ?? FileHandle.nullDevice
    try process.run()
  }

  deinit { kill() }

  var pid: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }
  /// What it has printed so far.
  var output: String { Self.text(outputPath) }
  var errors: String { Self.text(errorPath) }

  func send(_ signal: Int32) {
    guard process.isRunning else { return }
    Foundation.kill(pid, signal)
  }

  /// Writes one line to its standard input.
  func write(line: String) throws {
    try input?.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
  }

  /// The exit status, or 128 + n after signal n as shells count; nil when it runs on.
  func waitForExit(seconds: Double) -> Int32? {
    guard waitUntil(seconds: seconds, { !process.isRunning }) else { return nil }
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  /// Kills it and waits for its end.
  func kill() {
    guard process.isRunning else { return }
    // A stopped process takes SIGKILL too.
    Foundation.kill(pid, SIGKILL)
    _ = waitUntil { !process.isRunning }
  }

  /// A line of /proc/PID/status in KiB, such as VmRSS; nil when the process is gone.
  func memoryKibibytes(_ key: String) -> Int? {
    Self.text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix(key + ":") }
      .flatMap { Int($0.split(whereSeparator: \.isWhitespace)[1]) }
  }

  /// Whether every thread of it stands still after SIGSTOP.
  var isStopped: Bool { Self.text("/proc/\(pid)/status").contains("State:\tT") }

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }
}
