import Foundation
import HandModel
import Simulation

@testable import Runtime

/// The shipped simulated hand in virtual time, with something done to it at chosen ticks.
struct VirtualHand {
  let runtime: HandRuntime
  let clock = VirtualClock()

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  static func files() throws -> HandFiles {
    try HandFiles(
      board: root + "/Boards/sim.yaml", calibration: root + "/Calibration/nominal-hand.yaml")
  }

  init(seed: UInt64 = 1, change: (inout Board) -> Void = { _ in }) throws {
    let files = try Self.files()
    var board = files.board
    change(&board)
    runtime = try HandRuntime(
      design: HandDesign(board: board, calibration: files.calibration), seed: seed, clock: clock)
  }

  var hand: SimulatedHand { runtime.simulation! }

  /// Runs `ticks` ticks; `script` are commands by tick, `at` acts before the given ticks.
  func run(
    ticks: Int, _ script: [(tick: Int, command: Command)] = [], at actions: [Int: () -> Void] = [:]
  ) -> [TickRecord] {
    var records: [TickRecord] = []
    let period = runtime.design.plan.periodNanoseconds
    runtime.runVirtual(
      clock, ticks: ticks,
      script: script.map { .init(atNanoseconds: Int64($0.tick) * period, command: $0.command) },
      records: false, publishes: false
    ) {
      records.append(runtime.latestRecord())
      actions[records.count]?()
      return true
    }
    return records
  }

  func pose(_ name: String) -> [Double] {
    runtime.design.calibration.poses.first { $0.name == name }!.radians
  }
}
