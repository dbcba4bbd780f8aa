import Wire

/// Replies sent and not yet acknowledged.
struct ReplyFlight {
  static let limit = 128

  private let topic: String
  private let payload: ReplyPayload
  private var sent: [Int32: Int64] = [:]
  /// The reply to a burst has room of its own: it must arrive when all others do not.
  private var burst: (message: Int32, since: Int64)?
  /// Replies that were lost with a connection, or that the broker refused.
  private(set) var dropped: UInt64 = 0

  init(topic: String, runID: String) {
    self.topic = topic
    payload = ReplyPayload(runID: runID)
  }

  /// When the oldest was sent; nil when none waits for its acknowledgement.
  var oldestSent: Int64? { [sent.values.min(), burst?.since].compactMap { $0 }.min() }

  /// - Parameter sequence: the newest tick's; nil before the first.
  mutating func publish(
    from intake: inout CommandIntake, on connection: BrokerConnection, _ now: Int64, sequence: UInt64?
  ) throws(BrokerError) {
    for outcome in intake.box.take(Self.limit - sent.count) {
      sent[try send(outcome, on: connection, sequence)] = now
    }
    if burst == nil, let refusal = intake.burstRefusal(now: now) {
      burst = (try send(refusal, on: connection, sequence), now)
    }
  }

  private func send(
    _ outcome: CommandOutcome, on connection: BrokerConnection, _ sequence: UInt64?
  ) throws(BrokerError) -> Int32 {
    try connection.publish(
      topic: topic, payload: payload.encode(outcome, sequence: sequence), qos: 1, retain: false)
  }

  /// Whether the answer was to a reply.
  mutating func complete(_ message: Int32, isRefused: Bool) -> Bool {
    if message == burst?.message {
      burst = nil
    } else if sent.removeValue(forKey: message) == nil {
      return false
    }
    if isRefused { dropped += 1 }
    return true
  }

  mutating func connectionLost() {
    dropped += UInt64(sent.count + (burst == nil ? 0 : 1))
    sent.removeAll(keepingCapacity: true)
    burst = nil
  }
}
