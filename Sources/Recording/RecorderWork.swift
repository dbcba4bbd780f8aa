import CSQLite
import Glibc
import HandModel
import Realtime

/// What the recorder's thread does: take records from the ring, commit them in batches, rotate segments,
/// survive storage errors. One thread only.
final class RecorderWork {
  private(set) var status = RecorderStatus()

  private let clock = MonotonicClock()
  private let options: RecorderOptions
  private let identity: HandIdentity
  private let ring: Ring<TickRecord>
  private let checkpoint: RequestedBlock?
  /// A state of the controller is to be asked for.
  private var wantsCheckpoint = false
  private var lastSequence: UInt64?
  private let directory: String
  private let retention: Retention?
  private let segmentTicks: Int
  private let backlog: TickBacklog
  private let events: EventLog
  private var detector: EventDetector
  private var segment: SegmentWriter?
  private var nextSegment: Int
  /// Whether another recorder began the directory.
  private let continues: Bool
  private var closedBytes: UInt64 = 0
  /// The fault latched at the last tick committed.
  private var lastFault = FaultCode.none
  /// When the oldest record of the backlog came.
  private var batchStart: Int64 = 0
  private var retryPause: Int64
  private var retryAt = Int64.min
  private var eventRetryAt = Int64.min
  private var droppedRange: (first: UInt64, last: UInt64, count: UInt64)?
  private var lastWall: Int64 = 0

  init(
    directory: String, identity: HandIdentity, ring: Ring<TickRecord>, checkpoint: RequestedBlock?,
    options: RecorderOptions
  ) throws(RecordingError) {
    guard RecordingPaths.isBootID(identity.bootID) else { throw .invalidBootID(identity.bootID) }
    self.directory = directory + "/" + identity.bootID
    retention = options.keepBytes.map { Retention(root: directory, keepBytes: $0) }
    try RecordingPaths.createDirectory(self.directory)
    self.options = options
    self.identity = identity
    self.ring = ring
    self.checkpoint = checkpoint
    segmentTicks = options.segmentTicks(rateHertz: identity.board.control.rateHertz)
    backlog = TickBacklog(capacity: options.backlogTicks)
    retryPause = options.retryNanoseconds
    events = try EventLog(
      path: self.directory + "/" + RecordingPaths.eventsName, handID: identity.handID,
      bootID: identity.bootID)
    nextSegment = (try RecordingPaths.segments(in: self.directory).last?.number ?? 0) + 1
    continues = nextSegment > 1
    detector = EventDetector(jointNames: identity.board.joints.map(\.name), continues: continues)
    do throws(RecordingError) { _ = try openSegment() } catch {
      removeFiles()
      throw error
    }
    status.bytes = segment?.bytes ?? 0
  }

  /// Removes what `init` made. Only where nothing was recorded.
  func removeFiles() {
    guard !continues else { return }
    let first = directory + "/" + RecordingPaths.segmentName(1)
    for path in [first, first + "-journal"] + ["", "-wal", "-shm"].map({ events.path + $0 }) { unlink(path) }
    // Fails where anything else is in it, and shall.
    rmdir(directory)
  }

  /// Whether nothing waits to be written.
  var isDrained: Bool { ring.count == 0 && backlog.isEmpty && events.isEmpty }

  /// One round: take what is there, write what is due.
  /// - Parameter lastWrite: where the recording is being closed: when it is to be given up.
  func turn(now: Int64, lastWrite: Int64?) {
    takeRecords(now: now)
    if wantsCheckpoint, checkpoint?.request() == true { wantsCheckpoint = false }
    if now >= retryAt || lastWrite != nil { commitDue(now: now, lastWrite: lastWrite) }
    if now >= eventRetryAt || lastWrite != nil { flushEvents(now: now) }
    status.lagTicks = ring.count + backlog.count
  }

  /// Gives up what could not be written, writes the summary and closes the files.
  func finish() {
    let left = backlog.count
    let droppedBefore = status.droppedByStorage
    for index in 0..<left { countDropped(backlog.pointer(at: index).pointee.sequence) }
    backlog.removeFirst(left)
    ring.drainAll { record in
      if detector.accepts(record) { countDropped(record.sequence) } else { status.refusedTicks += 1 }
    }
    status.givenUpTicks = status.droppedByStorage - droppedBefore
    reportDropped()
    detector.finish { events.append($0) }
    closeSegment()
    let dropped = "\(ring.dropped) dropped by the ring, \(status.droppedByStorage) by storage errors"
    events.append(
      RecordedEvent(
        wallNanoseconds: lastWall, kind: .summary, to: String(status.recordedTicks),
        text: "\(status.recordedTicks) ticks recorded, \(dropped), \(status.refusedTicks) refused"))
    flushEvents(now: clock.now())
    status.running = false
    status.lagTicks = 0
  }

  private func takeRecords(now: Int64) {
    // In order: no more than completes a batch, so that a fast producer cannot displace what is not
    // written. While storage fails: everything, so that the backlog holds the newest records.
    let limit = status.storageFailing ? ring.capacity : max(0, options.batchTicks - backlog.count)
    if backlog.isEmpty { batchStart = now }
    _ = ring.drain(limit: limit) { record in take(record) }
  }

