/// Writes the wire format of protocol buffers, as far as Sparkplug needs it.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  /// - Parameter capacity: bytes to reserve; the buffer grows beyond them.
  init(capacity: Int = 64) { bytes.reserveCapacity(capacity) }

  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func append(tag field: UInt64, _ type: ProtobufReader.WireType) {
    append(varint: field << 3 | type.rawValue)
  }

  mutating func varint(_ field: UInt64, _ value: UInt64) {
    append(tag: field, .varint)
    append(varint: value)
  }

  mutating func flag(_ field: UInt64, _ value: Bool) { varint(field, value ? 1 : 0) }

  mutating func double(_ field: UInt64, _ value: Double) {
    append(tag: field, .fixed64)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func string(_ field: UInt64, _ value: String) {
    append(tag: field, .bytes)
    append(varint: UInt64(value.utf8.count))
    bytes.append(contentsOf: value.utf8)
  }

  mutating func message(_ field: UInt64, _ write: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    write(&inner)
    append(tag: field, .bytes)
    append(varint: UInt64(inner.bytes.count))
    bytes.append(contentsOf: inner.bytes)
  }
}

/// Why bytes are no protocol buffer, and at which byte from 0.
package struct ProtobufError: Error, Sendable, Equatable, CustomStringConvertible {
  var offset: Int
  var problem: String
  package var description: String { "invalid protocol buffer at byte \(offset): \(problem)" }
}

/// Reads the wire format of protocol buffers, field by field. Strict: what is cut short, what has bits beyond
/// its type, and groups, which Sparkplug has not, are errors. Recursion is the caller's.
struct ProtobufReader {
  enum WireType: UInt64 { case varint, fixed64, bytes, fixed32 = 5 }

  enum Value: Equatable {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    /// Text, bytes or a message.
    case bytes(ArraySlice<UInt8>)
  }

  /// Field numbers have 29 bits.
  private static let largestField: UInt64 = 536_870_911

  private let bytes: ArraySlice<UInt8>
  private var index: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex
  }

  private func fail(_ problem: String) -> ProtobufError {
    ProtobufError(offset: index, problem: problem)
  }

  /// The next field; nil at the end.
  mutating func next() throws(ProtobufError) -> (field: UInt64, value: Value)? {
    guard index < bytes.endIndex else { return nil }
    let tag = try varint()
    let field = tag >> 3
    guard (1...Self.largestField).contains(field) else { throw fail("field number \(field)") }
    switch WireType(rawValue: tag & 7) {
    case .varint: return (field, .varint(try varint()))
    case .fixed64: return (field, .fixed64(try fixed(UInt64.self)))
    case .fixed32: return (field, .fixed32(try fixed(UInt32.self)))
    case .bytes:
      let count = try varint()
      guard count <= UInt64(bytes.endIndex - index) else {
        throw fail("\(count) bytes announced, \(bytes.endIndex - index) left")
      }
      return (field, .bytes(try take(Int(count))))
    case nil: throw fail("wire type \(tag & 7)")
    }
  }

  private mutating func take(_ count: Int) throws(ProtobufError) -> ArraySlice<UInt8> {
    guard count <= bytes.endIndex - index else { throw fail("cut short") }
    defer { index += count }
    return bytes[index..<index + count]
  }

  private mutating func fixed<Value: FixedWidthInteger>(_ type: Value.Type) throws(ProtobufError) -> Value {
    try take(MemoryLayout<Value>.size).reversed().reduce(0) { $0 << 8 | Value($1) }
  }

  private mutating func varint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard index < bytes.endIndex else { throw fail("cut short within a number") }
      let byte = bytes[index]
      index += 1
      // The tenth byte has one bit left of 64.
      guard shift < 63 || byte <= 1 else { throw fail("a number of more than 64 bits") }
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw fail("a number without an end")
  }
}
