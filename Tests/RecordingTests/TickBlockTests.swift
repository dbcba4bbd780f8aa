import CSQLite
import Glibc
import HandModel
import PrimalLogic
import SeededRandom
import Testing

@testable import Recording
@testable import Wire

@Suite("Blocks of ticks")
struct TickBlockTests {
  /// Encodes records up to the last joint of their hand, as a recorder keeps them.
  private func encode(
    _ records: [TickRecord], _ equipment: [JointEquipment], with encoder: TickBlockEncoder? = nil
  ) -> TickBlock {
    let backlog = TickBacklog(capacity: records.count, joints: equipment.count)
    for record in records { _ = backlog.append(record) }
    let encoder = encoder ?? TickBlockEncoder(runID: "boot-1", equipment: equipment)
    return encoder.encode(count: records.count) { backlog.record(at: $0) }
  }

  private func decode(
    _ block: TickBlock, with decoder: TickBlockDecoder = TickBlockDecoder()
  ) throws -> [TickRecord] {
    try decoder.decode(block)
    return (0..<decoder.count).map { index in
      var record = TickRecord()
      withUnsafeMutablePointer(to: &record) {
        UnsafeMutableRawPointer($0).copyMemory(
          from: decoder.record(at: index), byteCount: TickRecord.byteCount(joints: block.jointCount))
      }
      return record
    }
  }