  private func take(_ record: borrowing TickRecord) {
    guard detector.accepts(record) else {
      status.refusedTicks += 1
      events.append(
        RecordedEvent(
          sequence: record.sequence, wallNanoseconds: record.wallNanoseconds, kind: .disorder,
          text: "a record with a sequence not above the one before was refused"))
      return
    }
    detector.observe(record) { events.append($0) }
    lastWall = record.wallNanoseconds
    if let lastSequence, record.sequence != lastSequence + 1 { wantsCheckpoint = true }
    lastSequence = record.sequence
    if let displaced = backlog.append(record) { countDropped(displaced) }
  }

  private func commitDue(now: Int64, lastWrite: Int64?) {
    while !backlog.isEmpty {
      if let lastWrite, clock.now() >= lastWrite { return }
      let due =
        backlog.count >= options.batchTicks || lastWrite != nil || status.storageFailing
        || now - batchStart >= options.batchNanoseconds
      guard due else { return }
      do throws(RecordingError) {
        let segment = try openSegment()
        let count = min(backlog.count, options.batchTicks)
        let state = checkpoint?.filled
        try segment.commit(backlog, count: count, checkpoint: state)
        if state != nil { checkpoint?.release() }
        backlog.removeFirst(count)
        batchStart = now
        status.recordedTicks += UInt64(count)
        status.bytes = closedBytes + segment.bytes
        lastFault = segment.lastFault
        recovered()
        if segment.ticks >= segmentTicks || segment.bytes >= options.segmentBytes {
          closeSegment()
          expire()
        }
      } catch {
        failed(error)
        return
      }
    }
  }

  private func openSegment() throws(RecordingError) -> SegmentWriter {
    if let segment { return segment }
    let path = directory + "/" + RecordingPaths.segmentName(nextSegment)
    let opened = try SegmentWriter(
      path: path, identity: identity, number: nextSegment, faultBefore: lastFault)
    nextSegment += 1
    segment = opened
    wantsCheckpoint = true
    status.segmentPath = path
    return opened
  }

  private func closeSegment() {
    guard let closing = segment else { return }
    segment = nil
    status.segmentPath = ""
    // A segment that cannot be marked as closed is complete all the same: its ticks are committed.
    do throws(RecordingError) { try closing.finish() } catch { status.lastError = error.description }
    closedBytes += closing.bytes
    status.bytes = closedBytes
  }

  /// Makes room by the bounds of `options`; each deleted segment is an event.
  private func expire() {
    guard let retention else { return }
    do throws(RecordingError) {
      for expired in try retention.apply(live: status.segmentPath) {
        status.expiredSegments += 1
        if expired.path.hasPrefix(directory + "/") { closedBytes -= min(closedBytes, expired.bytes) }
        events.append(
          RecordedEvent(
            wallNanoseconds: lastWall, kind: .expired, from: expired.first.map(String.init),
            to: expired.last.map(String.init),
            text: "\(expired.path), \(expired.bytes) bytes, deleted: \(expired.reason)"))
      }
    } catch {
      status.lastError = error.description
    }
    status.bytes = closedBytes + (segment?.bytes ?? 0)
  }

  private func failed(_ error: RecordingError) {
    // The clock is read again: a call that waited for a lock or a slow disk took time.
    retryAt = clock.now() + retryPause
    retryPause = min(2 * retryPause, options.maximumRetryNanoseconds)
    status.lastError = error.description
    if !status.storageFailing {
      status.storageFailing = true
      events.append(
        RecordedEvent(
          sequence: backlog.pointer(at: 0).pointee.sequence, wallNanoseconds: lastWall,
          kind: .storageError, text: error.description))
    }
    // A full disk or a reader's lock leaves the file sound. After anything else it is not trusted further.
    switch error.sqliteCode {
    case SQLITE_FULL: expire()
    case SQLITE_BUSY, SQLITE_LOCKED: break
    default: abandonSegment()
    }
  }

  private func abandonSegment() {
    guard let abandoned = segment else { return }
    closedBytes += abandoned.bytes
    segment = nil
    status.segmentPath = ""
  }

  private func recovered() {
    retryPause = options.retryNanoseconds
    guard status.storageFailing else { return }
    status.storageFailing = false
    reportDropped()
    events.append(
      RecordedEvent(
        wallNanoseconds: lastWall, kind: .storageRecovered, text: "recording again into \(status.segmentPath)"
      ))
  }

  private func countDropped(_ sequence: UInt64) {
    status.droppedByStorage += 1
    wantsCheckpoint = true
    droppedRange = (droppedRange?.first ?? sequence, sequence, (droppedRange?.count ?? 0) + 1)
  }

  private func reportDropped() {
    guard let range = droppedRange else { return }
    droppedRange = nil
    events.append(
      RecordedEvent(
        sequence: range.first, wallNanoseconds: lastWall, kind: .storageDrop, from: String(range.first),
        to: String(range.last), text: "\(range.count) ticks dropped because storage failed"))
  }

  private func flushEvents(now: Int64) {
    do throws(RecordingError) {
      try events.flush()
    } catch {
      eventRetryAt = clock.now() + options.retryNanoseconds
      status.lastError = error.description
    }
  }
}

extension Ring where Element == TickRecord {
  /// Takes what waits now, however fast the producer is.
  fileprivate func drainAll(_ body: (borrowing TickRecord) -> Void) { _ = drain(limit: capacity, body) }
}
