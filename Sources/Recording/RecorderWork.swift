import CSQLite
import Glibc
import HandModel
import Realtime
import Wire

/// What the recorder's thread does: take records from the ring, commit them in batches, rotate segments,
/// survive storage errors. One thread only.
final class RecorderWork {
  var status = RecorderStatus()

  private let clock = MonotonicClock()
  private let options: RecorderOptions
  private let identity: HandIdentity
  private let ring: Ring<TickRecord>
  let checkpoint: SnapshotRequest?
  let keepCheckpoint: (@Sendable (UnsafeRawBufferPointer, UInt64) -> Void)?
  /// To be written with the next batch, in mode `full`.
  var pendingCheckpoint: StoredCheckpoint?
  /// A state of the controller is to be asked for.
  var wantsCheckpoint = false
  /// Ticks before this one are missing in the segment.
  var neededFrom: UInt64?
  private var lastSequence: UInt64?
  private let directory: String
  private var claim: RunDirectory
  private let startNumber: Int
  private let retention: Retention
  private let segmentTicks: Int
  private let layout: SegmentLayout
  /// Far more than a batch of a hand that works has.
  private static let eventTickLimit = 64
  /// Ticks of the events around which rows are still to be written.
  var eventTicks: [UInt64] = []
  let backlog: TickBacklog
  /// In mode `events`.
  var held: HeldTicks?
  private var nextCheckpoint: UInt64 = 0
  private let events: EventLog
  private var deriver: EventDeriver
  private var agp: AGPSummary
  /// Closed segments whose files are to be hashed, one after the other.
  private var seals: [SegmentSeal] = []
  var segment: SegmentWriter?
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
  var droppedRange: (first: UInt64, last: UInt64, count: UInt64)?
  private var lastWall: Int64 = 0

