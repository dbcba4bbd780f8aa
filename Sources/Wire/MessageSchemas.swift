import HandModel

/// JSON Schemas of what a hand says and takes, docs/schemas: made from the table of fields and the lists of
/// words, as the messages are.
///
/// A schema names what this version sends. It leaves room for more: a reader passes over keys that it does
/// not know.
package enum MessageSchemas {
  /// A key of a message.
  struct Property {
    var name: String
    var schema: JSONValue
    var isRequired = true
  }

  /// All schemas by the name of their file, in the order of docs/telemetry.md.
  package static var all: [(name: String, schema: JSONValue)] {
    [
      ("status", status), ("birth", birth), ("state", state()), ("summary", summary()), ("event", event),
      ("audit", audit), ("stored", stored), ("reply", reply), ("detail", detail),
    ]
      + CommandParser.Verb.allCases.map { ("cmd-\($0.rawValue)", command($0)) }
      + [("command", agpCommand), ("number", numberText), ("discovery", discovery)]
  }

  // MARK: Ticks

  /// - Parameter fields: of which those with a channel are told.
  static func state(_ fields: FieldTable = .standard) -> JSONValue {
    let joint = fields.joint.compactMap { field in
      Channel(field).map { ("^[^.]+\\.\($0.name)$", value($0, field)) }
    }
    return object(
      "state", schema: StateMessage.schema, "A tick, decimated.", head + tick(fields),
      [("patternProperties", .object(joint))])
  }

  static func summary(_ fields: FieldTable = .standard) -> JSONValue {
    object(
      "summary", schema: StatePayload.summarySchema,
      "A tick's own values, once a second: what home automation wants.",
      head + tick(fields) + [
        Property(name: "fault_text", schema: nullable("string", "the latched cause for people")),
        Property(
          name: "current_amperes",
          schema: nullable("number", "sum of the joints' currents; null without a sensor", unit: "A")),
      ])
  }

  private static var head: [Property] {
    Channel.head.filter { $0.name != "schema" }.map { Property(name: $0.name, schema: value($0, nil)) }
  }

  private static func tick(_ fields: FieldTable) -> [Property] {
    fields.tick.compactMap { field in
      Channel(field).map { Property(name: $0.name, schema: value($0, field)) }
    }
  }

  private static func value(_ channel: Channel, _ field: Field?) -> JSONValue {
    if case .word(let words)? = field?.kind {
      return word(words.all.map(\.word), channel.meaning, isNullable: true)
    }
    let type =
      switch channel.kind {
      case .number: "number"
      case .integer: "integer"
      case .text: "string"
      case .flag: "boolean"
      case .wide: "wide"
      }
    // What JavaScript and Swift agree on: a reader must expect null wherever a hand may lack the value.
    return field == nil || type == "boolean"
      ? plain(type, channel.meaning, unit: channel.unit)
      : nullable(type, channel.meaning, unit: channel.unit)
  }

  // MARK: The hand

  private static let runID = Property(name: "run_id", schema: plain("string", "this start of the daemon"))
  private static let newestTick = Property(
    name: "seq", schema: nullable("wide", "the newest tick; null before the first"))

  private static var status: JSONValue {
    let way = object([
      Property(name: "state", schema: word(CommandWay.State.allCases.map(\.rawValue), "whether it works")),
      Property(name: "since", schema: nullable("number", "wall clock of the last change", unit: "s")),
      Property(name: "error", schema: nullable("string", "why it does not")),
    ])
    return object(
      "status", schema: StatusMessage.schema, "One word for the hand; also the will, whose word is lost.",
      [
        Property(
          name: "status", schema: word(StatusPayload.Word.allCases.map(\.rawValue), "what the hand does")),
        runID,
        Property(name: "session", schema: plain("wide", "number of the connection within this start")),
        Property(name: "version", schema: plain("string", "of the daemon")),
        Property(
          name: "fault", schema: word(faults, "the latched cause", isNullable: true), isRequired: false),
        Property(name: "fault_text", schema: nullable("string", "the same for people"), isRequired: false),
        Property(name: "fault_joint", schema: nullable("string", "the joint it names"), isRequired: false),
        Property(name: "seq", schema: plain("wide", "the newest tick"), isRequired: false),
        Property(name: "commands", schema: way, isRequired: false),
        Property(name: "stop_way", schema: way, isRequired: false),
      ])
  }

  private static var birth: JSONValue {
    let file = object([
      Property(name: "name", schema: plain("string", "as the file has it")),
      Property(name: "hash", schema: plain("string", "of the file's text")),
    ])
    let joint = object(
      [Property(name: "name", schema: plain("string", "as on the board"))]
        + [
          ("lower_rad", "rad"), ("upper_rad", "rad"), ("velocity_rad_s", "rad/s"), ("torque_nm", "N·m"),
          ("current_a", "A"), ("lambda_decay", "1/s"),
        ].map { Property(name: $0, schema: nullable("number", "", unit: $1)) })
    let channel = object([
      Property(name: "alias", schema: plain("integer", "its place in state")),
      Property(name: "name", schema: plain("string", "its key in state")),
      Property(name: "unit", schema: plain("string", "symbol; empty for words and flags")),
      Property(name: "type", schema: word(["double", "int64", "string", "bool", "int64-string"], "")),
      Property(name: "lower", schema: plain("number", "limit"), isRequired: false),
      Property(name: "upper", schema: plain("number", "limit"), isRequired: false),
      Property(name: "joint", schema: plain("integer", "index into joints"), isRequired: false),
    ])
    return object(
      "birth", schema: BirthMessage.schema, "What the hand is, and every key of state.",
      [
        Property(name: "hand", schema: plain("string", "as in the topic")), runID,
        Property(name: "version", schema: plain("string", "of the daemon")),
        Property(
          name: "schemas",
          schema: ["type": "object", "additionalProperties": plain("string", "schema of the topic")]),
        Property(name: "board", schema: file), Property(name: "calibration", schema: file),
        Property(name: "certificate_hash", schema: plain("string", "of the certificate's JSON")),
        Property(name: "rate_hz", schema: plain("integer", "ticks a second", unit: "Hz")),
        Property(name: "state_hz", schema: plain("number", "messages of state a second", unit: "Hz")),
        Property(name: "window_ticks", schema: plain("integer", "of the window product", unit: "ticks")),
        Property(name: "joints", schema: ["type": "array", "items": joint]),
        Property(name: "channels", schema: ["type": "array", "items": channel]),
        Property(name: "sensors", schema: ["type": "array", "items": ["type": "string"]]),
        Property(
          name: "constants", schema: ["type": "object", "required": ["note"]]),
      ])
  }

  private static var event: JSONValue {
    object(
      "event", schema: EventMessage.schema, "A transition or a fault.",
      [
        Property(name: "number", schema: plain("wide", "1, 2, 3 … with each run_id")), runID,
        Property(name: "kind", schema: word(HandEvent.Kind.allCases.map(\.rawValue), "what happened")),
        Property(name: "stored", schema: plain("boolean", "whether the recording held it when it was sent")),
        Property(name: "seq", schema: nullable("wide", "the tick")),
        Property(name: "t", schema: plain("number", "wall clock since 1970", unit: "s")),
        Property(name: "t_ns", schema: plain("wide", "the same exactly", unit: "ns")),
        Property(name: "from", schema: nullable("string", "before")),
        Property(name: "to", schema: nullable("string", "after")),
        Property(name: "code", schema: plain("integer", "of a fault: its number"), isRequired: false),
        Property(name: "joint", schema: nullable("string", "that a fault names")),
        Property(name: "count", schema: nullable("wide", "how many are missing")),
        Property(name: "text", schema: plain("string", "the same for people")),
      ])
  }

  private static var audit: JSONValue {
    object(
      "audit", schema: AuditMessage.schema, "Head of the hash chain of the recorded events.",
      [
        runID, Property(name: "number", schema: plain("wide", "of the newest event that is stored")),
        Property(name: "hash", schema: plain("string", "its SHA-512, 128 hexadecimal digits")),
        Property(name: "t", schema: plain("number", "wall clock since 1970", unit: "s")),
        Property(name: "t_ns", schema: plain("wide", "the same exactly", unit: "ns")),
      ])
  }

  private static var stored: JSONValue {
    let pair: JSONValue = [
      "type": "array", "items": plain("wide", "first and last number"), "minItems": .number("2"),
      "maxItems": .number("2"),
    ]
    let numbers = object([
      Property(name: "from", schema: plain("wide", "below it nothing is said")),
      Property(name: "ranges", schema: ["type": "array", "items": pair]),
    ])
    let run = object([
      runID, Property(name: "ticks", schema: numbers), Property(name: "events", schema: numbers),
    ])
    return object(
      "stored", schema: StoredMessage.schema, "What a consumer has stored of a hand.",
      [
        Property(name: "consumer", schema: plain("string", "its name")),
        Property(
          name: "complete", schema: plain("boolean", "whether nothing is stored of runs that are not named")),
        Property(name: "runs", schema: ["type": "array", "items": run]),
      ])
  }

  private static var reply: JSONValue {
    object(
      "reply", schema: ReplyMessage.schema, "What became of a command.",
      [
        Property(name: "id", schema: nullable("string", "the sender's; null where there was none")),
        Property(name: "verb", schema: nullable("string", "null where none could be read")),
        Property(name: "result", schema: word(ReplyMessage.Word.allCases.map(\.rawValue), "")),
        Property(name: "reason", schema: nullable("string", "why it was not executed")),
        runID, newestTick,
      ])
  }

  private static var detail: JSONValue {
    let numbers = [
      "primal_state", "gamma", "energy_integral", "integral_state", "lambda_decay", "lipschitz_constant",
      "rate",
      "window_product", "distance",
    ].map { Property(name: $0, schema: nullable("number", "")) }
    return object(
      "detail", schema: DetailMessage.schema, "What stands behind L, under the names of the AGP scheme.",
      [
        Property(name: "system_id", schema: plain("string", "name of the hand")), runID,
        Property(name: "seq", schema: plain("wide", "the tick")),
        Property(name: "t", schema: plain("number", "wall clock since 1970", unit: "s")),
        Property(name: "t_ns", schema: plain("wide", "the same exactly", unit: "ns")),
        Property(name: "control_mode", schema: word(ControlMode.allCases.map(\.id), "")),
        Property(name: "control_mode_gauge", schema: plain("integer", "the same as a number")),
        Property(name: "window_ticks", schema: plain("integer", "", unit: "ticks")),
        Property(name: "certificate", schema: word(CertificateState.allCases.map(\.id), "")),
        Property(name: "uncertified_ticks", schema: plain("integer", "", unit: "ticks")),
        Property(name: "certificate_hash", schema: plain("string", "that of the birth")),
      ] + numbers)
  }

  /// Text that is a JSON number and nothing else.
  private static let numberText = JSONValue.object(head("number", "Bare number text.") + [("type", "number")])

  private static let discovery = JSONValue.object(
    head("discovery", "Home Assistant's MQTT device discovery, which defines the rest.") + [
      ("type", "object"), ("required", ["device", "origin", "availability_topic", "components"]),
    ])
}
