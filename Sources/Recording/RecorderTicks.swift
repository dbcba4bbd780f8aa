import HandModel

// What becomes of the ticks of a batch: written, held until an event decides, thinned out, or dropped.

extension RecorderWork {
  /// Writes all ticks of a batch.
  func store(_ count: Int, in segment: SegmentWriter) throws(RecordingError) {
    try segment.commit(
      backlog, count: count, events: eventTicks, checkpoints: pendingCheckpoint.map { [$0] } ?? [])
    pendingCheckpoint = nil
    status.recordedTicks += UInt64(count)
  }

  /// Writes all ticks of a batch, and those held before it, where an event wants them; else only those that
  /// have a row.
  func thin(_ count: Int, in segment: SegmentWriter, keepsAll: Bool) throws(RecordingError) {
    guard var held else { return }
    let fresh = segment.blocks(of: backlog, count: count)
    if keepsAll || held.isWanted(first: backlog.sequence(at: 0)) {
      let wanted = held.wanted
      try segment.commit(
        backlog, count: count, events: eventTicks, blocks: wanted.blocks + fresh,
        checkpoints: wanted.checkpoints)
      status.recordedTicks += UInt64(count + held.release())
    } else {
      let rows = try segment.commit(backlog, count: count, events: eventTicks, blocks: [])
      status.recordedTicks += UInt64(rows)
      let thinned = held.hold(.init(blocks: fresh, count: count, rows: rows)).reduce(0) { $0 + $1.thinned }
      status.thinnedTicks += UInt64(thinned)
      segment.thinned += thinned
    }
    self.held = held
  }

  /// Takes a state of the controller that has come, for whoever wants it.
  func takeCheckpoint() {
    guard let state = checkpoint?.filled else { return }
    defer { checkpoint?.release() }
    keepCheckpoint?(state.bytes, state.tag)
    let isNeeded = neededFrom.map { state.tag >= $0 } ?? false
    if isNeeded { neededFrom = nil }
    guard held != nil || isNeeded else { return }
    let stored = StoredCheckpoint(sequence: state.tag, bytes: Array(state.bytes), isNeeded: isNeeded)
    if held == nil { pendingCheckpoint = stored } else { held?.hold(stored) }
  }

  /// Writes what is held, because no batch will come that it could be written with.
  func keepHeld() {
    guard let wanted = held?.wanted, !wanted.blocks.isEmpty else { return }
    if let segment {
      do throws(RecordingError) {
        try segment.commit(backlog, count: 0, blocks: wanted.blocks, checkpoints: wanted.checkpoints)
        status.recordedTicks += UInt64(held?.release() ?? 0)
      } catch {
        status.lastError = error.description
      }
    }
    dropHeld()
  }

  /// What is held belongs to a segment that cannot be written any longer.
  func dropHeld() {
    for batch in held?.abandon() ?? [] {
      guard let first = batch.blocks.first?.key.firstSequence, batch.thinned > 0 else { continue }
      noteDropped(first, batch.last, UInt64(batch.thinned))
      segment?.thinned += batch.thinned
    }
  }

  func countDropped(_ sequence: UInt64) {
    noteDropped(sequence, sequence, 1)
  }

  private func noteDropped(_ first: UInt64, _ last: UInt64, _ count: UInt64) {
    status.droppedByStorage += count
    missesTicks(before: last + 1)
    droppedRange = (
      min(droppedRange?.first ?? first, first), max(droppedRange?.last ?? last, last),
      (droppedRange?.count ?? 0) + count
    )
  }

  /// A replay can go on only from the controller's state behind what is missing.
  func missesTicks(before sequence: UInt64) {
    wantsCheckpoint = true
    neededFrom = sequence
  }
}
