import Foundation
import HandModel
import HandRigs
import Realtime
import Synchronization
import Testing

@testable import Runtime
@testable import Simulation

/// The machine's clock, but for sleeps that only a hung adapter takes: they last until the gate is opened.
private final class GatedClock: TimeSource, Sendable {
  /// No thread of a healthy hand sleeps longer than some periods.
  private static let hangNanoseconds: Int64 = 10_000_000_000
  private static let pollNanoseconds: Int64 = 1_000_000

  private let machine = MonotonicClock()
  private let isOpen = Atomic(false)
  private let blocked = Atomic(0)

  /// Threads inside such a sleep.
  var blockedThreads: Int { blocked.load(ordering: .acquiring) }
  func open() { isOpen.store(true, ordering: .releasing) }

  func now() -> Int64 { machine.now() }

  func sleep(until deadline: Int64) {
    guard deadline - machine.now() > Self.hangNanoseconds else { return machine.sleep(until: deadline) }
    blocked.add(1, ordering: .acquiringAndReleasing)
    while !isOpen.load(ordering: .acquiring) { machine.sleep(until: machine.now() + Self.pollNanoseconds) }
    blocked.subtract(1, ordering: .acquiringAndReleasing)
  }
}

/// In real time, on the threads of the daemon. No latency is judged: the machine may be as slow as it likes.
@Suite("A dead bus", .serialized)
struct DeadBusTests {
  private static let deadBus = 1
  private static let deadJoints = 3...5
  /// Far more ticks than any loop that waited for the bus could make.
  private static let ticksWhileDead: UInt64 = 300

  /// A bound on waiting, not a measurement.
  private func wait(_ condition: () -> Bool) -> Bool {
    let limit = ContinuousClock.now + .seconds(60)
    while !condition() {
      if ContinuousClock.now > limit { return false }
      usleep(1000)
    }
    return true
  }

  @Test("while one bus thread hangs in its adapter, the loop goes on tick by tick on its own time grid")
  func hang() throws {
    let clock = GatedClock()
    let hand = SimulatedHand(
      board: TestHand.board, calibration: TestHand.calibration, seed: 1, clock: clock)
    let runtime = try HandRuntime(design: TestHand.design, hardware: hand, clock: clock)
    try runtime.start(cpu: nil, requireRealtime: false)
    defer {
      clock.open()
      runtime.stop()
    }
    var records: [TickRecord] = []
    func drain() { _ = runtime.recorderRing.drain { records.append($0) } }
    #expect(wait { runtime.latestRecord().sequence > 50 }, "the hand started")

    // An hour, of which the thread wakes only when the gate is opened.
    hand.buses[Self.deadBus].inject(.hang(nanoseconds: 3_600_000_000_000))
    #expect(wait { clock.blockedThreads == 1 }, "the bus thread hangs")
    drain()
    let start = runtime.latestRecord().sequence
    #expect(
      wait {
        drain()
        return runtime.latestRecord().sequence >= start + Self.ticksWhileDead
      }, "the loop stands still while the bus does")
    #expect(clock.blockedThreads == 1, "the bus hung all the while")
    drain()

    let during = records.filter { $0.sequence > start }
    #expect(during.count >= Int(Self.ticksWhileDead) - 1)
    let period = TestHand.board.control.periodNanoseconds
    for (earlier, later) in zip(during, during.dropFirst()) {
      #expect(later.sequence == earlier.sequence + 1)
      // Deadlines lie on the grid: one period on, and one more for each that the machine made the loop skip.
      let skipped = Int64(later.overruns - earlier.overruns)
      #expect(later.deadlineNanoseconds - earlier.deadlineNanoseconds == period * (1 + skipped))
      #expect(later.wakeUpNanoseconds >= 0)
    }
    // The dead bus's joints grow old, never fresh; the others go on.
    for joint in 0..<15 {
      let isDead = Self.deadJoints.contains(joint)
      let fresh = during.count { $0.joints[joint].flags & JointFlags.fresh != 0 }
      #expect(isDead ? fresh == 0 : fresh > 0, "joint \(joint)")
    }
    let last = try #require(during.last)
    for joint in Self.deadJoints {
      #expect(last.joints[joint].flags & JointFlags.stale != 0, "joint \(joint)")
      let grown =
        Int64(last.joints[joint].sampleAgeNanoseconds) - Int64(during[0].joints[joint].sampleAgeNanoseconds)
      let passed =
        last.deadlineNanoseconds + last.wakeUpNanoseconds - during[0].deadlineNanoseconds
        - during[0].wakeUpNanoseconds
      #expect(grown == passed || last.joints[joint].sampleAgeNanoseconds == .max, "joint \(joint)")
    }
  }
}
