import CZstd
import HandModel
import PrimalLogic

/// Reads blocks of ticks. Holds the ticks of the last one. One thread only.
package final class TickBlockDecoder {
  /// Ticks of the block that was decoded last; 0 before the first.
  package private(set) var count = 0

  private let fields: FieldTable
  private let context: OpaquePointer
  private var columns: BlockColumns?
  private var jointCount = 0
  private var raw: [UInt8] = []
  private var values = [Int64](repeating: 0, count: TickBlockDecoder.tileTicks)
  private var records: UnsafeMutableRawBufferPointer
  private var recordByteCount = 0
  /// Ticks of the last block that took a command.
  private var commanded: [Int] = []

  /// Columns are put into so many records at a time: 140 kB of a 15-joint hand, which a cache holds.
  private static let tileTicks = 64

  /// - Parameter fields: of the blocks' schema.
  package init(fields: FieldTable = .standard) {
    self.fields = fields
    guard let context = ZSTD_createDCtx() else { preconditionFailure("no memory for a decompressor") }
    self.context = context
    records = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  deinit {
    ZSTD_freeDCtx(context)
    records.deallocate()
  }

  /// The tick at a place: a `TickRecord` up to the last joint of the hand, valid until the next block.
  package func record(at index: Int) -> UnsafeRawPointer {
    precondition(index >= 0 && index < count)
    return UnsafeRawPointer(place(index))
  }

  /// Decodes a block; then `record(at:)` has its ticks. No more memory is taken than its number of ticks and
  /// joints makes necessary, whatever else it says.
  /// - Throws: where its columns contradict its header or the fields.
  package func decode(_ block: TickBlock) throws(TickBlockError) {
    count = 0
    guard block.schema == FieldTable.version else {
      throw .unknownSchema(block.schema, expected: FieldTable.version)
    }
    let columns = columns(of: block)
    try decompress(block, columns)
    prepare(block)
    try fillRecords(block, columns)
    try takeCommands(block, from: columns.all.count + block.key.count * columns.tickByteCount)
    count = block.key.count
  }

  /// The columns of a block before they were compressed.
  func columnBytes(of block: TickBlock) throws(TickBlockError) -> [UInt8] {
    try decompress(block, columns(of: block))
    return raw
  }

  private func columns(of block: TickBlock) -> BlockColumns {
    if let columns, jointCount == block.jointCount { return columns }
    let columns = BlockColumns(fields, [JointEquipment?](repeating: nil, count: block.jointCount))
    self.columns = columns
    jointCount = block.jointCount
    return columns
  }

  /// Makes room for ticks that have nothing but what columns and commands will give them.
  private func prepare(_ block: TickBlock) {
    let empty = TickRecord()
    withUnsafePointer(to: empty) { empty in
      let byteCount = TickRecord.byteCount(joints: block.jointCount)
      if recordByteCount != byteCount || records.count < block.key.count * byteCount {
        recordByteCount = byteCount
        records.deallocate()
        records = .allocate(
          byteCount: block.key.count * byteCount, alignment: MemoryLayout<TickRecord>.alignment)
        for index in 0..<block.key.count { place(index).copyMemory(from: empty, byteCount: byteCount) }
      } else {
        // Columns write the same places in every tick, commands only in some.
        for index in commanded { place(index).copyMemory(from: empty, byteCount: byteCount) }
      }
    }
    commanded.removeAll(keepingCapacity: true)
  }

  private func place(_ index: Int) -> UnsafeMutableRawPointer {
    guard let start = records.baseAddress else { preconditionFailure("no block was decoded") }
    return start + index * recordByteCount
  }

  private func decompress(_ block: TickBlock, _ columns: BlockColumns) throws(TickBlockError) {
    let least = columns.bytes(ticks: block.key.count)
    let most = least + block.key.count * (Self.commandHeadByteCount + CommandFrame.largestByteCount)
    guard (least...most).contains(block.columnByteCount) else {
      throw .contradiction(
        "\(block.columnByteCount) bytes of columns for \(block.key.count) ticks, expected \(least) to \(most)"
      )
    }
    if raw.count != block.columnByteCount { raw = [UInt8](repeating: 0, count: block.columnByteCount) }
    let size = raw.withUnsafeMutableBytes { output in
      block.bytes.withUnsafeBytes { input in
        ZSTD_decompressDCtx(
          context, output.baseAddress, output.count, input.baseAddress.map { $0 + block.content.lowerBound },
          block.content.count)
      }
    }
    guard ZSTD_isError(size) == 0, size == raw.count else {
      throw .contradiction("its columns cannot be decompressed")
    }
  }

  private func fillRecords(_ block: TickBlock, _ columns: BlockColumns) throws(TickBlockError) {
    let count = block.key.count
    for index in 0..<count {
      place(index).storeBytes(
        of: block.key.firstSequence + UInt64(index), toByteOffset: Self.sequenceOffset, as: UInt64.self)
    }
    var parts = try columns.all.indices.map { index throws(TickBlockError) in
      let start = columns.starts[index] * count + index
      guard DifferenceCoding.orders.contains(raw[start]) else {
        throw .contradiction("a column has differences of order \(raw[start])")
      }
      return DifferenceCoding.Sum(order: raw[start], byteCount: columns.all[index].field.byteCount)
    }
    for first in stride(from: 0, to: count, by: Self.tileTicks) {
      let ticks = first..<min(first + Self.tileTicks, count)
      for index in columns.all.indices {
        let column = columns.all[index]
        load(
          columns.starts[index] * count + index + 1 + first, stride: count, column.field.byteCount,
          ticks.count)
        var span = values.mutableSpan
        parts[index].sum(&span, count: ticks.count)
        for tick in ticks {
          guard column.field.store(values[tick - first], place(tick) + column.base, columns.words) else {
            throw .contradiction(
              "tick \(block.key.firstSequence + UInt64(tick)) has a value that its field has not")
          }
        }
      }
    }
    for index in 0..<count {
      let joints = place(index).load(fromByteOffset: Self.jointCountOffset, as: UInt8.self)
      guard joints <= block.jointCount else {
        throw .contradiction("a tick has \(joints) joints, the block \(block.jointCount)")
      }
    }
  }

  /// Puts the planes of a part of a column together in `values`.
  /// - Parameters:
  ///   - start: of the lowest bytes in `raw`.
  ///   - stride: from a plane to the next.
  private func load(_ start: Int, stride: Int, _ byteCount: Int, _ count: Int) {
    precondition(count <= values.count && start + (byteCount - 1) * stride + count <= raw.count)
    values.withUnsafeMutableBufferPointer { values in
      raw.withUnsafeBufferPointer { raw in
        guard let values = values.baseAddress, let raw = raw.baseAddress else { return }
        for index in 0..<count { values[index] = Int64(raw[start + index]) }
        for plane in 1..<max(1, byteCount) {
          let (bytes, shift) = (raw + start + plane * stride, Int64(8 * plane))
          for index in 0..<count { values[index] |= Int64(bytes[index]) << shift }
        }
      }
    }
  }

  private static let commandHeadByteCount = MemoryLayout<UInt32>.size + MemoryLayout<UInt16>.size

  private func takeCommands(_ block: TickBlock, from start: Int) throws(TickBlockError) {
    func damaged(_ reason: String) -> TickBlockError { .contradiction("its commands \(reason)") }
    var next = start
    let commands = TickBlock.integer(raw, at: next, of: UInt32.self)
    next += MemoryLayout<UInt32>.size
    var last = -1
    for _ in 0..<commands {
      guard next + Self.commandHeadByteCount <= raw.count else { throw damaged("are cut off") }
      let index = Int(TickBlock.integer(raw, at: next, of: UInt32.self))
      let size = Int(TickBlock.integer(raw, at: next + MemoryLayout<UInt32>.size, of: UInt16.self))
      next += Self.commandHeadByteCount
      guard index > last, index < block.key.count, next + size <= raw.count else {
        throw damaged("are out of order or cut off")
      }
      guard
        let command = raw.withUnsafeBytes({ CommandFrame.decode(.init(rebasing: $0[next..<next + size])) })
      else { throw damaged("cannot be read") }
      guard block.jointCount == maximumJoints || command.jointMask >> JointMask(block.jointCount) == 0 else {
        throw damaged("have a target for a joint that the hand has not")
      }
      commanded.append(index)
      CommandFrame.store(command, in: place(index), joints: block.jointCount)
      next += size
      last = index
    }
    guard next == raw.count else { throw damaged("are followed by \(raw.count - next) bytes") }
  }

  private static let sequenceOffset = TickRecord.offset(of: \.sequence)
  private static let jointCountOffset = TickRecord.offset(of: \.jointCount)
}
