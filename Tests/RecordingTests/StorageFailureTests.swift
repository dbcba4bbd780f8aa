import CSQLite
import Foundation
import HandModel
import Realtime
import SeededRandom
import Testing

@testable import Recording

/// A small memory file system, mounted for one test. Nil where the user may not mount.
final class SmallFileSystem {
  let path: String

  init?(megabytes: Int) {
    let path = temporaryRoot + "/recording-fs-\(UUID().uuidString)"
    guard geteuid() == 0, mkdir(path, 0o755) == 0 else { return nil }
    guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
      rmdir(path)
      return nil
    }
    self.path = path
  }

  // MS_REMOUNT and MS_RDONLY of mount(2), which are an enumeration in glibc's header.
  private static let remountFlag = 32
  private static let readOnlyFlag = 1

  func remountReadOnly(_ readOnly: Bool) -> Bool {
    mount("tmpfs", path, "tmpfs", UInt(Self.remountFlag | (readOnly ? Self.readOnlyFlag : 0)), nil) == 0
  }

  deinit {
    // MNT_DETACH: a failed test may still hold files open.
    umount2(path, 2)
    rmdir(path)
  }

  /// Whether this process may mount: the condition of the tests that need it.
  static let isAvailable = SmallFileSystem(megabytes: 1) != nil
}

@Suite("Storage failures", .serialized)
struct StorageFailureTests {
  /// Little is kept in memory, and storage is tried again soon.
  private static var hasty: RecorderOptions {
    var options = RecorderOptions()
    options.batchTicks = 100
    options.backlogTicks = 200
    options.retryNanoseconds = 5_000_000
    options.maximumRetryNanoseconds = 20_000_000
    return options
  }

  static let needsMount: Comment = "needs root with CAP_SYS_ADMIN to mount a small tmpfs"

