/// One message of ROS 2 as DDS puts it on the wire: CDR of version 1, lowest byte first, each number at a
/// multiple of its size. Members are written in the order of the message's definition.
struct CDRMessage {
  /// Plain CDR, little-endian, no options (DDS-RTPS 2.5, 10.5); alignment counts from behind it.
  private static let header: [UInt8] = [0, 1, 0, 0]

  private var content = LittleEndianBytes()

  var bytes: [UInt8] { content.bytes }

  init() { content.append(raw: Self.header) }

  /// An empty message, in the same memory.
  mutating func reset() {
    content.removeAll()
    content.append(raw: Self.header)
  }

  mutating func append<Number: FixedWidthInteger>(_ value: Number) {
    content.align(to: MemoryLayout<Number>.size, from: Self.header.count)
    content.append(value)
  }

  mutating func append(_ value: Double) { append(value.bitPattern) }

  /// A text: its length with a zero behind it, and both.
  mutating func append(_ text: String) {
    append(UInt32(text.utf8.count + 1))
    content.append(raw: Array(text.utf8))
    content.append(UInt8(0))
  }

  mutating func append(_ texts: [String]) {
    append(UInt32(texts.count))
    for text in texts { append(text) }
  }

  /// An array of which nothing follows its number where it is empty, not even what aligns its elements.
  mutating func append(_ values: [Double]) {
    append(UInt32(values.count))
    for value in values { append(value) }
  }

  /// `builtin_interfaces/Time`, which ends in 2038; from then on the second stands still.
  mutating func append(time nanoseconds: UInt64) {
    append(Int32(clamping: nanoseconds / 1_000_000_000))
    append(UInt32(nanoseconds % 1_000_000_000))
  }
}
