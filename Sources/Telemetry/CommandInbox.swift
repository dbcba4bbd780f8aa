import Realtime
import CMosquitto
import HandModel
import Wire

/// One message of a command topic, as the library's callback saw it.
struct InboundMessage: Sendable {
  /// From the topic; empty where the body names the verb.
  var verb: String
  /// Empty when the body was larger than `CommandIntake.largestBodyBytes`.
  var body: [UInt8]
  var bodyBytes: Int
  var retained: Bool
  /// A body too large to be kept asked for a stop.
  var holdsStop = false
  /// A stop came after it, by whichever connection.
  var isOlderThanStop = false
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
  private let connection: StopCopies.Connection
  private let copies: StopCopies
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

  /// - Parameter connection: whose it is.
  init(
    topics: Topics, sink: CommandSink, connection: StopCopies.Connection, copies: StopCopies,
    probePrefix: String = ""
  ) {
    self.topics = topics
    self.connection = connection
    self.copies = copies
    self.sink = sink
    self.probePrefix = probePrefix
  }

  /// Whether what this connection has brought is older than a stop that acted.
  var areCommandsOlder: Bool { copies.areCommandsOlder }

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
    var holdsStop = false
    if verb.isEmpty, bytes > CommandIntake.largestBodyBytes, let payload = message.payload {
      var scanner = StopScanner()
      for byte in UnsafeRawBufferPointer(start: payload, count: bytes) { scanner.take(byte) }
      scanner.end()
      holdsStop = scanner.hasWordAsVerb
    }
    note(
      InboundMessage(
        verb: verb, body: body, bodyBytes: bytes, retained: message.retain, holdsStop: holdsStop,
        sentAfterNanoseconds: probeSentNanoseconds))
  }

  func note(_ message: InboundMessage) {
    hasHeard = true
    guard isStop(message) else {
      if messages.count < Self.capacity { messages.append(message) } else { overflow += 1 }
      return
    }
    for index in messages.indices { messages[index].isOlderThanStop = true }
    // A stop in the body of a command has no copy.
    let isFirst = message.verb != "stop" || copies.isFirst(message.body, on: connection)
    // However it comes: late, retained or with an unreadable body. Stopping is always safe; refusing a stop
    // for its form never is.
    if isFirst { sink.requestStop(.mqtt) }
    // The second copy is answered on the stop's own connection only.
    guard isFirst || connection == .stops else { return }
    if stops.count < Self.capacity { stops.append(message) } else { stopOverflow += 1 }
  }

  private func isStop(_ message: InboundMessage) -> Bool {
    message.verb == "stop" || message.holdsStop
      || (message.verb.isEmpty && Self.mayHoldStop(message.body) && CommandParser.asksForStop(message.body))
  }

  /// Whether it is worth a look: reading every body as JSON here would slow the reading down in a flood. JSON
  /// may spell letters as numbers, behind a backslash.
  private static func mayHoldStop(_ body: [UInt8]) -> Bool {
    var scanner = StopScanner()
    for byte in body {
      if byte == UInt8(ascii: "\\") { return true }
      scanner.take(byte)
    }
    scanner.end()
    return scanner.hasWord
  }

  private func noteProbe(_ body: [UInt8]) {
    let text = String(decoding: body, as: UTF8.self)
    guard !probePrefix.isEmpty, text.hasPrefix(probePrefix),
      let sent = Int64(text.dropFirst(probePrefix.count)), sent <= MonotonicClock().now()
    else { return }
    probeSentNanoseconds = max(sent, probeSentNanoseconds ?? sent)
  }
}
