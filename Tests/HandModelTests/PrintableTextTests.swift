import HandModel
import Testing

@Suite("Printable text")
struct PrintableTextTests {
  @Test("control characters are spelt out; letters, line feeds and tabs stay")
  func controls() {
    #expect("naïve ✓\n\t½".printable == "naïve ✓\n\t½")
    #expect("a\u{1B}[2Jb\rc\u{7F}\u{9B}d\0".printable == #"a\u001b[2Jb\u000dc\u007f\u009bd\u0000"#)
    // Line feed behind carriage return is one character in Swift.
    #expect("a\r\nb".printable == "a\\u000d\nb")
  }
}