  init(
    directory: String, identity: HandIdentity, ring: Ring<TickRecord>, checkpoint: SnapshotRequest?,
    handOver: HandOver<HandEvent>?, anchor: Locked<ChainHead?>?,
    keepCheckpoint: (@Sendable (UnsafeRawBufferPointer, UInt64) -> Void)?, options: RecorderOptions
  ) throws(RecordingError) {
    guard RecordingPaths.isRunID(identity.runID) else { throw .invalidRunID(identity.runID) }
    self.directory = directory + "/" + identity.runID
    let own = self.directory
    retention = Retention(
      root: directory, own: own, keepBytes: options.keepBytes, keepSeconds: options.keepSeconds,
      knownTime: options.knownTime)
    startNumber = Retention.nextStartNumber(in: directory)
    // A full disk is no reason not to start: what is old may go, and the hand matters more.
    let room = Result { () throws(RecordingError) in try RecordingPaths.createDirectory(own) }
    if case .failure(let error) = room, !error.isOfStorage { throw error }
    claim = RunDirectory(claiming: own)
    self.options = options
    self.identity = identity
    self.ring = ring
    self.checkpoint = checkpoint
    self.keepCheckpoint = keepCheckpoint
    segmentTicks = options.segmentTicks(rateHertz: identity.board.control.rateHertz)
    layout = .recorder(rateHertz: identity.board.control.rateHertz)
    backlog = TickBacklog(capacity: options.backlogTicks, joints: identity.board.joints.count)
    held = options.mode == .events ? HeldTicks(rateHertz: identity.board.control.rateHertz) : nil
    retryPause = options.retryNanoseconds
    events = try EventLog(
      path: self.directory + "/" + RecordingPaths.eventsName, handID: identity.handID,
      runID: identity.runID, handOver: handOver, anchor: anchor)
    let found = RecordingPaths.isDirectory(own) ? try RecordingPaths.segments(in: own) : []
    nextSegment = (found.last?.number ?? 0) + 1
    continues = nextSegment > 1
    agp = AGPSummary(identity: identity)
    // Of what happens before the first tick.
    lastWall = clock.wallNow()
    deriver = EventDeriver(jointNames: identity.board.joints.map(\.name), continues: continues)
    expire()
    do throws(RecordingError) { _ = try openSegment() } catch {
      guard error.isOfStorage else {
        removeFiles()
        throw error
      }
      failed(error)
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
    // Before the ticks, whose commit may take long: others wait for them.
    if now >= eventRetryAt || lastWrite != nil { flushEvents() }
    takeCheckpoint()
    if wantsCheckpoint, checkpoint?.request() == true { wantsCheckpoint = false }
    if now >= retryAt || lastWrite != nil { commitDue(now: now, lastWrite: lastWrite) }
    sealNext()
    if now >= eventRetryAt || lastWrite != nil { flushEvents() }
    status.lagTicks = ring.count + backlog.count
  }

  /// Gives up what could not be written, writes the summary and closes the files.
  /// - Parameter closingLimit: when files that are not hashed yet stay so.
  func finish(closingLimit: Int64) {
    let left = backlog.count
    let droppedBefore = status.droppedByStorage
    for index in 0..<left { countDropped(backlog.sequence(at: index)) }
    backlog.removeFirst(left)
    ring.drainAll { record in
      if deriver.accepts(record) { countDropped(record.sequence) } else { status.refusedTicks += 1 }
    }
    status.givenUpTicks = status.droppedByStorage - droppedBefore
    reportDropped()
    if let summary = agp.take() { events.append(summary) }
    keepHeld()
    reportDropped()
    closeSegment()
    while !seals.isEmpty, clock.now() < closingLimit { sealNext() }
    deriver.finish { events.append($0) }
    let dropped = "\(ring.dropped) dropped by the ring, \(status.droppedByStorage) by storage errors"
    events.append(
      HandEvent(
        wallNanoseconds: lastWall, kind: .summary, to: String(status.recordedTicks),
        text: "\(status.recordedTicks) ticks recorded, \(dropped), \(status.refusedTicks) refused"
          + (held == nil ? "" : ", \(status.thinnedTicks) thinned out")))
    flushEvents()
    events.close()
    claim = RunDirectory()
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
    guard deriver.accepts(record) else {
      status.refusedTicks += 1
      events.append(
        HandEvent(
          sequence: record.sequence, wallNanoseconds: record.wallNanoseconds, kind: .disorder,
          text: "a record with a sequence not above the one before was refused"))
      return
    }
    deriver.observe(record) { event in
      events.append(event)
      held?.note(event)
      if event.kind.isTrouble, let sequence = event.sequence { eventTicks.append(sequence) }
    }
    if lastSequence == nil { events.append(.inForce(identity, record)) }
    if let summary = agp.observe(record) { events.append(summary) }
    // While storage fails nothing else shortens the list.
    if eventTicks.count > Self.eventTickLimit, !backlog.isEmpty {
      forgetEvents(before: backlog.sequence(at: 0))
    }
    lastWall = record.wallNanoseconds
    if let lastSequence, record.sequence != lastSequence + 1 { missesTicks(before: record.sequence) }
    if held != nil || keepCheckpoint != nil, record.sequence >= nextCheckpoint {
      nextCheckpoint =
        record.sequence + UInt64(HeldTicks.checkpointSeconds * identity.board.control.rateHertz)
      wantsCheckpoint = true
    }
    lastSequence = record.sequence
    if let displaced = backlog.append(record) { countDropped(displaced) }
  }

  private func forgetEvents(before first: UInt64) {
    eventTicks.removeAll { $0 + UInt64(layout.margin) < first }
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
        forgetEvents(before: backlog.sequence(at: 0))
        // Of what is held nothing may be left for the next segment.
        let isLast = segment.ticks + count >= segmentTicks || segment.bytes >= options.segmentBytes
        if held == nil {
          try store(count, in: segment)
        } else {
          try thin(count, in: segment, keepsAll: isLast)
        }
        backlog.removeFirst(count)
        batchStart = now
        status.bytes = closedBytes + segment.bytes
        lastFault = segment.lastFault
        recovered()
        if held == nil ? segment.ticks >= segmentTicks || segment.bytes >= options.segmentBytes : isLast {
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
    try RecordingPaths.createDirectory(directory)
    if !claim.isHeld { claim = RunDirectory(claiming: directory) }
    let path = directory + "/" + RecordingPaths.segmentName(nextSegment)
    let opened = try SegmentWriter(
      path: path,
      hand: SegmentDescription(
        identity, startNumber: startNumber, mode: options.mode, openedAt: options.knownTime()),
      number: nextSegment, faultBefore: lastFault, layout: layout)
    nextSegment += 1
    segment = opened
    missesTicks(before: 0)
    status.segmentPath = path
    return opened
  }

  private func closeSegment() {
    guard let closing = segment else { return }
    segment = nil
    status.segmentPath = ""
    // A segment that cannot be marked as closed is complete all the same: its ticks are committed.
    do throws(RecordingError) {
      try closing.finish(at: options.knownTime())
      if let last = closing.lastTick,
        let seal = SegmentSeal(
          path: closing.path, last: last, ticks: closing.ticks, wallNanoseconds: lastWall)
      {
        seals.append(seal)
      }
    } catch {
      status.lastError = error.description
    }
    closedBytes += closing.bytes
    status.bytes = closedBytes
  }

  /// Reads a piece of the oldest closed segment that has no hash yet.
  private func sealNext() {
    guard let seal = seals.first else { return }
    do throws(Errno) {
      guard let event = try seal.step() else { return }
      events.append(event)
    } catch {
      status.lastError = "\(seal.path): cannot be read to be hashed: \(error)"
    }
    seals.removeFirst()
  }

  /// Makes room by the bounds of `options`; each deleted segment is an event.
  private func expire() {
    do throws(RecordingError) {
      for expired in try retention.apply(live: status.segmentPath) {
        status.expiredSegments += 1
        if expired.path.hasPrefix(directory + "/") { closedBytes -= min(closedBytes, expired.bytes) }
        events.append(
          HandEvent(
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
        HandEvent(
          sequence: backlog.isEmpty ? nil : backlog.sequence(at: 0), wallNanoseconds: lastWall,
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
    dropHeld()
    segment = nil
    status.segmentPath = ""
  }

  private func recovered() {
    retryPause = options.retryNanoseconds
    guard status.storageFailing else { return }
    status.storageFailing = false
    reportDropped()
    events.append(
      HandEvent(
        wallNanoseconds: lastWall, kind: .storageRecovered, text: "recording again into \(status.segmentPath)"
      ))
  }

  private func reportDropped() {
    guard let range = droppedRange else { return }
    droppedRange = nil
    events.append(
      HandEvent(
        sequence: range.first, wallNanoseconds: lastWall, kind: .storageDrop, from: String(range.first),
        to: String(range.last), count: range.count,
        text: "\(range.count) ticks dropped because storage failed"))
  }

  private func flushEvents() {
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
