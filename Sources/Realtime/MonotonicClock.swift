import CRealtime
import Glibc

/// The machine's clock that never steps: CLOCK_MONOTONIC in nanoseconds, with sleeps to absolute deadlines.
package struct MonotonicClock: Sendable {
  /// For conversions.
  package static let nanosecondsPerSecond: Int64 = 1_000_000_000

  package init() {}

  /// Nanoseconds since an arbitrary origin (Linux: since boot, suspend excluded).
  package func now() -> Int64 { Self.read(CLOCK_MONOTONIC) }

  /// Nanoseconds since 1970 UTC. May step; for time stamps only, never for deadlines.
  package func wallNow() -> Int64 { Self.read(CLOCK_REALTIME) }

  /// Returns when `now()` has reached `deadline`; at once when it is past.
  ///
  /// The deadline is absolute, so being preempted between reading the clock and sleeping costs nothing, and
  /// a signal only restarts the same sleep.
  package func sleep(until deadline: Int64) {
    // The kernel refuses negative seconds; any instant before the origin is past anyway.
    guard deadline > 0 else { return }
    var time = timespec(
      tv_sec: Int(deadline / Self.nanosecondsPerSecond), tv_nsec: Int(deadline % Self.nanosecondsPerSecond))
    var result: Int32
    repeat {
      result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
    } while result == EINTR
    // The remaining results (EINVAL, EFAULT, ENOTSUP) say that the arguments are wrong, and they are not.
    precondition(result == 0, "clock_nanosleep refused a valid absolute deadline")
  }

  /// Whether the kernel's wall clock is disciplined (NTP, PTP).
  package static var isWallSynchronised: Bool { crealtime_is_wall_clock_synchronised() != 0 }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * nanosecondsPerSecond + Int64(time.tv_nsec)
  }
}
