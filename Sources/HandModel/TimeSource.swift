/// The one clock of a runtime: the machine's monotonic clock, or a virtual one under which the same code
/// runs as fast as the processor allows. Nanoseconds; the origin is arbitrary.
package protocol TimeSource: Sendable {
  func now() -> Int64
  /// Returns when `now()` has reached `deadline`.
  func sleep(until deadline: Int64)
}
