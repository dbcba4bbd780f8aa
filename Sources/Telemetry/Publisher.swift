import Glibc
import HandModel
import Logging
import Realtime
import Synchronization
import Wire

/// Publishes a running hand over MQTT and takes its commands; docs/telemetry.md has topics and payloads.
///
/// Owns two threads, and more where they are asked for. The first reads tick records from a ring and can
/// never slow down their producer: what it cannot send it drops and counts. Events are kept until the broker
/// acknowledges them. The second is the stop's own way (`StopLink`). With a recording another one sends what
/// is recorded (`UploadLink`), and one is the hand as an edge node of Sparkplug (`SparkplugLink`).
package final class Publisher: Sendable {
  let shared: PublisherShared
  private let options: PublisherOptions
  private let ring: Ring<TickRecord>
  private let makeLoop: @Sendable (PublisherShared) -> PublisherLoop
  private let makeStopLink: @Sendable (PublisherShared) -> StopLink
  private let makeSparkplugLink: (@Sendable (PublisherShared) -> SparkplugLink)?
  private let sparkplug: SparkplugFeed?
  private let makeUploadLink: (@Sendable (PublisherShared) -> UploadLink)?
  private let threads = Locked<ThreadState>(.notStarted)

  /// Beyond the time that the farewell may take: for threads on a busy machine to come to their end.
  package static let graceSeconds = 1.0
  /// When `stop` gives up waiting, by the monotonic clock; nil until `beginStop`.
  private let stopLimit = Locked<Int64?>(nil)

  private enum ThreadState {
    case notStarted
    case running([RealtimeThread])
    case ended(clean: Bool)
  }

  /// Checks options, identifier and every named file; connects to nothing yet.
  /// - Parameters:
  ///   - ring: tick records, produced by the loop; this publisher is its only consumer.
  ///   - recordedEvents: the hand's events as its recorder stores them; nil = nothing is recorded, and the
  ///     publisher finds them itself.
  ///   - upload: what of the recording is sent; nil = nothing is recorded.
  ///   - chainHead: the head of the recorded events' hash chain, as the recorder moves it; nil = none.
  ///   - commands: where commands and stops go.
  ///   - logger: told what the broker refuses, each reason once a connection; nil = nobody.
  package init(
    options: PublisherOptions, identity: HandIdentity, ring: Ring<TickRecord>,
    recordedEvents: HandOver<HandEvent>? = nil, chainHead: Locked<ChainHead?>? = nil,
    upload: UploadOptions? = nil, commands: CommandSink,
    logger: Logger? = nil
  ) throws(PublisherOptionsError) {
    try options.validate()
    guard HandIdentity.isValid(handID: identity.handID) else { throw .badHandID(found: identity.handID) }
    if let file = options.credentialsFile {
      do throws(BrokerCredentialsError) { _ = try BrokerCredentials(file: file) } catch {
        throw .credentials(error)
      }
    }
    let tls = options.brokers.compactMap(\.tls)
    for file in tls.flatMap({ [$0.authorityFile, $0.certificateFile, $0.keyFile] }) {
      guard let file else { continue }
      // A directory or an empty file would show with the first connection only, whenever the broker comes.
      var attributes = stat()
      guard stat(file, &attributes) == 0, access(file, R_OK) == 0 else {
        throw .unreadable(file: file, reason: Errno.latest.description)
      }
      guard attributes.st_mode & S_IFMT == S_IFREG else {
        throw .unreadable(file: file, reason: "not a regular file")
      }
      guard attributes.st_size > 0 else { throw .unreadable(file: file, reason: "empty") }
    }
    self.options = options
    self.ring = ring
    shared = PublisherShared(status: PublisherStatus(broker: options.brokerText))
    let answers = StopAnswers(sink: commands)
    let sparkplug = options.sparkplugGroup.map { _ in
      SparkplugFeed(options, rateHertz: identity.board.control.rateHertz)
    }
    self.sparkplug = sparkplug
    makeLoop = { shared in
      PublisherLoop(
        options: options, identity: identity, ring: ring, shared: shared, recordedEvents: recordedEvents,
        chainHead: chainHead, hasUpload: upload != nil, sink: commands, answers: answers,
        sparkplug: sparkplug,
        logger: logger)
    }
    if let upload {
      makeUploadLink = { shared in
        UploadLink(options: options, upload: upload, identity: identity, shared: shared, logger: logger)
      }
    } else {
      makeUploadLink = nil
    }
    makeStopLink = { shared in
      StopLink(options: options, identity: identity, sink: commands, answers: answers, shared: shared)
    }
    if let group = options.sparkplugGroup, let sparkplug {
      makeSparkplugLink = { shared in
        SparkplugLink(options: options, group: group, identity: identity, feed: sparkplug, logger: logger) {
          shared.stopRequested.load(ordering: .acquiring)
        }
      }
    } else {
      makeSparkplugLink = nil
    }
  }

  deinit {
    beginStop()
    // A broker that hangs must not hold the owner: the threads end by themselves.
    if case .running(let threads) = threads.withLock({ $0 }) { for thread in threads { thread.leave() } }
  }

  /// Starts the threads. A publisher starts once; a second call does nothing.
  package func start() throws(PublisherError) {
    try threads.withLock { state throws(PublisherError) in
      guard case .notStarted = state else { return }
      var running: [RealtimeThread] = []
      for (name, body) in bodies {
        do throws(RealtimeThreadError) {
          running.append(try Self.thread(name, body))
        } catch {
          beginStop()
          for thread in running { thread.leave() }
          state = .ended(clean: false)
          throw .noThread(error)
        }
      }
      state = .running(running)
    }
  }

  /// What each thread does; the stop's way first.
  private var bodies: [(name: String, body: @Sendable () -> Void)] {
    var bodies: [(name: String, body: @Sendable () -> Void)] = [
      (
        "mqtt-stop",
        { [shared, makeStopLink] in
          makeStopLink(shared).run()
        }
      ),
      (
        "publisher",
        { [shared, makeLoop] in
          makeLoop(shared).run()
          shared.markEnded()
        }
      ),
    ]
    if let makeUploadLink {
      bodies.append(("mqtt-upload", { [shared] in makeUploadLink(shared).run() }))
    }
    if let makeSparkplugLink {
      bodies.append(("mqtt-sparkplug", { [shared] in makeSparkplugLink(shared).run() }))
    }
    return bodies
  }

  /// Asks for the end and does not wait: the time of `stop` runs from here. Idempotent.
  package func beginStop() {
    stopLimit.withLock { limit in
      guard limit == nil else { return }
      limit = MonotonicClock().now() + Int64((options.stopSeconds + Self.graceSeconds) * 1e9)
    }
    shared.stopRequested.store(true, ordering: .releasing)
    shared.wakeUp.ring()
    shared.stopWakeUp.ring()
    sparkplug?.wakeUp.ring()
    shared.uploadWakeUp.ring()
  }

  /// Publishes what is left and the status `disconnected`, closes both connections and ends the threads, all
  /// within `PublisherOptions.stopSeconds` (a second more on a machine that does not let them run). A broker
  /// that does not acknowledge in that time sends the will.
  /// - Returns: whether the broker acknowledged the farewell.
  @discardableResult
  package func stop() -> Bool {
    threads.withLock { state in
      switch state {
      case .notStarted:
        state = .ended(clean: false)
        return false
      case .ended(let clean): return clean
      case .running(let threads):
        beginStop()
        end(threads)
        let clean = shared.farewellAcknowledged.load(ordering: .acquiring)
        state = .ended(clean: clean)
        return clean
      }
    }
  }

  /// Their own deadline ends the threads; the longer one here covers those that the machine does not let run,
  /// which are then left to end by themselves.
  private func end(_ threads: [RealtimeThread]) {
    let limit = stopLimit.withLock { $0 ?? 0 }
    for thread in threads { _ = thread.join(by: limit) }
  }

  /// The library, OpenSSL's handshake and the encoders need less than a tenth of it; the default of 8 MiB
  /// would be locked into memory by the daemon's `mlockall`, and so would a stack that is touched at the
  /// start.
  private static let stackBytes = 512 * 1024

  /// A thread of the publisher's.
  static func thread(
    _ name: String, _ body: @escaping @Sendable () -> Void
  ) throws(RealtimeThreadError) -> RealtimeThread {
    try RealtimeThread(name: name, policy: .normal, stackBytes: stackBytes, touchesStack: false, body: body)
  }

  package var status: PublisherStatus {
    var status = shared.status
    status.lagTicks = ring.count
    status.drops.ringRecords = ring.dropped
    status.sparkplug = sparkplug?.status
    status.upload = shared.upload
    return status
  }
}

