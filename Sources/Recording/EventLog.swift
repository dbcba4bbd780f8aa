import CSQLite
import Glibc
import HandModel
import Realtime
import Wire

/// The file `events.sqlite` of a recording, and the one place that numbers events. Few rows, each of them
/// wanted after a power cut: a write-ahead log with `synchronous = FULL` syncs once a commit and lets readers
/// in at any time.
///
/// Each event is handed on once, in the order of its number: as stored after its commit, as not stored as
/// soon as the commit has failed. It is then still written when the file can be written again.
///
/// Each row carries the hash of the chain up to it. The chain goes over the rows that are stored: an event
/// that finds no place to wait in has a number and no row; the row that tells of it is the next in the chain.
final class EventLog {
  /// Events kept in memory while the file cannot be written. A hand's own transitions come at most a few a
  /// second, so this covers many minutes.
  static let capacity = 4096

  private struct File {
    var connection: SQLiteConnection
    var insert: SQLiteStatement
  }

  /// Between two moves of the log into the file: a copy of `events.sqlite` alone then lacks no more.
  private static let checkpointNanoseconds: Int64 = 10_000_000_000

  let path: String
  private let clock = MonotonicClock()
  private var nextCheckpoint = Int64.min
  private let handID: String
  private let runID: String
  /// Nil until it could be made.
  private var file: File?
  private let handOver: HandOver<HandEvent>?
  private let anchor: Locked<ChainHead?>?
  private var waiting: [HandEvent] = []
  /// Of `waiting`, in its order.
  private var hashes: [String] = []
  private var chain: EventChain
  /// Events at the front of `waiting` that were handed on already.
  private var handedOn = 0
  /// Events that were not stored and are not told of yet.
  private var lost: UInt64 = 0
  /// Wall clock of the newest event.
  private var lastWall: Int64 = 0
  private var lastNumber: UInt64 = 0

  /// Opens the file, or leaves that to `flush` where the storage has no room.
  /// - Parameters:
  ///   - handOver: where events go once they are stored or cannot be; nil = nowhere.
  ///   - anchor: is told the head of the chain after each commit; nil = nobody wants it.
  init(
    path: String, handID: String, runID: String, handOver: HandOver<HandEvent>?,
    anchor: Locked<ChainHead?>? = nil
  ) throws(RecordingError) {
    self.path = path
    self.handID = handID
    self.runID = runID
    self.handOver = handOver
    self.anchor = anchor
    chain = EventChain(runID: runID)
    waiting.reserveCapacity(64)
    do throws(RecordingError) {
      let file = try Self.open(path, handID, runID)
      if let newest = try Self.newest(file.connection) { (lastNumber, chain) = newest }
      self.file = file
    } catch {
      // Of a file that exists the numbers must be known.
      guard error.isOfStorage, access(path, F_OK) != 0 || Self.isEmptyFile(path) else { throw error }
    }
  }

  /// Number and hash of the last event of a file that another recorder began; nil where it has none.
  private static func newest(
    _ connection: SQLiteConnection
  ) throws(RecordingError) -> (number: UInt64, chain: EventChain)? {
    let row = try connection.prepare(
      "SELECT number, \(EventRow.hashColumn) FROM event ORDER BY number DESC LIMIT 1")
    guard try row.step() else { return nil }
    guard let chain = row.text(1).flatMap({ EventChain(continuing: $0) }) else {
      throw .unreadable(
        path: connection.path, place: "event \(row.integer(0)), \(EventRow.hashColumn)",
        found: row.text(1) ?? "NULL", expected: "128 hexadecimal digits")
    }
    return (UInt64(clamping: row.integer(0)), chain)
  }

