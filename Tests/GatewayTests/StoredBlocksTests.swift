import Foundation
import HandModel
import PrimalLogic
import Recording
import Synchronization
import Testing
import Wire

@testable import Gateway

/// Blocks of a hand of two joints, for stores.
enum TestBlocks {
  static let joints = 2
  /// 2026-11-30 12:00 UTC.
  static let start: Int64 = 1_796_040_000_000_000_000

  /// Ticks of 1 ms, whose first joint's angle is the tick's number in milliradians.
  static func block(
    run: String = "run", from first: UInt64 = 0, count: Int, lipschitz: Double = 0.5
  ) -> TickBlock {
    let joint = JointEquipment(isServo: false, hasCurrentSensor: true, hasForceSensor: true)
    let encoder = TickBlockEncoder(
      runID: run, fields: .standard, equipment: Array(repeating: joint, count: joints))
    let records = (0..<UInt64(count)).map { tick in
      var record = TickRecord()
      record.sequence = first + tick
      record.wallNanoseconds = start + Int64(first + tick) * 1_000_000
      record.lipschitz = lipschitz
      record.jointCount = UInt8(joints)
      record.joints[0].positionRadians = Double(first + tick) / 1000
      return record
    }
    return records.withUnsafeBufferPointer { records in
      encoder.encode(count: count) { UnsafeRawPointer(records.baseAddress! + $0) }
    }
  }

  /// An event of this number.
  static func event(run: String = "run", _ number: UInt64) -> ReceivedStore.Message {
    let event = HandEvent(
      number: number, isStored: true, sequence: 0, wallNanoseconds: start, kind: .start, from: nil, to: nil,
      joint: nil,
      count: nil, text: "")
    let message = EventMessage(runID: run, event: event)
    return .event(message, payload: message.encoded())
  }
}

@Suite("What the gateway stores of hands", .serialized)
struct StoredBlocksTests {
  /// What the receiver's thread does with a store.
  private static func with<Value: Sendable>(
    _ store: any Store, _ body: @escaping @Sendable (StoredBlocks) throws -> Value
  ) async throws -> Value {
    try await onThread {
      try body(StoredBlocks(store: store, isCancelled: { true }, onProblem: { Issue.record("\($0)") }))
    }
  }

  @Test("each block and event is stored once by its key", arguments: StoreContractTests.Kind.allCases)
  func once(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    let outcomes = try await Self.with(store) { blocks in
      try blocks.store([
        ("one", .block(TestBlocks.block(count: 100))), ("one", .block(TestBlocks.block(count: 100))),
        ("two", .block(TestBlocks.block(count: 100))), ("one", TestBlocks.event(1)),
        ("one", TestBlocks.event(1)),
        ("one", .block(TestBlocks.block(from: 150, count: 50))),
      ])
    }
    #expect(outcomes == [.stored, .duplicate, .stored, .stored, .duplicate, .stored])
    let again = try await Self.with(store) { try $0.store([("one", .block(TestBlocks.block(count: 100)))]) }
    #expect(again == [.duplicate])
    #expect(try await Set(Self.with(store) { try $0.handIDs() }) == ["one", "two"])
    let runs = try await Self.with(store) { try $0.storedRuns(of: "one") }
    #expect(runs.map(\.runID) == ["run"])
    #expect(runs[0].ticks.ranges == [0...99, 150...199] && runs[0].events.ranges == [1...1])
    #expect(try await Runs.newest(1, of: "one", in: store).map(\.duplicates) == [3])
    await store.close()
    _ = directory
  }

  @Test(
    "a longer block takes the place of a stored one only where both agree as far as they go",
    arguments: StoreContractTests.Kind.allCases)
  func longer(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    func outcome(_ count: Int, lipschitz: Double = 0.5) async throws -> ReceivedStore.Outcome {
      try await Self.with(store) {
        try $0.store([("one", .block(TestBlocks.block(count: count, lipschitz: lipschitz)))])[0]
      }
    }
    #expect(try await outcome(100) == .stored)
    #expect(try await outcome(200, lipschitz: 0.7) == .conflict)
    #expect(try await outcome(50, lipschitz: 0.7) == .conflict)
    #expect(try await outcome(50) == .duplicate)
    #expect(try await outcome(200) == .stored)
    #expect(try await Self.with(store) { try $0.storedRuns(of: "one")[0].ticks.ranges } == [0...199])
    // One in the midst of it is another's: nothing was deleted there.
    let within = try await Self.with(store) {
      try $0.store([("one", .block(TestBlocks.block(from: 50, count: 50)))])
    }
    #expect(within == [.conflict])
    await store.close()
    _ = directory
  }

