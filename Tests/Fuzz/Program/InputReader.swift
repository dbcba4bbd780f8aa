/// Takes values from the bytes of an input; past the end everything is zero.
struct InputReader {
  private let bytes: UnsafeRawBufferPointer
  private var index = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  var isAtEnd: Bool { index >= bytes.count }

  mutating func byte() -> UInt8 {
    guard index < bytes.count else { return 0 }
    defer { index += 1 }
    return bytes[index]
  }

  mutating func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

  private mutating func bits64() -> UInt64 {
    var bits: UInt64 = 0
    for _ in 0..<8 { bits = bits << 8 | UInt64(byte()) }
    return bits
  }

  /// Numbers at which arithmetic goes wrong.
  private static let doubles: [Double] = [
    .nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
    .leastNonzeroMagnitude, 1e18, -1e18, 1e9, 1e-9, .signalingNaN,
  ]
  private static let integers: [Int64] = [
    0, 1, -1, .max, .min, Int64(Int32.max), Int64(Int32.min), 1_000_000_000_000_000,
  ]

  /// One of the numbers above, any bits at all, or a number about `scale`.
  mutating func double(scale: Double) -> Double {
    let kind = byte()
    switch kind {
    case 0..<16: return Int(kind) < Self.doubles.count ? Self.doubles[Int(kind)] : 0
    case 16..<32: return Double(bitPattern: bits64())
    default: return (Double(kind) - 144) / 100 * scale
    }
  }

  /// One of the numbers above, any bits at all, or a multiple of `scale`.
  mutating func integer(scale: Int64) -> Int64 {
    let kind = byte()
    switch kind {
    case 0..<8: return Self.integers[Int(kind)]
    case 8..<16: return Int64(bitPattern: bits64())
    default: return (Int64(kind) - 48) * scale
    }
  }
}
