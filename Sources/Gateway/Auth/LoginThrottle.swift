import Realtime

/// So many logins from one address, whatever names they try: each costs a third of a second of a processor.
package final class LoginThrottle: Sendable {
  /// At once, and then one in so many seconds.
  static let burst = 10
  static let secondsPerLogin: Int64 = 3
  /// Addresses that are remembered; beyond, the oldest are forgotten.
  private static let most = 10_000

  /// Of each address when its bucket will be full again.
  private let fullAt = Locked<[String: Timestamp]>([:])

  package init() {}

  /// Whether a login may be tried, which counts.
  func admits(_ address: String, now: Timestamp) -> Bool {
    fullAt.withLock { fullAt in
      let full = max(fullAt[address] ?? now, now)
      let next = full.adding(seconds: Self.secondsPerLogin)
      guard next <= now.adding(seconds: Int64(Self.burst) * Self.secondsPerLogin) else { return false }
      if fullAt.count >= Self.most {
        fullAt = fullAt.filter { $0.value > now }
        if fullAt.count >= Self.most { fullAt.removeAll() }
      }
      fullAt[address] = next
      return true
    }
  }
}
