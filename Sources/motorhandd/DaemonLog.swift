import HandModel
import Logging
import Service

/// The daemon's messages: each with the fields that belong to it, through swift-log to journal or standard
/// error.
final class DaemonLog: Sendable {
  private let sink: MessageSink
  private let handler: JournalLogHandler
  private let logger: Logger

  init(handID: String, sink: MessageSink = MessageSink(program: "motorhandd")) {
    self.sink = sink
    let handler = JournalLogHandler(sink, metadata: ["HAND_ID": "\(handID)"])
    self.handler = handler
    logger = Logger(label: "motorhandd") { _ in handler }
  }

  /// What belongs to a message that names a tick.
  struct Tick {
    var runID: String
    var sequence: UInt64
    var fault = FaultCode.none
    var joint: String?
  }

  /// Messages that the journal did not take; they are on standard error.
  var journalFailures: UInt64 { sink.journalFailures }

  /// Messages that neither the journal nor standard error took: they are lost.
  var unwritten: UInt64 { sink.unwritten }

  /// For a module that says itself what it saw: MODULE names it.
  func logger(_ module: String) -> Logger {
    var logger = Logger(label: module) { [handler] _ in handler }
    logger[metadataKey: "MODULE"] = "\(module)"
    return logger
  }

  /// Reports a message. Never waits; one that cannot be written is counted.
  /// - Parameters:
  ///   - message: what it is, if it is one with a fixed id, which has its own priority.
  ///   - priority: of a message without one.
  func report(
    _ text: String, _ message: JournalMessage? = nil, priority: JournalPriority = .information,
    tick: Tick? = nil
  ) {
    logger.log(
      level: (message?.priority ?? priority).level, "\(text.printable)", metadata: Self.fields(message, tick))
  }

  private static func fields(_ message: JournalMessage?, _ tick: Tick?) -> Logger.Metadata {
    var fields: Logger.Metadata = [:]
    if let message { fields["MESSAGE_ID"] = "\(message.rawValue)" }
    if let tick {
      fields["RUN_SEQ"] = "\(tick.runID)/\(tick.sequence)"
      if tick.fault != .none {
        fields["FAULT_CODE"] = "\(tick.fault.rawValue)"
        fields["FAULT_ID"] = "\(tick.fault.id)"
      }
      if let joint = tick.joint { fields["JOINT"] = "\(joint)" }
    }
    return fields
  }
}

extension JournalPriority {
  /// As swift-log has it.
  var level: Logger.Level {
    switch self {
    case .error: .error
    case .warning: .warning
    case .notice: .notice
    case .information: .info
    }
  }
}