  @Test("a block gives back what a row of the same tick gives back", arguments: [1, 5, 15, 17, 24, 32])
  func sameAsRows(joints: Int) throws {
    let seed = printedSeed("blocks of \(joints) joints")
    var random = SeededGenerator(seed: seed)
    let identity = try mixedIdentity(joints: joints, using: &random)
    let count = Int.random(in: 1...60, using: &random)
    let first = UInt64.random(in: 0...UInt64(UInt32.max), using: &random)
    let written = (0..<count).map {
      randomRecord(sequence: first + UInt64($0), joints: joints, using: &random)
    }
    let block = encode(written, identity.board.equipment)
    #expect(block.key == TickBlock.Key(runID: "boot-1", firstSequence: first, count: count))
    #expect(try TickBlock(bytes: block.bytes) == block)
    let read = try decode(try TickBlock(bytes: block.bytes))

    let codec = TickCodec(.standard, identity.board.equipment)
    let blobs = (0..<2).map { _ in UnsafeMutableRawPointer.allocate(byteCount: codec.blobBytes, alignment: 8)
    }
    defer { for blob in blobs { blob.deallocate() } }
    try #require(read.count == count)
    for (written, read) in zip(written, read) {
      var rounded = written
      withUnsafeMutablePointer(to: &rounded) { codec.round($0, through: blobs[0]) }
      withUnsafePointer(to: rounded) { rounded in
        withUnsafePointer(to: read) { read in
          for column in codec.columns where column.isGiven(in: rounded) {
            let place = "seed \(seed), \(column.id) of tick \(read.pointee.sequence)"
            #expect(codec.agree(column, rounded, read), "\(place)")
          }
          let bytes = codec.encodeJoints(rounded, to: blobs[0])
          #expect(codec.encodeJoints(read, to: blobs[1]) == bytes && memcmp(blobs[0], blobs[1], bytes) == 0)
          #expect(CommandFrame.isGiven(in: rounded) == CommandFrame.isGiven(in: read))
          let frames = [UnsafeRawPointer(rounded), UnsafeRawPointer(read)].enumerated().map { index, record in
            let size = CommandFrame.encode(record, joints: joints, to: blobs[index])
            return Array(UnsafeRawBufferPointer(start: blobs[index], count: size))
          }
          if CommandFrame.isGiven(in: rounded) { #expect(frames[0] == frames[1], "seed \(seed)") }
        }
      }
    }
  }

  @Test("a gap ends a block, and what comes after it is left to the next")
  func gap() throws {
    var random = SeededGenerator(seed: printedSeed("gap"))
    let identity = try handIdentity()
    let equipment = identity.board.equipment
    let records = [7, 8, 9, 11, 12].map { randomRecord(sequence: $0, joints: 15, using: &random) }
    let encoder = TickBlockEncoder(runID: "boot-1", equipment: equipment)
    let first = encode(records, equipment, with: encoder)
    #expect(first.key.firstSequence == 7 && first.key.count == 3)
    let second = encode(Array(records.dropFirst(first.key.count)), equipment, with: encoder)
    #expect(second.key.firstSequence == 11 && second.key.count == 2)
    let decoder = TickBlockDecoder()
    #expect(try decode(first, with: decoder).map(\.sequence) == [7, 8, 9])
    #expect(try decode(second, with: decoder).map(\.sequence) == [11, 12])
  }

  @Test("a segment has every tick in its blocks, and rows of some and of all around trouble")
  func rows() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<3000).map { sequence -> TickRecord in
      var record = plainRecord(UInt64(sequence))
      // Latched just after the first batch.
      record.fault = sequence < 1010 ? .none : .commandTimeout
      return record
    }
    var options = RecorderOptions()
    options.batchTicks = 1000
    options.batchNanoseconds = 60_000_000_000
    let recording = try record(records, in: directory.path, options: options)
    let segment = try Recording.connect(recording.segments[0].path)
    #expect(try segment.integer("SELECT count(*) FROM block") == 3)
    #expect(try segment.integer("SELECT sum(last_sequence - first_sequence + 1) FROM block") == 3000)
    let rate = recording.rateHertz
    let (every, margin) = (rate / 10, rate / 4)
    let expected = (0..<3000).filter { $0 % every == 0 || $0 <= margin || abs($0 - 1010) <= margin }
    let rows = try segment.prepare("SELECT sequence FROM tick ORDER BY sequence")
    var found: [Int] = []
    while try rows.step() { found.append(Int(rows.integer(0))) }
    #expect(found == expected)
    let cursor = recording.ticks()
    var read = TickRecord()
    for record in records {
      #expect(try cursor.next(into: &read))
      #expect(read.sequence == record.sequence && read.fault == record.fault)
    }
    #expect(try !cursor.next(into: &read))
    #expect(cursor.duplicates == 0)
    // A part of them, in the middle of blocks.
    let part = recording.ticks(in: 990...1020)
    var numbers: [UInt64] = []
    while try part.next(into: &read) { numbers.append(read.sequence) }
    #expect(numbers == Array(990...1020))
  }

  @Test("a segment whose blocks are gone still gives what its rows have")
  func withoutBlocks() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<1000).map { plainRecord($0) }, in: directory.path)
    let writer = try SQLiteConnection(
      path: recording.segments[0].path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    let rows = try writer.integer("SELECT count(*) FROM tick")
    try writer.execute("DELETE FROM block")
    let info = try Recording.open(path: directory.path).info()
    #expect(info.ticks == UInt64(rows) && info.missingTicks > 0)
  }

  @Test("an unpacked recording is the same, as rows, and nothing is written over")
  func unpacked() throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: printedSeed("unpacked"))
    var options = RecorderOptions()
    options.segmentTicks = 200
    options.batchTicks = 100
    let recording = try record(
      (0..<500).map { noisyRecord($0, using: &random) }, in: directory.path, options: options)
    #expect(recording.segments.count > 2)
    let file = directory.path + "/rows.sqlite"
    #expect(try recording.unpack(to: file).ticks == 500)
    let rows = try Recording.open(path: file)
    #expect(try Recording.diff(recording, rows).isIdentical)
    #expect(try Recording.connect(file).integer("SELECT count(*) FROM tick") == 500)
    #expect(throws: RecordingError.fileExists(path: file)) { try recording.unpack(to: file) }
    #expect(throws: RecordingError.self) { try recording.unpack(to: directory.path + "/none/rows.sqlite") }
  }

  @Test("any integer of any width comes back from its differences", arguments: [1, 2, 4, 8])
  func differences(byteCount: Int) {
    let seed = printedSeed("differences of \(byteCount) bytes")
    var random = SeededGenerator(seed: seed)
    let shift = Int64(64 - 8 * byteCount)
    var orders: Set<UInt8> = []
    for round in 0..<300 {
      var value: Int64 = 0
      let written = (0..<50).map { index -> Int64 in
        let noise = Int64.random(in: .min ... .max, using: &random)
        // Noise, a constant that is sometimes left, a ramp that overflows.
        switch round % 3 {
        case 0: value = noise
        case 1: value = index % 20 == 0 ? noise : value
        default: value = Int64(index + 1) &* (1 << Int64(8 * byteCount - 4)) &+ (noise & 1)
        }
        value = (value << shift) >> shift
        return value
      }
      var values = written
      var span = values.mutableSpan
      let (order, bits) = DifferenceCoding.difference(&span, byteCount: byteCount)
      #expect(bits == values.reduce(0) { $0 | UInt64(bitPattern: $1) })
      orders.insert(order)
      let fits = byteCount == 8 || values.allSatisfy { UInt64(bitPattern: $0) >> UInt64(8 * byteCount) == 0 }
      #expect(fits, "seed \(seed)")
      var sum = DifferenceCoding.Sum(order: order, byteCount: byteCount)
      let part = Int.random(in: 0...written.count, using: &random)
      var (begin, end) = (Array(values[..<part]), Array(values[part...]))
      var first = begin.mutableSpan
      sum.sum(&first, count: part)
      var second = end.mutableSpan
      sum.sum(&second, count: written.count - part)
      values = begin + end
      #expect(values == written, "seed \(seed), round \(round)")
    }
    #expect(orders == [0, 1, 2])
  }

  @Test("a block that is cut off or changed anywhere is refused")
  func damaged() throws {
    var random = SeededGenerator(seed: printedSeed("damaged"))
    let equipment = try handIdentity().board.equipment
    let bytes = encode(
      (0..<20).map { randomRecord(sequence: $0, joints: 15, using: &random) }, equipment
    ).bytes
    for count in 0..<bytes.count {
      #expect(throws: TickBlockError.self) { _ = try TickBlock(bytes: Array(bytes[..<count])) }
    }
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      #expect(throws: TickBlockError.self) { _ = try TickBlock(bytes: changed) }
    }
  }

  @Test("a block whose writer was wrong is refused or read, whatever its columns hold")
  func wrongWriter() throws {
    let seed = printedSeed("wrong writer")
    var random = SeededGenerator(seed: seed)
    let equipment = try handIdentity().board.equipment
    let encoder = TickBlockEncoder(runID: "boot-1", equipment: equipment)
    let block = encode(
      (0..<20).map { randomRecord(sequence: $0, joints: 15, using: &random) }, equipment, with: encoder)
    let decoder = TickBlockDecoder()
    let columns = try decoder.columnBytes(of: block)
    var refusals: Set<String> = []
    for _ in 0..<3000 {
      var changed = columns
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        // Half of them at the end, where the commands are.
        let low = Bool.random(using: &random) ? 0 : changed.count - 200
        changed[Int.random(in: low..<changed.count, using: &random)] = UInt8.random(
          in: 0...(.max), using: &random)
      }
      let wrong = encoder.block(key: block.key, columns: changed)
      do {
        for record in try decode(try TickBlock(bytes: wrong.bytes), with: decoder) {
          #expect(record.jointCount <= 15 && (record.faultJoint < 15 || record.faultJoint == 255))
          #expect(HandState.allCases.contains(record.state))
        }
      } catch let error as TickBlockError {
        refusals.insert(error.description.filter { !$0.isNumber })
        #expect(decoder.count == 0)
      }
    }
    #expect(refusals.count >= 5, "seed \(seed): \(refusals)")
  }

  @Test("a header that promises more than its columns hold takes no memory for it")
  func promises() throws {
    let equipment = try handIdentity().board.equipment
    let encoder = TickBlockEncoder(runID: "boot-1", equipment: equipment)
    var record = TickRecord()
    record.jointCount = 15
    let block = encode([record], equipment, with: encoder)
    let columns = try TickBlockDecoder().columnBytes(of: block)
    var key = block.key
    key.count = TickBlock.maximumTicks
    #expect(throws: TickBlockError.self) {
      try TickBlockDecoder().decode(encoder.block(key: key, columns: columns))
    }
    key.count = TickBlock.maximumTicks + 1
    let tooMany = encoder.block(key: key, columns: columns).bytes
    #expect(throws: TickBlockError.self) { _ = try TickBlock(bytes: tooMany) }
  }
}
