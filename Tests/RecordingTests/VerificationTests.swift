import CSQLite
import Foundation
import HandModel
import Testing

@testable import Recording

@Suite("Verifying recordings")
struct VerificationTests {
  @Test("a whole recording has nothing missing, nothing damaged and nothing lost")
  func whole() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 200
    options.batchTicks = 100
    let recording = try record((0..<500).map { plainRecord($0) }, in: directory.path, options: options)
    let found = recording.verify()
    #expect(found.ticks == 500 && found.segments == 3 && found.blocks == 5)
    #expect(
      found.missing.isEmpty && found.damage.isEmpty && found.missingEvents == 0 && found.isClosed == true)
    #expect(found.text.hasSuffix("lost        0 of 500 ticks"), "\(found.text)")
  }

  @Test("each missing range has the cause that its event tells, and one without an event has none")
  func causes() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.batchTicks = 100
    // 250 to 259 never came: the ring was full.
    let records = (0..<500).filter { !(250..<260).contains($0) }.map { plainRecord(UInt64($0)) }
    let whole = try record(records, in: directory.path, options: options)
    #expect(unlink(whole.segments[3].path) == 0)
    let recording = try Recording.open(path: directory.path)
    let found = recording.verify()
    let gone = try #require(found.missing.last)
    #expect(found.missing.first == .init(first: 250, last: 259, cause: "gap"))
    #expect(found.missing.count == 2 && gone.cause == nil && gone.last - gone.first == 99)
    #expect(found.lostTicks == 110 && found.damage.isEmpty)
    #expect(found.text.contains("missing     10 ticks, 250 to 259: the ring was full (gap)"), "\(found.text)")
    #expect(found.text.contains("no event tells why") && found.text.hasSuffix("lost        110 of 500 ticks"))
  }

  @Test("what was deleted to keep within the bounds is missing and not lost")
  func expired() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.segmentBytes = 500_000
    options.batchTicks = 50
    options.keepBytes = 1_000_000
    let recording = try record((0..<2000).map { plainRecord($0) }, in: directory.path, options: options)
    let found = recording.verify()
    #expect(!found.missing.isEmpty && found.missing.allSatisfy { $0.cause == "expired" })
    #expect(found.missing.first?.first == 0 && found.lostTicks == 0 && found.damage.isEmpty)
  }

  @Test("a data directory is listed with ticks, size, faults and how each start ended")
  func list() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.batchTicks = 50
    let records = (0..<300).map { sequence in
      var record = plainRecord(UInt64(sequence))
      if sequence >= 150 { record.fault = .trackingError }
      return record
    }
    try record(records, in: directory.path, runID: "first", options: options)
    let broken = try record(
      (0..<100).map { plainRecord($0 + 1_000_000) }, in: directory.path, runID: "broken", options: options)
    try "no segment".write(toFile: broken.segments[0].path, atomically: false, encoding: .utf8)
    let ring = makeRing()
    let living = try Recorder(
      directory: directory.path, identity: try handIdentity(runID: "living"), ring: ring)
    try living.start()
    for sequence in 2_000_000..<UInt64(2_000_010) { pushWaiting(plainRecord(sequence), to: ring) }
    #expect(waitUntil { living.status.recordedTicks == 10 })
    #expect(
      FileManager.default.createFile(atPath: directory.path + "/blackbox-x-7.sqlite", contents: nil))
    let listed = try Recording.list(in: directory.path)
    living.stop()
    try #require(listed.map(\.run) == ["living", "broken", "first"], "by their first ticks' wall clocks")
    #expect(listed.map(\.end) == [.recording, .interrupted, .closed])
    #expect(listed[0].firstSequence == 2_000_000 && listed[0].lastSequence == 2_000_009)
    #expect(listed[1].damagedSegments == 1 && listed[1].firstSequence == nil)
    #expect(listed[2].firstSequence == 0 && listed[2].lastSequence == 299 && listed[2].segments == 3)
    #expect(listed[2].faults == ["tracking-error"] && listed[2].bytes > 100_000)
    #expect(listed[2].text.contains("ticks 0 to 299  closed  faults: tracking-error"), "\(listed[2].text)")
    #expect(try Recording.list(in: directory.path)[0].end == .closed)
    #expect(try Recording.blackBoxes(in: directory.path) == [directory.path + "/blackbox-x-7.sqlite"])
  }

  @Test("damage, a lost event and a recorder that was killed are told")
  func damaged() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.batchTicks = 100
    let records = (0..<500).map { sequence in
      var record = plainRecord(UInt64(sequence))
      if sequence >= 200 { record.state = .armed }
      return record
    }
    let whole = try record(records, in: directory.path, options: options)
    let segment = try SQLiteConnection(
      path: whole.segments[0].path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try segment.execute("UPDATE block SET bytes = zeroblob(100) WHERE first_sequence = 300")
    let events = try SQLiteConnection(
      path: directory.path + "/boot-1/events.sqlite", flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try events.execute("DELETE FROM event WHERE kind = 'summary' OR number = 2")
    let found = try Recording.open(path: directory.path).verify()
    #expect(found.damage.count == 2 && found.damage[0].contains("tick 300 is damaged"), "\(found.damage)")
    #expect(
      found.damage.last?.contains("changed since it was closed") == true && found.chain?.state == .broken)
    #expect(found.blocks == 4 && found.missing.allSatisfy { $0.first >= 300 && $0.last < 400 })
    #expect(found.isClosed == false && found.missingEvents >= 1)
    #expect(found.text.contains("not closed by its recorder"))
  }
}
