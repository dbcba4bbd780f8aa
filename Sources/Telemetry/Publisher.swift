import Glibc
import HandModel
import Realtime
import Synchronization

/// Publishes a running hand over MQTT and takes its commands; docs/telemetry.md has topics and payloads.
///
/// Owns three threads. The first reads tick records from a ring and can never slow down their producer: what it
/// cannot send it drops and counts. Events are kept until the broker acknowledges them. The second is the stop's own
/// way (`StopLink`), the third waits for what came of stops (`StopAnswers`).
package final class Publisher: Sendable {
  let shared: PublisherShared
  private let options: PublisherOptions
  private let ring: Ring<TickRecord>
  private let answers: StopAnswers
  private let makeLoop: @Sendable (PublisherShared) -> PublisherLoop
  private let makeStopLink: @Sendable (PublisherShared) -> StopLink
  private let threads = SharedState<ThreadState>(.notStarted)

  /// Beyond the time that the farewell may take: for threads on a busy machine to come to their end.
  package static let graceSeconds = 1.0
  /// When `stop` gives up waiting, by the monotonic clock; nil until `beginStop`.
  private let stopLimit = SharedState<Int64?>(nil)

  private enum ThreadState {
    case notStarted
    case running([pthread_t])
    case ended(clean: Bool)
  }

  /// Checks options, identifier and every named file; connects to nothing yet.
  /// - Parameters:
  ///   - ring: tick records, produced by the loop; this publisher is its only consumer.
  ///   - commands: where commands and stops go.
  package init(
    options: PublisherOptions, identity: HandIdentity, ring: Ring<TickRecord>, commands: CommandSink
  ) throws(PublisherOptionsError) {
    try options.validate()
    guard HandIdentity.isValid(handID: identity.handID) else { throw .badHandID(found: identity.handID) }
    if let file = options.credentialsFile {
      do throws(BrokerCredentialsError) { _ = try BrokerCredentials(file: file) } catch {
        throw .credentials(error)
      }
    }
    for file in [options.tls?.authorityFile, options.tls?.certificateFile, options.tls?.keyFile] {
      guard let file else { continue }
      // A directory or an empty file would show with the first connection only, whenever the broker comes.
      var attributes = stat()
      guard stat(file, &attributes) == 0, access(file, R_OK) == 0 else {
        throw .unreadable(file: file, reason: String(cString: strerror(errno)))
      }
      guard attributes.st_mode & S_IFMT == S_IFREG else {
        throw .unreadable(file: file, reason: "not a regular file")
      }
      guard attributes.st_size > 0 else { throw .unreadable(file: file, reason: "empty") }
    }
    self.options = options
    self.ring = ring
    shared = PublisherShared(status: PublisherStatus(broker: options.brokerText))
    let answers = StopAnswers(awaitStop: commands.awaitStop)
    self.answers = answers
    var commands = commands
    let requestStop = commands.requestStop
    commands.requestStop = {
      requestStop()
      answers.requested()
    }
    let sink = commands
    makeLoop = { shared in
      PublisherLoop(
        options: options, identity: identity, ring: ring, shared: shared, sink: sink, answers: answers)
    }
    makeStopLink = { shared in
      StopLink(options: options, identity: identity, sink: sink, answers: answers, shared: shared)
    }
  }

  deinit { beginStop() }

  /// Starts the threads. A publisher starts once; a second call does nothing.
  package func start() throws(PublisherError) {
    try threads.withLock { state throws(PublisherError) in
      guard case .notStarted = state else { return }
      var running: [pthread_t] = []
      for (name, body) in bodies {
        switch PublisherThread.start(name: name, body) {
        case .success(let handle):
          running.append(handle)
          shared.running.wrappingAdd(1, ordering: .acquiringAndReleasing)
        case .failure(let error):
          beginStop()
          for handle in running { pthread_detach(handle) }
          state = .ended(clean: false)
          throw .noThread(errno: error.errno)
        }
      }
      state = .running(running)
    }
  }

  /// What each thread does; the stop's way first.
  private var bodies: [(name: String, body: @Sendable () -> Void)] {
    [
      (
        "mqtt-stop",
        { [shared, makeStopLink] in
          makeStopLink(shared).run()
          shared.threadEnded()
        }
      ),
      (
        "stop-answers",
        { [shared, answers] in
          answers.run()
          shared.threadEnded()
        }
      ),
      (
        "publisher",
        { [shared, makeLoop] in
          makeLoop(shared).run()
          shared.markEnded()
          shared.threadEnded()
        }
      ),
    ]
  }

  /// Asks for the end and does not wait: the time of `stop` runs from here. Idempotent.
  package func beginStop() {
    stopLimit.withLock { limit in
      guard limit == nil else { return }
      limit = PublisherClock.monotonic() + Int64((options.stopSeconds + Self.graceSeconds) * 1e9)
    }
    shared.stopRequested.store(true, ordering: .releasing)
    shared.wakeUp.ring()
    shared.stopWakeUp.ring()
    answers.end()
  }

  /// Publishes what is left and the status `disconnected`, closes both connections and ends the threads, all within
  /// `PublisherOptions.stopSeconds` (a second more on a machine that does not let them run). A broker that does not
  /// acknowledge in that time sends the will.
  /// - Returns: whether the broker acknowledged the farewell.
  @discardableResult
  package func stop() -> Bool {
    threads.withLock { state in
      switch state {
      case .notStarted:
        state = .ended(clean: false)
        return false
      case .ended(let clean): return clean
      case .running(let handles):
        beginStop()
        end(handles)
        let clean = shared.farewellAcknowledged.load(ordering: .acquiring)
        state = .ended(clean: clean)
        return clean
      }
    }
  }

  /// Their own deadline ends the threads; the longer one here covers those that the machine does not let run, which
  /// are then left to end by themselves.
  private func end(_ handles: [pthread_t]) {
    let limit = stopLimit.withLock { $0 ?? 0 }
    while shared.running.load(ordering: .acquiring) > 0 {
      if PublisherClock.monotonic() > limit {
        for handle in handles { pthread_detach(handle) }
        return
      }
      var step = timespec(tv_sec: 0, tv_nsec: 2_000_000)
      nanosleep(&step, nil)
    }
    for handle in handles { pthread_join(handle, nil) }
  }

  package var status: PublisherStatus {
    var status = shared.status
    status.lagTicks = ring.count
    status.drops.ringRecords = ring.dropped
    return status
  }
}

