import Wire

/// Latencies counted in whole microseconds, cut as cyclictest cuts them, so that its figures
/// and ours compare.
package struct MicrosecondDistribution: Sendable, Equatable {
  /// Latencies from here on are counted together. 20 ms: twenty periods at 1 kHz.
  package static let limitMicroseconds = 20_000

  /// Counts by microsecond; the last is `limitMicroseconds` and more.
  package private(set) var counts: [UInt64]
  /// The largest latency, also beyond the limit; 0 when there is none.
  package private(set) var maxMicroseconds: Int64

  package init() {
    counts = Array(repeating: 0, count: Self.limitMicroseconds + 1)
    maxMicroseconds = 0
  }

  /// Values counted.
  package var count: UInt64 { counts.reduce(0, &+) }
  /// Values of `limitMicroseconds` and more.
  package var overflow: UInt64 { counts[Self.limitMicroseconds] }

  /// Counts `times` values of one latency, which may lie beyond the limit.
  package mutating func add(microseconds: Int64, times: UInt64 = 1) {
    guard times > 0 else { return }
    counts[Int(min(max(microseconds, 0), Int64(Self.limitMicroseconds)))] += times
    maxMicroseconds = max(maxMicroseconds, microseconds)
  }

  /// Raises the largest latency to what is known from elsewhere than the counts.
  mutating func raiseMax(toMicroseconds value: Int64) {
    maxMicroseconds = max(maxMicroseconds, value)
  }

  /// Adds the latencies of `other`.
  package mutating func merge(_ other: MicrosecondDistribution) {
    for index in counts.indices { counts[index] += other.counts[index] }
    maxMicroseconds = max(maxMicroseconds, other.maxMicroseconds)
  }

  /// The smallest latency that at least `percent` of all values do not exceed (nearest rank), in whole
  /// microseconds; 0 when there are no values.
  /// - Parameter percent: in (0, 100].
  package func percentile(_ percent: Double) -> Int64 {
    precondition(percent > 0 && percent <= 100, "a percentile lies in (0, 100]")
    let total = count
    guard total > 0 else { return 0 }
    // Multiplied first: 3.6 / 100 × 1000 exceeds 36, which would be one rank too many.
    let rank = max(UInt64((percent * Double(total) / 100).rounded(.up)), 1)
    var seen: UInt64 = 0
    for (microseconds, cell) in counts.dropLast().enumerated() {
      seen += cell
      if seen >= rank { return Int64(microseconds) }
    }
    return maxMicroseconds
  }

  /// The members of its object.
  func writeJSON(_ json: inout JSONWriter) {
    json.member("count", count)
    json.member("overflow", overflow)
    json.member("p50", percentile(50))
    json.member("p99", percentile(99))
    json.member("p99.9", percentile(99.9))
    json.member("max", maxMicroseconds)
  }
}
