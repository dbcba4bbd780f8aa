import HandModel

/// What became of a command, as MQTT sends it.
package struct ReplyMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.reply/1"

  /// What `result` may say.
  package enum Word: String, Sendable, CaseIterable { case executed, refused, unconfirmed }

  /// The sender's identifier; nil where there was none.
  package var id: String?
  /// Nil where neither topic nor a readable body named one.
  package var verb: String?
  package var reply: CommandReply
  /// This start of the daemon.
  package var runID: String
  /// The newest tick when the reply was made; nil before the first.
  package var sequence: UInt64?

  package init(id: String?, verb: String?, reply: CommandReply, runID: String, sequence: UInt64?) {
    self.id = id
    self.verb = verb
    self.reply = reply
    self.runID = runID
    self.sequence = sequence
  }

  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    json.key("schema")
    json.string(Self.schema)
    json.key("id")
    json.string(id)
    json.key("verb")
    json.string(verb)
    json.key("result")
    json.string(reply.word)
    json.key("reason")
    json.string(reply.reason)
    json.key("run_id")
    json.string(runID)
    json.key("seq")
    json.wide(sequence)
    json.endObject()
    return json.bytes
  }

  /// Reads a message. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    id = try fields.optionalText("id")
    verb = try fields.optionalText("verb")
    reply = try CommandReply(fields)
    runID = try fields.text("run_id")
    sequence = try fields.optionalNatural("seq")
  }
}

extension CommandReply {
  /// From `result` and `reason`, as MQTT and control socket both write them.
  package init(_ fields: MessageFields) throws(MessageProblem) {
    let text = try fields.text("result")
    switch ReplyMessage.Word(rawValue: text) {
    case .executed: self = .executed
    case .refused: self = .refused(reason: try fields.text("reason"))
    case .unconfirmed: self = .unconfirmed(reason: try fields.text("reason"))
    case nil:
      let words = ReplyMessage.Word.allCases.map(\.rawValue).joined(separator: ", ")
      throw fields.problem("result", "found \(JSON.quoted(text.shortened)), expected one of \(words)")
    }
  }
}
