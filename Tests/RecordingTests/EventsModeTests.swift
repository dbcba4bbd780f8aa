import CSQLite
import Foundation
import HandModel
import Testing
import Wire

@testable import Recording

/// A hand of 100 Hz, so that ten seconds are a thousand ticks and each tenth one has a row.
@Suite("Recorder in mode events")
struct EventsModeTests {
  private let directory: TemporaryDirectory
  private var segment: String { directory.path + "/boot-1/segment-0001.sqlite" }

  init() throws { directory = try TemporaryDirectory() }

  private static func identity() throws -> HandIdentity {
    var identity = try handIdentity()
    identity.board.control.rateHertz = 100
    return identity
  }

  private static let options: RecorderOptions = {
    var options = RecorderOptions()
    options.mode = .events
    options.batchTicks = 50
    return options
  }()

  /// Records ticks of a quiet hand, whose mode changes at tick 4000.
  private func recorded(
    _ ticks: UInt64 = 8000, without missing: Range<UInt64> = 0..<0, _ options: RecorderOptions = Self.options
  ) throws -> (recording: Recording, status: RecorderStatus) {
    let ring = makeRing()
    let recorder = try Recorder(
      directory: directory.path, identity: try Self.identity(), ring: ring, options: options)
    try recorder.start()
    for sequence in 0..<ticks where !missing.contains(sequence) {
      var record = plainRecord(sequence)
      record.deadlineNanoseconds = Int64(sequence) * 10_000_000
      if sequence >= 4000 { record.mode = .stationKeep }
      pushWaiting(record, to: ring)
    }
    recorder.stop()
    return (try Recording.open(path: directory.path + "/boot-1"), recorder.status)
  }

  private func sequences(_ recording: Recording) throws -> [UInt64] {
    let cursor = recording.ticks()
    var record = TickRecord()
    var sequences: [UInt64] = []
    while try cursor.next(into: &record) { sequences.append(record.sequence) }
    return sequences
  }

  @Test("a reconciliation tells ticks that were thinned out from those that were lost between two rows")
  func reconciled() throws {
    let (recording, status) = try recorded(without: 4003..<4007)
    let info = try recording.info()
    #expect(info.missingTicks == 4 && info.thinnedTicks == status.thinnedTicks, "\(info.text)")
    let store = try TemporaryDirectory()
    _ = try ReceivedStore(directory: store.path)
    let found = try Reconciliation(device: directory.path, received: store.path)
    #expect(found.lost == 4 && found.ticks == 8000, "\(found.text)")
    #expect(found.runs.first?.missing.contains(.init(first: 4003, last: 4006, cause: "gap")) == true)
    #expect(found.thinned >= status.thinnedTicks && status.thinnedTicks > 1000, "\(found.text)")
    #expect(found.thinned + found.waiting + found.lost == found.ticks)
  }

  private func change(_ sql: String) throws {
    let connection = try SQLiteConnection(
      path: segment, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 1000)
    try connection.execute(sql)
  }

  @Test(
    "all ticks are there from 10 s before to 10 s after an event, ten a second elsewhere; all are accounted for"
  )
  func stretches() throws {
    let (recording, status) = try recorded()
    let there = Set(try sequences(recording))
    for full in [0...1000, 3000...5000, 7000...7999] as [ClosedRange<UInt64>] {
      #expect(full.allSatisfy(there.contains), "\(full): the start, the change of the mode, the stop")
    }
    #expect(stride(from: 0, to: 8000, by: 10).allSatisfy { there.contains(UInt64($0)) })
    // What is held lies at most a batch beyond 12 s.
    #expect([UInt64](1100..<2700).allSatisfy { there.contains($0) == ($0 % 10 == 0) })
    #expect([UInt64](5100..<6700).allSatisfy { there.contains($0) == ($0 % 10 == 0) })
    #expect(status.thinnedTicks > 2000 && status.recordedTicks == UInt64(there.count))
    #expect(status.recordedTicks + status.thinnedTicks == 8000 && status.droppedByStorage == 0)
    let found = recording.verify()
    #expect(found.lostTicks == 0 && found.missing.isEmpty && !found.isDamaged, "\(found.text)")
    #expect(found.thinnedTicks == status.thinnedTicks && found.ticks == status.recordedTicks)
    #expect(found.text.contains("thinned     \(status.thinnedTicks) ticks"), "\(found.text)")
    let info = try recording.info()
    #expect(info.thinnedTicks == status.thinnedTicks && info.missingTicks == 0 && info.gapCount == 0)
    #expect(info.summary?.contains("\(status.thinnedTicks) thinned out") == true)
    let meta = try Recording.meta(try Recording.connect(segment))
    #expect(meta["recording_mode"] == "events" && meta["thinned_to"] == "10")
    #expect(meta["ticks"] == String(status.recordedTicks) && meta["thinned"] == String(status.thinnedTicks))
  }

