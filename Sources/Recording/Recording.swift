import CSQLite
import Glibc
import HandModel
import PrimalLogic

/// A recording on disk, opened for reading: all segments of one boot, or a single segment file.
///
/// Opening rolls back a write that a crash or power cut interrupted, and so needs write access in that case
/// only. Nothing else is ever written.
package final class Recording {
  /// How long a read waits for a commit of a recorder that is still running.
  static let busyMilliseconds: Int32 = 2000

  /// Rates that boards may have (docs/board-file.md).
  private static let rates = 10...10_000

  /// One segment file.
  package struct Segment: Sendable, Equatable {
    package var path: String
    package var bytes: UInt64
    /// Whether its recorder closed it; false for the live one and after a crash.
    package var closed: Bool
  }

  /// As given to `open`, or the boot's directory below it.
  package let path: String
  package let handID: String
  package let bootID: String
  /// Version of the program that recorded.
  package let version: String
  package let rateHertz: Int
  /// Names of the joints in the order of every record.
  package let jointNames: [String]
  /// The files in force, as stored inside the first segment.
  package let boardYAML: String
  package let calibrationYAML: String
  package let certificateJSON: String
  package let segments: [Segment]
  /// Segment files that hold no schema: their creation was interrupted before anything was recorded.
  package let emptySegments: [String]
  private let eventsPath: String?
  /// Of a data directory: the starts in it beside this one, the newest first.
  package private(set) var otherStarts: [RecordedStart] = []

  /// Opens a segment file, a boot's directory, or the newest start in a data directory.
  package static func open(path: String) throws(RecordingError) -> Recording {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .notARecording(path: path, reason: String(cString: strerror(errno)))
    }
    guard RecordingPaths.isDirectory(path) else {
      return try Recording(path: path, files: [path], events: nil)
    }
    var directory = path
    var files = try RecordingPaths.segments(in: path)
    var others: [RecordedStart] = []
    if files.isEmpty {
      others = try starts(in: path)
      guard !others.isEmpty else {
        throw .notARecording(path: path, reason: "no segment-NNNN.sqlite in it or in its directories")
      }
      directory = others.removeFirst().path
      files = try RecordingPaths.segments(in: directory)
    }
    let events = directory + "/" + RecordingPaths.eventsName
    let recording = try Recording(
      path: directory, files: files.map(\.path), events: access(events, F_OK) == 0 ? events : nil)
    recording.otherStarts = others
    return recording
  }

  /// Boot identifiers of the recordings in a directory, sorted by name.
  static func bootIDs(in directory: String) throws(RecordingError) -> [String] {
    var boots: [String] = []
    for name in try RecordingPaths.names(in: directory) {
      let path = directory + "/" + name
      if RecordingPaths.isDirectory(path), try !RecordingPaths.segments(in: path).isEmpty {
        boots.append(name)
      }
    }
    return boots
  }

  private init(path: String, files: [String], events: String?) throws(RecordingError) {
    var segments: [Segment] = []
    var empty: [String] = []
    var first: [String: String]?
    var names: [String] = []
    for file in files {
      let connection = try Self.connect(file)
      guard try connection.integer("SELECT count(*) FROM sqlite_schema") > 0 else {
        empty.append(file)
        continue
      }
      guard try connection.integer("PRAGMA application_id") == SegmentSchema.applicationID else {
        throw .notARecording(path: file, reason: "an SQLite file of something else")
      }
      let version = try connection.integer("PRAGMA user_version")
      guard version == SegmentSchema.version else { throw .unsupportedSchema(path: file, version: version) }
      try Self.requireTables(["meta", "joint", "tick", "checkpoint"], connection, file)
      let meta = try Self.meta(connection)
      if let first, first["boot_id"] != meta["boot_id"] {
        throw .notARecording(path: file, reason: "it belongs to another boot than the segments before it")
      }
      if first == nil {
        first = meta
        names = try Self.jointNames(connection, file)
      }
      var status = stat()
      let bytes = stat(file, &status) == 0 ? UInt64(status.st_size) : 0
      segments.append(Segment(path: file, bytes: bytes, closed: meta["closed"] == "1"))
    }
    guard let first, let firstPath = segments.first?.path else {
      throw .notARecording(path: path, reason: "its segments are empty: nothing was recorded")
    }
    self.path = path
    self.segments = segments
    emptySegments = empty
    jointNames = names
    handID = first["hand_id"] ?? ""
    bootID = first["boot_id"] ?? ""
    version = first["version"] ?? ""
    let rate = first["rate_hertz"] ?? "nothing"
    guard let hertz = Int(rate), Self.rates.contains(hertz) else {
      throw .unreadable(
        path: firstPath, place: "meta, rate_hertz", found: rate,
        expected: "\(Self.rates.lowerBound) to \(Self.rates.upperBound)")
    }
    rateHertz = hertz
    boardYAML = first["board_yaml"] ?? ""
    calibrationYAML = first["calibration_yaml"] ?? ""
    certificateJSON = first["certificate_json"] ?? ""
    eventsPath = events
  }

  /// Reads ticks in the order of their sequence.
  package func ticks(in range: ClosedRange<UInt64> = 0...UInt64(Int64.max)) -> TickCursor {
    TickCursor(segments: segments.map(\.path), range: range)
  }

  /// Ticks from which a replay may begin besides tick 0, in their order.
  package func checkpoints() throws(RecordingError) -> [UInt64] {
    var sequences: Set<UInt64> = []
    for segment in segments {
      let rows = try Self.connect(segment.path).prepare("SELECT sequence FROM checkpoint")
      while try rows.step() { sequences.insert(UInt64(clamping: rows.integer(0))) }
    }
    return sequences.sorted()
  }

  /// Calls `body` with the state of the controller before tick `sequence`; nil when the recording has none.
  package func withCheckpoint<Value>(
    before sequence: UInt64, _ body: (UnsafeRawBufferPointer) -> Value
  ) throws(RecordingError) -> Value? {
    for segment in segments {
      let row = try Self.connect(segment.path).prepare("SELECT bytes FROM checkpoint WHERE sequence = ?1")
      row.bind(1, Int64(clamping: sequence))
      if try row.step() { return body(row.bytes(0)) }
    }
    return nil
  }

  /// The events of the recording; none when a single segment file was opened.
  package func events() throws(RecordingError) -> [RecordedEvent] {
    guard let eventsPath else { return [] }
    let connection = try Self.connect(eventsPath)
    try Self.requireTables(["event"], connection, eventsPath)
    let statement = try connection.prepare(
      """
      SELECT number, sequence, wall_nanoseconds, kind, value_from, value_to, text FROM event ORDER BY number
      """)
    var events: [RecordedEvent] = []
    while try statement.step() {
      let name = statement.text(3) ?? ""
      guard let kind = RecordedEvent.Kind(rawValue: name) else {
        throw .notARecording(path: eventsPath, reason: "event kind '\(name)' does not exist")
      }
      let number = statement.integer(0)
      func integer(_ column: Int32, _ name: String) throws(RecordingError) -> Int64 {
        guard case .integer(let value) = statement.stored(column) else {
          throw .unreadable(
            path: eventsPath, place: "event \(number), \(name)", found: statement.stored(column).name,
            expected: "an integer")
        }
        return value
      }
      let sequence = statement.isNull(1) ? nil : try integer(1, "sequence")
      if let sequence, sequence < 0 {
        throw .unreadable(
          path: eventsPath, place: "event \(number), sequence", found: "\(sequence)", expected: "0 or more")
      }
      events.append(
        RecordedEvent(
          number: number, sequence: sequence.map { UInt64(clamping: $0) },
          wallNanoseconds: try integer(2, "wall_nanoseconds"), kind: kind, from: statement.text(4),
          to: statement.text(5),
          text: statement.text(6) ?? ""))
    }
    return events
  }

  /// Opens a file for reading and rolls back an interrupted write.
  ///
  /// A read-only connection cannot roll back, so write access is used where the reader has it; SQLite then
  /// writes nothing unless a rollback is due, and `query_only` forbids the rest.
  static func connect(_ path: String) throws(RecordingError) -> SQLiteConnection {
    var status = stat()
    // Opening a pipe would wait for its other end.
    guard stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
      throw .notARecording(path: path, reason: "not a regular file")
    }
    let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
      separator: "/")
    let parent = directory.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : directory
    let writable = access(path, W_OK) == 0 && access(parent, W_OK) == 0
    do throws(RecordingError) {
      let connection = try SQLiteConnection(
        path: path, flags: writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY,
        busyMilliseconds: busyMilliseconds)
      // The first read is what finds and rolls back a hot journal.
      _ = try connection.integer("SELECT count(*) FROM sqlite_schema")
      try connection.execute("PRAGMA query_only = 1")
      return connection
    } catch {
      guard !writable else { throw notADatabase(error, path) }
      switch error.sqliteCode {
      case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_IOERR:
        guard !hasUnfinishedWrite(path) else { throw .interruptedWrite(path: path) }
        return try connectImmutable(path)
      default: throw notADatabase(error, path)
      }
    }
  }

  /// Without journal and log the file is complete, and SQLite may read it without creating any lock file:
  /// the only way to read a write-ahead-log database on a read-only file system.
  private static func connectImmutable(_ path: String) throws(RecordingError) -> SQLiteConnection {
    let escaped = path.utf8.map { byte in
      let plain =
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        || [45, 46, 47, 95].contains(byte)
      return plain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    let connection = try SQLiteConnection(
      path: "file:\(escaped.joined())?immutable=1", flags: SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
      busyMilliseconds: busyMilliseconds)
    _ = try connection.integer("SELECT count(*) FROM sqlite_schema")
    return connection
  }

  private static func hasUnfinishedWrite(_ path: String) -> Bool {
    ["-journal", "-wal"].contains { suffix in
      var status = stat()
      return stat(path + suffix, &status) == 0 && status.st_size > 0
    }
  }

  private static func notADatabase(_ error: RecordingError, _ path: String) -> RecordingError {
    error.sqliteCode == SQLITE_NOTADB ? .notARecording(path: path, reason: "not an SQLite file") : error
  }

  private static func meta(_ connection: SQLiteConnection) throws(RecordingError) -> [String: String] {
    let statement = try connection.prepare("SELECT key, value FROM meta")
    var meta: [String: String] = [:]
    while try statement.step() { meta[statement.text(0) ?? ""] = statement.text(1) }
    return meta
  }

  /// Views and virtual tables compute what they hold, perhaps without end: none of a recording's has such names.
  private static func requireTables(
    _ names: [String], _ connection: SQLiteConnection, _ path: String
  ) throws(RecordingError) {
    for name in names {
      let count = try connection.integer(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name = '\(name)'")
      guard count == 1 else {
        throw .unreadable(path: path, place: name, found: "no table", expected: "a table of this name")
      }
    }
  }

  private static func jointNames(
    _ connection: SQLiteConnection, _ path: String
  ) throws(RecordingError) -> [String] {
    let statement = try connection.prepare("SELECT name FROM joint ORDER BY number")
    var names: [String] = []
    while try statement.step() {
      guard let name = statement.text(0), names.count < maximumJoints else {
        throw .unreadable(
          path: path, place: "joint", found: "more, or one without a name",
          expected: "at most \(maximumJoints) joints, each with a name")
      }
      names.append(name)
    }
    return names
  }
}
