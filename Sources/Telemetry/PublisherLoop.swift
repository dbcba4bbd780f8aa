import CMosquitto
import Glibc
import HandModel
import Logging
import Realtime
import Wire

/// The publisher thread's work: reads the ring, keeps one connection alive, publishes, takes commands.
/// Made and used on that thread only.
final class PublisherLoop {
  /// Events sent and not yet acknowledged.
  static let eventsInFlightLimit = 64
  /// Longest wait in one turn of the network loop: the ring is read a hundred times a second at least.
  static let longestTurnMilliseconds: Int32 = 10
  /// Pause before an event that the broker refused (for example by its access list) is tried again.
  private static let refusedPauseNanoseconds: Int64 = 5_000_000_000

  let options: PublisherOptions
  private let clientID: String
  private let ring: Ring<TickRecord>
  let shared: PublisherShared
  private let topics: Topics
  private let birth: [UInt8]
  private let sink: CommandSink
  private let answers: StopAnswers
  private let logger: Logger?
  private var refusals = OncePerCause()
  private let probePrefix: String
  private var intake: CommandIntake
  private var inbox: CommandInbox
  private var subscription: Subscription
  var feed: EventFeed
  var outbox = EventOutbox()
  var status: PublisherStatus
  var link: BrokerLink
  var session: UInt64 = 0

  private let runID: String
  /// Whether what was recorded is sent too, and need not be where the live way has brought it.
  private let hasUpload: Bool
  private var live: LiveSamples
  private var homeAssistant: HomeAssistantFeed?
  private let sparkplug: SparkplugFeed?
  var retained: RetainedStatus
  var audit: RetainedAudit
  private var replies: ReplyFlight
  var lastSequence: UInt64?
  private var birthInFlight: (message: Int32, since: Int64)?
  /// Brokers that keep no retained messages, and brokers that take none of QoS 1.
  private var withoutRetain: Set<String> = []
  private var withoutAcknowledgements: Set<String> = []
  var eventsPausedUntil: Int64 = 0
  /// Whether the broker was seen to deliver to this user, when last connected.
  private var delivery = (state: CommandWay.State.unproved, error: "not connected yet")
  /// Of the stop's own connection.
  private var stopReplies = ReplyBox.Counts()

  init(
    options: PublisherOptions, identity: HandIdentity, ring: Ring<TickRecord>, shared: PublisherShared,
    recordedEvents: HandOver<HandEvent>?, chainHead: Locked<ChainHead?>?, hasUpload: Bool, sink: CommandSink,
    answers: StopAnswers, sparkplug: SparkplugFeed?, logger: Logger?
  ) {
    self.hasUpload = hasUpload
    self.logger = logger
    self.options = options
    runID = identity.runID
    self.ring = ring
    self.shared = shared
    self.sink = sink
    self.answers = answers
    clientID = "\(options.clientIDPrefix)-\(identity.handID)"
    let topics = Topics(handID: identity.handID)
    self.topics = topics
    birth = BirthPayload.encode(identity, stateHertz: options.stateHertz)
    live = LiveSamples(options, identity: identity, topics: topics)
    homeAssistant = HomeAssistantFeed(options, identity: identity, topics: topics)
    self.sparkplug = sparkplug
    retained = RetainedStatus(identity: identity, topic: topics.status)
    audit = RetainedAudit(runID: identity.runID, topic: topics.audit, newest: chainHead)
    replies = ReplyFlight(topic: topics.reply, runID: identity.runID)
    feed = EventFeed(identity: identity, recorded: recordedEvents)
    probePrefix = "\(identity.runID) "
    intake = CommandIntake(sink: sink, answers: answers, box: ReplyBox(wakeUp: shared.wakeUp))
    inbox = CommandInbox(topics: topics, sink: sink, connection: .commands, copies: shared.stopCopies)
    subscription = Subscription(filters: [])
    link = BrokerLink(options, wakeUp: shared.wakeUp)
    status = shared.status
    status.running = true
  }

  /// Runs until a stop is requested.
  func run() {
    while !shared.stopRequested.load(ordering: .acquiring) {
      readRing()
      serveLink()
      publishStatusSnapshot()
    }
    sayFarewell()
    publishStatusSnapshot()
  }

  // MARK: Ring

  func readRing() {
    // One ring full at most, so that a fast producer cannot hold the thread here.
    _ = ring.drain(limit: ring.capacity) { record in
      feed.observe(record, emit: post)
      note(record)
    }
    feed.takeRecorded(emit: post)
  }

