import Foundation
import HandModel
import HandRigs
import Testing

@testable import Wire

@Suite("The AsyncAPI document")
struct AsyncAPITests {
  private static let docs = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "docs")

  @Test("docs/asyncapi.yaml and docs/schemas are what `motorhand asyncapi --into docs` writes")
  func files() throws {
    let files = AsyncAPIDocument.files
    for file in files {
      let text = try? String(contentsOf: Self.docs.appending(path: file.path), encoding: .utf8)
      #expect(text == file.text, "docs/\(file.path): print it again")
    }
    let folder = Self.docs.appending(path: "schemas").path
    #expect(
      Set(try FileManager.default.contentsOfDirectory(atPath: folder).map { "schemas/\($0)" })
        == Set(files.map(\.path)).subtracting(["asyncapi.yaml"]))
  }

  @Test("every topic of a hand is in the document, and in the table of docs/telemetry.md")
  func topics() throws {
    let addresses = AsyncAPIDocument.topics.map(\.address)
    #expect(Set(addresses).count == addresses.count)
    let text = try String(contentsOf: Self.docs.appending(path: "telemetry.md"), encoding: .utf8)
    for address in addresses {
      // One row stands for all verbs.
      let row = address.replacing(/\/cmd\/(?!probe).*/) { _ in "/cmd/{verb}" }
        .replacing("{metric}", with: "current-{joint}")
      #expect(text.contains("`\(row)`"), "\(row)")
    }
  }

  @Test("the schema of a command names the fields that the parser knows of its verb, and no others")
  func commands() throws {
    let parser = CommandParser(board: Fixtures.board(), calibration: Fixtures.calibration())
    var names: [CommandParser.Verb: Set<String>] = [:]
    for verb in CommandParser.Verb.allCases { names[verb] = try properties(MessageSchemas.command(verb)) }
    let all = names.values.reduce(into: Set<String>()) { $0.formUnion($1) }.union(["colour"])
    #expect(try properties(MessageSchemas.agpCommand) == all.subtracting(["colour"]))
    for verb in CommandParser.Verb.allCases where verb != .stop {
      let known = try #require(names[verb])
      for name in all {
        // What is needed before a field is asked for, so that it is the only thing to be wrong.
        var body: [String: Any] = [:]
        if verb == .move { body = ["joint": "index-proximal", "radians": 0.1] }
        if verb == .pose || verb == .stream { body["pose"] = "open" }
        if body[name] == nil { body[name] = NSNull() }
        let bytes = Array(try JSONSerialization.data(withJSONObject: body))
        let isUnknown =
          if case .failure(let why) = parser.parse(bytes, verb: verb.rawValue, now: 0) {
            why.reason.contains("unknown field")
          } else { false }
        #expect(isUnknown == !known.contains(name), "\(verb) \(name)")
      }
    }
  }

  private func properties(_ schema: JSONValue) throws -> Set<String> {
    let object = try json(Array(schema.jsonText().utf8))
    return Set(try #require(object["properties"] as? [String: Any]).keys)
  }

  @Test("a text that YAML would take for something else is quoted")
  func yaml() {
    let value: JSONValue = [
      "plain": "a word", "number": "1.0", "colon": "a: b", "yes": "no", "empty": "",
      "list": [1, ["x": true], []],
      "none": .null,
    ]
    #expect(
      value.yamlText() == """
        plain: a word
        number: "1.0"
        colon: "a: b"
        "yes": "no"
        empty: ""
        list:
          - 1
          - x: true
          - []
        none: null

        """)
  }
}
