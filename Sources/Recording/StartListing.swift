import Glibc
import HandModel

/// What a data directory has of one start, without reading its ticks.
package struct StartListing: Sendable, Equatable, Encodable {
  /// How a recording ended, if it has.
  package enum End: String, Sendable, Encodable {
    /// A recorder has the directory claimed.
    case recording
    /// The recorder closed it.
    case closed
    /// Nobody records, and it is not closed: killed, or power was lost.
    case interrupted
  }

  /// Its run identifier, the name of its directory.
  package var run: String
  /// Its directory.
  package var path: String
  /// Wall clock of its first tick; nil where it cannot be read.
  package var wallNanoseconds: Int64?
  /// Segments that are there.
  package var segments = 0
  /// Of all its files.
  package var bytes: UInt64 = 0
  /// First tick of the segments that are there.
  package var firstSequence: UInt64?
  /// Last tick of them.
  package var lastSequence: UInt64?
  /// Faults that were latched, one a segment, by their ids.
  package var faults: [String] = []
  /// Whether it is still written.
  package var end = End.interrupted
  /// Segments that cannot be read.
  package var damagedSegments = 0

  fileprivate init(_ start: RecordedStart) throws(RecordingError) {
    run = start.run
    path = start.path
    wallNanoseconds = start.wallNanoseconds
    guard let names = try? RecordingPaths.names(in: path) else {
      damagedSegments = 1
      return
    }
    for name in names {
      var status = stat()
      if stat(path + "/" + name, &status) == 0 { bytes += UInt64(status.st_size) }
    }
    let files = try RecordingPaths.segments(in: path).map(\.path)
    segments = files.count
    var closed = false
    for file in files {
      do throws(RecordingError) { closed = try note(file) } catch { damagedSegments += 1 }
    }
    end = RunDirectory.isClaimed(path) ? .recording : closed ? .closed : .interrupted
  }

  /// Adds what a segment says of itself, or of its ticks where it was not closed; whether it was.
  private mutating func note(_ file: String) throws(RecordingError) -> Bool {
    let connection = try Recording.connect(file)
    let meta = try Recording.meta(connection)
    var (first, last) = (
      meta["first_sequence"].flatMap { UInt64($0) }, meta["last_sequence"].flatMap { UInt64($0) }
    )
    if first == nil || last == nil {
      let ends = try connection.prepare(
        try SegmentSchema.hasBlocks(connection)
          ? "SELECT min(first_sequence), max(last_sequence) FROM block"
          : "SELECT min(sequence), max(sequence) FROM tick")
      if try ends.step(), !ends.isNull(0) {
        (first, last) = (UInt64(clamping: ends.integer(0)), UInt64(clamping: ends.integer(1)))
      }
    }
    firstSequence = [firstSequence, first].compactMap(\.self).min()
    lastSequence = [lastSequence, last].compactMap(\.self).max()
    if let fault = meta["fault"] { faults.append(fault) }
    return meta["closed"] == "1"
  }
}

extension StartListing {
  /// One line, for people.
  package var text: String {
    let ticks = firstSequence.map { "ticks \($0) to \(lastSequence ?? $0)" } ?? "no tick"
    let megabytes = (Double(bytes) / 1e5).rounded() / 10
    var parts = [
      RecordedStart.date(wallNanoseconds), run, "\(megabytes) MB in \(segments) segments", ticks,
      end.rawValue,
    ]
    if !faults.isEmpty { parts.append("faults: \(faults.joined(separator: ", "))") }
    if damagedSegments > 0 { parts.append("\(damagedSegments) segments damaged") }
    return parts.joined(separator: "  ")
  }
}

extension Recording {
  /// The starts in a data directory, the newest first; of the directory of one start that one.
  package static func list(in directory: String) throws(RecordingError) -> [StartListing] {
    var starts = try starts(in: directory)
    // Of one start.
    if starts.isEmpty, try !RecordingPaths.segments(in: directory).isEmpty {
      let path = directory.hasSuffix("/") ? String(directory.dropLast()) : directory
      let run = path.split(separator: "/").last.map(String.init) ?? path
      starts = [RecordedStart(path: path, run: run)]
    }
    var listings: [StartListing] = []
    for start in starts { listings.append(try StartListing(start)) }
    return listings
  }

  /// The black boxes in a data directory: the last ticks of starts that crashed.
  package static func blackBoxes(in directory: String) throws(RecordingError) -> [String] {
    try RecordingPaths.names(in: directory).filter { $0.hasPrefix("blackbox-") }.map { directory + "/" + $0 }
  }
}
