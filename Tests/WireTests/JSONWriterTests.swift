import Foundation
import HandModel
import Testing

@testable import Wire

@Suite("JSON writer")
struct JSONWriterTests {
  private func parsed(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test("members escape quotes, backslashes and control characters, and have no NaN")
  func members() throws {
    let text = "a\"b\\c\n\r\t\u{1}é😀"
    let json = JSONWriter.text { json in
      json.object {
        $0.member(text, text)
        $0.member("number", Double.nan)
        $0.member("whole", -7)
        $0.member("largest", UInt64.max)
        $0.member("yes", true)
        $0.key("list")
        $0.array([-1, 2]) { $0.integer($1) }
        $0.member("empty") { _ in }
      }
    }
    let parsed = try parsed(json)
    #expect(parsed[text] as? String == text)
    #expect(parsed["number"] is NSNull)
    #expect(parsed["whole"] as? Int == -7)
    #expect(parsed["largest"] as? Int64 == .max)
    #expect(parsed["yes"] as? Bool == true)
    #expect(parsed["list"] as? [Int] == [-1, 2])
    #expect((parsed["empty"] as? [String: Any])?.isEmpty == true)
  }

  @Test("a reply is the line that docs/control-socket.md shows")
  func reply() throws {
    #expect(CommandReply.executed.replyJSON(id: "7") == #"{"id":"7","result":"executed"}"#)
    #expect(
      CommandReply.refused(reason: "no \"x\"").replyJSON(id: "")
        == #"{"id":"","result":"refused","reason":"no \"x\""}"#)
  }
}
