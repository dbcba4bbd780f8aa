/// A JSON value as written: numbers keep their text, so that 64-bit integers lose nothing, and objects keep
/// repeated keys, so that a reader can refuse them.
package enum JSONValue: Sendable, Equatable {
  case null
  /// `true` or `false`.
  case boolean(Bool)
  /// The number as written; it may be beyond the range of a Double.
  case number(String)
  /// The text without quotes and escapes.
  case string(String)
  /// The items, in their order.
  case array([JSONValue])
  /// The members, in their order; a key may come more than once.
  case object([Member])

  /// One `"key": value` of an object.
  package struct Member: Sendable, Equatable {
    /// The key without quotes and escapes.
    package var key: String
    package var value: JSONValue

    package init(key: String, value: JSONValue) {
      self.key = key
      self.value = value
    }
  }
}

/// Why a text is not JSON, and at which byte from 0.
package struct JSONSyntaxError: Error, Sendable, Equatable, CustomStringConvertible {
  var offset: Int
  var problem: String
  package var description: String { "invalid JSON at byte \(offset): \(problem)" }
}

extension JSONValue {
  /// How deep arrays and objects may nest. Our messages nest two deep; the limit bounds the recursion of the
  /// reader.
  package static let maximumDepth = 16

  /// Reads one JSON text (RFC 8259) and nothing after it.
  package init(parsing bytes: [UInt8]) throws(JSONSyntaxError) {
    var reader = JSONReader(bytes: bytes)
    self = try reader.readDocument()
  }
}

/// A strict recursive reader of RFC 8259.
private struct JSONReader {
  let bytes: [UInt8]
  private var index = 0

  init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  private func fail(_ problem: String) -> JSONSyntaxError { JSONSyntaxError(offset: index, problem: problem) }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  mutating func readDocument() throws(JSONSyntaxError) -> JSONValue {
    let value = try readValue(depth: 0)
    skipSpace()
    guard next == nil else { throw fail("text after the value") }
    return value
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
  }

  private mutating func readValue(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    guard depth <= JSONValue.maximumDepth else {
      throw fail("nested deeper than \(JSONValue.maximumDepth)")
    }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try readObject(depth: depth)
    case UInt8(ascii: "["): return try readArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try readString())
    case UInt8(ascii: "t"): return try readWord("true", .boolean(true))
    case UInt8(ascii: "f"): return try readWord("false", .boolean(false))
    case UInt8(ascii: "n"): return try readWord("null", .null)
    case nil: throw fail("a value is missing")
    default: return .number(try readNumber())
    }
  }

  private mutating func readWord(_ word: String, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    guard bytes[index...].starts(with: word.utf8) else { throw fail("not a value") }
    index += word.utf8.count
    return value
  }

  private mutating func readObject(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    index += 1
    var members: [JSONValue.Member] = []
    skipSpace()
    if take("}") { return .object(members) }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw fail("a key in quotes is missing") }
      let key = try readString()
      skipSpace()
      guard take(":") else { throw fail("a colon is missing") }
      members.append(JSONValue.Member(key: key, value: try readValue(depth: depth + 1)))
      skipSpace()
      if take("}") { return .object(members) }
      guard take(",") else { throw fail("a comma or } is missing") }
    }
  }

  private mutating func readArray(depth: Int) throws(JSONSyntaxError) -> JSONValue {
    index += 1
    var items: [JSONValue] = []
    skipSpace()
    if take("]") { return .array(items) }
    while true {
      items.append(try readValue(depth: depth + 1))
      skipSpace()
      if take("]") { return .array(items) }
      guard take(",") else { throw fail("a comma or ] is missing") }
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  // MARK: Numbers

  private mutating func readNumber() throws(JSONSyntaxError) -> String {
    let start = index
    _ = take("-")
    // RFC 8259 section 6: no leading zeros.
    if !take("0") { try readDigits() }
    if take(".") { try readDigits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try readDigits()
    }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private mutating func readDigits() throws(JSONSyntaxError) {
    let start = index
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
    guard index > start else { throw fail("not a value") }
  }

  // MARK: Strings

  private mutating func readString() throws(JSONSyntaxError) -> String {
    index += 1
    var utf8: [UInt8] = []
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        guard let text = String(validating: utf8, as: UTF8.self) else { throw fail("text that is not UTF-8") }
        return text
      case UInt8(ascii: "\\"):
        utf8.append(contentsOf: String(try readEscape()).utf8)
      case 0..<0x20:
        throw fail("a control character in text")
      default:
        utf8.append(byte)
        index += 1
      }
    }
    throw fail("text without an end")
  }

  private mutating func readEscape() throws(JSONSyntaxError) -> Unicode.Scalar {
    index += 1
    defer { index += 1 }
    switch next {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try readUnicodeEscape()
    default: throw fail("an unknown escape")
    }
  }

  /// `\uXXXX`, or a surrogate pair of them. Leaves the index on the last digit.
  private mutating func readUnicodeEscape() throws(JSONSyntaxError) -> Unicode.Scalar {
    let first = try readHexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard (0xD800...0xDBFF).contains(first), index + 2 < bytes.count, bytes[index + 1] == UInt8(ascii: "\\"),
      bytes[index + 2] == UInt8(ascii: "u")
    else { throw fail("half a surrogate pair") }
    index += 2
    let second = try readHexadecimal()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw fail("half a surrogate pair") }
    return scalar
  }

  private mutating func readHexadecimal() throws(JSONSyntaxError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      index += 1
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw fail("not four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}

/// JSON text for sentences to people.
package enum JSON {
  /// A word in quotes, escaped as RFC 8259 section 7 demands: for sentences that quote what somebody sent.
  package static func quoted(_ text: String) -> String { JSONWriter.text { $0.string(text) } }
}
