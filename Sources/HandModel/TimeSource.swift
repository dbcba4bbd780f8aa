/// The one clock of a runtime: the machine's monotonic clock, or a virtual one under which the same code
/// runs as fast as the processor allows. Nanoseconds; the origin is arbitrary.
package protocol TimeSource: Sendable {
  /// Nanoseconds since an arbitrary origin; never goes backwards by itself.
  func now() -> Int64
  /// Returns when `now()` has reached `deadline`.
  func sleep(until deadline: Int64)
}

/// A clock that moves only when told: a caller that would wait advances it.
package protocol SteppedClock: TimeSource {
  /// Sets the clock to `nanoseconds`, also backwards: a runner that serves several buses one after the other
  /// starts each of them at the same time.
  func set(_ nanoseconds: Int64)
}
