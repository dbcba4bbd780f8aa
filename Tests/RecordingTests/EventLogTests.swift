import CSQLite
import Foundation
import HandModel
import Realtime
import Testing

@testable import Recording

@Suite("Event log")
struct EventLogTests {
  private let directory: TemporaryDirectory
  private let handOver = HandOver<HandEvent>(capacity: 10_000)
  private var path: String { directory.path + "/events.sqlite" }

  init() throws { directory = try TemporaryDirectory() }

  private func log() throws -> EventLog {
    try EventLog(path: path, handID: "hand", runID: "boot-1", handOver: handOver)
  }

  private func event(_ text: String) -> HandEvent {
    HandEvent(sequence: 4, wallNanoseconds: 9, kind: .state, from: "idle", to: "armed", text: text)
  }

  /// Number and text of what the file holds.
  private func stored() throws -> [(number: Int64, text: String)] {
    let rows = try Recording.connect(path).prepare("SELECT number, text FROM event ORDER BY number")
    var stored: [(Int64, String)] = []
    while try rows.step() { stored.append((rows.integer(0), rows.text(1) ?? "")) }
    return stored
  }

  /// Keeps the file from being written while `body` runs.
  private func locked(_ body: () throws -> Void) throws {
    let other = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try other.execute("BEGIN IMMEDIATE")
    try body()
    try other.execute("ROLLBACK")
  }

  @Test("the file alone has the first events at once: a copy of it is no empty one")
  func copied() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/events.sqlite"
    let log = try EventLog(path: path, handID: "hand", runID: "boot-1", handOver: nil)
    log.append(HandEvent(wallNanoseconds: 1, kind: .state, from: "idle", to: "armed", text: "armed"))
    try log.flush()
    let copy = directory.path + "/copy.sqlite"
    try FileManager.default.copyItem(atPath: path, toPath: copy)
    #expect(try Recording.connect(copy).integer("SELECT count(*) FROM event") == 1)
  }

  @Test(
    "an event is handed on when it is stored, under the number it is stored with, and the next log goes on from there"
  )
  func stores() throws {
    let first = try log()
    first.append(event("a"))
    first.append(event("b"))
    #expect(handOver.takeAll().elements.isEmpty, "nothing is handed on before it is stored")
    try first.flush()
    let handed = handOver.takeAll()
    #expect(handed.elements.map(\.number) == [1, 2] && handed.elements.allSatisfy(\.isStored))
    #expect(handed.elements.map(\.text) == ["a", "b"] && !handed.isClosed)
    first.close()
    #expect(handOver.takeAll().isClosed)
    let second = try log()
    second.append(event("c"))
    try second.flush()
    #expect(try stored().map(\.number) == [1, 2, 3])
    #expect(handOver.takeAll().elements.map(\.number) == [3])
  }

  @Test("a file of another schema is neither written nor read")
  func otherSchema() throws {
    let recorded = try record([plainRecord(0)], in: directory.path)
    let path = recorded.path + "/events.sqlite"
    let file = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try file.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    #expect(throws: RecordingError.unsupportedSchema(path: path, version: 99)) {
      _ = try EventLog(path: path, handID: "hand", runID: "boot-1", handOver: nil)
    }
    #expect(throws: RecordingError.unsupportedSchema(path: path, version: 99)) { try recorded.events() }
  }

  @Test("an event that cannot be stored is handed on once, marked, in order, and stored later all the same")
  func storageFails() throws {
    let log = try log()
    try locked {
      log.append(event("a"))
      log.append(event("b"))
      #expect(throws: RecordingError.self) { try log.flush() }
      let handed = handOver.takeAll().elements
      #expect(handed.map(\.number) == [1, 2] && handed.allSatisfy { !$0.isStored })
      log.append(event("c"))
      #expect(throws: RecordingError.self) { try log.flush() }
      #expect(handOver.takeAll().elements.map(\.number) == [3])
    }
    log.append(event("d"))
    try log.flush()
    let handed = handOver.takeAll().elements
    #expect(handed.map(\.number) == [4] && handed.allSatisfy(\.isStored))
    #expect(try stored().map(\.text) == ["a", "b", "c", "d"])
    #expect(log.isEmpty)
  }

  @Test("beyond the bound events are still handed on, and the file tells how many it lacks")
  func overflow() throws {
    let log = try log()
    let extra = 5
    let count = EventLog.capacity - 1 + extra
    try locked {
      for number in 1...count { log.append(event("\(number)")) }
      for _ in 0..<3 { #expect(throws: RecordingError.self) { try log.flush() } }
      // The place of the event that tells of the loss is taken: one more finds none either.
      log.append(event("last"))
    }
    while !log.isEmpty { try log.flush() }
    let handed = handOver.takeAll().elements
    let losses = handed.filter { $0.kind == .eventsLost }
    #expect(losses.map(\.count) == [UInt64(extra), 1])
    #expect(handed.map(\.number) == (1...UInt64(count + 3)).map { $0 }, "each once, in order")
    #expect(handed.filter { !$0.isStored }.count == count + 2 && handed.last?.isStored == true)
    let rows = try stored()
    #expect(rows.count == EventLog.capacity + 1)
    #expect(rows.last?.text == "1 events were not stored")
  }
}
