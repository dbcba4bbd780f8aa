import Realtime
import Wire

/// Our loop beside cyclictest, on the same machine in the same minute.
package struct LoopBenchResult: Sendable {
  /// One segment of each.
  package struct Pair: Sendable {
    /// Wake-up latencies of our segment.
    package var ours: MicrosecondDistribution
    /// Wake-up latencies of cyclictest's segment just before it.
    package var cyclictest: MicrosecondDistribution
  }

  package var rateHertz: Double
  /// The runs in the order they were made, each of ours beside the cyclictest just before it.
  package var pairs: [Pair]
  /// How many segments each of the two ran.
  package var segments: Int { pairs.count }
  /// Length of one segment.
  package var secondsPerSegment: Double
  /// The CPU that both were bound to; nil for none.
  package var cpu: Int?
  /// Our wake-up, in the units of cyclictest.
  package var ours: MicrosecondDistribution
  /// Cyclictest's wake-up, all segments together.
  package var cyclictest: MicrosecondDistribution
  /// Our wake-up latency at full resolution, nanoseconds.
  package var wakeUp: LatencyDistribution
  /// Compute time of our body, nanoseconds.
  package var compute: LatencyDistribution
  /// Deadlines of ours that passed before the loop woke up.
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
    func nanoseconds(_ distribution: LatencyDistribution) -> (inout JSONWriter) -> Void {
      {
        $0.member("count", distribution.count)
        $0.member("p50", distribution.p50)
        $0.member("p90", distribution.p90)
        $0.member("p99", distribution.p99)
        $0.member("p99.9", distribution.p999)
        $0.member("max", distribution.max)
        $0.member("mean", distribution.mean)
      }
    }
    func ratios(_ ratio: @escaping (Double) -> Double) -> (inout JSONWriter) -> Void {
      {
        $0.member("p50", ratio(50))
        $0.member("p99", ratio(99))
        $0.member("p99.9", ratio(99.9))
      }
    }
    var isFIFO = false
    var priority: Int32 = 0
    if case .fifo(let value) = thread.policy { (isFIFO, priority) = (true, value) }
    return JSONWriter.text { json in
      json.object {
        $0.member("rateHertz", rateHertz)
        $0.member("segments", segments)
        $0.member("secondsPerSegment", secondsPerSegment)
        $0.key("cpu")
        if let cpu { $0.integer(Int64(cpu)) } else { $0.null() }
        $0.member("oursMicroseconds", ours.writeJSON)
        $0.member("cyclictestMicroseconds", cyclictest.writeJSON)
        $0.member("ratio", ratios(ratio))
        $0.member("medianRatio", ratios(medianRatio))
        $0.member("wakeUpNanoseconds", nanoseconds(wakeUp))
        $0.member("computeNanoseconds", nanoseconds(compute))
        $0.member("skippedTicks", skipped)
        $0.member("policy", isFIFO ? "fifo" : "normal")
        $0.member("priority", priority)
        $0.member("isDegraded", thread.isDegraded)
        $0.member("processIsComplete", processIsComplete)
      }
    }
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
      // cyclictest runs first, so that a missing one shows at once.
      do throws(CyclictestError) {
        segmentReference = try Cyclictest.run(rateHertz: rateHertz, seconds: length, cpu: cpu)
      } catch {
        throw .cyclictest(error)
      }
      // Made again for each segment: held on, it would also serve cyclictest's run.
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
