import HandModel
import Realtime
import Wire

/// The retained head of the events' hash chain: said when it has moved, not more often than an anchor needs,
/// and until the broker acknowledges it.
struct RetainedAudit {
  /// Events may come every second for hours; whoever cuts the log's end off within this time is not seen to.
  static let pauseNanoseconds: Int64 = 10_000_000_000

  private let runID: String
  private let topic: String
  private let newest: Locked<ChainHead?>?
  /// What this connection's broker was told last.
  private var said: ChainHead?
  private var inFlight: (message: Int32, since: Int64)?
  private var nextAt = Int64.min

  /// - Parameter newest: the head as the recorder stores it; nil = nothing is recorded.
  init(runID: String, topic: String, newest: Locked<ChainHead?>?) {
    self.runID = runID
    self.topic = topic
    self.newest = newest
  }

  /// When the message was sent that waits for its acknowledgement; nil when none does.
  var sentAt: Int64? { inFlight?.since }

  /// - Parameter isLast: of the farewell, which does not wait for the pause.
  mutating func publish(
    on connection: BrokerConnection, _ now: Int64, isLast: Bool = false
  ) throws(BrokerError) {
    guard inFlight == nil, isLast || now >= nextAt, let head = newest?.withLock({ $0 }), head != said else {
      return
    }
    let message = AuditMessage(runID: runID, head: head).encoded()
    inFlight = (try connection.publish(topic: topic, payload: message, qos: 1, retain: true), now)
    said = head
    nextAt = now + Self.pauseNanoseconds
  }

  /// Whether the answer was to the head. One that is refused is tried again when the pause is over.
  mutating func complete(_ message: Int32, isRefused: Bool) -> Bool {
    guard message == inFlight?.message else { return false }
    inFlight = nil
    if isRefused { said = nil }
    return true
  }

  /// The next broker may be another one, or have lost what it retained.
  mutating func connectionLost() {
    inFlight = nil
    said = nil
    nextAt = .min
  }
}
