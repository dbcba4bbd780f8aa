import CMosquitto
import HandModel

/// One message of a command topic, as the library's callback saw it.
struct InboundMessage: Sendable {
  /// From the topic; empty where the body names the verb.
  var verb: String
  /// Empty when the body was larger than `CommandIntake.largestBodyBytes`.
  var body: [UInt8]
  var bodyBytes: Int
  var retained: Bool
  /// Monotonic clock: the message reached the broker after this instant; nil when that is not known.
  var sentAfterNanoseconds: Int64?
}

/// What one connection has brought and nobody has judged yet. A stop acts here, in the callback that read it.
final class CommandInbox: @unchecked Sendable {
  // Safety of @unchecked: made by the thread that runs the connection, and touched by it alone.

  /// Messages read in one turn of the network loop and judged after it; only a flood brings more.
  static let capacity = 64

  private let topics: Topics
  private let sink: CommandSink
  /// With what the bodies of this connection's own probes begin.
  private let probePrefix: String
  private let role: Role
  private(set) var messages: [InboundMessage] = []
  /// Messages beyond the capacity, unread.
  private(set) var overflow: UInt64 = 0
  /// Stops, which have acted already; beyond the capacity only counted.
  private(set) var stops: [InboundMessage] = []
  private(set) var stopOverflow: UInt64 = 0
  /// When the newest probe that came back was sent, on the monotonic clock.
  private(set) var probeSentNanoseconds: Int64?
  /// Whether anything has arrived that is not one of the hand's own probes.
  private(set) var hasHeard = false

  /// Which connection's it is, where stops have one of their own.
  enum Role {
    case stops(StopEchoes)
    case commands(StopEchoes)
  }

  init(topics: Topics, sink: CommandSink, role: Role, probePrefix: String = "") {
    self.topics = topics
    self.role = role
    self.sink = sink
    self.probePrefix = probePrefix
  }

  /// Forgets what was judged.
  func empty() {
    messages.removeAll(keepingCapacity: true)
    stops.removeAll(keepingCapacity: true)
    overflow = 0
    stopOverflow = 0
  }

  /// Inside the library's callback.
  func note(_ message: borrowing mosquitto_message) {
    guard let topic = message.topic, let verb = topics.verb(ofTopic: String(cString: topic)) else { return }
    let bytes = Int(message.payloadlen)
    var body: [UInt8] = []
    if bytes <= CommandIntake.largestBodyBytes, let payload = message.payload {
      body = Array(UnsafeRawBufferPointer(start: payload, count: bytes))
    }
    if verb == Topics.probeVerb { return noteProbe(body) }
    note(
      InboundMessage(
        verb: verb, body: body, bodyBytes: bytes, retained: message.retain,
        sentAfterNanoseconds: probeSentNanoseconds))
  }

  func note(_ message: InboundMessage) {
    hasHeard = true
    if isStop(message) {
      // However it comes: late, twice, retained or with an unreadable body. Stopping is always safe; refusing a stop
      // for its form never is.
      switch role {
      case .stops(let echoes):
        sink.requestStop()
        echoes.expect(message.body)
      case .commands(let echoes):
        // Its own connection has brought it, and answers it.
        if message.verb == "stop", echoes.takes(message.body) { return }
        sink.requestStop()
      }
      if stops.count < Self.capacity { stops.append(message) } else { stopOverflow += 1 }
    } else if messages.count < Self.capacity {
      messages.append(message)
    } else {
      overflow += 1
    }
  }

  private func isStop(_ message: InboundMessage) -> Bool {
    if message.verb == "stop" { return true }
    guard message.verb.isEmpty, Self.holdsStop(message.body),
      case .success(let envelope) = sink.parse(message.body, "")
    else { return false }
    return envelope.command == .stop
  }

  /// Whether the word is in the body: reading every body as JSON here would slow the reading down in a flood.
  private static func holdsStop(_ body: [UInt8]) -> Bool {
    let word = Array("stop".utf8)
    guard body.count >= word.count else { return false }
    return (0...body.count - word.count).contains { start in
      word.indices.allSatisfy { body[start + $0] | 0x20 == word[$0] }
    }
  }

  private func noteProbe(_ body: [UInt8]) {
    let text = String(decoding: body, as: UTF8.self)
    guard !probePrefix.isEmpty, text.hasPrefix(probePrefix),
      let sent = Int64(text.dropFirst(probePrefix.count)), sent <= PublisherClock.monotonic()
    else { return }
    probeSentNanoseconds = max(sent, probeSentNanoseconds ?? sent)
  }
}
