import HandModel
import Realtime

/// Stops that acted as their own connection brought them, and that the other connection, whose filter holds their topic
/// too, is still to bring.
///
/// That second copy may come much later, behind a flood or held back by the broker's socket; a hand that was reset and
/// armed meanwhile must not be stopped by it once more. A stop that only the other connection brings still acts.
final class StopEchoes: Sendable {
  /// A copy that comes later than this acts again: by then it is safer to believe that it is a stop of its own.
  static let lifetimeNanoseconds: Int64 = 2_000_000_000
  /// More are sent in a flood of stops only; those beyond act twice.
  static let capacity = 64

  private let expected = SharedState<[(body: [UInt8], actedNanoseconds: Int64)]>([])

  /// The stop's own connection brought it.
  func expect(_ body: [UInt8]) {
    let now = PublisherClock.monotonic()
    expected.withLock { expected in
      expected.removeAll { now - $0.actedNanoseconds > Self.lifetimeNanoseconds }
      if expected.count < Self.capacity { expected.append((body, now)) }
    }
  }

  /// Whether a stop that the other connection brought is the copy of one that acted; each is a copy once.
  func takes(_ body: [UInt8]) -> Bool {
    let now = PublisherClock.monotonic()
    return expected.withLock { expected in
      expected.removeAll { now - $0.actedNanoseconds > Self.lifetimeNanoseconds }
      guard let index = expected.firstIndex(where: { $0.body == body }) else { return false }
      expected.remove(at: index)
      return true
    }
  }
}
