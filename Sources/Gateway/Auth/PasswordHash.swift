import CCrypt
import Foundation
import Synchronization

/// bcrypt by libcrypt, as the source system had it.
package enum PasswordHash {
  /// What bcrypt takes; it cuts the rest off without a word, so that more is refused.
  package static let longestBytes = 72
  /// Short ones are tried out.
  package static let shortestCharacters = 12
  /// 2^12 rounds, some tenths of a second of a core.
  static let cost: UInt = 12
  /// crypt_gensalt(5) asks for 16 with bcrypt.
  private static let saltBytes = 16

  /// Why a password cannot be one.
  package enum Problem: Error, Equatable, CustomStringConvertible {
    /// It can be tried out.
    case tooShort
    /// More than bcrypt takes.
    case tooLong(bytes: Int)
    /// With a zero byte, at which C ends a text.
    case unprintable

    package var description: String {
      switch self {
      case .tooShort: "a password has at least \(PasswordHash.shortestCharacters) characters"
      case .tooLong(let bytes):
        "found a password of \(bytes) bytes, expected at most \(PasswordHash.longestBytes)"
      case .unprintable: "a password has no zero byte"
      }
    }
  }

  /// Whether a text can be a new password.
  package static func check(_ password: String) throws(Problem) {
    guard !password.utf8.contains(0) else { throw .unprintable }
    guard password.count >= shortestCharacters else { throw .tooShort }
    guard password.utf8.count <= longestBytes else { throw .tooLong(bytes: password.utf8.count) }
  }

  /// The hash of a password with a salt of its own. Takes some tenths of a second.
  static func make(_ password: String) throws(Problem) -> String {
    try check(password)
    return hash(password, setting: setting())
  }

  /// Whether a password is the one of a hash. Takes as long as `make`, whatever the answer.
  static func matches(_ password: String, _ hash: String) -> Bool {
    guard password.utf8.count <= longestBytes, !password.utf8.contains(0) else {
      // As slow as any other.
      _ = Self.hash("", setting: dummy)
      return false
    }
    let found = Self.hash(password, setting: hash)
    // An unknown setting gives a text that no hash is.
    return found.hasPrefix("$2b$") && areEqual(found, hash)
  }

  /// A hash that no password has: for accounts that are not there, which must take as long.
  static let dummy = "$2b$\(cost)$......................" + String(repeating: ".", count: 31)

  /// Compares in a time that says nothing of where two texts differ.
  static func areEqual(_ a: String, _ b: String) -> Bool {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    guard a.count == b.count else { return false }
    return zip(a, b).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }

  private static func setting() -> String {
    var random = SystemRandomNumberGenerator()
    let salt = (0..<saltBytes).map { _ in CChar(truncatingIfNeeded: random.next() as UInt8) }
    var text = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
    let found = crypt_gensalt_rn("$2b$", cost, salt, Int32(salt.count), &text, Int32(text.count))
    precondition(found != nil, "libcrypt makes no setting for bcrypt")
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  private static func hash(_ password: String, setting: String) -> String {
    // 32 kB: too much for a stack.
    let data = UnsafeMutablePointer<crypt_data>.allocate(capacity: 1)
    data.initialize(to: crypt_data())
    defer { data.deallocate() }
    guard let found = crypt_r(password, setting, data) else { return "*0" }
    return String(cString: found)
  }
}

/// Runs bcrypt on two threads of its own, and no more of it than can be waited for: else logging in would be
/// a way to stop the service.
package final class PasswordWorkers: Sendable {
  /// At once, and waiting for one of these.
  private static let threads = 2
  private static let waitingLimit = 32

  private let queues = (0..<PasswordWorkers.threads).map { DispatchQueue(label: "passwords-\($0)") }
  private let taken = Atomic(0)
  private let next = Atomic(0)

  package init() {}

  /// Runs `body` on one of the threads.
  /// - Returns: nil where too many wait.
  func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
    guard taken.wrappingAdd(1, ordering: .relaxed).newValue <= Self.threads + Self.waitingLimit else {
      taken.wrappingSubtract(1, ordering: .relaxed)
      return nil
    }
    defer { taken.wrappingSubtract(1, ordering: .relaxed) }
    let queue = queues[next.wrappingAdd(1, ordering: .relaxed).oldValue % Self.threads]
    return await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: body()) }
    }
  }
}
