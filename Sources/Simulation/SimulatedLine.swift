import Devices
import HandModel
import Synchronization

/// A GPIO line. Level and time of the last change are one atomic word, so that the real-time loop can set it
/// without a lock and the physics still learns when it changed.
package final class SimulatedLine: DigitalLine, Sendable {
  package let name: String
  private let clock: any TimeSource
  /// Nanoseconds of the last change, shifted left by one, with the logical level in bit 0: 62 bits are
  /// 146 years.
  private let word: Atomic<Int64>
  /// `Stuck`, 0 while the line follows.
  private let stuck = Atomic<UInt8>(0)
  /// Called on changes that are set through the line. Set it before the line is used. Lines that the
  /// real-time loop sets have none.
  nonisolated(unsafe) var onChange: ((_ isActive: Bool, _ nanoseconds: Int64) -> Void)?

  /// The line while nobody drives it: its bias resistor sets the level, and active-low decides what that
  /// level means. A floating line rests inactive.
  package init(_ spec: LineSpec, clock: any TimeSource) {
    name = spec.line
    self.clock = clock
    let rest =
      switch spec.bias {
      case .none: false
      case .pullUp: !spec.activeLow
      case .pullDown: spec.activeLow
      }
    word = Atomic(Self.pack(rest, at: clock.now()))
  }

  package var isActive: Bool { lastChange.isActive }

  @discardableResult
  package func setActive(_ active: Bool) -> Bool {
    guard isActive != active else { return true }
    switch Stuck(rawValue: stuck.load(ordering: .acquiring)) {
    case .seen: return false
    case .unseen: return true
    case nil: break
    }
    let now = clock.now()
    word.store(Self.pack(active, at: now), ordering: .releasing)
    onChange?(active, now)
    return true
  }

  /// How a line fails to follow.
  package enum Stuck: UInt8, Sendable {
    /// The pin stays as it is and reads back so.
    case seen = 1
    /// The pin follows, but what is wired to it does not: a broken wire.
    case unseen = 2
  }

  /// Fault: the line stays as it is, whatever drives it; nil ends it.
  package func setStuck(_ how: Stuck?) { stuck.store(how?.rawValue ?? 0, ordering: .releasing) }

  /// Presses an e-stop button that is wired to this line.
  package func press() { setActive(true) }

  /// Releases it.
  package func release() { setActive(false) }

  /// The logical level, and the time of its last change.
  package struct Change: Sendable, Equatable {
    package let isActive: Bool
    package let timeNanoseconds: Int64
  }

  /// Both from the same moment.
  package var lastChange: Change {
    let word = word.load(ordering: .acquiring)
    return Change(isActive: word & 1 != 0, timeNanoseconds: word >> 1)
  }

  private static func pack(_ active: Bool, at nanoseconds: Int64) -> Int64 {
    nanoseconds << 1 | (active ? 1 : 0)
  }
}
