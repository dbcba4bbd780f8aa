import CSQLite
import Foundation
import HandModel
import SeededRandom
import Testing

@testable import Recording

@Suite("Reading recordings")
struct ReaderTests {
  @Test("two recordings of the same ticks are identical, whatever their wall clock and run")
  func identical() throws {
    let directory = try TemporaryDirectory()
    let ticks = (0..<500).map { plainRecord(UInt64($0)) }
    let later = ticks.map { record in
      var record = record
      record.wallNanoseconds += 86_400_000_000_000
      return record
    }
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.batchTicks = 100
    let a = try record(ticks, in: directory.path, runID: "a")
    let b = try record(later, in: directory.path, runID: "b", options: options)
    let difference = try Recording.diff(a, b)
    #expect(difference.isIdentical)
    #expect(difference.comparedTicks == 500)
    #expect(difference.description == "identical (500 ticks)")
  }

  @Test("the first difference is named by tick, column, joint and both values")
  func different() throws {
    let directory = try TemporaryDirectory()
    let ticks = (0..<100).map { plainRecord(UInt64($0)) }
    var changed = ticks
    changed[40].joints[3].positionRadians += 1e-6
    changed[60].overruns = 2
    let a = try record(ticks, in: directory.path, runID: "a")
    let b = try record(changed, in: directory.path, runID: "b")
    let difference = try Recording.diff(a, b)
    #expect(
      difference.first
        == .init(
          sequence: 40, column: "position_radians", joint: a.jointNames[3], a: "3.04", b: "3.040001"))
    #expect(difference.differingTicks == 2)
    #expect(difference.differingValues == 2)
    #expect(!difference.isIdentical)
  }

  @Test("a recording that ends earlier or misses a tick is different")
  func differentLength() throws {
    let directory = try TemporaryDirectory()
    let a = try record((0..<100).map { plainRecord($0) }, in: directory.path, runID: "a")
    let b = try record((0..<90).filter { $0 != 7 }.map { plainRecord($0) }, in: directory.path, runID: "b")
    let difference = try Recording.diff(a, b)
    #expect(difference.onlyInA == 11)
    #expect(difference.onlyInB == 0)
    #expect(
      difference.first == .init(sequence: 7, column: "sequence", joint: nil, a: "present", b: "missing"))
    #expect(try Recording.diff(b, a).onlyInB == 11)
  }

  @Test("CSV has a header with units and one exact line a tick")
  func csv() throws {
    let directory = try TemporaryDirectory()
    var tick = plainRecord(5)
    tick.windowProduct = 0.5
    tick.joints[0].innovationRadians = -1.25e-6
    tick.joints[0].encoderCounts = 4095
    let recording = try record([plainRecord(4), tick, plainRecord(6)], in: directory.path)
    let path = directory.path + "/out.csv"
    let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
    let name = recording.jointNames[0]
    #expect(try recording.exportCSV(to: descriptor, joints: [name], range: 5...5).ticks == 1)
    close(descriptor)
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 2)
    let header = lines[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let values = lines[1].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    #expect(header.count == recording.fields.tickColumns.count + recording.fields.jointColumns.count)
    #expect(values.count == header.count)
    let row = Dictionary(zip(header, values)) { first, _ in first }
    #expect(row["sequence [ticks]"] == "5")
    #expect(row["wall_nanoseconds [ns]"] == "1700000000005000000")
    #expect(row["state"] == "tracking")
    #expect(row["lipschitz [1]"] == "0.999332931")
    #expect(row["window_product [1]"] == "0.5")
    #expect(row["rate_per_second [1/s]"] == "")
    #expect(row["\(name).encoder_counts [counts]"] == "4095")
    #expect(row["\(name).position_radians [rad]"] == "0.005000")
    #expect(row["\(name).innovation_radians [rad]"] == "-0.00000125")
    #expect(row["\(name).lipschitz [1]"] == "0.999332931000000")
  }

  @Test("CSV of all joints has a line for every tick of every segment")
  func csvOfAll() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 40
    options.batchTicks = 20
    let recording = try record((0..<100).map { plainRecord($0) }, in: directory.path, options: options)
    let path = directory.path + "/out.csv"
    let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
    defer { close(descriptor) }
    #expect(try recording.exportCSV(to: descriptor).ticks == 100)
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 101)
    #expect(lines.dropFirst().map { $0.prefix { $0 != "," } } == (0..<100).map { Substring(String($0)) })
    #expect(throws: RecordingError.unknownJoint(name: "tail", known: recording.jointNames)) {
      try recording.exportCSV(to: descriptor, joints: ["tail"])
    }
    #expect(throws: RecordingError.output(errno: EBADF)) { try recording.exportCSV(to: -1) }
  }

  @Test("info says what a recording holds, as text and as JSON")
  func info() throws {
    let directory = try TemporaryDirectory()
    var ticks = (0..<100).map { plainRecord(UInt64($0)) }
    for index in 90..<100 {
      ticks[index].state = .fault
      ticks[index].fault = .busFault
    }
    ticks[50].lipschitz = 1.5
    let info = try record(ticks, in: directory.path).info()
    #expect(info.states == ["tracking": 90, "fault": 10])
    #expect(info.faults == ["bus-fault": 10])
    #expect(info.largestLipschitz == 1.5)
    #expect(info.largestWindowProduct == nil)
    #expect(info.durationSeconds == 0.099)
    #expect(info.events["state"] == 1)
    #expect(info.text.contains("ticks          100, sequence 0 to 99"))
    let decoded = try JSONDecoder().decode(RecordingInfo.self, from: Data(info.json.utf8))
    #expect(decoded == info)
  }

  @Test("what is no recording is refused with the reason")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    #expect(throws: RecordingError.self) { try Recording.open(path: directory.path + "/absent") }
    #expect(throws: RecordingError.self) { try Recording.open(path: directory.path) }
    let file = directory.path + "/text"
    try "not a database, long enough to have a header".write(toFile: file, atomically: true, encoding: .utf8)
    #expect(throws: RecordingError.notARecording(path: file, reason: "not an SQLite file")) {
      try Recording.open(path: file)
    }
  }

  @Test("of several starts in a directory the newest by its own clock is opened, and the others are named")
  func newestStart() throws {
    let directory = try TemporaryDirectory()
    func start(_ runID: String, secondsLater seconds: Int64) throws {
      var tick = plainRecord(0)
      tick.wallNanoseconds += seconds * 1_000_000_000
      try record([tick], in: directory.path, runID: runID)
    }
    try start("b", secondsLater: 60)
    try start("newest", secondsLater: 120)
    // Last by the files' times, first by its clock.
    try start("a", secondsLater: 0)
    let path = directory.path + "/"
    // Its recorder had made the file and not come to a tick.
    try FileManager.default.createDirectory(atPath: path + "starting", withIntermediateDirectories: false)
    _ = FileManager.default.createFile(atPath: path + "starting/segment-0001.sqlite", contents: nil)

    let recording = try Recording.open(path: directory.path)
    #expect(recording.runID == "newest")
    #expect(recording.otherStarts.map(\.path) == [path + "b", path + "a", path + "starting"])
    #expect(
      recording.otherStarts.map(\.wallNanoseconds) == [
        1_700_000_060_000_000_000, 1_700_000_000_000_000_000, nil,
      ])
    let choice = try #require(recording.choice)
    #expect(
      choice.contains("newest of 4 starts, \(path)newest")
        && choice.contains("\(path)b of 2023-11-14T22:14:20Z"))
    let info = try recording.info()
    #expect(info.otherStarts == recording.otherStarts)
    #expect(info.text.contains("other start    \(path)a of 2023-11-14T22:13:20Z"))
    #expect(info.json.contains("\"run\" : \"b\""))
    // One that is named is the only one.
    #expect(try Recording.open(path: path + "a").otherStarts.isEmpty)

    // The first segments go when space is short; the events keep the start.
    try FileManager.default.removeItem(atPath: path + "newest/events.sqlite")
    #expect(try Recording.open(path: directory.path).runID == "newest")
  }

  @Test("a segment of another schema, and a damaged row, are refused with the place")
  func damage() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<10).map { plainRecord($0) }, in: directory.path)
    try replaceBlocksByRows(recording)
    let path = recording.segments[0].path
    let writer = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try writer.execute("UPDATE tick SET joints = x'00' WHERE sequence = 4")
    #expect(throws: RecordingError.damaged(path: path, sequence: 4, reason: "1 bytes for 15 joints")) {
      try readAll(recording)
    }
    #expect(try recording.info().damage == ["\(path): tick 4 is damaged: 1 bytes for 15 joints"])
    try writer.execute("PRAGMA user_version = 99")
    #expect(throws: RecordingError.unsupportedSchema(path: path, version: 99)) {
      try Recording.open(path: path)
    }
  }

  /// What may become of a file: how, and whether all its ticks are gone.
  enum Harm: CaseIterable {
    case zeroedPages, headerGone, cutOff, textInPlace, blockChanged
  }

  @Test("one damaged segment is named, and the others are read", arguments: Harm.allCases)
  func oneOfThree(harm: Harm) throws {
    let directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: printedSeed("one of three"))
    var options = RecorderOptions()
    options.segmentTicks = 200
    options.batchTicks = 50
    let records = (0..<600).map { noisyRecord($0, using: &random) }
    let whole = try record(records, in: directory.path, options: options)
    try #require(whole.segments.count == 3)
    let path = whole.segments[1].path
    switch harm {
    case .blockChanged:
      let writer = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
      try writer.execute("UPDATE block SET bytes = zeroblob(100) WHERE first_sequence = 250")
    case .textInPlace: try "not a recording".write(toFile: path, atomically: false, encoding: .utf8)
    case .zeroedPages, .headerGone, .cutOff:
      let file = try #require(FileHandle(forUpdatingAtPath: path))
      let size = try file.seekToEnd()
      switch harm {
      case .headerGone: try file.seek(toOffset: 0)
      case .cutOff: try file.truncate(atOffset: size / 2)
      default: try file.seek(toOffset: size / 3 / 4096 * 4096)
      }
      if harm != .cutOff {
        try file.write(contentsOf: Data(count: harm == .headerGone ? 4096 : Int(size / 3)))
      }
      try file.close()
    }
    let recording = try Recording.open(path: directory.path)
    let info = try recording.info()
    #expect(!info.damage.isEmpty && info.damage.allSatisfy { $0.hasPrefix(path) }, "\(info.damage)")
    #expect(info.text.contains("damaged        \(path)"))
    #expect(info.firstSequence == 0 && info.lastSequence == 599)
    #expect((400..<600).contains(info.ticks) && info.ticks + info.missingTicks == 600, "\(info.ticks)")
    if harm == .blockChanged { #expect(info.missingTicks >= 40 && info.missingTicks <= 50) }
    let output = open("/dev/null", O_WRONLY)
    defer { close(output) }
    let exported = try recording.exportCSV(to: output)
    #expect(exported.ticks == info.ticks && exported.damage.map(\.description) == info.damage)
    let unpacked = try recording.unpack(to: directory.path + "/rows.sqlite")
    #expect(unpacked.ticks == info.ticks && !unpacked.damage.isEmpty)
    // Whoever compares or runs ticks again wants all of them.
    #expect(throws: RecordingError.self) { try readAll(recording) }
  }

  @Test("a copy without the log of its events shows its ticks and what to copy")
  func withoutLog() throws {
    let directory = try TemporaryDirectory()
    _ = try record((0..<100).map { plainRecord($0) }, in: directory.path)
    let events = directory.path + "/boot-1/events.sqlite"
    #expect(FileManager.default.createFile(atPath: events, contents: nil))
    let info = try Recording.open(path: directory.path).info()
    #expect(info.ticks == 100)
    #expect(
      info.damage.count == 1 && info.damage[0].contains("copy events.sqlite-wal with it"), "\(info.damage)")
  }

  @Test("a live recording can be read while it is written")
  func live() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    var options = RecorderOptions()
    options.batchTicks = 100
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, options: options)
    try recorder.start()
    for sequence in 0..<UInt64(500) { pushWaiting(plainRecord(sequence), to: ring) }
    #expect(waitUntil { recorder.status.recordedTicks == 500 })
    let info = try Recording.open(path: directory.path).info()
    #expect(info.ticks == 500)
    #expect(info.summary == nil)
    #expect(info.segments.map(\.closed) == [false])
    let status = recorder.stop()
    #expect(status.lastError == nil)
  }
}