  func post(_ event: HandEvent) {
    outbox.append(
      EventMessage(runID: runID, event: event).encoded(), number: event.number,
      isFrequent: event.kind.isFrequent)
  }

  private func note(_ record: borrowing TickRecord) {
    lastSequence = record.sequence
    shared.lastSequence = record.sequence
    retained.note(record)
    live.note(record)
    homeAssistant?.note(record)
    sparkplug?.note(record)
  }

  // MARK: Link

  private func serveLink() {
    let now = MonotonicClock().now()
    do throws(BrokerError) {
      if let connection = link.connection {
        try serve(connection, now)
        noteWays(subscription.verdict(inbox, now))
      } else {
        live.drop()
        if let connection = try link.step(now, attempt: beginAttempt) { try goOnline(connection, now) }
        noteWays(nil)
      }
    } catch { fail(error, now) }
  }

  private func beginAttempt(_ options: PublisherOptions) -> ConnectionAttempt {
    session += 1
    status.broker = options.brokerText
    let will = retained.will(
      session: session, isRetained: !withoutRetain.contains(options.brokerText),
      qos: withoutAcknowledgements.contains(options.brokerText) ? 0 : 1)
    let prefix = "\(probePrefix)\(session) "
    let inbox = CommandInbox(
      topics: topics, sink: sink, connection: .commands, copies: shared.stopCopies, probePrefix: prefix)
    self.inbox = inbox
    subscription = Subscription(
      filters: [topics.commandFilter, topics.agpCommand], probe: (topics.probe, prefix))
    let announcements = homeAssistant?.beginAttempt()
    return ConnectionAttempt { [clientID] () throws(BrokerError) in
      try BrokerConnection.open(
        options, clientID: clientID, will: will,
        largestPacketBytes: BrokerConnection.largestCommandPacketBytes
      ) {
        announcements?.note($0)
        inbox.note($0)
      }
    }
  }

  private func goOnline(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    try subscription.begin(on: connection)
    try homeAssistant?.goOnline(connection)
    if status.everConnected { status.reconnects += 1 }
    status.everConnected = true
    status.connected = true
    status.failedAttempts = 0
    retained.change()
    refusals = OncePerCause()
    birthInFlight = (try connection.publish(topic: topics.birth, payload: birth, qos: 1, retain: true), now)
  }

  private func fail(_ error: BrokerError, _ now: Int64) {
    status.lastError = "\(link.broker.brokerText): \(error)"
    status.connected = false
    status.failedAttempts += 1
    // A will is refused with the whole connection; anything else message by message.
    if error == .refused(reason: MQTT_RC_RETAIN_NOT_SUPPORTED.reason) {
      withoutRetain.insert(link.broker.brokerText)
    } else if error == .refused(reason: MQTT_RC_QOS_NOT_SUPPORTED.reason) {
      withoutAcknowledgements.insert(link.broker.brokerText)
    }
    status.commandWay.become(.down, "\(error)", now: MonotonicClock().wallNow())
    forgetInFlight()
    shared.stopCopies.forget()
    link.fail(now)
  }

  /// Takes note of how commands and stops reach the hand; a change of either is a change of the status.
  /// - Parameter verdict: of a connection that stands.
  private func noteWays(_ verdict: (state: CommandWay.State, error: String)?) {
    let before = (status.commandWay.state, status.stopWay.state)
    if let verdict { status.commandWay.become(verdict.state, verdict.error, now: MonotonicClock().wallNow()) }
    let stop = shared.stopWay
    var (state, error) = (stop.way.state, stop.way.error)
    // Its connection carries no probe, since whatever arrives on a stop topic is a stop; but it is the same
    // user at the same broker.
    if verdict != nil { delivery = subscription.delivery(inbox, MonotonicClock().now()) }
    if state == .up, inbox.probeSentNanoseconds == nil { (state, error) = delivery }
    status.stopWay.become(state, error, now: MonotonicClock().wallNow())
    stopReplies = stop.counts
    if before != (status.commandWay.state, status.stopWay.state) { retained.change() }
  }

  private func forgetInFlight() {
    outbox.connectionLost()
    replies.connectionLost()
    retained.connectionLost()
    audit.connectionLost()
    birthInFlight = nil
    eventsPausedUntil = 0
  }

  // MARK: Online

