extension StringProtocol {
  /// The text as it may go to a terminal: every control character but line feed and tab as `\u00XX`, so that what
  /// a file or a peer calls itself moves no cursor and clears no screen. JSON stays the same JSON.
  package var printable: String {
    // Nearly every text is printable ASCII. C1 controls lie behind the byte 0xC2 in UTF-8.
    guard utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 }) else { return String(self) }
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar {
      case "\n", "\t": text.append(scalar)
      case "\0"..<" ", "\u{7F}"..."\u{9F}":
        let digits = String(scalar.value, radix: 16)
        text.append(
          contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).unicodeScalars)
      default: text.append(scalar)
      }
    }
    return String(text)
  }
}
