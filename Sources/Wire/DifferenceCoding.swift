/// A column of integers as small numbers, byte by byte: what changes evenly becomes a few small differences,
/// and their bytes of the same weight lie side by side, where a compressor finds them alike.
///
/// The differences of the order 0, 1 or 2, whichever are smallest, have their sign in the lowest bit
/// (zigzag). All their lowest bytes come first, then all second bytes, and so on. All arithmetic is modulo 2
/// to the width, so that any integer comes back.
enum DifferenceCoding {
  /// Orders of differences that a column may have.
  static let orders: ClosedRange<UInt8> = 0...2

  /// The order is chosen from so many values in a row of so many, which costs no hundredth of the size and
  /// saves a third of the time.
  private static let sampleCount = 16
  private static let sampleDistance = 64

  /// Turns a column into its differences.
  /// - Parameters:
  ///   - values: extended to 64 bits with their sign; holds what is to be written afterwards.
  ///   - byteCount: width of a value: 1, 2, 4 or 8.
  /// - Returns: the order of the differences, and the bits that any of them has.
  static func difference(
    _ values: inout MutableSpan<Int64>, byteCount: Int
  ) -> (order: UInt8, bits: UInt64) {
    let shift = Int64(64 - 8 * byteCount)
    let order = order(values.span, shift)
    var before: Int64 = 0
    var step: Int64 = 0
    var bits: UInt64 = 0
    for index in values.indices {
      let value = values[index]
      let first = wrapped(value &- before, shift)
      let second = wrapped(first &- step, shift)
      let wanted = order == 0 ? value : order == 1 ? first : second
      let folded = (wanted << 1) ^ (wanted >> 63)
      values[index] = folded
      bits |= UInt64(bitPattern: folded)
      before = value
      step = first
    }
    return (order, bits)
  }

  private static func order(_ values: Span<Int64>, _ shift: Int64) -> UInt8 {
    var bits: (Int, Int, Int) = (0, 0, 0)
    var start = 2
    while start < values.count {
      for index in start..<min(start + sampleCount, values.count) {
        let first = wrapped(values[index] &- values[index - 1], shift)
        let before = wrapped(values[index - 1] &- values[index - 2], shift)
        bits.0 += bitCount(values[index])
        bits.1 += bitCount(first)
        bits.2 += bitCount(wrapped(first &- before, shift))
      }
      start += sampleDistance
    }
    return bits.2 < min(bits.0, bits.1) ? 2 : bits.1 < bits.0 ? 1 : 0
  }

  /// The inverse of `difference`, for a column that is read in parts, from its first value on.
  struct Sum {
    private let order: UInt8
    private let shift: Int64
    private var value: Int64 = 0
    private var step: Int64 = 0

    /// - Parameters:
    ///   - order: one of `orders`.
    ///   - byteCount: width of a value.
    init(order: UInt8, byteCount: Int) {
      self.order = order
      shift = Int64(64 - 8 * byteCount)
    }

    /// Turns the next differences into the values.
    mutating func sum(_ values: inout MutableSpan<Int64>, count: Int) {
      // A loop an order: the compiler does not take the choice out of one.
      switch order {
      case 0: for index in 0..<count { values[index] = unfolded(values[index]) }
      case 1:
        for index in 0..<count {
          value = wrapped(value &+ unfolded(values[index]), shift)
          values[index] = value
        }
      default:
        for index in 0..<count {
          step = wrapped(step &+ unfolded(values[index]), shift)
          value = wrapped(value &+ step, shift)
          values[index] = value
        }
      }
    }
  }

  /// The difference whose sign is in the lowest bit.
  @inline(__always)
  private static func unfolded(_ stored: Int64) -> Int64 {
    Int64(bitPattern: UInt64(bitPattern: stored) >> 1) ^ -(stored & 1)
  }

  /// Writes the bytes of one weight, 0 for the lowest, one value after the other.
  /// - Parameter bits: as `difference` gives them: where none has a bit, as in most planes, no value is read.
  static func store(
    _ values: Span<Int64>, bits: UInt64, plane: Int, to bytes: Slice<UnsafeMutableBufferPointer<UInt8>>
  ) {
    let start = UnsafeMutableBufferPointer(rebasing: bytes.prefix(values.count))
    precondition(start.count == values.count)
    guard UInt8(truncatingIfNeeded: bits >> UInt64(8 * plane)) != 0 else { return start.update(repeating: 0) }
    let shift = Int64(8 * plane)
    for index in values.indices { start[index] = UInt8(truncatingIfNeeded: values[index] >> shift) }
  }

  /// Modulo the width that leaves out `shift` bits of 64.
  @inline(__always)
  private static func wrapped(_ value: Int64, _ shift: Int64) -> Int64 { (value << shift) >> shift }

  /// Bits that a difference takes with its sign, 0 for zero.
  @inline(__always)
  private static func bitCount(_ value: Int64) -> Int {
    64 - ((value << 1) ^ (value >> 63)).leadingZeroBitCount
  }
}