@Suite("Reading what is no recording of ours")
struct StrictReaderTests {
  private let directory: TemporaryDirectory
  private let path: String

  init() throws {
    directory = try TemporaryDirectory()
    path = try record((0..<10).map { plainRecord($0) }, in: directory.path).segments[0].path
  }

  private func execute(_ sql: String, _ file: String? = nil) throws {
    let writer = try SQLiteConnection(path: file ?? path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try writer.execute(sql)
  }

  /// The error of reading everything.
  private func refusal() throws -> String {
    do throws(RecordingError) {
      try readAll(try Recording.open(path: directory.path))
      return "read"
    } catch {
      return error.description
    }
  }

  @Test(
    "a row with a value of another type or out of its range is refused with the tick, the column and what it holds",
    arguments: [
      ("fault = 'abc'", "fault is text"), ("fault = 99", "fault is 99"), ("state = 1.5", "state is 1.5"),
      ("overruns = -1", "overruns is -1"), ("input_flags = -1", "input_flags is -1"),
      ("input_flags = 4294967296", "input_flags is 4294967296"),
      ("uncertified_ticks = -1", "uncertified_ticks is -1"),
      ("command_number = 4294967296", "command_number is 4294967296"),
      ("fault_joint = 1000", "fault_joint is 1000"),
      ("fault_joint = 15", "fault_joint is 15"), ("outputs_enabled = 2", "outputs_enabled is 2"),
      ("lipschitz = 'abc'", "lipschitz is text"), ("skipped_deadlines = -1", "skipped_deadlines is -1"),
      ("joint_count = -1", "joint_count is -1"), ("joint_count = 300", "joint_count is 300"),
      ("joints = 'abc'", "joints is text"), ("command = 'abc'", "command is text"),
      ("wall_nanoseconds = 0.5", "wall_nanoseconds is 0.5"),
      ("failed_bus_joints = -1", "failed_bus_joints is -1"),
    ])
  func row(change: String, found: String) throws {
    try replaceBlocksByRows(try Recording.open(path: directory.path))
    try execute("UPDATE tick SET \(change) WHERE sequence = 4")
    #expect(try refusal().contains("tick 4 is damaged: \(found), expected "))
  }

  @Test(
    "a block that is not the file's own, or damaged, is refused with its first tick",
    arguments: [
      ("bytes = 'abc'", "its block is text"), ("bytes = NULL || x'00'", "NOT NULL"),
      ("bytes = x'00'", "no block of ticks"), ("bytes = substr(bytes, 1, 200)", "SHA-256"),
      ("bytes = zeroblob(60000000)", "no block of ticks"), ("first_sequence = 1", "another block"),
    ])
  func block(change: String, found: String) throws {
    do throws(RecordingError) {
      let writer = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
      try writer.execute("UPDATE block SET \(change)")
    } catch {
      return #expect(error.description.contains(found))
    }
    let refusal = try refusal()
    #expect(refusal.contains("is damaged: ") && refusal.contains(found), "\(refusal)")
  }

  @Test("a joint without a kind of actuator is refused")
  func actuator() throws {
    try execute("UPDATE joint SET actuator = 'piston' WHERE number = 3")
    #expect(try refusal().contains("each with a name and motor or servo"))
  }

  @Test("a rate that no board has is refused", arguments: ["0", "-1", "nan", "1e3", "99999999", ""])
  func rate(text: String) throws {
    try execute("UPDATE meta SET value = '\(text)' WHERE key = 'rate_hertz'")
    #expect(try refusal().contains("meta, rate_hertz: found \(text), expected 10 to 10000"))
  }

  @Test(
    "a view in a table's place, which may have no end, is not read",
    arguments: ["tick", "meta", "joint", "checkpoint", "block"])
  func view(name: String) throws {
    try execute(
      """
      DROP VIEW tick_named; DROP VIEW joint_tick; ALTER TABLE \(name) RENAME TO was;
      CREATE VIEW \(name) AS WITH RECURSIVE n(sequence) AS (SELECT 0 UNION ALL SELECT sequence FROM n)
        SELECT was.* FROM n, was;
      """)
    #expect(try refusal().contains("\(name): found no table"))
  }

  @Test("an event with values of other types is refused with its number")
  func event() throws {
    let events = directory.path + "/boot-1/events.sqlite"
    try execute("UPDATE event SET wall_nanoseconds = 'abc' WHERE number = 1", events)
    #expect(try refusal().contains("event 1, wall_nanoseconds: found text"))
    try execute("UPDATE event SET wall_nanoseconds = 1, sequence = -1 WHERE number = 1", events)
    #expect(try refusal().contains("event 1, sequence: found -1"))
    try execute("DROP TABLE event", events)
    #expect(try refusal().contains("event: found no table"))
  }

  @Test("a pipe is no recording, and nobody waits for its other end")
  func pipe() throws {
    let fifo = directory.path + "/fifo"
    try #require(mkfifo(fifo, 0o600) == 0)
    #expect(throws: RecordingError.notARecording(path: fifo, reason: "not a regular file")) {
      try Recording.open(path: fifo)
    }
  }
}
