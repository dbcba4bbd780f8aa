import Yams

/// Where something stands in a file, both from 1; columns count Unicode scalars.
struct YAMLMark: Equatable {
  var line: Int
  var column: Int
  static let start = YAMLMark(line: 1, column: 1)
}

/// A YAML value with its place. A tree of values only: anchors and aliases are refused before it is built.
struct YAMLNode {
  enum Content {
    /// `plain` is false for quoted and block text, which never is a number or a Boolean.
    case scalar(String, plain: Bool)
    case sequence([YAMLNode])
    case mapping([Entry])
  }
  struct Entry {
    var key: String
    var keyMark: YAMLMark
    var value: YAMLNode
  }
  var content: Content
  var mark: YAMLMark

  /// Whether a key has nothing after its colon.
  var isEmpty: Bool {
    if case .scalar("", plain: true) = content { return true }
    return false
  }

  /// What a reader of an error would call this value.
  var summary: String {
    switch content {
    case .scalar("", plain: true): "nothing"
    case .scalar(let text, plain: true): text.shortened
    case .scalar(let text, plain: false): "the text \"\(text.shortened)\""
    case .sequence(let items): items.isEmpty ? "an empty list" : "a list of \(items.count)"
    case .mapping: "a mapping"
    }
  }
}

/// Composes one YAML document into `YAMLNode`s, reporting what cannot be composed.
enum YAMLDocument {
  /// A board of `maximumJoints` joints takes under 20 KiB with comments; the rest is room. The limit bounds
  /// the time and memory a hostile or mistaken file can take.
  static let maximumBytes = 128 * 1024
  /// Our files nest five deep. The limit bounds every recursion over nodes.
  static let maximumDepth = 16
  /// Duplicated keys up to which the rest of the file is read too. Each costs the time of composing it again.
  static let maximumDuplicates = 8

