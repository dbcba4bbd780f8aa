import HandModel
import Synchronization

/// The clock of virtual time and of a simulated hand.
package final class VirtualClock: SteppedClock {
  private let nanoseconds: Atomic<Int64>

  package init(nanoseconds: Int64 = 0) {
    self.nanoseconds = Atomic(nanoseconds)
  }

  /// Where the clock was put last.
  package func now() -> Int64 {
    nanoseconds.load(ordering: .acquiring)
  }

  package func set(_ nanoseconds: Int64) {
    self.nanoseconds.store(nanoseconds, ordering: .releasing)
  }

  /// Advances the clock to `deadline` at once, never backwards.
  package func sleep(until deadline: Int64) {
    nanoseconds.max(deadline, ordering: .acquiringAndReleasing)
  }
}
