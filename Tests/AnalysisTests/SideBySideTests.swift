import Analysis
import Testing

@Suite("Benches beside a C program")
struct SideBySideTests {
  @Test("both do the same work in turn, and the ratio is the median of the rounds'")
  func rounds() throws {
    var turns: [String] = []
    let result = try SideBySide(
      seconds: 6,
      ours: { seconds in
        #expect(seconds == 2)
        turns.append("ours")
        return BenchRun(count: 1000, seconds: 2)
      },
      peer: .success { count in
        turns.append("peer \(count)")
        return BenchRun(count: count, seconds: [4, 1, 2][turns.count / 2 - 1])
      })
    #expect(turns == ["ours", "peer 1000", "ours", "peer 1000", "ours", "peer 1000"])
    #expect(result.ratio == 1 && result.oursPerSecond == 500 && result.peerPerSecond == 500)
  }

  @Test("a side that did nothing, or took no time, is a failure and no ratio")
  func noRatio() {
    for (ours, peer) in [
      (BenchRun(count: 0, seconds: 1), BenchRun(count: 0, seconds: 1)),
      (BenchRun(count: 0, seconds: 1), BenchRun(count: 5, seconds: 1)),
      (BenchRun(count: 5, seconds: 1), BenchRun(count: 5, seconds: 0)),
      (BenchRun(count: 5, seconds: 1), BenchRun(count: 5, seconds: .nan)),
    ] {
      #expect(throws: BenchError.self) {
        try SideBySide(seconds: 1, ours: { _ in ours }, peer: .success { _ in peer })
      }
    }
  }

  @Test("a side that fails ends the bench, and without a C program the reason is told")
  func failures() throws {
    struct Broken: Error {}
    #expect(throws: Broken.self) {
      try SideBySide(seconds: 1, ours: { _ in throw Broken() }, peer: .failure(.noCompiler))
    }
    #expect(throws: Broken.self) {
      try SideBySide(
        seconds: 1, ours: { _ in BenchRun(count: 5, seconds: 1) }, peer: .success { _ in throw Broken() })
    }
    let alone = try SideBySide(
      seconds: 1, ours: { _ in BenchRun(count: 5, seconds: 1) }, peer: .failure(.noSource("peer.c")))
    #expect(alone.ratio == nil && alone.noPeer == "peer.c is not here; a checkout has it")
    #expect(alone.oursPerSecond == 5)
  }
}