/// Why a publisher could not start.
package enum PublisherError: Error, Equatable, CustomStringConvertible {
  case noThread(errno: Int32)

  package var description: String {
    switch self {
    case .noThread(let number): "publisher thread: \(String(cString: strerror(number)))"
    }
  }
}

/// What the publisher's threads and everybody else share.
final class PublisherShared: Sendable {
  let stopRequested = Atomic(false)
  let farewellAcknowledged = Atomic(false)
  /// Threads whose work is not over yet.
  let running = Atomic(0)
  /// Of the publisher's thread, and of the stop's.
  let wakeUp = WakeUp()
  let stopWakeUp = WakeUp()
  /// Whether stops of their own topic are answered by their own connection: one reply for each is enough.
  let stopWayAnswers = Atomic(false)
  let stopCopies = StopCopies()
  private let newestSequence = Atomic<UInt64>(.max)
  private let snapshot: SharedState<PublisherStatus>
  private let stopReport = SharedState((way: CommandWay(), counts: ReplyBox.Counts()))

  init(status: PublisherStatus) { snapshot = SharedState(status) }

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
        report.way.become(state, error)
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

  func threadEnded() { running.wrappingSubtract(1, ordering: .acquiringAndReleasing) }

  func markEnded() {
    snapshot.withLock { status in
      status.running = false
      status.connected = false
    }
  }
}
