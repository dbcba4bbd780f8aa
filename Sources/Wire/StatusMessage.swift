import HandModel

/// The retained `status` message as its readers see it.
package struct StatusMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.status/1"

  /// How commands and stops reach the hand.
  package struct Ways: Sendable, Equatable {
    package var commands: CommandWay
    /// Of the stop's own connection.
    package var stop: CommandWay

    package init(commands: CommandWay, stop: CommandWay) {
      self.commands = commands
      self.stop = stop
    }
  }

  /// What the hand does, in one word.
  package var word: StatusPayload.Word
  /// This start of the daemon.
  package var runID: String
  /// Number of the connection within this start, from 1: a will that arrives late carries an older number
  /// than the status that it would replace.
  package var session: UInt64
  /// Of the daemon.
  package var version: String
  /// The latched cause; `none` where nothing is latched, nil where the message cannot know: in the will.
  package var fault: FaultCode?
  /// The joint that the fault names; nil where it names none.
  package var faultJoint: String?
  /// The newest tick's; nil before the first and in the will, which is written in advance.
  package var sequence: UInt64?
  /// Nil in the will and in the farewell.
  package var ways: Ways?

  package init(
    word: StatusPayload.Word, runID: String, session: UInt64, version: String, fault: FaultCode? = nil,
    faultJoint: String? = nil, sequence: UInt64? = nil, ways: Ways? = nil
  ) {
    self.word = word
    self.runID = runID
    self.session = session
    self.version = version
    self.fault = fault
    self.faultJoint = faultJoint
    self.sequence = sequence
    self.ways = ways
  }

  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.beginObject()
    json.key("schema")
    json.string(Self.schema)
    json.key("status")
    json.string(word.rawValue)
    json.key("run_id")
    json.string(runID)
    json.key("session")
    json.wide(session)
    json.key("version")
    json.string(version)
    if let fault {
      json.key("fault")
      json.string(fault.idOrNil)
      json.key("fault_text")
      json.string(fault == .none ? nil : fault.name)
      json.key("fault_joint")
      json.string(faultJoint)
    }
    if let sequence {
      json.key("seq")
      json.wide(sequence)
    }
    if let ways {
      Self.write(ways.commands, "commands", into: &json)
      Self.write(ways.stop, "stop_way", into: &json)
    }
    json.endObject()
    return json.bytes
  }

  private static func write(_ way: CommandWay, _ name: String, into json: inout JSONWriter) {
    json.key(name)
    json.beginObject()
    json.key("state")
    json.string(way.state.rawValue)
    json.key("since")
    if way.sinceNanoseconds > 0 { json.seconds(nanoseconds: way.sinceNanoseconds) } else { json.null() }
    json.key("error")
    json.string(way.error.isEmpty ? nil : way.error)
    json.endObject()
  }

  /// Reads a message. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    let text = try fields.text("status")
    guard let word = StatusPayload.Word(rawValue: text) else {
      throw fields.problem("status", "found \(JSON.quoted(text.shortened)), an unknown word")
    }
    self.word = word
    runID = try fields.text("run_id")
    session = try fields.natural("session")
    version = try fields.text("version")
    fault = fields.has("fault") ? try fields.fault("fault") : nil
    faultJoint = try fields.optionalText("fault_joint")
    sequence = try fields.optionalNatural("seq")
    guard fields.has("commands") || fields.has("stop_way") else { return }
    ways = Ways(
      commands: try Self.way(try fields.object("commands")), stop: try Self.way(try fields.object("stop_way"))
    )
  }

  private static func way(_ fields: MessageFields) throws(MessageProblem) -> CommandWay {
    let text = try fields.text("state")
    guard let state = CommandWay.State(rawValue: text) else {
      throw fields.problem("state", "found \(JSON.quoted(text.shortened)), an unknown state of a way")
    }
    var way = CommandWay()
    way.state = state
    way.error = try fields.optionalText("error") ?? ""
    way.sinceNanoseconds = try fields.nanoseconds("since") ?? 0
    return way
  }
}
