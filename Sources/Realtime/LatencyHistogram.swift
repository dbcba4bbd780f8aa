import Synchronization

/// A latency histogram of fixed memory that one thread fills while others read: log-linear buckets as in an
/// HDR histogram.
///
/// Below 64 ns a bucket is 1 ns wide; above, each octave has 64 buckets, so a bucket is at most 1/64 = 1.57 %
/// of its values wide. Values of 2³⁴ ns (17.2 s) and more are counted as overflow. Percentiles are given as a
/// bucket's upper end: they overstate by less than 1.6 % and never understate.
package final class LatencyHistogram: @unchecked Sendable {
  // Safety of @unchecked: every cell is an atomic; only the recording thread stores.
  let cells: UnsafeMutablePointer<Atomic<UInt64>>
  let sum = Atomic<Int64>(0)
  let largest = Atomic<Int64>(0)

  package init() {
    cells = .allocate(capacity: LatencyBuckets.count + 1)
    for index in 0...LatencyBuckets.count {
      (cells + index).initialize(to: Atomic<UInt64>(0))
    }
  }

  deinit {
    cells.deinitialize(count: LatencyBuckets.count + 1)
    cells.deallocate()
  }

  /// Counts one value; a negative one, which only a clock fault can give, as 0. One thread only.
  @_noLocks
  package func record(_ nanoseconds: Int64) {
    let value = max(nanoseconds, 0)
    // Single writer: a plain load and store is enough, and saves the locked read-modify-write.
    let index = LatencyBuckets.index(of: value)
    cells[index].store(cells[index].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    sum.store(sum.load(ordering: .relaxed) &+ value, ordering: .relaxed)
    if value > largest.load(ordering: .relaxed) { largest.store(value, ordering: .relaxed) }
  }

  /// The distribution so far, from any thread at any time. While the recording thread runs, sum and largest
  /// may be some records ahead of or behind the counts.
  package func snapshot() -> LatencyDistribution {
    let counts = (0...LatencyBuckets.count).map { cells[$0].load(ordering: .relaxed) }
    return LatencyDistribution(
      counts: counts, sum: sum.load(ordering: .relaxed), max: largest.load(ordering: .relaxed))
  }
}

/// Where a value is counted. Free functions of integers, shared by the histogram and its distribution.
enum LatencyBuckets {
  /// 64 buckets an octave bound the relative error by 1/64.
  static let subBits = 6
  /// 2³⁴ ns = 17.2 s: no loop that is later than that has a latency worth telling apart.
  static let topBits = 34
  /// Buckets without the overflow bucket, which follows at this index.
  static let count = (34 - 6 + 1) << 6

  /// - Parameter value: nanoseconds, ≥ 0.
  @_noLocks static func index(of value: Int64) -> Int {
    if value >> Int64(topBits) != 0 { return count }
    let shift = max(Int64.bitWidth - 1 - value.leadingZeroBitCount - subBits, 0)
    return shift << subBits + Int(value >> Int64(shift))
  }

  /// The largest value counted in a bucket.
  static func upperEnd(of index: Int) -> Int64 {
    let shift = max(index >> subBits - 1, 0)
    let mantissa = Int64(index - shift << subBits)
    return (mantissa + 1) << Int64(shift) - 1
  }
}

/// A latency histogram's contents at one moment. Values in nanoseconds.
package struct LatencyDistribution: Sendable, Equatable {
  /// Counts by bucket; the last is the overflow.
  private(set) var counts: [UInt64]
  private var sum: Int64
  /// The largest value, exact; 0 when there is none.
  package private(set) var max: Int64

  init(counts: [UInt64], sum: Int64, max: Int64) {
    self.counts = counts
    self.sum = sum
    self.max = max
  }

  /// An empty distribution, to merge others into.
  package init() {
    self.init(counts: Array(repeating: 0, count: LatencyBuckets.count + 1), sum: 0, max: 0)
  }

  /// Values recorded, overflow included.
  package var count: UInt64 { counts.reduce(0, &+) }
  /// Values of 2³⁴ ns and more.
  package var overflow: UInt64 { counts[LatencyBuckets.count] }
  /// Exact, not from buckets; 0 when there are no values.
  package var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }
  /// Median, nanoseconds; rounded as `percentile(_:)` is.
  package var p50: Int64 { percentile(50) }
  /// 90th percentile, nanoseconds.
  package var p90: Int64 { percentile(90) }
  /// 99th percentile, nanoseconds.
  package var p99: Int64 { percentile(99) }
  /// 99.9th percentile, nanoseconds.
  package var p999: Int64 { percentile(99.9) }

  /// The smallest value that at least `percent` of all values do not exceed (nearest rank), rounded up by
  /// less than 1.6 % and never above `max`; 0 when there are no values.
  /// - Parameter percent: in (0, 100].
  package func percentile(_ percent: Double) -> Int64 {
    precondition(percent > 0 && percent <= 100, "a percentile lies in (0, 100]")
    let total = count
    guard total > 0 else { return 0 }
    // Multiplied first: 3.6 / 100 × 1000 exceeds 36, which would be one rank too many.
    let rank = Swift.max(UInt64((percent * Double(total) / 100).rounded(.up)), 1)
    var seen: UInt64 = 0
    for (index, cell) in counts.enumerated() {
      seen += cell
      if seen >= rank {
        return index == LatencyBuckets.count ? max : Swift.min(LatencyBuckets.upperEnd(of: index), max)
      }
    }
    return max
  }

  /// Adds another distribution's values to this one.
  package mutating func merge(_ other: LatencyDistribution) {
    for index in counts.indices { counts[index] += other.counts[index] }
    sum += other.sum
    max = Swift.max(max, other.max)
  }
}
