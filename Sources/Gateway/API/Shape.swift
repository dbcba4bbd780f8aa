import HandModel
import Wire

/// What a JSON value must look like: requests are checked by it, and the OpenAPI document is written of it.
package indirect enum Shape: Sendable, Equatable {
  /// A text of so many characters without control characters, perhaps of given words.
  case text(ClosedRange<Int> = 0...Shape.longestText, words: [String] = [])
  /// A finite number.
  case number(ClosedRange<Double>? = nil)
  /// A whole number within a range.
  case integer(ClosedRange<Int64>)
  case boolean
  /// A list of so many items.
  case list(of: Shape, ClosedRange<Int>)
  /// An object of these members and no others.
  case object([Member])
  /// An object of any members, of so many bytes, that both stores take.
  case anyObject(bytes: Int)
  /// The shape, or null.
  case nullable(Shape)
  /// Anything: of answers that are told elsewhere.
  case any

  /// Of a text that nothing else limits.
  package static let longestText = 4096

  /// A member of an object.
  package struct Member: Sendable, Equatable {
    var key: String
    var shape: Shape
    var isRequired: Bool
    /// For people, with unit and range.
    var meaning: String

    /// One that must be there.
    static func required(_ key: String, _ shape: Shape, _ meaning: String) -> Self {
      Self(key: key, shape: shape, isRequired: true, meaning: meaning)
    }

    /// One that may be missing.
    static func optional(_ key: String, _ shape: Shape, _ meaning: String) -> Self {
      Self(key: key, shape: shape, isRequired: false, meaning: meaning)
    }
  }

  /// Three numbers.
  static let vector = Shape.list(of: .number(), 3...3)

  /// What is wrong with a value, and where; empty where nothing is.
  /// - Parameter place: of the value, for what is said of it.
  func problems(_ value: JSONValue, _ place: String = "body") -> [String] {
    switch (self, value) {
    case (.any, _), (.boolean, .boolean), (.nullable, .null): []
    case (.anyObject(let bytes), .object): Self.problems(ofAny: value, bytes, place)
    case (.nullable(let shape), _): shape.problems(value, place)
    case (.text(let length, let words), .string(let text)): Self.problems(text, length, words, place)
    case (.number(let range), .number(let text)): Self.problems(text, range, place)
    case (.integer(let range), .number(let text)):
      if let number = Int64(text), range.contains(number) {
        []
      } else {
        [
          "\(place): found \(text.shortened), expected a whole number of \(range.lowerBound) to \(range.upperBound)"
        ]
      }
    case (.list(let shape, let count), .array(let items)):
      if count.contains(items.count) {
        items.enumerated().flatMap { shape.problems($1, "\(place)[\($0)]") }
      } else {
        ["\(place): found \(items.count) items, expected \(count.words)"]
      }
    case (.object(let members), .object(let found)): Self.problems(found, members, place)
    default: ["\(place): expected \(words)"]
    }
  }

  /// What PostgreSQL refuses in JSON, and so nobody stores: zero bytes, and numbers that are none.
  private static func problems(ofAny value: JSONValue, _ bytes: Int, _ place: String) -> [String] {
    let size = value.encoded().count
    guard size <= bytes else { return ["\(place): found \(size) bytes, expected at most \(bytes)"] }
    switch value {
    case .null, .boolean: return []
    case .number(let text): return problems(text, nil, place)
    case .string(let text): return text.utf8.contains(0) ? ["\(place): found a zero byte"] : []
    case .array(let items): return items.flatMap { problems(ofAny: $0, bytes, place) }
    case .object(let members):
      return members.flatMap { member in
        member.key.utf8.contains(0)
          ? ["\(place): found a zero byte in a key"] : problems(ofAny: member.value, bytes, place)
      }
    }
  }

  private static func problems(
    _ text: String, _ length: ClosedRange<Int>, _ words: [String], _ place: String
  ) -> [String] {
    if !words.isEmpty, !words.contains(text) {
      return [
        "\(place): found \(JSON.quoted(text.shortened)), expected one of \(words.joined(separator: ", "))"
      ]
    }
    guard length.contains(text.unicodeScalars.count) else {
      return ["\(place): found \(text.unicodeScalars.count) characters, expected \(length.words)"]
    }
    return text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" || $0.value == 0x7F }
      ? ["\(place): found a control character"] : []
  }

  private static func problems(_ text: String, _ range: ClosedRange<Double>?, _ place: String) -> [String] {
    guard let number = Double(text), number.isFinite else {
      return ["\(place): found \(text.shortened), expected a finite number"]
    }
    guard let range, !range.contains(number) else { return [] }
    return ["\(place): found \(text.shortened), expected \(range.lowerBound) to \(range.upperBound)"]
  }

  private static func problems(
    _ found: [JSONValue.Member], _ members: [Member], _ place: String
  ) -> [String] {
    var problems: [String] = []
    var seen: Set<String> = []
    for item in found {
      guard let member = members.first(where: { $0.key == item.key }) else {
        let known = members.map(\.key).joined(separator: ", ")
        problems.append("\(place).\(item.key.shortened): not known, expected \(known)")
        continue
      }
      if !seen.insert(item.key).inserted { problems.append("\(place).\(item.key): found more than once") }
      if !member.isRequired, item.value == .null { continue }
      problems += member.shape.problems(item.value, "\(place).\(item.key)")
    }
    for member in members where member.isRequired && !seen.contains(member.key) {
      problems.append("\(place).\(member.key): missing")
    }
    return problems
  }

  private var words: String {
    switch self {
    case .text: "a text"
    case .number: "a number"
    case .integer: "a whole number"
    case .boolean: "true or false"
    case .list: "a list"
    case .object, .anyObject: "an object"
    case .nullable(let shape): "\(shape.words) or null"
    case .any: "a value"
    }
  }

  /// JSON Schema 2020-12, as OpenAPI 3.1 takes it.
  var schema: JSONValue {
    switch self {
    case .text(let length, let words):
      var members: [(String, JSONValue)] = [("type", "string")]
      if !words.isEmpty { members.append(("enum", .array(words.map(JSONValue.string)))) }
      if words.isEmpty {
        if length.lowerBound > 0 { members.append(("minLength", .number("\(length.lowerBound)"))) }
        members.append(("maxLength", .number("\(length.upperBound)")))
      }
      return .members(members)
    case .number(let range):
      var members: [(String, JSONValue)] = [("type", "number")]
      if let range {
        members += [("minimum", .number("\(range.lowerBound)")), ("maximum", .number("\(range.upperBound)"))]
      }
      return .members(members)
    case .integer(let range):
      return [
        "type": "integer", "minimum": .number("\(range.lowerBound)"),
        "maximum": .number("\(range.upperBound)"),
      ]
    case .boolean: return ["type": "boolean"]
    case .list(let shape, let count):
      return [
        "type": "array", "items": shape.schema, "minItems": .number("\(count.lowerBound)"),
        "maxItems": .number("\(count.upperBound)"),
      ]
    case .object(let members):
      return [
        "type": "object",
        "properties": .members(
          members.map { member in
            guard case .object(let schema) = (member.isRequired ? member.shape : member.shape.orNull).schema
            else {
              return (member.key, member.shape.schema)
            }
            let described = schema + [.init(key: "description", value: .string(member.meaning))]
            return (member.key, .object(described))
          }),
        "required": .array(members.filter(\.isRequired).map { .string($0.key) }),
        "additionalProperties": false,
      ]
    case .anyObject: return ["type": "object"]
    case .nullable(let shape): return ["anyOf": [shape.schema, ["type": "null"]]]
    case .any: return .members([])
    }
  }

  private var orNull: Shape {
    if case .nullable = self { self } else { .nullable(self) }
  }
}