/// Why a publisher could not start.
package enum PublisherError: Error, Equatable, CustomStringConvertible {
  /// One of its threads could not be started.
  case noThread(RealtimeThreadError)

  package var description: String {
    switch self {
    case .noThread(let reason): "publisher thread: \(reason)"
    }
  }
}

/// What the publisher's threads and everybody else share.
final class PublisherShared: Sendable {
  let stopRequested = Atomic(false)
  let farewellAcknowledged = Atomic(false)
  /// Of the publisher's thread, of the stop's and of the upload's.
  let wakeUp = WakeUp()
  let stopWakeUp = WakeUp()
  let uploadWakeUp = WakeUp()
  /// Whether stops of their own topic are answered by their own connection: one reply for each is enough.
  let stopWayAnswers = Atomic(false)
  let stopCopies = StopCopies()
  private let newestSequence = Atomic<UInt64>(.max)
  private let snapshot: Locked<PublisherStatus>
  private let uploadReport = Locked<UploadStatus?>(nil)
  /// Events that the live way has brought to a subscriber, and the broker that took them.
  private let liveEvents = Locked((broker: "", numbers: SequenceRanges()))
  private let stopReport = Locked((way: CommandWay(), counts: ReplyBox.Counts()))

  init(status: PublisherStatus) { snapshot = Locked(status) }

