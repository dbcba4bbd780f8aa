import CSQLite
import Foundation
import HandModel
import Wire

/// Walks the ticks of a recording, segment after segment, one file open at a time. Where a segment has a tick
/// in a block, the block has the say; rows fill what no block covers. One thread at a time.
///
/// A segment that is still being written is read as far as it was when its turn came. No lock is held on it
/// between two calls, however long they are apart: the recorder could not commit meanwhile.
///
/// What is damaged is an error, or, for readers who want the rest, passed over and listed.
package final class TickCursor {
  /// Ticks skipped because they had been read before: a commit whose success the disk did not confirm is
  /// repeated in the next segment.
  package private(set) var duplicates: UInt64 = 0

  /// Of each segment the ticks that were in it, duplicates too.
  private(set) var found: [UInt64]
  /// Blocks decoded so far.
  package private(set) var readBlocks: UInt64 = 0
  /// What was passed over, in order.
  package private(set) var damage: [RecordingError] = []

  /// Part of a segment in the order of its ticks.
  private enum Stretch {
    case block(first: Int64, last: Int64)
    /// Ticks without a block, as far as they have rows.
    case rows(ClosedRange<Int64>)
  }

  /// Rows that are read at once: 140 kB of a 15-joint hand.
  private static let pageRows = 64

  private let segments: [String]
  private let skipsDamage: Bool
  private let range: ClosedRange<Int64>
  private let codec: TickCodec
  private var reader: BlockReader
  /// Decodes the next block while the ticks of this one are used.
  private var ahead: BlockReader
  private let recordBytes: Int
  private var nextSegment = 0
  private var last: UInt64?
  /// What is left of the segment that is being read.
  private var stretches: ArraySlice<Stretch> = []
  private var block: SQLiteStatement?
  private var rows: SQLiteStatement?
  /// Place in the block that was decoded last.
  private var nextInBlock = 0
  /// Rows that were read and not yet given.
  private let page: TickBacklog
  private var scratch = TickRecord()

  init(segments: [String], runID: String, range: ClosedRange<UInt64>, codec: TickCodec, skipsDamage: Bool) {
    self.skipsDamage = skipsDamage
    self.segments = segments
    found = Array(repeating: 0, count: segments.count)
    self.codec = codec
    self.range = Int64(clamping: range.lowerBound)...Int64(clamping: range.upperBound)
    reader = BlockReader(codec, runID: runID)
    ahead = BlockReader(codec, runID: runID)
    recordBytes = TickRecord.byteCount(joints: codec.equipment.count)
    page = TickBacklog(capacity: Self.pageRows, joints: codec.equipment.count)
  }

  /// The file of the tick read last.
  var currentPath: String { segments[max(0, nextSegment - 1)] }

  /// Reads the next tick into `record`, whose joints beyond the hand's keep their values; false at the end.
  package func next(into record: inout TickRecord) throws(RecordingError) -> Bool {
    while true {
      while let tick = taken() {
        guard isWanted(TickBacklog.value(\.sequence, tick)) else { continue }
        withUnsafeMutableBytes(of: &record) {
          $0.copyMemory(from: UnsafeRawBufferPointer(start: tick, count: recordBytes))
        }
        return true
      }
      if let stretch = stretches.popFirst() {
        switch stretch {
        case .block(let first, let last): try readBlock(first, last)
        case .rows(let range): try readRows(range)
        }
      } else if nextSegment < segments.count {
        nextSegment += 1
        do throws(RecordingError) { try open(segments[nextSegment - 1]) } catch { try passOver(error) }
      } else {
        return false
      }
    }
  }

  /// The next tick that was read and not yet given; valid until the next stretch.
  private func taken() -> UnsafeRawPointer? {
    if nextInBlock < reader.decoder.count {
      nextInBlock += 1
      return reader.decoder.record(at: nextInBlock - 1)
    }
    guard !page.isEmpty else { return nil }
    page.removeFirst(1)
    return page.past(1)
  }

  private func passOver(_ error: RecordingError) throws(RecordingError) {
    guard skipsDamage else { throw error }
    // The blocks and the rows of a file meet the same page.
    if damage.last != error { damage.append(error) }
  }

  /// Whether a tick lies in the range and has not been read before.
  private func isWanted(_ sequence: UInt64) -> Bool {
    guard range.contains(Int64(clamping: sequence)) else { return false }
    found[nextSegment - 1] += 1
    if let last, sequence <= last {
      duplicates += 1
      return false
    }
    last = sequence
    return true
  }

  // MARK: - Segment

  private func open(_ path: String) throws(RecordingError) {
    stretches = []
    ahead.finish()
    block = nil
    rows = nil
    let connection = try Recording.connect(path)
    // Blocks and rows of one state of the file: a commit in between would give rows without their block.
    try connection.execute("BEGIN")
    defer { try? connection.execute("COMMIT") }
    var blocks: [(first: Int64, last: Int64)] = []
    if try SegmentSchema.hasBlocks(connection) {
      block = try connection.prepare("SELECT bytes FROM block WHERE first_sequence = ?1")
      blocks = try blockKeys(connection)
    }
    rows = try connection.prepare(
      "SELECT \(codec.columnList) FROM tick WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence "
        + "LIMIT \(Self.pageRows)")
    stretches = Self.stretches(blocks, through: try lastRow(connection), in: range)[...]
  }

  /// Blocks, and between them whatever may have rows.
  private static func stretches(
    _ blocks: [(first: Int64, last: Int64)], through lastRow: Int64, in range: ClosedRange<Int64>
  ) -> [Stretch] {
    var stretches: [Stretch] = []
    var next = range.lowerBound
    for (first, last) in blocks {
      if next < first { stretches.append(.rows(next...first - 1)) }
      stretches.append(.block(first: first, last: last))
      next = max(next, last < .max ? last + 1 : last)
    }
    let end = min(lastRow, range.upperBound)
    if next <= end { stretches.append(.rows(next...end)) }
    return stretches
  }

  private func lastRow(_ connection: SQLiteConnection) throws(RecordingError) -> Int64 {
    do throws(RecordingError) {
      return try connection.integer("SELECT coalesce(max(sequence), -1) FROM tick")
    } catch {
      try passOver(error)
      return .max
    }
  }

  /// Ticks of the blocks; their bytes are read one by one, so that one can be damaged alone. From both ends,
  /// where something in between cannot be read.
  private func blockKeys(_ connection: SQLiteConnection) throws(RecordingError) -> [(Int64, Int64)] {
    let sql =
      "SELECT first_sequence, last_sequence FROM block WHERE last_sequence >= ?1 AND first_sequence <= ?2 "
    func keys(_ order: String, _ take: (Int64, Int64) -> Bool) throws(RecordingError) {
      let statement = try connection.prepare(sql + order)
      statement.bind(1, range.lowerBound)
      statement.bind(2, range.upperBound)
      while try statement.step(), take(statement.integer(0), statement.integer(1)) {}
    }
    var forward: [(Int64, Int64)] = []
    var backward: [(Int64, Int64)] = []
    do throws(RecordingError) {
      try keys("ORDER BY first_sequence") { first, last in
        forward.append((first, last))
        return true
      }
    } catch {
      try passOver(error)
      let end = forward.last?.0 ?? -1
      do throws(RecordingError) {
        try keys("ORDER BY first_sequence DESC") { first, last in
          guard first > end else { return false }
          backward.append((first, last))
          return true
        }
      } catch {
        // What stands in between is the damage that was told.
      }
    }
    return forward + backward.reversed()
  }

  // MARK: - Rows

  /// Fills the page from a range, whose rest is read later.
  private func readRows(_ range: ClosedRange<Int64>) throws(RecordingError) {
    guard let rows else { return }
    defer { rows.reset() }
    rows.bind(1, range.lowerBound)
    rows.bind(2, range.upperBound)
    var next = range.lowerBound
    var found = 0
    do throws(RecordingError) {
      while try rows.step() {
        found += 1
        let sequence = rows.integer(0)
        do throws(RecordingError) {
          try codec.read(rows, path: currentPath, into: &scratch)
          _ = page.append(scratch)
        } catch {
          // After the rows before it.
          guard page.isEmpty else { return postpone(after: sequence > next ? sequence - 1 : next, range) }
          postpone(after: max(sequence, next), range)
          return try passOver(error)
        }
        // A damaged file may give them in any order.
        next = max(next, sequence)
      }
    } catch {
      guard page.isEmpty else { return postpone(after: next, range) }
      return try passOver(error)
    }
    if found == Self.pageRows { postpone(after: next, range) }
  }

  private func postpone(after last: Int64, _ range: ClosedRange<Int64>) {
    guard last < range.upperBound else { return }
    stretches = [.rows(last + 1...range.upperBound)] + stretches
  }

  // MARK: - Blocks

  /// Decodes a block; what is damaged is made up for by rows.
  private func readBlock(_ first: Int64, _ last: Int64) throws(RecordingError) {
    guard let block else { return }
    do throws(RecordingError) {
      if ahead.first == first {
        swap(&reader, &ahead)
      } else {
        ahead.finish()
        guard let bytes = try bytes(of: block, first) else { return }
        reader.begin(bytes, first: first)
      }
      // None of the block before counts any more, whatever comes of this one.
      nextInBlock = .max
      if let damage = reader.finish() {
        throw RecordingError.damaged(
          path: currentPath, sequence: UInt64(clamping: first), reason: damage.description)
      }
      nextInBlock = 0
      readBlocks += 1
      if case .block(let next, _)? = stretches.first, let bytes = try? bytes(of: block, next) {
        ahead.begin(bytes, first: next)
      }
    } catch {
      if last >= first { stretches = [.rows(first...last)] + stretches }
      guard case .storage(_, _, _, _, let message) = error else { return try passOver(error) }
      try passOver(
        .damaged(path: currentPath, sequence: UInt64(clamping: first), reason: "its block: \(message)"))
    }
  }

  /// Copied, so that no lock is held while they are decoded.
  private func bytes(of row: SQLiteStatement, _ first: Int64) throws(RecordingError) -> [UInt8]? {
    defer { row.reset() }
    row.bind(1, first)
    guard try row.step() else { return nil }
    guard row.stored(0) == .blob else {
      throw .damaged(
        path: currentPath, sequence: UInt64(clamping: first), reason: "its block is \(row.stored(0).name)")
    }
    return Array(row.bytes(0))
  }
}

