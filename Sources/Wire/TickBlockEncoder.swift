import CZstd
import HandModel
import PrimalLogic

/// Writes blocks of ticks of one run. Keeps the memory of the last one for the next. One thread only.
package final class TickBlockEncoder {
  /// Hundreds of MB/s on one core; at level 9 blocks of a moving hand are 3 % smaller (docs/recording.md,
  /// "Why so").
  static let compressionLevel: Int32 = 3

  private let runID: String
  private let columns: BlockColumns
  private let jointCount: Int
  private let context: OpaquePointer
  /// Column after column.
  private var values: [Int64] = []
  private var raw: [UInt8] = []
  private var packed: [UInt8] = []

  /// - Parameters:
  ///   - runID: the start of the daemon, 1 to 64 of A-Z a-z 0-9 _ -.
  ///   - fields: what is told of a tick.
  ///   - equipment: of each joint.
  package init(runID: String, fields: FieldTable = .standard, equipment: [JointEquipment]) {
    precondition(HandIdentity.isValid(handID: runID) && equipment.count <= maximumJoints)
    self.runID = runID
    columns = BlockColumns(fields, equipment)
    jointCount = equipment.count
    guard let context = ZSTD_createCCtx() else { preconditionFailure("no memory for a compressor") }
    self.context = context
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Makes a block of the ticks that lie before the first gap.
  /// - Parameters:
  ///   - count: ticks offered, 1...`TickBlock.maximumTicks`.
  ///   - record: the `TickRecord` at a place, up to the last joint of the hand.
  /// - Returns: a block of at least the first of them.
  package func encode(count: Int, record: (Int) -> UnsafeRawPointer) -> TickBlock {
    precondition((1...TickBlock.maximumTicks).contains(count))
    let first = Self.sequence(record(0))
    var taken = 1
    while taken < count, Self.sequence(record(taken)) == first + UInt64(taken) { taken += 1 }
    let ticks = (0..<taken).map(record)
    fillColumns(ticks)
    appendCommands(ticks)
    return block(key: TickBlock.Key(runID: runID, firstSequence: first, count: taken), columns: raw)
  }

  /// Compresses columns and puts their block together.
  func block(key: TickBlock.Key, columns: [UInt8]) -> TickBlock {
    TickBlock(
      key: key, schema: FieldTable.version, jointCount: jointCount, columnByteCount: columns.count,
      content: compress(columns))
  }

  private static func sequence(_ record: UnsafeRawPointer) -> UInt64 {
    record.load(fromByteOffset: sequenceOffset, as: UInt64.self)
  }

  private static let sequenceOffset = TickRecord.offset(of: \.sequence)

  private func fillColumns(_ ticks: [UnsafeRawPointer]) {
    let size = columns.all.count + ticks.count * columns.tickByteCount
    if values.count != columns.all.count * ticks.count {
      values = [Int64](repeating: 0, count: columns.all.count * ticks.count)
    }
    let capacity = max(size, raw.capacity)
    values.withUnsafeMutableBufferPointer { values in
      var whole = values.mutableSpan
      load(ticks, into: &whole)
      raw = [UInt8](unsafeUninitializedCapacity: capacity) { bytes, filled in
        var rest = bytes[...]
        var start = 0
        for column in columns.all {
          let column = (
            values: UnsafeMutableBufferPointer(rebasing: values[start..<start + ticks.count]),
            width: column.field.byteCount
          )
          var span = column.values.mutableSpan
          let (order, bits) = DifferenceCoding.difference(&span, byteCount: column.width)
          rest[rest.startIndex] = order
          rest = rest.dropFirst()
          for plane in 0..<column.width {
            DifferenceCoding.store(column.values.span, bits: bits, plane: plane, to: rest)
            rest = rest.dropFirst(ticks.count)
          }
          start += ticks.count
        }
        filled = size
      }
    }
  }

  /// Column after column. Tick by tick, because records are large and lie far apart in memory.
  private func load(_ ticks: [UnsafeRawPointer], into values: inout MutableSpan<Int64>) {
    let columns = columns.all
    let words = self.columns.words
    for (index, tick) in ticks.enumerated() {
      let hasCommand = CommandFrame.isGiven(in: tick)
      var place = index
      for column in columns {
        values[place] =
          column.isCommand && !hasCommand ? 0 : column.field.load(tick + column.base, words)
        place += ticks.count
      }
    }
  }

  /// Their number, then each as the place of its tick, its length and its frame.
  private func appendCommands(_ ticks: [UnsafeRawPointer]) {
    let places = ticks.indices.filter { CommandFrame.isGiven(in: ticks[$0]) }
    TickBlock.append(UInt32(places.count), to: &raw)
    for place in places {
      TickBlock.append(UInt32(place), to: &raw)
      let frame = [UInt8](unsafeUninitializedCapacity: CommandFrame.largestByteCount) { frame, count in
        guard let start = frame.baseAddress else { return }
        count = CommandFrame.encode(ticks[place], joints: jointCount, to: start)
      }
      TickBlock.append(UInt16(frame.count), to: &raw)
      raw += frame
    }
  }

  private func compress(_ raw: [UInt8]) -> ArraySlice<UInt8> {
    let bound = ZSTD_compressBound(raw.count)
    if packed.count < bound { packed = [UInt8](repeating: 0, count: bound) }
    let size = packed.withUnsafeMutableBytes { output in
      raw.withUnsafeBytes { input in
        ZSTD_compressCCtx(
          context, output.baseAddress, output.count, input.baseAddress, input.count, Self.compressionLevel)
      }
    }
    // Only too little room makes it fail, and the bound is its own.
    precondition(ZSTD_isError(size) == 0, "zstd cannot compress \(raw.count) bytes")
    return packed[..<size]
  }
}
