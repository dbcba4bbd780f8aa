import ArgumentParser
import Foundation
import Recording
import Wire

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look into recordings.",
    discussion:
      "A recording is a segment file, the directory of one start, or a data directory, of which the newest start is taken.",
    subcommands: [
      LogList.self, LogInfo.self, LogVerify.self, LogExport.self, LogUnpack.self, LogDiff.self,
      LogReplay.self, LogPlot.self, LogTail.self, LogReceive.self, LogReconcile.self,
    ])
}

struct LogList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "The starts in a data directory, the newest first, and its black boxes.",
    discussion: "Exit codes: 0 listed; 2 the directory, or a segment in it, cannot be read.")
  @Argument(help: "The data directory.", transform: nonEmpty) var directory: String
  @Flag(help: "Print as JSON.") var json = false

  /// What `--json` prints.
  private struct Listing: Encodable {
    var starts: [StartListing]
    var blackBoxes: [String]
  }

  func run() throws {
    let listing = try opening { () throws(RecordingError) in
      Listing(
        starts: try Recording.list(in: directory), blackBoxes: try Recording.blackBoxes(in: directory))
    }
    if json {
      try printJSON(listing)
    } else if listing.starts.isEmpty && listing.blackBoxes.isEmpty {
      try emit("\(directory): no recordings")
    } else {
      try emit((listing.starts.map(\.text) + listing.blackBoxes).joined(separator: "\n"))
    }
    guard listing.starts.allSatisfy({ $0.damagedSegments == 0 }) else { throw Exit.brokenFile }
  }
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
    guard info.damage.isEmpty else { throw Exit.brokenFile }
  }
}

struct LogVerify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Whether a recording is whole: damage, missing ticks and why they are.",
    discussion: """
      Reads every page, block and hash, row and event, and recomputes the hash chain of the events. Ticks that were \
      deleted to keep within the bounds are not lost. That the end of the events was cut off shows only against a head \
      of the chain from elsewhere: the journal ("chain head NUMBER HASH") or the retained topic \
      motorhand/hand/ID/audit.
      Exit codes: 0 nothing is lost; 1 ticks are lost; 2 something is damaged, was changed or cannot be read.
      """)
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Option(help: "Hash that the chain of events must hold: 128 hexadecimal digits.") var head: String?
  @Flag(help: "Print as JSON.") var json = false

  func validate() throws {
    guard head.map({ EventChain(continuing: $0) != nil }) ?? true else {
      throw ValidationError("--head: found '\(head ?? "")', expected 128 hexadecimal digits")
    }
  }

  func run() throws {
    let shown = ProgressLine()
    let found = try opening { () throws(RecordingError) in
      defer { shown.clear() }
      return try openRecording(recording).verify(anchor: head?.lowercased()) { shown.show("\($0) ticks") }
    }
    if json { try printJSON(found) } else { try emit(found.text) }
    guard !found.isDamaged else { throw Exit.brokenFile }
    guard found.lostTicks == 0, found.missingEvents == 0 else { throw Exit.failure }
  }
}

struct LogExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write a recording as CSV to standard output, or as MCAP into a file.",
    discussion: """
      MCAP is what Foxglove, Lichtblick, PlotJuggler and Rerun show: angles, torques, events, and a hand that moves, of \
      illustrative shape. Its index stands at the end of the file, so that it cannot go to standard output.
      Exit codes: 0 written; 1 there is no room for what is written; 2 the recording cannot be read or is damaged, or the \
      file exists or cannot be made.
      """)
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Flag(help: "Comma-separated values with a header line that carries the units, to standard output.")
  var csv = false
  @Option(help: "A new file of MCAP.", transform: nonEmpty) var mcap: String?
  @Option(help: "Only this joint; may be given several times.") var joint: [String] = []
  @Option(help: "First tick.") var from: UInt64 = 0
  @Option(help: "Last tick.") var to = UInt64(Int64.max)

  func validate() throws {
    guard csv != (mcap != nil) else { throw ValidationError("say --csv or --mcap FILE: the format to write") }
    guard mcap != "-" else { throw ValidationError("--mcap needs the name of a file, not standard output") }
    guard from <= to else { throw ValidationError("--from \(from) lies after --to \(to)") }
  }

  func run() throws {
    if let mcap { return try writeMCAP(to: mcap) }
    signal(SIGPIPE, SIG_IGN)
    let damage = try opening { () throws(RecordingError) in
      try openRecording(recording).exportCSV(
        to: STDOUT_FILENO, joints: joint.isEmpty ? nil : joint, range: from...to
      ).damage
    }
    try report(damage)
  }

  private func writeMCAP(to file: String) throws {
    let shown = ProgressLine()
    let (ticks, damage) = try opening { () throws(RecordingError) in
      defer { shown.clear() }
      let recording = try openRecording(recording)
      return try recording.exportMCAP(
        to: file, sketch: HandSketch(recording), joints: joint.isEmpty ? nil : joint, range: from...to
      ) { shown.show("\($0) ticks") }
    }
    try emit("\(file): \(ticks) ticks")
    try report(damage)
  }
}

struct LogUnpack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpack", abstract: "Write every tick of a recording as rows of one SQLite file.",
    discussion: """
      A segment keeps its ticks in compressed blocks and only a few as rows. The new file has a row for each, the same \
      views and units, and is a recording too, some five times as large. One that is interrupted leaves FILE.partial, which \
      the next one writes over.
      Exit codes: 0 written; 2 the recording cannot be read, or the file exists or cannot be written.
      """)
  @Argument(help: "The recording.", transform: nonEmpty) var recording: String
  @Argument(help: "The new file.", transform: nonEmpty) var file: String
  @Option(help: "First tick.") var from: UInt64 = 0
  @Option(help: "Last tick.") var to = UInt64(Int64.max)

  func validate() throws {
    guard from <= to else { throw ValidationError("--from \(from) lies after --to \(to)") }
  }

  func run() throws {
    let shown = ProgressLine()
    let (ticks, damage) = try opening { () throws(RecordingError) in
      defer { shown.clear() }
      return try openRecording(recording).unpack(to: file, range: from...to) { shown.show("\($0) ticks") }
    }
    try emit("\(file): \(ticks) ticks")
    try report(damage)
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

/// Names what could not be read, and ends with 2 where there is any.
func report(_ damage: [RecordingError]) throws {
  for error in damage { complain(error.description) }
  guard damage.isEmpty else { throw Exit.brokenFile }
}

/// Runs `body`; a recording that cannot be read ends the command with 2, a closed pipe quietly with 0.
func opening<Value>(_ body: () throws(RecordingError) -> Value) throws -> Value {
  do throws(RecordingError) {
    return try body()
  } catch {
    // A reader that has seen enough, such as head, is no failure of the recording.
    if case .output(errno: EPIPE) = error { throw ExitCode.success }
    if case .output = error { throw Failure(error, Exit.failure) }
    throw Failure(error, Exit.brokenFile)
  }
}
