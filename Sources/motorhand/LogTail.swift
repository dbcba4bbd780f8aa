import ArgumentParser
import Foundation
import HandModel
import Realtime
import Recording
import Wire

struct LogTail: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tail", abstract: "Follow what is recorded: each event as a line, as soon as it is stored.",
    discussion: """
      Goes on with the next start of the daemon, and says so, until Ctrl-C. The recorder is not held up: files are open \
      for moments only.
      Exit codes: 0 interrupted, or the reader of the output has seen enough; 2 there is no such directory.
      """)
  @Argument(help: "A data directory, or the directory of one start.", transform: nonEmpty)
  var data = "/var/lib/motorhand"
  @Option(
    name: [.customShort("n"), .long], help: "Events of before to begin with.", transform: LogTail.count)
  var lines = 10
  @Flag(help: "Once a second, too: the newest tick that was recorded, and how old it is.") var ticks = false
  @Flag(help: "Print each line as a JSON object; an event is one as over MQTT (docs/telemetry.md).")
  var json = false

  /// Between two looks: an event is seen as soon as somebody who watches could tell, and a look costs a
  /// millisecond.
  private static let lookMicroseconds: UInt32 = 200_000
  private static let tickNanoseconds: Int64 = 1_000_000_000

  private static func count(_ text: String) throws -> Int {
    guard let count = Int(text), count >= 0 else {
      throw ValidationError("found '\(text)', expected a number from 0")
    }
    return count
  }

  func run() throws {
    Interrupt.install()
    let tail = try opening { () throws(RecordingError) in try RecordingTail(path: data, firstEvents: lines) }
    var tickTrouble = ""
    var hasStart = false
    var nextTick = Int64.min
    while !Interrupt.isPending {
      for news in tail.next() {
        if case .start = news { hasStart = true }
        try show(news)
      }
      let now = MonotonicClock().now()
      if nextTick == .min, !hasStart { complain("\(data): no start is recorded here yet; waiting for one") }
      if now >= nextTick {
        nextTick = now + Self.tickNanoseconds
        if ticks { try showTick(tail, &tickTrouble) }
      }
      usleep(Self.lookMicroseconds)
    }
  }

  private func show(_ news: RecordingTail.News) throws {
    switch news {
    case .start(let runID, let path):
      if json {
        try show(StartLine(runID: runID, path: path))
      } else {
        try printAtOnce("-- start \(runID) (\(path))".printable)
      }
    case .event(let event, let runID):
      if json {
        let message = EventMessage(runID: runID, event: event)
        try printAtOnce(String(decoding: message.encoded(), as: UTF8.self).printable)
      } else {
        let tick = event.sequence.map { "tick \($0)" } ?? ""
        let joint = event.joint.map { " (\($0))" } ?? ""
        try printAtOnce(
          [
            Self.date(event.wallNanoseconds), tick.padded(12), event.kind.rawValue.padded(17),
            event.text + joint,
          ]
          .joined(separator: "  ").onOneLine.printable)
      }
    case .trouble(let error): complain(error)
    }
  }

  private func showTick(_ tail: RecordingTail, _ trouble: inout String) throws {
    let tick: RecordingTail.Tick?
    do throws(RecordingError) { tick = try tail.newestTick() } catch {
      if trouble != error.description { complain(error) }
      trouble = error.description
      return
    }
    trouble = ""
    guard let tick else { return }
    let line = TickLine(tick)
    if json { try show(line) } else { try printAtOnce(line.text) }
  }

  private func show(_ line: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try printAtOnce(String(decoding: try encoder.encode(line), as: UTF8.self))
  }

  /// UTC to the millisecond.
  fileprivate static func date(_ wallNanoseconds: Int64) -> String {
    Date(timeIntervalSince1970: Double(wallNanoseconds) / 1e9)
      .formatted(
        .iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .omitted))
  }
}

/// What `--json` prints of a start.
private struct StartLine: Encodable {
  var schema = "motorhand.tail.start/1"
  var runID: String
  var path: String

  enum CodingKeys: String, CodingKey {
    case schema, path
    case runID = "run_id"
  }
}

/// What `--ticks` prints. Numbers beyond 2⁵³ are text, as in the messages of docs/telemetry.md.
private struct TickLine: Encodable {
  private static let schema = "motorhand.tail.tick/1"

  private let tick: RecordingTail.Tick
  /// How long ago it was by the wall clock, s.
  private let age: Double

  init(_ tick: RecordingTail.Tick) {
    self.tick = tick
    age = Date().timeIntervalSince1970 - Double(tick.wallNanoseconds) / 1e9
  }

  enum CodingKeys: String, CodingKey {
    case schema, seq, state, fault, lipschitz, recorded
    case runID = "run_id"
    case nanoseconds = "t_ns"
    case windowProduct = "window_product"
    case age = "age_seconds"
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.schema, forKey: .schema)
    try container.encode(tick.runID, forKey: .runID)
    try container.encode(String(tick.sequence), forKey: .seq)
    try container.encode(String(tick.wallNanoseconds), forKey: .nanoseconds)
    try container.encode(tick.state.id, forKey: .state)
    try container.encode(tick.fault.idOrNil, forKey: .fault)
    try container.encode(tick.lipschitz.isFinite ? tick.lipschitz : nil, forKey: .lipschitz)
    try container.encode(tick.windowProduct.isFinite ? tick.windowProduct : nil, forKey: .windowProduct)
    try container.encode(age, forKey: .age)
    try container.encode(tick.isRecorded, forKey: .recorded)
  }

  var text: String {
    func number(_ value: Double) -> String { value.isFinite ? String(format: "%.6f", value) : "-" }
    let fault = tick.fault == .none ? "" : " (\(tick.fault.name))"
    return [
      LogTail.date(tick.wallNanoseconds), "tick \(tick.sequence)".padded(12),
      "\(tick.state.name)\(fault)".padded(17), "L \(number(tick.lipschitz))",
      "Λ \(number(tick.windowProduct))", String(format: "%.1f s ago", age),
      tick.isRecorded ? "" : "not being recorded",
    ].filter { !$0.isEmpty }.joined(separator: "  ")
  }
}

extension String {
  /// The text with spaces behind it up to so many characters.
  fileprivate func padded(_ count: Int) -> String {
    self + String(repeating: " ", count: max(0, count - self.count))
  }
}
