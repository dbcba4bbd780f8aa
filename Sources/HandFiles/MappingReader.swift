import HandModel

/// Allowed values of a number, with the words an error uses for them.
struct NumberRange {
  var closed: ClosedRange<Double>
  /// Whether the lower bound itself is refused.
  var excludesLower = false
  var text: String

  static func from(_ lower: Double, to upper: Double) -> NumberRange {
    NumberRange(closed: lower...upper, text: "a number from \(trimmed(lower)) to \(trimmed(upper))")
  }

  static func positive(upTo upper: Double) -> NumberRange {
    NumberRange(
      closed: 0...upper, excludesLower: true, text: "a number above 0 and up to \(trimmed(upper))")
  }

  func contains(_ value: Double) -> Bool {
    closed.contains(value) && !(excludesLower && value == closed.lowerBound)
  }

  private static func trimmed(_ value: Double) -> String {
    // Whole numbers read better without ".0" in a message.
    Int(exactly: value).map(String.init) ?? "\(value)"
  }
}

/// Reads one mapping of a configuration file key by key, reporting every wrong, missing and unknown key.
///
/// A reader may overlay several mappings: the first that has a key gives its value. That is how the joints of
/// a calibration share `defaults`, and why an error names the line the value really came from.
///
/// Reads return nil after reporting; callers go on with a stand-in value, which never leaves the file's
/// initialiser because that throws when anything was reported.
final class MappingReader {
  private struct Layer {
    var entries: [YAMLNode.Entry]
    var mark: YAMLMark
    var path: String
  }
  let diagnostics: ConfigurationDiagnostics
  private let layers: [Layer]
  /// Place and path an error of the whole mapping is reported at.
  let mark: YAMLMark
  let path: String
  /// Whether a missing key is allowed, as in `defaults` read by itself.
  private let isPartial: Bool
  private var knownKeys: [String] = []
  private var foreignKeys: [String] = []

  private init(
    layers: [Layer], mark: YAMLMark, path: String, isPartial: Bool, _ diagnostics: ConfigurationDiagnostics
  ) {
    self.layers = layers
    self.mark = mark
    self.path = path
    self.isPartial = isPartial
    self.diagnostics = diagnostics
  }

  /// A value with the path that leads to it.
  typealias Value = (node: YAMLNode, path: String)

  /// A reader of `nodes`, earlier ones over later ones. Nodes that are no mapping are reported and
  /// left out; without any mapping at all the result is nil. What is missing is reported at `place`,
  /// if not at the first.
  convenience init?(
    _ nodes: [Value], at place: (mark: YAMLMark, path: String)? = nil, isPartial: Bool = false,
    _ diagnostics: ConfigurationDiagnostics
  ) {
    var layers: [Layer] = []
    for (node, path) in nodes {
      guard case .mapping(let entries) = node.content else {
        diagnostics.report(at: node.mark, keyPath: path, found: node.summary, expected: "a mapping")
        continue
      }
      layers.append(Layer(entries: entries, mark: node.mark, path: path))
    }
    guard let first = layers.first else { return nil }
    self.init(
      layers: layers, mark: place?.mark ?? first.mark, path: place?.path ?? first.path,
      isPartial: isPartial, diagnostics)
  }

  // MARK: Places

  private func find(_ key: String) -> (entry: YAMLNode.Entry, path: String)? {
    if !knownKeys.contains(key) { knownKeys.append(key) }
    for layer in layers {
      if let entry = layer.entries.first(where: { $0.key == key }) {
        return (entry, Self.join(layer.path, key))
      }
    }
    return nil
  }

  private static func join(_ path: String, _ key: String) -> String {
    path.isEmpty ? key : "\(path).\(key)"
  }

  /// Whether the key is there at all.
  func has(_ key: String) -> Bool { find(key) != nil }

  /// Reports an error of the value of `key` that a check between values found.
  func report(_ key: String, found: String, expected: String, suggestion: String? = nil) {
    guard let (entry, path) = find(key) else {
      diagnostics.report(
        at: mark, keyPath: Self.join(self.path, key), found: found, expected: expected, suggestion: suggestion
      )
      return
    }
    diagnostics.report(
      at: entry.value.mark, keyPath: path, found: found, expected: expected, suggestion: suggestion)
  }

  /// The value of a key that must be there.
  private func required(_ key: String, expected: String) -> Value? {
    if let (entry, path) = find(key) { return (entry.value, path) }
    if !isPartial {
      diagnostics.report(at: mark, keyPath: Self.join(path, key), found: "nothing", expected: expected)
    }
    return nil
  }

  private func refuse(_ value: Value, expected: String) {
    diagnostics.report(
      at: value.node.mark, keyPath: value.path, found: value.node.summary, expected: expected)
  }

  // MARK: Scalars

  func number(_ key: String, _ range: NumberRange) -> Double? {
    guard let value = required(key, expected: range.text) else { return nil }
    return number(value, range)
  }

