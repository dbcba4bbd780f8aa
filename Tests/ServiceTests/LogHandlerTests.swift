import Foundation
import HandModel
import Logging
import Realtime
import Testing

@testable import Control
@testable import Service
@testable import motorhandd

@Suite("Messages through swift-log")
struct LogHandlerTests {
  private static let levels: [(level: Logger.Level, priority: Int)] = [
    (.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4), (.error, 3), (.critical, 2),
  ]

  /// The fields of the next message.
  private func fields(_ receiver: DatagramReceiver) throws -> [String: String] {
    let text = try #require(receiver.text())
    let pairs = text.split(separator: "\n").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
    return Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") })
  }

  @Test("every level has its priority of syslog, and what is below the handler's level is not sent")
  func priorities() throws {
    #expect(Self.levels.map(\.level) == Logger.Level.allCases)
    let name = abstractName()
    let receiver = try DatagramReceiver(name)
    var handler = JournalLogHandler(MessageSink(program: "p", journal: Journal(socketPath: name)))
    handler.logLevel = .trace
    let all = Logger(label: "all") { [handler] _ in handler }
    for (level, priority) in Self.levels {
      all.log(level: level, "text")
      let fields = try fields(receiver)
      #expect(fields == ["MESSAGE": "text", "PRIORITY": "\(priority)", "SYSLOG_IDENTIFIER": "p"])
    }
    handler.logLevel = .info
    let usual = Logger(label: "usual") { [handler] _ in handler }
    usual.debug("unseen")
    #expect(receiver.text() == nil)
  }

  @Test("metadata become fields, a message's own before the handler's, with names that the journal takes")
  func metadata() throws {
    let name = abstractName()
    let receiver = try DatagramReceiver(name)
    let sink = MessageSink(program: "p", journal: Journal(socketPath: name))
    let handler = JournalLogHandler(sink, metadata: ["HAND_ID": "h", "JOINT": "none"])
    let logger = Logger(label: "l") { _ in handler }
    logger.notice("n", metadata: ["JOINT": "thumb", "run-id": "r", "7th": "x", "ä": "y"])
    let found = try fields(receiver)
    #expect(found["HAND_ID"] == "h" && found["JOINT"] == "thumb" && found["RUN_ID"] == "r")
    #expect(found["F7TH"] == "x" && found["F_"] == "y")
  }

  @Test("a fault's message has its id, priority, tick, code, fault id and joint, as always")
  func fault() throws {
    let name = abstractName()
    let receiver = try DatagramReceiver(name)
    let log = DaemonLog(
      handID: "m7", sink: MessageSink(program: "motorhandd", journal: Journal(socketPath: name)))
    log.report(
      "fault: stale sensor", .staleSensor,
      tick: .init(runID: "r1", sequence: 42, fault: .staleSensor, joint: "index-distal"))
    #expect(
      try fields(receiver) == [
        "MESSAGE": "fault: stale sensor", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "motorhandd",
        "HAND_ID": "m7", "MESSAGE_ID": JournalMessage.staleSensor.rawValue, "RUN_SEQ": "r1/42",
        "FAULT_CODE": "\(FaultCode.staleSensor.rawValue)", "FAULT_ID": FaultCode.staleSensor.id,
        "JOINT": "index-distal",
      ])
    log.report("plain", priority: .warning)
    #expect(
      try fields(receiver) == [
        "MESSAGE": "plain", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "motorhandd", "HAND_ID": "m7",
      ])
    log.logger("Telemetry").warning("refused")
    let module = try fields(receiver)
    #expect(module["MODULE"] == "Telemetry" && module["HAND_ID"] == "m7" && module["PRIORITY"] == "4")
  }

  @Test("what the journal does not take goes out as a line, and what nobody takes is counted")
  func fallBack() throws {
    var ends: [Int32] = [-1, -1]
    try #require(pipe(&ends) == 0)
    let sink = MessageSink(
      program: "p", journal: Journal(socketPath: abstractName()), output: MessageOutput(ends[1]))
    let logger = Logger(label: "l") { _ in JournalLogHandler(sink) }
    logger.error("lost to the journal")
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(ends[0], &bytes, bytes.count)
    #expect(String(decoding: bytes[..<max(0, count)], as: UTF8.self) == "p: lost to the journal\n")
    #expect(sink.journalFailures == 1 && sink.unwritten == 0)
    close(ends[0])
    signal(SIGPIPE, SIG_IGN)
    logger.error("lost to both")
    #expect(sink.journalFailures == 2 && sink.unwritten == 1)
    close(ends[1])
  }
}
