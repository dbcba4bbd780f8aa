import ArgumentParser
import Foundation
import Recording
import Runtime

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look into recordings.",
    discussion:
      "A recording is a segment file, the directory of one start, or a data directory, of which the newest start is taken.",
    subcommands: [LogInfo.self, LogExport.self, LogDiff.self, LogReplay.self])
}

struct LogInfo: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "What a recording holds: ticks, gaps, states, faults, drops.")
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Flag(help: "Print as JSON.") var json = false

  func run() throws {
    let info = try opening { () throws(RecordingError) in try openRecording(recording).info() }
    if json {
      try emit(info.json)
    } else {
      try emit(info.text)
    }
  }
}

struct LogExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a recording as CSV to standard output.")
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Flag(help: "Comma-separated values with a header line that carries the units (the only format so far).")
  var csv = false
  @Option(help: "Only this joint; may be given several times.") var joint: [String] = []
  @Option(help: "First tick.") var from: UInt64 = 0
  @Option(help: "Last tick.") var to = UInt64(Int64.max)

  func validate() throws {
    guard csv else { throw ValidationError("say --csv: the format to write") }
    guard from <= to else { throw ValidationError("--from \(from) lies after --to \(to)") }
  }

  func run() throws {
    signal(SIGPIPE, SIG_IGN)
    _ = try opening { () throws(RecordingError) in
      try openRecording(recording).exportCSV(
        to: STDOUT_FILENO, joints: joint.isEmpty ? nil : joint, range: from...to)
    }
  }
}

struct LogDiff: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Compare two recordings tick by tick, but for wall-clock times.",
    discussion: "Exit codes: 0 identical; 1 different; 2 a recording cannot be read.")
  @Argument(help: "One recording.", transform: nonEmpty) var first: String
  @Argument(help: "The other.", transform: nonEmpty) var second: String

  func run() throws {
    let difference = try opening { () throws(RecordingError) in
      try Recording.diff(try openRecording(first), try openRecording(second))
    }
    try emit(difference)
    guard difference.isIdentical else { throw Exit.failure }
  }
}

/// Opens a recording, and says so where it is one of several starts.
func openRecording(_ path: String) throws(RecordingError) -> Recording {
  let recording = try Recording.open(path: path)
  if let choice = recording.choice { complain("\(path): \(choice)") }
  return recording
}

/// Runs `body`; a recording that cannot be read ends the command with 2, a closed pipe quietly with 0.
private func opening<Value>(_ body: () throws(RecordingError) -> Value) throws -> Value {
  do throws(RecordingError) {
    return try body()
  } catch {
    // A reader that has seen enough, such as head, is no failure of the recording.
    if case .output(errno: EPIPE) = error { throw ExitCode.success }
    throw Failure(error, Exit.brokenFile)
  }
}
