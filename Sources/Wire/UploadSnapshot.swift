/// How far the recording has come on its way upstream; counters run from the start of the daemon.
package struct UploadSnapshot: Codable, Sendable, Equatable {
  /// `live`, `events` or `full`.
  package var mode: String
  /// Whether its connection stands.
  package var connected: Bool
  /// Recorded, wanted and not known to have arrived.
  package var backlogTicks: UInt64
  /// What they take, by the size of their files.
  package var backlogBytes: UInt64
  /// Events likewise.
  package var backlogEvents: UInt64
  /// The run of the oldest tick of the backlog; nil without one, as the next two.
  package var oldestRunID: String?
  /// Its number.
  package var oldestSequence: UInt64?
  /// Seconds since 1970; nil too where the recording does not tell.
  package var oldestSeconds: Double?
  /// Blocks handed to the broker, each time anew.
  package var blocksSent: UInt64
  /// Blocks that the broker acknowledged and had a subscriber for.
  package var blocksAcknowledged: UInt64
  /// Of these the ones that the consumer says to have stored.
  package var blocksStored: UInt64
  /// Events sent from the recording.
  package var eventsSent: UInt64
  /// Messages that the broker took although nobody had subscribed.
  package var unheard: UInt64
  /// Messages that the broker refused.
  package var refused: UInt64
  /// Ticks that retention deleted before they had arrived, also by earlier starts.
  package var expiredUnsent: UInt64
  /// Blocks that the disk does not give back as they were written.
  package var damagedBlocks: UInt64
  /// Who said last what is stored; nil as long as nobody has.
  package var consumer: String?
  /// Acknowledged messages that the consumer has not said to have stored yet.
  package var unconfirmed: Int
  /// What went wrong last; nil when nothing did.
  package var error: String?

  private enum CodingKeys: String, CodingKey {
    case mode, connected, unheard, refused, consumer, unconfirmed, error
    case backlogTicks = "backlog_ticks"
    case backlogBytes = "backlog_bytes"
    case backlogEvents = "backlog_events"
    case oldestRunID = "oldest_run_id"
    case oldestSequence = "oldest_sequence"
    case oldestSeconds = "oldest_seconds"
    case blocksSent = "blocks_sent"
    case blocksAcknowledged = "blocks_acknowledged"
    case blocksStored = "blocks_stored"
    case eventsSent = "events_sent"
    case expiredUnsent = "expired_unsent"
    case damagedBlocks = "damaged_blocks"
  }

  /// - Parameter oldest: tick of the backlog, and its wall clock in seconds since 1970.
  package init(
    mode: String, connected: Bool, backlogTicks: UInt64, backlogBytes: UInt64, backlogEvents: UInt64,
    oldest: (runID: String, sequence: UInt64, seconds: Double?)?, blocksSent: UInt64,
    blocksAcknowledged: UInt64, blocksStored: UInt64, eventsSent: UInt64, unheard: UInt64, refused: UInt64,
    expiredUnsent: UInt64, damagedBlocks: UInt64, consumer: String?, unconfirmed: Int, error: String?
  ) {
    self.mode = mode
    self.connected = connected
    self.backlogTicks = backlogTicks
    self.backlogBytes = backlogBytes
    self.backlogEvents = backlogEvents
    oldestRunID = oldest?.runID
    oldestSequence = oldest?.sequence
    oldestSeconds = oldest?.seconds
    self.blocksSent = blocksSent
    self.blocksAcknowledged = blocksAcknowledged
    self.blocksStored = blocksStored
    self.eventsSent = eventsSent
    self.unheard = unheard
    self.refused = refused
    self.expiredUnsent = expiredUnsent
    self.damagedBlocks = damagedBlocks
    self.consumer = consumer
    self.unconfirmed = unconfirmed
    self.error = error
  }
}
