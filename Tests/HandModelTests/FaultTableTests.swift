import Foundation
import HandModel
import Testing

@Suite("The table of faults")
struct FaultTableTests {
  @Test("docs/faults.md holds the table that the source prints (motorhand faults --table)")
  func document() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "docs/faults.md"), encoding: .utf8)
    #expect(text.contains("<!-- table -->\n\n" + FaultCode.markdownTable + "\n<!-- end of table -->"))
  }

  @Test("every fault has a row, and no cell breaks the table")
  func rows() {
    for code in FaultCode.allCases where code != .none {
      let row = code.description
      #expect(row != nil, "\(code)")
      for cell in [row?.detection, row?.latency, row?.falseAlarms, row?.reset] {
        #expect(cell?.contains("|") == false && cell?.isEmpty == false, "\(code): \(cell ?? "")")
      }
    }
  }
}
