/// Our loop beside cyclictest, on the same machine in the same minute.
package struct LoopBenchResult: Sendable {
  package var rateHertz: Double
  /// Segments of each of the two.
  package var segments: Int
  package var secondsPerSegment: Double
  package var cpu: Int?
  /// Our wake-up, in the units of cyclictest.
  package var ours: MicrosecondDistribution
  package var cyclictest: MicrosecondDistribution
  /// Our wake-up and the body's compute time at full resolution, nanoseconds.
  package var wakeUp: LatencyDistribution
  package var compute: LatencyDistribution
  package var skipped: UInt64
  package var thread: ThreadReport
  /// Whether memory lock and CPU latency request were granted.
  package var processIsComplete: Bool

  /// Ours over cyclictest's at a percentile; below 1 is better than cyclictest. Whole microseconds over whole
  /// microseconds; one is added to neither, so a reference of 0 µs gives infinity or NaN.
  package func ratio(percent: Double) -> Double {
    Double(ours.percentile(percent)) / Double(cyclictest.percentile(percent))
  }

  /// Microseconds for `ours` and `cyclictest`, nanoseconds where the key says so.
  package var json: String {
    func nanoseconds(_ distribution: LatencyDistribution) -> JSONText {
      .object([
        ("count", .integer(Int64(clamping: distribution.count))), ("p50", .integer(distribution.p50)),
        ("p90", .integer(distribution.p90)), ("p99", .integer(distribution.p99)),
        ("p99.9", .integer(distribution.p999)), ("max", .integer(distribution.max)),
        ("mean", .number(distribution.mean)),
      ])
    }
    var isFIFO = false
    var priority: Int32 = 0
    if case .fifo(let value) = thread.policy { (isFIFO, priority) = (true, value) }
    return JSONText.object([
      ("rateHertz", .number(rateHertz)), ("segments", .integer(Int64(segments))),
      ("secondsPerSegment", .number(secondsPerSegment)), ("cpu", cpu.map { .integer(Int64($0)) } ?? .null),
      ("oursMicroseconds", ours.json), ("cyclictestMicroseconds", cyclictest.json),
      (
        "ratio",
        .object([
          ("p50", .number(ratio(percent: 50))), ("p99", .number(ratio(percent: 99))),
          ("p99.9", .number(ratio(percent: 99.9))),
        ])
      ),
      ("wakeUpNanoseconds", nanoseconds(wakeUp)), ("computeNanoseconds", nanoseconds(compute)),
      ("skippedTicks", .integer(Int64(clamping: skipped))),
      ("policy", .string(isFIFO ? "fifo" : "normal")), ("priority", .integer(Int64(priority))),
      ("isDegraded", .boolean(thread.isDegraded)), ("processIsComplete", .boolean(processIsComplete)),
    ]).text
  }
}

/// Compares our loop with cyclictest in alternating segments, so that the noise of a shared machine falls on
/// both alike.
package enum LoopBench {
  /// cyclictest takes whole seconds, and the first of a segment still holds its start: two at least.
  package static let minimumSecondsPerSegment: Double = 2

  /// Runs ours, cyclictest, ours, … for `seconds` each in all.
  /// - Parameters:
  ///   - seconds: total for each of the two, cut into segments of 2 s or a little more.
  ///   - cpu: the CPU both are pinned to, or nil.
  ///   - body: one tick; gets the time at which it started, nanoseconds. Runs on a new thread each segment,
  ///     never on two at once.
  package static func run(
    rateHertz: Double, seconds: Double, cpu: Int? = nil,
    body: @escaping @Sendable (_ now: Int64) -> Void
  ) throws -> LoopBenchResult {
    let segments = max(Int(seconds / minimumSecondsPerSegment), 1)
    let length = max((seconds / Double(segments)).rounded(.up), minimumSecondsPerSegment)
    var ours = MicrosecondDistribution()
    var reference = MicrosecondDistribution()
    var wakeUp = LatencyDistribution()
    var compute = LatencyDistribution()
    var skipped: UInt64 = 0
    var thread: ThreadReport?
    // Made anew for each segment: held on, it would keep the CPUs awake for cyclictest too, which is fair, but
    // then a cyclictest without the right to the device would profit from ours.
    var isComplete = true
    for _ in 0..<segments {
      let process = RealtimeProcess()
      isComplete = isComplete && process.isComplete
      let result = try CyclicBench.run(rateHertz: rateHertz, seconds: length, cpu: cpu, body: body)
      // The lock and the request are released here.
      _ = consume process
      ours.merge(result.wakeUpMicroseconds)
      wakeUp.merge(result.wakeUp)
      compute.merge(result.compute)
      skipped += result.skipped
      thread = result.thread
      reference.merge(try Cyclictest.run(rateHertz: rateHertz, seconds: length, cpu: cpu))
    }
    return LoopBenchResult(
      rateHertz: rateHertz, segments: segments, secondsPerSegment: length, cpu: cpu, ours: ours,
      cyclictest: reference, wakeUp: wakeUp, compute: compute, skipped: skipped, thread: thread!,
      processIsComplete: isComplete)
  }
}
