import Foundation
import HandModel
import Testing

@testable import Control
@testable import Service
@testable import motorhandd

@Suite("Journal")
struct JournalTests {
  @Test("fields are lines; a value of several lines comes with its length as 64 bits little-endian")
  func encoding() {
    // The example is that of systemd's "Native Journal Protocol": name, newline, length, bytes, newline.
    let bytes = Journal.encode([(name: "PRIORITY", value: "3"), (name: "MESSAGE", value: "a\nbc")])
    #expect(bytes == Array("PRIORITY=3\nMESSAGE\n".utf8) + [4, 0, 0, 0, 0, 0, 0, 0] + Array("a\nbc\n".utf8))
  }

  @Test("a message arrives; one that nobody takes is counted")
  func sending() throws {
    let name = abstractName()
    let journal = try #require(Journal(socketPath: name))
    #expect(!journal.send([(name: "MESSAGE", value: "lost")]))
    #expect(journal.failures == 1)
    let receiver = try DatagramReceiver(name)
    #expect(journal.send([(name: "MESSAGE", value: "seen")]))
    #expect(receiver.text() == "MESSAGE=seen\n")
    #expect(journal.failures == 1)
  }

  @Test("the journal is used only when standard error goes there")
  func onlyUnderSystemd() {
    var status = stat()
    fstat(STDERR_FILENO, &status)
    func journal(_ stream: String?) -> Journal? {
      Journal.ofStandardError(
        environment: { $0 == "JOURNAL_STREAM" ? stream : nil }, socketPath: abstractName())
    }
    #expect(journal("\(status.st_dev):\(status.st_ino)") != nil)
    #expect(journal("\(status.st_dev):\(status.st_ino + 1)") == nil)
    #expect(journal(nil) == nil)
  }

  /// Texts of the catalogue by id; the format is that of systemd.catalog(7).
  private func catalogue() throws -> [String: String] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "systemd/motorhand.catalog"), encoding: .utf8)
    var entries: [String: String] = [:]
    for part in ("\n" + text).components(separatedBy: "\n-- ").dropFirst() {
      let id = String(part.prefix { $0 != "\n" })
      #expect(entries[id] == nil, "\(id) has two entries")
      entries[id] = String(part.dropFirst(id.count + 1))
    }
    return entries
  }

  @Test("the catalogue explains every message, and nothing else")
  func catalogueIsComplete() throws {
    let entries = try catalogue()
    for message in JournalMessage.allCases {
      let entry = try #require(entries[message.rawValue], "\(message) has no entry")
      #expect(entry.hasPrefix("Subject: "), "\(message)")
      let parts = entry.components(separatedBy: "\n\n")
      #expect(parts.count >= 2 && !parts[1].isEmpty, "\(message) has no text")
    }
    #expect(Set(entries.keys) == Set(JournalMessage.allCases.map(\.rawValue)))
  }

  @Test("ids are 128 bits in hexadecimal, and each fault has its own message")
  func ids() {
    for message in JournalMessage.allCases {
      #expect(message.rawValue.wholeMatch(of: /[0-9a-f]{32}/) != nil, "\(message)")
    }
    let faults = FaultCode.allCases.filter { $0 != .none }
    #expect(Set(faults.compactMap { JournalMessage($0) }).count == faults.count)
    #expect(JournalMessage(FaultCode.none) == nil)
  }
}
