import Glibc
import HandModel
import Realtime
import Synchronization

/// Publishes a running hand over MQTT and takes its commands; docs/telemetry.md has topics and payloads.
///
/// Owns one thread. It reads tick records from a ring and can never slow down their producer: what it
/// cannot send it drops and counts. Events are kept until the broker acknowledges them.
package final class Publisher: Sendable {
  let shared: PublisherShared
  private let options: PublisherOptions
  private let ring: Ring<TickRecord>
  private let makeLoop: @Sendable (PublisherShared) -> PublisherLoop
  private let thread = SharedState<ThreadState>(.notStarted)

  /// Time for a command handler to return when `stop()` comes while it runs.
  package static let handlerGraceSeconds = 1.0
  /// When `stop` gives up waiting, by the monotonic clock; nil until `beginStop`.
  private let stopLimit = SharedState<Int64?>(nil)

  private enum ThreadState {
    case notStarted
    case running(pthread_t)
    case ended(clean: Bool)
  }

  /// Checks options, identifier and every named file; connects to nothing yet.
  /// - Parameters:
  ///   - ring: tick records, produced by the loop; this publisher is its only consumer.
  ///   - submit: hands a command to the runtime; called on the publisher thread, must not block for long.
  ///   - parse: reads a JSON command body. The verb is the topic's last level, or empty where the body
  ///     itself names it in its field `verb`.
  package init(
    options: PublisherOptions, identity: HandIdentity, ring: Ring<TickRecord>,
    submit: @escaping @Sendable (CommandEnvelope, CommandSource) -> CommandReply,
    parse:
      @escaping @Sendable (_ body: [UInt8], _ verb: String) -> Result<CommandEnvelope, CommandRejection>
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
    makeLoop = { shared in
      PublisherLoop(
        options: options, identity: identity, ring: ring, shared: shared,
        intake: CommandIntake(bootID: identity.bootID, submit: submit, parse: parse))
    }
  }

  deinit { shared.stopRequested.store(true, ordering: .releasing) }

  /// Starts the thread. A publisher starts once; a second call does nothing.
  package func start() throws(PublisherError) {
    try thread.withLock { state throws(PublisherError) in
      guard case .notStarted = state else { return }
      let started = PublisherThread.start(name: "publisher") { [shared, makeLoop] in
        makeLoop(shared).run()
        shared.markEnded()
      }
      switch started {
      case .success(let handle): state = .running(handle)
      case .failure(let error): throw .noThread(errno: error.errno)
      }
    }
  }

  /// Asks for the end and does not wait: the time of `stop` runs from here. Idempotent.
  package func beginStop() {
    stopLimit.withLock { limit in
      guard limit == nil else { return }
      limit = PublisherClock.monotonic() + Int64((options.stopSeconds + Self.handlerGraceSeconds) * 1e9)
    }
    shared.stopRequested.store(true, ordering: .releasing)
  }

  /// Publishes what is left and the status `disconnected`, closes the connection and ends the thread, all
  /// within `PublisherOptions.stopSeconds` (a second more if a command handler hangs). A broker that does
  /// not acknowledge in that time sends the will.
  /// - Returns: whether the broker acknowledged the farewell.
  @discardableResult
  package func stop() -> Bool {
    thread.withLock { state in
      switch state {
      case .notStarted:
        state = .ended(clean: false)
        return false
      case .ended(let clean): return clean
      case .running(let handle):
        beginStop()
        join(handle)
        let clean = shared.farewellAcknowledged.load(ordering: .acquiring)
        state = .ended(clean: clean)
        return clean
      }
    }
  }

  /// The thread's own deadline ends it; the longer one here covers a command handler that never returns,
  /// whose thread is then left to end by itself.
  private func join(_ handle: pthread_t) {
    let limit = stopLimit.withLock { $0 ?? 0 }
    while !shared.ended.load(ordering: .acquiring) {
      if PublisherClock.monotonic() > limit {
        pthread_detach(handle)
        return
      }
      var step = timespec(tv_sec: 0, tv_nsec: 2_000_000)
      nanosleep(&step, nil)
    }
    pthread_join(handle, nil)
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

/// What the publisher's thread and everybody else share.
final class PublisherShared: Sendable {
  let stopRequested = Atomic(false)
  let farewellAcknowledged = Atomic(false)
  /// The thread's work is over; only its return is left.
  let ended = Atomic(false)
  private let snapshot: SharedState<PublisherStatus>

  init(status: PublisherStatus) { snapshot = SharedState(status) }

  var status: PublisherStatus { snapshot.withLock { $0 } }
  func update(_ status: PublisherStatus) { snapshot.withLock { $0 = status } }

  func markEnded() {
    snapshot.withLock { status in
      status.running = false
      status.connected = false
    }
    ended.store(true, ordering: .releasing)
  }
}
