import CMosquitto
import Realtime
import Wire

/// What a connection subscribed to, and whether the broker delivers it.
///
/// The broker's answer to SUBSCRIBE is not enough: Mosquitto grants what its access list denies and then
/// delivers nothing. So a hand sends itself a message on a topic of its own under the commands', again and
/// again: one that comes back shows that the broker delivers, and how long a command that follows it can have
/// been on its way.
struct Subscription {
  /// Between two probes: often enough to bound the way of a command, and a tenth of what `state` sends.
  static let probePeriodNanoseconds: Int64 = 2_000_000_000
  /// Two probes and a slow network: nothing has come back for so long, so nothing does.
  static let silenceNanoseconds: Int64 = 5_000_000_000
  /// Before a refused subscription is asked for again: access lists are mended by people.
  static let retryNanoseconds: Int64 = 5_000_000_000

  /// The first is the one that covers the probe's topic.
  private let filters: [String]
  /// Nil: the broker's answer is all there is.
  private let probe: (topic: String, prefix: String)?
  /// Filters by their SUBSCRIBE, not answered yet.
  private var asked: [Int32: String] = [:]
  private var askedAt: Int64 = 0
  private var refusals: [String: Int32] = [:]
  private var downgraded: [String] = []
  private var retryAt: Int64?
  private var grantedAt: Int64?
  private var probes: [Int32: Int64] = [:]
  private var probeAt = Int64.min
  private var probeRefusal: Int32?

  init(filters: [String], probe: (topic: String, prefix: String)? = nil) {
    self.filters = filters
    self.probe = probe
  }

  /// Asks for everything, on a connection that was just accepted.
  mutating func begin(on connection: BrokerConnection) throws(BrokerError) {
    askedAt = MonotonicClock().now()
    for filter in filters { asked[try connection.subscribe(to: filter)] = filter }
  }

  /// Takes the broker's answers, asks again for what was refused, and sends the next probe.
  mutating func step(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    for grant in connection.takeGrants() {
      guard let filter = asked.removeValue(forKey: grant.message) else { continue }
      if grant.reason >= 0x80 {
        refusals[filter] = grant.reason
        retryAt = now + Self.retryNanoseconds
      } else {
        refusals[filter] = nil
        if grant.reason < 1, !downgraded.contains(filter) { downgraded.append(filter) }
      }
      if let first = filters.first, filter == first { grantedAt = grant.reason < 0x80 ? now : nil }
    }
    if let due = retryAt, now >= due {
      retryAt = nil
      askedAt = now
      for filter in refusals.keys.sorted() { asked[try connection.subscribe(to: filter)] = filter }
    }
    guard let probe, now >= probeAt, grantedAt != nil else { return }
    probeAt = now + Self.probePeriodNanoseconds
    let message = try connection.publish(
      topic: probe.topic, payload: Array("\(probe.prefix)\(now)".utf8), qos: 1, retain: false)
    probes[message] = now
  }

  /// Whether the acknowledgement was a probe's.
  mutating func isProbe(_ completion: BrokerConnection.Completion) -> Bool {
    guard probes.removeValue(forKey: completion.message) != nil else { return false }
    probeRefusal = completion.reason >= 0x80 ? completion.reason : nil
    return true
  }

  /// When what is not answered yet was asked.
  var oldestAsked: Int64? { asked.isEmpty ? nil : askedAt }

  var oldestProbe: Int64? { probes.values.min() }

  /// What is known, and in words what is wrong.
  /// - Parameter inbox: what the probes are counted by; without probes nil.
  func verdict(_ inbox: CommandInbox?, _ now: Int64) -> (state: CommandWay.State, error: String) {
    if let refused = refusals.min(by: { $0.key < $1.key }) {
      return (.deaf, "the broker refuses to deliver \(refused.key): \(BrokerError.text(refused.value))")
    }
    if !asked.isEmpty { return (.asking, "") }
    let delivery = delivery(inbox, now)
    guard delivery.state == .up, !downgraded.isEmpty else { return delivery }
    return (
      .up, "the broker grants \(downgraded.joined(separator: ", ")) with QoS 0 only: a message may be lost"
    )
  }

  /// Whether the broker is seen to deliver to this user, whatever it granted.
  func delivery(_ inbox: CommandInbox?, _ now: Int64) -> (state: CommandWay.State, error: String) {
    guard let probe, let inbox else { return (.up, "") }
    if let first = filters.first, refusals[first] != nil {
      return (.unproved, "the broker refuses to deliver \(first), by which it would be seen to deliver")
    }
    guard let grantedAt else { return (.asking, "") }
    if let probeRefusal {
      let reason = BrokerError.text(probeRefusal)
      return (.unproved, "the broker refuses \(probe.topic), by which it would be seen to deliver: \(reason)")
    }
    if now - (inbox.probeSentNanoseconds ?? grantedAt) <= Self.silenceNanoseconds {
      return (inbox.probeSentNanoseconds == nil ? .asking : .up, "")
    }
    guard inbox.probeSentNanoseconds == nil else {
      return (.deaf, "no message of the hand's own has come back for 5 s: a flood, or a network that stalls")
    }
    // What others sent has arrived, the hand's own has not: a broker that drops it without a word.
    return (
      inbox.hasHeard ? .unproved : .deaf,
      "the broker takes \(probe.topic) and does not bring it back: may this user read it?"
    )
  }
}
