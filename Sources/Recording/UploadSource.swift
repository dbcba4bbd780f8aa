import CSQLite
import Glibc
import HandModel
import Realtime
import Wire

/// What a data directory has of one hand to be sent: blocks of ticks and events, of this start and of earlier
/// ones. One thread at a time.
///
/// Each read is one short query, and holds no lock after it: a lock delays the recorder's commit. At most one
/// segment and one file of events are kept open.
package final class UploadSource {
  /// A start of the daemon.
  package struct Run: Sendable, Equatable {
    /// Its run identifier.
    package var id: String
    /// Which start of all in the directory it is; 0 where it does not say.
    package var startNumber = 0
    /// Ticks from the first to the last of segments that follow each other. Where the ring or the storage
    /// dropped ticks between them there is no block.
    package var ticks = SequenceRanges()
    /// Bytes of the segments.
    package var bytes: UInt64 = 0
    /// Number of the newest event; 0 of none.
    package var lastEvent: UInt64 = 0
    /// Ticks a second.
    package var rateHertz = 0
    /// Segments that could not be read: what `ticks` lacks may be in them.
    package var unreadSegments = 0
  }

  /// What there is from a tick on.
  package enum Found: Sendable, Equatable {
    /// The next block. It may begin before the tick, and after it where ticks are missing.
    case block(TickBlock)
    /// A block of these ticks that cannot be read, and why.
    case damaged(ClosedRange<UInt64>, reason: String)
    /// No block up to and with this tick.
    case nothing(through: UInt64)
    /// The recorder is writing just now, or the disk fails: ask again later.
    case busy
  }

  /// Ticks that are passed over where a file cannot be read, some blocks.
  private static let unreadableTicks: UInt64 = 1000
  /// A file changed less long ago may have changed again without another time: the kernel counts in ticks.
  private static let settledNanoseconds: Int64 = 1_000_000_000
  /// How long a query waits for a commit of the recorder.
  private static let busyMilliseconds: Int32 = 50

  private struct Segment {
    var path: String
    var number: Int
    /// Of the file when it was read; -1: to be read again.
    var modified: Int64
    /// As `modified`, of a look for a new block.
    var polled: Int64 = -1
    var bytes: UInt64 = 0
    var first: UInt64?
    var last: UInt64 = 0
    /// Whether it could be read when it was looked at last.
    var isRead = false
  }

  private struct Known {
    var run: Run
    /// Nil until a segment has said it.
    var handID: String?
    var segments: [Segment] = []
    var eventsModified: Int64 = -1
  }

  /// The data directory.
  package let directory: String
  private let handID: String
  /// Every run in the directory at the last look, of other hands too.
  package private(set) var runIDs: Set<String> = []
  private var known: [String: Known] = [:]
  private var open: (path: String, connection: SQLiteConnection, block: SQLiteStatement)?
  private var openEvents: (path: String, connection: SQLiteConnection)?

  /// - Parameter handID: runs of other hands in the directory are not told.
  package init(directory: String, handID: String) {
    self.directory = directory
    self.handID = handID
  }

  /// The hand's runs, the oldest first.
  package var runs: [Run] {
    known.values.filter { $0.handID == handID }.map(\.run).sorted {
      ($0.startNumber, $0.id) < ($1.startNumber, $1.id)
    }
  }

  // MARK: What there is

  /// Looks at what was added and deleted. What has not changed is not opened.
  package func refresh() throws(RecordingError) {
    var names: Set<String> = []
    for name in try RecordingPaths.names(in: directory) {
      guard RecordingPaths.isRunID(name), RecordingPaths.isDirectory(directory + "/" + name) else { continue }
      names.insert(name)
      refresh(run: name)
    }
    known = known.filter { names.contains($0.key) }
    runIDs = names
  }

  /// The same for one run.
  package func refresh(run id: String) {
    let directory = directory + "/" + id
    guard let files = try? RecordingPaths.segments(in: directory) else { return }
    let now = MonotonicClock().wallNow()
    var entry = known[id] ?? Known(run: Run(id: id))
    let before = Dictionary(entry.segments.map { ($0.number, $0) }) { first, _ in first }
    entry.segments = files.compactMap { number, path in
      var status = stat()
      // Opening a pipe would wait for its other end.
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
      let modified = Self.modified(status)
      if let same = before[number], same.modified == modified { return same }
      var segment = before[number] ?? Segment(path: path, number: number, modified: modified)
      segment.bytes = UInt64(status.st_size)
      do throws(RecordingError) {
        try read(&segment, &entry)
        segment.modified = now - modified > Self.settledNanoseconds ? modified : -1
        segment.isRead = true
      } catch {
        // Being written just now, or damaged: what is known of it stays, and it is looked at again.
        segment.modified = -1
      }
      return segment
    }
    refreshEvents(&entry, directory + "/" + RecordingPaths.eventsName)
    Self.sum(&entry)
    known[id] = entry
    if let open, !entry.segments.contains(where: { $0.path == open.path }),
      RecordingPaths.directory(of: open.path) == directory
    {
      // An open file keeps its room on the disk after it was deleted.
      self.open = nil
    }
  }

  private func read(_ segment: inout Segment, _ entry: inout Known) throws(RecordingError) {
    let connection = try Self.connect(segment.path)
    let version = try connection.integer("PRAGMA user_version")
    // Just made, or of a version without blocks: its ticks stay where they are.
    guard version == SegmentSchema.version else { return }
    let meta = try Recording.meta(connection)
    if entry.handID == nil {
      entry.handID = meta["hand_id"]
      entry.run.startNumber = meta["start_number"].flatMap { Int($0) } ?? 0
      entry.run.rateHertz = meta["rate_hertz"].flatMap { Int($0) } ?? 0
    }
    if let first = try Self.end(connection, "first_sequence", "ASC") { segment.first = first }
    if let last = try Self.end(connection, "last_sequence", "DESC") { segment.last = last }
  }

  private static func end(
    _ connection: SQLiteConnection, _ column: String, _ order: String
  ) throws(RecordingError) -> UInt64? {
    let row = try connection.prepare("SELECT \(column) FROM block ORDER BY first_sequence \(order) LIMIT 1")
    guard try row.step(), case .integer(let value) = row.stored(0), value >= 0 else { return nil }
    return UInt64(value)
  }

  private func refreshEvents(_ entry: inout Known, _ path: String) {
    // A commit goes into the log beside it.
    let modified = ["", "-wal"].map { Self.modified(path + $0) }.max() ?? -1
    guard modified != entry.eventsModified else { return }
    do throws(RecordingError) {
      let connection = try eventsConnection(path)
      entry.run.lastEvent = UInt64(clamping: try connection.integer("SELECT max(number) FROM event"))
      if entry.handID == nil {
        let row = try connection.prepare("SELECT value FROM meta WHERE key = 'hand_id'")
        if try row.step() { entry.handID = row.text(0) }
      }
      entry.eventsModified =
        MonotonicClock().wallNow() - modified > Self.settledNanoseconds ? modified : -1
    } catch {
      // Not there yet, or being written: the next look tells.
    }
  }

  private static func modified(_ path: String) -> Int64 {
    var status = stat()
    guard stat(path, &status) == 0 else { return -1 }
    return modified(status)
  }

  private static func modified(_ status: stat) -> Int64 {
    Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
  }

  private static func sum(_ entry: inout Known) {
    entry.run.ticks = SequenceRanges()
    entry.run.bytes = 0
    entry.run.unreadSegments = 0
    var before: Segment?
    for segment in entry.segments {
      entry.run.bytes += segment.bytes
      if !segment.isRead { entry.run.unreadSegments += 1 }
      guard let first = segment.first, first <= segment.last, segment.last <= SequenceRanges.largest else {
        continue
      }
      // Between two that follow each other nothing was deleted.
      let start: UInt64 =
        if let before {
          before.number + 1 == segment.number && before.last < first ? before.last + 1 : first
        } else { segment.number == 1 ? 0 : first }
      entry.run.ticks.insert(start...segment.last)
      before = segment
    }
  }

  /// First and last tick of the newest block of a run, where it was added since the last look. Costs no more
  /// than a look at the file where nothing was.
  package func newBlock(of id: String) -> ClosedRange<UInt64>? {
    guard var entry = known[id], let index = entry.segments.indices.last else { return nil }
    let modified = Self.modified(entry.segments[index].path)
    guard modified != entry.segments[index].polled, modified >= 0 else { return nil }
    let before = entry.segments[index].last
    do throws(RecordingError) {
      let connection = try opened(entry.segments[index].path).connection
      let row = try connection.prepare(
        "SELECT first_sequence, last_sequence FROM block ORDER BY first_sequence DESC LIMIT 1")
      guard try row.step() else { return nil }
      let (first, last) = (UInt64(clamping: row.integer(0)), UInt64(clamping: row.integer(1)))
      guard first <= last, last <= SequenceRanges.largest else { return nil }
      known[id]?.segments[index].polled = modified
      entry.segments[index].polled = modified
      guard entry.segments[index].first == nil || last > before else { return nil }
      entry.segments[index].first = entry.segments[index].first ?? first
      entry.segments[index].last = last
      Self.sum(&entry)
      known[id] = entry
      return first...last
    } catch {
      return nil
    }
  }

  // MARK: Blocks

  /// Finds the block with a tick, or the first after it.
  package func block(run id: String, from tick: UInt64) -> Found {
    guard let entry = known[id] else { return .nothing(through: SequenceRanges.largest) }
    for segment in entry.segments where segment.first != nil && segment.last >= tick {
      do throws(RecordingError) {
        let row = try opened(segment.path).block
        defer { row.reset() }
        row.bind(1, Int64(clamping: tick) - Int64(TickBlock.maximumTicks))
        row.bind(2, Int64(clamping: tick))
        guard try row.step() else { continue }
        let (first, last) = (UInt64(clamping: row.integer(0)), UInt64(clamping: row.integer(1)))
        guard first <= last, last <= SequenceRanges.largest else {
          return .damaged(tick...tick, reason: "\(segment.path): a block from \(first) to \(last)")
        }
        return read(row, first...last, run: id, path: segment.path)
      } catch {
        open = nil
        switch error.sqliteCode {
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_CANTOPEN: return .busy
        default:
          // What cannot be read now can perhaps be read later, but must not hold up the rest.
          let first = max(tick, segment.first ?? tick)
          return .damaged(
            first...min(segment.last, first + Self.unreadableTicks - 1), reason: error.description)
        }
      }
    }
    return .nothing(through: entry.run.ticks.last.map { max($0, tick) } ?? SequenceRanges.largest)
  }

  private func read(
    _ row: SQLiteStatement, _ range: ClosedRange<UInt64>, run: String, path: String
  ) -> Found {
    func damaged(_ reason: String) -> Found {
      .damaged(range, reason: "\(path): block of ticks \(range.lowerBound) to \(range.upperBound): \(reason)")
    }
    guard row.stored(2) == .blob else { return damaged("found \(row.stored(2).name), expected bytes") }
    do throws(TickBlockError) {
      let block = try TickBlock(bytes: Array(row.bytes(2)))
      guard block.key.runID == run, block.key.firstSequence == range.lowerBound,
        block.key.lastSequence == range.upperBound
      else { return damaged("it is another block than the file says") }
      return .block(block)
    } catch { return damaged(error.description) }
  }

  private func opened(
    _ path: String
  ) throws(RecordingError) -> (path: String, connection: SQLiteConnection, block: SQLiteStatement) {
    if let open, open.path == path { return open }
    open = nil
    let connection = try Self.connect(path)
    // The range keeps the search to the rows that can hold the tick.
    let block = try connection.prepare(
      "SELECT first_sequence, last_sequence, bytes FROM block WHERE first_sequence > ?1 "
        + "AND last_sequence >= ?2 ORDER BY first_sequence LIMIT 1")
    let opened = (path, connection, block)
    open = opened
    return opened
  }

  /// Without Recording's long wait for a lock. A hot journal is rolled back, as by every reader.
  private static func connect(_ path: String) throws(RecordingError) -> SQLiteConnection {
    let connection = try SQLiteConnection(
      path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: busyMilliseconds)
    try connection.readOnly()
    return connection
  }

  // MARK: Events

  private func eventsConnection(_ path: String) throws(RecordingError) -> SQLiteConnection {
    if let openEvents, openEvents.path == path { return openEvents.connection }
    openEvents = nil
    let connection = try Self.connect(path)
    openEvents = (path, connection)
    return connection
  }

  private func eventsPath(_ run: String) -> String { directory + "/" + run + "/" + RecordingPaths.eventsName }

  /// Events of a run from a number on, at most `limit`; an empty list where they cannot be read now.
  package func events(run: String, from number: UInt64, limit: Int) -> [HandEvent] {
    let path = eventsPath(run)
    do throws(RecordingError) {
      let rows = StoredEvents(
        path: path,
        statement: try eventsConnection(path).prepare(
          "SELECT \(StoredEvents.columns) FROM event WHERE number >= ?1 ORDER BY number LIMIT ?2"))
      rows.statement.bind(1, Int64(clamping: number))
      rows.statement.bind(2, Int64(limit))
      var events: [HandEvent] = []
      while try rows.statement.step() { events.append(try rows.event()) }
      return events
    } catch {
      openEvents = nil
      return []
    }
  }

  /// The ticks within a distance of the run's events of trouble; nil where they cannot be read now.
  package func ticksAroundTrouble(run: String, margin: UInt64) -> SequenceRanges? {
    let kinds = HandEvent.Kind.allCases.filter(\.isTrouble).map { "'\($0.rawValue)'" }.joined(separator: ", ")
    do throws(RecordingError) {
      let rows = try eventsConnection(eventsPath(run)).prepare(
        "SELECT sequence FROM event WHERE kind IN (\(kinds)) AND sequence >= 0 ORDER BY sequence")
      var ticks = SequenceRanges()
      while try rows.step() {
        let tick = UInt64(clamping: rows.integer(0))
        ticks.insert((tick > margin ? tick - margin : 0)...min(SequenceRanges.largest, tick + margin))
      }
      return ticks
    } catch {
      openEvents = nil
      return nil
    }
  }

  /// Wall clock of the first tick from `tick` on that a row tells, nanoseconds since 1970; nil where none
  /// does.
  package func wallNanoseconds(run id: String, from tick: UInt64) -> Int64? {
    guard let segment = known[id]?.segments.first(where: { $0.first != nil && $0.last >= tick }) else {
      return nil
    }
    do throws(RecordingError) {
      let row = try opened(segment.path).connection.prepare(
        "SELECT wall_nanoseconds FROM tick WHERE sequence >= ?1 ORDER BY sequence LIMIT 1")
      row.bind(1, Int64(clamping: tick))
      guard try row.step(), case .integer(let wall) = row.stored(0) else { return nil }
      return wall
    } catch {
      open = nil
      return nil
    }
  }
}
