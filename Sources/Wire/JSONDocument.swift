/// Documents of our own as JSON values, and how they are printed for people.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A text.
  package init(stringLiteral value: String) { self = .string(value) }
  /// A whole number.
  package init(integerLiteral value: Int) { self = .number(String(value)) }
  /// `true` or `false`.
  package init(booleanLiteral value: Bool) { self = .boolean(value) }
  /// Items in the order in which they are written.
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// Members in the order in which they are written.
  package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements) }

  static func object(_ members: [(String, JSONValue)]) -> JSONValue {
    .object(members.map { Member(key: $0.0, value: $0.1) })
  }

  static func texts(_ items: [String]) -> JSONValue { .array(items.map { .string($0) }) }

  /// JSON of several lines, each level two blanks further in.
  package func jsonText(_ indent: String = "") -> String {
    let inner = indent + "  "
    func block(_ open: String, _ items: [String], _ close: String) -> String {
      items.isEmpty
        ? open + close
        : "\(open)\n\(inner)" + items.joined(separator: ",\n\(inner)") + "\n\(indent)\(close)"
    }
    switch self {
    case .array(let items): return block("[", items.map { $0.jsonText(inner) }, "]")
    case .object(let members):
      return block("{", members.map { JSON.quoted($0.key) + ": " + $0.value.jsonText(inner) }, "}")
    default: return scalarText
    }
  }

  /// YAML in blocks. A text that YAML could take for something else is quoted as in JSON, which is YAML too.
  package func yamlText(_ indent: String = "") -> String {
    switch self {
    case .object(let members) where !members.isEmpty:
      return members.map { member in
        indent + Self.yamlKey(member.key) + ":" + member.value.yamlBehindKey(indent)
      }.joined()
    case .array(let items) where !items.isEmpty:
      return items.map { item in
        guard item.isBlock else { return "\(indent)- \(item.yamlScalar)\n" }
        return "\(indent)- " + item.yamlText(indent + "  ").dropFirst(indent.count + 2)
      }.joined()
    default: return "\(indent)\(yamlScalar)\n"
    }
  }

  private var isBlock: Bool {
    switch self {
    case .object(let members): !members.isEmpty
    case .array(let items): !items.isEmpty
    default: false
    }
  }

  private func yamlBehindKey(_ indent: String) -> String {
    isBlock ? "\n" + yamlText(indent + "  ") : " \(yamlScalar)\n"
  }

  private var yamlScalar: String {
    if case .string(let text) = self, Self.isPlain(text) { return text }
    return scalarText
  }

  private static func yamlKey(_ key: String) -> String { isPlain(key) ? key : JSON.quoted(key) }

  private static func isPlain(_ text: String) -> Bool {
    text.wholeMatch(of: /[A-Za-z][A-Za-z0-9_\/.-]*( [A-Za-z0-9_\/.-]+)*/) != nil
      && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
  }

  private var scalarText: String {
    switch self {
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .number(let text): text
    case .string(let text): JSON.quoted(text)
    case .array: "[]"
    case .object: "{}"
    }
  }
}

extension JSONValue {
  /// As it is sent, in one line.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    write(into: &json)
    return json.bytes
  }

  private func write(into json: inout JSONWriter) {
    switch self {
    case .null: json.null()
    case .boolean(let value): json.bool(value)
    case .number(let text): json.raw(text)
    case .string(let text): json.string(text)
    case .array(let items):
      json.beginArray()
      for item in items { item.write(into: &json) }
      json.endArray()
    case .object(let members):
      json.beginObject()
      for member in members {
        json.key(member.key)
        member.value.write(into: &json)
      }
      json.endObject()
    }
  }
}
