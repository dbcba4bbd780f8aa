import Testing

@testable import Control

@Suite("The gate of encoder samples")
struct SampleGateTests {
  /// A gate that knows 0 rad at 0 ns; a joint of 1 rad/s, 0.01 rad of noise, three rejections.
  private final class Feed {
    private(set) var gate = SampleGate()
    private(set) var number: UInt32 = 0

    init() { _ = take(0, at: 0) }

    func take(_ radians: Double, at time: Int64) -> (verdict: SampleVerdict, measured: Double) {
      number += 1
      return look(sample(), radians, at: time)
    }

    /// The newest sample.
    func sample() -> EncoderSample {
      var sample = EncoderSample()
      sample.isValid = true
      sample.number = number
      return sample
    }

    func look(
      _ sample: EncoderSample, _ radians: Double, at time: Int64
    ) -> (verdict: SampleVerdict, measured: Double) {
      var measured = 0.0
      let verdict = gate.take(
        sample, time: time, radians: radians, largestSpeed: 1, allowance: 0.01, rejections: 3,
        measured: &measured)
      return (verdict, measured)
    }
  }
  private let feed = Feed()

  @Test("a sample is believed up to what speed and noise allow since the last good one")
  func jump() {
    #expect(feed.take(0.1099, at: 100_000_000) == (.fresh, 0.1099))
    #expect(feed.take(0.1299, at: 110_000_000) == (.fresh, 0.1299))
    #expect(feed.take(0.1701, at: 140_000_000) == (.rejected, 0.1701))
    #expect(feed.gate.lastRadians == 0.1299)
    #expect(feed.take(0.1701, at: 170_000_000) == (.fresh, 0.1701), "the longer ago, the further it may be")
  }

  @Test("the third rejection in a row is implausible and is where the gate goes on")
  func implausible() {
    #expect(feed.take(1, at: 1_000_000).verdict == .rejected)
    #expect(feed.take(1, at: 2_000_000).verdict == .rejected)
    #expect(feed.take(1, at: 3_000_000).verdict == .implausible)
    #expect(feed.take(1.001, at: 4_000_000).verdict == .fresh)
    #expect(feed.take(2, at: 5_000_000).verdict == .rejected, "a good one in between starts the count anew")
  }

  @Test("the same sample again, none, and one older than the last say nothing")
  func nothingNew() {
    #expect(feed.take(0.001, at: 1_000_000).verdict == .fresh)
    var sample = feed.sample()
    #expect(feed.look(sample, 5, at: 2_000_000) == (.known, 0.001))
    sample.isValid = false
    sample.number = feed.number + 1
    #expect(feed.look(sample, 5, at: 2_000_000) == (.known, 0.001))
    #expect(feed.take(5, at: 1_000_000) == (.outdated, 0.001))
  }

  @Test("the first sample of all is taken wherever it is")
  func first() {
    var fresh = SampleGate()
    var sample = EncoderSample()
    sample.isValid = true
    sample.number = 9
    sample.counts = 77
    var measured = 0.0
    let verdict = fresh.take(
      sample, time: 5, radians: 2.5, largestSpeed: 1, allowance: 0.01, rejections: 3, measured: &measured)
    #expect(verdict == .first && measured == 2.5 && fresh.hasPosition && fresh.lastCounts == 77)
  }
}
