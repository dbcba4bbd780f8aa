import HandModel

extension Command {
  /// The verb that names it on every interface.
  package var verb: CommandParser.Verb {
    switch self {
    case .arm: .arm
    case .nullG: .nullG
    case .disarm: .disarm
    case .stop: .stop
    case .reset: .reset
    case .pose: .pose
    case .move: .move
    case .stream: .stream
    }
  }
}

extension CommandEnvelope {
  /// The command as `CommandParser` reads it, with its verb in the body: for the control socket, and for
  /// topics that name none.
  /// - Parameter jointNames: of the hand, in the order of its board.
  package func encoded(jointNames: [String]) -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    if !id.isEmpty {
      json.key("id")
      json.string(id)
    }
    json.key("verb")
    json.string(command.verb.rawValue)
    switch command {
    case .arm, .nullG, .disarm, .stop, .reset: break
    case .pose(let radians, let seconds):
      Self.write(radians, into: &json)
      Self.write(seconds, into: &json)
    case .stream(let radians): Self.write(radians, into: &json)
    case .move(let joint, let radians, let seconds):
      json.key("joint")
      json.string(jointNames[joint])
      json.key("radians")
      json.number(radians)
      Self.write(seconds, into: &json)
    }
    if let expiryNanoseconds {
      json.key("expiry")
      json.wide(expiryNanoseconds)
    }
    json.endObject()
    return json.bytes
  }

  private static func write(_ radians: [Double], into json: inout JSONWriter) {
    json.key("radians")
    json.beginArray()
    for angle in radians { json.number(angle) }
    json.endArray()
  }

  private static func write(_ seconds: Double?, into json: inout JSONWriter) {
    guard let seconds else { return }
    json.key("seconds")
    json.number(seconds)
  }
}
