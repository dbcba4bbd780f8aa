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
    /// Inbound messages beyond the intake's bound; each burst was answered with a refusal.
    package var inbound: UInt64 = 0
  }

  /// The broker accepted the connection and it stands.
  package var connected = false
  /// The broker has accepted a connection at least once.
  package var everConnected = false
  /// For example `mqtts://broker.example:8883`.
  package var broker: String
  /// Why the last connection or message failed; empty when nothing ever failed.
  package var lastError = ""
  /// Messages written (QoS 0) or acknowledged (QoS 1).
  package var published: UInt64 = 0
  package var drops = Drops()
  /// Tick records waiting in the ring.
  package var lagTicks = 0
  /// Connections accepted after the first one.
  package var reconnects: UInt64 = 0
  /// Connection attempts that failed since the last accepted one.
  package var failedAttempts = 0
  package var commandsAccepted: UInt64 = 0
  package var commandsRefused: UInt64 = 0
  /// Events made, and those the broker has not acknowledged yet.
  package var events: UInt64 = 0
  package var eventsWaiting = 0
  /// Events the broker took although nobody had subscribed to them (reason 0x10).
  package var eventsUnheard: UInt64 = 0
  /// CLOCK_MONOTONIC of the publisher thread's last turn: an old one means a stuck thread.
  package var lastTurnNanoseconds: Int64 = 0
  /// The thread runs.
  package var running = false
}
