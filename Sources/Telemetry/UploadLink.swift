import CMosquitto
import HandModel
import Logging
import Realtime
import Recording
import Wire

/// Sends what is recorded: the newest block, then what has not arrived yet, the oldest first. The recording
/// is the queue: memory holds no more than what is in flight.
///
/// Has a connection of its own, so that a block of a hundred kilobytes stands before no sample, event or
/// reply in the socket, and a thread of its own, which alone waits for the disk.
final class UploadLink {
  /// Blocks sent and not acknowledged: a round trip of 200 ms still lets 2 MB/s through. They are all the
  /// memory that this takes, some 0.5 MB.
  static let blocksInFlightLimit = 4
  /// Likewise of events, as of those that are live.
  static let eventsInFlightLimit = 64
  /// A block takes its time on a thin uplink, and the ping waits behind it.
  static let keepaliveSeconds = 60
  /// The thinnest uplink that is waited for, 64 kbit/s.
  static let slowestBytesPerSecond = 8000.0
  /// What is retained comes right behind the answer to the subscription: whoever sends before it sends again
  /// what is stored.
  private static let listenNanoseconds: Int64 = 500_000_000
  private static let refreshNanoseconds: Int64 = 2_000_000_000
  /// How often the newest segment is looked at, by its time alone: a block comes every half a second.
  static let lookNanoseconds: Int64 = 100_000_000
  private static let saveNanoseconds: Int64 = 5_000_000_000
  private static let longestTurnMilliseconds: Int32 = 100
  /// After a message that was refused or that nobody heard. A consumer that comes says so itself.
  private static let firstPauseNanoseconds: Int64 = 5_000_000_000
  private static let largestPauseNanoseconds: Int64 = 60_000_000_000

  private let options: PublisherOptions
  let upload: UploadOptions
  let identity: HandIdentity
  let topics: Topics
  private let shared: PublisherShared
  private let logger: Logger?
  let source: UploadSource
  var plan = UploadPlan()
  private var cursor = UploadCursor()
  private var saved = UploadCursor()
  var status: UploadStatus
  private var link: BrokerLink
  /// Whose acknowledgements the plan holds.
  var broker: String
  /// What a consumer said last, not read yet.
  private var inbox = Locked<[UInt8]?>(nil)
  /// When a consumer has said something last.
  private var heardAt = Int64.min / 2
  /// Not answered yet.
  private var subscription: (message: Int32, since: Int64)?
  var inFlight: [Int32: (item: UploadPlan.Item, since: Int64, bytes: Int)] = [:]
  var newest: ClosedRange<UInt64>?
  var backlogAt: Int64 = 0
  /// A consumer that hears only one kind must not keep that from being sent: each has a pause of its own.
  private var pauses: [UploadPlan.Kind: Pause] = [:]

  private struct Pause {
    var until: Int64 = 0
    /// How long the next one is.
    var nanoseconds = UploadLink.firstPauseNanoseconds
  }

  private var refreshAt = Int64.min
  private var lookAt = Int64.min
  private var saveAt = Int64.min
  /// Of this run, as of the refresh before: the live way has had its chance with them.
  private var settledEvent: UInt64 = 0
  private var around: [String: (lastEvent: UInt64, ticks: SequenceRanges)] = [:]
  private var problems = OncePerCause()

  init(
    options: PublisherOptions, upload: UploadOptions, identity: HandIdentity, shared: PublisherShared,
    logger: Logger?
  ) {
    var options = options
    options.keepaliveSeconds = max(options.keepaliveSeconds, Self.keepaliveSeconds)
    self.options = options
    self.upload = upload
    self.identity = identity
    self.shared = shared
    self.logger = logger
    topics = Topics(handID: identity.handID)
    source = UploadSource(directory: upload.directory, handID: identity.handID)
    status = UploadStatus(mode: upload.mode)
    link = BrokerLink(options, wakeUp: shared.uploadWakeUp)
    broker = options.brokerText
  }

