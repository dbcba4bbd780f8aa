import HandModel
import Realtime
import Synchronization
import Wire

/// Writes every tick record of a ring into the segment files of one recording, on its own thread.
///
/// The producer is never slowed: it only pushes into the ring. A storage failure is retried with growing
/// pauses while a bounded backlog keeps the newest records; everything dropped is counted and reported as an
/// event. Layout, schema and durability: docs/recording.md.
package final class Recorder: @unchecked Sendable {
  // Safety of @unchecked: `work` belongs to `init` and then to the recorder's thread; `discardIfEmpty` uses
  // it only where the status says that this thread does not run. What several threads use is locked
  // (`shared`, `lifecycle`), atomic (`stopLimit`, `finished`) or itself Sendable (`ring`).
  private enum Lifecycle {
    case created, stopped
    case running(RealtimeThread)
  }

  /// The process locks its memory, so the default stack of 8 MiB would be 8 MiB of RAM. SQLite's parser and
  /// B-tree stay well below this.
  private static let stackBytes = 512 * 1024

  private let options: RecorderOptions
  private let ring: Ring<TickRecord>
  private let work: RecorderWork
  private let shared = Locked(RecorderStatus())
  private let lifecycle = Locked(Lifecycle.created)
  // The machine's clock, whatever clock the hand runs on: the disk takes real time.
  private let clock = MonotonicClock()
  /// When the recording is to be closed; `runsOn` until `beginStop`.
  private let stopLimit = Atomic<Int64>(Recorder.runsOn)
  private static let runsOn = Int64.max
  private let finished = Atomic<Bool>(false)

  /// Creates `directory/<run id>` with its event file and first segment, so that whatever is wrong with the
  /// place shows at start and not in the first batch.
  ///
  /// - Parameters:
  ///   - ring: this recorder must be its only consumer.
  ///   - checkpoint: gives states of the controller, which are asked for at the start of each segment and
  ///     after missing ticks; nil = a replay can only begin at tick 0.
  ///   - handOver: takes each event once it is stored, or cannot be, and is closed at the end; nil = nobody
  ///     waits for them.
  ///   - anchor: is told the head of the events' hash chain whenever events were stored; nil = nobody wants
  ///     it.
  ///   - keepCheckpoint: takes, on the recorder's thread, each state of the controller and the tick that
  ///     follows it, one every few seconds; nil = nobody wants them.
  /// - Throws: `RecordingError` that names the path and the system's reason.
  package init(
    directory: String, identity: HandIdentity, ring: Ring<TickRecord>, checkpoint: SnapshotRequest? = nil,
    handOver: HandOver<HandEvent>? = nil, anchor: Locked<ChainHead?>? = nil,
    keepCheckpoint: (@Sendable (UnsafeRawBufferPointer, UInt64) -> Void)? = nil,
    options: RecorderOptions = .init()
  ) throws(RecordingError) {
    try options.validate()
    self.options = options
    self.ring = ring
    work = try RecorderWork(
      directory: directory, identity: identity, ring: ring, checkpoint: checkpoint, handOver: handOver,
      anchor: anchor, keepCheckpoint: keepCheckpoint, options: options)
    shared.withLock { $0 = work.status }
  }

  /// Starts the recorder's thread. Once only.
  package func start() throws(RecordingError) {
    let failure = lifecycle.withLock { lifecycle -> RecordingError? in
      guard case .created = lifecycle else { return .notStartable }
      shared.withLock { $0.running = true }
      do throws(RealtimeThreadError) {
        lifecycle = .running(
          try RealtimeThread(name: "recorder", policy: .normal, stackBytes: Self.stackBytes) { self.run() })
        return nil
      } catch {
        shared.withLock { $0.running = false }
        return .thread(error)
      }
    }
    if let failure { throw failure }
  }

  /// Asks for the end and does not wait: the time of `stop` runs from here. Idempotent.
  package func beginStop() {
    _ = stopLimit.compareExchange(
      expected: Self.runsOn, desired: clock.now() + options.stopNanoseconds, ordering: .acquiringAndReleasing)
  }

  /// Records what the ring holds, commits, closes the files and ends the thread. Takes at most
  /// `options.stopNanoseconds`; what could not be written is given up and counted as dropped. A disk that
  /// does not answer at all is left to itself: the status then says `running`. Idempotent.
  @discardableResult
  package func stop() -> RecorderStatus {
    lifecycle.withLock { lifecycle in
      guard case .running(let thread) = lifecycle else { return }
      beginStop()
      let limit = stopLimit.load(ordering: .acquiring)
      while !finished.load(ordering: .acquiring), clock.now() < limit {
        clock.sleep(until: clock.now() + 1_000_000)
      }
      if finished.load(ordering: .acquiring) {
        thread.join()
        lifecycle = .stopped
      } else {
        // The thread stays owned: releasing it would wait for it.
        shared.withLock { shared in
          shared.lagTicks = max(shared.lagTicks, ring.count)
          shared.lastError = "the disk did not answer while the recording was being closed"
        }
      }
    }
    return status
  }

  /// Removes the files of a start that came to nothing: where no tick was recorded, nothing is left that
  /// would look like a recording. After `stop`, or in place of `start`.
  package func discardIfEmpty() {
    let status = status
    if !status.running && status.recordedTicks == 0 { work.removeFiles() }
  }

  /// What has been done so far. Any thread.
  package var status: RecorderStatus {
    var snapshot = shared.withLock { $0 }
    snapshot.droppedByRing = ring.dropped
    return snapshot
  }

  private func run() {
    while true {
      // Read before the ring is: what was pushed before `stop` was called is then drained.
      let limit = stopLimit.load(ordering: .acquiring)
      let lastWrite = limit == Self.runsOn ? nil : limit - options.closingNanoseconds
      work.turn(now: clock.now(), lastWrite: lastWrite)
      shared.withLock { shared in
        shared = work.status
        shared.running = true
      }
      if let lastWrite, work.isDrained || clock.now() >= lastWrite { break }
      if ring.count == 0 || work.status.storageFailing {
        clock.sleep(until: clock.now() + options.pollNanoseconds)
      }
    }
    // Between the end of writing and that of the stop, half for the files' hashes and half for the summary.
    work.finish(
      closingLimit: stopLimit.load(ordering: .acquiring) - options.closingNanoseconds / 2)
    shared.withLock { $0 = work.status }
    finished.store(true, ordering: .releasing)
  }
}
