import HandModel
import Wire

/// Commands with their times, from a JSON-lines file: one command a line, as `CommandParser` reads them, with
/// `"at"` in seconds from the start of the script. Empty lines are skipped.
package struct CommandScript: Sendable, Equatable {
  /// In the order of their times; never empty.
  package var entries: [ScriptedCommand]

  /// A day of commands at one a second; the limit bounds memory.
  static let maximumEntries = 86_400
  /// A day.
  static let maximumSeconds = 86_400.0

  /// Reads a script. `file` is the name that errors carry. Throws the errors of all lines at once.
  package init(jsonLines text: String, file: String, parser: CommandParser) throws(ConfigurationErrors) {
    let diagnostics = ConfigurationDiagnostics(file: file)
    var entries: [ScriptedCommand] = []
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() where !line.allSatisfy(\.isWhitespace) {
      let mark = YAMLMark(line: index + 1, column: 1)
      guard entries.count < Self.maximumEntries else {
        diagnostics.report(
          at: mark, keyPath: "", found: "more commands", expected: "at most \(Self.maximumEntries)")
        break
      }
      do {
        let entry = try Self.entry(in: line, parser)
        if let last = entries.last, entry.atNanoseconds < last.atNanoseconds {
          diagnostics.report(
            at: mark, keyPath: "at", found: "a time before the line above", expected: "times in order")
        }
        entries.append(entry)
      } catch {
        diagnostics.report(at: mark, keyPath: "", found: error.reason, expected: "a command with its time")
      }
    }
    if entries.isEmpty {
      diagnostics.report(at: .start, keyPath: "", found: "no command", expected: "at least one")
    }
    try diagnostics.throwIfAny()
    self.entries = entries
  }

  private static func entry(
    in line: Substring, _ parser: CommandParser
  ) throws(CommandProblem) -> ScriptedCommand {
    let value: JSONValue
    do {
      value = try JSONValue(parsing: Array(line.utf8.prefix(CommandParser.maximumBytes + 1)))
    } catch {
      throw CommandProblem(error.description)
    }
    guard case .object(let members) = value else { throw CommandProblem("no JSON object") }
    var fields = CommandFields(members)
    guard let seconds = try fields.take("at", as: "a number of seconds", CommandParser.double) else {
      throw CommandProblem("no \"at\"")
    }
    guard (0...maximumSeconds).contains(seconds) else {
      throw CommandProblem("at: \(seconds), allowed 0 to \(maximumSeconds)")
    }
    let command = try parser.parse(&fields, verb: nil)
    try fields.finish()
    return ScriptedCommand(atNanoseconds: Int64((seconds * 1e9).rounded()), command: command)
  }
}
