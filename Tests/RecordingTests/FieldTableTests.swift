import CSQLite
import CSQLite
import Foundation
import HandModel
import Testing

@testable import Recording

@Suite("The table of fields")
struct FieldTableTests {
  /// The fields of this version and two more, each by one row.
  private let extended = FieldTable(
    tick: TickFields.all + [.real("wanted_seconds", "s", \TickRecord.command.seconds, "wanted duration")],
    joint: JointFields.all + [.real("target_radians", "rad", \JointRecord.targetRadians, "commanded angle")])

  private func write(_ records: [TickRecord], _ path: String) throws -> Recording {
    let identity = try handIdentity()
    let backlog = TickBacklog(capacity: records.count, joints: identity.board.joints.count)
    for record in records { _ = backlog.append(record) }
    let writer = try SegmentWriter(
      path: path, hand: SegmentDescription(identity), number: 1, faultBefore: .none,
      layout: .blocks(rowEvery: 1, margin: 0), fields: extended)
    try writer.commit(backlog, count: records.count)
    try writer.finish()
    return try Recording.open(path: path, fields: extended)
  }

  private func ticks(target: Double) -> [TickRecord] {
    (0..<3).map { sequence in
      var record = plainRecord(UInt64(sequence))
      record.command.kind = .pose
      record.command.seconds = 0.5
      record.command.jointMask = 0b10
      record.joints[1].targetRadians = sequence == 2 ? target : 0.25
      return record
    }
  }

  @Test("a row makes a column, a place in the frame, a unit, CSV, comparison and documents")
  func oneEdit() throws {
    let directory = try TemporaryDirectory()
    let recording = try write(ticks(target: 0.75), directory.path + "/segment-0001.sqlite")
    let path = recording.segments[0].path
    let connection = try SQLiteConnection(
      path: path, flags: SQLITE_OPEN_READONLY, busyMilliseconds: 0, readsViews: true)
    let row = try connection.prepare("SELECT wanted_seconds FROM tick_named WHERE sequence = 2")
    #expect(try row.step() && row.stored(0) == .real(0.5))
    let joint = try connection.prepare(
      "SELECT target_radians FROM joint_tick WHERE sequence = 2 AND joint_number = 1")
    #expect(try joint.step() && joint.stored(0) == .real(0.75))
    let unit = try connection.prepare("SELECT unit, quantum FROM unit WHERE name = 'target_radians'")
    #expect(try unit.step() && unit.text(0) == "rad" && unit.stored(1) == .real(1e-6))

    let csv = directory.path + "/out.csv"
    let descriptor = open(csv, O_WRONLY | O_CREAT, 0o644)
    let name = recording.jointNames[1]
    _ = try recording.exportCSV(to: descriptor, joints: [name], range: 2...2)
    close(descriptor)
    let lines = try String(contentsOfFile: csv, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let cells = Dictionary(zip(lines[0], lines[1])) { first, _ in first }
    #expect(cells["wanted_seconds [s]"] == "0.5" && cells["\(name).target_radians [rad]"] == "0.750000")

    let other = try write(ticks(target: 0.5), directory.path + "/segment-0002.sqlite")
    let difference = try Recording.diff(recording, other)
    #expect(difference.first?.column == "target_radians" && difference.first?.joint == name)
    #expect(difference.differingValues == 1)

    #expect(FieldDocument.tick(extended).contains("| `wanted_seconds` | s | wanted duration |"))
    #expect(
      FieldDocument.joint(extended).contains("| 80 | 4 | `target_radians` | rad | 10^-6 | ± 2147.483647 |"))
  }

  @Test("a value that a hand does not have is empty in CSV and NULL in its column")
  func absent() throws {
    let directory = try TemporaryDirectory()
    var identity = try handIdentity()
    for index in identity.board.joints.indices {
      identity.board.joints[index].actuator = .servo(PWMOutput(chip: 0, channel: index))
      identity.board.joints[index].currentSensor = nil
    }
    var tick = plainRecord(0)
    tick.psi = 0.5
    tick.joints[0].torqueNewtonMetres = 0.125
    let recording = try record([tick], in: directory.path, identity: identity)
    let csv = directory.path + "/out.csv"
    let descriptor = open(csv, O_WRONLY | O_CREAT, 0o644)
    let name = recording.jointNames[0]
    _ = try recording.exportCSV(to: descriptor, joints: [name])
    close(descriptor)
    let lines = try String(contentsOfFile: csv, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let cells = Dictionary(zip(lines[0], lines[1])) { first, _ in first }
    #expect(cells["\(name).torque_newton_metres [N·m]"] == "")
    #expect(cells["\(name).correction_radians [rad]"] == "0.125000")
    #expect(cells["\(name).current_amperes [A]"] == "" && cells["\(name).force_newtons [N]"] == "")
    #expect(cells["psi_newton_metres [N·m]"] == "" && cells["psi_radians [rad]"] == "0.5")
    var read = TickRecord()
    #expect(try recording.ticks().next(into: &read))
    #expect(read.psi == 0.5 && read.joints[0].torqueNewtonMetres == 0.125)
    #expect(read.joints[0].currentAmperes.isNaN)
  }

  @Test("docs/recording.md holds the tables that motorhand fields prints", arguments: ["tick", "joint"])
  func documents(table: String) throws {
    let text = try String(contentsOfFile: Repository.root + "/docs/recording.md", encoding: .utf8)
    let printed = table == "tick" ? FieldDocument.tick() : FieldDocument.joint()
    #expect(text.contains("\n" + printed + "\n"), "print it again: motorhand fields \(table)")
    #expect(text.contains("`PRAGMA user_version` the schema version, \(FieldTable.version)."))
  }
}
