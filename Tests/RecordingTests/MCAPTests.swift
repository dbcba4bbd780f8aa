import CSQLite
import Foundation
import Glibc
import HandModel
import PrimalLogic
import SeededRandom
import Testing

@testable import Recording

/// What is inside the messages, and whether other readers agree, the tests of EndToEndTests check with
/// Tests/Viewers.
@Suite("Export to MCAP")
struct MCAPTests {
  /// The hand of a recording, by the names of its joints.
  private static func sketch(_ recording: Recording) -> HandSketch {
    HandSketch(
      name: recording.handID,
      joints: recording.jointNames.map {
        HandSketch.Joint(name: $0, finger: nil, range: -1...2, radiansPerSecond: 8, newtonMetres: 0.7)
      })
  }

  /// What the summary of a file counts.
  private struct Statistics {
    var messages: UInt64
    var channels: UInt32
    var attachments: UInt32
    var chunks: UInt32
    var start: UInt64
    var end: UInt64

    init(_ path: String) throws {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      func number<Number: FixedWidthInteger>(_ place: Int) -> Number {
        bytes.withUnsafeBytes {
          Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: Number.self))
        }
      }
      let magic: [UInt8] = [0x89, 0x4D, 0x43, 0x41, 0x50, 0x30, 0x0D, 0x0A]
      try #require(Array(bytes.prefix(8)) == magic && Array(bytes.suffix(8)) == magic)
      // Footer: opcode, length, place of the summary, place of its offsets, sum.
      let footer = bytes.count - 8 - 29
      try #require(bytes[footer] == 2)
      var place = Int(number(footer + 9) as UInt64)
      while bytes[place] != 11 { place += 9 + Int(number(place + 1) as UInt64) }
      place += 9
      messages = number(place)
      channels = number(place + 10)
      attachments = number(place + 14)
      chunks = number(place + 22)
      start = number(place + 26)
      end = number(place + 34)
    }
  }

  @Test("the checksum is that of zlib (golden: zlib.crc32 of Python 3.11)")
  func checksum() {
    #expect(CRC32.of(Array("123456789".utf8)) == 0xCBF4_3926)
    let bytes = (0..<1000).map { UInt8($0 % 251) }
    let golden: [(Int, UInt32)] = [
      (0, 0x00000000), (1, 0xD202EF8D), (7, 0xAD5809F9), (8, 0x88AA689F), (9, 0xBCE14302), (63, 0xDBDEA683),
      (1000, 0x721746A6),
    ]
    for (count, sum) in golden {
      #expect(CRC32.of(Array(bytes.prefix(count))) == sum)
      var parts = CRC32()
      bytes.withUnsafeBytes {
        parts.add(UnsafeRawBufferPointer(rebasing: $0[..<(count / 3)]))
        parts.add(UnsafeRawBufferPointer(rebasing: $0[(count / 3)..<count]))
      }
      #expect(parts.value == sum, "in two parts")
    }
  }

  @Test("messages are encoded as by mcap-ros2-support 0.6.0 (golden)")
  func encoding() {
    func hex(_ message: CDRMessage) -> String { message.bytes.map { String(format: "%02x", $0) }.joined() }
    var joints = CDRMessage()
    joints.append(time: 1_700_000_000_123_456_789)
    joints.append("")
    joints.append(["a", "joint-2"])
    joints.append([0.5, -1.25])
    joints.append([0.0, 3.0])
    joints.append([Double]())
    #expect(
      hex(joints)
        == "0001000000f1536515cd5b070100000000000000020000000200000061000000080000006a6f696e742d3200"
        + "0200000000000000000000000000e03f000000000000f4bf0200000000000000000000000000000000000000"
        + "0000084000000000")
    var log = CDRMessage()
    log.append(time: 1_000_000_002)
    log.append(UInt8(40))
    for text in ["hand", "e-stop → x", "", "fault"] { log.append(text) }
    log.append(UInt32(7))
    #expect(
      hex(log)
        == "000100000100000002000000280000000500000068616e64000000000d000000652d73746f7020e286922078"
        + "000000000100000000000000060000006661756c7400000007000000")
  }

  @Test("hands of motors, of servos and of both, with any values in their ticks, become files of whole ticks")
  func anyHand() throws {
    let seed = printedSeed("MCAPTests.anyHand")
    var random = SeededGenerator(seed: seed)
    for joints in [1, 5, maximumJoints] {
      let directory = try TemporaryDirectory()
      let identity = try mixedIdentity(joints: joints, using: &random)
      let records = (0..<60).map { randomRecord(sequence: $0, joints: joints, using: &random) }
      let recording = try record(records, in: directory.path, identity: identity)
      let file = directory.path + "/hand.mcap"
      let (ticks, damage) = try recording.exportMCAP(to: file, sketch: Self.sketch(recording))
      #expect(ticks == 60 && damage.isEmpty)
      let statistics = try Statistics(file)
      let events = UInt64(try recording.events().count)
      // Of each tick a message on each topic but those of transforms (50 a second), description and log.
      #expect(statistics.messages == 60 * UInt64(statistics.channels - 3) + 3 + 1 + events, "seed \(seed)")
      #expect(statistics.attachments == 3 && statistics.chunks >= 1)
      #expect(statistics.end >= statistics.start)
    }
  }

  @Test(
    "a wall clock that is set back, forward and before 1970 moves no message: the hand's own clock counts")
  func clock() throws {
    let directory = try TemporaryDirectory()
    let records = (0..<100).map { sequence in
      var record = plainRecord(UInt64(sequence))
      if sequence > 30 { record.wallNanoseconds -= 3_600_000_000_000 }
      if sequence > 60 { record.wallNanoseconds = -5 }
      if sequence > 90 { record.wallNanoseconds = .max }
      return record
    }
    let recording = try record(records, in: directory.path)
    for range in [UInt64(0)...99, 40...70, 95...99] {
      let file = directory.path + "/\(range.lowerBound).mcap"
      #expect(
        try recording.exportMCAP(to: file, sketch: Self.sketch(recording), range: range).ticks
          == UInt64(range.count))
      let statistics = try Statistics(file)
      // Two exports of one recording have the same time for the same tick.
      #expect(statistics.start == 1_700_000_000_000_000_000 + range.lowerBound * 1_000_000)
      #expect(statistics.end == 1_700_000_000_000_000_000 + range.upperBound * 1_000_000)
    }
  }

  @Test("a chunk holds some 4 MB, and the next one begins")
  func chunks() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<4000).map { plainRecord($0) }, in: directory.path)
    let file = directory.path + "/hand.mcap"
    _ = try recording.exportMCAP(to: file, sketch: Self.sketch(recording))
    #expect((2...4).contains(try Statistics(file).chunks))
  }

  @Test("of a damaged recording the rest is written, and what could not be read is told")
  func damage() throws {
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.batchTicks = 100
    let whole = try record((0..<1500).map { plainRecord($0) }, in: directory.path, options: options)
    let segment = try SQLiteConnection(
      path: whole.segments[0].path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
    try segment.execute("UPDATE block SET bytes = zeroblob(100) WHERE first_sequence = 700")
    let recording = try Recording.open(path: directory.path)
    let file = directory.path + "/hand.mcap"
    var reports = 0
    let (ticks, damage) = try recording.exportMCAP(to: file, sketch: Self.sketch(recording)) { _ in
      reports += 1
    }
    #expect(damage.count == 1 && damage[0].description.contains("tick 700 is damaged"), "\(damage)")
    #expect(ticks < 1500 && ticks >= 1400 && reports >= 1)
    #expect(try Statistics(file).messages > ticks)
  }

  @Test("a file that exists, an unknown joint and another export to the same name leave everything as it is")
  func refusals() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<10).map { plainRecord($0) }, in: directory.path)
    let file = directory.path + "/hand.mcap"
    let partial = file + ".partial"
    #expect(throws: RecordingError.unknownJoint(name: "tail", known: recording.jointNames)) {
      try recording.exportMCAP(to: file, sketch: Self.sketch(recording), joints: ["tail"])
    }
    let leftover = Data(MCAPWriter.magic + Array("half".utf8))
    try leftover.write(to: URL(fileURLWithPath: partial))
    let other = open(partial, O_RDONLY)
    try #require(other >= 0 && flock(other, LOCK_EX | LOCK_NB) == 0)
    #expect(throws: RecordingError.fileExists(path: partial)) {
      try recording.exportMCAP(to: file, sketch: Self.sketch(recording))
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: partial)) == leftover && access(file, F_OK) != 0)
    close(other)
    // What an interrupted export has left is written over.
    #expect(
      try recording.exportMCAP(to: file, sketch: Self.sketch(recording), joints: ["index-distal"]).ticks == 10
    )
    #expect(access(partial, F_OK) != 0)
    #expect(throws: RecordingError.fileExists(path: file)) {
      try recording.exportMCAP(to: file, sketch: Self.sketch(recording))
    }
    let nowhere = directory.path + "/none/hand.mcap"
    #expect(throws: RecordingError.directory(path: nowhere + ".partial", errno: ENOENT)) {
      try recording.exportMCAP(to: nowhere, sketch: Self.sketch(recording))
    }
  }

  @Test(
    "a hand is a tree: fingers are chains at the palm, a wrist carries it, joints that spread turn about z")
  func tree() throws {
    func joint(_ name: String, _ finger: String? = nil, _ range: ClosedRange<Double> = 0...1.5)
      -> HandSketch.Joint
    {
      HandSketch.Joint(name: name, finger: finger, range: range, radiansPerSecond: 1, newtonMetres: 1)
    }
    let shadow = HandSketch(
      name: "a<b",
      joints: [
        joint("WRJ2"), joint("WRJ1"), joint("FFJ4", "FF", -0.35...0.35), joint("FFJ3", "FF"), joint("THJ1"),
      ])
    #expect(shadow.root == "forearm")
    #expect(shadow.links.map(\.parent) == ["forearm", "WRJ2_link", "palm", "FFJ4_link", "palm"])
    #expect(shadow.palmTransform?.parent == "WRJ1_link")
    #expect(shadow.links.map { $0.axis.z } == [0, 0, 1, 0, 0])
    #expect(shadow.urdf.contains("<robot name=\"a&lt;b\">"))
    let named = HandSketch(
      name: "hand",
      joints: ["thumb-proximal", "thumb-distal", "index_mcp", "index_pip", "grip"].map { joint($0) })
    #expect(named.root == "palm" && named.palmTransform == nil)
    #expect(named.links.map(\.parent) == ["palm", "thumb-proximal_link", "palm", "index_mcp_link", "palm"])
    // A bent finger points down: x becomes −z.
    let turn = named.links[2].rotation(radians: .pi / 2)
    let down = 2 * (turn.x * turn.z - turn.w * turn.y)
    #expect(abs(down + 1) < 1e-12)
  }
}
