import Foundation
import HandModel
import Realtime
import SeededRandom
import Testing

@testable import Recording

@Suite("Recorder")
struct RecorderTests {
  @Test("100 000 ticks of a producer that never waits are recorded or counted as dropped, none lost")
  func nothingLostSilently() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing(4096)
    var options = RecorderOptions()
    // An unoptimised recorder on a busy machine may still have a full ring to write.
    options.stopNanoseconds = 60_000_000_000
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, options: options)
    try recorder.start()
    let produced: UInt64 = 100_000
    let producer = Thread {
      for sequence in 0..<produced { ring.push(plainRecord(sequence)) }
    }
    producer.start()
    #expect(waitUntil(seconds: 120) { producer.isFinished })
    let status = recorder.stop()
    #expect(status.recordedTicks + status.droppedByRing == produced)
    #expect(status.droppedByStorage == 0)
    #expect(status.refusedTicks == 0)
    #expect(status.lagTicks == 0)
    #expect(!status.running)

    let info = try Recording.open(path: directory.path).info()
    #expect(info.ticks == status.recordedTicks)
    #expect(info.lastSequence.map { $0 + 1 - info.ticks - info.missingTicks } == 0)
    let summary = try #require(info.summary)
    #expect(summary.hasPrefix("\(status.recordedTicks) ticks recorded, \(status.droppedByRing) dropped"))
  }

  @Test("segments rotate by ticks, each complete and closed, and read as one recording")
  func rotationByTicks() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentTicks = 250
    options.batchTicks = 50
    let recording = try record((0..<1000).map { plainRecord($0) }, in: directory.path, options: options)
    let names = recording.segments.map { URL(fileURLWithPath: $0.path).lastPathComponent }
    #expect(names == (1...4).map { "segment-000\($0).sqlite" })
    #expect(recording.segments.allSatisfy { $0.closed })
    let left = try FileManager.default.contentsOfDirectory(atPath: recording.path)
    #expect(!left.contains { $0.hasSuffix("-journal") || $0.hasSuffix("-wal") })
    let info = try recording.info()
    #expect(info.ticks == 1000)
    #expect(info.missingTicks == 0)
    let last = try Recording.open(path: recording.segments[3].path).info()
    #expect(last.firstSequence == 750)
    #expect(last.ticks == 250)
  }

  @Test("a segment is closed when it reaches its size")
  func rotationBySize() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.segmentBytes = 400_000
    options.batchTicks = 50
    var random = SeededGenerator(seed: printedSeed("rotation by size"))
    let records = (0..<1000).map { noisyRecord($0, using: &random) }
    let recording = try record(records, in: directory.path, options: options)
    #expect(recording.segments.count > 2)
    for segment in recording.segments.dropLast() {
      // At most one batch of 50 ticks of 1.4 kB beyond the limit.
      #expect((400_000...480_000).contains(segment.bytes), "\(segment)")
    }
    #expect(try recording.info().ticks == 1000)
  }

  @Test("ticks missing in the stream become a gap event with their number, and the reader finds them")
  func gaps() throws {
    let directory = try TemporaryDirectory()
    let sequences: [UInt64] = Array(0...9) + Array(15...19) + [40]
    let recording = try record(sequences.map { plainRecord($0) }, in: directory.path)
    let gaps = try recording.events().filter { $0.kind == .gap }
    #expect(gaps.map(\.from) == ["9", "19"])
    #expect(gaps.map(\.to) == ["15", "40"])
    #expect(gaps.map(\.count) == [5, 20])
    #expect(gaps.map { $0.text.prefix(16) } == ["5 ticks missing:", "20 ticks missing"])
    let info = try recording.info()
    #expect(info.missingTicks == 25)
    #expect(
      info.gaps == [.init(after: 9, before: 15, missing: 5), .init(after: 19, before: 40, missing: 20)])
  }

  @Test("a record whose sequence is not above the last is refused, counted and reported")
  func disorder() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    let recorder = try Recorder(directory: directory.path, identity: try handIdentity(), ring: ring)
    try recorder.start()
    for sequence: UInt64 in [0, 1, 2, 2, 1, 3] { ring.push(plainRecord(sequence)) }
    let status = recorder.stop()
    #expect(status.recordedTicks == 4)
    #expect(status.refusedTicks == 2)
    let recording = try Recording.open(path: directory.path)
    #expect(try recording.info().ticks == 4)
    #expect(try recording.events().count { $0.kind == .disorder } == 2)
  }

  @Test("refused commands become events that count them and say why, merged as executed ones are")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    var records = (0..<3000).map { plainRecord(UInt64($0)) }
    func refuse(_ index: Int, _ result: CommandResult) {
      records[index].takenCommand = TickCommand(.arm, source: .socket, number: UInt32(index))
      records[index].commandResult = result
    }
    refuse(50, .selfTestRunning)
    for index in 2000..<2500 { refuse(index, .notIdle) }
    let recording = try record(records, in: directory.path)
    let events = try recording.events().filter { $0.kind == .refused }
    #expect(events.map(\.sequence) == [50, 2000, 2001])
    #expect(events[0].from == "0" && events[0].to == "1")
    #expect(
      events[0].text == "refused commands 0 → 1; the last, arm 50: the self-test is running: wait for idle")
    #expect(events[2].from == "2" && events[2].to == "501" && events[2].text.contains("arm 2499"))
    #expect(try !recording.events().contains { $0.kind == .command }, "nothing was executed")
    let cursor = recording.ticks()
    var read = TickRecord()
    while try cursor.next(into: &read), read.sequence < 2000 {
      #expect(read.commandResult == (read.sequence == 50 ? .selfTestRunning : .executed))
    }
    #expect(read.commandResult == .notIdle)
  }

  @Test("transitions of state, fault, commands and overruns become events with gapless numbers")
  func transitions() throws {
    let directory = try TemporaryDirectory()
    var records = (0..<3000).map { plainRecord(UInt64($0)) }
    for index in 100..<3000 { records[index].commandNumber = 7 }
    // A streamed set-point: a new command each tick for two seconds.
    for index in 500..<2500 { records[index].commandNumber = UInt32(index) }
    for index in 2500..<3000 { records[index].commandNumber = 2499 }
    for index in 2000..<3000 { records[index].overruns = 3 }
    for index in 2900..<3000 {
      records[index].state = .fault
      records[index].fault = .staleSensor
      records[index].faultJoint = 4
    }
    let events = try record(records, in: directory.path).events()
    #expect(events.map(\.number) == (1...UInt64(events.count)).map { $0 })
    #expect(events.first?.kind == .start)
    #expect(events.last?.kind == .summary)

    let state = try #require(events.first { $0.kind == .state })
    #expect(state.sequence == 2900)
    #expect(state.from == "tracking" && state.to == "fault")
    let fault = try #require(events.first { $0.kind == .fault })
    #expect(fault.from == nil && fault.to == "stale-sample")
    #expect(try fault.joint == handIdentity().board.joints[4].name)
    #expect(fault.text == "stale sensor: \(try handIdentity().board.joints[4].name)")
    let overrun = try #require(events.first { $0.kind == .overrun })
    #expect(overrun.sequence == 2000 && overrun.from == "0" && overrun.to == "3")

    let commands = events.filter { $0.kind == .command }
    #expect(commands.first?.sequence == 100)
    #expect(commands.first?.from == "0" && commands.first?.to == "7")
    // Merged within a second, and connected: each begins where the one before ended.
    #expect((3...5).contains(commands.count))
    #expect(zip(commands, commands.dropFirst()).allSatisfy { $0.to == $1.from })
    #expect(commands.last?.to == "2499")
  }

  @Test("every event is handed on once it is stored, with its number, and the end is said")
  func handsOn() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    let handOver = HandOver<HandEvent>(capacity: 100)
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, handOver: handOver)
    try recorder.start()
    var fault = plainRecord(11)
    fault.state = .fault
    fault.fault = .overload
    for record in (0...9).map({ plainRecord($0) }) + [fault] { pushWaiting(record, to: ring) }
    recorder.stop()
    let (events, isClosed) = handOver.takeAll()
    #expect(isClosed && handOver.dropped == 0)
    #expect(
      events.map(\.kind) == [.start, .inForce, .gap, .fault, .state, .agp, .segment, .stopped, .summary])
    #expect(try Recording.open(path: directory.path).events() == events)
  }

  @Test("the status tells what is committed, where, and how far behind the recorder is")
  func status() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    var options = RecorderOptions()
    options.batchTicks = 100
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, options: options)
    let path = directory.path + "/boot-1/segment-0001.sqlite"
    #expect(recorder.status.segmentPath == path)
    #expect(!recorder.status.running)
    try recorder.start()
    for sequence in 0..<UInt64(200) { ring.push(plainRecord(sequence)) }
    #expect(waitUntil { recorder.status.recordedTicks == 200 })
    #expect(recorder.status.running)
    #expect(recorder.status.bytes >= 200 * UInt64(15 * FieldTable.standard.frameByteCount))
    #expect(recorder.status.lastError == nil)
    #expect(throws: RecordingError.notStartable) { try recorder.start() }
    let stopped = recorder.stop()
    #expect(stopped == recorder.stop())
  }

  @Test("a batch below its size is committed after its time")
  func batchTime() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    var options = RecorderOptions()
    options.batchNanoseconds = 20_000_000
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, options: options)
    try recorder.start()
    ring.push(plainRecord(0))
    #expect(waitUntil { recorder.status.recordedTicks == 1 })
    recorder.stop()
  }

  @Test("a second recorder of the same run continues the segments and the event numbers")
  func continuation() throws {
    let directory = try TemporaryDirectory()
    try record((0..<10).map { plainRecord($0) }, in: directory.path)
    let recording = try record((10..<20).map { plainRecord($0) }, in: directory.path)
    #expect(recording.segments.count == 2)
    #expect(try recording.info().ticks == 20)
    let numbers = try recording.events().map(\.number)
    #expect(numbers == (1...UInt64(numbers.count)).map { $0 })
    #expect(try recording.events().allSatisfy { $0.kind != .gap })
  }

  @Test("a tick that two segments hold is read once and counted")
  func duplicates() throws {
    let directory = try TemporaryDirectory()
    try record((0..<10).map { plainRecord($0) }, in: directory.path)
    let info = try record((5..<15).map { plainRecord($0) }, in: directory.path).info()
    #expect(info.ticks == 15)
    #expect(info.duplicates == 5)
    #expect(info.missingTicks == 0)
  }

  @Test("the recorder's thread is called recorder, runs at normal priority and takes no signals")
  func thread() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    let recorder = try Recorder(directory: directory.path, identity: try handIdentity(), ring: ring)
    try recorder.start()
    defer { recorder.stop() }
    let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
    let task = try #require(
      tasks.first {
        (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "recorder\n"
      })
    let status = try String(contentsOfFile: "/proc/self/task/\(task)/status", encoding: .utf8)
    let blocked = try #require(status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
    let mask = try #require(UInt64(blocked.split(separator: "\t")[1], radix: 16))
    #expect(sched_getscheduler(try #require(pid_t(task))) == SCHED_OTHER)
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1] { #expect(mask & (1 << UInt64(signal - 1)) != 0) }
  }
}
