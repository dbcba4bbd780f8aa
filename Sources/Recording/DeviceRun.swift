import Glibc
import HandModel
import Wire

/// What a device's directory has of one run: all that can be read, and what cannot.
struct DeviceRun {
  private(set) var handID: String?
  private var runID: String?
  /// Which start of all in the directory it is; 0 where it does not say.
  private(set) var startNumber = 0
  /// Of blocks that can be read, each with its hash.
  private(set) var ticks = SequenceRanges()
  /// SHA-256 of the blocks with these ticks; two where a commit was repeated.
  private(set) var hashes: [ClosedRange<UInt64>: [[UInt8]]] = [:]
  /// Of blocks that cannot be read.
  private(set) var damagedTicks = SequenceRanges()
  /// Of segments of a version without blocks.
  private(set) var plainTicks = SequenceRanges()
  /// Without a block, and between rows that are as far apart as the recorder's mode wants.
  private(set) var thinnedTicks = SequenceRanges()
  private(set) var damage: [String] = []
  var events: [HandEvent] = []
  /// Numbers of the events.
  private(set) var eventNumbers = SequenceRanges()
  /// Whether there is anything of a recording.
  private(set) var isRecording = false
  /// The last tick that is known to have been, recorded or not.
  private(set) var lastTick: UInt64?

  init(_ directory: String) {
    do throws(RecordingError) {
      let files = try RecordingPaths.segments(in: directory)
      isRecording = !files.isEmpty
      for file in files {
        do throws(RecordingError) { try read(file.path) } catch { damage.append(error.description) }
      }
    } catch { damage.append(error.description) }
    if access(directory + "/" + RecordingPaths.eventsName, F_OK) == 0 {
      isRecording = true
      do throws(RecordingError) { events = try Self.events(in: directory) } catch {
        damage.append(error.description)
      }
    }
    for event in events where event.number <= SequenceRanges.largest {
      eventNumbers.insert(event.number...event.number)
    }
    // What was lost between two rows is not what the mode thinned out.
    for event in events {
      guard let told = Recording.cause(event, ""), told.kind != .expired,
        told.range.upperBound <= SequenceRanges.largest
      else { continue }
      var lost = SequenceRanges()
      lost.insert(told.range)
      thinnedTicks = thinnedTicks.subtracting(lost)
    }
    note()
  }

  /// The events of a run's directory; none where there is no file of them.
  static func events(in directory: String) throws(RecordingError) -> [HandEvent] {
    let path = directory + "/" + RecordingPaths.eventsName
    guard access(path, F_OK) == 0 else { return [] }
    return try Recording.events(in: path)
  }

  /// Segments that were deleted, by their run. They are deleted by whoever records then: the event stands in
  /// that one's directory.
  static func expired(in directories: [String]) -> [String: [HandEvent]] {
    var expired: [String: [HandEvent]] = [:]
    for directory in directories {
      for event in (try? events(in: directory)) ?? [] where event.kind == .expired {
        let path = event.text.prefix { $0 != "," }.split(separator: "/")
        if let run = path.dropLast().last { expired[String(run), default: []].append(event) }
      }
    }
    return expired
  }

  private mutating func note() {
    // A tick that an event names was, whether it was recorded or not.
    let told = events.compactMap(\.sequence).filter { $0 <= SequenceRanges.largest }.max()
    lastTick = [ticks.last, damagedTicks.last, plainTicks.last, thinnedTicks.last, told].compactMap(\.self)
      .max()
  }

  /// The last tick that is known to have been, also of what was deleted since; nil where nothing says.
  func lastTickThatWas(_ run: String) -> UInt64? {
    events.compactMap { Recording.cause($0, run)?.range.upperBound }.reduce(lastTick) { last, told in
      told <= SequenceRanges.largest ? max(last ?? 0, told) : last
    }
  }

