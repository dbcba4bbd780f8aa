/// Something that happened to a hand or to its recording, as a row of the table `event`.
package struct RecordedEvent: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    /// First tick that the recorder saw.
    case start
    /// The hand changed its state.
    case state
    /// The latched fault changed; the text names the joint.
    case fault
    /// Commands were executed: numbers before and after.
    case command
    /// Commands were refused: how many before and after since the first tick; the text says why the last was.
    case refused
    /// Deadlines were skipped: totals before and after.
    case overrun
    /// Ticks are missing in the stream because the ring was full: last before, first after.
    case gap
    /// Ticks were dropped because storage failed: first and last dropped.
    case storageDrop = "storage-drop"
    /// Storage began to fail; the text is its error.
    case storageError = "storage-error"
    /// Storage works again.
    case storageRecovered = "storage-recovered"
    /// A closed segment was deleted to keep within the bounds: its first and last tick.
    case expired
    /// A record came with a sequence not above the last one and was refused.
    case disorder
    /// Events themselves were dropped, as many as the text says, while their file could not be written.
    case eventsLost = "events-lost"
    /// The hand stopped in order: its last tick and state. Missing after a crash.
    case stopped
    /// The recorder stopped: what it recorded and dropped.
    case summary
  }

  /// 1, 2, 3 … without gaps in a recording; 0 until it is stored.
  package var number: Int64 = 0
  /// The tick it belongs to; nil when there is none.
  package var sequence: UInt64?
  /// Wall clock of that tick.
  package var wallNanoseconds: Int64
  package var kind: Kind
  package var from: String?
  package var to: String?
  package var text: String
}
