import HandModel

/// Why a message cannot be read: the key, and what is wrong with it.
package struct MessageProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// Key, what was found and what was expected.
  package var reason: String
  package var description: String { reason }

  package init(_ reason: String) { self.reason = reason }
}

/// The keys of a message's object. A key that is not known is passed over, so that an older reader
/// understands a newer writer; one that comes twice is refused, because readers differ in which of both they
/// take.
package struct MessageFields {
  private var values: [String: JSONValue] = [:]
  /// Where the object stands in the message: said before its keys.
  private let place: String

  /// Reads a message.
  /// - Parameter schema: what its key `schema` must say, for example `motorhand.status/1`.
  package init(_ bytes: [UInt8], schema: String) throws(MessageProblem) {
    let value: JSONValue
    do { value = try JSONValue(parsing: bytes) } catch { throw MessageProblem(error.description) }
    try self.init(value)
    let found = try text("schema")
    guard found == schema else {
      throw problem("schema", "found \(JSON.quoted(found.shortened)), expected \(schema)")
    }
  }

  /// Reads an object inside a message.
  /// - Parameter place: where it stands, for what is said of its keys; empty = it is the message.
  package init(_ value: JSONValue, place: String = "") throws(MessageProblem) {
    self.place = place
    guard case .object(let members) = value else {
      throw MessageProblem("\(place.isEmpty ? "message" : place): expected an object")
    }
    for member in members {
      guard values.updateValue(member.value, forKey: member.key) == nil else {
        throw problem(member.key.shortened, "found more than once")
      }
    }
  }

  /// What is wrong with a key, said with its place.
  package func problem(_ key: String, _ what: String) -> MessageProblem {
    MessageProblem(place.isEmpty ? "\(key): \(what)" : "\(place).\(key): \(what)")
  }

  /// Whether the key is there, null or not.
  package func has(_ key: String) -> Bool { values[key] != nil }

  /// Nil for null, and where the key is missing.
  private func present(_ key: String) -> JSONValue? {
    guard let value = values[key], value != .null else { return nil }
    return value
  }

  /// Nil for null, and where the key is missing. Throws where `convert` cannot make sense of it.
  package func optional<Value>(
    _ key: String, as expected: String, _ convert: (JSONValue) -> Value?
  ) throws(MessageProblem) -> Value? {
    guard let value = present(key) else { return nil }
    guard let converted = convert(value) else { throw problem(key, "expected \(expected)") }
    return converted
  }

  /// Throws for null too, and where the key is missing.
  package func required<Value>(
    _ key: String, as expected: String, _ convert: (JSONValue) -> Value?
  ) throws(MessageProblem) -> Value {
    guard let value = try optional(key, as: expected, convert) else {
      throw problem(key, "expected \(expected)")
    }
    return value
  }

  // MARK: Values

  /// Text. Throws for null too, as every reader here that is not called optional.
  package func text(_ key: String) throws(MessageProblem) -> String {
    try required(key, as: "text", CommandParser.string)
  }

  /// Text; nil for null.
  package func optionalText(_ key: String) throws(MessageProblem) -> String? {
    try optional(key, as: "text or null", CommandParser.string)
  }

  /// A finite number.
  package func number(_ key: String) throws(MessageProblem) -> Double {
    try required(key, as: "a number", CommandParser.double)
  }

  /// NaN for null: as the encoders write what is not finite.
  package func numberOrNaN(_ key: String) throws(MessageProblem) -> Double {
    try optional(key, as: "a number or null", CommandParser.double) ?? .nan
  }

  /// A finite number; nil for null.
  package func optionalNumber(_ key: String) throws(MessageProblem) -> Double? {
    try optional(key, as: "a number or null", CommandParser.double)
  }

  /// True or false.
  package func flag(_ key: String) throws(MessageProblem) -> Bool {
    try required(key, as: "true or false") { if case .boolean(let value) = $0 { value } else { nil } }
  }

  /// An integer of 64 bits, as number or as text.
  package func integer(_ key: String) throws(MessageProblem) -> Int64 {
    try required(key, as: "an integer", CommandParser.integer)
  }

  /// An integer of 64 bits and no sign, as number or as text.
  package func natural(_ key: String) throws(MessageProblem) -> UInt64 {
    try required(key, as: "an integer of 0 or more", Self.natural)
  }

  /// An integer of 64 bits and no sign; nil for null.
  package func optionalNatural(_ key: String) throws(MessageProblem) -> UInt64? {
    try optional(key, as: "an integer of 0 or more, or null", Self.natural)
  }

  /// An integer that fits the type.
  package func integer<Value: FixedWidthInteger>(
    _ key: String, as type: Value.Type
  ) throws(MessageProblem) -> Value {
    guard let value = Value(exactly: try integer(key)) else {
      throw problem(key, "found a number out of range")
    }
    return value
  }

  /// A word from its list.
  package func word<Value: InterfaceWord>(_ key: String, as type: Value.Type) throws(MessageProblem) -> Value
  {
    let text = try text(key)
    guard let value = Value(id: text) else {
      throw problem(key, "found \(JSON.quoted(text.shortened)), expected one of \(Self.list(Value.self))")
    }
    return value
  }

  /// A fault's id; `none` for null.
  package func fault(_ key: String) throws(MessageProblem) -> FaultCode {
    present(key) == nil ? .none : try word(key, as: FaultCode.self)
  }

  /// An object.
  package func object(_ key: String) throws(MessageProblem) -> MessageFields {
    try MessageFields(values[key] ?? .null, place: place.isEmpty ? key : "\(place).\(key)")
  }

  /// A list of anything.
  package func array(_ key: String) throws(MessageProblem) -> [JSONValue] {
    try required(key, as: "a list") { if case .array(let items) = $0 { items } else { nil } }
  }

  /// A list of objects.
  package func objects(_ key: String) throws(MessageProblem) -> [MessageFields] {
    var objects: [MessageFields] = []
    for (index, item) in try array(key).enumerated() {
      objects.append(try MessageFields(item, place: "\(key)[\(index)]"))
    }
    return objects
  }

  /// A list of texts.
  package func texts(_ key: String) throws(MessageProblem) -> [String] {
    var texts: [String] = []
    for item in try array(key) {
      guard let text = CommandParser.string(item) else { throw problem(key, "expected a list of texts") }
      texts.append(text)
    }
    return texts
  }

  /// The keys of an object whose keys are data, in no order.
  package var keys: [String] { Array(values.keys) }

  /// Seconds as `JSONWriter.seconds` writes them, back to nanoseconds without loss.
  package func nanoseconds(_ key: String) throws(MessageProblem) -> Int64? {
    try optional(key, as: "seconds or null") { value in
      if case .number(let text) = value { Self.nanoseconds(ofSeconds: text) } else { nil }
    }
  }

  // MARK: Conversions

  private static func list<Value: InterfaceWord>(_ type: Value.Type) -> String {
    Value.allCases.map(\.id).joined(separator: ", ")
  }

  static func natural(_ value: JSONValue) -> UInt64? {
    switch value {
    case .number(let text), .string(let text): UInt64(text)
    default: nil
    }
  }

  /// Nil beyond 64 bits, for an exponent, and for more than nine decimals.
  static func nanoseconds(ofSeconds text: String) -> Int64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2 else { return nil }
    let decimals = parts.count == 2 ? parts[1] : ""
    guard decimals.utf8.count <= 9 else { return nil }
    return Int64(String(parts[0]) + decimals + String(repeating: "0", count: 9 - decimals.utf8.count))
  }
}
