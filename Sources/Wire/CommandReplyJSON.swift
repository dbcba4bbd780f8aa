import HandModel

extension CommandReply {
  /// The reply as every interface sends it: `{"id":…,"result":"executed"}`, or `refused` or `unconfirmed`
  /// with its reason.
  package func replyJSON(id: String) -> String {
    JSONWriter.text { json in
      json.object {
        $0.member("id", id)
        $0.member("result", word)
        if let reason { $0.member("reason", reason) }
      }
    }
  }

  /// Reads what `replyJSON` wrote.
  /// - Returns: the sender's identifier, empty where there was none, and the reply.
  package static func read(_ json: [UInt8]) throws(MessageProblem) -> (id: String, reply: CommandReply) {
    let value: JSONValue
    do { value = try JSONValue(parsing: json) } catch { throw MessageProblem(error.description) }
    let fields = try MessageFields(value)
    return (try fields.optionalText("id") ?? "", try CommandReply(fields))
  }
}