  var status: PublisherStatus { snapshot.withLock { $0 } }
  func update(_ status: PublisherStatus) { snapshot.withLock { $0 = status } }

  /// The newest tick record's; nil before the first.
  var lastSequence: UInt64? {
    get {
      let sequence = newestSequence.load(ordering: .relaxed)
      return sequence == .max ? nil : sequence
    }
    set { newestSequence.store(newValue ?? .max, ordering: .relaxed) }
  }

  /// The stop's thread: how its way is, and its replies.
  func reportStopWay(_ state: CommandWay.State, _ error: String, _ counts: ReplyBox.Counts) {
    let isChanged = stopReport.withLock { report in
      defer {
        report.way.become(state, error, now: MonotonicClock().wallNow())
        report.counts = counts
      }
      return report.way.state != state
    }
    guard isChanged else { return }
    stopWayAnswers.store(state == .up, ordering: .releasing)
    wakeUp.ring()
  }

  /// As the stop's connection sees it: `up` means that the broker granted the subscription.
  var stopWay: (way: CommandWay, counts: ReplyBox.Counts) { stopReport.withLock { $0 } }

  /// Nil as long as nothing is uploaded.
  var upload: UploadStatus? { uploadReport.withLock { $0 } }
  func report(_ upload: UploadStatus) { uploadReport.withLock { $0 = upload } }

  /// An event has gone the live way.
  func noteLiveEvent(_ number: UInt64, broker: String) {
    liveEvents.withLock { events in
      if events.broker != broker { events = (broker, SequenceRanges()) }
      events.numbers.insert(number...number)
    }
  }

  /// Takes the events that have gone the live way since the last call.
  func takeLiveEvents() -> (broker: String, numbers: SequenceRanges) {
    liveEvents.withLock { events in
      defer { events.numbers = SequenceRanges() }
      return events
    }
  }

  func markEnded() {
    snapshot.withLock { status in
      status.running = false
      status.connected = false
    }
  }
}
