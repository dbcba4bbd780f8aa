import Testing

@testable import HandFiles
@testable import HandModel

/// A change to a shipped file and the one error it must give. `at` is text in the changed file whose line, and
/// whose column where `offset` says so, the error must name.
struct FileMistake: Sendable, CustomTestStringConvertible {
  var replace: String
  var with: String
  var at: String
  var key: String
  var found: String
  var expected: String
  var suggestion: String?

  init(
    _ replace: String, _ with: String, at: String? = nil, key: String, found: String, expected: String,
    suggestion: String? = nil
  ) {
    self.replace = replace
    self.with = with
    self.at = at ?? with
    self.key = key
    self.found = found
    self.expected = expected
    self.suggestion = suggestion
  }

  var testDescription: String { "\(key): \(with)" }

  func apply(to text: String) throws -> String {
    let range = try #require(text.firstRange(of: replace), "the shipped file has no \(replace)")
    return text.replacingCharacters(in: range, with: with)
  }

  func check(_ errors: [ConfigurationError], in text: String, file: String) throws {
    let place = try #require(text.firstRange(of: at), "no \(at)")
    let line = text[..<place.lowerBound].count { $0 == "\n" } + 1
    try #require(errors.count == 1, "\(errors)")
    #expect(errors[0].file == file && errors[0].line == line, "\(errors[0])")
    #expect(errors[0].keyPath == key)
    #expect(errors[0].found == found)
    #expect(errors[0].expected.contains(expected), "\(errors[0])")
    #expect(errors[0].suggestion == suggestion)
  }
}

extension String {
  fileprivate func replacingCharacters(in range: Range<Index>, with text: String) -> String {
    self[..<range.lowerBound] + text + self[range.upperBound...]
  }
}
