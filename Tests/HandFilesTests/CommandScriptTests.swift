import Foundation
import HandModel
import Testing

@testable import HandFiles
@testable import Wire

@Suite("Command scripts")
struct CommandScriptTests {
  private func script(_ text: String) throws -> CommandScript {
    let parser = CommandParser(board: try ShippedFiles.board(), calibration: try ShippedFiles.calibration())
    return try CommandScript(jsonLines: text, file: "test.jsonl", parser: parser)
  }

  @Test("the shipped script arms and goes twice through all grasps in 25 s")
  func shipped() throws {
    let script = try script(ShippedFiles.text("Scripts/grasps.jsonl"))
    #expect(script.entries.first == ScriptedCommand(atNanoseconds: 200_000_000, command: .arm))
    #expect(script.entries.count == 13)
    let poses = try ShippedFiles.calibration().poses
    let names = script.entries.dropFirst().map { entry -> String in
      guard case .pose(let radians, _?) = entry.command else { return "" }
      return poses.first { $0.radians == radians }?.name ?? ""
    }
    let round = ["open", "power", "precision", "pointing", "open", "rest"]
    #expect(names == round + round)
    #expect((20_000_000_000...25_000_000_000).contains(script.entries.last?.atNanoseconds ?? 0))
  }

  @Test("every wrong line is reported at once with its number")
  func errors() throws {
    let text = """
      {"at": 1, "verb": "arm"}

      {"verb": "arm"}
      {"at": 2, "verb": "pose", "pose": "fist"}
      {"at": 0.5, "verb": "stop"}
      {"at": -1, "verb": "stop"}
      {"at": 3, "verb": "arm", "expiry": 5}
      nonsense
      """
    do {
      _ = try script(text)
      Issue.record("a script of mistakes was accepted")
    } catch let error as ConfigurationErrors {
      #expect(error.errors.map(\.line) == [3, 4, 5, 6, 7, 8])
      #expect(
        error.description.hasPrefix("test.jsonl:3:1: found no \"at\", expected a command with its time\n"))
      #expect(error.errors[2].keyPath == "at" && error.errors[2].expected == "times in order")
    }
    #expect(throws: ConfigurationErrors.self) { try script("\n\n") }
  }

  @Test("of many wrong lines the first are shown, and how many more there are")
  func manyErrors() throws {
    let wrong = (1...1000).map { "{\"at\": \($0), \"verb\": \"pose\", \"pose\": \"fist\"}" }
    do {
      _ = try script((["{\"at\": 0, \"verb\": \"arm\"}"] + wrong).joined(separator: "\n"))
      Issue.record("a script of mistakes was accepted")
    } catch let error as ConfigurationErrors {
      let lines = error.description.split(separator: "\n")
      #expect(lines.count == ConfigurationErrors.shownErrors + 1 && lines.last == "… and 980 more errors")
    }
  }
}

@Suite("JSON")
struct JSONTests {
  @Test("numbers keep their text, and text its characters")
  func values() throws {
    #expect(
      try JSONValue(parsing: Array(#" {"a":[1,-0.5e+3,true,null],"b":"\u00e9\ud83d\ude00\/\"\\"} "#.utf8))
        == .object([
          .init(key: "a", value: .array([.number("1"), .number("-0.5e+3"), .boolean(true), .null])),
          .init(key: "b", value: .string("é😀/\"\\")),
        ]))
  }

  // RFC 8259: leading zeros, bare words, trailing commas, lone surrogates and control characters are no JSON.
  @Test(
    "what RFC 8259 does not allow is refused",
    arguments: [
      "01", "1.", ".5", "+1", "nan", "tru", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "\"\\ud800\"",
      "\"\\ud800\\u0041\"", "\"\\x\"", "\"\u{1}\"", "\"", "1 2", "", "-", "1e", "\"\\u12\"",
    ])
  func refused(_ text: String) {
    #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: Array(text.utf8)) }
  }

  @Test("text is escaped so that it reads back")
  func quoted() throws {
    let text = "a\"\\\n\r\t\u{1}é😀"
    #expect(JSON.quoted("a\"\u{1}") == "\"a\\\"\\u0001\"")
    #expect(try JSONValue(parsing: Array(JSON.quoted(text).utf8)) == .string(text))
  }
}

@Suite("Replies")
struct CommandReplyTests {
  @Test("a reply says what became of its command")
  func reply() {
    #expect(CommandReply.executed.replyJSON(id: "1") == #"{"id":"1","result":"executed"}"#)
    #expect(
      CommandReply.refused(reason: "a\"b").replyJSON(id: "")
        == #"{"id":"","result":"refused","reason":"a\"b"}"#)
  }
}
