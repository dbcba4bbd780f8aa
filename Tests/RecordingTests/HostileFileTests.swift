import CSQLite
import Foundation
import HandModel
import Testing
import Wire

@testable import Recording

/// Files that somebody made who wants readers to hang, to read what is not there, or to write where they must
/// not.
@Suite("Hostile files")
struct HostileFileTests {
  private let directory: TemporaryDirectory
  private let whole: Recording
  private var run: String { directory.path + "/boot-1" }

  init() throws {
    directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.batchTicks = 50
    whole = try record((0..<300).map { plainRecord($0) }, in: directory.path, options: options)
  }

  private func change(_ path: String, _ sql: String) throws {
    let file = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try file.execute(sql)
  }

  /// Endless, and what every reader would wait for.
  private static func endless(_ columns: [String]) -> String {
    let values = columns.map { "i AS \($0)" }.joined(separator: ", ")
    return
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT \(values) FROM n WHERE i < 0"
  }

  @Test("a view in place of a table is an error at once, for every reader")
  func views() throws {
    for (table, columns) in [
      ("meta", ["key", "value"]), ("block", ["first_sequence", "last_sequence", "bytes"]),
      ("tick", ["sequence", "wall_nanoseconds"]),
    ] {
      let copy = directory.path + "-\(table)"
      try FileManager.default.copyItem(atPath: directory.path, toPath: copy)
      defer { try? FileManager.default.removeItem(atPath: copy) }
      let segment = copy + "/boot-1/segment-0002.sqlite"
      // By any other name no reader asks for it.
      try change(
        segment,
        "ALTER TABLE \(table) RENAME TO kept; CREATE VIEW \(table) AS \(Self.endless(columns))")
      let found = try Recording.open(path: copy).verify()
      #expect(!found.damage.isEmpty, "\(table): \(found.text)")
      #expect(try Recording.list(in: copy).first?.damagedSegments == (table == "meta" ? 1 : 0), "\(table)")
      let store = try TemporaryDirectory()
      _ = try ReceivedStore(directory: store.path)
      _ = try Reconciliation(device: copy, received: store.path)
    }
    try change(
      run + "/events.sqlite",
      "ALTER TABLE event RENAME TO kept; CREATE VIEW event AS \(Self.endless(["kind", "wall_nanoseconds"]))")
    let found = try Recording.open(path: directory.path).verify()
    #expect(!found.damage.isEmpty && found.ticks == 300, "\(found.text)")
  }

  @Test("a pipe in place of a closed segment is named, and the rest is read")
  func pipe() throws {
    let segment = run + "/segment-0002.sqlite"
    #expect(unlink(segment) == 0 && mkfifo(segment, 0o600) == 0)
    let found = try Recording.open(path: directory.path).verify()
    #expect(found.ticks > 100 && found.damage.contains { $0.contains("not a regular file") }, "\(found.text)")
  }

  @Test(
    "a pipe beside a segment or its events, which SQLite would open, is named",
    arguments: ["-journal", "-wal"])
  func pipeBeside(suffix: String) throws {
    #expect(mkfifo(run + "/segment-0002.sqlite" + suffix, 0o600) == 0)
    #expect(mkfifo(run + "/events.sqlite" + suffix, 0o600) == 0)
    let found = try Recording.open(path: directory.path).verify()
    #expect(found.damage.contains { $0.contains("not a regular file") }, "\(found.text)")
    #expect(found.damage.contains { $0.contains("events") }, "\(found.text)")
    #expect(try Recording.list(in: directory.path)[0].damagedSegments == 1)
    #expect(Retention.nextStartNumber(in: directory.path) >= 1)
  }

