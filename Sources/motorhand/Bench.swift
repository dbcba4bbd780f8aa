import Analysis
import ArgumentParser
import Control
import Foundation
import HandModel
import Realtime

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure this machine.",
    subcommands: [
      LoopBenchCommand.self, TickBenchCommand.self, StopBenchCommand.self, RecordBenchCommand.self,
      PublishBenchCommand.self,
    ])
}

struct LoopBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loop",
    abstract: "Wake-up and compute time of the full tick, side by side with cyclictest.",
    discussion: """
      Runs our loop and Debian's cyclictest (package rt-tests) in turn, in segments of about two seconds, with \
      the same rate, priority, CPU and idle-state request. The ratio is ours over cyclictest's.
      """)
  @Option(help: "Rate in Hz.", transform: loopRate) var rate = 1000
  @Option(
    help: "Seconds for each of the two, in segments of at least 2.", transform: positive(upTo: 86_400))
  var seconds = 20.0
  @Option(help: "CPU to pin both to; default: the last one.") var cpu: Int?
  @Option(
    help: "Simulated board whose tick is measured; default: Boards/sim.yaml of the checkout or the package.",
    transform: nonEmpty)
  var board: String?
  @OptionGroup var calibration: CalibrationOption
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    let count = ProcessInfo.processInfo.processorCount
    guard (0..<count).contains(cpu ?? 0) else {
      throw ValidationError("--cpu: found \(cpu ?? 0), expected 0 to \(count - 1)")
    }
  }

  func run() throws {
    let file = try board ?? ShippedFiles.simulatedBoard()
    let (boardFile, calibrationFile) = try load(board: file, calibration: calibration.path(board: file))
    let cpu = cpu ?? ProcessInfo.processInfo.activeProcessorCount - 1
    let bench = try tickBench(board: boardFile, calibration: calibrationFile, rateHertz: rate)
    try bench.begin()
    defer { bench.stop() }
    let result: LoopBenchResult
    do throws(LoopBenchError) {
      result = try LoopBench.run(rateHertz: Double(rate), seconds: seconds, cpu: cpu) { bench.tick($0) }
    } catch { throw Failure(error, Exit.failure) }
    let record = bench.lastRecord
    guard record.state.outputsLive else {
      throw Failure(
        "the measured hand was \(record.state.name) at the end: \(record.fault.name)", Exit.failure)
    }
    try emit(json ? result.json : text(result))
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

/// A bench of a hand; the failure, with 3, says why the hand cannot run at this rate.
private func tickBench(
  board: Board, calibration: Calibration, rateHertz: Int, checks: Bool = true
) throws -> TickBench {
  do {
    return try TickBench(board: board, calibration: calibration, rateHertz: rateHertz, checks: checks)
  } catch let error as DesignRefusal { throw Failure(error, Exit.infeasible) }
}

struct TickBenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tick",
    abstract: "What the certificate and the tests beside it add to a tick.",
    discussion: """
      Runs two controllers of the same hand in turn, a thousand ticks each: one as it is, one without certificate \
      and tests. The cost is the difference of their percentiles.
      """)
  @Option(help: "Ticks of each of the two.") var ticks = 200_000
  @Option(
    help: "Simulated board whose tick is measured; default: Boards/sim.yaml of the checkout or the package.",
    transform: nonEmpty)
  var board: String?
  @OptionGroup var calibration: CalibrationOption
  @Flag(help: "Print the result as JSON.") var json = false

  /// Long against the caches' warm-up, short against what else happens on the machine.
  private static let turnTicks = 1000
  /// An hour of two cores.
  private static let largestTicks = 100_000_000

  private struct Result: Codable {
    var ticks: Int
    var full: [String: Double]
    var bare: [String: Double]
    var added: [String: Double]
  }

  func validate() throws {
    guard (Self.turnTicks...Self.largestTicks).contains(ticks) else {
      throw ValidationError("--ticks: found \(ticks), expected \(Self.turnTicks) to \(Self.largestTicks)")
    }
  }

  func run() throws {
    let file = try board ?? ShippedFiles.simulatedBoard()
    let (boardFile, calibrationFile) = try load(board: file, calibration: calibration.path(board: file))
    let rate = boardFile.control.rateHertz
    let benches = try [true, false].map {
      try tickBench(board: boardFile, calibration: calibrationFile, rateHertz: rate, checks: $0)
    }
    let period = boardFile.control.periodNanoseconds
    // Time is given: the ticks run one after another, as fast as they can.
    var now: [Int64] = [1, 1]
    for turn in 0..<(2 * (ticks / Self.turnTicks)) {
      let index = turn % 2
      for _ in 0..<Self.turnTicks {
        benches[index].tick(now[index])
        now[index] += period
      }
    }
    for bench in benches where !bench.lastRecord.state.outputsLive {
      let record = bench.lastRecord
      throw Failure(
        "the measured hand was \(record.state.name) at the end: \(record.fault.name)", Exit.failure)
    }
    let (full, bare) = (benches[0].ticks.snapshot(), benches[1].ticks.snapshot())
    func micro(_ of: (Int64, Int64, Int64)) -> [String: Double] {
      ["p50": Double(of.0) / 1000, "p99": Double(of.1) / 1000, "p99.9": Double(of.2) / 1000]
    }
    let result = Result(
      ticks: ticks, full: micro((full.p50, full.p99, full.p999)),
      bare: micro((bare.p50, bare.p99, bare.p999)),
      added: micro((full.p50 - bare.p50, full.p99 - bare.p99, full.p999 - bare.p999)))
    if json { return try printJSON(result) }
    func row(_ name: String, _ values: [String: Double]) -> String {
      ([name.padding(toLength: 30, withPad: " ", startingAt: 0)]
        + ["p50", "p99", "p99.9"].map { String(format: "%10.2f", values[$0] ?? .nan) })
        .joined()
    }
    try emit(
      [
        "\(boardFile.joints.count) joints, \(ticks) ticks of each, in turn",
        "microseconds".padding(toLength: 30, withPad: " ", startingAt: 0) + "       p50       p99     p99.9",
        row("full tick", result.full), row("without certificate and tests", result.bare),
        row("added", result.added),
      ].joined(separator: "\n"))
  }
}