  /// Runs until a stop of the publisher is requested. What is not sent then, the next start sends.
  func run() {
    do throws(MessageProblem) { cursor = try UploadCursor.read(in: upload.directory) } catch {
      problem("\(error); what was acknowledged is sent again")
    }
    saved = cursor
    plan.expiredUnsent = cursor.expiredUnsent
    for (id, run) in cursor.runs { plan.restore(run: id, last: run.last, absent: run.absent) }
    plan.change(acknowledged: acknowledged)
    while !shared.stopRequested.load(ordering: .acquiring) {
      let now = MonotonicClock().now()
      look(now)
      serveLink(now)
      report()
      if now >= saveAt { save(now) }
    }
    save(MonotonicClock().now())
    link.connection?.disconnect()
    link.end()
    status.connected = false
    report()
  }

  // MARK: The recording

  private func look(_ now: Int64) {
    if now >= refreshAt {
      refreshAt = now + Self.refreshNanoseconds
      do throws(RecordingError) {
        try source.refresh()
        takeRuns()
      } catch { problem(error.description) }
    }
    guard upload.mode != .live, now >= lookAt else { return }
    lookAt = now + Self.lookNanoseconds
    guard let block = source.newBlock(of: identity.runID) else { return }
    newest = block
    if let run = source.runs.first(where: { $0.id == identity.runID }) { take(run) }
  }

  private func takeRuns() {
    // What is in flight on the live way comes there; afterwards what it could not take is sent from here.
    let isLiveIdle = shared.status.eventsWaiting == 0
    let runs = source.runs
    for run in runs {
      guard run.id == identity.runID else {
        take(run)
        continue
      }
      if !isLiveIdle { settledEvent = min(settledEvent, run.lastEvent) }
      take(run, lastEvent: isLiveIdle ? settledEvent : 0)
      settledEvent = run.lastEvent
    }
    plan.keep(
      runs.map(\.id), isThere: { self.source.runIDs.contains($0) },
      wanted: { self.around[$0]?.ticks ?? self.everything })
    around = around.filter { id, _ in runs.contains { $0.id == id } }
    count(runs)
  }

  private func take(_ run: UploadSource.Run, lastEvent: UInt64? = nil) {
    plan.note(
      run: run.id, recorded: run.ticks, wanted: wanted(of: run),
      lastEvent: lastEvent ?? (run.id == identity.runID ? 0 : run.lastEvent), isWhole: run.unreadSegments == 0
    )
  }

  private var everything: SequenceRanges {
    upload.mode == .full ? SequenceRanges(0...SequenceRanges.largest) : SequenceRanges()
  }

  private func wanted(of run: UploadSource.Run) -> SequenceRanges {
    guard upload.mode == .events else { return everything }
    if let known = around[run.id], known.lastEvent == run.lastEvent { return known.ticks }
    let margin = UploadOptions.marginSeconds * UInt64(max(0, run.rateHertz))
    guard let ticks = source.ticksAroundTrouble(run: run.id, margin: margin) else {
      return around[run.id]?.ticks ?? SequenceRanges()
    }
    around[run.id] = (run.lastEvent, ticks)
    return ticks
  }

  private func count(_ runs: [UploadSource.Run]) {
    (status.backlogTicks, status.backlogBytes, status.backlogEvents) = (0, 0, 0)
    var oldest: UploadStatus.Oldest?
    for run in runs {
      guard let plan = plan.runs[run.id] else { continue }
      let backlog = plan.ticks.backlog
      let recorded = run.ticks.count
      status.backlogTicks += backlog.count
      if recorded > 0 {
        status.backlogBytes += UInt64(Double(run.bytes) * Double(backlog.count) / Double(recorded))
      }
      status.backlogEvents += plan.events.backlog.count
      guard oldest == nil, let first = backlog.first else { continue }
      oldest =
        status.oldest?.runID == run.id && status.oldest?.sequence == first
        ? status.oldest
        : .init(
          runID: run.id, sequence: first, wallNanoseconds: source.wallNanoseconds(run: run.id, from: first))
    }
    status.oldest = oldest
  }

