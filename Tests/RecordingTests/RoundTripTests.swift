import Foundation
import HandModel
import SeededRandom
import Testing

@testable import Recording
import Wire

@Suite("Round trip of records")
struct RoundTripTests {
  @Test(
    "every field of a random record comes back: exactly, a joint's within its quantum",
    arguments: [1, 5, 15, 17, 24, 32])
  func everyField(joints: Int) throws {
    let seed = printedSeed("every field of \(joints) joints")
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let identity = try mixedIdentity(joints: joints, using: &random)
    let equipment = identity.board.equipment
    let written = (0..<60).map { randomRecord(sequence: UInt64($0), joints: joints, using: &random) }
    let recording = try record(written, in: directory.path, identity: identity)
    #expect(recording.equipment == equipment)

    let cursor = recording.ticks()
    let codec = recording.codec
    var read = TickRecord()
    for record in written {
      #expect(try cursor.next(into: &read), "seed \(seed)")
      withUnsafePointer(to: record) { record in
        withUnsafePointer(to: read) { read in
          for column in codec.columns where column.exists(on: equipment) {
            let agrees = codec.agree(column, record, read) || !column.isGiven(in: record)
            #expect(agrees, "seed \(seed), \(column.id) of tick \(record.pointee.sequence)")
          }
          for joint in 0..<joints {
            let offset = TickRecord.jointOffset(joint)
            compare(
              UnsafeRawPointer(record) + offset, UnsafeRawPointer(read) + offset, equipment[joint],
              "seed \(seed), joint \(joint)")
          }
        }
      }
      expectCommand(record, read, joints: joints, "seed \(seed), tick \(record.sequence)")
    }
    #expect(try !cursor.next(into: &read))
  }