  private func number(_ value: Value, _ range: NumberRange) -> Double? {
    guard case .scalar(let text, plain: true) = value.node.content, let number = Self.number(text),
      number.isFinite, range.contains(number)
    else {
      refuse(value, expected: range.text)
      return nil
    }
    return number
  }

  /// Decimal numbers only. Swift would also read hexadecimal floats and words such as `nan`.
  private static func number(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }) else { return nil }
    return Double(text)
  }

  func integer(_ key: String, in range: ClosedRange<Int>, hexadecimal: Bool = false) -> Int? {
    func text(_ value: Int) -> String { hexadecimal ? "0x" + String(value, radix: 16) : String(value) }
    let expected = "an integer from \(text(range.lowerBound)) to \(text(range.upperBound))"
    guard let value = required(key, expected: expected) else { return nil }
    guard case .scalar(let text, plain: true) = value.node.content, let integer = Self.integer(text),
      range.contains(integer)
    else {
      refuse(value, expected: expected)
      return nil
    }
    return integer
  }

  /// Decimal, or hexadecimal after `0x`, as bus addresses are written.
  private static func integer(_ text: String) -> Int? {
    if text.hasPrefix("0x") {
      let digits = text.dropFirst(2)
      guard let first = digits.first, first.isHexDigit else { return nil }
      return Int(digits, radix: 16)
    }
    return Int(text)
  }

  func boolean(_ key: String, default standard: Bool? = nil) -> Bool? {
    if let standard, find(key) == nil { return standard }
    guard let value = required(key, expected: "true or false") else { return nil }
    switch value.node.content {
    case .scalar("true", plain: true): return true
    case .scalar("false", plain: true): return false
    default:
      refuse(value, expected: "true or false")
      return nil
    }
  }

  // MARK: Words

  /// Names are file-system, topic and column safe: they appear in MQTT topics and in recorded tables.
  static let maximumNameLength = 64
  static let nameText = "a name of 1 to \(maximumNameLength) letters, digits, _ or -"

  static func isName(_ text: String) -> Bool {
    (1...maximumNameLength).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
          || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
          || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "_")
          || $0 == UInt8(ascii: "-")
      }
  }

  func name(_ key: String) -> String? {
    guard let value = required(key, expected: Self.nameText) else { return nil }
    // A plain null is YAML's word for nothing; in quotes it is a name.
    guard case .scalar(let text, let plain) = value.node.content, Self.isName(text),
      !(plain && text.lowercased() == "null")
    else {
      refuse(value, expected: Self.nameText)
      return nil
    }
    return text
  }

  /// Free text of at most `maximumTextLength` bytes, such as a device's identity; empty when left out.
  func text(_ key: String, required isRequired: Bool) -> String? {
    let expected = "text of \(isRequired ? 1 : 0) to \(Self.maximumTextLength) bytes"
    if !isRequired, find(key) == nil { return "" }
    guard let value = required(key, expected: expected) else { return nil }
    guard case .scalar(let text, _) = value.node.content, text.utf8.count <= Self.maximumTextLength,
      !(isRequired && text.isEmpty)
    else {
      refuse(value, expected: expected)
      return nil
    }
    return text
  }

  /// PATH_MAX is 4096, but identities (a device-tree path, a chip label) stay far below this.
  private static let maximumTextLength = 256

  /// One word of a closed set.
  func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ key: String, default standard: Choice? = nil
  ) -> Choice? {
    if let standard, find(key) == nil { return standard }
    let words = Choice.allCases.map(\.rawValue)
    let expected = words.count == 1 ? words[0] : "one of " + words.joined(separator: ", ")
    guard let value = required(key, expected: expected) else { return nil }
    guard case .scalar(let text, _) = value.node.content, let choice = Choice(rawValue: text) else {
      refuse(value, expected: expected, among: words)
      return nil
    }
    return choice
  }

  /// The index of the entry that the value of `key` names. `names` has nil where an entry's own name was
  /// wrong; `kind` comes with its article.
  func reference(_ key: String, to names: [String?], kind: String) -> Int? {
    let expected = "the name of \(kind)"
    guard let value = required(key, expected: expected) else { return nil }
    guard case .scalar(let text, _) = value.node.content, let index = names.firstIndex(of: text) else {
      refuse(value, expected: expected, among: names.compactMap(\.self))
      return nil
    }
    return index
  }

  private func refuse(_ value: Value, expected: String, among words: [String]) {
    var suggestion: String?
    if case .scalar(let text, _) = value.node.content {
      suggestion = Suggestion.nearest(to: text, among: words)
    }
    diagnostics.report(
      at: value.node.mark, keyPath: value.path, found: value.node.summary, expected: expected,
      suggestion: suggestion)
  }

  // MARK: Nested values

  /// The mapping under `key`, overlaid in the same order as this reader's own.
  func section(_ key: String) -> MappingReader? {
    guard required(key, expected: "a mapping") != nil else { return nil }
    let nodes = layers.compactMap { layer in
      layer.entries.first { $0.key == key }.map { (node: $0.value, path: Self.join(layer.path, key)) }
    }
    // A missing section is reported in this reader's own mapping, even where only a lower layer has it.
    let own = layers.first.flatMap { layer in
      layer.path == path ? layer.entries.first { $0.key == key } : nil
    }
    let place = (mark: own?.value.mark ?? mark, path: Self.join(path, key))
    return MappingReader(nodes, at: place, isPartial: isPartial, diagnostics)
  }

  /// The value of an optional key, unread.
  func node(_ key: String) -> Value? {
    find(key).map { ($0.entry.value, $0.path) }
  }

  /// The value of a key that must be there, unread.
  func requiredNode(_ key: String, expected: String) -> Value? {
    required(key, expected: expected)
  }

  /// One reader an item of the list under `key`, which may be left out when `lowest` is 0.
  func list(_ key: String, count range: ClosedRange<Int>) -> [MappingReader] {
    if range.lowerBound == 0, find(key) == nil { return [] }
    let expected = "a list of \(range.lowerBound) to \(range.upperBound)"
    guard let value = required(key, expected: expected) else { return [] }
    guard case .sequence(let items) = value.node.content, range.contains(items.count) else {
      refuse(value, expected: expected)
      return []
    }
    return items.enumerated().compactMap { index, item in
      MappingReader([(item, "\(value.path)[\(index)]")], diagnostics)
    }
  }

  /// The numbers of the list under `key`, each with a function that reports it.
  func numbers(_ key: String, count: Int, _ range: NumberRange) -> [Double]? {
    let expected = "a list of \(count) numbers"
    guard let value = required(key, expected: expected) else { return nil }
    guard case .sequence(let items) = value.node.content, items.count == count else {
      refuse(value, expected: expected)
      return nil
    }
    let numbers = items.enumerated().map { number(($0.element, "\(value.path)[\($0.offset)]"), range) }
    return numbers.contains(nil) ? nil : numbers.compactMap(\.self)
  }

  /// The numbers of the square matrix under `key`, a list of rows, row by row.
  func matrix(_ key: String, count: Int, _ range: NumberRange) -> [Double]? {
    let expected = "\(count) rows of \(count) numbers"
    guard let value = required(key, expected: expected) else { return nil }
    guard case .sequence(let rows) = value.node.content, rows.count == count else {
      refuse(value, expected: expected)
      return nil
    }
    var numbers: [Double?] = []
    for (i, row) in rows.enumerated() {
      let path = "\(value.path)[\(i)]"
      guard case .sequence(let items) = row.content, items.count == count else {
        refuse((row, path), expected: "a row of \(count) numbers")
        return nil
      }
      numbers += items.enumerated().map { number(($0.element, "\(path)[\($0.offset)]"), range) }
    }
    return numbers.contains(nil) ? nil : numbers.compactMap(\.self)
  }

  /// The keys of a mapping whose keys are names chosen by the user, in the file's order.
  var keys: [String] { layers.first?.entries.map(\.key) ?? [] }

  /// Reports the item `index` of the list under `key`.
  func report(_ key: String, item index: Int, found: String, expected: String) {
    guard let (entry, path) = find(key), case .sequence(let items) = entry.value.content,
      items.indices.contains(index)
    else { return }
    diagnostics.report(
      at: items[index].mark, keyPath: "\(path)[\(index)]", found: found, expected: expected)
  }

  /// Ignores keys of another kind of entry in lower layers, which serve entries of all kinds. In the mapping
  /// itself such a key is an error that says what is expected instead.
  func pass(over keys: String..., expecting expected: String) {
    foreignKeys += keys
    for layer in layers where layer.path == path {
      for entry in layer.entries where keys.contains(entry.key) {
        diagnostics.report(
          at: entry.keyMark, keyPath: Self.join(path, entry.key), found: "a key of another kind of joint",
          expected: expected)
      }
    }
  }

  /// Reports every key that was never asked for. Call when all keys have been read. `hint` is for those who
  /// wonder why a key is unknown.
  func finish(kindOfKey kind: String = "key", hint: String? = nil) {
    for layer in layers {
      for entry in layer.entries where !knownKeys.contains(entry.key) && !foreignKeys.contains(entry.key) {
        diagnostics.report(
          at: entry.keyMark, keyPath: Self.join(layer.path, entry.key), found: "an unknown \(kind)",
          expected: (knownKeys.isEmpty ? "none" : "one of \(knownKeys.joined(separator: ", "))")
            + (hint.map { "; \($0)" } ?? ""),
          suggestion: Suggestion.nearest(to: entry.key, among: knownKeys))
      }
    }
  }
}
