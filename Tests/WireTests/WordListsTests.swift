import Foundation
import HandModel
import HandRigs
import Testing

@testable import Wire

@Suite("Words")
struct WordListsTests {
  @Test("docs/words.md is what `motorhand words --markdown` prints")
  func document() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "docs/words.md")
    #expect(try String(contentsOf: file, encoding: .utf8) == WordLists.document)
  }

  @Test("ids of faults, states and refusals are kebab-case, each its own, and lead back to their value")
  func ids() {
    check(HandState.self)
    check(FaultCode.self)
    check(CommandResult.self)
    check(TickCommand.Kind.self)
    for mode in ControlMode.allCases { #expect(ControlMode(id: mode.id) == mode) }
    for state in CertificateState.allCases { #expect(CertificateState(id: state.id) == state) }
    #expect(FaultCode(id: "motor overload (I²t)") == nil)
    #expect(FaultCode.none.idOrNil == nil && FaultCode.overload.idOrNil == "motor-overload")
  }

  private func check<Value: InterfaceWord & Equatable>(_ type: Value.Type) {
    #expect(Set(Value.allCases.map(\.id)).count == Value.allCases.count)
    for value in Value.allCases {
      #expect(value.id.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil, "\(value.id)")
      #expect(Value(id: value.id) == value)
    }
  }

  @Test("no list says a word twice, and each bit is named, from 1 on without a hole")
  func lists() {
    for list in WordLists.lists {
      #expect(Set(list.entries.map(\.word)).count == list.entries.count, "\(list.title)")
      #expect(list.entries.allSatisfy { !$0.meaning.isEmpty && !$0.meaning.contains("|") }, "\(list.title)")
    }
    #expect(WordLists.jointFlags.map(\.bit) == (0..<WordLists.jointFlags.count).map { 1 << UInt8($0) })
    #expect(WordLists.inputFlags.map(\.bit) == (0..<WordLists.inputFlags.count).map { 1 << UInt16($0) })
  }

  @Test("a reply's word is that of its list")
  func replies() {
    let replies: [CommandReply] = [.executed, .refused(reason: ""), .unconfirmed(reason: "")]
    #expect(replies.map(\.word) == ReplyMessage.Word.allCases.map(\.rawValue))
  }
}