extension ClosedRange<Int> {
  fileprivate var words: String {
    lowerBound == upperBound ? "\(lowerBound)" : "\(lowerBound) to \(upperBound)"
  }
}

extension JSONValue {
  /// An object of members in their order.
  static func members(_ members: [(String, JSONValue)]) -> JSONValue {
    .object(members.map { Member(key: $0.0, value: $0.1) })
  }

  /// The value of a member; nil where there is none or it is null.
  subscript(_ key: String) -> JSONValue? {
    guard case .object(let members) = self, let value = members.first(where: { $0.key == key })?.value,
      value != .null
    else { return nil }
    return value
  }

  /// Of a text.
  var text: String? { if case .string(let text) = self { text } else { nil } }
  /// Of a number.
  var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
  /// Of a whole number.
  var whole: Int64? { if case .number(let text) = self { Int64(text) } else { nil } }
  /// Of a list.
  var items: [JSONValue] { if case .array(let items) = self { items } else { [] } }

  /// A number; null where it is none.
  init(_ number: Double?) {
    self = number.flatMap { $0.isFinite ? .number("\($0)") : nil } ?? .null
  }
  /// A whole number; null of none.
  init(_ number: Int64?) { self = number.map { .number("\($0)") } ?? .null }
  /// A text; null of none.
  init(_ text: String?) { self = text.map(JSONValue.string) ?? .null }
  /// A time as text (`Timestamp.text`); null of none.
  init(_ time: Timestamp?) { self = time.map { .string($0.text) } ?? .null }
  /// JSON that a hand or the store holds; null where it is none.
  init(json bytes: [UInt8]?) { self = bytes.flatMap { try? JSONValue(parsing: $0) } ?? .null }
}
