import HandModel

/// Walks the ticks of a recording, segment after segment, one file open at a time. One thread at a time.
package final class TickCursor {
  /// Rows skipped because their sequence had been read before: a commit whose success the disk did not
  /// confirm is repeated in the next segment.
  package private(set) var duplicates: UInt64 = 0

  private let segments: [String]
  private let range: ClosedRange<UInt64>
  private var nextSegment = 0
  private var statement: SQLiteStatement?
  private var last: UInt64?

  init(segments: [String], range: ClosedRange<UInt64>) {
    self.segments = segments
    self.range = range
  }

  /// Reads the next tick into `record`, whose joints beyond its joint count keep their values; false at the
  /// end.
  package func next(into record: inout TickRecord) throws(RecordingError) -> Bool {
    guard let row = try nextRow() else { return false }
    try TickRow.read(row, path: segments[nextSegment - 1], into: &record)
    return true
  }

  /// The next row, which selected `TickRow.columnList`; valid until the next call.
  func nextRow() throws(RecordingError) -> SQLiteStatement? {
    while true {
      guard let statement else {
        guard nextSegment < segments.count else { return nil }
        let connection = try Recording.connect(segments[nextSegment])
        nextSegment += 1
        let opened = try connection.prepare(
          "SELECT \(TickRow.columnList) FROM tick WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence")
        opened.bind(1, Int64(clamping: range.lowerBound))
        opened.bind(2, Int64(clamping: range.upperBound))
        statement = opened
        continue
      }
      guard try statement.step() else {
        self.statement = nil
        continue
      }
      let sequence = UInt64(clamping: statement.integer(0))
      if let last, sequence <= last {
        duplicates += 1
        continue
      }
      last = sequence
      return statement
    }
  }

  /// The joints' blob of the row returned last; valid until the next call.
  var jointBytes: UnsafeRawBufferPointer {
    statement?.bytes(TickColumn.joints) ?? UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// The file of the row returned last.
  var currentPath: String { segments[max(0, nextSegment - 1)] }
}
