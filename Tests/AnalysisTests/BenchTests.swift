import Foundation
import Synchronization
import Testing

@testable import Analysis
@testable import Realtime

@Suite struct BenchTests {
  @Test("cyclictest's histogram is read with its overflows and its maximum")
  func parse() throws {
    // Output of cyclictest 2.40 -m -q -p 80 -i 1000 -D 1 -h 13, shortened by its zero lines.
    let output = """
      # /dev/cpu_dma_latency set to 0us
      # Histogram
      000000 000000
      000011 000000
      000012 000036
      # Total: 000000036
      # Min Latencies: 00012
      # Avg Latencies: 00014
      # Max Latencies: 00131
      # Histogram Overflows: 00964
      # Histogram Overflow at cycle number:
      # Thread 0: 00000 00001 00002 # 00951 others
      """
    let distribution = try Cyclictest.parse(output)
    #expect(distribution.count == 1000)
    #expect(distribution.counts[12] == 36)
    #expect(distribution.overflow == 964)
    #expect(distribution.percentile(3.6) == 12)
  }

  @Test("output that is cut short, empty or does not add up is refused")
  func unreadable() {
    let whole = "000012 000036\n# Total: 000000036\n# Max Latencies: 00013\n# Histogram Overflows: 00000\n"
    #expect(throws: Never.self) { try Cyclictest.parse(whole) }
    let broken = [
      "", "000012 000036\n", whole.replacingOccurrences(of: "# Total: 000000036\n", with: ""),
      whole.replacingOccurrences(of: "000012 000036", with: "000012 000035"),
      whole.replacingOccurrences(of: "# Histogram Overflows: 00000\n", with: ""),
    ]
    for output in broken {
      #expect(throws: CyclictestError.unreadable) { try Cyclictest.parse(output) }
    }
  }

  @Test("a missing cyclictest names the package, a failing one its status")
  func failures() {
    func run(_ program: String) throws(CyclictestError) -> MicrosecondDistribution {
      try Cyclictest.run(rateHertz: 1000, seconds: 1, program: program)
    }
    #expect(throws: CyclictestError.notInstalled) { try run("cyclictest-not-there") }
    #expect(throws: CyclictestError.failed(status: 1)) { try run("false") }
    #expect(throws: CyclictestError.unreadable) { try run("true") }
    #expect(throws: CyclictestError.spawn(.permissionDenied)) { try run("/dev/null") }
    #expect(CyclictestError.notInstalled.description.contains("rt-tests"))
  }

  @Test("microsecond percentiles are nearest ranks, and the maximum survives the limit")
  func microseconds() {
    var distribution = MicrosecondDistribution()
    #expect(distribution.percentile(50) == 0)
    for value in 1...100 as ClosedRange<Int64> { distribution.add(microseconds: value) }
    #expect(distribution.percentile(50) == 50)
    #expect(distribution.percentile(99) == 99)
    #expect(distribution.percentile(99.1) == 100)
    distribution.add(microseconds: 1_000_000, times: 0)
    #expect(distribution.maxMicroseconds == 100)
    distribution.add(microseconds: 1_000_000)
    #expect(distribution.overflow == 1)
    #expect(distribution.percentile(100) == 1_000_000)
    var sum = distribution
    sum.merge(distribution)
    #expect(sum.count == 202)
    #expect(sum.percentile(50) == distribution.percentile(50))
  }

  @Test("the bench calls the body once a tick and accounts for every deadline of the run")
  func cyclicBench() throws {
    let calls = Atomic<UInt64>(0)
    let result = try CyclicBench.run(rateHertz: 1000, seconds: 0.2) { _ in
      calls.add(1, ordering: .relaxed)
    }
    #expect(result.ticks == calls.load(ordering: .relaxed))
    // 200 deadlines; the last tick may skip past the end.
    #expect(result.ticks + result.skipped >= 200)
    #expect(result.ticks <= 200)
    #expect(result.wakeUp.count == result.ticks)
    #expect(result.compute.count == result.ticks)
    #expect(result.wakeUpMicroseconds.count == result.ticks)
    #expect(result.wakeUpMicroseconds.maxMicroseconds == result.wakeUp.max / 1000)
  }

  @Test("a body longer than the period skips deadlines instead of running late ticks in a burst")
  func overrun() throws {
    let clock = MonotonicClock()
    let result = try CyclicBench.run(rateHertz: 1000, seconds: 0.1) { now in
      clock.sleep(until: now + 2_500_000)
    }
    #expect(result.ticks <= 34)
    #expect(result.skipped >= 2 * (result.ticks - 1))
  }

  @Test("one disturbed segment decides the ratio of all, but not the median of the pairs")
  func medianRatio() {
    func constant(_ microseconds: Int64) -> MicrosecondDistribution {
      var distribution = MicrosecondDistribution()
      distribution.add(microseconds: microseconds, times: 1000)
      return distribution
    }
    func result(_ pairs: [(Int64, Int64)]) -> LoopBenchResult {
      var result = LoopBenchResult(
        rateHertz: 1000, pairs: [], secondsPerSegment: 2, ours: .init(), cyclictest: .init(), wakeUp: .init(),
        compute: .init(), skipped: 0,
        thread: ThreadReport(name: "", policy: .normal, cpu: nil, threadID: 1, isDegraded: false),
        processIsComplete: true)
      for (ours, cyclictest) in pairs {
        result.pairs.append(.init(ours: constant(ours), cyclictest: constant(cyclictest)))
        result.ours.merge(constant(ours))
        result.cyclictest.merge(constant(cyclictest))
      }
      return result
    }
    let disturbed = result([(10, 10), (12, 10), (900, 10)])
    #expect(disturbed.ratio(percent: 99) == 90)
    #expect(disturbed.medianRatio(percent: 99) == 1.2)
    #expect(result([(10, 10), (12, 10)]).medianRatio(percent: 99) == 1.1)
    #expect(result([]).medianRatio(percent: 99).isNaN)
  }
}
