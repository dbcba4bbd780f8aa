import Synchronization
import SeededRandom
import Testing

@testable import Realtime

@Suite struct LatencyHistogramTests {
  @Test("buckets follow each other without gap or overlap and are narrower than 1.6 % of their values")
  func buckets() {
    var previous: Int64 = -1
    for index in 0..<LatencyBuckets.count {
      let upper = LatencyBuckets.upperEnd(of: index)
      let lower = previous + 1
      #expect(LatencyBuckets.index(of: lower) == index)
      #expect(LatencyBuckets.index(of: upper) == index)
      #expect(Double(upper - lower) <= 0.016 * Double(lower))
      previous = upper
    }
    #expect(previous == 1 << 34 - 1)
    #expect(previous >= 10_000_000_000)
    #expect(LatencyBuckets.index(of: previous + 1) == LatencyBuckets.count)
    #expect(LatencyBuckets.index(of: .max) == LatencyBuckets.count)
  }

  @Test("percentiles of random latencies lie at or above the exact ones, by less than 1.6 %")
  func percentiles() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    let histogram = LatencyHistogram()
    // Spread over all octaves up to 10 s.
    var values = (0..<20_000).map { _ in
      Int64.random(in: 0...10_000_000_000, using: &random) >> Int64.random(in: 0...33, using: &random)
    }
    for value in values { histogram.record(value) }
    values.sort()
    let snapshot = histogram.snapshot()
    for thousandths in [10, 1000, 50_000, 90_000, 99_000, 99_900, 99_990, 100_000] {
      // Nearest rank in whole numbers.
      let exact = values[(thousandths * values.count + 99_999) / 100_000 - 1]
      let percent = Double(thousandths) / 1000
      let found = snapshot.percentile(percent)
      #expect(found >= exact && Double(found - exact) <= 0.016 * Double(exact), "\(percent) %, seed \(seed)")
    }
    #expect(snapshot.count == 20_000)
    #expect(snapshot.max == values.last)
    #expect(abs(snapshot.mean - Double(values.reduce(0, +)) / 20_000) < 1e-3, "seed \(seed)")
  }

  @Test("small latencies are exact")
  func exact() {
    let histogram = LatencyHistogram()
    for value in 1...100 as ClosedRange<Int64> { histogram.record(value) }
    let snapshot = histogram.snapshot()
    #expect(snapshot.p50 == 50)
    #expect(snapshot.percentile(1) == 1)
    #expect(snapshot.percentile(100) == 100)
    #expect(snapshot.mean == 50.5)
  }

  @Test("latencies of 17 s and more are counted as overflow and keep their maximum; negative ones are 0")
  func limits() {
    let histogram = LatencyHistogram()
    histogram.record(1 << 34)
    histogram.record(.max / 2)
    histogram.record(-5)
    let snapshot = histogram.snapshot()
    #expect(snapshot.overflow == 2)
    #expect(snapshot.count == 3)
    #expect(snapshot.max == .max / 2)
    #expect(snapshot.p99 == .max / 2)
    #expect(snapshot.percentile(1) == 0)
  }

  @Test("an empty distribution reports zeros")
  func empty() {
    let snapshot = LatencyHistogram().snapshot()
    #expect(snapshot == LatencyDistribution())
    #expect(snapshot.count == 0 && snapshot.p999 == 0 && snapshot.max == 0 && snapshot.mean == 0)
  }

  @Test("two halves merged are the whole")
  func merge() {
    let (first, second, whole) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
    for value in 0..<1000 as Range<Int64> {
      (value < 400 ? first : second).record(value * value)
      whole.record(value * value)
    }
    var merged = first.snapshot()
    merged.merge(second.snapshot())
    #expect(merged == whole.snapshot())
  }

  @Test("a snapshot taken while another thread records never loses what an earlier one had")
  func concurrent() throws {
    let histogram = LatencyHistogram()
    let records: UInt64 = 200_000
    let writer = try RealtimeThread(name: "recording", policy: .normal) {
      for number in 0..<records { histogram.record(Int64(number & 1023)) }
    }
    var last: UInt64 = 0
    var shrunk = 0
    while last < records {
      let count = histogram.snapshot().count
      if count < last { shrunk += 1 }
      last = count
    }
    writer.join()
    #expect(shrunk == 0)
    #expect(histogram.snapshot().count == records)
  }
}
