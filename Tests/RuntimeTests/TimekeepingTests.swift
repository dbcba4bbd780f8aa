import HandModel
import HandRigs
import Realtime
import Simulation
import Testing

@testable import Runtime

/// A simulated hand whose clock follows the machine's.
@Suite("Time of a simulated hand", .serialized)
struct TimekeepingTests {
  private static let period = TestHand.board.control.periodNanoseconds
  private static let settings = TestHand.board.control

  private struct Tick {
    var lateness: Int64 = 0
    var interval: Int64 = TimekeepingTests.period
    var missed: UInt64 = 0
  }

  private func judge(_ ticks: [Tick], isDriven: Bool = true) -> Timekeeping {
    var judge = TimekeepingJudge(settings: Self.settings, joints: TestHand.design.joints)
    for (sequence, tick) in ticks.enumerated() {
      judge.observe(
        sequence: UInt64(sequence), lateness: tick.lateness, interval: tick.interval, missed: tick.missed,
        isDriven: isDriven)
    }
    return judge.result
  }

  @Test("a machine that keeps time is said to")
  func onTime() {
    let result = judge(Array(repeating: Tick(lateness: 50_000), count: 3000))
    #expect(result.ticks == 3000 && result.lateTicks == 0 && result.realStops == 0)
    #expect(result.longestLatenessNanoseconds == 50_000)
    #expect(result.sentence.contains("kept time"))
  }

  @Test("a real hand stops for one late tick more than its budget, within the window and not beyond it")
  func lateTicks() {
    let budget = Self.settings.uncertifiedBudgetTicks
    let late = Tick(lateness: Self.period, interval: 2 * Self.period, missed: 0)
    let within = judge(Array(repeating: late, count: budget) + Array(repeating: Tick(), count: 2000) + [late])
    #expect(within.lateTicks == UInt64(budget) + 1 && within.realStops == 0)
    #expect(within.sentence.contains("would have gone on"))
    let beyond = judge([Tick()] + Array(repeating: late, count: budget + 1))
    #expect(beyond.realStops == 1 && beyond.firstRealStop == UInt64(budget) + 1)
    #expect(beyond.sentence.contains("stopped 1 time, first at tick \(budget + 1)"))
  }

  @Test(
    "a real hand stops for one long stall, and the cause is the one that its guard would name",
    arguments: [
      (Int64(30_000_000), UInt64(29), FaultCode.lateTicks), (300_000_000, 299, .lateTicks),
      (20_000_000, 51, .deadlineMisses), (1_000_000_000, 999, .clockJump),
    ])
  func stalls(interval: Int64, missed: UInt64, cause: FaultCode) {
    // The loop knows the deadlines that passed in a stall one tick later.
    let result = judge([Tick(), Tick(lateness: interval, interval: interval), Tick(missed: missed), Tick()])
    #expect(result.realStops == 1 && result.firstRealStop == (cause == .deadlineMisses ? 2 : 1))
    #expect(result.firstRealCause == cause)
    #expect(result.stoodStillNanoseconds == Int64(missed) * Self.period)
  }

  @Test("a hand that is not driven cannot be stopped")
  func idle() {
    let result = judge(
      [Tick(), Tick(lateness: 2_000_000_000, interval: 2_000_000_000, missed: 1999)], isDriven: false)
    #expect(result.realStops == 0 && result.missedDeadlines == 1999)
  }

  @Test(
    "ticks follow the machine's clock at equal distances of the hand's own, and outputs end with the hand")
  func follows() throws {
    let clock = VirtualClock(nanoseconds: MonotonicClock().now())
    let hand = SimulatedHand(
      board: TestHand.board, calibration: TestHand.calibration, seed: 1, clock: clock)
    let runtime = try HandRuntime(design: TestHand.design, hardware: hand, clock: clock)
    try runtime.start(cpu: nil, requireRealtime: false)
    var records: [TickRecord] = []
    let machine = MonotonicClock()
    let start = machine.now()
    #expect(runtime.port.submit(.reset, source: .socket) != .executed)
    let end = start + 60_000_000_000
    while records.count < 300, machine.now() < end {
      _ = runtime.recorderRing.drain { records.append($0) }
      machine.sleep(until: machine.now() + 1_000_000)
    }
    let isArmed = runtime.port.submit(.arm, source: .socket)
    #expect(isArmed == .executed)
    #expect(hand.driveEnable.isActive == true)
    runtime.stop()
    #expect(hand.driveEnable.isActive == false)
    _ = runtime.recorderRing.drain { records.append($0) }
    let elapsed = machine.now() - start
    // Never ahead of the machine.
    #expect(Int64(records.count) * Self.period <= elapsed + 3 * Self.period)
    for (before, after) in zip(records, records.dropFirst()) {
      #expect(after.sequence == before.sequence + 1 && after.dtNanoseconds == Self.period)
      #expect(after.skippedDeadlines == 0 && after.wakeUpNanoseconds >= 0)
    }
    let timekeeping = try #require(runtime.latestTimekeeping())
    let last = try #require(records.last)
    #expect(timekeeping.ticks == last.sequence + 1 && timekeeping.missedDeadlines == last.overruns)
    #expect(!last.outputsEnabled)
  }
}