  private func serve(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    try publishStatus(on: connection, now)
    try publishEvents(on: connection, now)
    try audit.publish(on: connection, now)
    try live.publish(on: connection, now)
    try homeAssistant?.publish(on: connection, now)
    try replies.publish(from: &intake, on: connection, now, sequence: lastSequence)
    try connection.turn(timeoutMilliseconds: turnMilliseconds, shared.wakeUp)
    noteCompletions(of: connection, now)
    intake.judge(
      inbox, stopWayAnswers: shared.stopWayAnswers.load(ordering: .acquiring), now: MonotonicClock().now()
    )
    try subscription.step(on: connection, now)
    try checkAcknowledgements(connection, now)
  }

  /// Half the time between samples, so that none is overtaken because this thread slept.
  private var turnMilliseconds: Int32 {
    max(1, min(Self.longestTurnMilliseconds, Int32(500 / options.stateHertz)))
  }

  private func publishStatus(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    guard now >= eventsPausedUntil else { return }
    try retained.publish(
      on: connection, now, session: session, sequence: lastSequence, ways: (status.commandWay, status.stopWay)
    )
  }

  func publishEvents(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    guard now >= eventsPausedUntil else { return }
    while outbox.inFlightCount < Self.eventsInFlightLimit, let next = outbox.nextWaiting() {
      let message = try connection.publish(topic: topics.event, payload: next.payload, qos: 1, retain: false)
      outbox.markSent(position: next.position, message: message, now: now)
    }
  }

  func noteCompletions(of connection: BrokerConnection, _ now: Int64) {
    for completion in connection.takeCompletions() where !subscription.isProbe(completion) {
      let refused = completion.reason >= 0x80
      if refused {
        let refusal = "\(link.broker.brokerText): message refused: \(BrokerError.text(completion.reason))"
        status.lastError = refusal
        if refusals.isNew(refusal) { logger?.warning("\(refusal.printable)") }
      } else {
        status.published += 1
      }
      if retained.complete(completion.message, isRefused: refused) {
        if refused { delayAfterRefusal(now) }
      } else if audit.complete(completion.message, isRefused: refused) {
        continue
      } else if completion.message == birthInFlight?.message {
        birthInFlight = nil
      } else if replies.complete(completion.message, isRefused: refused) {
        continue
      } else if completion.reason == MQTT_RC_PACKET_TOO_LARGE.reason {
        _ = outbox.giveUp(message: completion.message)
      } else if refused {
        if outbox.refuse(message: completion.message) { delayAfterRefusal(now) }
      } else if let number = outbox.acknowledge(message: completion.message) {
        if completion.reason == Int32(MQTT_RC_NO_MATCHING_SUBSCRIBERS.rawValue) {
          status.eventsUnheard += 1
        } else if hasUpload {
          shared.noteLiveEvent(number, broker: link.broker.brokerText)
        }
      }
    }
  }

  private func delayAfterRefusal(_ now: Int64) { eventsPausedUntil = now + Self.refusedPauseNanoseconds }

  /// QoS 1 messages of which none is answered mean a dead broker behind a live socket. One that takes them
  /// slowly, one at a time, is none.
  private func checkAcknowledgements(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    let sent = [
      outbox.oldestSent, retained.sentAt, audit.sentAt, birthInFlight?.since, replies.oldestSent,
      subscription.oldestProbe,
    ]
    guard let oldest = sent.compactMap({ $0 }).min() else { return }
    if Double(now - max(oldest, connection.answeredAt)) > options.acknowledgementSeconds * 1e9 {
      throw .acknowledgementTimeout(seconds: options.acknowledgementSeconds)
    }
  }

  private func publishStatusSnapshot() {
    status.lastTurnNanoseconds = MonotonicClock().now()
    let counts = intake.box.counts
    status.commandsAccepted = counts.executed + stopReplies.executed
    status.commandsRefused = counts.refused + stopReplies.refused + intake.unread + intake.queueFull
    status.drops.unread = intake.unread
    status.drops.queueFull = intake.queueFull
    status.drops.streamRefusals = counts.streamRefusals
    status.drops.stopReplies = answers.unanswered
    status.drops.overtaken = live.overtaken
    status.drops.notConnected = live.notConnected
    status.drops.inFlight = live.inFlight
    status.drops.summaries = homeAssistant?.dropped ?? 0
    status.events = feed.count
    status.eventsWaiting = outbox.count
    status.drops.events = outbox.dropped + feed.dropped
    var shown = status
    shown.drops.replies = replies.dropped + counts.dropped + stopReplies.dropped
    shared.update(shown)
  }
}
