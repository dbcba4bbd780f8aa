extension StringProtocol {
  /// The text made safe for a terminal: every control character but line feed and tab becomes `\u00XX`, so
  /// that no name in a file or from a peer moves the cursor or clears the screen. JSON remains the same JSON.
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

  /// The text as an error quotes it: one line, and no more of it than leaves the error readable.
  package var shortened: String {
    let line = prefix(quotedLength).onOneLine
    return count > quotedLength ? line + "…" : line
  }
}

/// Characters of a text that an error quotes.
private let quotedLength = 40

extension StringProtocol {
  /// The text with a space for each end of a line.
  package var onOneLine: String {
    // Nearly every error is printable ASCII, which has none of these. A file may have an error in
    // each of its lines.
    guard utf8.contains(where: { !(0x20...0x7E).contains($0) }) else { return String(self) }
    return split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).joined(separator: " ")
  }
}
