// A stop in whatever a sender wrote. Every interface asks here, so that none is deafer than another.

extension CommandParser {
  /// What the beginning of a line says about a stop.
  package enum StopSighting {
    /// It does not ask for a stop so far.
    case none
    /// It asks for a stop, whatever follows.
    case seen
    /// It does, and is complete as it stands.
    case whole
  }

  /// Whether a text asks for a stop.
  ///
  /// A JSON object does when its member `verb` holds the word. Any other text does when the word stands
  /// anywhere in it: bare, truncated, with garbage around it. An object in which only another member holds
  /// the word, such as a pose of that name, does not. So the stop is the only legal command that does.
  package static func asksForStop(_ text: [UInt8]) -> Bool {
    var scanner = StopScanner()
    for byte in text { scanner.take(byte) }
    scanner.end()
    if scanner.hasWordAsVerb { return true }
    // JSON may spell letters as numbers.
    guard scanner.hasWord || text.contains(UInt8(ascii: "\\")) else { return false }
    switch try? JSONValue(parsing: text) {
    case .object(let members): return members.contains { $0.key.lowercased() == "verb" && hasWord($0.value) }
    case .some(let value): return scanner.hasWord || hasWord(value)
    case nil: return scanner.hasWord
    }
  }

  /// Whether a line that begins with `text` asks for a stop. The word alone does, although the letters that
  /// follow may make another word of it.
  package static func sightStop(inBeginning text: [UInt8]) -> StopSighting {
    let letters = text.filter { $0 > 0x20 }
    if letters.map({ $0 | 0x20 }).elementsEqual(Verb.stop.rawValue.utf8) { return .whole }
    // A complete JSON object or string ends with one of these.
    if let last = letters.last, last == UInt8(ascii: "}") || last == UInt8(ascii: "\""), asksForStop(text),
      (try? JSONValue(parsing: text)) != nil
    {
      return .whole
    }
    var scanner = StopScanner()
    for byte in text { scanner.take(byte) }
    return scanner.hasWordAsVerb ? .seen : .none
  }

  private static func hasWord(_ value: JSONValue) -> Bool {
    guard case .string(let text) = value else { return false }
    var scanner = StopScanner()
    for byte in text.utf8 { scanner.take(byte) }
    scanner.end()
    return scanner.hasWord
  }
}

/// Looks for the word stop in a text of any length, a byte at a time: in capitals too, not inside another
/// word.
///
/// NUL is passed over, as if it were not there: UTF-16 puts one beside each letter.
package struct StopScanner {
  /// Whether the word was there.
  package private(set) var hasWord = false
  /// Whether it was the value of a member `verb`. Nothing else in JSON looks like that: a quote inside a text
  /// has a backslash before it.
  package private(set) var hasWordAsVerb = false

  private static let stop = code("stop")
  private static let verb = code("verb")

  /// The last four letters or digits, and how many there are without a gap.
  private var letters: UInt32 = 0
  private var length = 0
  private var last: UInt8 = 0
  private var isQuoted = false
  private var followsVerb = false

  package init() {}

  /// Takes the next byte of the text. A word counts only after the byte behind it, or `end`.
  package mutating func take(_ byte: UInt8) {
    guard byte != 0 else { return }
    let small = byte | 0x20
    if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(small)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    {
      if length == 0 { isQuoted = last == UInt8(ascii: "\"") }
      letters = letters << 8 | UInt32(small)
      length += 1
    } else {
      endWord(before: byte)
    }
    last = byte
  }

  /// The text ends here.
  package mutating func end() { endWord(before: 0) }

  private mutating func endWord(before byte: UInt8) {
    guard length > 0 else { return }
    if length == 4 && letters == Self.stop {
      hasWord = true
      hasWordAsVerb = hasWordAsVerb || followsVerb
    }
    followsVerb = length == 4 && letters == Self.verb && isQuoted && byte == UInt8(ascii: "\"")
    length = 0
  }

  private static func code(_ word: String) -> UInt32 { word.utf8.reduce(0) { $0 << 8 | UInt32($1) } }
}
