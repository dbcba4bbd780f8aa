import CSQLite
import Glibc

/// Keeps the recordings of a directory, of all boots, within its bounds: deletes the oldest closed segments.
///
/// Starts are in the order of the numbers in their segments, which no clock can spoil; those of versions
/// that gave none come before, by their files' times. Segments around a fault go last. The one being written,
/// those of a recorder that still runs, and the events of every run stay.
///
/// A segment's age decides in the same order, and only where the time was known when the segment was written
/// and is known now: nothing goes by its age before what is older, or because a clock was wrong.
struct Retention {
  /// This share of the file system stays free for everything else on it.
  static let freeShare = 0.05
  /// Recorders of versions without numbers claim no directory: their open segment is an abandoned one after a
  /// day.
  static let abandonedSeconds = 86_400
  /// A daemon that crashes again and again leaves some 15 MB each time; the newest tell what goes wrong.
  static let maximumBlackBoxes = 16

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
  /// Directory of the run that is being recorded by who asks.
  let own: String
  /// Nil = no bound, and none of the file system's.
  let keepBytes: UInt64?
  /// Nil = no bound.
  let keepSeconds: Int64?
  /// Seconds since 1970, nil where nobody knows.
  let knownTime: () -> Int64?

  /// Deletes until the bounds hold or nothing is left that may go.
  /// - Parameter live: path of the segment being written, "" when there is none.
  func apply(live: String) throws(RecordingError) -> [Expired] {
    var candidates = try segments(except: live) + blackBoxes()
    var total = candidates.reduce(Self.size(live)) { $0 + $1.bytes }
    let surplus = candidates.count(where: \.isBlackBox) - Self.maximumBlackBoxes
    // What was written later than now was written when the clock was wrong.
    let kept = keepSeconds.flatMap { keep in knownTime().map { ($0 - keep)...$0 } }
    guard surplus > 0 || reason(total: total) != nil || kept != nil else { return [] }
    order(&candidates)
    var expired: [Expired] = []
    for box in candidates.filter(\.isBlackBox).prefix(max(0, surplus)) where unlink(box.path) == 0 {
      total -= min(total, box.bytes)
      expired.append(
        Expired(path: box.path, bytes: box.bytes, reason: "\(Self.maximumBlackBoxes) black boxes are kept"))
    }
    func delete(_ candidate: Segment, _ facts: Facts, _ reason: String) {
      guard unlink(candidate.path) == 0 else { return }
      unlink(candidate.path + "-journal")
      total -= min(total, candidate.bytes)
      expired.append(
        Expired(
          path: candidate.path, bytes: candidate.bytes, first: facts.first, last: facts.last, reason: reason))
    }
    if let kept {
      for candidate in candidates where !candidate.isBlackBox {
        guard let facts = facts(candidate), !facts.isPinned, let written = facts.written,
          written <= kept.upperBound
        else { continue }
        guard written < kept.lowerBound else { break }
        delete(candidate, facts, "written more than \(keepSeconds ?? 0) s ago")
      }
    }
    for deletesPinned in [false, true] {
      for candidate in candidates where !expired.contains(where: { $0.path == candidate.path }) {
        guard let reason = reason(total: total) else { return expired }
        guard let facts = facts(candidate), facts.isPinned == deletesPinned else { continue }
        delete(candidate, facts, reason)
      }
    }
    return expired
  }

  /// Which bound is broken, or nil.
  private func reason(total: UInt64) -> String? {
    guard let keepBytes else { return nil }
    if total > keepBytes { return "recordings may take \(keepBytes) bytes" }
    var system = statvfs()
    guard statvfs(root, &system) == 0, system.f_blocks > 0 else { return nil }
    let free = Double(system.f_bavail) / Double(system.f_blocks)
    return free < Self.freeShare
      ? "\(Int(Self.freeShare * 100)) % of the file system of \(root) are to stay free" : nil
  }

  private struct Segment {
    var path: String
    var directory: String
    var number: Int
    /// Path that the segment after it in the same run has.
    var successor: String
    var bytes: UInt64
    var modified: Int
    /// The last ticks of a start that crashed; it lies beside that start's directory.
    var isBlackBox = false
  }

