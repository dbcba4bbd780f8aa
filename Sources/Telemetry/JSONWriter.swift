/// Writes JSON into one reused buffer. Numbers go out without Foundation: a state message holds some two
/// hundred of them at up to 200 Hz.
struct JSONWriter {
  private(set) var bytes: [UInt8] = []
  private var needsComma = false

  init(capacity: Int = 1024) { bytes.reserveCapacity(capacity) }

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

  mutating func key(_ name: String) {
    separate()
    appendQuoted(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A key made by `quotedKey`, already with quotes and colon.
  mutating func key(quoted: [UInt8]) {
    separate()
    bytes.append(contentsOf: quoted)
    needsComma = false
  }

  static func quotedKey(_ name: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.key(name)
    return writer.bytes
  }

  mutating func string(_ value: String) {
    separate()
    appendQuoted(value)
  }

  mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// A whole number that fits JavaScript's 2⁵³ by its nature (counts of joints, gauges).
  mutating func integer(_ value: Int64) {
    separate()
    append(value)
  }

  /// 64-bit values go out as strings: JavaScript loses digits above 2⁵³.
  mutating func wide(_ value: Int64) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    append(value)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func wide(_ value: UInt64) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    append(magnitude: value, minimumDigits: 1)
    bytes.append(UInt8(ascii: "\""))
  }

  /// The shortest text that reads back to the same number; null when there is none.
  mutating func number(_ value: Double) {
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

  private mutating func append(_ value: Int64) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    append(magnitude: value.magnitude, minimumDigits: 1)
  }

  /// `scaled` · 10^−decimals.
  private mutating func append(decimal scaled: Int64, decimals: Int) {
    var divisor: UInt64 = 1
    for _ in 0..<decimals { divisor *= 10 }
    if scaled < 0 { bytes.append(UInt8(ascii: "-")) }
    let (whole, fraction) = scaled.magnitude.quotientAndRemainder(dividingBy: divisor)
    append(magnitude: whole, minimumDigits: 1)
    if fraction == 0 { return }
    bytes.append(UInt8(ascii: "."))
    append(magnitude: fraction, minimumDigits: decimals)
    while bytes.last == UInt8(ascii: "0") { bytes.removeLast() }
  }

  private mutating func append(magnitude: UInt64, minimumDigits: Int) {
    let start = bytes.count
    var rest = magnitude
    repeat {
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      bytes.append(UInt8(ascii: "0") + UInt8(digit))
      rest = quotient
    } while rest > 0
    while bytes.count - start < minimumDigits { bytes.append(UInt8(ascii: "0")) }
    bytes[start...].reverse()
  }

  private mutating func appendQuoted(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
