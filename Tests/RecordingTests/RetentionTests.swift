import CSQLite
import Foundation
import HandModel
import Testing

@testable import Recording

@Suite("Retention of segments")
struct RetentionTests {
  /// Segments of 100 ticks; a segment of 100 ticks has some 160 kB.
  private static let bound: UInt64 = 1_000_000

  private static func options(keepBytes: UInt64?) -> RecorderOptions {
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.segmentBytes = 500_000
    options.batchTicks = 50
    options.keepBytes = keepBytes
    return options
  }

  private static func bytes(in directory: String) throws -> UInt64 {
    try RecordingPaths.names(in: directory).reduce(0) { sum, run in
      try RecordingPaths.segments(in: directory + "/" + run).reduce(sum) {
        let size = try FileManager.default.attributesOfItem(atPath: $1.path)[.size] as? NSNumber
        return $0 + (size?.uint64Value ?? 0)
      }
    }
  }

  @Test(
    "the oldest segments go, of earlier boots first; what is left is the newest, within the bound, and each deletion is an event"
  )
  func oldestFirst() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<2000).map { plainRecord($0) }
    try record(records, in: directory.path, runID: "boot-0", options: Self.options(keepBytes: nil))
    #expect(try Self.bytes(in: directory.path) > 2 * Self.bound, "the first run alone breaks the bound")
    // The clock of file times has the resolution of a tick of the kernel's.
    let past = [FileAttributeKey.modificationDate: Date(timeIntervalSinceNow: -60)]
    for segment in try RecordingPaths.segments(in: directory.path + "/boot-0") {
      try FileManager.default.setAttributes(past, ofItemAtPath: segment.path)
    }
    let recording = try record(
      records, in: directory.path, runID: "boot-1", options: Self.options(keepBytes: Self.bound))
    #expect(try RecordingPaths.segments(in: directory.path + "/boot-0").isEmpty)
    #expect(try Self.bytes(in: directory.path) <= Self.bound)

    let left = try recording.info()
    #expect(left.missingTicks == 0 && left.lastSequence == 1999)
    let first = try #require(left.firstSequence)
    let own = try recording.events().filter { $0.kind == .expired && $0.text.contains("/boot-1/") }
    #expect(own.map(\.from) == stride(from: 0, to: first, by: 100).map { String($0) })
    #expect(own.map(\.to) == stride(from: 99, to: first, by: 100).map { String($0) })
    #expect(try recording.events().count { $0.text.contains("/boot-0/") } == 20)
  }

  @Test("a clock that went back makes nothing older: starts and segments go in their order")
  func clockBack() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<1000).map { plainRecord($0) }
    try record(records, in: directory.path, runID: "boot-b", options: Self.options(keepBytes: nil))
    try record(records, in: directory.path, runID: "boot-a", options: Self.options(keepBytes: nil))
    // Written when the clock was ahead, the earlier start the most.
    for (run, year) in [("boot-b", 2.0), ("boot-a", 1.0)] {
      let future = [FileAttributeKey.modificationDate: Date(timeIntervalSinceNow: year * 3e7)]
      for segment in try RecordingPaths.segments(in: directory.path + "/" + run) {
        try FileManager.default.setAttributes(future, ofItemAtPath: segment.path)
      }
    }
    let recording = try record(
      records, in: directory.path, runID: "boot-c", options: Self.options(keepBytes: Self.bound))
    let left = try ["boot-b", "boot-a", "boot-c"].map {
      try RecordingPaths.segments(in: directory.path + "/" + $0).map(\.number)
    }
    #expect(left[0].isEmpty, "the first start went first")
    #expect(left[1].isEmpty || left[2].count == 10, "the last start's go only when all others are gone")
    #expect(left[2].last == 10 && left[2] == Array((11 - left[2].count)...10), "\(left)")
    #expect(try recording.events().contains { $0.kind == .expired })
  }

  /// Some time of some day.
  private static let noon: Int64 = 1_800_000_000
  private static let day: Int64 = 86_400

  /// Options by which nothing but age decides, at a time that is known or not.
  private static func options(days: Int64?, at time: Int64?) -> RecorderOptions {
    var options = options(keepBytes: nil)
    options.keepSeconds = days.map { $0 * day }
    options.knownTime = { time }
    return options
  }

  private static func numbers(_ run: String, in directory: TemporaryDirectory) throws -> [Int] {
    try RecordingPaths.segments(in: directory.path + "/" + run).map(\.number)
  }

  @Test("what is older than it may become goes, with an event; segments around a fault stay")
  func age() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<1000).map { sequence in
      var record = plainRecord(UInt64(sequence))
      if sequence >= 910 {
        record.state = .fault
        record.fault = .trackingError
      }
      return record
    }
    try record(records, in: directory.path, runID: "old", options: Self.options(days: nil, at: Self.noon))
    try record(
      Array(records.prefix(900)), in: directory.path, runID: "young",
      options: Self.options(days: nil, at: Self.noon + Self.day))
    let recording = try record(
      records, in: directory.path, runID: "now",
      options: Self.options(days: 2, at: Self.noon + 2 * Self.day + 1))
    #expect(try Self.numbers("old", in: directory) == [9, 10])
    #expect(try Self.numbers("young", in: directory).count == 9)
    #expect(try Self.numbers("now", in: directory).count == 10)
    let told = try recording.events().filter { $0.kind == .expired }
    #expect(told.map(\.from) == stride(from: 0, to: 800, by: 100).map { String($0) })
    #expect(told.allSatisfy { $0.text.contains("written more than 172800 s ago") }, "\(told)")
  }

  @Test(
    "by age nothing goes while the time is not known, that was written when it was not, or that a wrong clock wrote",
    arguments: [
      (writing: noon, now: nil), (writing: nil, now: noon + 400 * day),
      (writing: noon, now: noon - 400 * day),
    ] as [(Int64?, Int64?)])
  func unknownAge(writing: Int64?, now: Int64?) throws {
    let directory = try TemporaryDirectory()
    let records = (0..<300).map { plainRecord($0) }
    try record(records, in: directory.path, runID: "old", options: Self.options(days: 1, at: writing))
    let recording = try record(
      records, in: directory.path, runID: "now", options: Self.options(days: 1, at: now))
    #expect(try Self.numbers("old", in: directory) == [1, 2, 3])
    #expect(try !recording.events().contains { $0.kind == .expired })
  }

  @Test("by age nothing goes before what is older, whatever a clock said when that was written")
  func ageInOrder() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<300).map { plainRecord($0) }
    for (run, time) in [("first", Self.noon + 9 * Self.day), ("second", Self.noon)] {
      try record(records, in: directory.path, runID: run, options: Self.options(days: nil, at: time))
    }
    for (days, left) in [(9, 6), (10, 0)] as [(Int64, Int)] {
      try record(
        records, in: directory.path, runID: "now-\(days)",
        options: Self.options(days: 2, at: Self.noon + days * Self.day + 2 * Self.day))
      let runs = ["first", "second"]
      #expect(try runs.reduce(0) { try $0 + Self.numbers($1, in: directory).count } == left)
    }
  }

  @Test("what seems to be of the future has no age, and keeps nothing else")
  func future() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<300).map { plainRecord($0) }
    for (run, time) in [("first", Self.noon + 100 * Self.day), ("second", Self.noon)] {
      try record(records, in: directory.path, runID: run, options: Self.options(days: nil, at: time))
    }
    try record(
      records, in: directory.path, runID: "now",
      options: Self.options(days: 2, at: Self.noon + 10 * Self.day))
    #expect(try Self.numbers("first", in: directory).count == 3)
    #expect(try Self.numbers("second", in: directory).isEmpty)
  }

  @Test("a start that crashed ages from when its segments were begun")
  func ageOfCrash() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<300).map { plainRecord($0) }
    let dead = try record(
      records, in: directory.path, runID: "dead", options: Self.options(days: nil, at: Self.noon))
    for segment in dead.segments {
      let writer = try SQLiteConnection(
        path: segment.path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
      try writer.execute("DELETE FROM meta WHERE key IN ('closed', 'closed_at')")
    }
    try record(
      records, in: directory.path, runID: "now",
      options: Self.options(days: 1, at: Self.noon + Self.day + 1))
    #expect(try Self.numbers("dead", in: directory).isEmpty)
  }

  @Test("the open segment of a recorder that was killed goes in its turn, at once")
  func killed() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<1000).map { plainRecord($0) }
    let dead = try record(records, in: directory.path, runID: "dead", options: Self.options(keepBytes: nil))
    for segment in dead.segments {
      let writer = try SQLiteConnection(
        path: segment.path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
      try writer.execute("DELETE FROM meta WHERE key = 'closed'")
    }
    try record(records, in: directory.path, runID: "next", options: Self.options(keepBytes: Self.bound))
    #expect(try RecordingPaths.segments(in: directory.path + "/dead").count < dead.segments.count)
    #expect(try Self.bytes(in: directory.path) <= Self.bound)
  }

  @Test("what is no segment is never deleted, and keeps no recorder from starting", .timeLimit(.minutes(2)))
  func foreign() throws {
    let directory = try TemporaryDirectory()
    let elsewhere = try TemporaryDirectory()
    let records = (0..<1000).map { plainRecord($0) }
    try record(records, in: elsewhere.path, runID: "linked", options: Self.options(keepBytes: nil))
    let strange = directory.path + "/strange"
    try FileManager.default.createDirectory(atPath: strange, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: directory.path + "/linked", withDestinationPath: elsewhere.path + "/linked")
    #expect(mkfifo(strange + "/segment-0001.sqlite", 0o600) == 0)
    let foreign = strange + "/segment-0002.sqlite"
    try SQLiteConnection(
      path: foreign, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busyMilliseconds: 0
    ).execute("CREATE TABLE t (x)")
    let longAgo = [FileAttributeKey.modificationDate: Date(timeIntervalSinceNow: -1e7)]
    try FileManager.default.setAttributes(longAgo, ofItemAtPath: foreign)
    let endless = strange + "/segment-0003.sqlite"
    try SQLiteConnection(
      path: endless, flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busyMilliseconds: 0
    ).execute(
      """
      PRAGMA application_id = \(SegmentSchema.applicationID);
      CREATE VIEW meta(key, value) AS
        WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'closed', x FROM n;
      """)
    _ = FileManager.default.createFile(atPath: strange + "/segment-9223372036854775807.sqlite", contents: nil)
    let numbered = directory.path + "/numbered"
    try record(records, in: directory.path, runID: "numbered", options: Self.options(keepBytes: nil))
    for segment in try RecordingPaths.segments(in: numbered) {
      try SQLiteConnection(path: segment.path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
        .execute("UPDATE meta SET value = '9223372036854775807' WHERE key = 'start_number'")
    }
    try record(records, in: directory.path, runID: "now", options: Self.options(keepBytes: Self.bound))
    #expect(access(foreign, F_OK) == 0)
    #expect(try RecordingPaths.segments(in: elsewhere.path + "/linked").count == 10)
    #expect(try RecordingPaths.segments(in: numbered).count < 10)
  }

  @Test("what a later start deleted is not lost in an earlier one")
  func expiredByOthers() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<1000).map { plainRecord($0) }
    let first = try record(
      records, in: directory.path, runID: "first", options: Self.options(keepBytes: nil))
    try record(
      Array(records.prefix(200)), in: directory.path, runID: "second",
      options: Self.options(keepBytes: Self.bound))
    let left = try Recording.open(path: first.path)
    #expect(left.segments.count < 10)
    let found = left.verify()
    #expect(found.lostTicks == 0 && !found.missing.isEmpty, "\(found.text)")
    #expect(found.missing.allSatisfy { $0.cause == "expired" })
  }

  @Test("the segment of a fault and the one before it outlive younger ones")
  func faultsLast() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<2000).map { sequence in
      var record = plainRecord(UInt64(sequence))
      if sequence >= 210 {
        record.state = .fault
        record.fault = .trackingError
      }
      return record
    }
    let recording = try record(records, in: directory.path, options: Self.options(keepBytes: Self.bound))
    let numbers = try RecordingPaths.segments(in: recording.path).map(\.number)
    #expect(numbers.prefix(2) == [2, 3], "\(numbers)")
    #expect(numbers.last == 20 && numbers.count < 12, "\(numbers)")
  }

  @Test("a segment that its recorder may still write stays, whatever the bound")
  func liveSegments() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    let other = try Recorder(
      directory: directory.path, identity: try handIdentity(runID: "other"), ring: ring)
    try other.start()
    pushWaiting(plainRecord(0), to: ring)
    #expect(waitUntil { other.status.recordedTicks == 1 })
    try record(
      (0..<2000).map { plainRecord($0) }, in: directory.path, options: Self.options(keepBytes: Self.bound))
    pushWaiting(plainRecord(1), to: ring)
    other.stop()
    #expect(try Recording.open(path: directory.path + "/other").info().ticks == 2)
  }

  @Test("black boxes count, only the newest of them are kept, and they outlive what is not around a fault")
  func blackBoxes() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<1000).map { plainRecord($0) }
    try record(records, in: directory.path, runID: "boot-b", options: Self.options(keepBytes: nil))
    try record(records, in: directory.path, runID: "boot-a", options: Self.options(keepBytes: nil))
    func box(_ run: String, _ last: UInt64) throws -> String {
      try BlackBoxFile.save(
        [plainRecord(last)], identity: try handIdentity(runID: run), directory: directory.path)
    }
    // With memory that nobody could read, the oldest of all, one too many.
    var boxes = try (1..<UInt64(Retention.maximumBlackBoxes)).map { try box("boot-a", 100 + $0) }
    boxes.append(try box("boot-b", 999))
    let raw = directory.path + "/blackbox-1700000000.raw"
    try Data(count: 100).write(to: URL(fileURLWithPath: raw))
    let stranger = directory.path + "/blackbox-of-the-plane.txt"
    try Data(count: 100).write(to: URL(fileURLWithPath: stranger))
    let boxBytes = try boxes.reduce(0) { try $0 + Data(contentsOf: URL(fileURLWithPath: $1)).count }
    let recording = try record(
      records, in: directory.path, runID: "boot-c",
      options: Self.options(keepBytes: UInt64(boxBytes) + Self.bound))
    #expect(access(raw, F_OK) != 0 && access(stranger, F_OK) == 0)
    #expect(boxes.allSatisfy { access($0, F_OK) == 0 }, "younger segments went first")
    let told = try recording.events().filter { $0.kind == .expired }
    #expect(told.contains { $0.text.contains("blackbox-1700000000.raw") && $0.from == nil })
    #expect(try RecordingPaths.segments(in: directory.path + "/boot-b").isEmpty)
    // What other starts lost is no excuse for what this one misses.
    try FileManager.default.removeItem(atPath: try #require(recording.segments.first?.path))
    let found = try Recording.open(path: recording.path).verify()
    #expect(found.lostTicks > 0, "\(found.text)")
  }
}
