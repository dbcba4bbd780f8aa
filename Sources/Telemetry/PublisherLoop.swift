import CMosquitto
import Glibc
import HandModel
import Realtime

/// The publisher thread's work: reads the ring, keeps one connection alive, publishes, takes commands.
/// Made and used on that thread only.
final class PublisherLoop {
  /// Live messages handed to the library and not yet in the socket; beyond it samples are dropped. Some
  /// ten samples: a socket that far behind is showing the past.
  static let unwrittenLimit = 256
  /// Events sent and not yet acknowledged.
  static let eventsInFlightLimit = 64
  /// Replies sent and not yet acknowledged.
  static let repliesInFlightLimit = 128
  /// Longest wait in one turn of the network loop: the ring is read a hundred times a second at least.
  private static let longestTurnMilliseconds: Int32 = 10
  /// Pause before an event that the broker refused (for example by its access list) is tried again.
  private static let refusedPauseNanoseconds: Int64 = 5_000_000_000
  private static let clockCheckNanoseconds: Int64 = 1_000_000_000

  private let options: PublisherOptions
  private let clientID: String
  private let ring: Ring<TickRecord>
  private let shared: PublisherShared
  private let topics: Topics
  private let sensors: [(topic: String, metric: SensorMetrics.Metric)]
  private let birth: [UInt8]
  private let statusPayload: StatusPayload
  private let agp: AGPPayload
  private let decimation: UInt64
  private let sensorDecimation: UInt64

  private var statePayload: StatePayload
  private let sink: CommandSink
  private let answers: StopAnswers
  private let replyPayload: ReplyPayload
  private let probePrefix: String
  private var intake: CommandIntake
  private var inbox: CommandInbox
  private var subscription: Subscription
  private var deriver: EventDeriver
  private var outbox = EventOutbox()
  private var status: PublisherStatus
  private var link: BrokerLink
  private var session: UInt64 = 0

  /// The newest record whose sequence is due for `state`.
  private var sample: TickRecord?
  private var lastSequence: UInt64?
  private var current = (word: StatusPayload.Word.starting, fault: FaultCode.none, joint: UInt8(255))
  /// What the retained status says, once acknowledged, and what is on its way.
  private var statusDirty = true
  private var statusInFlight: (message: Int32, since: Int64)?
  private var repliesInFlight: [Int32: Int64] = [:]
  /// The reply to a burst has room of its own: it must arrive when all others do not.
  private var burstReplyInFlight: (message: Int32, since: Int64)?
  private var birthInFlight: (message: Int32, since: Int64)?
  private var eventsPausedUntil: Int64 = 0
  /// Whether the broker was seen to deliver to this user, when last connected.
  private var delivery = (state: CommandWay.State.unproved, error: "not connected yet")
  /// Of the stop's own connection.
  private var stopReplies = ReplyBox.Counts()
  private var clockSynced = PublisherClock.isSynchronised()
  private var clockCheckedAt = PublisherClock.monotonic()

