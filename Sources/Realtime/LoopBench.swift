/// Our loop beside cyclictest, on the same machine in the same minute.
package struct LoopBenchResult: Sendable {
  /// One segment of each.
  package struct Pair: Sendable {
    package var ours: MicrosecondDistribution
    package var cyclictest: MicrosecondDistribution
  }

  package var rateHertz: Double
  /// The runs in the order they were made, each of ours beside the cyclictest just before it.
  package var pairs: [Pair]
  package var segments: Int { pairs.count }
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

  /// Ours over cyclictest's at a percentile, whole microseconds over whole microseconds; below 1 is better
  /// than cyclictest. Infinity or NaN (null in JSON) for a reference below 1 µs.
  package func ratio(percent: Double) -> Double {
    Double(ours.percentile(percent)) / Double(cyclictest.percentile(percent))
  }

  /// The median over the pairs of ours over cyclictest's at a percentile: a disturbance from outside falls on
  /// single segments, and does not decide here as it does in `ratio`.
  package func medianRatio(percent: Double) -> Double {
    let ratios = pairs.map {
      Double($0.ours.percentile(percent)) / Double($0.cyclictest.percentile(percent))
    }.sorted()
    guard let upper = ratios.dropFirst(ratios.count / 2).first else { return .nan }
    return ratios.count.isMultiple(of: 2) ? (ratios[ratios.count / 2 - 1] + upper) / 2 : upper
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
    func ratios(_ ratio: (Double) -> Double) -> JSONText {
      .object([
        ("p50", .number(ratio(50))), ("p99", .number(ratio(99))), ("p99.9", .number(ratio(99.9))),
      ])
    }
    var isFIFO = false
    var priority: Int32 = 0
    if case .fifo(let value) = thread.policy { (isFIFO, priority) = (true, value) }
    return JSONText.object([
      ("rateHertz", .number(rateHertz)), ("segments", .integer(Int64(segments))),
      ("secondsPerSegment", .number(secondsPerSegment)), ("cpu", cpu.map { .integer(Int64($0)) } ?? .null),
      ("oursMicroseconds", ours.json), ("cyclictestMicroseconds", cyclictest.json),
      ("ratio", ratios(ratio)), ("medianRatio", ratios(medianRatio)),
      ("wakeUpNanoseconds", nanoseconds(wakeUp)), ("computeNanoseconds", nanoseconds(compute)),
      ("skippedTicks", .integer(Int64(clamping: skipped))),
      ("policy", .string(isFIFO ? "fifo" : "normal")), ("priority", .integer(Int64(priority))),
      ("isDegraded", .boolean(thread.isDegraded)), ("processIsComplete", .boolean(processIsComplete)),
    ]).text
  }
}

/// Why a comparison could not be made.
package enum LoopBenchError: Error, Equatable, Sendable, CustomStringConvertible {
  case thread(RealtimeThreadError)
  case cyclictest(CyclictestError)

  package var description: String {
    switch self {
    case .thread(let error): "the measured thread could not be started: \(error)"
    case .cyclictest(let error): "\(error)"
    }
  }
}

/// Compares our loop with cyclictest in alternating segments, so that the noise of a shared machine falls on
/// both alike.
package enum LoopBench {
  /// cyclictest takes whole seconds, and the first of a segment still holds its start: two at least.
  package static let minimumSecondsPerSegment: Double = 2

  /// Runs cyclictest, ours, cyclictest, … for `seconds` each in all.
  /// - Parameters:
  ///   - seconds: total for each of the two, cut into segments of 2 s or a little more.
  ///   - cpu: the CPU both are pinned to, or nil.
  ///   - body: one tick; gets the time at which it started, nanoseconds. Runs on a new thread each segment,
  ///     never on two at once.
  package static func run(
    rateHertz: Double, seconds: Double, cpu: Int? = nil,
    body: @escaping @Sendable (_ now: Int64) -> Void
  ) throws(LoopBenchError) -> LoopBenchResult {
    let segments = max(Int(seconds / minimumSecondsPerSegment), 1)
    let length = max((seconds / Double(segments)).rounded(.up), minimumSecondsPerSegment)
    var pairs: [LoopBenchResult.Pair] = []
    var ours = MicrosecondDistribution()
    var reference = MicrosecondDistribution()
    var wakeUp = LatencyDistribution()
    var compute = LatencyDistribution()
    var skipped: UInt64 = 0
    var isComplete = true
    var thread: ThreadReport?
    for _ in 0..<segments {
      let segmentReference: MicrosecondDistribution
      // First, so that a missing cyclictest shows at once.
      do throws(CyclictestError) {
        segmentReference = try Cyclictest.run(rateHertz: rateHertz, seconds: length, cpu: cpu)
      } catch {
        throw .cyclictest(error)
      }
      // Anew for each segment: held on, it would serve cyclictest's run as well.
      let process = RealtimeProcess()
      isComplete = isComplete && process.isComplete
      do throws(RealtimeThreadError) {
        let result = try CyclicBench.run(rateHertz: rateHertz, seconds: length, cpu: cpu, body: body)
        pairs.append(.init(ours: result.wakeUpMicroseconds, cyclictest: segmentReference))
        ours.merge(result.wakeUpMicroseconds)
        reference.merge(segmentReference)
        wakeUp.merge(result.wakeUp)
        compute.merge(result.compute)
        skipped += result.skipped
        thread = result.thread
      } catch {
        throw .thread(error)
      }
      _ = consume process
    }
    return LoopBenchResult(
      rateHertz: rateHertz, pairs: pairs, secondsPerSegment: length, cpu: cpu, ours: ours,
      cyclictest: reference, wakeUp: wakeUp, compute: compute, skipped: skipped, thread: thread!,
      processIsComplete: isComplete)
  }
}
