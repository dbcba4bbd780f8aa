import CSQLite
import Glibc
import HandModel
import Wire

/// The segment file that is being written. Owned by the recorder's thread once that runs.
final class SegmentWriter {
  /// How long a commit waits for a reader of the live segment before the batch is kept for later.
  static let busyMilliseconds: Int32 = 250

  let path: String
  let number: Int
  /// Ticks committed, those that were thinned out included.
  private(set) var ticks = 0
  /// Of these the ones of which nothing was kept, on purpose.
  var thinned = 0
  private var firstSequence: UInt64?
  private var lastSequence: UInt64 = 0
  /// Number of the last tick committed; nil before the first.
  var lastTick: UInt64? { firstSequence == nil ? nil : lastSequence }
  /// The fault latched at the last tick committed.
  private(set) var lastFault: FaultCode
  /// The first fault that was latched within this segment.
  private var fault = FaultCode.none
  private let connection: SQLiteConnection
  private let insertRow: SQLiteStatement
  private let insertBlock: SQLiteStatement
  private let layout: SegmentLayout
  private let codec: TickCodec
  private let encoder: TickBlockEncoder
  private let blob: UnsafeMutableRawPointer

  /// Creates the file with its schema and its description of the hand in one transaction. On failure nothing
  /// is left behind.
  /// - Parameters:
  ///   - faultBefore: the fault latched at the last tick before this segment.
  ///   - layout: how ticks are kept.
  ///   - fields: what is recorded.
  init(
    path: String, hand: SegmentDescription, number: Int, faultBefore: FaultCode, layout: SegmentLayout,
    fields: FieldTable = .standard
  ) throws(RecordingError) {
    lastFault = faultBefore
    self.layout = layout
    codec = TickCodec(fields, hand.equipment)
    encoder = TickBlockEncoder(runID: hand.runID, fields: fields, equipment: hand.equipment)
    blob = .allocate(byteCount: codec.blobBytes, alignment: 8)
    let schema = SegmentSchema(fields)
    do {
      let connection = try SQLiteConnection(
        path: path, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
        busyMilliseconds: Self.busyMilliseconds)
      try connection.execute(SegmentSchema.pragmas)
      try connection.execute("BEGIN IMMEDIATE")
      try connection.execute(schema.tables)
      try schema.describe(connection, hand: hand, segment: number, layout: layout)
      try connection.execute("COMMIT")
      insertRow = try connection.prepare(codec.insert)
      insertBlock = try connection.prepare("INSERT INTO block VALUES (?1, ?2, ?3)")
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
  /// - Parameters:
  ///   - events: ticks of events from `layout.margin` before the oldest on.
  ///   - blocks: to be written, where blocks are; nil = those of the records.
  ///   - checkpoints: states of the controller to be kept with them.
  /// - Returns: how many of the records have a row now.
  @discardableResult
  func commit(
    _ backlog: TickBacklog, count: Int, events: [UInt64] = [], blocks: [TickBlock]? = nil,
    checkpoints: [StoredCheckpoint] = []
  ) throws(RecordingError) -> Int {
    var rows = count
    do {
      try connection.execute("BEGIN IMMEDIATE")
      for checkpoint in checkpoints {
        let insert = try connection.prepare("INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2)")
        insert.bind(1, Int64(clamping: checkpoint.sequence))
        try insert.run(binding: 2, checkpoint.bytes)
      }
      switch layout {
      case .rows: for index in 0..<count { try insertRow(backlog.record(at: index)) }
      case .blocks(let every, _):
        try insert(blocks ?? self.blocks(of: backlog, count: count))
        rows = try insertRows(backlog, count: count, every: UInt64(every), events: events)
      }
      try connection.execute("COMMIT")
    } catch {
      // A rollback that fails leaves a hot journal, which the next opening of the file rolls back.
      if connection.inTransaction { try? connection.execute("ROLLBACK") }
      throw error
    }
    guard count > 0 else { return 0 }
    ticks += count
    firstSequence = firstSequence ?? backlog.sequence(at: 0)
    lastSequence = backlog.sequence(at: count - 1)
    for index in 0..<count {
      let now = backlog.fault(at: index)
      if now != lastFault && fault == .none { fault = now }
      lastFault = now
    }
    return rows
  }

  /// The oldest `count` records of the backlog in blocks.
  func blocks(of backlog: TickBacklog, count: Int) -> [TickBlock] {
    var blocks: [TickBlock] = []
    var next = 0
    while next < count {
      blocks.append(
        encoder.encode(count: min(count - next, TickBlock.maximumTicks)) { backlog.record(at: next + $0) })
      next += blocks[blocks.count - 1].key.count
    }
    return blocks
  }

  private func insert(_ blocks: [TickBlock]) throws(RecordingError) {
    for block in blocks {
      insertBlock.bind(1, Int64(block.key.firstSequence))
      insertBlock.bind(2, Int64(block.key.lastSequence))
      try insertBlock.run(binding: 3, block.bytes)
    }
  }

  private func insertRows(
    _ backlog: TickBacklog, count: Int, every: UInt64, events: [UInt64]
  ) throws(RecordingError) -> Int {
    let margin = UInt64(layout.margin)
    func isNear(_ sequence: UInt64) -> Bool {
      events.contains { sequence < $0 ? $0 - sequence <= margin : sequence - $0 <= margin }
    }
    if !events.isEmpty {
      for age in 1..<(1 + min(backlog.pastCount, layout.margin)) {
        let record = backlog.past(age)
        let sequence = TickBacklog.value(\.sequence, record)
        // What went into the segment before this one stays there.
        guard let firstSequence, sequence >= firstSequence else { break }
        if isNear(sequence) { try insertRow(record) }
      }
    }
    var inserted = 0
    for index in 0..<count {
      let sequence = backlog.sequence(at: index)
      guard sequence % every == 0 || isNear(sequence) else { continue }
      try insertRow(backlog.record(at: index))
      inserted += 1
    }
    return inserted
  }

  private func insertRow(_ record: UnsafeRawPointer) throws(RecordingError) {
    codec.bind(record, to: insertRow, blob: blob)
    try insertRow.run()
  }

  /// Marks the segment complete and removes its journal, so that the file can be copied alone.
  /// - Parameter time: seconds since 1970, where somebody knows.
  func finish(at time: Int64? = nil) throws(RecordingError) {
    try connection.execute("BEGIN IMMEDIATE")
    do {
      let meta = try connection.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")
      var rows = [("closed", "1"), ("ticks", String(ticks - thinned)), ("thinned", String(thinned))]
      if let firstSequence {
        rows += [("first_sequence", String(firstSequence)), ("last_sequence", String(lastSequence))]
      }
      if let time { rows.append(("closed_at", String(time))) }
      if fault != .none { rows.append(("fault", fault.id)) }
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
