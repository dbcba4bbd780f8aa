import Testing

@testable import HandFiles
@testable import HandModel

@Suite("YAML that is no configuration")
struct YAMLDocumentTests {
  static let documents: [(yaml: String, line: Int, column: Int, found: String)] = [
    ("", 1, 1, "an empty file"),
    ("# only a comment\n", 1, 1, "an empty file"),
    ("---\n", 2, 1, "nothing"),
    ("just text", 1, 1, "just text"),
    ("[1, 2]", 1, 1, "a list of 2"),
    ("name: [1, 2\n", 2, 1, "a YAML error (did not find expected ',' or ']')"),
    ("name: a\n  platform: b\n", 2, 11, "a YAML error (mapping values are not allowed in this c…)"),
    ("name: \"a\n", 2, 1, "a YAML error (found unexpected end of stream)"),
    ("name: a\n\tplatform: b\n", 2, 1, "a YAML error (found a tab character that violates inde…)"),
    ("name: a\nplatform: \u{1}\n", 2, 11, "a YAML error (control characters are not allowed)"),
    ("name: a\n---\nname: b\n", 2, 1, "a YAML error (but found another document)"),
    ("name: *undefined\n", 1, 7, "a YAML error (found undefined alias)"),
    ("name: a\nx: &anchor [1]\n", 2, 4, "an anchor (&)"),
    ("a: &a [x]\nb: &b [*a,*a]\n? [*b,*b]\n: 1\n", 1, 4, "an anchor (&)"),
  ]

  @Test("what cannot be read is reported where it stands", arguments: documents)
  func unreadable(_ document: (yaml: String, line: Int, column: Int, found: String)) throws {
    let error = try #require(boardErrors(document.yaml).first)
    #expect(error.line == document.line && error.column == document.column, "\(error)")
    #expect(error.found == document.found)
  }

  @Test("a file above the size limit is refused unread, one at the limit is read")
  func size() throws {
    let limit = YAMLDocument.maximumBytes
    let text = try ShippedFiles.text("Boards/sim.yaml")
    func padded(to count: Int) -> String {
      text + "#" + String(repeating: "x", count: count - text.utf8.count - 1)
    }
    #expect(boardErrors(padded(to: limit)).isEmpty)
    #expect(boardErrors(padded(to: limit + 1)).map(\.found) == ["\(limit + 1) bytes"])
  }

  @Test(
    "a tag is refused, and a name is not YAML's word for nothing",
    arguments: [
      ("rate_hz: 1000", "rate_hz: !!str 1000", "control.rate_hz", "a tag (!)"),
      ("rate_hz: 1000", "rate_hz: !!int \"1000\"", "control.rate_hz", "a tag (!)"),
      ("name: sim\n", "name: !!binary c2lt\n", "name", "a tag (!)"),
      ("name: sim\n", "name: !sim sim\n", "name", "a tag (!)"),
      ("name: sim\n", "name: null\n", "name", "null"), ("name: sim\n", "name: Null\n", "name", "Null"),
      ("control:\n", "control: !!map\n", "control", "a tag (!)"),
      ("buses:\n", "buses: !!seq\n", "buses", "a tag (!)"),
      ("name: sim\n", "!!int name: sim\n", "", "a tag (!)"),
    ])
  func tags(old: String, new: String, key: String, found: String) throws {
    let text = try ShippedFiles.text("Boards/sim.yaml")
    try #require(text.contains(old))
    let errors = boardErrors(text.replacingOccurrences(of: old, with: new))
    #expect(errors.contains { $0.keyPath == key && $0.found == found }, "\(errors)")
  }

  @Test("quoted text is text, whatever it says")
  func quoted() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml")
    for name in ["\"null\"", "'sim'", "\"sim\""] {
      #expect(boardErrors(text.replacingOccurrences(of: "name: sim\n", with: "name: \(name)\n")).isEmpty)
    }
  }

  @Test("nesting without end is refused", arguments: ["[", "{a: ", "- ", "? "])
  func nesting(_ opening: String) {
    let errors = boardErrors("name: a\nx:\n  " + String(repeating: opening, count: 20_000))
    #expect(!errors.isEmpty && errors[0].line >= 1)
    let closed = "x: " + String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
    #expect(boardErrors(closed).contains { $0.found == "values nested deeper than 16" && $0.line == 1 })
  }

  @Test("every repetition of a key is reported, with the line of the first")
  func duplicates() {
    let yaml = "name: a\nname: b\nname: c\nplatform: linux\n\"platform\": linux\n"
    let errors = boardErrors(yaml).filter { $0.expected == "each key once" }
    #expect(errors.map(\.line) == [2, 3, 5])
    #expect(errors.map(\.keyPath) == ["name", "name", "platform"])
    #expect(errors.map(\.found) == [1, 1, 4].map { "the key again (first in line \($0))" })
  }

  @Test("up to eight duplicated keys are reported together, beyond that the one at which reading ended")
  func severalDuplicates() {
    func errors(duplicates count: Int) -> [ConfigurationError] {
      let keys = (0..<count).map { "key\($0): 1\n" }.joined()
      return boardErrors(keys + keys)
    }
    let eight = errors(duplicates: 8).filter { $0.found.hasPrefix("the key again") }
    #expect(eight.map(\.line) == Array(9...16))
    let nine = errors(duplicates: 9)
    #expect(nine.count == 1)
    #expect(nine.first?.found == "the key key8 more than once")
    #expect(nine.first?.line == 9)
  }

  @Test("a file of nothing but repeated keys ends in an error, not in endless patience")
  func manyDuplicates() {
    let yaml = String(repeating: "name: a\n", count: 1000)
    #expect(boardErrors(yaml).contains { $0.expected == "each key once" })
  }

  @Test("a slip of the pen finds the word that was meant, an unrelated word finds none")
  func suggestions() {
    // Distances by hand: one replacement, one insertion, two letters swapped.
    #expect(Suggestion.editDistance("kitten", "sitting") == 3)
    #expect(Suggestion.editDistance("", "abc") == 3 && Suggestion.editDistance("abc", "abc") == 0)
    let words = ["rate_hz", "window_seconds", "open"]
    #expect(Suggestion.nearest(to: "Rate_Hz", among: words) == "rate_hz")
    #expect(Suggestion.nearest(to: "windowseconds", among: words) == "window_seconds")
    #expect(Suggestion.nearest(to: "colour", among: words) == nil)
    #expect(Suggestion.nearest(to: "", among: words) == nil)
  }
}
