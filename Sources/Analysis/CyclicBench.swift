import Realtime

/// What a measured loop did.
package struct CyclicResult: Sendable {
  /// Start of a tick minus its deadline, nanoseconds.
  package var wakeUp: LatencyDistribution
  /// End of a tick's body minus its start, nanoseconds.
  package var compute: LatencyDistribution
  /// `wakeUp` as cyclictest counts it.
  package var wakeUpMicroseconds: MicrosecondDistribution
  package var ticks: UInt64
  /// Deadlines skipped because a tick was still running or late.
  package var skipped: UInt64
  /// What the loop thread got.
  package var thread: ThreadReport
}

/// Runs a loop exactly as the daemon does and measures it.
package enum CyclicBench {
  /// Runs `body` at a fixed rate on a thread of its own and returns when it is over. The caller holds a
  /// `RealtimeProcess`, as the daemon does.
  /// - Parameters:
  ///   - rateHertz: in (0, 1e6].
  ///   - seconds: length of the run, > 0.
  ///   - cpu: the CPU to pin to, or nil.
  ///   - body: one tick; gets the time at which the tick started, nanoseconds.
  /// - Throws: when the CPU does not exist or the thread cannot start; a missing privilege degrades it
  ///   (`CyclicResult.thread`).
  package static func run(
    rateHertz: Double, seconds: Double, cpu: Int? = nil, priority: Int32 = SchedulingPolicy.loopPriority,
    body: sending @escaping (_ now: Int64) -> Void
  ) throws(RealtimeThreadError) -> CyclicResult {
    precondition(rateHertz > 0 && rateHertz <= 1e6, "the bench's rate must lie in (0, 1e6] Hz")
    precondition(seconds > 0, "the bench must run for some time")
    let measurement = Measurement()
    let thread = try RealtimeThread(
      name: "bench-loop", policy: .fifo(priority: priority), cpu: cpu, onMissingPrivilege: .degrade
    ) {
      measurement.run(rateHertz: rateHertz, seconds: seconds, body: body)
    }
    thread.join()
    return measurement.result(thread: thread.report)
  }
}

/// The memory of one run: written by the loop thread, read after its end.
private final class Measurement: @unchecked Sendable {
  // Safety of @unchecked: joining the loop thread comes between its writes and the reads.
  private let clock = MonotonicClock()
  private let wakeUp = LatencyHistogram()
  private let compute = LatencyHistogram()
  private let microseconds: UnsafeMutablePointer<UInt64>
  private var skipped: UInt64 = 0

  init() {
    microseconds = .allocate(capacity: MicrosecondDistribution.limitMicroseconds + 1)
    microseconds.initialize(repeating: 0, count: MicrosecondDistribution.limitMicroseconds + 1)
  }

  deinit { microseconds.deallocate() }

  func run(rateHertz: Double, seconds: Double, body: (Int64) -> Void) {
    var cadence = DeadlineSchedule(rateHertz: rateHertz, now: clock.now())
    let end = cadence.deadlineNanoseconds + Int64(seconds * 1e9)
    while cadence.deadlineNanoseconds < end {
      clock.sleep(until: cadence.deadlineNanoseconds)
      let now = clock.now()
      let late = now - cadence.deadlineNanoseconds
      body(now)
      let done = clock.now()
      wakeUp.record(late)
      compute.record(done - now)
      let whole = min(late / 1000, Int64(MicrosecondDistribution.limitMicroseconds))
      microseconds[Int(whole)] += 1
      cadence.advance(now: clock.now())
    }
    skipped = cadence.skippedTotal
  }

  func result(thread: ThreadReport) -> CyclicResult {
    let wakeUp = wakeUp.snapshot()
    var distribution = MicrosecondDistribution()
    for index in 0...MicrosecondDistribution.limitMicroseconds {
      distribution.add(microseconds: Int64(index), times: microseconds[index])
    }
    distribution.raiseMax(toMicroseconds: wakeUp.max / 1000)
    return CyclicResult(
      wakeUp: wakeUp, compute: compute.snapshot(), wakeUpMicroseconds: distribution, ticks: wakeUp.count,
      skipped: skipped, thread: thread)
  }
}
