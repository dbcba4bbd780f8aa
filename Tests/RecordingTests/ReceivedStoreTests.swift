import CSQLite
import Foundation
import HandModel
import Testing
import Wire

@testable import Recording

@Suite("What a consumer stores, against the device")
struct ReceivedStoreTests {
  private let directory: TemporaryDirectory
  private let received: String

  init() throws {
    directory = try TemporaryDirectory()
    received = directory.path + "/received"
  }

  /// Ticks of a run that need not have been.
  private func block(
    run: String = "run", from first: UInt64 = 0, count: Int, lipschitz: Double? = nil
  ) throws -> TickBlock {
    let encoder = TickBlockEncoder(
      runID: run, fields: .standard, equipment: try handIdentity().board.equipment)
    let records = (0..<UInt64(count)).map { tick in
      var record = plainRecord(tick)
      record.sequence = first + tick
      if let lipschitz { record.lipschitz = lipschitz }
      return record
    }
    return records.withUnsafeBufferPointer { records in
      encoder.encode(count: count) { UnsafeRawPointer(records.baseAddress! + $0) }
    }
  }

  @Test("a longer block takes the place of a stored one only where both agree as far as they go")
  func longer() throws {
    let store = try ReceivedStore(directory: received)
    func outcome(_ block: TickBlock) throws -> [ReceivedStore.Outcome] {
      try store.store([("test-hand", .block(block))])
    }
    #expect(try outcome(block(count: 100)) == [.stored])
    #expect(try outcome(block(count: 200, lipschitz: 0.5)) == [.conflict])
    #expect(try outcome(block(count: 50, lipschitz: 0.5)) == [.conflict])
    #expect(try outcome(block(count: 50)) == [.duplicate])
    #expect(store.runs[0].ticks.ranges == [0...99])
    #expect(try outcome(block(count: 200)) == [.stored])
    #expect(store.runs[0].ticks.ranges == [0...199])
  }

  @Test("runs and their order outlast a start, also where a transaction in between failed")
  func manyRuns() throws {
    do {
      let store = try ReceivedStore(directory: received)
      for run in ["a", "b", "c"] {
        _ = try store.store([("one", .block(try block(run: run, count: 10)))])
      }
      _ = try store.store([
        ("one", .block(try block(run: "a", count: 10))), ("two", .block(try block(run: "a", count: 5))),
      ])
      #expect(store.runs(of: "one").map(\.runID) == ["a", "c", "b"])
      #expect(store.runs(of: "one").map(\.duplicates) == [1, 0, 0])
      let other = try SQLiteConnection(
        path: received + "/received.sqlite", flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
      try other.execute("BEGIN IMMEDIATE")
      let before = store.runs
      #expect(throws: RecordingError.self) {
        _ = try store.store([("two", .block(try self.block(run: "d", count: 7)))])
      }
      #expect(store.runs == before)
      try other.execute("ROLLBACK")
      #expect(try store.store([("two", .block(try block(run: "d", count: 7)))]) == [.stored])
    }
    let store = try ReceivedStore(directory: received)
    #expect(Set(store.handIDs()) == ["one", "two"])
    #expect(store.runs(of: "two").map { $0.ticks.ranges } == [[0...6], [0...4]])
    #expect(store.runs(of: "one").first { $0.runID == "a" }?.duplicates == 1)
  }

  @Test("only one receiver stores into a directory")
  func oneReceiver() throws {
    var store: ReceivedStore? = try ReceivedStore(directory: received)
    #expect(store != nil)
    #expect {
      _ = try ReceivedStore(directory: self.received)
    } throws: {
      "\($0)".contains("another receiver stores there")
    }
    #expect(try ReceivedStore(reading: received).runs.isEmpty)
    store = nil
    #expect(throws: Never.self) { try ReceivedStore(directory: self.received) }
  }

  @Test("ticks and events that the device never had are damage, not lost; another hand's are not looked at")
  func inventedTicks() throws {
    let data = directory.path + "/data"
    try record((0..<300).map { plainRecord($0) }, in: data, runID: "run")
    try record((0..<300).map { plainRecord($0) }, in: data, runID: "second")
    do {
      let store = try ReceivedStore(directory: received)
      for run in ["run", "second"] {
        let invented = try block(run: run, from: UInt64(Int64.max) - 9, count: 10)
        let event = EventMessage(
          runID: run,
          event: HandEvent(number: UInt64(Int64.max), wallNanoseconds: 0, kind: .state, text: "invented"))
        #expect(
          try store.store([
            ("test-hand", .block(invented)), ("test-hand", .event(event, payload: event.encoded())),
            ("another-hand", .block(try block(run: run, count: 100))),
          ]) == [.stored, .stored, .stored])
      }
    }
    let found = try Reconciliation(device: data, received: received)
    #expect(found.runs.map(\.ticks) == [300, 300] && found.runs.map(\.stored) == [0, 0])
    #expect(found.waiting == 600 && found.lost == 0, "\(found.text)")
    #expect(found.damage.count == 4, "\(found.damage)")
  }
}