  @Test("a copy is looked at without being touched; what it lacks or has from elsewhere is found")
  func backup() async throws {
    let (store, directory) = try await StoreContractTests.migrated(.sqlite)
    _ = try await Self.with(store) { blocks in
      try blocks.store([
        ("one", .block(TestBlocks.block(count: 100))), ("one", TestBlocks.event(1)),
        ("one", TestBlocks.event(2)),
      ])
    }
    let folder = try TemporaryDirectory()
    func copy(_ name: String, _ damage: String?) async throws -> String {
      let path = "\(folder.path)/\(name)"
      try await (store as? SQLiteStore)?.backUp(to: path)
      guard let damage else { return path }
      let opened = try SQLiteStore(path: path)
      try await opened.write { (session) throws(StoreError) in try session.change(damage) }
      await opened.close()
      return path
    }
    let whole = try await copy("whole", nil)
    let before = try Data(contentsOf: URL(fileURLWithPath: whole))
    #expect(try await BackupCheck.verify(whole).hasPrefix("whole: 1 blocks"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: whole)) == before)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["whole"])
    for (index, damage) in [
      "DELETE FROM {telemetry.hand_events} WHERE number = 1",
      "UPDATE {telemetry.blocks} SET first_sequence = 1",
      "UPDATE {telemetry.blocks} SET sha256 = x'00'", "UPDATE {telemetry.blocks} SET bytes = x'00'",
      "UPDATE {telemetry.runs} SET stored = 'junk'", "DROP TABLE {telemetry.hand_events}",
      "UPDATE schema_version SET version = 99",
    ].enumerated() {
      let path = try await copy("\(index)", damage)
      await #expect(throws: StoreError.self, "\(damage)") { try await BackupCheck.verify(path) }
    }
    await store.close()
    _ = directory
  }

  @Test(
    "what is deleted by its age counts as stored, and does not come back",
    arguments: StoreContractTests.Kind.allCases)
  func retention(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    func send() async throws -> [ReceivedStore.Outcome] {
      try await Self.with(store) { blocks in
        try blocks.store((0..<3).map { ("one", .block(TestBlocks.block(from: $0 * 100, count: 100))) })
      }
    }
    #expect(try await send() == [.stored, .stored, .stored])
    #expect(try await Retention.deleteSome(storedBefore: Timestamp.now.adding(seconds: -60), in: store) == 0)
    #expect(try await Retention.deleteSome(storedBefore: Timestamp.now.adding(seconds: 60), in: store) == 3)
    #expect(try await send() == [.duplicate, .duplicate, .duplicate])
    #expect(try await Self.with(store) { try $0.storedRuns(of: "one")[0].ticks.ranges } == [0...299])
    await store.close()
    _ = directory
  }

