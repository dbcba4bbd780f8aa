import Testing

@testable import Service

@Suite("Watchdog")
struct WatchdogTests {
  private static let second: Int64 = 1_000_000_000
  private static let limit = 2 * second

  /// The expectation macro takes no mutating call of a value.
  private final class Bench {
    private var watchdog = Watchdog(
      limitNanoseconds: limit, windowNanoseconds: second, overrunBudget: 50, now: 0)

    func isDue(ticks: UInt64, overruns: UInt64, now: Int64) -> Bool {
      watchdog.isDue(ticks: ticks, overruns: overruns, now: now)
    }

    func pinged(ticks: UInt64, now: Int64) { watchdog.pinged(ticks: ticks, now: now) }
  }

  @Test("it is fed at once and then every quarter of its limit while the loop ticks")
  func steady() {
    let watchdog = Bench()
    var pings: [Int64] = []
    for step in 0..<40 {
      let now = Int64(step) * Self.second / 10
      let ticks = UInt64(step) * 100 + 1
      if watchdog.isDue(ticks: ticks, overruns: 0, now: now) {
        watchdog.pinged(ticks: ticks, now: now)
        pings.append(now)
      }
    }
    #expect(pings.first == 0)
    #expect(zip(pings, pings.dropFirst()).allSatisfy { $1 - $0 == Self.second / 2 })
    #expect(pings.count == 8)
  }

  @Test("a loop that makes no tick is not fed, however often it is looked at, and is again when it goes on")
  func stalled() {
    let watchdog = Bench()
    #expect(watchdog.isDue(ticks: 10, overruns: 0, now: 0))
    watchdog.pinged(ticks: 10, now: 0)
    for step in 1...100 {
      #expect(!watchdog.isDue(ticks: 10, overruns: 0, now: Int64(step) * Self.second / 10))
    }
    #expect(watchdog.isDue(ticks: 11, overruns: 0, now: 11 * Self.second))
  }

  @Test("a ping that was not taken stays due")
  func lost() {
    let watchdog = Bench()
    #expect(watchdog.isDue(ticks: 10, overruns: 0, now: 0))
    #expect(watchdog.isDue(ticks: 10, overruns: 0, now: 1))
  }

  @Test(
    "skipped deadlines above the board's budget starve it until they leave the window", arguments: [50, 51])
  func overruns(skipped: UInt64) {
    let watchdog = Bench()
    #expect(watchdog.isDue(ticks: 1, overruns: 7, now: 0))
    watchdog.pinged(ticks: 1, now: 0)
    let due = watchdog.isDue(ticks: 500, overruns: 7 + skipped, now: Self.second * 6 / 10)
    #expect(due == (skipped <= 50))
    #expect(watchdog.isDue(ticks: 900, overruns: 7 + skipped, now: Self.second * 18 / 10))
  }
}
