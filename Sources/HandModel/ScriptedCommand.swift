/// A command and its time in a script.
package struct ScriptedCommand: Sendable, Equatable {
  /// From the start of the script.
  package var atNanoseconds: Int64
  package var command: Command

  package init(atNanoseconds: Int64, command: Command) {
    self.atNanoseconds = atNanoseconds
    self.command = command
  }
}
