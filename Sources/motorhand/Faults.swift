import ArgumentParser
import Campaign
import Control
import Foundation
import HandModel
import Realtime

struct Faults: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Run the daemon's code on simulated hands with faults drawn from seeds, and judge what happens.",
    discussion: """
      Each episode is one hand and one fault; an outcome is judged by what the simulated hand really does \
      (docs/faults.md). --hours adds fault-free time, in which nothing may latch. --replay shows one episode.
      Exit codes: 0 no unsafe outcome, no miss, no false alarm; 1 some; 2 a file is broken; 3 a joint has no \
      certificate; 64 wrong arguments.
      """)
  @Argument(
    help: "Board file; default: Boards/sim.yaml of the checkout or the package.", transform: nonEmpty)
  var board: String?
  @OptionGroup var calibration: CalibrationOption
  @OptionGroup var rest: UnexpectedArguments
  @Option(help: "Episodes with a fault.") var count = 1000
  @Option(help: "Seed of the campaign: equal seeds give equal reports.") var seed: UInt64 = 1
  @Option(name: .customLong("class"), help: "Only this class of faults; may be repeated.")
  var classes: [FaultClass] = []
  @Option(help: "Fault-free hours of virtual time.") var hours = 0.0
  @Option(help: "Hands computed at once; default: one a core.") var jobs: Int?
  @Option(help: "Show the episode of this seed.") var replay: UInt64?
  @Option(
    help: "With --replay: write set-point, angles and torque of its joint as SVG into this file.",
    transform: nonEmpty)
  var plot: String?
  @Flag(help: "Print the report as JSON.") var json = false
  @Flag(help: "Print the table of all faults as Markdown and do nothing else.") var table = false

  /// Episodes of one campaign: their plans and results are kept in memory.
  private static let largestCount = 10_000_000
  /// Each is a thread and a hand in memory; no machine here has more cores.
  private static let largestJobs = 1024

  func validate() throws {
    guard (0...Self.largestCount).contains(count) else {
      throw ValidationError("--count: found \(count), expected 0 to \(Self.largestCount)")
    }
    guard hours >= 0, hours.isFinite, hours <= 10_000 else {
      throw ValidationError("--hours: found \(hours), expected 0 to 10000")
    }
    guard (1...Self.largestJobs).contains(jobs ?? 1) else {
      throw ValidationError("--jobs: found \(jobs ?? 0), expected 1 to \(Self.largestJobs)")
    }
    guard plot == nil || replay != nil else { throw ValidationError("--plot needs --replay SEED") }
  }

  func run() throws {
    if table { return try emit(FaultCode.markdownTable, terminator: "") }
    let file = try board ?? ShippedFiles.simulatedBoard()
    let path = calibration.path(board: file)
    let (board, calibration) = try load(board: file, calibration: path)
    let progress = ProgressLine()
    defer { progress.clear() }
    progress.show("certificates")
    let hand: CampaignHand
    do throws(DesignRefusal) {
      hand = CampaignHand(try HandDesign(board: board, calibration: calibration))
    } catch {
      throw Failure(error, Exit.infeasible)
    }
    if let replay { return try show(replay, of: hand, progress) }
    Interrupt.install()
    let cores = jobs ?? ProcessInfo.processInfo.activeProcessorCount
    let campaign = Campaign(hand: hand, seed: seed, jobs: cores)
    let plans = campaign.plans(count: count, classes: Set(classes.isEmpty ? FaultClass.allCases : classes))
    let results = try campaign.run(
      plans, progress: bar("episodes", of: plans.count, progress), isCancelled: { Interrupt.isPending })
    var faultFree: FaultFreeReport?
    if hours > 0 {
      let stretches = campaign.stretches(hours: hours)
      faultFree = try campaign.runFaultFree(
        stretches, progress: bar("fault-free minutes", of: stretches.count, progress),
        isCancelled: { Interrupt.isPending })
    }
    progress.clear()
    let report = campaign.report(results, faultFree: faultFree)
    if json { try printJSON(report) } else { try emit(report.text, terminator: "") }
    guard report.isClean && !Interrupt.isPending else { throw Exit.failure }
  }

  /// Shows how far the work is, at most some times a second.
  private func bar(_ what: String, of total: Int, _ progress: ProgressLine) -> @Sendable (Int) -> Void {
    let width = 30
    let start = MonotonicClock().now()
    let last = Locked(Int64.min / 2)
    return { done in
      let now = MonotonicClock().now()
      let isDue = last.withLock { last in
        guard now - last > 200_000_000 else { return false }
        last = now
        return true
      }
      guard isDue else { return }
      let full = width * done / max(total, 1)
      let left = Double(now - start) * 1e-9 / Double(done) * Double(total - done)
      progress.show(
        "[" + String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
          + String(format: "] %d of %d %@, %.0f s left", done, total, what, left))
    }
  }

  private func show(_ seed: UInt64, of hand: CampaignHand, _ progress: ProgressLine) throws {
    progress.clear()
    let story = try EpisodeStory(seed: seed, hand: hand)
    if let plot { try write(svg: story.svg, to: plot) }
    if !json {
      try emit(story.text, terminator: "")
    } else if let result = story.result {
      try printJSON(result)
    } else {
      try printJSON(story.faultFree)
    }
    guard story.isClean else { throw Exit.failure }
  }
}

extension FaultClass: ExpressibleByArgument {}