  private static func isEmptyFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_size == 0
  }

  private static func open(_ path: String, _ handID: String, _ runID: String) throws(RecordingError) -> File {
    try RecordingPaths.createDirectory(RecordingPaths.directory(of: path))
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
      CREATE TABLE IF NOT EXISTS event (\(EventRow.declarations));
      """)
    if let version = try schema(connection, path), version != SegmentSchema.version {
      throw .unsupportedSchema(path: path, version: version)
    }
    let meta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")
    for (key, value) in [
      ("schema_version", String(SegmentSchema.version)), ("hand_id", handID), ("run_id", runID),
    ] {
      meta.bind(1, key)
      meta.bind(2, value)
      try meta.run()
    }
    try connection.execute("COMMIT")
    return File(
      connection: connection,
      insert: try connection.prepare(EventRow.insert))
  }

  var isEmpty: Bool { waiting.isEmpty && lost == 0 }

  /// Version of the file's columns; nil where it was made just now.
  static func schema(_ connection: SQLiteConnection, _ path: String) throws(RecordingError) -> Int64? {
    let row = try connection.prepare("SELECT value FROM meta WHERE key = 'schema_version'")
    guard try row.step() else { return nil }
    let version = row.text(0).flatMap { Int64($0) } ?? -1
    guard SegmentSchema.reads(version) else { throw .unsupportedSchema(path: path, version: version) }
    return version
  }

  /// Numbers an event and takes it. One beyond the capacity is handed on and not stored.
  func append(_ event: HandEvent) {
    // One place is kept for the event that tells how many were lost.
    if waiting.count < Self.capacity - 1 { return enqueue(event) }
    handOnAll()
    lost += 1
    // Numbered also where nobody is handed it: the number is missing in the file.
    let event = numbered(event)
    handOver?.put(event)
  }

  private func enqueue(_ event: HandEvent) {
    let event = numbered(event)
    chain.append(EventRow.values(event))
    hashes.append(chain.hashText)
    waiting.append(event)
  }

  private func numbered(_ event: HandEvent) -> HandEvent {
    lastNumber += 1
    lastWall = event.wallNanoseconds
    var event = event
    event.number = lastNumber
    return event
  }

  /// Writes all waiting events in one transaction; on failure they keep waiting.
  func flush() throws(RecordingError) {
    tellLost()
    guard !waiting.isEmpty else { return }
    do throws(RecordingError) { try storeWaiting() } catch {
      handOnAll()
      throw error
    }
    for index in waiting.indices { waiting[index].isStored = true }
    if let last = waiting.last, let hash = hashes.last {
      anchor?.withLock {
        $0 = ChainHead(number: last.number, hash: hash, wallNanoseconds: last.wallNanoseconds)
      }
    }
    handOnAll()
    waiting.removeAll(keepingCapacity: true)
    hashes.removeAll(keepingCapacity: true)
    handedOn = 0
    checkpoint()
    // They found no place to wait in, and now there is.
    if lost > 0 { try flush() }
  }

  /// Waits for no reader, and what it cannot do now it does the next time.
  private func checkpoint() {
    let now = clock.now()
    guard now >= nextCheckpoint else { return }
    nextCheckpoint = now + Self.checkpointNanoseconds
    try? file?.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
  }

  private func storeWaiting() throws(RecordingError) {
    let file: File
    if let opened = self.file {
      file = opened
    } else {
      file = try Self.open(path, handID, runID)
      self.file = file
    }
    do throws(RecordingError) {
      try file.connection.execute("BEGIN IMMEDIATE")
      for (event, hash) in zip(waiting, hashes) {
        EventRow.bind(EventRow.values(event), hash: hash, to: file.insert)
        try file.insert.run()
      }
      try file.connection.execute("COMMIT")
    } catch {
      if file.connection.inTransaction { try? file.connection.execute("ROLLBACK") }
      throw error
    }
  }

  private func tellLost() {
    guard lost > 0, waiting.count < Self.capacity else { return }
    enqueue(
      HandEvent(
        wallNanoseconds: lastWall, kind: .eventsLost, count: lost, text: "\(lost) events were not stored"))
    lost = 0
  }

  /// Says that no more events will come.
  func close() {
    handOnAll()
    handOver?.close()
  }

  private func handOnAll() {
    for event in waiting[handedOn...] { handOver?.put(event) }
    handedOn = waiting.count
  }
}
