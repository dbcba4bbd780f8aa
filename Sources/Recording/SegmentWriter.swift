import CSQLite
import Glibc
import HandModel

/// The segment file that is being written. Owned by the recorder's thread once that runs.
final class SegmentWriter {
  /// How long a commit waits for a reader of the live segment before the batch is kept for later.
  static let busyMilliseconds: Int32 = 250

  let path: String
  let number: Int
  private(set) var ticks = 0
  private var firstSequence: UInt64?
  private var lastSequence: UInt64 = 0
  /// The fault latched at the last tick committed.
  private(set) var lastFault: FaultCode
  /// The first fault that was latched within this segment.
  private var fault = FaultCode.none
  private let connection: SQLiteConnection
  private let insert: SQLiteStatement
  private let blob = UnsafeMutableRawPointer.allocate(byteCount: TickRow.largestBlobs, alignment: 8)

  /// Creates the file with its schema and its description of the hand in one transaction. On failure nothing
  /// is left behind.
  /// - Parameter faultBefore: the fault latched at the last tick before this segment.
  init(
    path: String, identity: HandIdentity, number: Int, faultBefore: FaultCode
  ) throws(RecordingError) {
    lastFault = faultBefore
    do {
      let connection = try SQLiteConnection(
        path: path, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        busyMilliseconds: Self.busyMilliseconds)
      try connection.execute(SegmentSchema.pragmas)
      try connection.execute("BEGIN IMMEDIATE")
      try connection.execute(SegmentSchema.tables)
      try SegmentSchema.describe(connection, identity: identity, segment: number)
      try connection.execute("COMMIT")
      insert = try connection.prepare(TickRow.insert)
      self.connection = connection
      self.path = path
      self.number = number
    } catch {
      blob.deallocate()
      unlink(path)
      unlink(path + "-journal")
      throw error
    }
  }

  deinit { blob.deallocate() }

  /// Size of the file in bytes; 0 when it cannot be told.
  var bytes: UInt64 {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : 0
  }

  /// Commits the oldest `count` records of the backlog in one transaction: all of them, or on failure none.
  /// - Parameter checkpoint: a state of the controller and the tick that follows it, to be kept with them.
  func commit(
    _ backlog: TickBacklog, count: Int, checkpoint: (bytes: UnsafeRawBufferPointer, tag: UInt64)? = nil
  ) throws(RecordingError) {
    do {
      try connection.execute("BEGIN IMMEDIATE")
      if let checkpoint, let start = checkpoint.bytes.baseAddress {
        let insert = try connection.prepare("INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2)")
        insert.bind(1, Int64(clamping: checkpoint.tag))
        insert.bind(2, borrowing: start, count: checkpoint.bytes.count)
        try insert.run()
      }
      for index in 0..<count {
        TickRow.bind(backlog.pointer(at: index).pointee, to: insert, blob: blob)
        try insert.run()
      }
      try connection.execute("COMMIT")
    } catch {
      // A rollback that fails leaves a hot journal, which the next opening of the file rolls back.
      if connection.inTransaction { try? connection.execute("ROLLBACK") }
      throw error
    }
    ticks += count
    firstSequence = firstSequence ?? backlog.pointer(at: 0).pointee.sequence
    lastSequence = backlog.pointer(at: count - 1).pointee.sequence
    for index in 0..<count {
      let now = backlog.pointer(at: index).pointee.fault
      if now != lastFault && fault == .none { fault = now }
      lastFault = now
    }
  }

  /// Marks the segment complete and removes its journal, so that the file can be copied alone.
  func finish() throws(RecordingError) {
    try connection.execute("BEGIN IMMEDIATE")
    do {
      let meta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")
      var rows = [("closed", "1"), ("ticks", String(ticks))]
      if let firstSequence {
        rows += [("first_sequence", String(firstSequence)), ("last_sequence", String(lastSequence))]
      }
      if fault != .none { rows.append(("fault", fault.name)) }
      for (key, value) in rows {
        meta.bind(1, key)
        meta.bind(2, value)
        try meta.run()
      }
      try connection.execute("COMMIT")
    } catch {
      if connection.inTransaction { try? connection.execute("ROLLBACK") }
      throw error
    }
    try connection.execute("PRAGMA journal_mode = DELETE")
  }
}
