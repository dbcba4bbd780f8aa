import HandModel
import Wire

/// Judges the messages of command topics and hands commands on. Runs on the publisher thread and waits for
/// nothing: what becomes of a command arrives in the reply box.
struct CommandIntake {
  /// What the domain's parser reads at most.
  static let largestBodyBytes = CommandParser.maximumBytes
  /// A command that may have waited longer between its sender and here is refused. Over links that work it
  /// takes milliseconds; the hand's own probes, sent every two seconds, show how long it can have been.
  static let longestWayNanoseconds: Int64 = 5_000_000_000
  /// Shortest time between two replies that refuse a burst.
  static let burstPauseNanoseconds: Int64 = 1_000_000_000

  let box: ReplyBox
  private let sink: CommandSink
  private let answers: StopAnswers
  /// Messages that were not taken because too many came at once, and no reply has said so yet.
  private(set) var burst: UInt64 = 0
  private var burstToldAt: Int64?
  /// Messages of bursts since the start: those not read, and those that found no place in the queue.
  private(set) var unread: UInt64 = 0
  private(set) var queueFull: UInt64 = 0

  init(sink: CommandSink, answers: StopAnswers, box: ReplyBox) {
    self.sink = sink
    self.answers = answers
    self.box = box
  }

  /// Judges what a connection brought.
  /// - Parameter stopWayAnswers: whether stops of their own topic are answered by the connection that is
  ///   theirs.
  mutating func judge(_ inbox: CommandInbox, stopWayAnswers: Bool, now: Int64) {
    for stop in inbox.stops where !(stopWayAnswers && stop.verb == "stop") {
      answers.answer(id: Self.stopID(stop, sink), into: box)
    }
    if !stopWayAnswers { answers.leave(inbox.stopOverflow) }
    // The count first: a stop that comes from here on changes it, one before shows in its copies.
    let stopCount = sink.stopCount()
    let areOlder = inbox.areCommandsOlder
    for message in inbox.messages {
      handle(message, now: now, stopCount: stopCount, isOlderThanStop: areOlder || message.isOlderThanStop)
    }
    unread += inbox.overflow
    burst += inbox.overflow
    inbox.empty()
  }

  /// A stop's identifier as far as it can be read.
  static func stopID(_ message: InboundMessage, _ sink: CommandSink) -> String {
    guard message.bodyBytes <= largestBodyBytes,
      case .success(let read) = sink.parse(message.body, message.verb)
    else { return "" }
    return read.id
  }

  /// - Parameters:
  ///   - now: of the monotonic clock.
  ///   - stopCount: stops requested before it was judged; nil = until now.
  mutating func handle(
    _ message: InboundMessage, now: Int64, stopCount: UInt32? = nil, isOlderThanStop: Bool = false
  ) {
    guard message.bodyBytes <= Self.largestBodyBytes else {
      return refuse(
        "body has \(message.bodyBytes) bytes: at most \(Self.largestBodyBytes)", verb: message.verb, now)
    }
    switch sink.parse(message.body, message.verb) {
    case .failure(let rejection): refuse(rejection.reason, id: rejection.id, verb: message.verb, now)
    case .success(let envelope):
      if envelope.command == .stop {
        sink.requestStop(.mqtt)
        return answers.answer(id: envelope.id, into: box)
      }
      let verb = envelope.command.verb.rawValue
      if let objection = Self.objection(to: envelope, message, now) {
        return refuse(objection, id: envelope.id, verb: verb, now)
      }
      if isOlderThanStop { return refuse("a stop came after it", id: envelope.id, verb: verb, now) }
      let isTaken = sink.submit(envelope, .mqtt, stopCount ?? sink.stopCount()) { [box] reply in
        box.add(CommandOutcome(id: envelope.id, verb: verb, reply: reply))
      }
      if !isTaken {
        queueFull += 1
        burst += 1
      }
    }
  }

  /// The reply to messages that were too many, when one is due: at once, then at most one a second.
  mutating func burstRefusal(now: Int64) -> CommandOutcome? {
    guard burst > 0, burstToldAt.map({ now - $0 >= Self.burstPauseNanoseconds }) ?? true else { return nil }
    defer {
      burst = 0
      burstToldAt = now
    }
    return CommandOutcome(
      id: "", verb: "", reply: .refused(reason: "\(burst) messages refused: too many commands at once"))
  }

  private func refuse(_ reason: String, id: String = "", verb: String, _ now: Int64) {
    box.add(CommandOutcome(id: id, verb: verb, reply: .refused(reason: reason)), now: now)
  }

  /// What speaks against a command that was understood.
  private static func objection(
    to envelope: CommandEnvelope, _ message: InboundMessage, _ now: Int64
  ) -> String? {
    if message.retained { return "retained: a command is for now, not for whoever connects later" }
    if let after = message.sentAfterNanoseconds, now - after > longestWayNanoseconds {
      return
        "may have been on its way for \((now - after) / 1_000_000_000) s, in the broker or the network: send it again"
    }
    // The parser refuses these too; a motor must not depend on one reader alone.
    return envelope.command.isFinite ? nil : "holds a number that is not finite"
  }
}

extension Command {
  var isFinite: Bool {
    switch self {
    case .arm, .nullG, .disarm, .stop, .reset: true
    case .pose(let radians, let seconds): radians.allSatisfy(\.isFinite) && (seconds ?? 0).isFinite
    case .move(_, let radians, let seconds): radians.isFinite && (seconds ?? 0).isFinite
    case .stream(let radians): radians.allSatisfy(\.isFinite)
    }
  }
}
