/// The retained head of a hand's hash chain: what a recording must still hold.
package struct AuditMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.audit/1"

  /// This start of the daemon.
  package var runID: String
  package var head: ChainHead

  package init(runID: String, head: ChainHead) {
    self.runID = runID
    self.head = head
  }

  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 320)
    json.beginObject()
    json.key("schema")
    json.string(Self.schema)
    json.key("run_id")
    json.string(runID)
    json.key("number")
    json.wide(head.number)
    json.key("hash")
    json.string(head.hash)
    json.key("t")
    json.seconds(nanoseconds: head.wallNanoseconds)
    json.key("t_ns")
    json.wide(head.wallNanoseconds)
    json.endObject()
    return json.bytes
  }

  /// Reads a message. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    let hash = try fields.text("hash")
    guard EventChain(continuing: hash) != nil else {
      throw fields.problem("hash", "found \(JSON.quoted(hash.shortened)), expected 128 hexadecimal digits")
    }
    runID = try fields.text("run_id")
    head = ChainHead(
      number: try fields.natural("number"), hash: hash, wallNanoseconds: try fields.integer("t_ns"))
  }
}
