import Glibc
import Realtime

/// Where a program's messages go: with their fields into the journal when a service manager connected
/// standard error to it, else as lines on standard error. Never waits; what cannot be written is counted.
package final class MessageSink: Sendable {
  private let program: String
  private let journal: Journal?
  private let output: MessageOutput

  /// - Parameters:
  ///   - program: its name, before each line and as SYSLOG_IDENTIFIER.
  ///   - journal: nil = lines only.
  package init(
    program: String, journal: Journal? = .ofStandardError(), output: MessageOutput = .init(STDERR_FILENO)
  ) {
    self.program = program
    self.journal = journal
    self.output = output
  }

  /// Messages that the journal did not take; they are on standard error.
  package var journalFailures: UInt64 { journal?.failures ?? 0 }
  /// Messages that neither took: they are lost.
  package var unwritten: UInt64 { output.failures }

  /// - Parameters:
  ///   - priority: of syslog(3).
  ///   - fields: further ones, for the journal only.
  func write(_ text: String, priority: Int, fields: [(name: String, value: String)]) {
    if let journal {
      let all = [
        (name: "MESSAGE", value: text), (name: "PRIORITY", value: "\(priority)"),
        (name: "SYSLOG_IDENTIFIER", value: program),
      ]
      if journal.send(all + fields) { return }
    }
    output.write("\(program): \(text)\n")
  }
}
