import HandModel

/// The retained `status` message: one word for people and tools that want no more.
struct StatusPayload {
  /// The words of docs/telemetry.md; `lost` is the will.
  enum Word: String, CaseIterable, Sendable {
    case starting = "init"
    case ready, armed, moving, fault
    case eStop = "estop"
    case disconnected, lost

    init(_ state: HandState) {
      self =
        switch state {
        case .starting, .selfTest: .starting
        case .idle: .ready
        case .armed: .armed
        case .tracking: .moving
        case .fault: .fault
        case .eStop: .eStop
        }
    }
  }

  private let identity: HandIdentity
  private let jointNames: [String]

  init(identity: HandIdentity) {
    self.identity = identity
    jointNames = identity.board.joints.map(\.name)
  }

  /// - Parameters:
  ///   - session: number of the connection within this boot, from 1: a will that arrives late carries an
  ///     older number than the status that it would replace.
  ///   - fault: the latched cause and its joint (255 = none).
  ///   - sequence: the newest record's; nil before the first and in the will, which is written in advance.
  ///   - ways: how commands and stops reach the hand; nil in the will.
  func encode(
    _ word: Word, session: UInt64, fault: (code: FaultCode, joint: UInt8)? = nil, sequence: UInt64? = nil,
    ways: (commands: CommandWay, stop: CommandWay)? = nil
  ) -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.beginObject()
    json.key("schema")
    json.string("motorhand.status/1")
    json.key("status")
    json.string(word.rawValue)
    json.key("boot_id")
    json.string(identity.bootID)
    json.key("session")
    json.wide(session)
    json.key("version")
    json.string(identity.version)
    if let fault {
      json.key("fault")
      json.string(fault.code.name)
      json.key("fault_joint")
      json.jointName(fault.joint, of: jointNames)
    }
    if let sequence {
      json.key("seq")
      json.wide(sequence)
    }
    if let ways {
      write(ways.commands, "commands", into: &json)
      write(ways.stop, "stop_way", into: &json)
    }
    json.endObject()
    return json.bytes
  }

  private func write(_ way: CommandWay, _ name: String, into json: inout JSONWriter) {
    json.key(name)
    json.beginObject()
    json.key("state")
    json.string(way.state.rawValue)
    json.key("since")
    if way.sinceNanoseconds > 0 { json.seconds(nanoseconds: way.sinceNanoseconds) } else { json.null() }
    json.key("error")
    if way.error.isEmpty { json.null() } else { json.string(way.error) }
    json.endObject()
  }
}
