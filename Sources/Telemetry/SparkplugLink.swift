import CMosquitto
import HandModel
import Logging
import Realtime
import Synchronization
import Wire

/// The hand as an edge node of Sparkplug B 3.0, on a connection of its own, because a connection has one will
/// and this one's is NDEATH. Whatever becomes of it, the publisher's connection and the stop's go on.
///
/// Made and used on a thread of its own.
final class SparkplugLink {
  /// Longest wait for the socket; samples, and whatever is to be ended, ring.
  private static let longestTurnMilliseconds: Int32 = 500
  /// Messages of data not yet in the socket; beyond it a sample is dropped. Some two seconds.
  private static let unwrittenLimit = 10
  /// A silent broker is noticed within twice this time, and a dead hand by its hosts.
  private static let keepaliveSeconds = 5
  /// Between two births: a host that asks in a loop must not fill the line with them.
  private static let birthPauseNanoseconds: Int64 = 1_000_000_000

  private let options: PublisherOptions
  private let clientID: String
  private let topics: SparkplugTopics
  private let feed: SparkplugFeed
  private let isStopping: @Sendable () -> Bool
  private let logger: Logger?
  private var failures = OncePerCause()
  private var payload: SparkplugPayload
  private var link: BrokerLink
  private var subscription: Subscription
  private var inbox = SparkplugInbox(birthTopic: "")
  /// Connections for which CONNECT was sent: their number is bdSeq, by which a host tells whose death it
  /// hears.
  private let connects = Connects()
  private var bdSeq: UInt8 = 0
  private var status = SparkplugStatus()

  /// The newest sample; of no use before the first.
  private var record = TickRecord()
  private var hasRecord = false
  private var isBirthDue = false
  private var bornAt: Int64?

  /// Told by the thread that connects.
  private final class Connects: Sendable { let count = Atomic<UInt64>(0) }

  init(
    options: PublisherOptions, group: String, identity: HandIdentity, feed: SparkplugFeed, logger: Logger?,
    isStopping: @escaping @Sendable () -> Bool
  ) {
    var options = options
    options.keepaliveSeconds = min(options.keepaliveSeconds, Self.keepaliveSeconds)
    self.options = options
    self.feed = feed
    self.logger = logger
    self.isStopping = isStopping
    clientID = "\(options.clientIDPrefix)-\(identity.handID)-sparkplug"
    topics = SparkplugTopics(group: group, handID: identity.handID)
    payload = SparkplugPayload(identity: identity)
    link = BrokerLink(options, wakeUp: feed.wakeUp)
    subscription = Subscription(filters: [])
  }

  /// Runs until a stop of the publisher is requested.
  func run() {
    while !isStopping() {
      let now = MonotonicClock().now()
      let isNew = takeSample()
      do throws(BrokerError) {
        if let connection = link.connection {
          try serve(connection, isNew, now)
        } else {
          if isNew { status.dropped += 1 }
          if let connection = try link.step(now, attempt: beginAttempt) { try goOnline(connection) }
        }
      } catch { fail(error, now) }
      feed.status = status
    }
    end()
    feed.status = status
  }

  private func takeSample() -> Bool {
    let last = record.sequence
    guard feed.take(into: &record) else { return false }
    if hasRecord, record.sequence > last {
      status.dropped += (record.sequence - last) / feed.decimation - 1
    }
    hasRecord = true
    return true
  }

  // MARK: Connection

  private func beginAttempt(_ options: PublisherOptions) -> ConnectionAttempt {
    bdSeq = UInt8(truncatingIfNeeded: connects.count.load(ordering: .acquiring))
    let inbox = SparkplugInbox(birthTopic: topics.birth)
    self.inbox = inbox
    subscription = Subscription(filters: [topics.command])
    let will = BrokerConnection.Will(
      topic: topics.death, payload: SparkplugPayload.death(bdSeq: bdSeq, now: MonotonicClock().wallNow()),
      isRetained: false)
    return ConnectionAttempt { [clientID, connects] () throws(BrokerError) in
      let connection = try BrokerConnection.open(
        options, clientID: clientID, will: will,
        largestPacketBytes: BrokerConnection.largestBirthPacketBytes
      ) { inbox.note($0) }
      connects.count.wrappingAdd(1, ordering: .releasing)
      return connection
    }
  }

  /// The subscription comes before the birth, which invites hosts to use it. By a second one the hand's own
  /// birth comes back: nothing else tells whether the broker takes it, because births have no
  /// acknowledgement. Whether the broker grants that one decides nothing.
  private func goOnline(_ connection: BrokerConnection) throws(BrokerError) {
    try subscription.begin(on: connection)
    _ = try connection.subscribe(to: topics.birth)
    failures = OncePerCause()
    isBirthDue = true
    bornAt = nil
  }

