import Foundation
import HandModel
import Testing

@testable import Recording

@Suite("Retention of segments")
struct RetentionTests {
  /// Segments of 100 ticks; a segment of 100 ticks has some 160 kB.
  private static let bound: UInt64 = 1_000_000

  private static func options(keepBytes: UInt64?) -> RecorderOptions {
    var options = RecorderOptions()
    options.segmentTicks = 100
    options.segmentBytes = 500_000
    options.batchTicks = 50
    options.keepBytes = keepBytes
    return options
  }

  private static func bytes(in directory: String) throws -> UInt64 {
    try RecordingPaths.names(in: directory).reduce(0) { sum, boot in
      try RecordingPaths.segments(in: directory + "/" + boot).reduce(sum) {
        let size = try FileManager.default.attributesOfItem(atPath: $1.path)[.size] as? NSNumber
        return $0 + (size?.uint64Value ?? 0)
      }
    }
  }

  @Test(
    "the oldest segments go, of earlier boots first; what is left is the newest, within the bound, and each deletion is an event"
  )
  func oldestFirst() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<2000).map { plainRecord($0) }
    try record(records, in: directory.path, bootID: "boot-0", options: Self.options(keepBytes: nil))
    #expect(try Self.bytes(in: directory.path) > 2 * Self.bound, "the first boot alone breaks the bound")
    // The clock of file times has the resolution of a tick of the kernel's.
    let past = [FileAttributeKey.modificationDate: Date(timeIntervalSinceNow: -60)]
    for segment in try RecordingPaths.segments(in: directory.path + "/boot-0") {
      try FileManager.default.setAttributes(past, ofItemAtPath: segment.path)
    }
    let recording = try record(
      records, in: directory.path, bootID: "boot-1", options: Self.options(keepBytes: Self.bound))
    #expect(try RecordingPaths.segments(in: directory.path + "/boot-0").isEmpty)
    #expect(try Self.bytes(in: directory.path) <= Self.bound)

    let left = try recording.info()
    #expect(left.missingTicks == 0 && left.lastSequence == 1999)
    let first = try #require(left.firstSequence)
    let own = try recording.events().filter { $0.kind == .expired && $0.text.contains("/boot-1/") }
    #expect(own.map(\.from) == stride(from: 0, to: first, by: 100).map { String($0) })
    #expect(own.map(\.to) == stride(from: 99, to: first, by: 100).map { String($0) })
    #expect(try recording.events().count { $0.text.contains("/boot-0/") } == 20)
  }

  @Test("the segment of a fault and the one before it outlive younger ones")
  func faultsLast() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<2000).map { sequence in
      var record = plainRecord(UInt64(sequence))
      if sequence >= 210 {
        record.state = .fault
        record.fault = .trackingError
      }
      return record
    }
    let recording = try record(records, in: directory.path, options: Self.options(keepBytes: Self.bound))
    let numbers = try RecordingPaths.segments(in: recording.path).map(\.number)
    #expect(numbers.prefix(2) == [2, 3], "\(numbers)")
    #expect(numbers.last == 20 && numbers.count < 12, "\(numbers)")
  }

  @Test("a segment that its recorder may still write stays, whatever the bound")
  func liveSegments() throws {
    let directory = try TemporaryDirectory()
    let ring = makeRing()
    let other = try Recorder(
      directory: directory.path, identity: try handIdentity(bootID: "other"), ring: ring)
    try other.start()
    pushWaiting(plainRecord(0), to: ring)
    #expect(waitUntil { other.status.recordedTicks == 1 })
    try record(
      (0..<2000).map { plainRecord($0) }, in: directory.path, options: Self.options(keepBytes: Self.bound))
    pushWaiting(plainRecord(1), to: ring)
    other.stop()
    #expect(try Recording.open(path: directory.path + "/other").info().ticks == 2)
  }
}