  /// Compares a joint's values within half a quantum of rounding and the spacing of doubles at the value; what the joint
  /// does not have reads as none.
  private func compare(
    _ written: UnsafeRawPointer, _ read: UnsafeRawPointer, _ joint: JointEquipment, _ place: String
  ) {
    for field in FieldTable.standard.jointColumns {
      let (expected, value) = (field.number(written), field.number(read))
      guard field.exists(on: joint) else {
        // The actuator's other name of the value is there.
        #expect(
          value.isNaN || field.presence == .motors || field.presence == .servos, "\(place), \(field.id)")
        continue
      }
      let tolerance = field.packing == .exact ? 0 : 0.5000001 * field.quantum + 2 * expected.ulp
      let same = expected.isNaN ? value.isNaN : abs(value - expected) <= tolerance
      #expect(same, "\(place), \(field.id): \(value) for \(expected)")
    }
  }

  private func expectCommand(_ a: TickRecord, _ b: TickRecord, joints: Int, _ place: String) {
    let (written, read) = (a.takenCommand, b.takenCommand)
    #expect(written.kind == read.kind, "\(place)")
    guard !(written.kind == .none) else { return }
    #expect(written.source == read.source && written.number == read.number, "\(place)")
    #expect(written.jointMask == read.jointMask && written.seconds == read.seconds, "\(place)")
    #expect((0..<joints).allSatisfy { written.targets[$0] == read.targets[$0] }, "\(place)")
    #expect(a.commandResult == b.commandResult, "\(place)")
  }

  @Test("a record that was read is recorded again to the same bytes", arguments: [1, 15, 32])
  func again(joints: Int) throws {
    let seed = printedSeed("again with \(joints) joints")
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let identity = try mixedIdentity(joints: joints, using: &random)
    let written = (0..<40).map { randomRecord(sequence: UInt64($0), joints: joints, using: &random) }
    let first = try record(written, in: directory.path + "/a", identity: identity)
    var read: [TickRecord] = []
    var tick = TickRecord()
    let cursor = first.ticks()
    while try cursor.next(into: &tick) { read.append(tick) }
    let second = try record(read, in: directory.path + "/b", identity: identity)
    #expect(try Recording.diff(first, second).isIdentical, "seed \(seed)")
    #expect(try blocks(first) == blocks(second), "seed \(seed)")
  }

  private func blocks(_ recording: Recording) throws -> [[UInt8]] {
    let rows = try Recording.connect(recording.segments[0].path).prepare("SELECT bytes FROM block")
    var blocks: [[UInt8]] = []
    while try rows.step() { blocks.append(Array(rows.bytes(0))) }
    return blocks
  }

  @Test("a value beyond the range is stored as the largest of its sign")
  func saturation() {
    var joint = JointRecord()
    joint.positionRadians = .infinity
    joint.velocityRadiansPerSecond = -1e9
    joint.distance = .greatestFiniteMagnitude
    joint.lipschitz = 1e12
    let codec = JointCodec(.standard, nil)
    var frame = [UInt8](repeating: 0, count: codec.byteCount)
    frame.withUnsafeMutableBytes { codec.encode(&joint, to: $0.baseAddress!) }
    var read = JointRecord()
    #expect(frame.withUnsafeBytes { codec.decode($0.baseAddress!, into: &read) })
    #expect(read.positionRadians == 2147.483647)
    #expect(read.velocityRadiansPerSecond == -2147.483647)
    #expect(read.distance == 9e9)
    #expect(read.lipschitz == 9001)
  }

  @Test("the fields tile the joint's frame: none overlaps but the two names of one value")
  func layout() {
    let fields = FieldTable.standard
    var covered = [String?](repeating: nil, count: fields.frameByteCount)
    for field in fields.jointColumns {
      for byte in field.frameOffset..<field.frameOffset + field.packedByteCount {
        if let other = covered[byte] {
          let twins = fields.jointColumns.filter { $0.id == other || $0.id == field.id }
          #expect(Set(twins.map(\.offset)).count == 1, "\(field.id) and \(other)")
        }
        covered[byte] = field.id
      }
    }
    #expect(covered.allSatisfy { $0 != nil })
    #expect(Set(fields.tick.map(\.id)).count == fields.tick.count)
    #expect(Set(fields.joint.map(\.id)).count == fields.joint.count)
  }

  @Test("no joint has two names of one value, and a joint of either kind has one")
  func twins() {
    for isServo in [false, true] {
      let joint = JointEquipment(isServo: isServo, hasCurrentSensor: true, hasForceSensor: true)
      let offsets = FieldTable.standard.jointColumns.filter { $0.exists(on: joint) }.map(\.offset)
      #expect(Set(offsets).count == offsets.count)
      #expect(Set(offsets) == Set(FieldTable.standard.jointColumns.map(\.offset)))
    }
  }

  @Test(
    "the view joint_tick in the sqlite3 shell decodes what the reader decodes",
    .enabled(if: sqliteShell != nil))
  func view() throws {
    let seed = printedSeed("view")
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let written = (0..<20).map { randomRecord(sequence: UInt64($0), joints: 15, using: &random) }
    let recording = try record(written, in: directory.path)
    let segment = try #require(recording.segments.first).path
    // %!.17g prints a real with all its digits, so equal text means equal bits.
    let columns = recording.fields.jointColumns
    let selected = columns.map { field in
      if case .real = field.kind { "ifnull(printf('%!.17g', \(field.id)), 'nan')" } else { field.id }
    }
    let shell = try output(
      of: sqliteShell!,
      [segment, "select \(selected.joined(separator: ", ")) from joint_tick where joint = 'index-proximal'"])
    #expect(shell.status == 0)
    let index = try #require(recording.jointNames.firstIndex(of: "index-proximal"))
    let lines = shell.text.split(separator: "\n")
    #expect(lines.count == written.count)
    let cursor = recording.ticks()
    var read = TickRecord()
    for line in lines {
      #expect(try cursor.next(into: &read))
      let words = line.split(separator: "|", omittingEmptySubsequences: false)
      try #require(words.count == columns.count)
      for (field, word) in zip(columns, words) where field.exists(on: recording.equipment[index]) {
        if field.id == "certificate" {
          #expect(word == read.joints[index].certificate.name)
          continue
        }
        let value = withUnsafePointer(to: read.joints[index]) { field.number($0) }
        // printf turns NULL into 0, so "none" is checked through the typed columns below.
        if value.isNaN { continue }
        #expect(Double(word) == value, "seed \(seed), \(field.id): \(word) for \(value)")
      }
    }
    let none = try output(
      of: sqliteShell!,
      [segment, "select count(*) from joint_tick where measured_radians is null"])
    let expected = written.reduce(0) { sum, record in
      sum + (0..<15).count { record.joints[$0].measuredRadians.isNaN }
    }
    #expect(none.text == "\(expected)\n")
    // What this joint does not have: NULL, never 0.
    let absent = columns.filter { !$0.exists(on: recording.equipment[index]) }.map(\.id)
    #expect(absent.contains("correction_radians") && absent.contains("force_newtons"))
    for id in absent {
      let there = try output(
        of: sqliteShell!, [segment, "select count(\(id)) from joint_tick where joint = 'index-proximal'"])
      #expect(there.text == "0\n", "\(id)")
    }
  }

  @Test(
    "a segment explains itself: identity, stored files, units and names", .enabled(if: sqliteShell != nil))
  func selfDescription() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<5).map { plainRecord($0) }, in: directory.path)
    let identity = try handIdentity()
    #expect(recording.handID == identity.handID)
    #expect(recording.runID == identity.runID)
    #expect(recording.version == identity.version)
    #expect(recording.boardYAML == identity.boardYAML)
    #expect(recording.calibrationYAML == identity.calibrationYAML)
    #expect(recording.certificateJSON == identity.certificateJSON)
    #expect(recording.jointNames == identity.board.joints.map(\.name))
    let segment = recording.segments[0].path
    let names = try output(
      of: sqliteShell!, [segment, "select state, mode, certificate from tick_named limit 1"])
    #expect(names.text == "tracking|TRAJECTORY|CERTIFIED\n")
    let unit = try output(
      of: sqliteShell!, [segment, "select unit, quantum from unit where name = 'innovation_radians'"])
    #expect(unit.text == "rad|1.0e-08\n")
    let undescribed = try output(
      of: sqliteShell!,
      [
        segment,
        "select count(*) from pragma_table_info('tick') where name <> 'joints' and name not in"
          + " (select name from unit where relation = 'tick')",
      ])
    #expect(undescribed.text == "0\n")
  }
}
