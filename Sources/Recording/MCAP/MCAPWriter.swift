import CZstd
import Glibc

/// Writes a file of MCAP (mcap.dev/spec): messages in compressed chunks, each with an index, and a summary at
/// the end by which a reader finds them. Memory is a chunk, and some 300 bytes for each chunk before it.
final class MCAPWriter {
  /// Bytes of messages before compression in a chunk. A reader holds one whole to show a moment of it;
  /// smaller ones compress worse.
  static let chunkBytes = 4 << 20
  /// As of the recording's blocks: higher levels take twice the time for some percent.
  private static let compressionLevel: Int32 = 3
  /// Stands at both ends of a file.
  static let magic: [UInt8] = [0x89, 0x4D, 0x43, 0x41, 0x50, 0x30, 0x0D, 0x0A]
  private static let compression = "zstd"

  private enum Opcode: UInt8 {
    case header = 1
    case footer, schema, channel, message, chunk, messageIndex, chunkIndex, attachment, attachmentIndex
    case statistics, metadata, metadataIndex, summaryOffset, dataEnd
  }

  private struct Channel {
    var content: LittleEndianBytes
    var messages: UInt64 = 0
    /// Times and places of its messages in the chunk that is being filled.
    var index = LittleEndianBytes()
  }

  private let descriptor: Int32
  private let context: OpaquePointer
  private var offset: UInt64 = 0
  /// Of the data section so far.
  private var crc = CRC32()
  private var schemas: [(schema: ROSSchema, content: LittleEndianBytes)] = []
  private var channels: [Channel] = []
  private var chunk = LittleEndianBytes()
  private var packed: [UInt8] = []
  private var chunkTimes: ClosedRange<UInt64>?
  private var times: ClosedRange<UInt64>?
  private var chunks: UInt32 = 0
  private var chunkIndexes: [LittleEndianBytes] = []
  private var attachmentIndexes: [LittleEndianBytes] = []
  private var metadataIndexes: [LittleEndianBytes] = []

