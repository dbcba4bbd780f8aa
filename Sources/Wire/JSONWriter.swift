/// Writes JSON into one reused buffer: the only writer beside Foundation's encoder. Numbers go out without
/// Foundation: a state message holds some two hundred of them at up to 200 Hz.
package struct JSONWriter {
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  /// - Parameter capacity: bytes to reserve; the buffer grows beyond them.
  package init(capacity: Int = 1024) { bytes.reserveCapacity(capacity) }

  /// Forgets the content, keeps the memory.
  mutating func reset() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  mutating func beginObject() { open("{") }
  mutating func endObject() { close("}") }
  mutating func beginArray() { open("[") }
  mutating func endArray() { close("]") }

  private mutating func open(_ bracket: Unicode.Scalar) {
    separate()
    bytes.append(UInt8(ascii: bracket))
    needsComma = false
  }

  private mutating func close(_ bracket: Unicode.Scalar) {
    bytes.append(UInt8(ascii: bracket))
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  /// Begins a member of an object: its value must be written next.
  package mutating func key(_ name: String) {
    appendQuoted(name, isKey: true)
    needsComma = false
  }

  /// A key made by `quotedKey`, already with quotes and colon.
  mutating func key(quoted: [UInt8]) {
    separate()
    bytes.append(contentsOf: quoted)
    needsComma = false
  }

  /// A key in quotes, escaped, with its colon: for `key(quoted:)`.
  static func quotedKey(_ name: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.key(name)
    return writer.bytes
  }

  mutating func string(_ value: String) {
    appendQuoted(value)
    needsComma = true
  }

  mutating func string(_ value: String?) {
    if let value { string(value) } else { null() }
  }

  mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  /// A number as it was written.
  mutating func raw(_ number: String) {
    separate()
    bytes.append(contentsOf: number.utf8)
  }

  /// For a value that is not there.
  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// For whole numbers that by their nature stay below 2⁵³ (counts of joints, gauges), beyond which
  /// JavaScript loses digits.
  package mutating func integer(_ value: Int64) {
    separate()
    append(value)
  }

  /// 64-bit values go out as strings: JavaScript loses digits above 2⁵³.
  mutating func wide(_ value: Int64) {
    separate()
    append(value, quote: UInt8(ascii: "\""))
  }

  mutating func wide(_ value: UInt64) {
    separate()
    append(magnitude: value, quote: UInt8(ascii: "\""))
  }

  mutating func wide(_ value: UInt64?) {
    if let value { wide(value) } else { null() }
  }

  /// The shortest text that reads back to the same number; null when there is none.
  package mutating func number(_ value: Double) {
    separate()
    guard value.isFinite else { return bytes.append(contentsOf: "null".utf8) }
    bytes.append(contentsOf: value.description.utf8)
  }

  /// Rounded to six decimals, without trailing zeros: half the bytes of `number` for measured values whose
  /// next decimal is noise (an encoder's step is 1.5 mrad). Null when not finite.
  mutating func micro(_ value: Double) {
    // Beyond this the scaled value would not be exact in a Double.
    guard value.magnitude < 9e9 else { return number(value) }
    separate()
    append(decimal: Int64((value * 1e6).rounded()), decimals: 6)
  }

  /// Nanoseconds as seconds, exact.
  mutating func seconds(nanoseconds: Int64) {
    separate()
    append(decimal: nanoseconds, decimals: 9)
  }

  private mutating func append(_ value: Int64, quote: UInt8? = nil) {
    append(magnitude: value.magnitude, isNegative: value < 0, quote: quote)
  }

  /// `scaled` · 10^−decimals, without trailing zeros.
  private mutating func append(decimal scaled: Int64, decimals: Int) {
    var divisor: UInt64 = 1
    for _ in 0..<decimals { divisor *= 10 }
    var (whole, fraction) = scaled.magnitude.quotientAndRemainder(dividingBy: divisor)
    append(magnitude: whole, isNegative: scaled < 0)
    if fraction == 0 { return }
    var digits = decimals
    while fraction.isMultiple(of: 10) {
      fraction /= 10
      digits -= 1
    }
    bytes.append(UInt8(ascii: "."))
    append(magnitude: fraction, minimumDigits: digits)
  }

  /// In one step, as each looks anew whether the buffer is shared and large enough.
  /// - Parameter quote: before and behind the number.
  private mutating func append(
    magnitude: UInt64, isNegative: Bool = false, minimumDigits: Int = 1, quote: UInt8? = nil
  ) {
    // A UInt64 has at most 20 digits. They come from the last on.
    var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
    var count = 0
    var rest = magnitude
    repeat {
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      digits[count] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
      rest = quotient
      count += 1
    } while rest > 0
    count = max(count, minimumDigits)
    bytes.append(addingCapacity: count + 3) { output in
      if let quote { output.append(quote) }
      if isNegative { output.append(UInt8(ascii: "-")) }
      for index in stride(from: count - 1, through: 0, by: -1) { output.append(digits[index]) }
      if let quote { output.append(quote) }
    }
  }

  /// - Parameter isKey: a colon follows. What separates it from the value before comes first.
  private mutating func appendQuoted(_ text: String, isKey: Bool = false) {
    let utf8 = text.utf8Span.span
    var mustEscape = false
    for index in utf8.indices where Self.mustEscape(utf8[index]) { mustEscape = true }
    // Nearly no text has anything to escape, and whole ones are copied at once.
    let copied = mustEscape ? 0 : utf8.count
    let needsComma = needsComma
    bytes.append(addingCapacity: copied + 4) { output in
      if needsComma { output.append(UInt8(ascii: ",")) }
      output.append(UInt8(ascii: "\""))
      utf8.extracting(first: copied).withUnsafeBufferPointer { text in
        output.withUnsafeMutableBufferPointer { buffer, count in
          count += UnsafeMutableBufferPointer(rebasing: buffer[count...]).update(fromContentsOf: text)
        }
      }
      guard !mustEscape else { return }
      output.append(UInt8(ascii: "\""))
      if isKey { output.append(UInt8(ascii: ":")) }
    }
    guard mustEscape else { return }
    for index in utf8.indices { appendEscaped(utf8[index]) }
    bytes.append(UInt8(ascii: "\""))
    if isKey { bytes.append(UInt8(ascii: ":")) }
  }

  private static func mustEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(byte)
    case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
    case UInt8(ascii: "\r"): bytes.append(contentsOf: "\\r".utf8)
    case UInt8(ascii: "\t"): bytes.append(contentsOf: "\\t".utf8)
    case 0..<0x20:
      let digits = Array("0123456789abcdef".utf8)
      bytes.append(contentsOf: "\\u00".utf8)
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    default: bytes.append(byte)
    }
  }
}
