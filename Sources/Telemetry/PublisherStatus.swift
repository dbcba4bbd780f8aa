import Wire

/// What a publisher is doing and has lost so far: a copy, safe to keep. Counters run from the start.
package struct PublisherStatus: Sendable, Equatable {
  /// Live samples that never left. A sample is one decimated record with all its topics.
  package struct Drops: Sendable, Equatable {
    /// Tick records lost because the ring was full before the publisher read them.
    package var ringRecords: UInt64 = 0
    /// Samples due while no broker was connected.
    package var notConnected: UInt64 = 0
    /// Samples due while too many messages waited for the socket.
    package var inFlight: UInt64 = 0
    /// Samples overtaken by a newer one before the publisher's turn came.
    package var overtaken: UInt64 = 0
    /// Events beyond the outbox's bound. Their numbers are missing on the wire.
    package var events: UInt64 = 0
    /// Replies to commands that were lost with a connection or beyond the bound.
    package var replies: UInt64 = 0
    /// Summaries for Home Assistant that never left.
    package var summaries: UInt64 = 0
    /// Refusals of streamed set-points that were not sent, because ten a second are enough.
    package var streamRefusals: UInt64 = 0
    /// Stops in a flood of stops that got no reply. They stopped the hand.
    package var stopReplies: UInt64 = 0
    /// Commands refused unread because too many came at once; one reply refuses a burst.
    package var unread: UInt64 = 0
    /// Commands refused because too many waited for the loop; one reply refuses a burst.
    package var queueFull: UInt64 = 0

    /// All of them by their names.
    package var byKind: [String: UInt64] {
      [
        "ringRecords": ringRecords, "notConnected": notConnected, "inFlight": inFlight,
        "overtaken": overtaken,
        "events": events, "replies": replies, "streamRefusals": streamRefusals, "stopReplies": stopReplies,
        "unread": unread, "queueFull": queueFull, "summaries": summaries,
      ]
    }
  }

  /// The broker accepted the connection and it stands.
  package var connected = false
  /// The broker has accepted a connection at least once.
  package var everConnected = false
  /// For example `mqtts://broker.example:8883`.
  package var broker: String
  /// Why the last connection or message failed; empty when nothing ever failed.
  package var lastError = ""
  /// How commands reach the hand.
  package var commandWay = CommandWay()
  /// How stops do on their own connection.
  package var stopWay = CommandWay()
  /// Of the Sparkplug connection; nil where there is none.
  package var sparkplug: SparkplugStatus?
  /// Messages written (QoS 0) or acknowledged (QoS 1). What the stop's connection and Sparkplug's send
  /// is not among them.
  package var published: UInt64 = 0
  package var drops = Drops()
  /// Tick records waiting in the ring.
  package var lagTicks = 0
  /// Connections accepted after the first one.
  package var reconnects: UInt64 = 0
  /// Connection attempts that failed since the last accepted one.
  package var failedAttempts = 0
  /// Commands that the hand took.
  package var commandsAccepted: UInt64 = 0
  /// Commands refused, or not confirmed.
  package var commandsRefused: UInt64 = 0
  /// Events that came from the recorder, or were found where nothing is recorded.
  package var events: UInt64 = 0
  /// Events that the broker has not acknowledged yet.
  package var eventsWaiting = 0
  /// Events the broker took although nobody had subscribed to them (reason 0x10).
  package var eventsUnheard: UInt64 = 0
  /// What is sent of the recording; nil where nothing is recorded.
  package var upload: UploadStatus?
  /// CLOCK_MONOTONIC of the publisher thread's last turn: an old one means a stuck thread.
  package var lastTurnNanoseconds: Int64 = 0
  /// The thread runs.
  package var running = false
}