/// A decoder that works on a thread of its own.
private final class BlockReader: @unchecked Sendable {
  // Safety of @unchecked: between `begin` and `finish` the queue's thread uses it, else its owner's.

  let decoder: TickBlockDecoder
  /// First tick of the block that was begun and is not finished.
  private(set) var first: Int64?
  private let runID: String
  private let joints: Int
  private var problem: TickBlockError?
  private let isDone = DispatchSemaphore(value: 0)

  init(_ codec: TickCodec, runID: String) {
    decoder = TickBlockDecoder(fields: codec.fields)
    joints = codec.equipment.count
    self.runID = runID
  }

  /// Begins to decode the block that is to begin with a tick.
  func begin(_ bytes: [UInt8], first: Int64) {
    self.first = first
    DispatchQueue.global().async { [self] in
      problem = nil
      do throws(TickBlockError) {
        let block = try TickBlock(bytes: bytes)
        guard block.key.runID == runID else { throw .contradiction("it is of run \(block.key.runID)") }
        guard block.key.firstSequence == UInt64(clamping: first), block.jointCount == joints else {
          throw .contradiction("it is another block than the file says")
        }
        try decoder.decode(block)
      } catch { problem = error }
      isDone.signal()
    }
  }

  /// Waits for what was begun; why it could not be decoded, or nil.
  @discardableResult
  func finish() -> TickBlockError? {
    guard first != nil else { return nil }
    isDone.wait()
    first = nil
    return problem
  }
}
