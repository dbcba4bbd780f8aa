import Glibc
import HandModel

/// Saves the ticks of a run that could not close its own recording.
package enum BlackBoxFile {
  /// Writes the records as one closed segment, `blackbox-BOOT-SEQUENCE.sqlite` in the recordings' directory,
  /// named after the last tick. It appears under this name whole or not at all; saving again changes nothing.
  /// - Parameters:
  ///   - records: in the order of their sequences, at least one.
  ///   - checkpoint: a state of the controller from which they can be run again, and the record that follows
  ///     it; nil = none.
  /// - Returns: the file's path.
  package static func save(
    _ records: some BidirectionalCollection<TickRecord>, identity: HandIdentity,
    checkpoint: (sequence: UInt64, bytes: [UInt8])? = nil, directory: String
  ) throws(RecordingError) -> String {
    guard RecordingPaths.isRunID(identity.runID) else { throw .invalidRunID(identity.runID) }
    guard let last = records.last else {
      throw .notARecording(path: "black box of \(identity.runID)", reason: "no tick in it")
    }
    try RecordingPaths.createDirectory(directory)
    let path = "\(directory)/blackbox-\(identity.runID)-\(last.sequence).sqlite"
    let partial = path + ".partial"
    unlink(partial)
    let backlog = TickBacklog(capacity: batchTicks, joints: identity.board.joints.count)
    let segment = try SegmentWriter(
      path: partial, hand: SegmentDescription(identity), number: 1, faultBefore: .none, layout: .rows)
    for record in records {
      if backlog.count == batchTicks { try commit(backlog, to: segment) }
      _ = backlog.append(record)
    }
    try commit(backlog, to: segment)
    if let checkpoint {
      let state = StoredCheckpoint(sequence: checkpoint.sequence, bytes: checkpoint.bytes, isNeeded: true)
      try segment.commit(backlog, count: 0, checkpoints: [state])
    }
    try segment.finish()
    guard rename(partial, path) == 0 else { throw .directory(path: path, errno: errno) }
    return path
  }

  /// Ticks in a commit, as in the recorder's own batches. A crash leaves the ticks of many seconds; a batch
  /// keeps only few of them in memory twice.
  private static let batchTicks = 1000

  private static func commit(_ backlog: TickBacklog, to segment: SegmentWriter) throws(RecordingError) {
    try segment.commit(backlog, count: backlog.count)
    backlog.removeFirst(backlog.count)
  }

  /// Keeps memory that this version cannot read: `blackbox-SECONDS.raw`, named by the wall clock.
  /// - Returns: the file's path.
  package static func save(
    _ bytes: UnsafeRawBufferPointer, directory: String
  ) throws(RecordingError) -> String {
    try RecordingPaths.createDirectory(directory)
    let path = "\(directory)/blackbox-\(time(nil)).raw"
    guard let file = fopen(path, "we") else { throw .directory(path: path, errno: errno) }
    let written = fwrite(bytes.baseAddress, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else { throw .directory(path: path, errno: errno) }
    return path
  }
}
