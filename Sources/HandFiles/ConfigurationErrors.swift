/// One thing wrong with a configuration file, and what would be right.
package struct ConfigurationError: Sendable, Equatable {
  /// The file's name as its reader was told it.
  package var file: String
  /// Line of the value or key at fault, from 1.
  package var line: Int
  /// Column in Unicode scalars, from 1.
  package var column: Int
  /// For example `joints[3].actuator.pwm`; empty for the file as a whole.
  package var keyPath: String
  /// What the file has, in words.
  package var found: String
  /// What would be right, in words: the allowed range or words, with the unit.
  package var expected: String
  /// The nearest allowed word where the one found looks like a slip of the pen.
  package var suggestion: String?

  package init(
    file: String, line: Int, column: Int, keyPath: String, found: String, expected: String,
    suggestion: String? = nil
  ) {
    self.file = file
    self.line = line
    self.column = column
    self.keyPath = keyPath
    self.found = found
    self.expected = expected
    self.suggestion = suggestion
  }
}

extension ConfigurationError: CustomStringConvertible {
  /// One line, whatever the file's keys hold: `file:line:column: key: found …, expected …`, the form
  /// editors jump to.
  package var description: String {
    let key = keyPath.isEmpty ? "" : "\(keyPath): "
    let hint = suggestion.map { " (did you mean \($0)?)" } ?? ""
    return "\(file):\(line):\(column): \(key)found \(found), expected \(expected)\(hint)".onOneLine
  }
}

/// Everything wrong with one configuration file, in the order of its lines. Never empty when thrown.
package struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
  package var errors: [ConfigurationError]

  /// At least one error, in the order of lines.
  package init(_ errors: [ConfigurationError]) {
    self.errors = errors
  }

  /// A wrong word in a file that a program wrote is met in each of its lines.
  package static let shownErrors = 20

  /// One error a line; of many the first, and how many more there are.
  package var description: String {
    var lines = errors.prefix(Self.shownErrors).map(\.description)
    let hidden = errors.count - lines.count
    if hidden > 0 { lines.append("… and \(hidden) more errors") }
    return lines.joined(separator: "\n")
  }
}

/// Gathers the errors of one file while it is read, so that a user sees all of them at once.
final class ConfigurationDiagnostics {
  let file: String
  private var errors: [ConfigurationError] = []

  init(file: String) {
    self.file = file
  }

  /// Records an error, once for a place and expectation: a wrong default is met again by every joint.
  func report(
    at mark: YAMLMark, keyPath: String, found: String, expected: String, suggestion: String? = nil
  ) {
    let error = ConfigurationError(
      file: file, line: mark.line, column: mark.column, keyPath: keyPath, found: found, expected: expected,
      suggestion: suggestion)
    let isKnown = errors.contains {
      $0.line == error.line && $0.column == error.column && $0.keyPath == error.keyPath
        && $0.expected == error.expected
    }
    if !isKnown { errors.append(error) }
  }

  /// Throws all errors recorded so far, if any.
  func throwIfAny() throws(ConfigurationErrors) {
    guard !errors.isEmpty else { return }
    // A stable order for equal positions keeps reports reproducible.
    let sorted = errors.enumerated().sorted {
      ($0.element.line, $0.element.column, $0.offset) < ($1.element.line, $1.element.column, $1.offset)
    }
    throw ConfigurationErrors(sorted.map(\.element))
  }
}
