import HandModel
import Wire

/// The retained status: said again whenever it changes, and until the broker acknowledges it.
struct RetainedStatus {
  private let payload: StatusPayload
  private let topic: String
  private var current = (word: StatusPayload.Word.starting, fault: FaultCode.none, joint: UInt8(255))
  /// What the broker retains may be another one than `current`.
  private(set) var isDirty = true
  private var inFlight: (message: Int32, since: Int64)?

  init(identity: HandIdentity, topic: String) {
    payload = StatusPayload(identity: identity)
    self.topic = topic
  }

  /// What the broker says for the hand when the connection is gone.
  func will(session: UInt64, isRetained: Bool, qos: Int32) -> BrokerConnection.Will {
    BrokerConnection.Will(
      topic: topic, payload: payload.encode(.lost, session: session), isRetained: isRetained, qos: qos)
  }

  /// Takes note of the next tick.
  mutating func note(_ record: borrowing TickRecord) {
    let now = (word: StatusPayload.Word(record.state), fault: record.fault, joint: record.faultJoint)
    guard now != current else { return }
    current = now
    isDirty = true
  }

  /// Something else that it says has changed.
  mutating func change() { isDirty = true }

  /// When the message was sent that waits for its acknowledgement; nil when none does.
  var sentAt: Int64? { inFlight?.since }

  mutating func publish(
    on connection: BrokerConnection, _ now: Int64, session: UInt64, sequence: UInt64?,
    ways: (commands: CommandWay, stop: CommandWay)
  ) throws(BrokerError) {
    guard isDirty, inFlight == nil else { return }
    try send(
      payload.encode(
        current.word, session: session, fault: (current.fault, current.joint), sequence: sequence, ways: ways),
      on: connection, now)
  }

  /// Says `disconnected`. Nothing may be said after it.
  mutating func publishFarewell(
    on connection: BrokerConnection, _ now: Int64, session: UInt64, sequence: UInt64?
  ) throws(BrokerError) {
    try send(
      payload.encode(
        .disconnected, session: session, fault: (current.fault, current.joint), sequence: sequence),
      on: connection, now)
  }

  private mutating func send(
    _ payload: [UInt8], on connection: BrokerConnection, _ now: Int64
  ) throws(BrokerError) {
    inFlight = (try connection.publish(topic: topic, payload: payload, qos: 1, retain: true), now)
    isDirty = false
  }

  /// Whether the answer was to the status.
  mutating func complete(_ message: Int32, isRefused: Bool) -> Bool {
    guard message == inFlight?.message else { return false }
    inFlight = nil
    if isRefused { isDirty = true }
    return true
  }

  mutating func connectionLost() { inFlight = nil }
}