  @Test("what is missing for another reason is not taken for thinned out")
  func lost() throws {
    // Three ticks that have no row: only their event tells of them.
    let (recording, status) = try recorded(without: 2001..<2004)
    let found = recording.verify()
    #expect(found.missing == [.init(first: 2001, last: 2003, cause: "gap")], "\(found.text)")
    #expect(found.lostTicks == 3 && found.thinnedTicks == status.thinnedTicks)
    try change("DELETE FROM tick WHERE sequence = 6000")
    let damaged = try Recording.open(path: directory.path + "/boot-1").verify()
    #expect(damaged.missing.contains(.init(first: 5991, last: 6009)), "\(damaged.text)")
    #expect(damaged.lostTicks == 3 + 19)
  }

  @Test("a segment ends at full rate, so that an event at the next one's start has all of its ten seconds")
  func segments() throws {
    var options = Self.options
    // The mode changes 30 ticks after a segment's start.
    options.segmentTicks = 3970
    let (recording, status) = try recorded(8000, options)
    #expect(recording.segments.count >= 2)
    let there = Set(try sequences(recording))
    #expect([UInt64](3000...5000).allSatisfy(there.contains))
    #expect(status.recordedTicks + status.thinnedTicks == 8000 && recording.verify().lostTicks == 0)
    #expect(try recording.info().duplicates == 0)
  }

  @Test("a recording that was unpacked is still one whose ticks were thinned out")
  func unpacked() throws {
    let (recording, status) = try recorded()
    let path = directory.path + "/rows.sqlite"
    #expect(try recording.unpack(to: path).ticks == status.recordedTicks)
    let found = try Recording.open(path: path).verify()
    #expect(found.thinnedTicks == status.thinnedTicks && found.lostTicks == 0, "\(found.text)")
  }

  @Test("a file that says it was thinned out and not to what is refused")
  func refused() throws {
    _ = try recorded(100)
    try change("UPDATE meta SET value = '0' WHERE key = 'thinned_to'")
    #expect(throws: RecordingError.self) { try Recording.open(path: directory.path + "/boot-1") }
  }

  // MARK: - What is held

  private let encoder = TickBlockEncoder(
    runID: "boot-1",
    equipment: Array(
      repeating: JointEquipment(isServo: false, hasCurrentSensor: false, hasForceSensor: false), count: 15))

  private func batch(_ first: UInt64, rows: Int = 10) -> HeldTicks.Batch {
    let records = UnsafeMutablePointer<TickRecord>.allocate(capacity: 50)
    defer { records.deallocate() }
    for index in 0..<50 { (records + index).initialize(to: plainRecord(first + UInt64(index))) }
    return .init(
      blocks: [encoder.encode(count: 50) { UnsafeRawPointer(records + $0) }], count: 50, rows: rows)
  }

  private func event(_ sequence: UInt64, _ kind: HandEvent.Kind = .fault) -> HandEvent {
    HandEvent(sequence: sequence, wallNanoseconds: 0, kind: kind, text: "")
  }

  @Test("what is held begins at a state of the controller of at least 12 s ago, and what is older is dropped")
  func holds() {
    var held = HeldTicks(rateHertz: 100)
    var dropped = 0
    for first in stride(from: UInt64(0), to: 6000, by: 50) {
      if first % 1000 == 0 { held.hold(StoredCheckpoint(sequence: first + 7, bytes: [1], isNeeded: false)) }
      for gone in held.hold(batch(first)) { dropped += gone.thinned }
    }
    let wanted = held.wanted
    // Newest tick 5999: 12 s before is 4799, and the state before it is that of 4007, in the block of 4000.
    #expect(wanted.blocks.first?.key.firstSequence == 4000 && wanted.blocks.last?.key.lastSequence == 5999)
    #expect(wanted.checkpoints.map(\.sequence) == [4007] && dropped == 4000 / 50 * 40)
    #expect(!held.isWanted(first: 0))
    held.note(event(5900, .agp))
    #expect(!held.isWanted(first: 6000), "what is written of the hand happens to nobody")
    held.note(event(5900))
    #expect(held.isWanted(first: 6000) && held.isWanted(first: 6900) && !held.isWanted(first: 6901))
    #expect(held.release() == 2000 / 50 * 40 && held.wanted.blocks.isEmpty)
    #expect(held.wanted.checkpoints.isEmpty, "a stretch that goes on needs no other beginning")
    held.hold(StoredCheckpoint(sequence: 6100, bytes: [1], isNeeded: true))
    #expect(held.wanted.checkpoints.map(\.sequence) == [6100], "behind missing ticks it does")
  }

  @Test("the bound on bytes holds whatever the ticks are")
  func bounded() {
    var held = HeldTicks(rateHertz: 10_000)
    let one = batch(0)
    let fitting = HeldTicks.maximumBytes / one.bytes
    var kept = 0
    for _ in 0..<fitting + 100 { kept += 1 - held.hold(one).count }
    #expect(kept >= fitting - 1 && kept <= fitting + 1)
    #expect(held.abandon().count == kept && held.wanted.blocks.isEmpty)
  }
}
