import Foundation
import Glibc

/// One start of a daemon among the recordings of a data directory.
package struct RecordedStart: Sendable, Equatable, Codable {
  /// Its run identifier, the name of its directory.
  package var run: String
  /// Its directory.
  package var path: String
  /// Wall clock of its first tick as its recorder noted it, else of its oldest tick; nil where neither can be
  /// read.
  package var wallNanoseconds: Int64?

  static func date(_ wallNanoseconds: Int64?) -> String {
    guard let wallNanoseconds else { return "unknown time" }
    return Date(timeIntervalSince1970: Double(wallNanoseconds) / 1e9).formatted(.iso8601)
  }

  init(path: String, run: String) {
    self.run = run
    self.path = path
    wallNanoseconds = Self.wallNanoseconds(path)
  }

  private static func wallNanoseconds(_ directory: String) -> Int64? {
    let events = directory + "/" + RecordingPaths.eventsName
    if access(events, F_OK) == 0,
      let wall = value(
        events, "SELECT wall_nanoseconds FROM event WHERE kind = 'start' ORDER BY number LIMIT 1")
    {
      return wall
    }
    guard let segments = try? RecordingPaths.segments(in: directory) else { return nil }
    for segment in segments {
      if let wall = value(segment.path, "SELECT wall_nanoseconds FROM tick ORDER BY sequence LIMIT 1") {
        return wall
      }
    }
    return nil
  }

  private static func value(_ path: String, _ sql: String) -> Int64? {
    guard let row = try? Recording.connect(path).prepare(sql), (try? row.step()) == true else { return nil }
    return row.integer(0)
  }
}

extension Recording {
  /// The starts recorded in a data directory, the newest first by their own clock. Ties, as of runs in
  /// virtual time, are broken by the files' times, then by name; a start without a tick that can be read
  /// comes last.
  static func starts(in directory: String) throws(RecordingError) -> [RecordedStart] {
    let starts = try runIDs(in: directory).map { RecordedStart(path: directory + "/" + $0, run: $0) }
    let dated = starts.map { (start: $0, file: modification($0.path)) }
    return dated.sorted { a, b in
      let (first, second) = (a.start.wallNanoseconds ?? .min, b.start.wallNanoseconds ?? .min)
      return first != second
        ? first > second : a.file != b.file ? a.file > b.file : a.start.run > b.start.run
    }.map(\.start)
  }

  private static func modification(_ path: String) -> Int64 {
    var status = stat()
    return stat(path, &status) == 0
      ? Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec) : 0
  }

  /// Other starts named one by one in `choice`; further ones are only counted.
  private static let namedStarts = 8

  /// Where a data directory with several starts was given: which one was taken, and how to name another.
  package var choice: String? {
    guard !otherStarts.isEmpty else { return nil }
    let named = otherStarts.prefix(Self.namedStarts).map {
      "\($0.path) of \(RecordedStart.date($0.wallNanoseconds))"
    }
    let more = otherStarts.count - named.count
    return "took the newest of \(otherStarts.count + 1) starts, \(path); to read another, name it: "
      + named.joined(separator: ", ") + (more > 0 ? ", and \(more) older" : "")
  }
}
