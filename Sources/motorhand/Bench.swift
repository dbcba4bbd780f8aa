import ArgumentParser
import Foundation
import Realtime
import Runtime

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure this machine.", subcommands: [LoopBenchCommand.self])
}

struct LoopBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loop",
    abstract: "Wake-up and compute time of the full tick, side by side with cyclictest.",
    discussion: """
      Runs our loop and Debian's cyclictest (package rt-tests) in turn, in segments of about two seconds, with \
      the same rate, priority, CPU and idle-state request. The ratio is ours over cyclictest's.
      """)
  @Option(help: "Rate in Hz.") var rate = 1000
  @Option(help: "Seconds for each of the two.") var seconds = 20.0
  @Option(help: "CPU to pin both to; default: the last one.") var cpu: Int?
  @Option(help: "Simulated board whose tick is measured.") var board = "Boards/sim.yaml"
  @OptionGroup var calibration: CalibrationOption
  @Flag(help: "Print the result as JSON.") var json = false

  func run() throws {
    let (boardFile, calibrationFile) = try load(board: board, calibration: calibration.path(board: board))
    let cpu = cpu ?? ProcessInfo.processInfo.activeProcessorCount - 1
    let bench = try TickBench(board: boardFile, calibration: calibrationFile, rateHertz: rate)
    try bench.begin()
    let result = try LoopBench.run(rateHertz: Double(rate), seconds: seconds, cpu: cpu) { bench.tick($0) }
    bench.stop()
    let record = bench.lastRecord
    guard record.state.outputsLive else {
      complain("the measured hand was \(record.state.name) at the end: \(record.fault.name)")
      throw Exit.failure
    }
    print(json ? result.json : text(result))
  }

  private func text(_ result: LoopBenchResult) -> String {
    func row(_ name: String, _ values: [String]) -> String {
      ([name.padding(toLength: 22, withPad: " ", startingAt: 0)]
        + values.map { String(repeating: " ", count: max(10 - $0.count, 0)) + $0 })
        .joined()
    }
    func micro(_ nanoseconds: Int64) -> String { String(format: "%.2f", Double(nanoseconds) / 1000) }
    let ours = result.wakeUp
    let compute = result.compute
    let reference = result.cyclictest
    let percents = [50, 99, 99.9]
    return [
      "\(rate) Hz on CPU \(result.cpu.map(String.init) ?? "any"), \(result.segments) segments of \(result.secondsPerSegment) s each, alternating",
      row("microseconds", ["p50", "p99", "p99.9", "max"]),
      row("wake-up, ours", [micro(ours.p50), micro(ours.p99), micro(ours.p999), micro(ours.max)]),
      row(
        "wake-up, cyclictest",
        percents.map { "\(reference.percentile($0))" } + ["\(reference.maxMicroseconds)"]),
      row("ratio", percents.map { String(format: "%.2f", result.ratio(percent: $0)) }),
      row(
        "compute, full tick",
        [micro(compute.p50), micro(compute.p99), micro(compute.p999), micro(compute.max)]),
      "skipped deadlines \(result.skipped); scheduling \(result.thread.policy)"
        + (result.processIsComplete ? "" : "; DEGRADED: memory not locked or idle states not held"),
    ].joined(separator: "\n")
  }
}
