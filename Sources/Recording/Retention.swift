import CSQLite
import Glibc

/// Keeps the recordings of a directory, of all boots, within its bounds: deletes the oldest closed segments.
///
/// Segments around a fault go last. The one being written, those of a recorder that may still run, and the
/// events of every boot stay.
struct Retention {
  /// This share of the file system stays free for everything else on it.
  static let freeShare = 0.05
  /// A segment that was never closed belongs to a recorder that runs or was killed: after a day it was killed.
  static let abandonedSeconds = 86_400

  /// A segment that was deleted, and why.
  struct Expired: Equatable {
    var path: String
    var bytes: UInt64
    /// First and last tick, where the file said so.
    var first: UInt64?
    var last: UInt64?
    var reason: String
  }

  let root: String
  let keepBytes: UInt64

  /// Deletes until the bounds hold or nothing is left that may go.
  /// - Parameter live: path of the segment being written, "" when there is none.
  func apply(live: String) throws(RecordingError) -> [Expired] {
    var candidates = try segments(except: live)
    var total = candidates.reduce(Self.size(live)) { $0 + $1.bytes }
    guard reason(total: total) != nil else { return [] }
    candidates.sort { $0.modified < $1.modified }
    var expired: [Expired] = []
    for deletesPinned in [false, true] {
      for candidate in candidates where !expired.contains(where: { $0.path == candidate.path }) {
        guard let reason = reason(total: total) else { return expired }
        guard let facts = Self.facts(candidate), facts.isPinned == deletesPinned,
          unlink(candidate.path) == 0
        else { continue }
        unlink(candidate.path + "-journal")
        total -= min(total, candidate.bytes)
        expired.append(
          Expired(
            path: candidate.path, bytes: candidate.bytes, first: facts.first, last: facts.last,
            reason: reason))
      }
    }
    return expired
  }

  /// Which bound is broken, or nil.
  private func reason(total: UInt64) -> String? {
    if total > keepBytes { return "recordings may take \(keepBytes) bytes" }
    var system = statvfs()
    guard statvfs(root, &system) == 0, system.f_blocks > 0 else { return nil }
    let free = Double(system.f_bavail) / Double(system.f_blocks)
    return free < Self.freeShare
      ? "\(Int(Self.freeShare * 100)) % of the file system of \(root) are to stay free" : nil
  }

  private struct Segment {
    var path: String
    /// Path that the segment after it in the same boot has.
    var successor: String
    var bytes: UInt64
    var modified: Int
  }

  private func segments(except live: String) throws(RecordingError) -> [Segment] {
    var found: [Segment] = []
    for boot in try RecordingPaths.names(in: root) {
      let directory = root + "/" + boot
      guard RecordingPaths.isBootID(boot), RecordingPaths.isDirectory(directory) else { continue }
      for (number, path) in try RecordingPaths.segments(in: directory) where path != live {
        var status = stat()
        guard stat(path, &status) == 0 else { continue }
        found.append(
          Segment(
            path: path, successor: directory + "/" + RecordingPaths.segmentName(number + 1),
            bytes: UInt64(status.st_size), modified: status.st_mtim.tv_sec))
      }
    }
    return found
  }

  private static func size(_ path: String) -> UInt64 {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : 0
  }

  private struct Facts {
    var isPinned: Bool
    var first: UInt64?
    var last: UInt64?
  }

  /// Nil when the segment must stay: its recorder may still run.
  private static func facts(_ segment: Segment) -> Facts? {
    let meta = meta(segment.path)
    guard meta["closed"] == "1" || time(nil) - segment.modified > abandonedSeconds else { return nil }
    // The ticks before a fault may lie in the segment before it.
    let isPinned = meta["fault"] != nil || Self.meta(segment.successor)["fault"] != nil
    return Facts(
      isPinned: isPinned, first: meta["first_sequence"].flatMap { UInt64($0) },
      last: meta["last_sequence"].flatMap { UInt64($0) })
  }

  /// What a segment says of itself; empty when it cannot be read.
  private static func meta(_ path: String) -> [String: String] {
    var rows: [String: String] = [:]
    do throws(RecordingError) {
      let connection = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READONLY, busyMilliseconds: 0)
      let query = try connection.prepare(
        "SELECT key, value FROM meta WHERE key IN ('closed', 'fault', 'first_sequence', 'last_sequence')")
      while try query.step() {
        if let key = query.text(0), let value = query.text(1) { rows[key] = value }
      }
    } catch {
      return [:]
    }
    return rows
  }
}
