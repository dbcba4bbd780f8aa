import CSQLite
import Glibc
import HandModel
import PrimalLogic
import Realtime

/// A recording on disk, opened for reading: all segments of one run, or a single segment file.
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
    /// The file; relative where the path given to `open` is.
    package var path: String
    package var bytes: UInt64
    /// Whether its recorder closed it; false for the live one and after a crash.
    package var closed: Bool
  }

  /// As given to `open`, or the run's directory below it.
  package let path: String
  /// Name of the hand, as in its topics.
  package let handID: String
  /// The start of the daemon that recorded.
  package let runID: String
  /// Version of the files' schema.
  let schema: Int64
  /// Version of the program that recorded.
  package let version: String
  package let rateHertz: Int
  /// Where ticks were thinned out on purpose: those whose number is a multiple of this are there all the
  /// same; nil = all were recorded.
  package let thinnedTo: Int?
  /// Names of the joints in the order of every record.
  package let jointNames: [String]
  /// What drives and senses them.
  package let equipment: [JointEquipment]
  /// What a file of this version holds.
  let fields: FieldTable
  /// The board file in force, as stored inside the first segment.
  package let boardYAML: String
  /// The calibration file, as `boardYAML`.
  package let calibrationYAML: String
  /// JSON of the certificate, as `boardYAML`.
  package let certificateJSON: String
  package let segments: [Segment]
  /// All segment files in their order, those that cannot be read too: a cursor says why.
  let files: [String]
  /// Segment files that hold no schema: their creation was interrupted before anything was recorded.
  package let emptySegments: [String]
  let eventsPath: String?
  /// Of a data directory: the starts in it beside this one, the newest first.
  package private(set) var otherStarts: [RecordedStart] = []

  /// Opens a segment file, a run's directory, or the newest start in a data directory.
  /// - Parameter fields: those of the program that wrote it.
  package static func open(
    path: String, fields: FieldTable = .standard
  ) throws(RecordingError) -> Recording {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw .notARecording(path: path, reason: Errno.latest.description)
    }
    guard RecordingPaths.isDirectory(path) else {
      return try Recording(path: path, files: [path], events: nil, fields: fields)
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
      path: directory, files: files.map(\.path), events: access(events, F_OK) == 0 ? events : nil,
      fields: fields)
    recording.otherStarts = others
    return recording
  }

  /// Boot identifiers of the recordings in a directory, sorted by name.
  static func runIDs(in directory: String) throws(RecordingError) -> [String] {
    var boots: [String] = []
    for name in try RecordingPaths.names(in: directory) {
      let path = directory + "/" + name
      // A line of a listing is a start.
      guard RecordingPaths.isDirectory(path), !name.contains(where: \.isNewline) else { continue }
      let segments = try? RecordingPaths.segments(in: path)
      // What cannot be entered may be a start, or the system's.
      if segments.map({ !$0.isEmpty }) ?? RecordingPaths.isRunID(name) { boots.append(name) }
    }
    return boots
  }

  private init(
    path: String, files: [String], events: String?, fields: FieldTable
  ) throws(RecordingError) {
    var segments: [Segment] = []
    var empty: [String] = []
    var readable: [String] = []
    var first: [String: String]?
    var joints: (names: [String], equipment: [JointEquipment]) = ([], [])
    var found = fields
    var damage: RecordingError?
    for file in files {
      do throws(RecordingError) {
        guard let (meta, connection) = try Self.openSegment(file) else {
          empty.append(file)
          continue
        }
        if let first,
          Self.runID(first) != Self.runID(meta) || first["schema_version"] != meta["schema_version"]
        {
          throw .notARecording(path: file, reason: "it belongs to another run than the segments before it")
        }
        if first == nil {
          joints = try Self.joints(connection, file)
          if try !SegmentSchema.hasBlocks(connection) {
            found = try OlderSchema.fields(connection, file, like: fields)
          }
          first = meta
        }
        var status = stat()
        let bytes = stat(file, &status) == 0 ? UInt64(status.st_size) : 0
        segments.append(Segment(path: file, bytes: bytes, closed: meta["closed"] == "1"))
      } catch {
        // The others can be read all the same; who reads the ticks is told.
        guard files.count > 1 else { throw error }
        damage = damage ?? error
      }
      readable.append(file)
    }
    if first == nil, let damage { throw damage }
    guard let first, let firstPath = segments.first?.path else {
      throw .notARecording(path: path, reason: "its segments are empty: nothing was recorded")
    }
    self.path = path
    self.segments = segments
    self.files = readable
    emptySegments = empty
    jointNames = joints.names
    equipment = joints.equipment
    self.fields = found
    handID = try Self.identifier(first["hand_id"], "hand_id", firstPath)
    runID = try Self.identifier(Self.runID(first), "run_id", firstPath)
    schema = first["schema_version"].flatMap { Int64($0) } ?? SegmentSchema.version
    version = first["version"] ?? ""
    let rate = first["rate_hertz"] ?? "nothing"
    guard let hertz = Int(rate), Self.rates.contains(hertz) else {
      throw .unreadable(
        path: firstPath, place: "meta, rate_hertz", found: rate,
        expected: "\(Self.rates.lowerBound) to \(Self.rates.upperBound)")
    }
    rateHertz = hertz
    thinnedTo = try Self.thinnedTo(first, firstPath)
    boardYAML = first["board_yaml"] ?? ""
    calibrationYAML = first["calibration_yaml"] ?? ""
    certificateJSON = first["certificate_json"] ?? ""
    eventsPath = events
  }

  private static func identifier(
    _ text: String?, _ key: String, _ path: String
  ) throws(RecordingError) -> String {
    guard let text, HandIdentity.isValid(handID: text) else {
      throw .unreadable(
        path: path, place: "meta, \(key)", found: text ?? "nothing", expected: "1 to 64 of A-Z a-z 0-9 _ -")
    }
    return text
  }

  /// The start of the daemon, which schema 5 and earlier call a boot.
  static func runID(_ meta: [String: String]) -> String? { meta["run_id"] ?? meta["boot_id"] }

  /// Opens a segment and sees that it is one; nil where it is empty.
  static func openSegment(
    _ file: String
  ) throws(RecordingError) -> (meta: [String: String], connection: SQLiteConnection)? {
    let connection = try connect(file)
    guard try connection.integer("SELECT count(*) FROM sqlite_schema") > 0 else { return nil }
    guard try connection.integer("PRAGMA application_id") == SegmentSchema.applicationID else {
      throw .notARecording(path: file, reason: "an SQLite file of something else")
    }
    let version = try connection.integer("PRAGMA user_version")
    guard SegmentSchema.reads(version) else { throw .unsupportedSchema(path: file, version: version) }
    let tables = ["meta", "joint", "tick", "checkpoint"]
    try requireTables(
      version == SegmentSchema.version ? tables + ["block"] : tables + ["unit"], connection, file)
    return (try meta(connection), connection)
  }

  var codec: TickCodec { TickCodec(fields, equipment, isOlder: schema != SegmentSchema.version) }

  /// Reads ticks in the order of their sequence.
  /// - Parameters:
  ///   - range: their numbers.
  ///   - skippingDamage: whether what cannot be read is passed over and told by the cursor, in place of an
  ///     error.
  package func ticks(
    in range: ClosedRange<UInt64> = 0...UInt64(Int64.max), skippingDamage: Bool = false
  ) -> TickCursor {
    TickCursor(segments: files, runID: runID, range: range, codec: codec, skipsDamage: skippingDamage)
  }

  /// Says whether the ticks are this program's own and can be run again.
  package func requireReplayable() throws(RecordingError) {
    guard schema == SegmentSchema.version else {
      throw .tooOld(
        path: path, version: schema,
        reason: "its ticks were another program's: replay it with version \(version), which recorded it")
    }
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
  package func events() throws(RecordingError) -> [HandEvent] {
    guard let eventsPath else { return [] }
    return try Self.events(in: eventsPath)
  }

  /// The events of a file with a number above `last`. Of a running hand too: who reads keeps nobody waiting.
  static func events(in eventsPath: String, after last: Int64 = .min) throws(RecordingError) -> [HandEvent] {
    let connection = try connect(eventsPath)
    guard try connection.integer("SELECT count(*) FROM sqlite_schema") > 0 else {
      throw .notARecording(
        path: eventsPath,
        reason: "it holds no events; of a running hand copy \(RecordingPaths.eventsName)-wal with it")
    }
    try requireTables(["event", "meta"], connection, eventsPath)
    let isOlder = try EventLog.schema(connection, eventsPath) != SegmentSchema.version
    let columns = isOlder ? StoredEvents.olderColumns : StoredEvents.columns
    let rows = StoredEvents(
      path: eventsPath,
      statement: try connection.prepare("SELECT \(columns) FROM event WHERE number > ?1 ORDER BY number"))
    rows.statement.bind(1, last)
    var events: [HandEvent] = []
    while try rows.statement.step() { events.append(try rows.event()) }
    return events
  }

  /// Opens a file for reading and rolls back an interrupted write.
  ///
  /// A read-only connection cannot roll back, so write access is used where the reader has it; SQLite then
  /// writes nothing unless a rollback is due, and `query_only` forbids the rest.
  static func connect(_ path: String) throws(RecordingError) -> SQLiteConnection {
    // Opening a pipe would wait for its other end.
    guard access(path, F_OK) != 0 || RecordingPaths.isFile(path) else {
      throw .notARecording(path: path, reason: "not a regular file")
    }
    let writable = access(path, W_OK) == 0 && access(RecordingPaths.directory(of: path), W_OK) == 0
    do throws(RecordingError) {
      let connection = try SQLiteConnection(
        path: path, flags: writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY,
        busyMilliseconds: busyMilliseconds)
      // The first read is what finds and rolls back a hot journal.
      _ = try connection.integer("SELECT count(*) FROM sqlite_schema")
      try connection.readOnly()
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
    try connection.readOnly()
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

  /// What a segment says of itself.
  static func meta(_ connection: SQLiteConnection) throws(RecordingError) -> [String: String] {
    let statement = try connection.prepare("SELECT key, value FROM meta")
    var meta: [String: String] = [:]
    while try statement.step() { meta[statement.text(0) ?? ""] = statement.text(1) }
    return meta
  }

  /// Views and virtual tables compute what they hold, perhaps without end: none of a recording's has such
  /// names.
  static func requireTables(
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

  private static func joints(
    _ connection: SQLiteConnection, _ path: String
  ) throws(RecordingError) -> (names: [String], equipment: [JointEquipment]) {
    let isOlder = try !SegmentSchema.hasBlocks(connection)
    let statement = try connection.prepare(
      isOlder
        ? "SELECT name, 'motor', 1, 1 FROM joint ORDER BY number"
        : "SELECT name, actuator, current_sensor, force_sensor FROM joint ORDER BY number")
    var names: [String] = []
    var equipment: [JointEquipment] = []
    while try statement.step() {
      let actuator = statement.text(1)
      // It goes into headings and drawings as it is.
      guard let name = statement.text(0), name == name.printable, names.count < maximumJoints,
        actuator == "motor" || actuator == "servo"
      else {
        throw .unreadable(
          path: path, place: "joint", found: "more, or one without a name that can be printed or an actuator",
          expected: "at most \(maximumJoints) joints, each with a name and motor or servo")
      }
      names.append(name)
      equipment.append(
        JointEquipment(
          isServo: actuator == "servo", hasCurrentSensor: statement.integer(2) != 0,
          hasForceSensor: statement.integer(3) != 0))
    }
    return (names, equipment)
  }
}