  @Test(
    "a full disk drops and counts ticks, and recording goes on when space returns",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func fullDisk() throws {
    let disk = try #require(SmallFileSystem(megabytes: 3))
    let filler = disk.path + "/filler"
    #expect(FileManager.default.createFile(atPath: filler, contents: Data(count: 1_500_000)))
    let ring = makeRing(8192)
    let options = Self.hasty
    let handOver = HandOver<HandEvent>(capacity: 4096)
    let recorder = try Recorder(
      directory: disk.path, identity: try handIdentity(), ring: ring, handOver: handOver, options: options)
    try recorder.start()
    var produced: UInt64 = 0
    var random = SeededGenerator(seed: printedSeed("full disk"))
    func produce(_ count: Int) {
      for _ in 0..<count {
        pushWaiting(noisyRecord(produced, using: &random), to: ring)
        produced += 1
      }
    }
    produce(3000)
    #expect(waitUntil { recorder.status.storageFailing && recorder.status.droppedByStorage > 0 })
    let full = recorder.status
    #expect(full.lastError?.contains("full") == true, "\(full)")
    #expect(full.recordedTicks > 0)
    // What was committed before is readable while the disk is full.
    let committed = try Recording.open(path: disk.path).info()
    #expect(committed.ticks >= full.recordedTicks)
    #expect(committed.missingTicks == 0)

    // Nobody who waits for events waits for the disk.
    var told: [HandEvent] = []
    #expect(
      waitUntil {
        told += handOver.takeAll().elements
        return told.contains { $0.kind == .storageError }
      })

    #expect(unlink(filler) == 0)
    #expect(waitUntil { !recorder.status.storageFailing })
    produce(100)
    let status = recorder.stop()
    #expect(status.recordedTicks + status.droppedByStorage + status.droppedByRing == produced)
    #expect(status.recordedTicks > full.recordedTicks)

    let recording = try Recording.open(path: disk.path)
    let info = try recording.info()
    #expect(info.ticks == status.recordedTicks)
    #expect(info.lastSequence == produced - 1)
    #expect(info.missingTicks == status.droppedByStorage + status.droppedByRing)
    let events = try recording.events()
    told += handOver.takeAll().elements
    #expect(told.map(\.number) == (1...UInt64(events.count)).map { $0 }, "each once, in order")
    #expect(told.map(\.text) == events.map(\.text), "what was refused at first is stored in the end")
    let kinds = events.map(\.kind)
    #expect(
      kinds.contains(.storageError) && kinds.contains(.storageDrop) && kinds.contains(.storageRecovered))
  }

  /// Fills a file system to its last byte; the file that does it.
  private func fill(_ disk: SmallFileSystem) -> String {
    let path = disk.path + "/filler"
    let file = open(path, O_WRONLY | O_CREAT, 0o600)
    defer { close(file) }
    for size in [65_536, 4096, 1] {
      let bytes = [UInt8](repeating: 0, count: size)
      while write(file, bytes, size) > 0 {}
    }
    return path
  }

  @Test(
    "on a disk that is full at the start the hand's ticks are dropped and counted until there is room",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func fullAtStart() throws {
    let disk = try #require(SmallFileSystem(megabytes: 3))
    let filler = fill(disk)
    let ring = makeRing(8192)
    let options = Self.hasty
    let recorder = try Recorder(
      directory: disk.path, identity: try handIdentity(), ring: ring, options: options)
    #expect(recorder.status.storageFailing)
    #expect(recorder.status.lastError?.contains("full") == true, "\(recorder.status)")
    try recorder.start()
    for sequence in 0..<UInt64(500) { pushWaiting(plainRecord(sequence), to: ring) }
    #expect(waitUntil { recorder.status.droppedByStorage > 0 })
    #expect(unlink(filler) == 0)
    #expect(waitUntil { !recorder.status.storageFailing })
    for sequence in 500..<UInt64(600) { pushWaiting(plainRecord(sequence), to: ring) }
    let status = recorder.stop()
    #expect(status.recordedTicks + status.droppedByStorage + status.droppedByRing == 600)
    let recording = try Recording.open(path: disk.path)
    let info = try recording.info()
    #expect(info.lastSequence == 599 && info.ticks == status.recordedTicks)
    let kinds = try recording.events().map(\.kind)
    #expect(
      kinds.contains(.storageError) && kinds.contains(.storageDrop) && kinds.contains(.storageRecovered))
    #expect(try recording.events().map(\.number) == (1...UInt64(kinds.count)).map { $0 })
  }

  @Test(
    "on a disk that is full at the start the oldest recordings go, and nothing is lost",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func roomAtStart() throws {
    let disk = try #require(SmallFileSystem(megabytes: 3))
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.batchTicks = 50
    let old = try record(
      (0..<500).map { plainRecord($0) }, in: disk.path, runID: "old", options: options)
    _ = fill(disk)
    let recording = try record(
      (0..<50).map { plainRecord($0) }, in: disk.path, runID: "new", options: options)
    #expect(try recording.info().ticks == 50 && recording.info().missingTicks == 0)
    let left = try RecordingPaths.segments(in: old.path).map(\.number)
    #expect(left.count < old.segments.count && left.last == old.segments.count, "\(left)")
    #expect(try recording.events().contains { $0.kind == .expired })
  }

  @Test(
    "a disk that stays full does not keep stop from ending in its time",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func stopOnFullDisk() throws {
    let disk = try #require(SmallFileSystem(megabytes: 1))
    let ring = makeRing(4096)
    var options = RecorderOptions()
    options.batchTicks = 100
    options.stopNanoseconds = 300_000_000
    let recorder = try Recorder(
      directory: disk.path, identity: try handIdentity(), ring: ring, options: options)
    try recorder.start()
    var random = SeededGenerator(seed: printedSeed("a disk that stays full"))
    for sequence in 0..<UInt64(3000) { pushWaiting(noisyRecord(sequence, using: &random), to: ring) }
    #expect(waitUntil { recorder.status.storageFailing })
    let start = ContinuousClock.now
    let status = recorder.stop()
    #expect(ContinuousClock.now - start < .seconds(5))
    #expect(status.recordedTicks + status.droppedByStorage + status.droppedByRing == 3000)
    #expect(status.droppedByStorage > 0)
    #expect(try Recording.open(path: disk.path).info().ticks == status.recordedTicks)
  }

  @Test("a file in the directory's place is a typed error with path and errno")
  func directoryIsAFile() throws {
    let directory = try TemporaryDirectory()
    let file = directory.path + "/file"
    #expect(FileManager.default.createFile(atPath: file, contents: nil))
    let identity = try handIdentity()
    #expect(throws: RecordingError.directory(path: file + "/boot-1", errno: ENOTDIR)) {
      _ = try Recorder(directory: file, identity: identity, ring: makeRing(16))
    }
  }

  @Test(
    "on a file system that is read-only at the start recording begins when it may be written",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func readOnly() throws {
    let disk = try #require(SmallFileSystem(megabytes: 1))
    try #require(disk.remountReadOnly(true))
    let ring = makeRing()
    let recorder = try Recorder(directory: disk.path, identity: try handIdentity(), ring: ring)
    #expect(recorder.status.storageFailing)
    let error = recorder.status.lastError
    #expect(error?.contains(disk.path + "/boot-1: ") == true, "\(String(describing: error))")
    #expect(error?.contains("Read-only file system") == true)
    try recorder.start()
    pushWaiting(plainRecord(0), to: ring)
    try #require(disk.remountReadOnly(false))
    #expect(waitUntil { recorder.status.recordedTicks == 1 })
    recorder.stop()
    #expect(try Recording.open(path: disk.path).info().ticks == 1)
  }

  @Test(
    "a closed recording on a read-only file system can be read",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func readFromReadOnly() throws {
    let disk = try #require(SmallFileSystem(megabytes: 4))
    try record((0..<100).map { plainRecord($0) }, in: disk.path)
    try #require(disk.remountReadOnly(true))
    let info = try Recording.open(path: disk.path).info()
    #expect(info.ticks == 100)
    #expect(info.summary != nil)
  }

  @Test("a run id that is no plain word and options out of range are refused")
  func invalidArguments() throws {
    let directory = try TemporaryDirectory()
    var identity = try handIdentity()
    identity.runID = "../escape"
    let escaping = identity
    #expect(throws: RecordingError.invalidRunID("../escape")) {
      _ = try Recorder(directory: directory.path, identity: escaping, ring: makeRing(16))
    }
    var options = RecorderOptions()
    options.batchTicks = options.backlogTicks + 1
    let tooLarge = options
    let valid = try handIdentity()
    #expect(throws: RecordingError.self) {
      _ = try Recorder(directory: directory.path, identity: valid, ring: makeRing(16), options: tooLarge)
    }
  }

  @Test("kill -9 in the middle of recording loses nothing that was committed", arguments: 1...3)
  func kill(round: Int) throws {
    let directory = try TemporaryDirectory()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Repository.feed)
    process.arguments = [directory.path, Repository.board, Repository.calibration, "2000000"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    // Kill after it has reported this many ticks: several segments, at an arbitrary point of a batch.
    let enough = UInt64(round) * 2500
    var reported: UInt64 = 0
    var text = ""
    while reported < enough {
      let data = pipe.fileHandleForReading.availableData
      try #require(!data.isEmpty, "the program ended by itself")
      text += String(decoding: data, as: UTF8.self)
      reported = lastNumber(text) ?? reported
    }
    Foundation.kill(process.processIdentifier, SIGKILL)
    text += String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    reported = lastNumber(text) ?? reported

    let recording = try Recording.open(path: directory.path)
    let info = try recording.info()
    #expect(info.ticks >= reported)
    #expect(info.missingTicks == 0)
    #expect(info.firstSequence == 0)
    #expect(info.summary == nil)
    for segment in recording.segments {
      let connection = try Recording.connect(segment.path)
      let check = try connection.prepare("PRAGMA integrity_check")
      #expect(try check.step())
      #expect(check.text(0) == "ok")
    }
  }

  @Test("a write that a crash interrupted is rolled back when the recording is opened")
  func hotJournal() throws {
    let directory = try TemporaryDirectory()
    let copy = try interruptedSegment(in: directory.path, copyTo: directory.path + "/copy")
    let info = try Recording.open(path: copy).info()
    #expect(info.ticks == 2000)
    #expect(info.largestLipschitz == 0.999_332_931)
  }

  @Test(
    "a reader without write access is told what to do about an interrupted write",
    .enabled(if: SmallFileSystem.isAvailable, needsMount))
  func hotJournalReadOnly() throws {
    let disk = try #require(SmallFileSystem(megabytes: 16))
    let directory = try TemporaryDirectory()
    let copy = try interruptedSegment(in: directory.path, copyTo: disk.path + "/copy")
    try #require(disk.remountReadOnly(true))
    #expect(throws: RecordingError.interruptedWrite(path: copy)) { try Recording.open(path: copy) }
  }

  /// Records 2000 ticks, begins to change them all, and copies the files in the middle of it: what a power
  /// cut leaves behind. Returns the copied segment.
  private func interruptedSegment(in directory: String, copyTo target: String) throws -> String {
    let recording = try record((0..<2000).map { plainRecord($0) }, in: directory)
    let segment = recording.segments[0].path
    let writer = try SQLiteConnection(path: segment, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    // A cache of ten pages makes SQLite write changed pages to the file before the commit.
    try writer.execute("PRAGMA cache_size = 10; BEGIN; UPDATE tick SET lipschitz = 9")
    let copy = target + "/segment-0001.sqlite"
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: segment, toPath: copy)
    try FileManager.default.copyItem(atPath: segment + "-journal", toPath: copy + "-journal")
    let differs = !FileManager.default.contentsEqual(atPath: copy + "-journal", andPath: "/dev/null")
    try #require(differs, "the interrupted write has a journal")
    try writer.execute("ROLLBACK")
    return copy
  }

  /// The last complete line of a list of numbers.
  private func lastNumber(_ text: String) -> UInt64? {
    text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().last.flatMap { UInt64($0) }
  }
}