  @Test("columns and constraints that compute are not evaluated")
  func computing() throws {
    let slow = "instr(hex(zeroblob(4000000)), hex(zeroblob(2000000)) || '1')"
    let segment = run + "/segment-0002.sqlite"
    try change(
      segment, "ALTER TABLE meta RENAME TO kept; CREATE TABLE meta (key, value GENERATED ALWAYS AS (\(slow)))"
    )
    #expect(
      try Recording.open(path: directory.path).verify().damage.contains { $0.contains("computed columns") })
    #expect(try Recording.list(in: directory.path)[0].damagedSegments == 1)
    try change(
      run + "/segment-0003.sqlite",
      """
      CREATE TABLE checked (bytes BLOB CHECK (\(slow) = 0));
      PRAGMA ignore_check_constraints = 1;
      INSERT INTO checked VALUES (1)
      """)
    let started = ContinuousClock.now
    _ = try Recording.open(path: run + "/segment-0003.sqlite").verify()
    #expect(ContinuousClock.now - started < .seconds(5))
  }

  @Test("the largest number of a tick is read, or is damage")
  func largestNumber() throws {
    let rows = directory.path + "/rows.sqlite"
    _ = try whole.unpack(to: rows)
    try change(rows, "DELETE FROM tick WHERE sequence >= 64")
    try change(rows, "UPDATE tick SET sequence = 9223372036854775807 WHERE sequence = 63")
    #expect(try Recording.open(path: rows).info().lastSequence == UInt64(Int64.max))
    try change(rows, "UPDATE tick SET state = 'x' WHERE sequence = 9223372036854775807")
    #expect(try Recording.open(path: rows).info().damage.count == 1)
  }

  @Test("a run or a hand whose identifier is none is refused", arguments: ["run_id", "hand_id"])
  func identifiers(key: String) throws {
    for found in ["", "a\nlost        0 of 20000 ticks"] {
      try change(run + "/segment-0001.sqlite", "UPDATE meta SET value = '\(found)' WHERE key = '\(key)'")
      #expect(throws: RecordingError.self) { _ = try Recording.open(path: self.run + "/segment-0001.sqlite") }
    }
  }

  @Test("a closed segment whose end was cut off, or events that were taken away, are damage")
  func cut() throws {
    let segment = run + "/segment-0002.sqlite"
    let ticks = try Recording.open(path: segment).verify()
    #expect(!ticks.isDamaged)
    try change(
      segment,
      """
      DELETE FROM block WHERE first_sequence = (SELECT max(first_sequence) FROM block);
      DELETE FROM tick WHERE sequence > (SELECT max(last_sequence) FROM block)
      """)
    let found = try Recording.open(path: segment).verify()
    #expect(
      found.damage.first?.contains("its recorder closed it with \(ticks.ticks)") == true, "\(found.text)")
    #expect(unlink(run + "/events.sqlite") == 0)
    #expect(
      try Recording.open(path: directory.path).verify().damage.contains { $0.contains("it is not there") })
  }

  @Test("a segment of another run, and a block that claims to be endless, count nothing twice")
  func endlessBlock() throws {
    try change(
      run + "/segment-0001.sqlite",
      "UPDATE block SET last_sequence = 9223372036854775807, bytes = x'00' WHERE first_sequence = 0")
    for table in ["meta", "joint", "tick", "block", "checkpoint"] {
      try change(run + "/segment-0002.sqlite", "DELETE FROM \(table)")
    }
    try change(
      run + "/segment-0002.sqlite",
      """
      INSERT INTO meta VALUES ('run_id', 'other'), ('hand_id', 'test-hand');
      """)
    let store = try TemporaryDirectory()
    _ = try ReceivedStore(directory: store.path)
    let found = try Reconciliation(device: directory.path, received: store.path)
    #expect(found.ticks < 20_000 && found.lost + found.waiting == found.ticks, "\(found.text)")
    #expect(found.damage.count == 2, "\(found.damage)")
  }

  @Test("a block of another run is damage, whoever reads it")
  func foreignBlock() throws {
    let other = try TemporaryDirectory()
    var options = RecorderOptions()
    options.batchTicks = 50
    _ = try record((0..<100).map { plainRecord($0) }, in: other.path, runID: "other", options: options)
    try change(
      run + "/segment-0001.sqlite",
      """
      ATTACH '\(other.path)/other/segment-0001.sqlite' AS other;
      UPDATE main.block SET bytes = (SELECT o.bytes FROM other.block o WHERE o.first_sequence = 50)
        WHERE first_sequence = 50 AND EXISTS (SELECT 1 FROM other.block o WHERE o.first_sequence = 50)
      """)
    let found = try Recording.open(path: directory.path).verify()
    #expect(found.damage.contains { $0.contains("it is of run other") }, "\(found.text)")
    let store = try TemporaryDirectory()
    _ = try ReceivedStore(directory: store.path)
    let compared = try Reconciliation(device: directory.path, received: store.path)
    #expect(compared.runs[0].damage.contains { $0.contains("it is of run other") }, "\(compared.text)")
  }

  @Test("a joint whose name a terminal or a drawing would obey is refused")
  func controlCharacters() throws {
    for segment in try RecordingPaths.segments(in: run) {
      try change(segment.path, "UPDATE joint SET name = 'a' || char(27) || '[2J' WHERE number = 0")
    }
    #expect {
      _ = try Recording.open(path: self.directory.path)
    } throws: {
      "\($0)".contains("without a name that can be printed")
    }
  }

  @Test("a segment alone has lost nothing of what was before it; the directory of a start is listed as it")
  func alone() throws {
    let found = try Recording.open(path: run + "/segment-0002.sqlite").verify()
    #expect(found.missing.isEmpty && found.text.hasSuffix("lost        0 of \(found.ticks) ticks"))
    #expect(found.ticks >= 100 && found.firstSequence ?? 0 >= 100)
    let listed = try Recording.list(in: run)
    #expect(listed.map(\.run) == ["boot-1"] && listed[0].lastSequence == 299)
  }

  @Test("of two that unpack to one name one is refused, and what an interrupted one left is written over")
  func unpackedTwice() throws {
    let file = directory.path + "/rows.sqlite"
    let partial = file + ".partial"
    // Somebody's own.
    try "precious".write(toFile: partial, atomically: false, encoding: .utf8)
    #expect(throws: RecordingError.fileExists(path: partial)) { _ = try whole.unpack(to: file) }
    #expect(unlink(partial) == 0 && link(whole.segments[0].path, partial) == 0)
    #expect(throws: RecordingError.fileExists(path: partial)) { _ = try whole.unpack(to: file) }
    #expect(unlink(partial) == 0)
    // It would be taken for the new file's.
    try "".write(toFile: file + "-wal", atomically: false, encoding: .utf8)
    #expect(throws: RecordingError.fileExists(path: file + "-wal")) { _ = try whole.unpack(to: file) }
    #expect(unlink(file + "-wal") == 0 && symlink("nowhere", file) == 0)
    #expect(throws: RecordingError.fileExists(path: file)) { _ = try whole.unpack(to: file) }
    #expect(unlink(file) == 0)
    try "SQLite format 3\0 left behind".write(toFile: partial, atomically: false, encoding: .utf8)
    var refusals = 0
    let (ticks, damage) = try whole.unpack(to: file) { _ in
      do throws(RecordingError) { _ = try self.whole.unpack(to: file) } catch {
        if case .fileExists = error { refusals += 1 }
      }
    }
    #expect(refusals > 0 && ticks == 300 && damage.isEmpty)
    #expect(try Recording.open(path: file).verify().ticks == 300)
    #expect(access(partial, F_OK) != 0)
  }
}
