import CSQLite
import Foundation
import HandModel
import Testing

@testable import Recording

/// Each was made by the program of its time: `motorhandd --virtual --seconds 0.03` on `Boards/sim.yaml`, with
/// an arm and a pose. Files and states of the controller, which no reader needs, were taken out.
@Suite("Reading recordings of earlier versions")
struct OlderRecordingTests {
  private static func path(_ schema: Int64) -> String {
    Repository.root + "/Tests/RecordingTests/Older/schema-\(schema)"
  }

  /// A copy, because reading may write beside the files.
  private static func copy(_ schema: Int64) throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    try FileManager.default.copyItem(atPath: path(schema), toPath: directory.path + "/old")
    return directory
  }

  @Test("every value is what the file's own views say", arguments: OlderSchema.versions)
  func values(schema: Int64) throws {
    let directory = try Self.copy(schema)
    let recording = try Recording.open(path: directory.path + "/old")
    #expect(recording.schema == schema && recording.jointNames.count == 15 && recording.handID == "old")
    let connection = try SQLiteConnection(
      path: recording.files[0], flags: SQLITE_OPEN_READONLY, busyMilliseconds: 0, readsViews: true)
    func rows(_ sql: String) throws -> [[SQLiteStatement.Stored]] {
      let statement = try connection.prepare(sql)
      var rows: [[SQLiteStatement.Stored]] = []
      let columns = sql.prefix { $0 != "\n" }.split(separator: ",").count
      while try statement.step() { rows.append((0..<Int32(columns)).map { statement.stored($0) }) }
      return rows
    }
    func number(_ stored: SQLiteStatement.Stored) -> Double {
      switch stored {
      case .integer(let value): Double(value)
      case .real(let value): value
      default: .nan
      }
    }
    let cursor = recording.ticks()
    var record = TickRecord()
    var ticks = 0
    let columns = recording.fields.tickColumns
    let fields = recording.fields.jointColumns.filter { $0.id != "certificate" }
    #expect(columns.count >= 33 && fields.count >= 19)
    while try cursor.next(into: &record) {
      let row = try rows(
        "SELECT \(columns.map(\.id).joined(separator: ","))\nFROM tick WHERE sequence = \(record.sequence)")[
          0]
      let joints = try rows(
        "SELECT \(fields.map(\.id).joined(separator: ","))\nFROM joint_tick WHERE sequence = \(record.sequence) "
          + "ORDER BY joint_number")
      withUnsafeBytes(of: &record) { bytes in
        guard let start = bytes.baseAddress else { return }
        for (column, stored) in zip(columns, row) where column.presence != .command || stored != .null {
          let value = column.number(start)
          let expected = column.id == "fault_joint" && stored == .null ? 255 : number(stored)
          #expect(value == expected || (value.isNaN && expected.isNaN), "\(column.id)")
        }
        for (joint, row) in joints.enumerated() {
          for (field, stored) in zip(fields, row) {
            let value = field.number(start + TickRecord.jointOffset(joint))
            #expect(value == number(stored) || (value.isNaN && stored == .null), "\(field.id)")
          }
        }
      }
      #expect(joints.count == 15)
      if record.sequence == 20 {
        let command = record.takenCommand
        #expect(command.kind == .pose && command.jointMask == 0x7FFF && command.seconds == 0.5)
      }
      ticks += 1
    }
    #expect(ticks == 30)
  }

  @Test(
    "they are listed, verified, exported and compared, and not run again", arguments: OlderSchema.versions)
  func tools(schema: Int64) throws {
    let directory = try Self.copy(schema)
    let recording = try Recording.open(path: directory.path + "/old")
    let found = recording.verify()
    #expect(found.ticks == 30 && found.lostTicks == 0 && found.damage.isEmpty, "\(found)")
    #expect(try recording.events().map(\.kind).filter { $0 == .state }.count == 3)
    let info = try recording.info()
    #expect(info.ticks == 30 && info.text.contains("schema \(schema)") && info.damage.isEmpty)
    let listed = try #require(try Recording.list(in: directory.path).first)
    #expect(listed.firstSequence == 0 && listed.lastSequence == 29 && listed.damagedSegments == 0)
    #expect(try Recording.diff(recording, recording).isIdentical)
    let descriptor = open(directory.path + "/csv", O_WRONLY | O_CREAT, 0o600)
    defer { close(descriptor) }
    #expect(try recording.exportCSV(to: descriptor, joints: nil, range: 0...100).ticks == 30)
    let store = try TemporaryDirectory()
    _ = try ReceivedStore(directory: store.path)
    let run = try #require(try Reconciliation(device: directory.path, received: store.path).runs.first)
    #expect(run.damage.isEmpty && run.missing == [.init(first: 0, last: 29, cause: "no-blocks")], "\(run)")
    #expect(throws: RecordingError.self) { try recording.requireReplayable() }
    #expect(throws: RecordingError.self) { try recording.unpack(to: directory.path + "/rows.sqlite") }
    #expect(access(directory.path + "/rows.sqlite", F_OK) != 0)
  }

  @Test("a table of units that contradicts the frames is refused with its place")
  func units() throws {
    for change in [
      "UPDATE unit SET blob_offset = 77 WHERE name = 'distance'",
      "UPDATE unit SET blob_bytes = 2 WHERE name = 'distance'",
      "UPDATE unit SET quantum = -1.0 WHERE name = 'torque_newton_metres'",
      "UPDATE meta SET value = '1000000' WHERE key = 'joint_bytes'",
    ] {
      let directory = try Self.copy(5)
      let path = directory.path + "/old/segment-0001.sqlite"
      let writer = try SQLiteConnection(path: path, flags: SQLITE_OPEN_READWRITE, busyMilliseconds: 0)
      try writer.execute(change)
      #expect { try Recording.open(path: directory.path + "/old") } throws: { error in
        "\(error)".contains("\(path): unit, ") || "\(error)".contains("meta, joint_bytes")
      }
    }
  }
}
