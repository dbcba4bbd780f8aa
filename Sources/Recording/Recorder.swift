import CSQLite
import Glibc
import HandModel
import Realtime
import Synchronization

/// Writes every tick record of a ring into the segment files of one recording, on its own thread.
///
/// The producer is never slowed: it only pushes into the ring. A storage failure is retried with growing
/// pauses while a bounded backlog keeps the newest records; everything dropped is counted and reported as an
/// event. Layout, schema and durability: docs/recording.md.
package final class Recorder: @unchecked Sendable {
  // Safety of @unchecked: `work` is touched by `init`, then only by the recorder's thread; `status`,
  // `lifecycle` and the atomics are shared.
  private enum Lifecycle {
    case created, stopped
    case running(pthread_t)
  }

  private let options: RecorderOptions
  private let ring: Ring<TickRecord>
  private let work: RecorderWork
  private let shared = Mutex(RecorderStatus())
  private let lifecycle = Mutex(Lifecycle.created)
  private let stopRequested = Atomic<Bool>(false)
  private let finished = Atomic<Bool>(false)

  /// Creates `directory/<boot id>` with its event file and first segment, so that whatever is wrong with the
  /// place shows at start and not in the first batch.
  ///
  /// - Parameters:
  ///   - ring: this recorder must be its only consumer.
  /// - Throws: `RecordingError` that names the path and the system's reason.
  package init(
    directory: String, identity: HandIdentity, ring: Ring<TickRecord>, options: RecorderOptions = .init()
  ) throws(RecordingError) {
    try options.validate()
    self.options = options
    self.ring = ring
    work = try RecorderWork(directory: directory, identity: identity, ring: ring, options: options)
    shared.withLock { $0 = work.status }
  }

  /// Starts the recorder's thread. Once only.
  package func start() throws(RecordingError) {
    let failure = lifecycle.withLock { lifecycle -> RecordingError? in
      guard case .created = lifecycle else { return .notStartable }
      do throws(RecordingError) {
        shared.withLock { $0.running = true }
        lifecycle = .running(try RecorderThread.start { self.run() })
        return nil
      } catch {
        shared.withLock { $0.running = false }
        return error
      }
    }
    if let failure { throw failure }
  }

  /// Records what the ring holds, commits, closes the files and ends the thread. Takes at most
  /// `options.stopNanoseconds`, plus the time of one write that the disk does not answer; then what is left
  /// is counted as dropped. Idempotent.
  @discardableResult
  package func stop() -> RecorderStatus {
    lifecycle.withLock { lifecycle in
      guard case .running(let thread) = lifecycle else { return }
      stopRequested.store(true, ordering: .releasing)
      // Twice the thread's own limit: beyond it the disk itself hangs, and waiting longer would hang too.
      let limit = MonotonicClock.now() + 2 * options.stopNanoseconds
      while !finished.load(ordering: .acquiring), MonotonicClock.now() < limit {
        MonotonicClock.sleep(nanoseconds: 1_000_000)
      }
      if finished.load(ordering: .acquiring) {
        pthread_join(thread, nil)
      } else {
        pthread_detach(thread)
        shared.withLock { $0.lastError = "the disk did not answer while the recording was being closed" }
      }
      lifecycle = .stopped
    }
    return status
  }

  /// What has been done so far. Any thread.
  package var status: RecorderStatus {
    var snapshot = shared.withLock { $0 }
    snapshot.droppedByRing = ring.dropped
    return snapshot
  }

  private func run() {
    var stopLimit: Int64?
    while true {
      // Read before the ring is: what was pushed before `stop` was called is then drained.
      let stopping = stopRequested.load(ordering: .acquiring)
      let now = MonotonicClock.now()
      if stopping, stopLimit == nil { stopLimit = now + options.stopNanoseconds }
      work.turn(now: now, stopping: stopping)
      shared.withLock { shared in
        shared = work.status
        shared.running = true
      }
      if let stopLimit, work.isDrained || now >= stopLimit { break }
      if ring.count == 0 || work.status.storageFailing {
        MonotonicClock.sleep(nanoseconds: options.pollNanoseconds)
      }
    }
    work.finish()
    shared.withLock { $0 = work.status }
    finished.store(true, ordering: .releasing)
  }
}

/// CLOCK_MONOTONIC for batching and back-off. Never the hand's virtual time: disks live in real time.
enum MonotonicClock {
  static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  static func sleep(nanoseconds: Int64) {
    var time = timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    nanosleep(&time, nil)
  }
}
