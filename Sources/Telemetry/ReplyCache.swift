/// The first replies to the last commands, so that a command that arrives twice (QoS 1 allows it) is
/// answered and not executed again. The least recently used one leaves.
struct ReplyCache {
  /// A sender that repeats a command after more than 256 others has long lost its context.
  static let capacity = 256

  struct Reply: Equatable {
    var verb: String
    /// Nil = executed.
    var refusal: String?
  }

  private var replies: [String: (reply: Reply, use: UInt64)] = [:]
  private var uses: UInt64 = 0

  mutating func reply(to id: String) -> Reply? {
    guard let reply = replies[id]?.reply else { return nil }
    uses += 1
    replies[id]?.use = uses
    return reply
  }

  mutating func remember(_ reply: Reply, id: String) {
    uses += 1
    replies[id] = (reply, uses)
    if replies.count > Self.capacity, let oldest = replies.min(by: { $0.value.use < $1.value.use }) {
      replies.removeValue(forKey: oldest.key)
    }
  }
}
