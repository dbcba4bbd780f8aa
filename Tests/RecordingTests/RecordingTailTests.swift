import CSQLite
import Foundation
import Glibc
import HandModel
import Testing

@testable import Recording

@Suite("Following what is recorded")
struct RecordingTailTests {
  /// What came, as one text each.
  private static func texts(_ news: [RecordingTail.News]) -> [String] {
    news.map {
      switch $0 {
      case .start(let runID, _): "start \(runID)"
      case .event(let event, let runID): "\(runID) \(event.number) \(event.kind.rawValue)"
      case .trouble(let error): "trouble \(error)"
      }
    }
  }

  @Test("events come once, as they are stored, those of the next start after it is told")
  func follow() throws {
    let directory = try TemporaryDirectory()
    let tail = try RecordingTail(path: directory.path, firstEvents: 10)
    #expect(tail.next().isEmpty)
    #expect(try tail.newestTick() == nil)
    let ring = makeRing()
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(runID: "first"), ring: ring)
    try recorder.start()
    pushWaiting(plainRecord(0), to: ring)
    var seen: [String] = []
    #expect(
      waitUntil {
        seen += Self.texts(tail.next()); return seen.count >= 3
      })
    #expect(seen == ["start first", "first 1 start", "first 2 in-force"])
    var armed = plainRecord(1)
    armed.state = .armed
    pushWaiting(armed, to: ring)
    #expect(
      waitUntil {
        seen += Self.texts(tail.next()); return seen.count >= 4
      })
    #expect(seen.last == "first 3 state")
    #expect(waitUntil { (try? tail.newestTick())??.sequence == 1 })
    let tick = try #require(try tail.newestTick())
    #expect(tick.state == .armed && tick.fault == .none && tick.lipschitz == 0.999_332_931 && tick.isRecorded)
    recorder.stop()
    var later = plainRecord(0)
    later.wallNanoseconds += 60_000_000_000
    try record([later], in: directory.path, runID: "a-second")
    seen = Self.texts(tail.next())
    #expect(seen.first?.hasPrefix("first 4") == true, "\(seen)")
    #expect(seen.contains { $0.hasPrefix("first ") && $0.hasSuffix(" summary") }, "\(seen)")
    let started = try #require(seen.firstIndex(of: "start a-second"))
    #expect(seen[..<started].allSatisfy { $0.hasPrefix("first") })
    #expect(seen[(started + 1)...].first == "a-second 1 start")
    #expect(try tail.newestTick()?.isRecorded == false)
    #expect(tail.next().isEmpty)
  }

  @Test("of what was recorded before only the last events are told, of the newest start only")
  func before() throws {
    let directory = try TemporaryDirectory()
    try record((0..<20).map { plainRecord($0) }, in: directory.path, runID: "a-newer")
    var old = plainRecord(0)
    old.wallNanoseconds -= 60_000_000_000
    try record([old], in: directory.path, runID: "b-older")
    let all = try Recording.open(path: directory.path + "/a-newer").events()
    let tail = try RecordingTail(path: directory.path, firstEvents: 1)
    let last = try #require(all.last)
    #expect(Self.texts(tail.next()) == ["start a-newer", "a-newer \(last.number) \(last.kind.rawValue)"])
    #expect(tail.next().isEmpty, "the older start is history")
    let one = try RecordingTail(path: directory.path + "/b-older", firstEvents: 0)
    #expect(Self.texts(one.next()) == ["start b-older"])
    #expect(throws: RecordingError.self) {
      try RecordingTail(path: directory.path + "/nothing", firstEvents: 1)
    }
    #expect(throws: RecordingError.self) {
      try RecordingTail(path: directory.path + "/b-older/segment-0001.sqlite", firstEvents: 1)
    }
  }

  @Test("a file that cannot be read is told once, when it stays so, and the next start is followed")
  func trouble() throws {
    let directory = try TemporaryDirectory()
    try FileManager.default.createDirectory(
      atPath: directory.path + "/broken", withIntermediateDirectories: false)
    try "no events".write(
      toFile: directory.path + "/broken/events.sqlite", atomically: false, encoding: .utf8)
    let tail = try RecordingTail(path: directory.path, firstEvents: 5)
    #expect(Self.texts(tail.next()) == ["start broken"], "it may be in the making")
    let told = Self.texts(tail.next())
    #expect(told.count == 1 && told[0].contains("not an SQLite file"), "\(told)")
    #expect(tail.next().isEmpty)
    try record([plainRecord(0)], in: directory.path, runID: "next")
    let news = Self.texts(tail.next())
    #expect(news.first == "start next" && news.contains("next 1 start"), "\(news)")
  }

  @Test("a reader holds no lock between two looks")
  func noLock() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<50).map { plainRecord($0) }, in: directory.path)
    let tail = try RecordingTail(path: directory.path, firstEvents: 5)
    _ = tail.next()
    #expect(try tail.newestTick()?.sequence == 49)
    let writer = try SQLiteConnection(
      path: recording.segments[0].path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try writer.execute("BEGIN EXCLUSIVE")
    try writer.execute("COMMIT")
  }
}
