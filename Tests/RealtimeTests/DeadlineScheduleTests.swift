import Realtime
import SeededRandom
import Testing

@Suite struct DeadlineScheduleTests {
  @Test("a tick in time moves the deadline by one period", arguments: [0, 5, 9, 10, 19])
  func inTime(now: Int64) {
    var cadence = DeadlineSchedule(periodNanoseconds: 10, start: 10)
    #expect(cadence.advance(now: now) == 0)
    #expect(cadence.deadlineNanoseconds == 20)
    #expect(cadence.skippedTotal == 0)
  }

  @Test(
    "a late tick skips the deadlines that are past or now and keeps the phase",
    arguments: [(20, 1, 30), (29, 1, 30), (30, 2, 40), (1_000_000_005, 99_999_999, 1_000_000_010)])
  func late(now: Int64, skipped: UInt64, deadline: Int64) {
    var cadence = DeadlineSchedule(periodNanoseconds: 10, start: 10)
    #expect(cadence.advance(now: now) == skipped)
    #expect(cadence.deadlineNanoseconds == deadline)
    #expect(cadence.skippedTotal == skipped)
  }

  @Test("a stall of a century is one step")
  func century() {
    var cadence = DeadlineSchedule(periodNanoseconds: 1_000_000, start: 0)
    let century: Int64 = 3_155_760_000 * 1_000_000_000
    #expect(cadence.advance(now: century) == 3_155_760_000_000)
    #expect(cadence.deadlineNanoseconds == century + 1_000_000)
  }

  @Test("deadlines go on when the clock wraps")
  func wrap() {
    var cadence = DeadlineSchedule(periodNanoseconds: 10, start: .max - 4)
    #expect(cadence.advance(now: .max - 3) == 0)
    #expect(cadence.deadlineNanoseconds == .min + 5)
    #expect(cadence.advance(now: .min + 17) == 1)
    #expect(cadence.deadlineNanoseconds == .min + 25)
  }

  @Test("the rate gives the period, and the first deadline lies one period ahead")
  func rate() {
    let cadence = DeadlineSchedule(rateHertz: 3, now: 100)
    #expect(cadence.periodNanoseconds == 333_333_333)
    #expect(cadence.deadlineNanoseconds == 333_333_433)
  }

  @Test("advance agrees with stepping period by period, whatever the times")
  func property() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      let period = Int64.random(in: 1...50, using: &random)
      var cadence = DeadlineSchedule(
        periodNanoseconds: period, start: Int64.random(in: -100...100, using: &random))
      var total: UInt64 = 0
      for _ in 0..<5 {
        let now = cadence.deadlineNanoseconds + Int64.random(in: -20...500, using: &random)
        var expected = cadence.deadlineNanoseconds + period
        var skipped: UInt64 = 0
        while expected <= now {
          expected += period
          skipped += 1
        }
        total += skipped
        let result = cadence.advance(now: now)
        #expect(
          result == skipped && cadence.deadlineNanoseconds == expected && cadence.skippedTotal == total,
          "seed \(seed)")
      }
    }
  }
}
