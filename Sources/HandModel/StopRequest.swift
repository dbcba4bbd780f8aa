// A stop in whatever a sender wrote. Every interface asks here, so that none is deafer than another.

extension CommandParser {
  /// What can be told of a line that is not at its end yet.
  package enum StopSighting {
    case none
    /// It asks for a stop, whatever follows.
    case seen
    /// It does, and is complete as it stands.
    case whole
  }

  /// Whether a text asks for a stop.
  ///
  /// It does when its member `verb` holds the word, and when it is no JSON object and has the word anywhere: bare,
  /// truncated, with garbage around it. An object in which only another member has the word, such as a pose of that
  /// name, does not; no legal command but the stop does.
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

  /// Whether a line of which this is the beginning asks for a stop. A word alone does, although it may become another.
  package static func sightStop(inBeginning text: [UInt8]) -> StopSighting {
    let letters = text.filter { $0 > 0x20 }
    if letters.map({ $0 | 0x20 }).elementsEqual(Verb.stop.rawValue.utf8) { return .whole }
    // What ends otherwise is no complete JSON with a word in it.
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

/// Looks for the word stop in a text of any length, a byte at a time: in capitals too, not inside another word.
///
/// NUL is passed over, as if it were not there: UTF-16 puts one beside each letter.
package struct StopScanner {
  /// Whether the word was there.
  package private(set) var hasWord = false
  /// Whether it was the value of a member `verb`. Inside a JSON text nothing else looks so: a quote that is part of a
  /// text is written with a backslash.
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
