import Realtime

/// Keeps one connection to a broker of the list: attempts on a thread of their own, the handshake, and pauses
/// after failures, each of which turns to the next one.
struct BrokerLink {
  /// A connection that held so long was a good one: back-off starts anew after it.
  private static let stableNanoseconds: Int64 = 10_000_000_000
  /// How often an attempt is asked for its outcome.
  private static let pollMilliseconds: Int32 = 10

  private enum State {
    case waiting(until: Int64)
    case connecting(ConnectionAttempt)
    /// The socket stands; the answer to CONNECT is due by then.
    case handshaking(BrokerConnection, deadline: Int64)
    case online(BrokerConnection, since: Int64)
  }

  private let brokers: [PublisherOptions]
  private var index = 0
  private let handshakeSeconds: Double
  private let wakeUp: WakeUp
  private var backoff: Backoff
  private var random = SystemRandomNumberGenerator()
  private var state = State.waiting(until: 0)

  init(_ options: PublisherOptions, wakeUp: WakeUp) {
    brokers = options.brokers
    handshakeSeconds = options.handshakeSeconds
    self.wakeUp = wakeUp
    backoff = Backoff(
      firstSeconds: options.firstBackoffSeconds, largestSeconds: options.largestBackoffSeconds)
  }

  /// The broker of the connection, or whose turn is next.
  var broker: PublisherOptions { brokers[index] }

  /// The connection, once the broker has accepted it.
  var connection: BrokerConnection? {
    if case .online(let connection, _) = state { return connection }
    return nil
  }

  /// One step, of at most some 10 ms, towards a connection.
  /// - Parameter attempt: begins an attempt at a broker.
  /// - Returns: the connection, when the broker has accepted it just now.
  mutating func step(
    _ now: Int64, attempt: (PublisherOptions) -> ConnectionAttempt
  ) throws(BrokerError) -> BrokerConnection? {
    switch state {
    case .online: break
    case .waiting(let until):
      if now >= until { state = .connecting(attempt(broker)) } else { pause() }
    case .connecting(let attempt):
      switch attempt.poll() {
      case .connected(let connection):
        state = .handshaking(connection, deadline: now + Int64(handshakeSeconds * 1e9))
      case .failed(let error): throw error
      case nil: pause()
      }
    case .handshaking(let connection, let deadline):
      try connection.turn(timeoutMilliseconds: Self.pollMilliseconds, wakeUp)
      if connection.handshakeReason == 0 {
        state = .online(connection, since: now)
        return connection
      }
      if now > deadline { throw .handshakeTimeout(seconds: handshakeSeconds) }
    }
    return nil
  }

  private func pause() { wakeUp.wait(milliseconds: Self.pollMilliseconds) }

  /// Gives the connection or the attempt up: its socket closes without DISCONNECT, and the broker sends the
  /// will.
  mutating func fail(_ now: Int64) {
    if case .online(_, let since) = state, now - since > Self.stableNanoseconds { backoff.reset() }
    index = (index + 1) % brokers.count
    state = .waiting(until: now + backoff.next(using: &random))
  }

  /// Ends what is not online yet, saying goodbye where somebody may listen; an accepted connection is the
  /// owner's to end.
  mutating func end() {
    switch state {
    case .waiting, .online: break
    case .connecting(let attempt): attempt.abandon()
    case .handshaking(let connection, _): connection.disconnect()
    }
    state = .waiting(until: .max)
  }
}
