/// Pauses between connection attempts: doubled at each failure up to a ceiling, each drawn from the upper
/// half of its range so that many hands do not return to a restarted broker in step.
struct Backoff {
  private let firstSeconds: Double
  private let largestSeconds: Double
  private var ceilingSeconds: Double

  init(firstSeconds: Double, largestSeconds: Double) {
    self.firstSeconds = firstSeconds
    self.largestSeconds = largestSeconds
    ceilingSeconds = firstSeconds
  }

  mutating func reset() { ceilingSeconds = firstSeconds }

  /// The pause before the next attempt.
  mutating func next(using generator: inout some RandomNumberGenerator) -> Int64 {
    let seconds = ceilingSeconds * Double.random(in: 0.5...1, using: &generator)
    ceilingSeconds = min(ceilingSeconds * 2, largestSeconds)
    return Int64(seconds * 1e9)
  }
}
