import Foundation
import HandModel
import HandRigs
import Testing

@testable import Wire

@Suite("The table of fields, as it is told")
struct FieldTableTests {
  private let extended = FieldTable(
    tick: TickFields.all + [
      .real("wanted_seconds", "s", \TickRecord.command.seconds, "wanted duration").channel().snapshot()
    ],
    joint: JointFields.all + [
      .real("target_radians", "rad", \JointRecord.targetRadians, "commanded angle").channel("target")
        .snapshot()
    ])

  private var record: TickRecord {
    var record = Fixtures.record(3)
    record.command.kind = .pose
    record.command.seconds = 0.5
    record.joints[1].targetRadians = 0.75
    return record
  }

  @Test("a row makes a channel with its unit, a value of the message and of the snapshot, and documents")
  func oneEdit() throws {
    let identity = Fixtures.identity()
    let channels = Channel.all(of: identity, extended)
    #expect(channels.first { $0.name == "wanted_seconds" }?.unit == "s")
    #expect(channels.first { $0.name == "index-intermediate.target" }?.unit == "rad")
    var payload = StatePayload(identity: identity, fields: extended)
    let message = try json(payload.encode(record, clockSynced: true))
    #expect(Set(message.keys) == Set(channels.map(\.name)))
    #expect(message["wanted_seconds"] as? Double == 0.5)
    #expect(message["index-intermediate.target"] as? Double == 0.75)
    let snapshot = try json(snapshot(identity, extended))
    #expect(snapshot["wanted_seconds"] as? Double == 0.5)
    let joints = try #require(snapshot["joints"] as? [[String: Any]])
    #expect(joints[1]["target_radians"] as? Double == 0.75)
    #expect(Channel.document(extended).contains("| `{joint}.target` | rad | double | commanded angle |"))
  }

  private func snapshot(_ identity: HandIdentity, _ fields: FieldTable = .standard) throws -> [UInt8] {
    let latency = HandSnapshot.Latency(p50: 1, p99: 2, p999: 3, max: 4)
    let snapshot = HandSnapshot(
      record, identity: identity, isLineActive: true, outputsChangedNanoseconds: 5, wakeUps: latency,
      computes: latency, recorder: nil, publisher: nil, timekeeping: nil, degraded: [], fields: fields)
    return Array(try JSONEncoder().encode(snapshot))
  }

  @Test("the snapshot has the names of the columns, null for what is not there, and reads back")
  func snapshotRoundTrip() throws {
    let identity = Fixtures.identity()
    let bytes = try snapshot(identity)
    let object = try json(bytes)
    for field in FieldTable.standard.tick where field.isInSnapshot {
      #expect(object[field.id] != nil, "\(field.id)")
    }
    let joints = try #require(object["joints"] as? [[String: Any]])
    for field in FieldTable.standard.joint where field.isInSnapshot {
      #expect(joints.allSatisfy { $0[field.id] != nil }, "\(field.id)")
    }
    #expect(joints[0]["force_newtons"] is NSNull && joints[2]["current_amperes"] is NSNull)
    #expect(joints[0]["correction_radians"] is NSNull && joints[0]["current_amperes"] as? Double == 0.25)
    for key in ["recorder", "publisher", "timekeeping"] { #expect(object[key] is NSNull, "\(key)") }
    // snake_case throughout.
    #expect(object.keys.allSatisfy { $0.lowercased() == $0 })

    let read = try JSONDecoder().decode(HandSnapshot.self, from: Data(bytes))
    #expect(read.state == "armed" && read.fault == nil && read.outputsEnabled && read.sequence == 3)
    #expect(read.lipschitz == 0.99933243617367 && read.joints.count == 3)
    #expect(read.joints[2].positionRadians == record.joints[2].positionRadians)
    #expect(read.joints[2].currentAmperes == nil && read.joints[0].currentAmperes == 0.25)
    #expect(
      try JSONDecoder().decode(HandSnapshot.self, from: JSONEncoder().encode(read)).joints[1].values
        == read.joints[1].values)

    for schema in [nil, "motorhand.snapshot/0"] {
      var other = object
      other["schema"] = schema
      let bytes = try JSONSerialization.data(withJSONObject: other)
      #expect(throws: MessageProblem.self) { try JSONDecoder().decode(HandSnapshot.self, from: bytes) }
    }
  }

  @Test("docs/telemetry.md holds the channels that motorhand fields prints")
  func document() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "docs/telemetry.md"), encoding: .utf8)
    #expect(text.contains("\n" + Channel.document() + "\n"), "print it again: motorhand fields channel")
  }
}
