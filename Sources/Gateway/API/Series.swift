import HandModel
import Recording
import Wire

/// A channel over time from stored blocks, in so many parts, each with its least and greatest value: what a
/// plot needs, however long the time.
struct Series: Sendable {
  /// Blocks read for one answer: an hour of a hand of 1 kHz takes half a minute of a processor.
  static let mostBlocks: Int64 = 4000
  private static let blocksPerRead: Int64 = 50

  let store: any Store
  /// Of the hand, which names its joints; nil where it has not told it.
  let birth: [UInt8]?

  private struct Bucket {
    var least = Double.infinity
    var greatest = -Double.infinity
    var last = Double.nan
    var count = 0
  }

  /// Reads a channel.
  func read(
    _ channel: String, of handID: String, _ range: ClosedRange<Timestamp>, buckets count: Int
  ) async throws(Problem) -> JSONValue {
    let (field, joint) = try find(channel)
    let size = try await Problem.of { () throws(StoreError) in
      try await store.read { (session) throws(StoreError) in
        try session.row(
          "SELECT count(*) AS count FROM {telemetry.blocks} WHERE hand_id = $1 AND first_time <= $3 "
            + "AND last_time >= $2", .text(handID), .time(range.lowerBound), .time(range.upperBound)
        )?.integer("count") ?? 0
      }
    }
    guard size <= Self.mostBlocks else {
      throw .tooLarge(
        "this time has \(size) blocks, expected at most \(Self.mostBlocks): ask for a shorter one")
    }
    let first = range.lowerBound.microseconds
    let length = max(1, (range.upperBound.microseconds - first + Int64(count) - 1) / Int64(count))
    var parts = [Bucket](repeating: Bucket(), count: count)
    var ticks: Int64 = 0
    let decoder = TickBlockDecoder()
    var last: SQLRow?
    repeat {
      let blocks = try await blocks(handID, range, after: last)
      for row in blocks {
        guard let block = try? TickBlock(bytes: row.bytesOrNone("bytes")), (joint ?? 0) < block.jointCount,
          (try? decoder.decode(block)) != nil
        else { continue }
        for index in 0..<decoder.count {
          let record = decoder.record(at: index)
          let time = record.load(fromByteOffset: Self.timeOffset, as: Int64.self) / 1000
          guard range.lowerBound.microseconds <= time, time <= range.upperBound.microseconds else { continue }
          let start = joint.map { record + TickRecord.jointOffset($0) } ?? record
          guard field.isGiven(in: record) else { continue }
          let value = field.number(start)
          guard value.isFinite else { continue }
          ticks += 1
          let place = Int(min((time - first) / length, Int64(count - 1)))
          parts[place].least = min(parts[place].least, value)
          parts[place].greatest = max(parts[place].greatest, value)
          parts[place].last = value
          parts[place].count += 1
        }
      }
      last = blocks.last
    } while last != nil
    let rows = parts.enumerated().filter { $1.count > 0 }.map { index, part -> JSONValue in
      [
        .number("\(index)"), JSONValue(part.least), JSONValue(part.greatest), JSONValue(part.last),
        .number("\(part.count)"),
      ]
    }
    return [
      "channel": .string(channel), "from": .string(range.lowerBound.text),
      "bucket_seconds": JSONValue(Double(length) / 1e6), "ticks": .number("\(ticks)"),
      "buckets": .array(rows),
    ]
  }

  private static let timeOffset = TickRecord.offset(of: \.wallNanoseconds)

  private func blocks(
    _ handID: String, _ range: ClosedRange<Timestamp>, after last: SQLRow?
  ) async throws(Problem) -> [SQLRow] {
    try await Problem.of { () throws(StoreError) in
      try await store.part(
        of: "SELECT first_time, run_id, first_sequence, bytes FROM {telemetry.blocks} "
          + "WHERE hand_id = $1 AND first_time <= $3 AND last_time >= $2", .text(handID),
        .time(range.lowerBound), .time(range.upperBound), by: ["first_time", "run_id", "first_sequence"],
        after: last, size: Self.blocksPerRead)
    }
  }

  /// The field of a channel's name, and the joint that it is of.
  private func find(_ channel: String) throws(Problem) -> (Field, joint: Int?) {
    let fields = FieldTable.standard
    guard let point = channel.firstIndex(of: ".") else {
      guard let field = fields.tick.first(where: { $0.id == channel && $0.isRecorded }) else {
        throw .notFound(
          "channel \(channel.printable.shortened): no recorded field of a tick; see docs/recording.md")
      }
      return (field, nil)
    }
    let (name, column) = (String(channel[..<point]), String(channel[channel.index(after: point)...]))
    guard let field = fields.joint.first(where: { $0.id == column && $0.isRecorded }) else {
      throw .notFound(
        "channel \(channel.printable.shortened): no recorded field of a joint; see docs/recording.md")
    }
    if let number = UInt8(name) { return (field, Int(number)) }
    guard let birth, let joints = try? BirthMessage(decoding: birth).joints.map(\.name) else {
      throw .notFound(
        "joint \(name.printable.shortened): the hand has not told its joints; give a number from 0")
    }
    guard let joint = joints.firstIndex(of: name) else {
      throw .notFound("joint \(name.printable.shortened): expected one of \(joints.joined(separator: ", "))")
    }
    return (field, joint)
  }
}