  // MARK: Link

  private func serveLink(_ now: Int64) {
    do throws(BrokerError) {
      if let connection = link.connection {
        try serve(connection, now)
      } else if let connection = try link.step(now, attempt: beginAttempt) {
        status.connected = true
        subscription = (try connection.subscribe(to: topics.stored), now)
      }
    } catch {
      status.connected = false
      status.lastError = "\(link.broker.brokerText): \(error)"
      inFlight.removeAll()
      plan.connectionLost()
      subscription = nil
      pauses.removeAll()
      link.fail(now)
    }
  }

  private func beginAttempt(_ options: PublisherOptions) -> ConnectionAttempt {
    if options.brokerText != broker {
      remember()
      broker = options.brokerText
      plan.change(acknowledged: acknowledged)
    }
    let box = Locked<[UInt8]?>(nil)
    inbox = box
    let clientID = "\(options.clientIDPrefix)-\(identity.handID)-upload"
    return ConnectionAttempt { () throws(BrokerError) in
      try BrokerConnection.open(
        options, clientID: clientID, will: nil, largestPacketBytes: BrokerConnection.largestCommandPacketBytes
      ) { message in
        let bytes = Array(UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen)))
        box.withLock { $0 = bytes }
      }
    }
  }

  private func serve(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    takeLiveEvents(now)
    plan.resend(now)
    if mayUpload(.events, now) { try sendEvents(on: connection, now) }
    if mayUpload(.ticks, now) { try sendBlocks(on: connection, now) }
    try connection.turn(timeoutMilliseconds: turnMilliseconds(now), shared.uploadWakeUp)
    // A refusal is no reason to keep what is recorded back: acknowledgements count then.
    for grant in connection.takeGrants() where grant.message == subscription?.message {
      subscription = nil
      let listening = Pause(until: MonotonicClock().now() + Self.listenNanoseconds)
      pauses = [.ticks: listening, .events: listening]
    }
    readInbox(now)
    takeCompletions(of: connection, MonotonicClock().now())
    try checkAcknowledgements(connection, MonotonicClock().now())
  }

  private func turnMilliseconds(_ now: Int64) -> Int32 {
    let isReady =
      mayUpload(.ticks, now) && count(inFlight: .ticks) < Self.blocksInFlightLimit && plan.next(.ticks) != nil
    let next = isReady ? max(0, backlogAt - now) : .max
    return max(1, Int32(clamping: min(Int64(Self.longestTurnMilliseconds), next / 1_000_000)))
  }

  private func mayUpload(_ kind: UploadPlan.Kind, _ now: Int64) -> Bool {
    subscription == nil && now >= pauses[kind]?.until ?? 0 && !plan.isFull(inFlight: inFlight.count)
  }

  /// Messages of a kind that were sent and not answered.
  func count(inFlight kind: UploadPlan.Kind) -> Int { inFlight.values.count { $0.item.kind == kind } }

  private func takeLiveEvents(_ now: Int64) {
    let live = shared.takeLiveEvents()
    guard live.broker == broker else { return }
    for range in live.numbers.ranges {
      plan.acknowledgedLive(.init(run: identity.runID, kind: .events, range: range), now)
    }
  }

  private func readInbox(_ now: Int64) {
    let bytes = inbox.withLock { bytes -> [UInt8]? in
      defer { bytes = nil }
      return bytes
    }
    guard let bytes else { return }
    // How a retained message is taken back.
    guard !bytes.isEmpty else { return plan.forgetConsumer() }
    do throws(MessageProblem) {
      let message = try StoredMessage(decoding: bytes)
      for run in plan.heard(message, now) {
        problem(
          "\(topics.stored): \(message.consumer) tells of more than run \(run) has; that part is not believed",
          cause: "not believed")
      }
      // A consumer that comes need not wait; one that says something all the time ends no pause.
      if now - heardAt >= Self.firstPauseNanoseconds { pauses.removeAll() }
      heardAt = now
    } catch { problem("\(topics.stored): \(error)") }
  }

  // MARK: Answers

  private func takeCompletions(of connection: BrokerConnection, _ now: Int64) {
    for completion in connection.takeCompletions() {
      guard let (item, _, bytes) = inFlight.removeValue(forKey: completion.message) else { continue }
      let isUnheard = completion.reason == Int32(MQTT_RC_NO_MATCHING_SUBSCRIBERS.rawValue)
      let isRefused = completion.reason >= 0x80
      plan.answered(
        item, isTaken: !isUnheard && !isRefused, inFlight: inFlight.values.map(\.item), now)
      guard isUnheard || isRefused else {
        if item.kind == .ticks { status.blocksAcknowledged += 1 }
        pauses[item.kind]?.nanoseconds = Self.firstPauseNanoseconds
        continue
      }
      if isUnheard { status.unheard += 1 } else { status.refused += 1 }
      if completion.reason == MQTT_RC_PACKET_TOO_LARGE.reason {
        problem(
          "\(broker) takes no message of \(bytes) bytes: raise its limit; what it holds waits here",
          cause: "\(broker) takes none so large")
        plan.skip(item)
        continue
      }
      if isRefused { problem("\(broker): message refused: \(BrokerError.text(completion.reason))") }
      var pause = pauses[item.kind] ?? Pause()
      guard now >= pause.until else { continue }
      pause.until = now + pause.nanoseconds
      pause.nanoseconds = min(2 * pause.nanoseconds, Self.largestPauseNanoseconds)
      pauses[item.kind] = pause
    }
  }

  /// A dead broker behind a live socket; what is in flight has its time on a thin uplink.
  private func checkAcknowledgements(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    guard let oldest = (inFlight.values.map(\.since) + [subscription?.since].compactMap(\.self)).min() else {
      return
    }
    let bytes = inFlight.values.reduce(0) { $0 + $1.bytes }
    let seconds = options.acknowledgementSeconds + Double(bytes) / Self.slowestBytesPerSecond
    if Double(now - max(oldest, connection.answeredAt)) > seconds * 1e9 {
      throw .acknowledgementTimeout(seconds: seconds)
    }
  }

  // MARK: What is kept

  private func acknowledged(_ run: String) -> (ticks: SequenceRanges, events: SequenceRanges) {
    let known = cursor.runs[run]?.brokers[broker] ?? UploadCursor.Acknowledged()
    return (known.ticks, known.events)
  }

  /// Takes the plan's acknowledgements over into the cursor.
  private func remember() {
    cursor.expiredUnsent = plan.expiredUnsent
    cursor.runs = cursor.runs.filter { plan.runs[$0.key] != nil }
    for (id, run) in plan.runs {
      cursor.runs[id, default: .init()].last = run.last
      cursor.runs[id]?.absent = run.ticks.absent
      cursor.runs[id]?.brokers[broker] = .init(ticks: run.ticks.acknowledged, events: run.events.acknowledged)
    }
  }

  private func save(_ now: Int64) {
    saveAt = now + Self.saveNanoseconds
    remember()
    guard cursor != saved else { return }
    do throws(Errno) {
      try cursor.save(in: upload.directory)
      saved = cursor
    } catch {
      problem("\(upload.directory)/\(UploadCursor.fileName): cannot be written: \(error)")
    }
  }

  /// - Parameter cause: what is told once, where the text has words of others or numbers.
  func problem(_ text: String, cause: String? = nil) {
    status.lastError = text
    if problems.isNew(cause ?? text) { logger?.warning("\(text.printable)") }
  }

  private func report() {
    status.consumer = plan.consumer
    status.unconfirmed = plan.unconfirmedCount
    status.blocksStored = plan.blocksStored
    status.expiredUnsent = plan.expiredUnsent
    shared.report(status)
  }
}
