import CSQLite
import Glibc
import HandModel
import Wire

/// What a consumer has received of hands: blocks of ticks and events, each once by its key, in one SQLite
/// file. What `store` has returned for outlasts a power cut. One thread at a time.
package final class ReceivedStore {
  /// Something that came.
  package enum Message: Sendable {
    /// A block whose hash is right.
    case block(TickBlock)
    /// An event, and its message as it came.
    case event(EventMessage, payload: [UInt8])
  }

  /// What became of it.
  package enum Outcome: Sendable, Equatable {
    case stored
    /// It is there already.
    case duplicate
    /// Another block stands under its key; that one stays.
    case conflict
    /// Its hash is right, and its content is not what a hand writes.
    case damaged
    /// The store cannot hold it, and says so; others it can.
    case refused
  }

  /// What is stored of a run, without the bytes.
  package struct Run: Sendable, Equatable {
    /// The hand, by the topic that it came on.
    package var handID: String
    /// The start of its daemon.
    package var runID: String
    /// Numbers of the ticks.
    package var ticks = SequenceRanges()
    /// Numbers of the events.
    package var events = SequenceRanges()
    /// Messages that came again.
    package var duplicates: UInt64 = 0
    fileprivate var row: Int64
    /// Grows with everything that comes: the larger, the newer. Of this process alone.
    fileprivate var place: Int64

    package static func == (a: Self, b: Self) -> Bool {
      (a.handID, a.runID, a.ticks, a.events, a.duplicates, a.row)
        == (b.handID, b.runID, b.ticks, b.events, b.duplicates, b.row)
    }
  }

  static let fileName = "received.sqlite"
  /// "MHRX".
  static let applicationID: Int64 = 0x4D48_5258
  static let version: Int64 = 1
  private static let busyMilliseconds: Int32 = 2000

  /// The file.
  package let path: String
  /// Of who stores into it.
  private let claim: RunDirectory
  private let connection: SQLiteConnection
  private let insertBlock: SQLiteStatement
  private let findBlock: SQLiteStatement
  private let insertEvent: SQLiteStatement
  /// By the hand and by the run's identifier: a thousand hands have tens of thousands of runs.
  private(set) var known: [String: [String: Run]] = [:]
  private var lastPlace: Int64 = 0
  private var rowCount: Int64 = 0
  /// The runs that the open transaction has touched, as they were before; nil where they were not.
  private var before: [String: [String: Run?]] = [:]

  /// Opens the file of a directory, and makes both where they are missing.
  package convenience init(directory: String) throws(RecordingError) {
    try RecordingPaths.createDirectory(directory)
    let path = directory + "/" + Self.fileName
    if access(path, F_OK) != 0 { try Self.create(path) }
    // What is stored is known from its own writing, and another's would be sent again and again.
    guard !RunDirectory.isClaimed(directory) else {
      throw .notReceived(path: directory, reason: "another receiver stores there")
    }
    let connection = try SQLiteConnection(
      path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: Self.busyMilliseconds)
    try self.init(path, connection, claim: RunDirectory(claiming: directory))
  }

  /// Opens the file of a directory for reading.
  package convenience init(reading directory: String) throws(RecordingError) {
    let path = RecordingPaths.isDirectory(directory) ? directory + "/" + Self.fileName : directory
    guard access(path, F_OK) == 0 else {
      throw .notReceived(path: path, reason: "no such file")
    }
    try self.init(path, Recording.connect(path), claim: RunDirectory())
  }

  private init(
    _ path: String, _ connection: SQLiteConnection, claim: consuming RunDirectory
  ) throws(RecordingError) {
    self.path = path
    self.claim = claim
    self.connection = connection
    do throws(RecordingError) {
      guard try connection.integer("SELECT count(*) FROM sqlite_schema") > 0 else {
        throw RecordingError.notReceived(path: path, reason: "it is empty")
      }
    } catch {
      guard error.sqliteCode == SQLITE_NOTADB else { throw error }
      throw .notReceived(path: path, reason: "not an SQLite file")
    }
    guard try connection.integer("PRAGMA application_id") == Self.applicationID,
      try connection.integer("PRAGMA user_version") == Self.version
    else { throw .notReceived(path: path, reason: "an SQLite file of something else") }
    // Of a write-ahead log the last commits outlast a power cut only so.
    try connection.execute("PRAGMA synchronous = FULL")
    insertBlock = try connection.prepare("INSERT OR REPLACE INTO block VALUES (?1, ?2, ?3, ?4, ?5)")
    findBlock = try connection.prepare(
      "SELECT last_sequence, sha256 FROM block WHERE run = ?1 AND first_sequence = ?2")
    insertEvent = try connection.prepare("INSERT OR IGNORE INTO event VALUES (?1, ?2, ?3)")
    for run in try Self.runs(connection) {
      known[run.handID, default: [:]][run.runID] = run
      rowCount = max(rowCount, run.row)
    }
    lastPlace = rowCount
  }

  /// Makes the file with its tables. It takes its name when it is whole, so that whoever finds it can read
  /// it; one that another process made meanwhile stays.
  private static func create(_ path: String) throws(RecordingError) {
    let partial = "\(path).\(getpid()).partial"
    let files = ["", "-journal", "-wal", "-shm"].map { partial + $0 }
    for file in files { unlink(file) }
    defer { for file in files { unlink(file) } }
    do {
      let connection = try SQLiteConnection(
        path: partial, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busyMilliseconds: busyMilliseconds)
      try createTables(connection)
    }
    // SQLite synchronises the directory with the first commit that follows.
    guard link(partial, path) == 0 || errno == EEXIST else { throw .directory(path: path, errno: errno) }
  }

  private static func createTables(_ connection: borrowing SQLiteConnection) throws(RecordingError) {
    // The index has all that is asked of blocks beside their bytes, so that these are not read for it.
    try connection.execute(
      """
      PRAGMA journal_mode = WAL;
      BEGIN IMMEDIATE;
      PRAGMA application_id = \(applicationID);
      PRAGMA user_version = \(version);
      CREATE TABLE run (
        id INTEGER PRIMARY KEY, hand_id TEXT NOT NULL, run_id TEXT NOT NULL, duplicates INTEGER NOT NULL,
        UNIQUE (hand_id, run_id));
      CREATE TABLE block (
        run INTEGER NOT NULL REFERENCES run, first_sequence INTEGER NOT NULL, last_sequence INTEGER NOT NULL,
        sha256 BLOB NOT NULL, bytes BLOB NOT NULL, UNIQUE (run, first_sequence));
      CREATE INDEX block_range ON block (run, first_sequence, last_sequence, sha256);
      CREATE TABLE event (
        run INTEGER NOT NULL REFERENCES run, number INTEGER NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (run, number)) WITHOUT ROWID;
      COMMIT;
      """)
  }

  private static func runs(_ connection: SQLiteConnection) throws(RecordingError) -> [Run] {
    var runs: [Run] = []
    let rows = try connection.prepare("SELECT id, hand_id, run_id, duplicates FROM run ORDER BY id")
    let blocks = try connection.prepare(
      "SELECT first_sequence, last_sequence FROM block INDEXED BY block_range WHERE run = ?1 "
        + "ORDER BY first_sequence")
    let events = try connection.prepare("SELECT number FROM event WHERE run = ?1 ORDER BY number")
    while try rows.step() {
      var run = Run(
        handID: rows.text(1) ?? "", runID: rows.text(2) ?? "", duplicates: UInt64(clamping: rows.integer(3)),
        row: rows.integer(0), place: rows.integer(0))
      blocks.bind(1, run.row)
      while try blocks.step() {
        let (first, last) = (UInt64(clamping: blocks.integer(0)), UInt64(clamping: blocks.integer(1)))
        if first <= last { run.ticks.insert(first...last) }
      }
      blocks.reset()
      events.bind(1, run.row)
      while try events.step() {
        let number = UInt64(clamping: events.integer(0))
        run.events.insert(number...number)
      }
      events.reset()
      runs.append(run)
    }
    return runs
  }

  /// All runs, the one last received first.
  package var runs: [Run] { known.values.flatMap(\.values).sorted { $0.place > $1.place } }

  /// A run; of the hand that something came of last where several have one of this name.
  func run(_ runID: String, of handID: String?) -> Run? {
    if let handID { return known[handID]?[runID] }
    return known.values.compactMap { $0[runID] }.max { $0.place < $1.place }
  }

  /// The runs of a hand, the one last received first.
  package func runs(of handID: String) -> [Run] {
    known[handID, default: [:]].values.sorted { $0.place > $1.place }
  }

  // MARK: Storing

  /// Stores messages of hands in one transaction: all of them, or on failure none.
  /// - Returns: what became of each.
  package func store(
    _ messages: [(handID: String, message: Message)]
  ) throws(RecordingError) -> [Outcome] {
    before.removeAll()
    do throws(RecordingError) {
      try connection.execute("BEGIN IMMEDIATE")
      var outcomes: [Outcome] = []
      for (handID, message) in messages { outcomes.append(try store(message, of: handID)) }
      let count = try connection.prepare("UPDATE run SET duplicates = ?2 WHERE id = ?1")
      for (handID, runs) in before {
        for (runID, old) in runs {
          guard let run = known[handID]?[runID], run.duplicates != old?.duplicates else { continue }
          count.bind(1, run.row)
          count.bind(2, Int64(clamping: run.duplicates))
          try count.run()
        }
      }
      try connection.execute("COMMIT")
      return outcomes
    } catch {
      if connection.inTransaction { try? connection.execute("ROLLBACK") }
      for (handID, runs) in before {
        for (runID, old) in runs { known[handID, default: [:]][runID] = old }
      }
      throw error
    }
  }

  private func store(_ message: Message, of handID: String) throws(RecordingError) -> Outcome {
    switch message {
    case .block(let block):
      var run = try touch(handID, block.key.runID)
      let outcome = try store(block, run.row)
      if outcome == .stored { run.ticks.insert(block.key.firstSequence...block.key.lastSequence) }
      if outcome == .duplicate { run.duplicates += 1 }
      known[handID, default: [:]][run.runID] = run
      return outcome
    case .event(let event, let payload):
      var run = try touch(handID, event.runID)
      defer { known[handID, default: [:]][run.runID] = run }
      let number = event.event.number
      guard run.events.insert(number...number) else {
        run.duplicates += 1
        return .duplicate
      }
      insertEvent.bind(1, run.row)
      insertEvent.bind(2, Int64(clamping: number))
      insertEvent.bind(3, String(decoding: payload, as: UTF8.self))
      try insertEvent.run()
      return .stored
    }
  }

  private func store(_ block: TickBlock, _ run: Int64) throws(RecordingError) -> Outcome {
    findBlock.bind(1, run)
    findBlock.bind(2, Int64(clamping: block.key.firstSequence))
    defer { findBlock.reset() }
    if try findBlock.step() {
      if findBlock.bytes(1).elementsEqual(block.sha256) { return .duplicate }
      let last = UInt64(clamping: findBlock.integer(0))
      // A commit that the disk did not confirm is repeated with what has come since: the longer one has both.
      guard block.key.lastSequence != last, try continues(block, run) else { return .conflict }
      guard block.key.lastSequence > last else { return .duplicate }
    }
    findBlock.reset()
    insertBlock.bind(1, run)
    insertBlock.bind(2, Int64(clamping: block.key.firstSequence))
    insertBlock.bind(3, Int64(clamping: block.key.lastSequence))
    let sha = Array(block.sha256)
    // Both arrays live until the row is written.
    let failure: RecordingError? = sha.withUnsafeBytes { sha in
      insertBlock.bind(4, borrowing: sha.baseAddress!, count: sha.count)
      do throws(RecordingError) { try insertBlock.run(binding: 5, block.bytes) } catch { return error }
      return nil
    }
    if let failure { throw failure }
    return .stored
  }

  /// Whether a block and the stored one that begins at the same tick agree as far as both go. One that is
  /// damaged is no reason to refuse another.
  private func continues(_ block: TickBlock, _ run: Int64) throws(RecordingError) -> Bool {
    guard let bytes = try bytes(row: run, first: block.key.firstSequence),
      let stored = try? TickBlock(bytes: bytes)
    else { return true }
    return stored.agrees(with: block)
  }

  /// A run, which is made where it is new and becomes the newest. Taken out until it is put back, so that its
  /// ranges are not copied.
  private func touch(_ handID: String, _ runID: String) throws(RecordingError) -> Run {
    let old = known[handID]?[runID]
    if before[handID]?[runID] == nil { before[handID, default: [:]][runID] = .some(old) }
    var run: Run
    if let old {
      run = old
      known[handID]?[runID] = nil
    } else {
      run = Run(handID: handID, runID: runID, row: rowCount + 1, place: 0)
      let insert = try connection.prepare("INSERT INTO run VALUES (?1, ?2, ?3, 0)")
      insert.bind(1, run.row)
      insert.bind(2, handID)
      insert.bind(3, runID)
      try insert.run()
      rowCount += 1
    }
    lastPlace += 1
    run.place = lastPlace
    return run
  }

  // MARK: Reading

  /// Keys of a run's blocks and their SHA-256, in order.
  func blocks(of run: Run) throws(RecordingError) -> [(range: ClosedRange<UInt64>, sha256: [UInt8])] {
    let rows = try connection.prepare(
      "SELECT first_sequence, last_sequence, sha256 FROM block INDEXED BY block_range WHERE run = ?1 "
        + "ORDER BY first_sequence")
    rows.bind(1, run.row)
    var blocks: [(range: ClosedRange<UInt64>, sha256: [UInt8])] = []
    while try rows.step() {
      let (first, last) = (UInt64(clamping: rows.integer(0)), UInt64(clamping: rows.integer(1)))
      guard first <= last else {
        throw .damaged(path: path, sequence: first, reason: "a block ends at \(last)")
      }
      blocks.append((first...last, Array(rows.bytes(2))))
    }
    return blocks
  }

  /// The stored bytes of a block; nil where there is none.
  func bytes(of run: Run, first: UInt64) throws(RecordingError) -> [UInt8]? {
    try bytes(row: run.row, first: first)
  }

  private func bytes(row run: Int64, first: UInt64) throws(RecordingError) -> [UInt8]? {
    let row = try connection.prepare("SELECT bytes FROM block WHERE run = ?1 AND first_sequence = ?2")
    row.bind(1, run)
    row.bind(2, Int64(clamping: first))
    return try row.step() ? Array(row.bytes(0)) : nil
  }
}
