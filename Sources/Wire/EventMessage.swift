import HandModel

/// An event as MQTT sends it. The keys are the same for every kind; a value that a kind does not have is
/// null.
package struct EventMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.event/1"

  /// This start of the daemon.
  package var runID: String
  package var event: HandEvent

  package init(runID: String, event: HandEvent) {
    self.runID = runID
    self.event = event
  }

  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 384)
    json.beginObject()
    json.key("schema")
    json.string(Self.schema)
    json.key("number")
    json.wide(event.number)
    json.key("run_id")
    json.string(runID)
    json.key("kind")
    json.string(event.kind.rawValue)
    json.key("stored")
    json.bool(event.isStored)
    json.key("seq")
    json.wide(event.sequence)
    json.key("t")
    json.seconds(nanoseconds: event.wallNanoseconds)
    json.key("t_ns")
    json.wide(event.wallNanoseconds)
    json.key("from")
    json.string(event.from)
    json.key("to")
    json.string(event.to)
    if event.kind == .fault {
      // 0 = none. The number is what recordings hold in their ticks.
      json.key("code")
      json.integer(Int64(event.to.flatMap { FaultCode(id: $0) }?.rawValue ?? 0))
    }
    json.key("joint")
    json.string(event.joint)
    json.key("count")
    json.wide(event.count)
    json.key("text")
    json.string(event.text)
    json.endObject()
    return json.bytes
  }

  /// Reads a message. Throws what is wrong with it, and where.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    let kind = try fields.text("kind")
    guard let kind = HandEvent.Kind(rawValue: kind) else {
      throw fields.problem("kind", "found \(JSON.quoted(kind.shortened)), an unknown kind of event")
    }
    runID = try fields.text("run_id")
    event = HandEvent(
      number: try fields.natural("number"), isStored: try fields.flag("stored"),
      sequence: try fields.optionalNatural("seq"), wallNanoseconds: try fields.integer("t_ns"), kind: kind,
      from: try fields.optionalText("from"), to: try fields.optionalText("to"),
      joint: try fields.optionalText("joint"), count: try fields.optionalNatural("count"),
      text: try fields.text("text"))
  }
}
