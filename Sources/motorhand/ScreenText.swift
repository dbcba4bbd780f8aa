/// One line of a screen: text with colours, whose width is known.
struct ScreenText {
  enum Colour: String {
    case red = "31"
    case yellow = "33"
    case green = "32"
    case faint = "2"
    case reverse = "7"
  }

  private var parts: [(text: String, colour: Colour?)] = []
  /// Columns that it takes on a terminal.
  private(set) var width = 0

  init(_ text: String = "", _ colour: Colour? = nil) { append(text, colour) }

  mutating func append(_ text: String, _ colour: Colour? = nil) {
    let text = Self.printable(text)
    guard !text.isEmpty else { return }
    parts.append((text, colour))
    width += Self.width(text)
  }

  static func + (left: ScreenText, right: ScreenText) -> ScreenText {
    var both = left
    both.parts += right.parts
    both.width += right.width
    return both
  }

  /// At most so many columns of it; what was cut ends in "…".
  func clipped(to columns: Int) -> ScreenText {
    guard width > columns else { return self }
    var short = ScreenText()
    for part in parts {
      var fitting = ""
      for character in part.text {
        guard short.width + Self.width(fitting + String(character)) < columns else {
          short.append(fitting + (columns > 0 ? "…" : ""), part.colour)
          return short
        }
        fitting.append(character)
      }
      short.append(fitting, part.colour)
    }
    return short
  }

  /// Followed by spaces up to so many columns, or clipped to them.
  func padded(to columns: Int) -> ScreenText {
    width > columns ? clipped(to: columns) : self + ScreenText(String(repeating: " ", count: columns - width))
  }

  /// As it is printed.
  func text(isColoured: Bool) -> String {
    parts.map { part in
      guard isColoured, let colour = part.colour else { return part.text }
      return "\u{1B}[\(colour.rawValue)m\(part.text)\u{1B}[0m"
    }.joined()
  }

  /// The words of a text in lines of at most so many columns; the last of at most `lines` is cut where more
  /// follow.
  static func wrapped(_ text: String, columns: Int, lines: Int, _ colour: Colour? = nil) -> [ScreenText] {
    var rows: [String] = []
    for word in printable(text).split(separator: " ") {
      if let last = rows.last, width(last) + 1 + width(String(word)) <= columns || rows.count == lines {
        rows[rows.count - 1] += " " + word
      } else {
        rows.append(String(word))
      }
    }
    return rows.map { ScreenText($0, colour).clipped(to: columns) }
  }

  /// Text of others with what a terminal would act upon spelled out: controls, escapes, marks of direction.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isDangerous) else { return text }
    return text.unicodeScalars.map { scalar in
      isDangerous(scalar) ? "\\u{\(String(scalar.value, radix: 16, uppercase: true))}" : String(scalar)
    }.joined()
  }

  private static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
    default: false
    }
  }

  /// Columns of a text on a terminal: the wide characters of East Asia and emoji take two, combining marks
  /// none.
  ///
  /// Not the C library's `wcwidth`, which knows no character beyond ASCII where the locale is C.
  static func width(_ text: String) -> Int {
    text.utf8.count == text.unicodeScalars.count
      ? text.utf8.count : text.unicodeScalars.reduce(0) { $0 + width($1) }
  }

  private static func width(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.value {
    // Makes an emoji of the character before it.
    case 0xFE0F: return 1
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      return 2
    default: break
    }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: return 1
    }
  }
}
