import HandModel

/// Turns tick records into the flat JSON of the `state` topic. Keys are made once; a message is written
/// into one reused buffer.
package struct StatePayload {
  /// A field of the message; nil where this hand has no such value.
  private struct Member {
    var key: [UInt8]
    var field: Field?
  }

  /// What the key `schema` of a summary says.
  package static let summarySchema = "motorhand.summary/1"

  private let runID: String
  private let jointNames: [String]
  private let tick: [Member]
  private let joints: [[Member]]
  // Room for 15 values of some 25 bytes for each joint, and for the hand's own.
  private var json = JSONWriter(capacity: 8192)

  /// Messages of the hand `identity`, with those of `fields` that have a channel.
  package init(identity: HandIdentity, fields: FieldTable = .standard) {
    runID = identity.runID
    jointNames = identity.board.joints.map(\.name)
    let equipment = identity.board.equipment
    func members(_ fields: [Field], _ prefix: String, _ exists: (Field) -> Bool) -> [Member] {
      fields.compactMap { field in
        field.channel.map {
          Member(key: JSONWriter.quotedKey(prefix + $0.name), field: exists(field) ? field : nil)
        }
      }
    }
    tick = members(fields.tick, "") { $0.exists(on: equipment) }
    joints = zip(jointNames, equipment).map { name, joint in
      members(fields.joint, name + ".") { $0.exists(on: joint) }
    }
  }

  /// The message of one record; valid until the next call.
  package mutating func encode(_ record: borrowing TickRecord, clockSynced: Bool) -> [UInt8] {
    begin(StateMessage.schema, record, clockSynced)
    let count = min(Int(record.jointCount), joints.count)
    withUnsafePointer(to: record) { pointer in
      let start = UnsafeRawPointer(pointer)
      write(tick, start)
      for joint in 0..<count { write(joints[joint], start + TickRecord.jointOffset(joint)) }
    }
    json.endObject()
    return json.bytes
  }

  /// The `summary` of one record: the tick's own values without the joints', the fault in words, and the sum
  /// of the joints' currents; valid until the next call.
  package mutating func encodeSummary(_ record: borrowing TickRecord, clockSynced: Bool) -> [UInt8] {
    begin(Self.summarySchema, record, clockSynced)
    withUnsafePointer(to: record) { write(tick, UnsafeRawPointer($0)) }
    json.member("fault_text", record.fault == .none ? nil : record.fault.name)
    json.key("current_amperes")
    var sum: Double?
    for joint in 0..<min(Int(record.jointCount), joints.count)
    where record.joints[joint].currentAmperes.isFinite {
      sum = (sum ?? 0) + record.joints[joint].currentAmperes
    }
    json.micro(sum ?? .nan)
    json.endObject()
    return json.bytes
  }

  private mutating func begin(_ schema: String, _ record: borrowing TickRecord, _ clockSynced: Bool) {
    json.reset()
    json.beginObject()
    json.member("schema", schema)
    json.member("run_id", runID)
    json.key("mono_ns")
    json.wide(record.deadlineNanoseconds &+ record.wakeUpNanoseconds)
    json.member("clock_synced", clockSynced)
  }

  private mutating func write(_ members: [Member], _ record: UnsafeRawPointer) {
    for member in members {
      json.key(quoted: member.key)
      if let field = member.field {
        json.value(field, record, jointNames: jointNames)
      } else {
        json.null()
      }
    }
  }
}