  private func fail(_ error: BrokerError, _ now: Int64) {
    let text = "Sparkplug: \(options.brokerText): \(error)"
    if failures.isNew(text) { logger?.warning("\(text.printable)") }
    status.way.become(.down, "\(error)", now: MonotonicClock().wallNow())
    link.fail(now)
  }

  // MARK: Online

  private func serve(_ connection: BrokerConnection, _ isNew: Bool, _ now: Int64) throws(BrokerError) {
    if isBirthDue {
      try beBorn(on: connection, now)
    } else if isNew {
      try publishData(on: connection)
    }
    try connection.turn(timeoutMilliseconds: Self.longestTurnMilliseconds, feed.wakeUp)
    _ = connection.takeCompletions()
    if inbox.takeBirthRequest() { isBirthDue = true }
    status.refused += inbox.takeRefused()
    try subscription.step(on: connection, now)
    if let asked = subscription.oldestAsked, Double(now - asked) > options.acknowledgementSeconds * 1e9 {
      throw .acknowledgementTimeout(seconds: options.acknowledgementSeconds)
    }
    let verdict = verdict(now)
    if verdict.state == .deaf || verdict.state == .unproved, failures.isNew(verdict.error) {
      logger?.warning("Sparkplug: \(verdict.error.printable)")
    }
    status.way.become(verdict.state, verdict.error, now: MonotonicClock().wallNow())
  }

  private func verdict(_ now: Int64) -> (state: CommandWay.State, error: String) {
    let granted = subscription.verdict(nil, now)
    guard granted.state == .up, !inbox.hasHeardBirth else { return granted }
    guard let bornAt, now - bornAt > Subscription.silenceNanoseconds else { return (.asking, "") }
    return (.unproved, "\(topics.birth) does not come back: may this user write and read it?")
  }

  /// Between the request and the birth no data is sent, as the specification demands.
  private func beBorn(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    guard hasRecord, bornAt.map({ now - $0 >= Self.birthPauseNanoseconds }) ?? true else { return }
    let birth = payload.birth(
      record, bdSeq: bdSeq, clockSynced: MonotonicClock.isWallSynchronised, now: MonotonicClock().wallNow())
    _ = try connection.publish(topic: topics.birth, payload: birth, qos: 0, retain: false)
    status.births += 1
    isBirthDue = false
    bornAt = now
  }

  private func publishData(on connection: BrokerConnection) throws(BrokerError) {
    guard connection.unfinished < Self.unwrittenLimit else {
      status.dropped += 1
      return
    }
    guard
      let data = payload.data(
        record, clockSynced: MonotonicClock.isWallSynchronised, now: MonotonicClock().wallNow())
    else { return }
    _ = try connection.publish(topic: topics.data, payload: data, qos: 0, retain: false)
    status.data += 1
  }

  /// Says NDEATH, and has the broker send the will too: the specification wants both of MQTT 5. What the
  /// socket does not take at once is left to the will.
  private func end() {
    if let connection = link.connection {
      let death = SparkplugPayload.death(bdSeq: bdSeq, now: MonotonicClock().wallNow())
      do throws(BrokerError) {
        _ = try connection.publish(topic: topics.death, payload: death, qos: 1, retain: false)
      } catch { logger?.warning("Sparkplug: \(options.brokerText): \("\(error)".printable)") }
      connection.disconnect(sendsWill: true)
    }
    link.end()
    status.way.become(.down, "", now: MonotonicClock().wallNow())
  }
}

/// What hosts have written and the link has not seen yet.
final class SparkplugInbox: @unchecked Sendable {
  // Safety of @unchecked: made by the thread that runs the connection, and touched by it alone.

  private let birthTopic: String
  private var asksForBirth = false
  private var refused: UInt64 = 0
  /// Whether a birth of the hand's own has come back.
  private(set) var hasHeardBirth = false

  init(birthTopic: String) { self.birthTopic = birthTopic }

  /// Inside the library's callback.
  func note(_ message: borrowing mosquitto_message) {
    if let topic = message.topic, String(cString: topic) == birthTopic {
      hasHeardBirth = true
      return
    }
    let count = Int(message.payloadlen)
    // One too many is enough to be refused.
    let kept = min(count, SparkplugCommand.maximumBytes + 1)
    note(
      message.payload.map { Array(UnsafeRawBufferPointer(start: $0, count: kept)) } ?? [],
      isRetained: message.retain)
  }

  /// - Parameter isRetained: of a message that was written once and would act at each connection.
  func note(_ body: [UInt8], isRetained: Bool) {
    guard !isRetained, let command = try? SparkplugCommand(decoding: body) else {
      refused += 1
      return
    }
    if command.asksForBirth { asksForBirth = true }
    refused += UInt64(command.refusedMetrics)
  }

  func takeBirthRequest() -> Bool {
    defer { asksForBirth = false }
    return asksForBirth
  }

  func takeRefused() -> UInt64 {
    defer { refused = 0 }
    return refused
  }
}
