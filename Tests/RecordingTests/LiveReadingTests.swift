import HandModel
import Testing

@testable import Recording

@Suite("Reading a segment that is being written")
struct LiveReadingTests {
  private static let batch = 50

  /// A segment with its first batch.
  private static func begin(
    _ path: String, layout: SegmentLayout
  ) throws -> (writer: SegmentWriter, backlog: TickBacklog) {
    let writer = try SegmentWriter(
      path: path, hand: SegmentDescription(try handIdentity(), startNumber: 1), number: 1,
      faultBefore: .none, layout: layout)
    let backlog = TickBacklog(capacity: batch, joints: 15)
    try commit(0, to: writer, backlog)
    return (writer, backlog)
  }

  private static func commit(_ number: Int, to writer: SegmentWriter, _ backlog: TickBacklog) throws {
    for index in 0..<batch { _ = backlog.append(plainRecord(UInt64(number * batch + index))) }
    let isCommitted = waitUntil {
      do throws(RecordingError) {
        try writer.commit(backlog, count: batch)
        return true
      } catch {
        return false
      }
    }
    #expect(isCommitted, "the file is locked")
    backlog.removeFirst(batch)
  }

  @Test(
    "a reader that pauses in the middle holds no lock, and gives the ticks that were there when it began",
    arguments: [SegmentLayout.rows, .blocks(rowEvery: 7, margin: 0)])
  func pausing(layout: SegmentLayout) throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/segment-0001.sqlite"
    let (writer, backlog) = try Self.begin(path, layout: layout)
    for number in 1...3 { try Self.commit(number, to: writer, backlog) }
    let cursor = try Recording.open(path: path).ticks()
    var record = TickRecord()
    for expected in 0..<UInt64(4 * Self.batch) {
      #expect(try cursor.next(into: &record) && record.sequence == expected)
      // Fails after a quarter of a second where a reader holds its lock.
      if expected % 60 == 10 { try Self.commit(4 + Int(expected) / 60, to: writer, backlog) }
    }
    #expect(try !cursor.next(into: &record))
    #expect(cursor.duplicates == 0)
  }
}
