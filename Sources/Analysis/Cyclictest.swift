import Glibc
import Realtime

/// Why cyclictest gave no figures.
package enum CyclictestError: Error, Equatable, Sendable {
  /// The program is not installed; Debian's package is `rt-tests`.
  case notInstalled
  /// It could not be started.
  case spawn(Errno)
  /// It ended with this status; 1 without the right to SCHED_FIFO.
  case failed(status: Int32)
  /// Its output has no histogram, or one that does not add up to its total.
  case unreadable
}

extension CyclictestError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notInstalled: "cyclictest is not installed: apt-get install rt-tests"
    case .spawn(let code): "cyclictest could not be started: \(code)"
    case .failed(let status): "cyclictest failed with status \(status): it needs the right to SCHED_FIFO"
    case .unreadable: "the output of cyclictest has no complete histogram"
    }
  }
}

/// Runs Debian's cyclictest, the field's reference for wake-up latency (rt-tests, cyclictest(8)).
package enum Cyclictest {
  /// Measures one thread with locked memory, as `CyclicBench.run` does.
  /// - Parameters:
  ///   - rateHertz: in (0, 1e6]; the interval is rounded to whole microseconds.
  ///   - seconds: length of the run; rounded up to whole seconds, which is what cyclictest takes.
  ///   - cpu: the CPU to pin to, or nil.
  ///   - program: name or path of cyclictest.
  package static func run(
    rateHertz: Double, seconds: Double, cpu: Int? = nil, priority: Int32 = SchedulingPolicy.loopPriority,
    program: String = "cyclictest"
  ) throws(CyclictestError) -> MicrosecondDistribution {
    precondition(rateHertz > 0 && rateHertz <= 1e6, "cyclictest's rate must lie in (0, 1e6] Hz")
    precondition(seconds > 0, "cyclictest must run for some time")
    var arguments = [
      "-m", "-q", "-p", String(priority), "-i", String(Int((1e6 / rateHertz).rounded())),
      "-D", String(Int(seconds.rounded(.up))), "-h", String(MicrosecondDistribution.limitMicroseconds),
    ]
    if let cpu { arguments += ["-a", String(cpu)] }
    let result: ChildProcess.Result
    do throws(Errno) {
      result = try ChildProcess.run(program, arguments)
    } catch {
      throw error == .noSuchFileOrDirectory ? .notInstalled : .spawn(error)
    }
    guard result.status == 0 else { throw .failed(status: result.status) }
    return try parse(result.output)
  }

  /// Reads the histogram of one thread: lines `microseconds count`, then `# Total`, `# Max Latencies` and
  /// `# Histogram Overflows`. Its total leaves the overflows out.
  static func parse(_ output: String) throws(CyclictestError) -> MicrosecondDistribution {
    var distribution = MicrosecondDistribution()
    var total: UInt64?
    var largest: Int64?
    var overflows: UInt64?
    for line in output.split(separator: "\n") {
      if line.hasPrefix("#") {
        let value = line.split(separator: ":", maxSplits: 1).last?.split(separator: " ").first
        if line.hasPrefix("# Total:") { total = value.flatMap { UInt64($0) } }
        if line.hasPrefix("# Max Latencies:") { largest = value.flatMap { Int64($0) } }
        if line.hasPrefix("# Histogram Overflows:") { overflows = value.flatMap { UInt64($0) } }
        continue
      }
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.count == 2, let microseconds = Int64(fields[0]), let times = UInt64(fields[1]) else {
        continue
      }
      distribution.add(microseconds: microseconds, times: times)
    }
    guard let total, let largest, let overflows, total > 0 || overflows > 0, distribution.count == total
    else { throw .unreadable }
    distribution.add(microseconds: Int64(MicrosecondDistribution.limitMicroseconds), times: overflows)
    distribution.raiseMax(toMicroseconds: largest)
    return distribution
  }
}
