import HandModel
import Synchronization

/// A clock that moves only when told: whoever would wait, advances it.
package final class VirtualClock: TimeSource {
  private let nanoseconds: Atomic<Int64>

  package init(nanoseconds: Int64 = 0) {
    self.nanoseconds = Atomic(nanoseconds)
  }

  package func now() -> Int64 {
    nanoseconds.load(ordering: .acquiring)
  }

  /// Puts the clock to `nanoseconds`, backwards too: a runner that serves several buses one after the other
  /// starts each of them at the same time.
  package func set(_ nanoseconds: Int64) {
    self.nanoseconds.store(nanoseconds, ordering: .releasing)
  }

  /// Advances the clock to `deadline` at once, never backwards.
  package func sleep(until deadline: Int64) {
    nanoseconds.max(deadline, ordering: .acquiringAndReleasing)
  }
}