  @Test(
    "an export has all that is there from its start to its end, also where retention deletes beside it",
    arguments: StoreContractTests.Kind.allCases)
  func export(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    // More than two parts of a hundred.
    let count = 250
    _ = try await Self.with(store) { blocks in
      try blocks.store(
        (0..<count).map { ("one", .block(TestBlocks.block(from: UInt64($0) * 2, count: 2))) }
          + [("two", .block(TestBlocks.block(run: "other", count: 2))), ("one", TestBlocks.event(1))])
    }
    let folder = try TemporaryDirectory()
    let written = try await HandExport.write("one", of: store, into: folder.path) { written in
      guard written.blocks == 100 else { return }
      await #expect(throws: Never.self) {
        try await store.write { (session) throws(StoreError) in
          try session.change("DELETE FROM {telemetry.blocks} WHERE hand_id = 'one' AND first_sequence < 100")
        }
      }
    }
    #expect(written == HandExport.Count(blocks: count, events: 1))
    let received = try ReceivedStore(directory: folder.path)
    let run = try #require(received.storedRuns(of: "one").first)
    #expect(run.ticks.ranges == [0...UInt64(count * 2 - 1)] && run.events.ranges == [1...1])
    #expect(received.handIDs() == ["one"])
    await store.close()
    _ = directory
  }

  @Test("two gateways that store a run at once lose nothing of it, and store nothing twice")
  func replicas() async throws {
    let (store, directory) = try await StoreContractTests.migrated(.postgres)
    let count = 20
    // Each block comes to both, in the other order.
    let stored = try await withThrowingTaskGroup(of: Int.self) { group in
      for order in [Array(0..<count), (0..<count).reversed()] {
        group.addTask {
          try await Self.with(store) { blocks in
            var stored = 0
            for index in order {
              let block = TestBlocks.block(from: UInt64(index) * 100, count: 100)
              let event = TestBlocks.event(UInt64(index) + 1)
              stored += try blocks.store([("one", .block(block)), ("one", event)]).count { $0 == .stored }
            }
            return stored
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(stored == 2 * count)
    let run = try await Runs.newest(1, of: "one", in: store)[0]
    #expect(run.ticks.ranges == [0...1999] && run.events.ranges == [1...20] && run.duplicates == 40)
    await store.close()
    _ = directory
  }

  @Test("a hand that invents numbers is refused, and keeps no other from being stored")
  func invented() async throws {
    let (store, directory) = try await StoreContractTests.migrated(.sqlite)
    let outcomes = try await Self.with(store) { blocks in
      try blocks.store((1...5000).map { ("liar", TestBlocks.event($0 * 1_000_000)) })
        + blocks.store([("liar", TestBlocks.event(7)), ("one", TestBlocks.event(1))])
    }
    #expect(outcomes.prefix(4096).allSatisfy { $0 == .stored } && outcomes[4096] == .refused)
    #expect(outcomes.suffix(2) == [.refused, .stored])
    // What a transaction fails at is not the others' loss.
    try await store.write { (session) throws(StoreError) in
      try session.change("UPDATE {telemetry.runs} SET stored = 'no JSON' WHERE hand_id = 'liar'")
    }
    let told = Mutex<[String]>([])
    let mixed = try await onThread {
      let blocks = StoredBlocks(store: store, isCancelled: { false }) { text in
        told.withLock { $0.append(text) }
      }
      return try blocks.store([
        ("one", TestBlocks.event(2)), ("liar", TestBlocks.event(8)), ("two", TestBlocks.event(1)),
        ("liar", TestBlocks.event(9)),
      ])
    }
    #expect(mixed == [.stored, .refused, .stored, .refused])
    let texts = told.withLock { $0 }
    #expect(texts.count == 1 && texts[0].hasPrefix("hand liar: not stored"), "\(texts)")
    await store.close()
    _ = directory
  }

  @Test("a store that does not answer is waited for, and that is told")
  func patience() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/gateway.sqlite"
    let store = try SQLiteStore(path: path)
    try await Migrations.migrate(store, now: StoreContractTests.now)
    let other = try SQLiteStore(path: path)
    let told = Mutex<[String]>([])
    // Another process holds the file for longer than a statement waits.
    let isHeld = DispatchSemaphore(value: 0)
    let mayEnd = DispatchSemaphore(value: 0)
    async let holder: Void = other.write { (session) throws(StoreError) in
      try session.change("UPDATE schema_version SET at = at")
      isHeld.signal()
      mayEnd.wait()
    }
    async let storing = onThread {
      isHeld.wait()
      let blocks = StoredBlocks(store: store, isCancelled: { false }) { text in
        told.withLock { $0.append(text) }
        mayEnd.signal()
      }
      return try blocks.store([("one", .block(TestBlocks.block(count: 10)))])
    }
    #expect(try await storing == [.stored])
    try await holder
    let texts = told.withLock { $0 }
    #expect(
      texts.count == 2 && texts[0].contains("database is locked") && texts[1] == "the store answers again",
      "\(texts)")
    await store.close()
    await other.close()
  }

  @Test("a channel's series has the least and greatest of every tick in its part, and no other")
  func series() async throws {
    let (store, directory) = try await StoreContractTests.migrated(.sqlite)
    _ = try await Self.with(store) { blocks in
      try blocks.store(
        (0..<3).map { ("one", .block(TestBlocks.block(from: UInt64($0) * 100, count: 100))) })
    }
    let first = Timestamp(microseconds: TestBlocks.start / 1000)
    let last = Timestamp(microseconds: first.microseconds + 199_000)
    let value = try await Series(store: store, birth: nil).read(
      "0.position_radians", of: "one", first...last, buckets: 2)
    // Ticks 0 to 199, in two parts of 99.5 ms.
    #expect(value["ticks"] == .number("200") && value["bucket_seconds"] == .number("0.0995"))
    #expect(
      value["buckets"]?.items.map { $0.items.map(\.double) } == [
        [0, 0, 0.099, 0.099, 100], [1, 0.1, 0.199, 0.199, 100],
      ])
    await #expect(throws: Problem.self) {
      try await Series(store: store, birth: nil).read("nothing", of: "one", first...last, buckets: 1)
    }
    await store.close()
    _ = directory
  }
}
