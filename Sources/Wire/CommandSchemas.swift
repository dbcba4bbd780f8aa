import HandModel

/// JSON Schemas of commands, and the parts that all schemas are made of.
extension MessageSchemas {
  /// The body of a command whose topic names the verb. It may be empty where the verb has no fields.
  static func command(_ verb: CommandParser.Verb) -> JSONValue {
    command(
      "cmd-\(verb.rawValue)", "Body of \(verb.rawValue); docs/board-file.md, Commands.",
      fields(of: verb) + envelope(verbs: [verb.rawValue], isRequired: false))
  }

  /// The body of a command that names its verb itself.
  static var agpCommand: JSONValue {
    let verbs = CommandParser.Verb.allCases
    var all: [Property] = []
    for field in verbs.flatMap(fields) where !all.contains(where: { $0.name == field.name }) {
      var optional = field
      optional.isRequired = false
      all.append(optional)
    }
    return command(
      "command", "A command that names its verb; docs/board-file.md, Commands.",
      all + envelope(verbs: verbs.map(\.rawValue), isRequired: true))
  }

  private static func command(_ title: String, _ description: String, _ properties: [Property]) -> JSONValue {
    // Unlike a message, a command with a field that is not known is refused.
    .object(head(title, description) + members(of: properties) + [("additionalProperties", false)])
  }

  private static func envelope(verbs: [String], isRequired: Bool) -> [Property] {
    let time = { (meaning: String) -> JSONValue in
      [
        "type": ["string", "integer"], "pattern": "^-?[0-9]+$",
        "description": .string("\(meaning), nanoseconds since 1970"),
      ]
    }
    return [
      Property(
        name: "id",
        schema: [
          "type": "string", "maxLength": .number(String(CommandParser.maximumIDLength)),
          "description": "one that was used before is the same command again",
        ], isRequired: false),
      Property(name: "verb", schema: word(verbs, "what to do"), isRequired: isRequired),
      Property(name: "issued", schema: time("when it was sent"), isRequired: false),
      Property(name: "expiry", schema: time("when it stops being wanted"), isRequired: false),
    ]
  }

  private static func fields(of verb: CommandParser.Verb) -> [Property] {
    let angles = Property(
      name: "radians",
      schema: [
        "description":
          "of every joint: a list in the board's order, or an object by their names; of a move one",
        "type": ["array", "object", "number"], "items": ["type": "number"],
        "additionalProperties": ["type": "number"],
      ], isRequired: false)
    let pose = Property(
      name: "pose", schema: plain("string", "a name of the calibration"), isRequired: false)
    let seconds = Property(
      name: "seconds",
      schema: [
        "type": "number", "minimum": .number("\(CommandParser.seconds.lowerBound)"),
        "maximum": .number("\(CommandParser.seconds.upperBound)"), "description": "how long the motion takes",
      ], isRequired: false)
    return switch verb {
    case .arm, .nullG, .disarm, .stop, .reset: []
    case .pose: [pose, angles, seconds]
    case .stream: [pose, angles]
    case .move:
      [
        Property(name: "joint", schema: plain("string", "its name")), angles,
        Property(name: "degrees", schema: plain("number", "in place of radians"), isRequired: false), seconds,
      ]
    }
  }

  // MARK: Parts

  /// The newest that AsyncAPI 3 knows without naming it.
  static let dialect = "http://json-schema.org/draft-07/schema#"

  /// The ids of faults that can be latched.
  static var faults: [String] { FaultCode.allCases.filter { $0 != .none }.map(\.id) }

  /// A message that begins with its `schema`.
  static func object(
    _ title: String, schema: String, _ description: String, _ properties: [Property],
    _ more: [(String, JSONValue)] = []
  ) -> JSONValue {
    let all = [Property(name: "schema", schema: ["const": .string(schema)])] + properties
    return .object(head(title, description) + members(of: all) + more)
  }

  /// An object within a message.
  static func object(_ properties: [Property]) -> JSONValue { .object(members(of: properties)) }

  static func head(_ title: String, _ description: String) -> [(String, JSONValue)] {
    [("$schema", .string(dialect)), ("title", .string(title)), ("description", .string(description))]
  }

  private static func members(of properties: [Property]) -> [(String, JSONValue)] {
    var members: [(String, JSONValue)] = [("type", "object")]
    let required = properties.filter(\.isRequired).map(\.name)
    if !required.isEmpty { members.append(("required", .texts(required))) }
    members.append(("properties", .object(properties.map { ($0.name, $0.schema) })))
    return members
  }

  /// - Parameter type: of JSON Schema, or `wide`: a whole number of 64 bits as text.
  static func plain(_ type: String, _ description: String, unit: String = "") -> JSONValue {
    value(type == "wide" ? "string" : .string(type), type, description, unit)
  }

  static func nullable(_ type: String, _ description: String, unit: String = "") -> JSONValue {
    value([type == "wide" ? "string" : .string(type), "null"], type, description, unit)
  }

  private static func value(
    _ types: JSONValue, _ type: String, _ description: String, _ unit: String
  ) -> JSONValue {
    var members: [(String, JSONValue)] = [("type", types)]
    if type == "wide" { members.append(("pattern", "^-?[0-9]+$")) }
    let text = [description, unit.isEmpty ? "" : "[\(unit)]"].filter { !$0.isEmpty }.joined(separator: " ")
    if !text.isEmpty { members.append(("description", .string(text))) }
    return .object(members)
  }

  static func word(_ words: [String], _ description: String, isNullable: Bool = false) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("enum", .array(words.map { .string($0) } + (isNullable ? [.null] : [])))
    ]
    if !description.isEmpty { members.append(("description", .string(description))) }
    return .object(members)
  }
}