  /// Black boxes, as the last of their start. They are pinned as segments around a fault are.
  private func blackBoxes() throws(RecordingError) -> [Segment] {
    try RecordingPaths.names(in: root).compactMap { name in
      guard let run = RecordingPaths.blackBoxRun(name) else { return nil }
      var status = stat()
      guard stat(root + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
      return Segment(
        path: root + "/" + name, directory: root + "/" + run, number: .max, successor: "",
        bytes: UInt64(status.st_size), modified: status.st_mtim.tv_sec, isBlackBox: true)
    }
  }

  private func segments(except live: String) throws(RecordingError) -> [Segment] {
    var found: [Segment] = []
    for run in try RecordingPaths.names(in: root) {
      let directory = root + "/" + run
      // What a link leads to frees nothing here.
      guard RecordingPaths.isRunID(run), let kind = Self.status(directory), kind.st_mode & S_IFMT == S_IFDIR
      else { continue }
      for (number, path) in try RecordingPaths.segments(in: directory) where path != live {
        guard let status = Self.status(path), SegmentHeader.isOurs(path) else { continue }
        found.append(
          Segment(
            path: path, directory: directory, number: number,
            successor: directory + "/" + RecordingPaths.segmentName(number + 1),
            bytes: UInt64(status.st_size), modified: status.st_mtim.tv_sec))
      }
    }
    return found
  }

  /// Of the name itself, be it a link.
  private static func status(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
  }

  private static func size(_ path: String) -> UInt64 {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_size) : 0
  }

  private struct Facts {
    var isPinned: Bool
    var first: UInt64?
    var last: UInt64?
    /// When, in seconds since 1970; nil where nobody knew.
    var written: Int64?
  }

  /// Nil when the segment must stay: its recorder may still run.
  private func facts(_ segment: Segment) -> Facts? {
    if segment.isBlackBox { return Facts(isPinned: true) }
    let meta = Self.meta(segment.path)
    guard meta["closed"] == "1" || isAbandoned(segment, meta) else { return nil }
    // The ticks before a fault may lie in the segment before it.
    let isPinned = meta["fault"] != nil || Self.meta(segment.successor)["fault"] != nil
    return Facts(
      isPinned: isPinned, first: meta["first_sequence"].flatMap { UInt64($0) },
      last: meta["last_sequence"].flatMap { UInt64($0) },
      written: (meta["closed_at"] ?? meta["opened_at"]).flatMap { Int64($0) })
  }

  private func isAbandoned(_ segment: Segment, _ meta: [String: String]) -> Bool {
    if segment.directory == own { return true }
    guard meta["start_number"] != nil else { return time(nil) - segment.modified > Self.abandonedSeconds }
    return !RunDirectory.isClaimed(segment.directory)
  }

  private func order(_ segments: inout [Segment]) {
    var starts = Dictionary(grouping: segments.filter { !$0.isBlackBox }, by: \.directory)
      .mapValues { Self.startNumber($0.lazy.map(\.path)) }
    starts[own] = .max
    segments.sort { a, b in
      let (first, second) = (starts[a.directory] ?? 0, starts[b.directory] ?? 0)
      if first != second { return first < second }
      if a.directory == b.directory { return a.number < b.number }
      return (a.modified, a.directory) < (b.modified, b.directory)
    }
  }

  /// The number of a start by the first of its segments that can be read; 0 where it notes none.
  private static func startNumber(_ segments: some Sequence<String>) -> Int {
    for segment in segments {
      let meta = meta(segment)
      guard !meta.isEmpty else { continue }
      return meta["start_number"].flatMap { Int($0) }.map { min(max($0, 0), RecordingPaths.largestNumber) }
        ?? 0
    }
    return 0
  }

  /// The number of a start that comes after all in a directory whose segments can be read.
  static func nextStartNumber(in root: String) -> Int {
    var last = 0
    for run in (try? RecordingPaths.names(in: root)) ?? [] where RecordingPaths.isDirectory(root + "/" + run)
    {
      let segments = (try? RecordingPaths.segments(in: root + "/" + run)) ?? []
      last = max(last, startNumber(segments.lazy.map(\.path)))
    }
    return last + 1
  }

  /// What a segment says of itself; empty when it cannot be read.
  private static func meta(_ path: String) -> [String: String] {
    var rows: [String: String] = [:]
    guard SegmentHeader.isOurs(path) else { return rows }
    do throws(RecordingError) {
      let connection = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READONLY, busyMilliseconds: 0)
      try connection.readOnly()
      try Recording.requireTables(["meta"], connection, path)
      let query = try connection.prepare(
        "SELECT key, value FROM meta WHERE key IN "
          + "('closed', 'fault', 'first_sequence', 'last_sequence', 'start_number', 'opened_at', 'closed_at')"
      )
      while try query.step() {
        if let key = query.text(0), let value = query.text(1) { rows[key] = value }
      }
    } catch {
      return [:]
    }
    return rows
  }
}
