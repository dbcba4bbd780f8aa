import HandModel
import Realtime
import Telemetry
import Wire

/// What hands say of themselves just now, as it comes from the broker, and whoever wants to hear it.
package final class LiveHands: Sendable {
  /// A hand.
  package struct Hand: Sendable {
    /// Its last birth: joints, channels, hashes.
    package var birth: [UInt8]?
    /// Its last status, or its will.
    package var status: [UInt8]?
    /// The word of it.
    package var word: String?
    /// Its last sample.
    package var state: [UInt8]?
    /// When that came, by this machine's monotonic clock.
    package var stateAt: Int64?
    /// L of the worst joint, of the last sample; nil where none has a certificate.
    package var lipschitz: Double?
    /// Samples that came since the gateway's start.
    package var samples: UInt64 = 0
    /// Samples with L above 1, or Λ of 1 or more.
    package var violations: UInt64 = 0
  }

  /// Beyond so many names somebody invents them.
  package static let most = 10_000

  private struct State {
    var hands: [String: Hand] = [:]
    var refused: UInt64 = 0
    var damaged: UInt64 = 0
  }

  private let state = Locked(State())
  private let listeners: Listeners
  private let onReply: @Sendable (ReplyMessage) -> Void

  /// - Parameters:
  ///   - listeners: that hear each message.
  ///   - onReply: told what became of each command to any hand.
  package init(listeners: Listeners, onReply: @escaping @Sendable (ReplyMessage) -> Void) {
    self.listeners = listeners
    self.onReply = onReply
  }

  /// Filters of what is taken.
  package static let filters = [
    "motorhand/hand/+/status", "motorhand/hand/+/birth", "motorhand/hand/+/state", "motorhand/hand/+/event",
    "motorhand/hand/+/reply", "motorhand/agp/+/state", "motorhand/agp/+/detail", "motorhand/sensors/+/+",
    "motorhand/experiments/#", "motorhand/integrations/#", "motorhand/nasa/#",
  ]

  /// Takes a message, on the broker's thread.
  package func take(_ message: MessageLink.Message) {
    defer { listeners.offer(message) }
    guard let (handID, topic) = HandTopic.read(message.topic) else { return }
    switch topic {
    case .status, .birth, .state: note(handID, topic, message.payload)
    case .reply: if let reply = try? ReplyMessage(decoding: message.payload) { onReply(reply) }
    default: break
    }
  }

  private func note(_ handID: String, _ topic: HandTopic, _ payload: [UInt8]) {
    state.withLock { state in
      // The broker forgets a retained message with an empty one.
      guard !payload.isEmpty, state.hands[handID] != nil || state.hands.count < Self.most else {
        state.refused += payload.isEmpty ? 0 : 1
        return
      }
      var hand = state.hands.removeValue(forKey: handID) ?? Hand()
      do throws(MessageProblem) {
        switch topic {
        case .status:
          hand.word = try StatusMessage(decoding: payload).word.rawValue
          hand.status = payload
        case .birth:
          _ = try BirthMessage(decoding: payload)
          hand.birth = payload
        default: Self.note(payload, in: &hand)
        }
      } catch { state.damaged += 1 }
      state.hands[handID] = hand
    }
  }

  private static func note(_ sample: [UInt8], in hand: inout Hand) {
    hand.samples += 1
    hand.stateAt = MonotonicClock().now()
    hand.state = sample
    hand.lipschitz = StateMessage.number("lipschitz", in: sample)
    let product = StateMessage.number("window_product", in: sample)
    if hand.lipschitz.map({ $0 > 1 }) ?? false || product.map({ $0 >= 1 }) ?? false { hand.violations += 1 }
  }

  /// A hand; nil where nothing of it has come since the start.
  package func hand(_ handID: String) -> Hand? { state.withLock { $0.hands[handID] } }

  /// All hands by name.
  package var all: [String: Hand] { state.withLock { $0.hands } }

  /// Messages that could not be read, and those of hands beyond the limit.
  package var problems: (damaged: UInt64, refused: UInt64) { state.withLock { ($0.damaged, $0.refused) } }
}
