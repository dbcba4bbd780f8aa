/// Bytes that grow at their end, numbers with their lowest byte first.
struct LittleEndianBytes {
  private(set) var bytes: [UInt8] = []

  var count: Int { bytes.count }

  mutating func append<Number: FixedWidthInteger>(_ value: Number) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ value: Double) { append(value.bitPattern) }

  mutating func append(raw: [UInt8]) { bytes.append(contentsOf: raw) }

  mutating func append(raw: UnsafeRawBufferPointer) { bytes.append(contentsOf: raw) }

  /// A text of MCAP: its length in bytes, then UTF-8.
  mutating func append(text: String) {
    append(UInt32(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  /// A map or an array of MCAP: its length in bytes, then its content.
  mutating func append(counted: LittleEndianBytes) {
    append(UInt32(counted.count))
    append(raw: counted.bytes)
  }

  mutating func append(map: [(key: String, value: String)]) {
    var content = LittleEndianBytes()
    for (key, value) in map {
      content.append(text: key)
      content.append(text: value)
    }
    append(counted: content)
  }

  /// Zeros up to a multiple of `alignment` bytes counted from `start`.
  mutating func align(to alignment: Int, from start: Int) {
    let over = (bytes.count - start) % alignment
    if over > 0 { bytes.append(contentsOf: repeatElement(0, count: alignment - over)) }
  }

  mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }
}