  /// Whether a block with these ticks cannot have come from here: they are in others, of which none begins
  /// there and is as long. A commit that was repeated is longer.
  func contradicts(_ range: ClosedRange<UInt64>) -> Bool {
    ticks.contains(range)
      && !hashes.keys.contains {
        $0.lowerBound == range.lowerBound && $0.upperBound >= range.upperBound
      }
  }

  private mutating func read(_ path: String) throws(RecordingError) {
    // Nil of one that was only begun.
    guard let (meta, connection) = try Recording.openSegment(path) else { return }
    let version = try connection.integer("PRAGMA user_version")
    let run = Recording.runID(meta)
    guard runID == nil || runID == run else {
      throw .notARecording(path: path, reason: "it belongs to another run than the segments before it")
    }
    runID = run
    handID = handID ?? meta["hand_id"]
    startNumber = meta["start_number"].flatMap { Int($0) } ?? startNumber
    guard version == SegmentSchema.version else {
      let ends = try connection.prepare("SELECT min(sequence), max(sequence) FROM tick")
      if try ends.step(), !ends.isNull(0) { insert(ends, into: &plainTicks) }
      return
    }
    if let every = try Recording.thinnedTo(meta, path) { try noteRows(connection, every: UInt64(every)) }
    let keys = try connection.prepare(
      "SELECT first_sequence, last_sequence FROM block ORDER BY first_sequence")
    let bytes = try connection.prepare("SELECT bytes FROM block WHERE first_sequence = ?1")
    var all: [ClosedRange<UInt64>] = []
    while try keys.step() {
      var one = SequenceRanges()
      insert(keys, into: &one)
      if let range = one.ranges.first { all.append(range) }
    }
    for range in all {
      bytes.reset()
      bytes.bind(1, Int64(range.lowerBound))
      do throws(RecordingError) {
        guard try bytes.step() else { continue }
        guard range.upperBound - range.lowerBound < UInt64(TickBlock.maximumTicks) else {
          throw .damaged(
            path: path, sequence: range.lowerBound, reason: "its block claims to end at \(range.upperBound)")
        }
        try take(Array(bytes.bytes(0)), of: run, range, path)
      } catch {
        damage.append(error.description)
        let most = range.lowerBound + UInt64(TickBlock.maximumTicks) - 1
        damagedTicks.insert(range.lowerBound...min(range.upperBound, most))
      }
    }
    thinnedTicks = thinnedTicks.subtracting(ticks).subtracting(damagedTicks)
  }

  /// Takes the ticks from one row to the next where none that should have a row has not.
  private mutating func noteRows(_ connection: SQLiteConnection, every: UInt64) throws(RecordingError) {
    let rows = try connection.prepare("SELECT sequence FROM tick ORDER BY sequence")
    var last: UInt64?
    while try rows.step() {
      let sequence = min(UInt64(clamping: rows.integer(0)), SequenceRanges.largest)
      let follows = last.map { $0 <= sequence && sequence <= $0 - $0 % every + every } ?? false
      thinnedTicks.insert((follows ? last ?? sequence : sequence)...sequence)
      last = sequence
    }
  }

  private mutating func take(
    _ bytes: [UInt8], of run: String?, _ range: ClosedRange<UInt64>, _ path: String
  ) throws(RecordingError) {
    do throws(TickBlockError) {
      let block = try TickBlock(bytes: bytes)
      guard block.key.runID == run else { throw .contradiction("it is of run \(block.key.runID)") }
      guard block.key.firstSequence == range.lowerBound, block.key.lastSequence == range.upperBound else {
        throw .contradiction("it is another block than the file says")
      }
      ticks.insert(range)
      hashes[range, default: []].append(Array(block.sha256))
    } catch {
      throw .damaged(path: path, sequence: range.lowerBound, reason: "its block: \(error)")
    }
  }

  private func insert(_ row: SQLiteStatement, into ranges: inout SequenceRanges) {
    let (first, last) = (UInt64(clamping: row.integer(0)), UInt64(clamping: row.integer(1)))
    if first <= last, last <= SequenceRanges.largest { ranges.insert(first...last) }
  }
}