  /// The document's root, or nil after reporting why there is none.
  static func compose(_ yaml: String, _ diagnostics: ConfigurationDiagnostics) -> YAMLNode? {
    guard yaml.utf8.count <= maximumBytes else {
      diagnostics.report(
        at: .start, keyPath: "", found: "\(yaml.utf8.count) bytes", expected: "at most \(maximumBytes) bytes")
      return nil
    }
    guard isFreeOfAnchors(yaml, diagnostics) else { return nil }
    var text = yaml
    var duplicateCount = 0
    while true {
      do {
        // All scalars are text here: the readers know what they expect. Resolving them took a third of the
        // time. The encoding is given because Yams would look for it in the environment.
        guard let root = try Yams.compose(yaml: text, .basic, .default, .utf8) else {
          diagnostics.report(at: .start, keyPath: "", found: "an empty file", expected: "a mapping")
          return nil
        }
        return node(from: root, path: "", diagnostics)
      } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
        // The composer stops at a duplicated key. Renaming it in place lets the rest of the file be read
        // too; `node(from:)` recognises the renamed key and reports it with its twin.
        let isPatient = duplicateCount < maximumDuplicates
        guard isPatient, let renamed = renaming(duplicates, in: text, at: context.mark) else {
          diagnostics.report(
            at: YAMLMark(line: max(1, context.mark.line), column: max(1, context.mark.column)), keyPath: "",
            found: "the key \(duplicates.map(\.shortened).joined(separator: ", ")) more than once",
            expected: "each key once")
          return nil
        }
        text = renamed
        duplicateCount += 1
      } catch {
        report(error, in: yaml, diagnostics)
        return nil
      }
    }
  }

  /// Refuses anchors by looking at the characters, before the composer sees them. An anchor is an `&` that
  /// starts a word; without anchors an alias cannot resolve, so aliases that multiply ("billion laughs")
  /// cannot exist. Comments are searched as well, because only a full scanner could tell a comment from text
  /// with a `#`; a lone `&` is always allowed. (Nesting before `node(from:)` looks is bounded by libyaml's
  /// limit of 1000 levels.)
  private static func isFreeOfAnchors(_ yaml: String, _ diagnostics: ConfigurationDiagnostics) -> Bool {
    var mark = YAMLMark.start
    var previous: Unicode.Scalar = "\n"
    var ampersand: YAMLMark?
    for scalar in yaml.unicodeScalars {
      if let place = ampersand, !scalar.properties.isWhitespace {
        diagnostics.report(
          at: place, keyPath: "", found: "an anchor (&)",
          expected: "a file without anchors and aliases: values shared by joints belong in defaults")
        return false
      }
      ampersand = scalar == "&" && !isWordScalar(previous) ? mark : nil
      if scalar == "\n" {
        mark = YAMLMark(line: mark.line + 1, column: 1)
      } else {
        mark.column += 1
      }
      previous = scalar
    }
    return true
  }

  private static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
  }

  // MARK: Duplicated keys

  /// The private-use scalars that mark renamed keys; no key of ours holds one.
  private static let privateScalars: ClosedRange<UInt32> = 0xE000...0xF8FF

  /// The text with a private-use scalar over the first letter of the duplicated key at `mark`. Nothing moves,
  /// so all later marks stay true. Nil where none of `keys` stands there: libyaml knows more line breaks than
  /// this function, and a key may start with something that is not a letter.
  private static func renaming(_ keys: [String], in text: String, at mark: Mark) -> String? {
    var scalars = Array(text.unicodeScalars)
    var index = 0
    var line = 1
    while line < mark.line, index < scalars.count {
      if scalars[index] == "\n" { line += 1 }
      index += 1
    }
    index += mark.column - 1
    guard mark.line >= 1, mark.column >= 1, index < scalars.count else { return nil }
    if scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
    guard index < scalars.count, scalars[index].isASCII, isWordScalar(scalars[index]),
      keys.contains(where: { scalars[index...].starts(with: $0.unicodeScalars) })
    else { return nil }
    // ASCII maps one to one into a block of 0x80 private scalars, so the original can be told from its
    // replacement; a further twin of the same key gets another block.
    var replacement = privateScalars.lowerBound + scalars[index].value
    while scalars.contains(where: { $0.value == replacement }) {
      replacement += 0x80
      guard privateScalars.contains(replacement) else { return nil }
    }
    guard let scalar = Unicode.Scalar(replacement) else { return nil }
    scalars[index] = scalar
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }

  /// The key as written in the file.
  private static func restored(_ key: String) -> String {
    guard let first = key.unicodeScalars.first, privateScalars.contains(first.value),
      let original = Unicode.Scalar((first.value - privateScalars.lowerBound) % 0x80)
    else { return key }
    var view = String.UnicodeScalarView()
    view.append(original)
    view.append(contentsOf: key.unicodeScalars.dropFirst())
    return String(view)
  }

  // MARK: Conversion

  private static func node(
    from node: Node, path: String, depth: Int = 0, _ diagnostics: ConfigurationDiagnostics
  ) -> YAMLNode {
    let mark = YAMLMark(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    guard depth < maximumDepth else {
      diagnostics.report(
        at: mark, keyPath: path, found: "values nested deeper than \(maximumDepth)",
        expected: "at most \(maximumDepth) levels")
      return YAMLNode(content: .scalar("", plain: true), mark: mark)
    }
    if isTagged(node) {
      diagnostics.report(at: mark, keyPath: path, found: "a tag (!)", expected: "a value without a tag")
    }
    switch node {
    case .scalar(let scalar):
      return YAMLNode(content: .scalar(scalar.string, plain: !scalar.style.isQuoted), mark: mark)
    case .sequence(let sequence):
      let items = sequence.enumerated().map { index, item in
        self.node(from: item, path: "\(path)[\(index)]", depth: depth + 1, diagnostics)
      }
      return YAMLNode(content: .sequence(items), mark: mark)
    case .mapping(let mapping):
      let entries = entries(of: mapping, path: path, depth: depth, diagnostics)
      return YAMLNode(content: .mapping(entries), mark: mark)
    case .alias:
      // Unreachable without anchors, but the composer's type has it.
      diagnostics.report(at: mark, keyPath: path, found: "an alias", expected: "a value")
      return YAMLNode(content: .scalar("", plain: true), mark: mark)
    }
  }

  /// Whether the file gives a value's type itself. Only the readers know the types. (libyaml
  /// ignores a lone `!`.)
  private static func isTagged(_ node: Node) -> Bool {
    // Read where it is stored: `Node.tag` would resolve it.
    switch node {
    // Quoted text comes with the tag of text.
    case .scalar(let scalar):
      scalar.tag.rawValue != "" && !(scalar.style.isQuoted && scalar.tag.rawValue == Tag.Name.str.rawValue)
    case .sequence(let sequence): sequence.tag.rawValue != ""
    case .mapping(let mapping): mapping.tag.rawValue != ""
    case .alias: false
    }
  }

  private static func entries(
    of mapping: Node.Mapping, path: String, depth: Int, _ diagnostics: ConfigurationDiagnostics
  ) -> [YAMLNode.Entry] {
    var entries: [YAMLNode.Entry] = []
    for (key, value) in mapping {
      let keyMark = YAMLMark(line: key.mark?.line ?? 1, column: key.mark?.column ?? 1)
      guard case .scalar(let scalar) = key else {
        diagnostics.report(
          at: keyMark, keyPath: path, found: "a list or mapping as a key", expected: "a word as a key")
        continue
      }
      // Comparing the keys has resolved untagged ones to text.
      guard ["", Tag.Name.str.rawValue].contains(scalar.tag.rawValue) else {
        diagnostics.report(
          at: keyMark, keyPath: path, found: "a tag (!)", expected: "a key without a tag")
        continue
      }
      let name = restored(scalar.string)
      let keyPath = path.isEmpty ? name : "\(path).\(name)"
      if let first = entries.first(where: { $0.key == name }) {
        diagnostics.report(
          at: keyMark, keyPath: keyPath, found: "the key again (first in line \(first.keyMark.line))",
          expected: "each key once")
        continue
      }
      let node = node(from: value, path: keyPath, depth: depth + 1, diagnostics)
      entries.append(YAMLNode.Entry(key: name, keyMark: keyMark, value: node))
    }
    return entries
  }

  // MARK: Syntax errors

  private static func report(_ error: any Error, in yaml: String, _ diagnostics: ConfigurationDiagnostics) {
    var mark = YAMLMark.start
    var problem = "\(error)"
    switch error as? YamlError {
    case .scanner(_, let text, let place, _), .parser(_, let text, let place, _),
      .composer(_, let text, let place, _):
      mark = YAMLMark(line: max(1, place.line), column: max(1, place.column))
      problem = text
    case .reader(let text, let offset, _, _):
      mark = place(ofCharacter: offset ?? 0, in: yaml)
      problem = text
    case .memory: problem = "nested too deeply, or out of memory"
    default: break
    }
    diagnostics.report(
      at: mark, keyPath: "", found: "a YAML error (\(problem.shortened))", expected: "valid YAML")
  }

  private static func place(ofCharacter offset: Int, in yaml: String) -> YAMLMark {
    var mark = YAMLMark.start
    for character in yaml.prefix(max(0, offset)) {
      if character.isNewline {
        mark = YAMLMark(line: mark.line + 1, column: 1)
      } else {
        mark.column += 1
      }
    }
    return mark
  }
}

extension Node.Scalar.Style {
  fileprivate var isQuoted: Bool { self != .plain && self != .any }
}