  /// Begins a file.
  /// - Parameters:
  ///   - descriptor: an open and empty file; it stays open.
  ///   - library: who writes, for people.
  /// - Throws: `RecordingError.output` where it cannot be written, as all that follows.
  init(descriptor: Int32, library: String) throws(RecordingError) {
    self.descriptor = descriptor
    guard let context = ZSTD_createCCtx() else { preconditionFailure("no memory for a compressor") }
    self.context = context
    try put(Self.magic)
    var content = LittleEndianBytes()
    content.append(text: "ros2")
    content.append(text: library)
    try write(.header, content)
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Adds a file as an attachment.
  func attach(_ name: String, mediaType: String, time: UInt64, _ data: [UInt8]) throws(RecordingError) {
    try endChunk()
    var content = LittleEndianBytes()
    content.append(time)
    content.append(time)
    content.append(text: name)
    content.append(text: mediaType)
    content.append(UInt64(data.count))
    content.append(raw: data)
    content.append(CRC32.of(content.bytes))
    let place = try write(.attachment, content)
    var index = LittleEndianBytes()
    index.append(place.offset)
    index.append(place.length)
    index.append(time)
    index.append(time)
    index.append(UInt64(data.count))
    index.append(text: name)
    index.append(text: mediaType)
    attachmentIndexes.append(index)
  }

  /// Adds named texts that say what the file is.
  func describe(_ name: String, _ map: [(key: String, value: String)]) throws(RecordingError) {
    try endChunk()
    var content = LittleEndianBytes()
    content.append(text: name)
    content.append(map: map)
    let place = try write(.metadata, content)
    var index = LittleEndianBytes()
    index.append(place.offset)
    index.append(place.length)
    index.append(text: name)
    metadataIndexes.append(index)
  }

  /// Adds a topic of CDR messages.
  /// - Parameter metadata: what a reader may show beside it.
  /// - Returns: its number for `add`.
  func addChannel(
    _ topic: String, _ schema: ROSSchema, metadata: [(key: String, value: String)] = []
  ) throws(RecordingError) -> UInt16 {
    try endChunk()
    let place: Int
    if let known = schemas.firstIndex(where: { $0.schema == schema }) {
      place = known
    } else {
      place = schemas.count
      var content = LittleEndianBytes()
      // 0 means that there is none.
      content.append(UInt16(place + 1))
      content.append(text: schema.name)
      content.append(text: "ros2msg")
      content.append(text: schema.definition)
      schemas.append((schema, content))
      try write(.schema, content)
    }
    let number = UInt16(channels.count)
    var content = LittleEndianBytes()
    content.append(number)
    content.append(UInt16(place + 1))
    content.append(text: topic)
    content.append(text: "cdr")
    content.append(map: metadata)
    try write(.channel, content)
    channels.append(Channel(content: content))
    return number
  }

  /// Adds a message.
  /// - Parameters:
  ///   - channel: of `addChannel`.
  ///   - sequence: any number of the sender's.
  ///   - logTime: ns since 1970, not before the message before.
  ///   - publishTime: ns since 1970.
  func add(
    _ channel: UInt16, sequence: UInt32, logTime: UInt64, publishTime: UInt64, _ data: [UInt8]
  ) throws(RecordingError) {
    precondition(logTime >= times?.upperBound ?? 0, "message before the one before")
    channels[Int(channel)].index.append(logTime)
    channels[Int(channel)].index.append(UInt64(chunk.count))
    channels[Int(channel)].messages += 1
    chunk.append(Opcode.message.rawValue)
    // Channel, sequence, two times, data.
    chunk.append(UInt64(2 + 4 + 8 + 8 + data.count))
    chunk.append(channel)
    chunk.append(sequence)
    chunk.append(logTime)
    chunk.append(publishTime)
    chunk.append(raw: data)
    chunkTimes = (chunkTimes?.lowerBound ?? logTime)...logTime
    times = (times?.lowerBound ?? logTime)...logTime
    if chunk.count >= Self.chunkBytes { try endChunk() }
  }

  /// Writes what is left and the summary. Nothing can be added afterwards.
  func finish() throws(RecordingError) {
    try endChunk()
    var end = LittleEndianBytes()
    end.append(crc.value)
    try write(.dataEnd, end)
    let start = offset
    var summary = LittleEndianBytes()
    var offsets = LittleEndianBytes()
    func group(_ opcode: Opcode, _ contents: [LittleEndianBytes]) {
      guard !contents.isEmpty else { return }
      let first = summary.count
      for content in contents { Self.append(opcode, content, to: &summary) }
      var place = LittleEndianBytes()
      place.append(opcode.rawValue)
      place.append(start + UInt64(first))
      place.append(UInt64(summary.count - first))
      Self.append(.summaryOffset, place, to: &offsets)
    }
    group(.schema, schemas.map(\.content))
    group(.channel, channels.map(\.content))
    group(.statistics, [statistics])
    group(.chunkIndex, chunkIndexes)
    group(.attachmentIndex, attachmentIndexes)
    group(.metadataIndex, metadataIndexes)
    let offsetsStart = start + UInt64(summary.count)
    summary.append(raw: offsets.bytes)
    summary.append(Opcode.footer.rawValue)
    // Two places and the sum over all from the summary's start to here.
    summary.append(UInt64(8 + 8 + 4))
    summary.append(start)
    summary.append(offsetsStart)
    summary.append(CRC32.of(summary.bytes))
    try put(summary.bytes)
    try put(Self.magic)
  }

  private var statistics: LittleEndianBytes {
    var content = LittleEndianBytes()
    content.append(channels.reduce(0) { $0 + $1.messages })
    content.append(UInt16(schemas.count))
    content.append(UInt32(channels.count))
    content.append(UInt32(attachmentIndexes.count))
    content.append(UInt32(metadataIndexes.count))
    content.append(chunks)
    content.append(times?.lowerBound ?? 0)
    content.append(times?.upperBound ?? 0)
    var counts = LittleEndianBytes()
    for (number, channel) in channels.enumerated() where channel.messages > 0 {
      counts.append(UInt16(number))
      counts.append(channel.messages)
    }
    content.append(counted: counts)
    return content
  }

  private func endChunk() throws(RecordingError) {
    guard let range = chunkTimes else { return }
    var content = LittleEndianBytes()
    content.append(range.lowerBound)
    content.append(range.upperBound)
    content.append(UInt64(chunk.count))
    content.append(CRC32.of(chunk.bytes))
    content.append(text: Self.compression)
    let size = compress()
    content.append(UInt64(size))
    packed.withUnsafeBytes { content.append(raw: UnsafeRawBufferPointer(rebasing: $0[..<size])) }
    let place = try write(.chunk, content)
    var places = LittleEndianBytes()
    let indexesStart = offset
    for number in channels.indices where channels[number].index.count > 0 {
      places.append(UInt16(number))
      places.append(offset)
      var index = LittleEndianBytes()
      index.append(UInt16(number))
      index.append(counted: channels[number].index)
      try write(.messageIndex, index)
      channels[number].index.removeAll()
    }
    var index = LittleEndianBytes()
    index.append(range.lowerBound)
    index.append(range.upperBound)
    index.append(place.offset)
    index.append(place.length)
    index.append(counted: places)
    index.append(offset - indexesStart)
    index.append(text: Self.compression)
    index.append(UInt64(size))
    index.append(UInt64(chunk.count))
    chunkIndexes.append(index)
    chunks += 1
    chunk.removeAll()
    chunkTimes = nil
  }

  /// Fills `packed` with the compressed chunk; returns how much of it.
  private func compress() -> Int {
    let bound = ZSTD_compressBound(chunk.count)
    if packed.count < bound { packed = [UInt8](repeating: 0, count: bound) }
    let size = packed.withUnsafeMutableBytes { output in
      chunk.bytes.withUnsafeBytes { input in
        ZSTD_compressCCtx(
          context, output.baseAddress, output.count, input.baseAddress, input.count, Self.compressionLevel)
      }
    }
    // Only too little room makes it fail, and the bound is its own.
    precondition(ZSTD_isError(size) == 0, "zstd cannot compress \(chunk.count) bytes")
    return size
  }

  private static func append(
    _ opcode: Opcode, _ content: LittleEndianBytes, to bytes: inout LittleEndianBytes
  ) {
    bytes.append(opcode.rawValue)
    bytes.append(UInt64(content.count))
    bytes.append(raw: content.bytes)
  }

  /// Writes a record; returns where it is and how long with its head.
  @discardableResult
  private func write(
    _ opcode: Opcode, _ content: LittleEndianBytes
  ) throws(RecordingError) -> (offset: UInt64, length: UInt64) {
    let place = offset
    var record = LittleEndianBytes()
    Self.append(opcode, content, to: &record)
    try put(record.bytes)
    return (place, offset - place)
  }

  private func put(_ bytes: [UInt8]) throws(RecordingError) {
    var start = 0
    while start < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + start, $0.count - start) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .output(errno: count < 0 ? errno : EIO) }
      start += count
    }
    bytes.withUnsafeBytes { crc.add($0) }
    offset += UInt64(bytes.count)
  }
}
