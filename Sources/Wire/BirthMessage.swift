import HandModel

/// The retained description of a hand and of everything its messages hold.
package struct BirthMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.birth/1"

  /// A file by its name and the hash of its text.
  package struct File: Sendable, Equatable {
    /// The name that the file gives to what it describes.
    package var name: String
    package var hash: String
  }

  /// A joint's limits. Infinite and unknown ones are NaN: null on the wire.
  package struct Joint: Sendable, Equatable {
    /// As on the board.
    package var name: String
    package var lowerRadians: Double
    package var upperRadians: Double
    package var radiansPerSecond: Double
    /// NaN for a servo, whose torque nobody commands.
    package var newtonMetres: Double
    package var amperes: Double
    /// λ of the fading memory, 1/s.
    package var lambdaPerSecond: Double
  }

  /// A number of the source system.
  package struct Constant: Sendable, Equatable {
    /// Its key in the message.
    package var name: String
    /// Its value, without a unit of ours.
    package var value: Double
  }

  /// Name of the hand, as in the topic.
  package var handID: String
  /// This start of the daemon.
  package var runID: String
  /// Of the daemon.
  package var version: String
  /// The schemas of the other messages, by topic.
  package var schemas: [String: String]
  /// The board file.
  package var board: File
  /// The calibration file.
  package var calibration: File
  /// Hash of the certificate's JSON.
  package var certificateHash: String
  /// Ticks in a second.
  package var rateHertz: Int
  /// Messages of `state` in a second.
  package var stateHertz: Double
  package var windowTicks: Int
  package var joints: [Joint]
  /// Every key of a `state` message, in its order.
  package var channels: [Channel]
  /// Metrics of the sensors that are wired.
  package var sensors: [String]
  /// Printed for compatibility with the source system; nothing is computed with them.
  package var constants: [Constant]
}

// MARK: Writing

extension BirthMessage {
  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 32_768)
    json.beginObject()
    json.key("schema")
    json.string(Self.schema)
    json.key("hand")
    json.string(handID)
    json.key("run_id")
    json.string(runID)
    json.key("version")
    json.string(version)
    json.key("schemas")
    json.beginObject()
    for (topic, schema) in schemas.sorted(by: { $0.key < $1.key }) {
      json.key(topic)
      json.string(schema)
    }
    json.endObject()
    json.key("board")
    Self.write(board, into: &json)
    json.key("calibration")
    Self.write(calibration, into: &json)
    json.key("certificate_hash")
    json.string(certificateHash)
    json.key("rate_hz")
    json.integer(Int64(rateHertz))
    json.key("state_hz")
    json.number(stateHertz)
    json.key("window_ticks")
    json.integer(Int64(windowTicks))
    json.key("joints")
    json.beginArray()
    for joint in joints { Self.write(joint, into: &json) }
    json.endArray()
    json.key("channels")
    json.beginArray()
    for (alias, channel) in channels.enumerated() { Self.write(channel, alias: alias, into: &json) }
    json.endArray()
    json.key("sensors")
    json.beginArray()
    for sensor in sensors { json.string(sensor) }
    json.endArray()
    writeConstants(into: &json)
    json.endObject()
    return json.bytes
  }

  private static func write(_ file: File, into json: inout JSONWriter) {
    json.beginObject()
    json.key("name")
    json.string(file.name)
    json.key("hash")
    json.string(file.hash)
    json.endObject()
  }

  private static func write(_ joint: Joint, into json: inout JSONWriter) {
    json.beginObject()
    json.key("name")
    json.string(joint.name)
    for (name, value) in [
      ("lower_rad", joint.lowerRadians), ("upper_rad", joint.upperRadians),
      ("velocity_rad_s", joint.radiansPerSecond), ("torque_nm", joint.newtonMetres),
      ("current_a", joint.amperes), ("lambda_decay", joint.lambdaPerSecond),
    ] {
      json.key(name)
      json.number(value)
    }
    json.endObject()
  }

  private static func write(_ channel: Channel, alias: Int, into json: inout JSONWriter) {
    json.beginObject()
    json.key("alias")
    json.integer(Int64(alias))
    json.key("name")
    json.string(channel.name)
    json.key("unit")
    json.string(channel.unit)
    json.key("type")
    json.string(channel.kind.rawValue)
    if let lower = channel.lower {
      json.key("lower")
      json.number(lower)
    }
    if let upper = channel.upper {
      json.key("upper")
      json.number(upper)
    }
    if let joint = channel.joint {
      json.key("joint")
      json.integer(Int64(joint))
    }
    json.endObject()
  }

  private func writeConstants(into json: inout JSONWriter) {
    json.key("constants")
    json.beginObject()
    json.key("note")
    json.string("printed for compatibility with the source system; nothing is computed with them")
    for constant in constants {
      json.key(constant.name)
      json.number(constant.value)
    }
    json.endObject()
  }
}

// MARK: Reading

extension BirthMessage {
  /// Reads a message. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    let table = try fields.object("schemas")
    var schemas: [String: String] = [:]
    for topic in table.keys { schemas[topic] = try table.text(topic) }
    var joints: [Joint] = []
    for joint in try fields.objects("joints") { joints.append(try Joint(joint)) }
    var channels: [Channel] = []
    for channel in try fields.objects("channels") { channels.append(try Channel(channel)) }
    self.init(
      handID: try fields.text("hand"), runID: try fields.text("run_id"), version: try fields.text("version"),
      schemas: schemas, board: try File(try fields.object("board")),
      calibration: try File(try fields.object("calibration")),
      certificateHash: try fields.text("certificate_hash"),
      rateHertz: try fields.integer("rate_hz", as: Int.self), stateHertz: try fields.number("state_hz"),
      windowTicks: try fields.integer("window_ticks", as: Int.self), joints: joints, channels: channels,
      sensors: try fields.texts("sensors"), constants: try Self.constants(try fields.object("constants")))
  }

  /// In the order of their names: an object has none.
  private static func constants(_ fields: MessageFields) throws(MessageProblem) -> [Constant] {
    var constants: [Constant] = []
    for name in fields.keys.sorted() where name != "note" {
      constants.append(Constant(name: name, value: try fields.number(name)))
    }
    return constants
  }
}

extension BirthMessage.File {
  fileprivate init(_ fields: MessageFields) throws(MessageProblem) {
    self.init(name: try fields.text("name"), hash: try fields.text("hash"))
  }
}

extension BirthMessage.Joint {
  fileprivate init(_ fields: MessageFields) throws(MessageProblem) {
    self.init(
      name: try fields.text("name"), lowerRadians: try fields.numberOrNaN("lower_rad"),
      upperRadians: try fields.numberOrNaN("upper_rad"),
      radiansPerSecond: try fields.numberOrNaN("velocity_rad_s"),
      newtonMetres: try fields.numberOrNaN("torque_nm"), amperes: try fields.numberOrNaN("current_a"),
      lambdaPerSecond: try fields.numberOrNaN("lambda_decay"))
  }
}

extension Channel {
  fileprivate init(_ fields: MessageFields) throws(MessageProblem) {
    let type = try fields.text("type")
    guard let kind = Kind(rawValue: type) else {
      throw fields.problem("type", "found \(JSON.quoted(type.shortened)), an unknown type")
    }
    self.init(
      name: try fields.text("name"), unit: try fields.text("unit"), kind: kind,
      lower: try fields.optionalNumber("lower"), upper: try fields.optionalNumber("upper"),
      joint: fields.has("joint") ? try fields.integer("joint", as: Int.self) : nil)
  }
}
