import HandModel

extension Recording {
  /// Ticks in a commit of an unpacked file.
  private static let unpackTicks = 1000

  /// Writes every tick as a row of one file, with the views, units and checkpoints of a segment, for SQLite
  /// alone. The file appears whole or not at all.
  /// - Parameters:
  ///   - path: of the new file.
  ///   - range: ticks to write.
  ///   - progress: called after each commit with the ticks so far.
  /// - Returns: ticks written, and what could not be read.
  /// - Throws: where the recording cannot be read, or the file exists or cannot be written.
  package func unpack(
    to path: String, range: ClosedRange<UInt64> = 0...UInt64(Int64.max), progress: (UInt64) -> Void = { _ in }
  ) throws(RecordingError) -> (ticks: UInt64, damage: [RecordingError]) {
    guard schema == SegmentSchema.version else {
      throw .tooOld(
        path: self.path, version: schema, reason: "its segments have a row for each tick already: read them")
    }
    let file = try PartialFile(
      path, magic: SegmentHeader.magic, sidecars: Array(SQLiteConnection.suffixes.dropFirst()))
    let written = try unpackTicks(to: file.partial, range, progress)
    try file.finish()
    return written
  }

  private func unpackTicks(
    to path: String, _ range: ClosedRange<UInt64>, _ progress: (UInt64) -> Void
  ) throws(RecordingError) -> (ticks: UInt64, damage: [RecordingError]) {
    let segment = try SegmentWriter(
      path: path, hand: SegmentDescription(self), number: 1, faultBefore: .none, layout: .rows,
      fields: fields)
    let backlog = TickBacklog(capacity: Self.unpackTicks, joints: equipment.count)
    var written: UInt64 = 0
    func commit() throws(RecordingError) {
      try segment.commit(backlog, count: backlog.count)
      written += UInt64(backlog.count)
      backlog.removeFirst(backlog.count)
      progress(written)
    }
    let cursor = ticks(in: range, skippingDamage: true)
    var record = TickRecord()
    while try cursor.next(into: &record) {
      _ = backlog.append(record)
      if backlog.count == Self.unpackTicks { try commit() }
    }
    try commit()
    var damage = cursor.damage
    do throws(RecordingError) {
      for sequence in try checkpoints() where range.contains(sequence) {
        try copyCheckpoint(sequence, to: segment, backlog)
      }
    } catch {
      // Whoever wants the ticks wants them without a place to begin a replay, too.
      damage.append(error)
    }
    try segment.finish()
    return (written, damage)
  }

  private func copyCheckpoint(
    _ sequence: UInt64, to segment: SegmentWriter, _ backlog: TickBacklog
  ) throws(RecordingError) {
    // Returned, because the closure's own throws would lose the error's type.
    let failure: RecordingError?? = try withCheckpoint(before: sequence) { bytes in
      do throws(RecordingError) {
        try segment.commit(
          backlog, count: 0,
          checkpoints: [StoredCheckpoint(sequence: sequence, bytes: Array(bytes), isNeeded: true)])
        return nil
      } catch {
        return error
      }
    }
    if let failure = failure.flatMap(\.self) { throw failure }
  }
}
