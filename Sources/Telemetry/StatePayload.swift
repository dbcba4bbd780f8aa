import HandModel
import PrimalLogic

/// Turns tick records into the flat JSON of the `state` topic. Keys are made once; a message is written
/// into one reused buffer.
struct StatePayload {
  private let bootID: String
  private let jointNames: [String]
  private let handKeys: [[UInt8]]
  /// Keys of joint j at `j * JointChannel.allCases.count`.
  private let jointKeys: [[UInt8]]
  private let handChannels: [HandChannel]
  private let jointChannels = JointChannel.allCases
  // 14 values of some 25 bytes for each joint and the hand's own.
  private var json = JSONWriter(capacity: 8192)

  init(identity: HandIdentity) {
    bootID = identity.bootID
    jointNames = identity.board.joints.map(\.name)
    handChannels = HandChannel.all(on: identity.board)
    handKeys = handChannels.map { JSONWriter.quotedKey($0.rawValue) }
    jointKeys = jointNames.flatMap { name in
      JointChannel.allCases.map { JSONWriter.quotedKey("\(name).\($0.rawValue)") }
    }
  }

  /// The message of one record; valid until the next call.
  mutating func encode(_ record: borrowing TickRecord, clockSynced: Bool) -> [UInt8] {
    json.reset()
    json.beginObject()
    json.key("boot_id")
    json.string(bootID)
    for (index, channel) in handChannels.enumerated() {
      json.key(quoted: handKeys[index])
      channel.write(record, jointNames: jointNames, clockSynced: clockSynced, into: &json)
    }
    let joints = min(Int(record.jointCount), jointNames.count, maximumJoints)
    for joint in 0..<joints {
      for (index, channel) in jointChannels.enumerated() {
        json.key(quoted: jointKeys[joint * jointChannels.count + index])
        channel.write(record.joints[joint], into: &json)
      }
    }
    json.endObject()
    return json.bytes
  }
}
