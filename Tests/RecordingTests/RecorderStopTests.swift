import CSQLite
import Foundation
import HandModel
import Realtime
import Testing

@testable import Recording

@Suite("The end of a recording", .serialized)
struct RecorderStopTests {
  private func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
  }

  @Test(
    "a stop gives up what a locked file does not take, counts it, and ends in its time, which runs from its begin"
  )
  func lockedFile() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing(1024)
    var options = RecorderOptions()
    options.stopNanoseconds = 2_100_000_000
    let recorder = try Recorder(
      directory: directory.path, identity: try handIdentity(), ring: ring, options: options)
    try recorder.start()
    let reader = try SQLiteConnection(
      path: recorder.status.segmentPath, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 1000)
    try reader.execute("BEGIN EXCLUSIVE")
    for sequence in 0..<UInt64(100) { pushWaiting(plainRecord(sequence), to: ring) }
    let taken = seconds {
      recorder.beginStop()
      // What else is stopped meanwhile costs no time of its own.
      usleep(1_000_000)
      recorder.stop()
    }
    let status = recorder.status
    #expect(taken < 2.2, "\(taken) s")
    #expect(!status.running && status.givenUpTicks == 100 && status.droppedByStorage == 100)
    #expect(!status.isComplete)
    try reader.execute("ROLLBACK")
  }

  @Test("a recording that was written to its end is complete")
  func complete() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing(1024)
    let recorder = try Recorder(directory: directory.path, identity: try handIdentity(), ring: ring)
    try recorder.start()
    for sequence in 0..<UInt64(100) { pushWaiting(plainRecord(sequence), to: ring) }
    let status = recorder.stop()
    #expect(status.isComplete && status.recordedTicks == 100)
    recorder.discardIfEmpty()
    #expect(try Recording.open(path: directory.path).info().ticks == 100)
  }

  @Test("a recorder without a tick leaves nothing when its start came to nothing", arguments: [false, true])
  func discarded(started: Bool) throws {
    let directory = try TemporaryDirectory()
    let recorder = try Recorder(directory: directory.path, identity: try handIdentity(), ring: makeRing(16))
    if started { try recorder.start() }
    recorder.stop()
    recorder.discardIfEmpty()
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
  }

  @Test(
    "a recorder that found no room leaves nothing when its start came to nothing",
    .enabled(if: SmallFileSystem.isAvailable, StorageFailureTests.needsMount))
  func notMade() throws {
    let disk = try #require(SmallFileSystem(megabytes: 1))
    // Room for the events, none for a segment.
    let room = 60_000
    #expect(
      FileManager.default.createFile(atPath: disk.path + "/filler", contents: Data(count: (1 << 20) - room)))
    let recorder = try Recorder(directory: disk.path, identity: try handIdentity(), ring: makeRing(16))
    #expect(recorder.status.storageFailing)
    recorder.discardIfEmpty()
    #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path) == ["filler"])
  }
}
