import HandModel
import Realtime
import Telemetry
import Wire

/// Who hears live messages, and which of them.
package final class Listeners: Sendable {
  /// Hears messages.
  package protocol Listener: AnyObject, Sendable {
    /// Takes a message; any thread, and must not wait.
    /// - Parameter frame: what is sent of it, the same for all.
    func offer(_ message: MessageLink.Message, frame: [UInt8])
  }

  private struct Entry {
    let listener: any Listener
    let account: String
    var filters: [TopicFilter] = []
    var hands: [String]
  }

  /// What came, for who comes back: all but states, of which the next tells as much.
  private struct Kept {
    var number: UInt64
    var topic: String
    var frame: [UInt8]
  }

  private struct State {
    var entries: [ObjectIdentifier: Entry] = [:]
    /// Listeners of each account.
    var accounts: [String: Int] = [:]
    /// Who hears a topic, as it was found when it came last.
    var heard: [String: [any Listener]] = [:]
    var number: UInt64 = 0
    var kept: [Kept] = []
    var keptBytes = 0
    /// Number of the last message that is not kept any more.
    var forgotten: UInt64 = 0

    mutating func keep(_ message: Kept) {
      guard message.frame.count <= Listeners.largestKept else { return forgotten = message.number }
      kept.append(message)
      keptBytes += message.frame.count
      while kept.count > 2 * Listeners.mostKept || keptBytes > Listeners.mostKeptBytes {
        // By halves: taking the first off moves all others.
        let gone = kept.prefix((kept.count + 1) / 2)
        forgotten = max(forgotten, gone.last?.number ?? 0)
        keptBytes -= gone.reduce(0) { $0 + $1.frame.count }
        kept.removeFirst(gone.count)
      }
    }
  }

  /// Topics of which it is known who hears them; beyond, somebody invents them.
  private static let mostTopics = 100_000
  /// Messages kept, twice as many for a moment; and bytes of them in all, of one, and for one who comes back.
  private static let mostKept = 4096
  private static let mostKeptBytes = 8_388_608
  private static let largestKept = 16_384
  private static let mostBytesForOne = 524_288

  private let state = Locked(State())

  package init() {}

  /// How many there are.
  package var count: Int { state.withLock { $0.entries.count } }

  /// Of one account: one may not take the places of all.
  static let mostPerAccount = 1000

  /// Adds a listener.
  /// - Parameters:
  ///   - account: whose it is.
  ///   - hands: of which it may hear.
  /// - Returns: whether there was a place.
  func add(_ listener: any Listener, account: String, hands: [String]) -> Bool {
    state.withLock { state in
      guard state.accounts[account, default: 0] < Self.mostPerAccount else { return false }
      state.accounts[account, default: 0] += 1
      state.entries[ObjectIdentifier(listener)] = Entry(listener: listener, account: account, hands: hands)
      return true
    }
  }

  /// Ends a listener.
  func remove(_ listener: any Listener) {
    state.withLock { state in
      guard let entry = state.entries.removeValue(forKey: ObjectIdentifier(listener)) else { return }
      let left = state.accounts[entry.account, default: 1] - 1
      state.accounts[entry.account] = left > 0 ? left : nil
      if !entry.filters.isEmpty { state.heard.removeAll() }
    }
  }

  /// Says what a listener wants to hear.
  func set(_ filters: [TopicFilter], of listener: any Listener) {
    state.withLock { state in
      state.entries[ObjectIdentifier(listener)]?.filters = filters
      state.heard.removeAll()
    }
  }

  /// Hands a message to whoever wants it.
  func offer(_ message: MessageLink.Message) {
    let isState = Mailbox.isState(message.topic)
    let (listeners, number) = state.withLock { state -> ([any Listener], UInt64) in
      state.number += 1
      return (Self.listeners(of: message.topic, in: &state), state.number)
    }
    guard !isState || !listeners.isEmpty else { return }
    let frame = Self.frame(of: message, number: number, at: .now)
    if !isState {
      state.withLock { $0.keep(Kept(number: number, topic: message.topic, frame: frame)) }
    }
    for listener in listeners { listener.offer(message, frame: frame) }
  }

  private static func listeners(of topic: String, in state: inout State) -> [any Listener] {
    if let known = state.heard[topic] { return known }
    let found = state.entries.values.filter { entry in
      entry.filters.contains { $0.matches(topic) } && mayHear(topic, entry.hands)
    }.map(\.listener)
    if state.heard.count >= mostTopics { state.heard.removeAll() }
    state.heard[topic] = found
    return found
  }

  /// Beginnings of what is about one hand.
  private static let aboutHands = ["motorhand/hand/", "motorhand/agp/", "motorhand/sensors/"]

  private static func mayHear(_ topic: String, _ hands: [String]) -> Bool {
    if hands.contains(Identity.everyHand) || !aboutHands.contains(where: topic.hasPrefix) { return true }
    // A name that no hand can have is nobody's in particular.
    return HandTopic.read(topic).map { hands.contains($0.handID) } ?? false
  }

  /// What came after a message, for who heard that one last.
  /// - Returns: frames, and whether they are all.
  func kept(
    since number: UInt64, _ filters: [TopicFilter], hands: [String]
  ) -> (frames: [[UInt8]], isComplete: Bool) {
    state.withLock { state in
      var frames: [[UInt8]] = []
      var bytes = 0
      for kept in state.kept.reversed() where kept.number > number {
        guard filters.contains(where: { $0.matches(kept.topic) }), Self.mayHear(kept.topic, hands) else {
          continue
        }
        bytes += kept.frame.count
        guard bytes <= Self.mostBytesForOne else { return (frames.reversed(), false) }
        frames.append(kept.frame)
      }
      // A number that was never given is of another start of the gateway.
      return (frames.reversed(), number >= state.forgotten && number <= state.number)
    }
  }

  /// The source system's form of a message that came, with its number.
  static func frame(of message: MessageLink.Message, number: UInt64, at time: Timestamp) -> [UInt8] {
    let value: JSONValue = [
      "type": "mqtt", "topic": .string(message.topic),
      "payload": .string(String(decoding: message.payload, as: UTF8.self)), "timestamp": .string(time.text),
      "sequence": .string("\(number)"),
    ]
    return value.encoded()
  }
}

/// What is subscribed to: a filter of MQTT where it has a `+` or `#`, else a beginning of topics, as the
/// source system had it.
struct TopicFilter: Sendable, Hashable {
  static let longestBytes = 256
  let text: String
  private let parts: [Substring]
  private let isPrefix: Bool

  /// Nil where it can be neither.
  init?(_ text: String) {
    guard (1...Self.longestBytes).contains(text.utf8.count),
      text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
    else { return nil }
    self.text = text
    isPrefix = !text.contains { $0 == "+" || $0 == "#" }
    parts = text.split(separator: "/", omittingEmptySubsequences: false)
    // MQTT 5, section 4.7.1.
    guard isPrefix || parts.allSatisfy({ $0.count == 1 || !$0.contains { $0 == "+" || $0 == "#" } }),
      !parts.dropLast().contains("#")
    else { return nil }
  }

  func matches(_ topic: String) -> Bool {
    if isPrefix { return topic.hasPrefix(text) }
    let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if part == "#" { return true }
      guard index < levels.count, part == "+" || part == levels[index] else { return false }
    }
    return levels.count == parts.count
  }
}
