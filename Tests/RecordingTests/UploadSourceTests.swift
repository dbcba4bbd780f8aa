import Foundation
import HandModel
import Testing

@testable import Recording
@testable import Wire

/// What a data directory has to be sent, and what a consumer keeps of it.
@Suite("Upload")
struct UploadSourceTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var smallSegments: RecorderOptions {
    var options = RecorderOptions()
    options.batchTicks = 100
    options.segmentTicks = 500
    return options
  }

  private func recorded(_ runID: String, _ ticks: Range<UInt64>) throws {
    try record(ticks.map { plainRecord($0) }, in: directory.path, runID: runID, options: smallSegments)
  }

  private func source() throws -> UploadSource {
    let source = UploadSource(directory: directory.path, handID: "test-hand")
    try source.refresh()
    return source
  }

  /// Every block from a tick on, as an upload asks for them.
  private func blocks(_ source: UploadSource, _ run: String) -> [TickBlock] {
    var blocks: [TickBlock] = []
    var tick: UInt64 = 0
    while case .block(let block) = source.block(run: run, from: tick) {
      blocks.append(block)
      tick = block.key.lastSequence + 1
    }
    return blocks
  }

  @Test("runs come in the order of their starts, with all their ticks and events, and of other hands none")
  func runs() throws {
    try recorded("zz-first", 0..<1200)
    try recorded("aa-second", 0..<300)
    var other = try handIdentity(runID: "other")
    other.handID = "other-hand"
    try record([plainRecord(0)], in: directory.path, runID: "other", identity: other)
    let source = try source()
    #expect(source.runs.map(\.id) == ["zz-first", "aa-second"])
    #expect(source.runs[0].ticks.ranges == [0...1199] && source.runs[0].rateHertz == 1000)
    #expect(source.runIDs == ["zz-first", "aa-second", "other"])
    let blocks = blocks(source, "zz-first")
    #expect(blocks.reduce(0) { $0 + $1.key.count } == 1200)
    let events = try Recording.open(path: directory.path + "/zz-first").events()
    #expect(source.events(run: "zz-first", from: 1, limit: 100) == events)
    #expect(source.runs[0].lastEvent == UInt64(events.count))
  }

  @Test(
    "a gap in a segment is no block, a segment deleted from between is a hole, and the start of the rest too")
  func gaps() throws {
    try record(
      (Array(0..<200) + Array(250..<1600)).map { plainRecord($0) }, in: directory.path, runID: "run",
      options: smallSegments)
    var source = try source()
    #expect(source.runs[0].ticks.ranges == [0...1599])
    guard case .block(let after) = source.block(run: "run", from: 200) else {
      Issue.record("no block")
      return
    }
    #expect(after.key.firstSequence == 250)
    let segments = try Recording.open(path: directory.path + "/run").segments.map(\.path)
    try #require(segments.count >= 3)
    try FileManager.default.removeItem(atPath: segments[1])
    source = try self.source()
    #expect(source.runs[0].ticks.ranges.count == 2 && source.runs[0].ticks.first == 0)
    try FileManager.default.removeItem(atPath: segments[0])
    try source.refresh()
    #expect(source.runs[0].ticks.first ?? 0 > 500)
    #expect(source.runs[0].unreadSegments == 0)
  }

  @Test(
    "a damaged block is told by its ticks, the others are still there; a file that is none is not taken for gone"
  )
  func damage() throws {
    try recorded("run", 0..<1000)
    let segments = try Recording.open(path: directory.path + "/run").segments.map(\.path)
    let shell = try #require(sqliteShell)
    let damage =
      "update block set bytes = zeroblob(length(bytes)) where first_sequence = (select max(first_sequence) from block)"
    try #require(output(of: shell, [segments[0], damage]).status == 0)
    let source = try source()
    var tick: UInt64 = 0
    var damaged: [ClosedRange<UInt64>] = []
    var count = 0
    while tick < 1000 {
      switch source.block(run: "run", from: tick) {
      case .block(let block):
        count += block.key.count
        tick = block.key.lastSequence + 1
      case .damaged(let range, let reason):
        #expect(reason.contains(segments[0]))
        damaged.append(range)
        tick = range.upperBound + 1
      case .nothing, .busy: tick = 1000
      }
    }
    #expect(damaged.count == 1 && count + (damaged.first?.count ?? 0) == 1000)
    try Data("no database".utf8).write(to: URL(fileURLWithPath: segments[1]))
    let again = try self.source()
    #expect(again.runs[0].unreadSegments == 1)
  }

  @Test("a new block of a recorder that runs is seen, and no read keeps it from committing")
  func live() throws {
    let ring = makeRing()
    var options = RecorderOptions()
    options.batchTicks = 100
    let recorder = try Recorder(
      directory: directory.path, identity: handIdentity(runID: "run"), ring: ring, options: options)
    try recorder.start()
    let source = try source()
    var tick: UInt64 = 0
    var seen: UInt64 = 0
    for _ in 0..<20 {
      for _ in 0..<100 {
        pushWaiting(plainRecord(tick), to: ring)
        tick += 1
      }
      let isSeen = waitUntil {
        source.refresh(run: "run")
        if let last = source.newBlock(of: "run")?.upperBound ?? source.runs.first?.ticks.last { seen = last }
        return seen == tick - 1
      }
      try #require(isSeen)
      _ = source.block(run: "run", from: tick - 1)
    }
    let status = recorder.stop()
    #expect(status.recordedTicks == tick && status.lastError == nil)
  }

  @Test(
    "a store keeps each block and event once, knows them after it is opened again, and keeps what contradicts out"
  )
  func store() throws {
    try recorded("run", 0..<1000)
    let source = try source()
    let blocks = blocks(source, "run")
    let path = directory.path + "/received"
    var store: ReceivedStore? = try ReceivedStore(directory: path)
    let messages = blocks.map { ("test-hand", ReceivedStore.Message.block($0)) }
    #expect(
      try store?.store(messages + messages) == blocks.map { _ in .stored } + blocks.map { _ in .duplicate })
    let event = EventMessage(runID: "run", event: source.events(run: "run", from: 1, limit: 1)[0])
    for expected in [ReceivedStore.Outcome.stored, .duplicate] {
      #expect(
        try store?.store([("test-hand", .event(event, payload: event.encoded()))]) == [expected])
    }
    let before = try #require(store?.runs)
    #expect(before[0].ticks.ranges == [0...999] && before[0].events.ranges == [1...1])
    #expect(before[0].duplicates == UInt64(blocks.count) + 1)
    store = nil
    store = try ReceivedStore(directory: path)
    #expect(store?.runs == before)
    // Other ticks under the same key, as of two devices with one name.
    let elsewhere = try TemporaryDirectory()
    let others = (0..<100 as Range<UInt64>).map { tick in
      var record = plainRecord(tick)
      record.lipschitz = 0.5
      return record
    }
    try record(others, in: elsewhere.path, runID: "run", options: smallSegments)
    let other = UploadSource(directory: elsewhere.path, handID: "test-hand")
    try other.refresh()
    guard case .block(let contradicting) = other.block(run: "run", from: 0) else {
      Issue.record("no block")
      return
    }
    #expect(try store?.store([("test-hand", .block(contradicting))]) == [.conflict])
    #expect(try store?.store([("another-hand", .block(contradicting))]) == [.stored])
    #expect(throws: RecordingError.self) { try ReceivedStore(reading: self.directory.path + "/run") }
  }
}
