import Glibc
import HandModel
import Realtime
import Service

/// Where the daemon's messages go: with their fields into the journal when a service manager connected standard
/// error to it, else as lines on standard error.
final class DaemonLog: Sendable {
  let handID: String
  private let journal = Journal.ofStandardError()
  private let output = MessageOutput(STDERR_FILENO)

  init(handID: String) { self.handID = handID }

  /// What belongs to a message that names a tick.
  struct Tick {
    var bootID: String
    var sequence: UInt64
    var fault = FaultCode.none
    var joint: String?
  }

  /// Messages that the journal did not take; they are on standard error.
  var journalFailures: UInt64 { journal?.failures ?? 0 }

  /// Messages that neither the journal nor standard error took: they are lost.
  var unwritten: UInt64 { output.failures }

  /// Reports a message. Never waits; one that cannot be written is counted.
  /// - Parameters:
  ///   - message: what it is, if it is one with a fixed id, which has its own priority.
  ///   - priority: of a message without one.
  func report(
    _ text: String, _ message: JournalMessage? = nil, priority: JournalPriority = .information,
    tick: Tick? = nil
  ) {
    let text = text.printable
    if let journal, journal.send(fields(text, message, message?.priority ?? priority, tick)) { return }
    output.write("motorhandd: \(text)\n")
  }

  private func fields(
    _ text: String, _ message: JournalMessage?, _ priority: JournalPriority, _ tick: Tick?
  ) -> [(name: String, value: String)] {
    var fields = [
      (name: "MESSAGE", value: text),
      (name: "PRIORITY", value: "\(priority.rawValue)"),
      (name: "SYSLOG_IDENTIFIER", value: "motorhandd"), (name: "HAND_ID", value: handID),
    ]
    if let message { fields.append((name: "MESSAGE_ID", value: message.rawValue)) }
    if let tick {
      fields.append((name: "BOOT_SEQ", value: "\(tick.bootID)/\(tick.sequence)"))
      if tick.fault != .none { fields.append((name: "FAULT_CODE", value: "\(tick.fault.rawValue)")) }
      if let joint = tick.joint { fields.append((name: "JOINT", value: joint)) }
    }
    return fields
  }
}
