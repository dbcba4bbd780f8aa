import Foundation
import HandModel
import SeededRandom
import Testing

@testable import Recording

@Suite("Round trip of records")
struct RoundTripTests {
  @Test("every field of a random record comes back within its documented quantum")
  func everyField() throws {
    let seed = printedSeed("every field")
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    let joints = try handIdentity().board.joints.count
    let written = (0..<300).map { randomRecord(sequence: UInt64($0), joints: joints, using: &random) }
    let recording = try record(written, in: directory.path)

    let cursor = recording.ticks()
    var read = TickRecord()
    for record in written {
      #expect(try cursor.next(into: &read), "seed \(seed)")
      for column in TickColumn.allCases {
        #expect(column.agrees(record, read), "seed \(seed), \(column) of tick \(record.sequence)")
      }
      for index in 0..<joints {
        for field in JointField.allCases {
          let expected = field.value(of: record.joints[index])
          let value = field.value(of: read.joints[index])
          // Half a quantum of rounding, and the spacing of doubles at the value.
          let tolerance =
            field.storage.isReal ? 0.5000001 * SegmentSchema.quantum(field) + 2 * expected.ulp : 0
          let same = expected.isNaN ? value.isNaN : abs(value - expected) <= tolerance
          #expect(same, "seed \(seed), \(field) of joint \(index): \(value) for \(expected)")
        }
      }
    }
    #expect(try !cursor.next(into: &read))
  }

  @Test("a value beyond the range is stored as the largest of its sign")
  func saturation() {
    var joint = JointRecord()
    joint.positionRadians = .infinity
    joint.velocityRadiansPerSecond = -1e9
    joint.distance = .greatestFiniteMagnitude
    joint.lipschitz = 1e12
    var frame = [UInt8](repeating: 0, count: JointFrame.byteCount)
    frame.withUnsafeMutableBytes { JointFrame.encode(joint, to: $0.baseAddress!) }
    let read = frame.withUnsafeBytes { JointFrame.decode($0.baseAddress!)! }
    #expect(read.positionRadians == 2147.483647)
    #expect(read.velocityRadiansPerSecond == -2147.483647)
    #expect(read.distance == 9e6)
    #expect(read.lipschitz == 9001)
  }

  @Test("the fields tile the joint's frame without gap or overlap")
  func layout() {
    var next = 0
    for field in JointField.allCases {
      #expect(field.offset == next, "\(field)")
      next += field.storage.byteCount
    }
    #expect(next == JointFrame.byteCount)
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
    let columns = JointField.allCases.map { field in
      field.storage.isReal ? "ifnull(printf('%!.17g', \(field.column)), 'nan')" : field.column
    }
    let shell = try output(
      of: sqliteShell!,
      [segment, "select \(columns.joined(separator: ", ")) from joint_tick where joint = 'index-proximal'"])
    #expect(shell.status == 0)
    let index = try #require(recording.jointNames.firstIndex(of: "index-proximal"))
    let lines = shell.text.split(separator: "\n")
    #expect(lines.count == written.count)
    let cursor = recording.ticks()
    var read = TickRecord()
    for line in lines {
      #expect(try cursor.next(into: &read))
      let words = line.split(separator: "|", omittingEmptySubsequences: false)
      try #require(words.count == JointField.allCases.count)
      for (field, word) in zip(JointField.allCases, words) {
        if field == .certificate {
          #expect(word == read.joints[index].certificate.name)
          continue
        }
        let value = field.value(of: read.joints[index])
        // printf turns NULL into 0, so "none" is checked through the typed columns below.
        if value.isNaN { continue }
        #expect(Double(word) == value, "seed \(seed), \(field): \(word) for \(value)")
      }
    }
    let none = try output(
      of: sqliteShell!,
      [segment, "select count(*) from joint_tick where measured_radians is null"])
    let expected = written.reduce(0) { sum, record in
      sum + (0..<15).count { record.joints[$0].measuredRadians.isNaN }
    }
    #expect(none.text == "\(expected)\n")
  }

  @Test(
    "a segment explains itself: identity, stored files, units and names", .enabled(if: sqliteShell != nil))
  func selfDescription() throws {
    let directory = try TemporaryDirectory()
    let recording = try record((0..<5).map { plainRecord($0) }, in: directory.path)
    let identity = try handIdentity()
    #expect(recording.handID == identity.handID)
    #expect(recording.bootID == identity.bootID)
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
