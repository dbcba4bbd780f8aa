/// What of the recording is published beside what is live.
package enum UploadMode: String, Sendable, CaseIterable {
  /// Events that the live way could not send; no ticks.
  case live
  /// The same, and the ticks within `UploadOptions.marginSeconds` of events of trouble.
  case events
  /// The same, and every tick.
  case full
}

/// How recorded blocks and events are sent.
package struct UploadOptions: Sendable, Equatable {
  /// Where this start and earlier ones are recorded.
  package var directory: String
  package var mode: UploadMode
  /// Of blocks that are not the newest; 0 = as fast as the broker takes them. A hand of 15 joints at 1 kHz
  /// makes 270 kB/s: four times as much catches up on a day in eight hours, and an uplink of 10 Mbit/s bears
  /// it beside all that is live.
  package var backlogBytesPerSecond = 1_000_000

  /// What of the time before and after trouble is uploaded in the mode `events`.
  package static let marginSeconds: UInt64 = 10

  package init(directory: String, mode: UploadMode) {
    self.directory = directory
    self.mode = mode
  }
}

/// What the upload does and has done since the start: a copy, safe to keep.
package struct UploadStatus: Sendable, Equatable {
  package var mode: UploadMode
  /// Its own connection stands.
  package var connected = false
  /// Recorded, wanted, and not known to have arrived.
  package var backlogTicks: UInt64 = 0
  /// What they take, by the size of their files.
  package var backlogBytes: UInt64 = 0
  /// Events likewise.
  package var backlogEvents: UInt64 = 0
  /// Run and number of the oldest tick of the backlog, and its wall clock where the recording tells it.
  package var oldest: Oldest?
  /// Blocks handed to the broker, each time anew.
  package var blocksSent: UInt64 = 0
  /// Blocks that the broker acknowledged and had a subscriber for.
  package var blocksAcknowledged: UInt64 = 0
  /// Of these the ones that the consumer has said to have stored.
  package var blocksStored: UInt64 = 0
  /// Events sent from the recording.
  package var eventsSent: UInt64 = 0
  /// Messages that the broker took although nobody had subscribed (reason 0x10). They are sent again.
  package var unheard: UInt64 = 0
  /// Messages that the broker refused. They are sent again.
  package var refused: UInt64 = 0
  /// Ticks that retention deleted before they had arrived, also by earlier starts.
  package var expiredUnsent: UInt64 = 0
  /// Blocks that the disk does not give back as they were written.
  package var damagedBlocks: UInt64 = 0
  /// Who said last what is stored; nil as long as nobody has.
  package var consumer: String?
  /// Acknowledged messages that the consumer has not said to have stored yet.
  package var unconfirmed = 0
  /// What went wrong last; empty when nothing did.
  package var lastError = ""

  /// A tick.
  package struct Oldest: Sendable, Equatable {
    /// The start that recorded it.
    package var runID: String
    /// Its number.
    package var sequence: UInt64
    package var wallNanoseconds: Int64?
  }

  package init(mode: UploadMode) { self.mode = mode }
}