  init(
    options: PublisherOptions, identity: HandIdentity, ring: Ring<TickRecord>, shared: PublisherShared,
    sink: CommandSink, answers: StopAnswers
  ) {
    self.options = options
    self.ring = ring
    self.shared = shared
    self.sink = sink
    self.answers = answers
    clientID = "\(options.clientIDPrefix)-\(identity.handID)"
    let topics = Topics(handID: identity.handID)
    self.topics = topics
    sensors = SensorMetrics(board: identity.board).all.map { (topics.sensor(metric: $0.name), $0) }
    birth = BirthPayload.encode(identity, options: options)
    statusPayload = StatusPayload(identity: identity)
    statePayload = StatePayload(identity: identity)
    agp = AGPPayload(identity: identity)
    deriver = EventDeriver(identity: identity)
    let rate = Double(identity.board.control.rateHertz)
    decimation = UInt64(max(1, (rate / options.stateHertz).rounded()))
    // A multiple of the state's, because sensors ride on state samples.
    let ratio = max(1, (rate / options.sensorHertz / Double(decimation)).rounded())
    sensorDecimation = decimation * UInt64(ratio)
    replyPayload = ReplyPayload(bootID: identity.bootID)
    probePrefix = "\(identity.bootID) "
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

  private func readRing() {
    // One ring full at most, so that a fast producer cannot hold the thread here.
    _ = ring.drain(limit: ring.capacity) { record in
      deriver.observe(record) { outbox.append($0) }
      note(record)
    }
  }

  private func note(_ record: borrowing TickRecord) {
    lastSequence = record.sequence
    shared.lastSequence = record.sequence
    let now = (word: StatusPayload.Word(record.state), fault: record.fault, joint: record.faultJoint)
    if now != current {
      current = now
      statusDirty = true
    }
    guard record.sequence % decimation == 0 else { return }
    // Live data first: a display wants the newest sample, the recording has all.
    if sample != nil { status.drops.overtaken += 1 }
    sample = copy record
  }

  // MARK: Link

  private func serveLink() {
    let now = PublisherClock.monotonic()
    do throws(BrokerError) {
      if let connection = link.connection {
        try serve(connection, now)
        noteWays(subscription.verdict(inbox, now))
      } else {
        dropSample()
        if let connection = try link.step(now, attempt: beginAttempt) { try goOnline(connection, now) }
        noteWays(nil)
      }
    } catch { fail(error, now) }
  }

  private func beginAttempt() -> ConnectionAttempt {
    session += 1
    let will = BrokerConnection.Will(
      topic: topics.status, payload: statusPayload.encode(.lost, session: session))
    let prefix = "\(probePrefix)\(session) "
    let inbox = CommandInbox(
      topics: topics, sink: sink, connection: .commands, copies: shared.stopCopies, probePrefix: prefix)
    self.inbox = inbox
    subscription = Subscription(
      filters: [topics.commandFilter, topics.agpCommand], probe: (topics.probe, prefix))
    return ConnectionAttempt { [options, clientID] () throws(BrokerError) in
      try BrokerConnection.open(
        options, clientID: clientID, will: will,
        largestPacketBytes: BrokerConnection.largestCommandPacketBytes
      ) { inbox.note($0) }
    }
  }

  private func goOnline(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    try subscription.begin(on: connection)
    if status.everConnected { status.reconnects += 1 }
    status.everConnected = true
    status.connected = true
    status.failedAttempts = 0
    statusDirty = true
    birthInFlight = (try connection.publish(topic: topics.birth, payload: birth, qos: 1, retain: true), now)
  }

  private func fail(_ error: BrokerError, _ now: Int64) {
    status.lastError = "\(options.brokerText): \(error)"
    status.connected = false
    status.failedAttempts += 1
    status.commandWay.become(.down, "\(error)")
    forgetInFlight()
    shared.stopCopies.forget()
    link.fail(now)
  }

  /// Takes note of how commands and stops reach the hand; a change of either is a change of the status.
  /// - Parameter verdict: of a connection that stands.
  private func noteWays(_ verdict: (state: CommandWay.State, error: String)?) {
    let before = (status.commandWay.state, status.stopWay.state)
    if let verdict { status.commandWay.become(verdict.state, verdict.error) }
    let stop = shared.stopWay
    var (state, error) = (stop.way.state, stop.way.error)
    // Its connection carries no probe, since whatever arrives on a stop topic is a stop; but it is the same user at
    // the same broker.
    if verdict != nil { delivery = subscription.delivery(inbox, PublisherClock.monotonic()) }
    if state == .up, inbox.probeSentNanoseconds == nil { (state, error) = delivery }
    status.stopWay.become(state, error)
    stopReplies = stop.counts
    if before != (status.commandWay.state, status.stopWay.state) { statusDirty = true }
  }

  private func forgetInFlight() {
    outbox.connectionLost()
    status.drops.replies += UInt64(repliesInFlight.count + (burstReplyInFlight == nil ? 0 : 1))
    repliesInFlight.removeAll(keepingCapacity: true)
    burstReplyInFlight = nil
    statusInFlight = nil
    birthInFlight = nil
    eventsPausedUntil = 0
  }

  private func dropSample() {
    guard sample != nil else { return }
    sample = nil
    status.drops.notConnected += 1
  }

  // MARK: Online

  private func serve(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    if now - clockCheckedAt > Self.clockCheckNanoseconds {
      clockSynced = PublisherClock.isSynchronised()
      clockCheckedAt = now
    }
    try publishStatus(on: connection, now)
    try publishEvents(on: connection, now)
    try publishSample(on: connection)
    try publishReplies(on: connection, now)
    try connection.turn(timeoutMilliseconds: turnMilliseconds, shared.wakeUp)
    noteCompletions(of: connection, now)
    intake.judge(
      inbox, stopWayAnswers: shared.stopWayAnswers.load(ordering: .acquiring), now: PublisherClock.monotonic()
    )
    try subscription.step(on: connection, now)
    try checkAcknowledgements(now)
  }

  /// Half the time between samples, so that none is overtaken because this thread slept.
  private var turnMilliseconds: Int32 {
    max(1, min(Self.longestTurnMilliseconds, Int32(500 / options.stateHertz)))
  }

  private func publishStatus(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    guard statusDirty, statusInFlight == nil, now >= eventsPausedUntil else { return }
    let payload = statusPayload.encode(
      current.word, session: session, fault: (current.fault, current.joint), sequence: lastSequence,
      ways: (status.commandWay, status.stopWay))
    statusInFlight = (
      try connection.publish(topic: topics.status, payload: payload, qos: 1, retain: true), now
    )
    statusDirty = false
  }

  private func publishEvents(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    guard now >= eventsPausedUntil else { return }
    while outbox.inFlightCount < Self.eventsInFlightLimit, let next = outbox.nextWaiting() {
      let message = try connection.publish(topic: topics.event, payload: next.payload, qos: 1, retain: false)
      outbox.markSent(position: next.position, message: message, now: now)
    }
  }

  private func publishSample(on connection: BrokerConnection) throws(BrokerError) {
    guard let record = sample else { return }
    sample = nil
    // State, AGP number and detail, and all sensors.
    guard connection.unfinished + 3 + sensors.count <= Self.unwrittenLimit else {
      status.drops.inFlight += 1
      return
    }
    let state = statePayload.encode(record, clockSynced: clockSynced)
    _ = try connection.publish(topic: topics.state, payload: state, qos: 0, retain: false)
    if let text = AGPPayload.lipschitzText(record.lipschitz) {
      _ = try connection.publish(topic: topics.agpState, payload: text, qos: 0, retain: false)
    }
    _ = try connection.publish(
      topic: topics.agpDetail, payload: agp.detail(of: record), qos: 0, retain: false)
    guard record.sequence % sensorDecimation == 0 else { return }
    for sensor in sensors {
      guard let text = SensorMetrics.text(sensor.metric.quantity, of: record.joints[sensor.metric.joint])
      else { continue }
      _ = try connection.publish(topic: sensor.topic, payload: text, qos: 0, retain: false)
    }
  }

  private func publishReplies(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    for outcome in intake.box.take(Self.repliesInFlightLimit - repliesInFlight.count) {
      repliesInFlight[try publish(outcome, on: connection)] = now
    }
    if burstReplyInFlight == nil, let refusal = intake.burstRefusal(now: now) {
      burstReplyInFlight = (try publish(refusal, on: connection), now)
    }
  }

  private func publish(
    _ outcome: CommandOutcome, on connection: BrokerConnection
  ) throws(BrokerError) -> Int32 {
    try connection.publish(
      topic: topics.reply, payload: replyPayload.encode(outcome, sequence: lastSequence), qos: 1,
      retain: false)
  }

  private func noteCompletions(of connection: BrokerConnection, _ now: Int64) {
    for completion in connection.takeCompletions() where !subscription.isProbe(completion) {
      let refused = completion.reason >= 0x80
      if refused {
        status.lastError = "\(options.brokerText): message refused: \(BrokerError.text(completion.reason))"
      } else {
        status.published += 1
      }
      if completion.message == statusInFlight?.message {
        statusInFlight = nil
        if refused { delayAfterRefusal(now) }
        statusDirty = statusDirty || refused
      } else if completion.message == birthInFlight?.message {
        birthInFlight = nil
      } else if repliesInFlight.removeValue(forKey: completion.message) != nil {
        if refused { status.drops.replies += 1 }
      } else if completion.message == burstReplyInFlight?.message {
        burstReplyInFlight = nil
        if refused { status.drops.replies += 1 }
      } else if refused {
        if outbox.refuse(message: completion.message) { delayAfterRefusal(now) }
      } else if outbox.acknowledge(message: completion.message) {
        if completion.reason == Int32(MQTT_RC_NO_MATCHING_SUBSCRIBERS.rawValue) { status.eventsUnheard += 1 }
      }
    }
  }

  private func delayAfterRefusal(_ now: Int64) { eventsPausedUntil = now + Self.refusedPauseNanoseconds }

  /// A QoS 1 message that stays unanswered means a dead broker behind a live socket. It also bounds how
  /// long a 16-bit message identifier is in use, so that it cannot meet itself again.
  private func checkAcknowledgements(_ now: Int64) throws(BrokerError) {
    let sent = [
      outbox.oldestSent, statusInFlight?.since, birthInFlight?.since, repliesInFlight.values.min(),
      burstReplyInFlight?.since, subscription.oldestProbe,
    ]
    guard let oldest = sent.compactMap({ $0 }).min() else { return }
    if Double(now - oldest) > options.acknowledgementSeconds * 1e9 {
      throw .acknowledgementTimeout(seconds: options.acknowledgementSeconds)
    }
  }

  private func publishStatusSnapshot() {
    status.lastTurnNanoseconds = PublisherClock.monotonic()
    let counts = intake.box.counts
    status.commandsAccepted = counts.executed + stopReplies.executed
    status.commandsRefused = counts.refused + stopReplies.refused + intake.unread + intake.queueFull
    status.drops.unread = intake.unread
    status.drops.queueFull = intake.queueFull
    status.drops.streamRefusals = counts.streamRefusals
    status.drops.stopReplies = answers.unanswered
    status.events = deriver.count
    status.eventsWaiting = outbox.count
    status.drops.events = outbox.dropped
    var shown = status
    shown.drops.replies += counts.dropped + stopReplies.dropped
    shared.update(shown)
  }

  // MARK: Farewell

  /// Sends what is left, then `disconnected`, and waits for the acknowledgements within the limit.
  private func sayFarewell() {
    readRing()
    if let connection = link.connection {
      do throws(BrokerError) {
        let clean = try finish(connection, start: PublisherClock.monotonic())
        shared.farewellAcknowledged.store(clean, ordering: .releasing)
        // Without the acknowledgement no DISCONNECT: the will then says what the status could not.
        if clean { connection.disconnect() }
      } catch { status.lastError = "\(options.brokerText): \(error)" }
    }
    link.end()
    status.connected = false
  }

  /// Whether the status `disconnected` was acknowledged in time.
  private func finish(_ connection: BrokerConnection, start: Int64) throws(BrokerError) -> Bool {
    let limit = Int64(options.stopSeconds * 1e9)
    var farewell: Int32?
    statusDirty = false
    while true {
      let now = PublisherClock.monotonic()
      if now - start > limit { return false }
      try publishEvents(on: connection, now)
      // After the events; but events that cannot leave must not keep the status from being said.
      let eventsDone = outbox.nextWaiting() == nil || now < eventsPausedUntil || now - start > limit / 2
      if farewell == nil, eventsDone {
        let payload = statusPayload.encode(
          .disconnected, session: session, fault: (current.fault, current.joint), sequence: lastSequence)
        let message = try connection.publish(topic: topics.status, payload: payload, qos: 1, retain: true)
        farewell = message
        statusInFlight = (message, now)
      }
      try connection.turn(timeoutMilliseconds: Self.longestTurnMilliseconds, shared.wakeUp)
      noteCompletions(of: connection, now)
      if farewell != nil, statusInFlight == nil, outbox.count == 0 || now < eventsPausedUntil {
        return !statusDirty
      }
    }
  }
}
