import Glibc
import HandModel
import Realtime
import Wire

/// One client of the control socket, as the server's thread sees it.
final class ControlConnection {
  /// What it asks, in its order.
  enum Request {
    /// - Parameter stopCount: `CommandPort.stopCount` when it was read.
    case line([UInt8], stopCount: UInt32)
    /// A line that asked for a stop. The stop was requested as the line was read; the answer is still due.
    case stop([UInt8])
    /// Its connection is to end, and it is told why.
    case end(String)
  }

  /// A command line is far shorter (docs/board-file.md); longer input is no command.
  static let largestLineBytes = CommandParser.maximumBytes
  /// How much of one client may wait, each line counted with `lineOverheadBytes`: a script of some thousand
  /// commands. All that a client writes is read at once, so that a stop at its end is found.
  static let largestWaitingBytes = 65_536
  private static let lineOverheadBytes = 64

  /// Never that of another connection: an answer may come for one that is gone.
  let number: UInt64
  private let socket: Descriptor
  var descriptor: Int32 { socket.value }
  private var reader = LineReader(largestLineBytes: largestLineBytes)
  private(set) var waiting: [Request] = []
  private var waitingBytes = 0
  /// For the stops in `waiting`, in their order.
  private var stopReplies: [CommandReply] = []
  private var output: [UInt8] = []
  private var lastSent: Int64

  /// The time until which it is kept without a place; nil when it has one.
  var surplusUntil: Int64?
  var isWatching = false
  /// One of its commands is with the queue. Its next request waits, because answers come in the order of
  /// requests.
  var isAsking = false
  private(set) var hasAsked = false
  /// When it last wrote, or connected.
  private(set) var lastHeard: Int64
  /// When its connection ends, whatever it does; nil while no end is set.
  private(set) var endsAt: Int64?
  /// It writes no more, and may still read.
  private(set) var hasFinished = false
  /// Nobody is at the other end.
  private(set) var isDeserted = false
  private var takesNoMore = false
  private var isShut = false

  init(number: UInt64, socket: consuming Descriptor, now: Int64) {
    self.number = number
    self.socket = socket
    lastHeard = now
    lastSent = now
  }

  // MARK: - In

  /// Reads once what has arrived and calls `onStop` for each stop in it, before anything else is done.
  /// - Parameter onStop: is told whether the stop will be answered.
  /// - Returns: whether there may be more.
  @discardableResult
  func read(
    into buffer: UnsafeMutableRawBufferPointer, now: Int64, stopCount: () -> UInt32, onStop: (Bool) -> Void
  ) -> Bool {
    guard !hasFinished else { return false }
    let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
    if count < 0 && (errno == EAGAIN || errno == EINTR) { return false }
    if count > 0 {
      lastHeard = now
      take(reader.read(buffer[..<count]), stopCount, onStop)
    } else {
      hasFinished = true
      if count < 0 { desert() }
      take(reader.finish(), stopCount, onStop)
    }
    return count > 0
  }

  /// Takes an unfinished line that asks for a stop as complete if nothing was heard since `silentSince`.
  func finishStop(silentSince: Int64, stopCount: () -> UInt32, onStop: (Bool) -> Void) {
    guard reader.isInsideStop && lastHeard < silentSince else { return }
    take(reader.finish(), stopCount, onStop)
  }

  private func take(_ events: [LineReader.Event], _ stopCount: () -> UInt32, _ onStop: (Bool) -> Void) {
    for event in events {
      switch event {
      case .stop: onStop(!takesNoMore)
      case .line(let line, let isStop):
        wait(isStop ? .stop(line) : .line(line, stopCount: stopCount()), bytes: line.count)
      case .tooLong:
        wait(.end("a line has at most \(Self.largestLineBytes) bytes"), bytes: 0)
      }
    }
  }

  private func wait(_ request: Request, bytes: Int) {
    guard !takesNoMore else { return }
    waitingBytes += bytes + Self.lineOverheadBytes
    if waitingBytes > Self.largestWaitingBytes {
      waiting.append(
        .end("more is asked than answers are read: at most \(Self.largestWaitingBytes) bytes wait"))
      takesNoMore = true
      return
    }
    waiting.append(request)
    if case .end = request { takesNoMore = true }
  }

  /// Whether the next request can be answered now.
  var isReady: Bool {
    guard !isAsking, output.isEmpty, let first = waiting.first else { return false }
    if case .stop = first { return !stopReplies.isEmpty }
    return true
  }

  /// The next request; only when ready.
  func next() -> Request {
    hasAsked = true
    let request = waiting.removeFirst()
    switch request {
    case .line(let bytes, _), .stop(let bytes): waitingBytes -= bytes.count + Self.lineOverheadBytes
    case .end: break
    }
    return request
  }

  func stopAnswered(_ reply: CommandReply) { stopReplies.append(reply) }

  /// The reply to the stop that `next` gave.
  func stopReply() -> CommandReply { stopReplies.removeFirst() }

  /// One of its stops is under way and will be answered.
  var isAwaitingStop: Bool {
    waiting.contains { if case .stop = $0 { true } else { false } }
  }

  /// Neither watches nor asks.
  var isSilent: Bool {
    !isWatching && waiting.isEmpty && !isAsking && output.isEmpty && endsAt == nil
  }

  /// Does not read its answers at the moment.
  var isDeaf: Bool { !output.isEmpty && endsAt == nil }

  /// Has asked more than may wait, and has not read since a time.
  func isHopeless(since time: Int64) -> Bool { takesNoMore && isDeaf && lastSent < time }

  /// Nothing is to be done for it any more.
  func isOver(now: Int64) -> Bool {
    if let endsAt, now >= endsAt { return true }
    let hasNothing = waiting.isEmpty && !isAsking && output.isEmpty
    return hasFinished && hasNothing && !isWatching
  }

  // MARK: - Out

  /// Events to poll for.
  var events: Int16 {
    Int16((hasFinished ? 0 : POLLIN) | (output.isEmpty ? 0 : POLLOUT))
  }

  /// Nobody reads its answers any more. What it asked is still done, and what lies in the socket is still
  /// read: a stop may be in it.
  func desert() {
    isDeserted = true
    isWatching = false
    output = []
  }

  /// Sends a line, as far as it goes at once; the rest when the client reads.
  func send(_ line: String) {
    guard !isDeserted else { return }
    output += line.utf8
    output.append(UInt8(ascii: "\n"))
    flush()
  }

  /// Sends the state, whole or not at all, to a client that has read what it was sent before.
  func sendSnapshot(_ line: String) {
    if isWatching && output.isEmpty && endsAt == nil { send(line) }
  }

  /// Tells it why its connection ends, at `time` at the latest. Until then it is heard for stops.
  func end(_ reason: String, at time: Int64) {
    guard endsAt == nil else { return }
    endsAt = time
    takesNoMore = true
    isWatching = false
    waiting = []
    send(CommandReply.refused(reason: reason).replyJSON(id: ""))
  }

  func flush() {
    while !output.isEmpty {
      let sent = output.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      if sent < 0 && errno == EINTR { continue }
      if sent < 0 && errno == EAGAIN { return }
      guard sent > 0 else { return desert() }
      output.removeFirst(sent)
      lastSent = MonotonicClock().now()
    }
    if endsAt != nil && !isShut {
      isShut = true
      shutdown(descriptor, Int32(SHUT_WR))
    }
  }
}
