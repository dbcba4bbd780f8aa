import CCrypto
import HandModel
import PrimalLogic

/// Consecutive ticks of one run, column by column and compressed: the one unit from disk to database. Its
/// bytes are the same in a segment, on the wire and in a consumer's store, and say themselves what they are
/// (docs/recording.md, "Blocks").
package struct TickBlock: Sendable, Equatable {
  /// What names a block for ever.
  package struct Key: Hashable, Sendable {
    /// The start of the daemon.
    package var runID: String
    /// Number of its first tick.
    package var firstSequence: UInt64
    /// Ticks in it, 1...`TickBlock.maximumTicks`.
    package var count: Int

    /// Number of its last tick.
    package var lastSequence: UInt64 { firstSequence + UInt64(count) - 1 }
  }

  /// A second at the highest rate of a board.
  package static let maximumTicks = 10_000
  /// SHA-256.
  package static let hashByteCount = 32

  static let magic: [UInt8] = Array("MHTB".utf8)
  static let formatVersion: UInt8 = 1
  /// Magic, format, joints, schema, first sequence, ticks, bytes of the columns, length of the run's name.
  static let fixedHeaderByteCount = 4 + 1 + 1 + 2 + 8 + 4 + 4 + 1

  /// What names it.
  package let key: Key
  /// `FieldTable.version` of its writer.
  package let schema: Int64
  /// Joints of the hand.
  package let jointCount: Int
  /// All of it.
  package let bytes: [UInt8]
  /// Bytes of the columns before compression.
  let columnByteCount: Int
  /// Where the compressed columns lie in `bytes`.
  let content: Range<Int>

  /// SHA-256 of all that comes before it in `bytes`.
  package var sha256: ArraySlice<UInt8> { bytes.suffix(Self.hashByteCount) }

  /// Takes a block apart as far as its hash; its columns are `TickBlockDecoder`'s.
  /// - Throws: where the bytes are no block, or not those that were written.
  package init(bytes: [UInt8]) throws(TickBlockError) {
    guard bytes.count >= Self.fixedHeaderByteCount, bytes.starts(with: Self.magic) else {
      throw .notABlock(bytes: bytes.count)
    }
    guard bytes[4] == Self.formatVersion else { throw .unknownFormat(Int(bytes[4])) }
    let runIDByteCount = Int(bytes[24])
    let headerByteCount = Self.fixedHeaderByteCount + runIDByteCount
    guard bytes.count >= headerByteCount + Self.hashByteCount else {
      throw .truncated(found: bytes.count, expected: headerByteCount + Self.hashByteCount)
    }
    let end = bytes.count - Self.hashByteCount
    guard Self.hash(bytes[..<end]).elementsEqual(bytes[end...]) else { throw .wrongHash }
    // Whoever made it can be wrong all the same.
    let runID = String(decoding: bytes[Self.fixedHeaderByteCount..<headerByteCount], as: UTF8.self)
    guard HandIdentity.isValid(handID: runID) else {
      throw .contradiction("its run has no name of 1 to 64 of A-Z a-z 0-9 _ -")
    }
    let count = Int(Self.integer(bytes, at: 16, of: UInt32.self))
    guard (1...Self.maximumTicks).contains(count) else {
      throw .contradiction("it has \(count) ticks, expected 1 to \(Self.maximumTicks)")
    }
    jointCount = Int(bytes[5])
    guard jointCount <= maximumJoints else {
      throw .contradiction("it has \(jointCount) joints, expected at most \(maximumJoints)")
    }
    let first = Self.integer(bytes, at: 8, of: UInt64.self)
    guard first <= UInt64(Int64.max) - UInt64(count) else {
      throw .contradiction("its first tick is \(first)")
    }
    key = Key(runID: runID, firstSequence: first, count: count)
    schema = Int64(Self.integer(bytes, at: 6, of: UInt16.self))
    columnByteCount = Int(Self.integer(bytes, at: 20, of: UInt32.self))
    content = headerByteCount..<end
    self.bytes = bytes
  }

  /// Puts a block together.
  /// - Parameters:
  ///   - content: compressed columns.
  ///   - columnByteCount: their size before.
  init(key: Key, schema: Int64, jointCount: Int, columnByteCount: Int, content: ArraySlice<UInt8>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(
      Self.fixedHeaderByteCount + key.runID.utf8.count + content.count + Self.hashByteCount)
    bytes += Self.magic
    bytes += [Self.formatVersion, UInt8(jointCount)]
    Self.append(UInt16(schema), to: &bytes)
    Self.append(key.firstSequence, to: &bytes)
    Self.append(UInt32(key.count), to: &bytes)
    Self.append(UInt32(columnByteCount), to: &bytes)
    bytes.append(UInt8(key.runID.utf8.count))
    bytes += key.runID.utf8
    let start = bytes.count
    bytes += content
    self.content = start..<bytes.count
    bytes += Self.hash(bytes[...])
    self.key = key
    self.schema = schema
    self.jointCount = jointCount
    self.columnByteCount = columnByteCount
    self.bytes = bytes
  }

  /// SHA-256 (FIPS 180-4).
  private static func hash(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: hashByteCount) { output, count in
      bytes.withUnsafeBufferPointer { _ = SHA256($0.baseAddress, $0.count, output.baseAddress) }
      count = hashByteCount
    }
  }

  /// Integers of the header and of the columns' tail are little-endian.
  static func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: [UInt8], at offset: Int, of type: Value.Type
  ) -> Value {
    precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= bytes.count)
    return bytes.withUnsafeBytes {
      Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
  }

  static func append<Value: FixedWidthInteger>(_ value: Value, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}

/// Why bytes are no block of ticks that this program reads.
package enum TickBlockError: Error, Equatable, CustomStringConvertible {
  /// They do not begin as one.
  case notABlock(bytes: Int)
  /// The container is of another version.
  case unknownFormat(Int)
  /// The fields are of another version.
  case unknownSchema(Int64, expected: Int64)
  /// The end is missing.
  case truncated(found: Int, expected: Int)
  /// They are not those that were written.
  case wrongHash
  /// They are as they were written, and cannot be true.
  case contradiction(String)

  package var description: String {
    switch self {
    case .notABlock(let bytes): "\(bytes) bytes that are no block of ticks: they do not begin with MHTB"
    case .unknownFormat(let found):
      "a block of format \(found), this program reads \(TickBlock.formatVersion)"
    case .unknownSchema(let found, let expected):
      "a block of schema \(found), this program reads \(expected)"
    case .truncated(let found, let expected):
      "a block cut off: \(found) bytes, expected at least \(expected)"
    case .wrongHash: "a damaged block: its SHA-256 is not that of its bytes"
    case .contradiction(let reason): "a block that cannot be true: \(reason)"
    }
  }
}

extension TickBlock {
  /// Whether two blocks that begin at the same tick hold the same as far as both go.
  package func agrees(with other: TickBlock) -> Bool {
    guard jointCount == other.jointCount else { return false }
    let decoders = (TickBlockDecoder(), TickBlockDecoder())
    do throws(TickBlockError) {
      try decoders.0.decode(self)
      try decoders.1.decode(other)
    } catch { return false }
    let everything = JointEquipment(isServo: false, hasCurrentSensor: true, hasForceSensor: true)
    let equality = TickEquality(equipment: Array(repeating: everything, count: jointCount))
    return (0..<min(key.count, other.key.count)).allSatisfy {
      equality.agree(decoders.0.record(at: $0), decoders.1.record(at: $0))
    }
  }
}
