import CSQLite

/// The file `events.sqlite` of a recording: few rows, each of them wanted after a power cut. A write-ahead
/// log with `synchronous = FULL` syncs once a commit and lets readers in at any time.
final class EventLog {
  /// Events kept in memory while the file cannot be written. A hand's own transitions come at most a few a
  /// second, so this covers many minutes.
  static let capacity = 4096

  let path: String
  private let connection: SQLiteConnection
  private let insert: SQLiteStatement
  private var waiting: [RecordedEvent] = []
  private var lost: UInt64 = 0
  private var lastNumber: Int64

  init(path: String, handID: String, bootID: String) throws(RecordingError) {
    let connection = try SQLiteConnection(
      path: path, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
      busyMilliseconds: SegmentWriter.busyMilliseconds)
    try connection.execute(
      """
      PRAGMA page_size = 4096;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = 1048576;
      BEGIN IMMEDIATE;
      CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS event (
        number INTEGER PRIMARY KEY, sequence INTEGER, wall_nanoseconds INTEGER NOT NULL, kind TEXT NOT NULL,
        value_from TEXT, value_to TEXT, text TEXT NOT NULL);
      """)
    let meta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")
    for (key, value) in [
      ("schema_version", String(SegmentSchema.version)), ("hand_id", handID), ("boot_id", bootID),
    ] {
      meta.bind(1, key)
      meta.bind(2, value)
      try meta.run()
    }
    try connection.execute("COMMIT")
    insert = try connection.prepare("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
    lastNumber = try connection.integer("SELECT max(number) FROM event")
    self.connection = connection
    self.path = path
    waiting.reserveCapacity(64)
  }

  var isEmpty: Bool { waiting.isEmpty }

  func append(_ event: RecordedEvent) {
    // One place is kept for the event that tells how many were lost.
    guard waiting.count < Self.capacity - 1 else {
      lost += 1
      return
    }
    waiting.append(event)
  }

  /// Writes all waiting events in one transaction; on failure they keep waiting.
  func flush() throws(RecordingError) {
    guard let last = waiting.last else { return }
    if lost > 0 {
      waiting.append(
        RecordedEvent(
          sequence: last.sequence, wallNanoseconds: last.wallNanoseconds, kind: .eventsLost,
          text: "\(lost) events lost"))
      lost = 0
    }
    do {
      try connection.execute("BEGIN IMMEDIATE")
      for (index, event) in waiting.enumerated() { try write(event, lastNumber + 1 + Int64(index)) }
      try connection.execute("COMMIT")
    } catch {
      if connection.inTransaction { try? connection.execute("ROLLBACK") }
      throw error
    }
    lastNumber += Int64(waiting.count)
    waiting.removeAll(keepingCapacity: true)
  }

  private func write(_ event: RecordedEvent, _ number: Int64) throws(RecordingError) {
    insert.bind(1, number)
    if let sequence = event.sequence {
      insert.bind(2, Int64(clamping: sequence))
    } else {
      insert.bindNull(2)
    }
    insert.bind(3, event.wallNanoseconds)
    insert.bind(4, event.kind.rawValue)
    insert.bind(5, event.from)
    insert.bind(6, event.to)
    insert.bind(7, event.text)
    try insert.run()
  }
}
