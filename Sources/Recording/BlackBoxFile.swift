import Glibc
import HandModel

/// Saves the ticks of a run that could not close its own recording.
package enum BlackBoxFile {
  /// Writes the records as one closed segment, `blackbox-BOOT-SEQUENCE.sqlite` in the recordings' directory, named
  /// after the last tick. It appears under this name whole or not at all; saving again changes nothing.
  /// - Parameter records: in the order of their sequences, at least one.
  /// - Returns: the file's path.
  package static func save(
    _ records: [TickRecord], identity: HandIdentity, directory: String
  ) throws(RecordingError) -> String {
    guard RecordingPaths.isBootID(identity.bootID) else { throw .invalidBootID(identity.bootID) }
    guard let last = records.last else {
      throw .notARecording(path: "black box of \(identity.bootID)", reason: "no tick in it")
    }
    try RecordingPaths.createDirectory(directory)
    let path = "\(directory)/blackbox-\(identity.bootID)-\(last.sequence).sqlite"
    let partial = path + ".partial"
    unlink(partial)
    let backlog = TickBacklog(capacity: records.count)
    for record in records { _ = backlog.append(record) }
    let segment = try SegmentWriter(
      path: partial, identity: identity, number: 1, faultBefore: .none)
    try segment.commit(backlog, count: records.count)
    try segment.finish()
    guard rename(partial, path) == 0 else { throw .directory(path: path, errno: errno) }
    return path
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
