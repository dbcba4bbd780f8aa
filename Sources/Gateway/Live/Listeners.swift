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
    /// Who hears a topic, as it was found when it came last.
    var heard: [String: [any Listener]] = [:]
    var number: UInt64 = 0
    var kept: [Kept] = []
    /// Number of the last message that is not kept any more.
    var forgotten: UInt64 = 0
  }

  /// Topics of which it is known who hears them; beyond, somebody invents them.
  private static let mostTopics = 100_000
  /// Messages kept; twice as many for a moment.
  private static let mostKept = 4096

  private let state = Locked(State())

  package init() {}

  /// How many there are.
  package var count: Int { state.withLock { $0.entries.count } }

  /// Adds a listener.
  /// - Parameter hands: of which it may hear.
  func add(_ listener: any Listener, hands: [String]) {
    state.withLock { $0.entries[ObjectIdentifier(listener)] = Entry(listener: listener, hands: hands) }
  }

  /// Ends a listener.
  func remove(_ listener: any Listener) {
    state.withLock { state in
      guard state.entries.removeValue(forKey: ObjectIdentifier(listener))?.filters.isEmpty == false else {
        return
      }
      state.heard.removeAll()
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
      state.withLock { state in
        state.kept.append(Kept(number: number, topic: message.topic, frame: frame))
        guard state.kept.count > 2 * Self.mostKept else { return }
        state.forgotten = state.kept[Self.mostKept - 1].number
        state.kept.removeFirst(Self.mostKept)
      }
    }
    for listener in listeners { listener.offer(message, frame: frame) }
  }

  private static func listeners(of topic: String, in state: inout State) -> [any Listener] {
    if let known = state.heard[topic] { return known }
    let handID = HandTopic.read(topic)?.handID
    let found = state.entries.values.filter { entry in
      entry.filters.contains { $0.matches(topic) } && mayHear(handID, entry.hands)
    }.map(\.listener)
    if state.heard.count >= mostTopics { state.heard.removeAll() }
    state.heard[topic] = found
    return found
  }

  private static func mayHear(_ handID: String?, _ hands: [String]) -> Bool {
    guard let handID else { return true }
    return hands.contains(Identity.everyHand) || hands.contains(handID)
  }

  /// What came after a message, for who heard that one last.
  /// - Returns: frames, and whether they are all.
  func kept(
    since number: UInt64, _ filters: [TopicFilter], hands: [String]
  ) -> (frames: [[UInt8]], isComplete: Bool) {
    state.withLock { state in
      let frames = state.kept.filter { kept in
        kept.number > number && filters.contains { $0.matches(kept.topic) }
          && Self.mayHear(HandTopic.read(kept.topic)?.handID, hands)
      }.map(\.frame)
      // A number that was never given is of another start of the gateway.
      return (frames, number >= state.forgotten && number <= state.number)
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
