import Logging

/// swift-log's way into the journal: a message's metadata are its fields, by their names there (MESSAGE_ID,
/// JOINT).
package struct JournalLogHandler: LogHandler {
  private let sink: MessageSink
  /// Of every message.
  package var metadata: Logger.Metadata
  /// The least severe level that a logger passes on to it.
  package var logLevel = Logger.Level.info

  /// - Parameter metadata: fields that go with every message.
  package init(_ sink: MessageSink, metadata: Logger.Metadata = [:]) {
    self.sink = sink
    self.metadata = metadata
  }

  /// One field of `metadata`; nil = not set.
  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes one message with `metadata` and its own fields; of two with the same name its own one counts.
  package func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    sink.write(
      event.message.description, priority: Self.priority(event.level),
      fields: all.sorted { $0.key < $1.key }.map { (name: Self.field($0.key), value: $0.value.description) })
  }

  /// Priorities of syslog(3).
  static func priority(_ level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }

  /// Names of the journal's fields have A-Z, 0-9 and `_`, and begin with a letter (`sd_journal_print(3)`).
  static func field(_ key: String) -> String {
    let name = key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
    let isLetterFirst = name.first?.isLetter ?? false
    return (isLetterFirst ? "" : "F") + String(name)
  }
}
