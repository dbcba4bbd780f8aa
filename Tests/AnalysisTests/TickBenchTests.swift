import HandRigs
import Testing

@testable import Analysis

@Suite("The hand of the bench")
struct TickBenchTests {
  @Test(
    "it is driven to the end at any rate, over the pauses in which cyclictest runs",
    arguments: [500, 1000, 10000])
  func pauses(rate: Int) throws {
    let bench = try TickBench(
      board: TestHand.board, calibration: TestHand.design.calibration, rateHertz: rate)
    let period = Int64(1_000_000_000 / rate)
    var now: Int64 = 1_000_000_000
    for _ in 0..<3 {
      for _ in 0..<(2 * rate) {
        bench.tick(now)
        now += period
      }
      #expect(bench.lastRecord.state.outputsLive, "\(bench.lastRecord.fault.name)")
      now += 2_000_000_000
    }
  }
}
