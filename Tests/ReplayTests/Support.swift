import Replay
import Foundation
import HandModel
import PrimalLogic
import Realtime
import Recording
import Simulation

@testable import Control
@testable import HandFiles
@testable import Runtime

/// The files that ship with the package.
enum TestFiles {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let board = root + "/Boards/sim.yaml"
  static let calibration = root + "/Calibration/nominal-hand.yaml"
  static let hand: HandFiles = {
    do { return try HandFiles(board: board, calibration: calibration) } catch { fatalError("\(error)") }
  }()
  /// Designed once: finding certificates takes longer than most tests.
  static let design = design(of: hand)
  /// A finger whose joints pull at each other.
  static let coupled: HandFiles = {
    do {
      return try HandFiles(
        board: root + "/Tests/CoupledHand/board.yaml", calibration: root + "/Tests/CoupledHand/hand.yaml")
    } catch { fatalError("\(error)") }
  }()

  static func design(of hand: HandFiles) -> HandDesign {
    do { return try HandDesign(board: hand.board, calibration: hand.calibration) } catch {
      fatalError("\(error)")
    }
  }

  /// Servos at 100 Hz.
  static func servos() throws -> HandFiles {
    try HandFiles(
      board: root + "/Boards/sim-servo.yaml", calibration: root + "/Calibration/servo-hand.yaml")
  }

  /// Servos with 50 Hz frames under a loop of 200 Hz: their law decides every fourth tick.
  static func fiftyHertzServos() throws -> HandFiles {
    let board = NSTemporaryDirectory() + "/replay-\(UUID().uuidString).yaml"
    defer { try? FileManager.default.removeItem(atPath: board) }
    try String(contentsOfFile: root + "/Boards/sim-servo.yaml", encoding: .utf8)
      .replacing("rate_hz: 100 #", with: "rate_hz: 200 #").replacing(
        "frequency_hz: 100,", with: "frequency_hz: 50,"
      )
      .write(toFile: board, atomically: true, encoding: .utf8)
    return try HandFiles(board: board, calibration: root + "/Calibration/servo-hand.yaml")
  }

  static func pose(_ name: String) -> [Double] {
    guard let pose = hand.calibration.poses.first(where: { $0.name == name }) else {
      fatalError("no pose \(name)")
    }
    return pose.radians
  }
}

/// A simulated hand in virtual time with a recorder, in a directory of its own that goes with it.
final class RecordedHand {
  static let runID = "boot"
  let clock = VirtualClock()
  let runtime: HandRuntime
  let hand: SimulatedHand
  let directory: String
  private var actions: [Int: [() -> Void]] = [:]
  private var number: UInt32 = 0
  private let files: HandFiles
  private let design: HandDesign
  private let box: BlackBox?

  init(
    seed: UInt64 = 1, files: HandFiles = TestFiles.hand, design: HandDesign = TestFiles.design,
    ringCapacity: Int = HandRuntime.recorderRingCapacity, hasBlackBox: Bool = false
  ) throws {
    self.files = files
    self.design = design
    box =
      hasBlackBox
      ? try BlackBox(
        identity: Self.identity(files, design),
        checkpointByteCount: HandController(settings: design.board.control, parameters: design.joints)
          .checkpointByteCount) : nil
    hand = SimulatedHand(board: design.board, calibration: design.calibration, seed: seed, clock: clock)
    runtime = try HandRuntime(
      design: design, hardware: hand, clock: clock, blackBox: box, recorderCapacity: ringCapacity)
    directory =
      URL(fileURLWithPath: NSTemporaryDirectory()).standardizedFileURL.path + "/replay-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  /// Does `action` before `tick`.
  func before(_ tick: Int, _ action: @escaping () -> Void) { actions[tick, default: []].append(action) }

  /// Sends a command that `tick` takes.
  func command(_ tick: Int, _ command: Command, source: CommandSource = .socket) {
    before(tick) { [unowned self] in
      number += 1
      runtime.port.post(TickCommand(command, source: source, number: number))
    }
  }

  private static func identity(_ files: HandFiles, _ design: HandDesign) -> HandIdentity {
    HandIdentity(
      handID: "test", runID: runID, board: files.board, calibration: files.calibration,
      boardYAML: files.boardYAML, calibrationYAML: files.calibrationYAML, version: motorHandVersion,
      certificateJSON: design.certificates.json)
  }

  /// What the next start would save of the black box.
  func savedBlackBox() throws -> Recording? {
    guard let box else { return nil }
    let contents = try BlackBox.contents(
      of: try MemoryFile(
        reading: Descriptor(owning: dup(box.descriptor)), largestByteCount: BlackBox.largestFileBytes))
    return try Recording.open(
      path: try BlackBoxFile.save(
        contents.records, identity: Self.identity(files, design), checkpoint: contents.checkpoint,
        directory: directory))
  }

  /// Runs and records.
  /// - Parameter changes: made to the options of the recorder.
  /// - Parameter asRows: whether each tick is a row, for tests that change one.
  func run(ticks: Int, asRows: Bool = false, _ changes: (inout RecorderOptions) -> Void = { _ in }) throws
    -> Recording
  {
    var options = RecorderOptions()
    changes(&options)
    var keepCheckpoint: (@Sendable (UnsafeRawBufferPointer, UInt64) -> Void)?
    if let box { keepCheckpoint = { box.keep($0, before: $1) } }
    let recorder = try Recorder(
      directory: directory,
      identity: Self.identity(files, design), ring: runtime.recorderRing, checkpoint: runtime.checkpoint,
      keepCheckpoint: keepCheckpoint, options: options)
    try recorder.start()
    var done = 0
    for action in actions[0] ?? [] { action() }
    runtime.runVirtual(clock, ticks: ticks, records: true, publishes: false) {
      done += 1
      for action in actions[done] ?? [] { action() }
      return true
    }
    actions = [:]
    recorder.stop()
    let recording = try Recording.open(path: directory)
    if asRows, let segment = recording.segments.first?.path {
      _ = try recording.unpack(to: segment + ".rows")
      rename(segment + ".rows", segment)
    }
    return recording
  }

  /// Arms, moves, streams, stops, resets and breaks: 3000 ticks of everything that may happen to a hand.
  func liveThrough() {
    command(30, .arm)
    command(60, .pose(radians: TestFiles.pose("power"), seconds: 0.3))
    command(400, .move(joint: 3, radians: 0.4, seconds: nil))
    for tick in stride(from: 600, to: 800, by: 20) {
      command(tick, .stream(radians: TestFiles.pose("open").map { $0 + 0.2 + Double(tick - 600) * 1e-4 }))
    }
    // A command and a set-point in one tick.
    command(700, .pose(radians: TestFiles.pose("precision"), seconds: 0.2))
    // The last set-point was at 780: the stream times out some 200 ticks later.
    command(1100, .reset, source: .mqtt)
    command(1120, .arm)
    command(1200, .stop, source: .mqtt)
    command(1250, .arm)
    command(1300, .reset)
    command(1320, .nullG)
    command(1400, .arm)
    before(1500) { [unowned self] in hand.eStopLine.press() }
    before(1550) { [unowned self] in hand.eStopLine.release() }
    command(1600, .reset, source: .mqtt)
    command(1650, .reset)
    command(1700, .arm)
    before(1800) { [unowned self] in hand.buses[1].inject(.hang(nanoseconds: 300_000)) }
    before(2000) { [unowned self] in hand.buses[1].clearFaults() }
    command(2200, .reset)
    command(2300, .arm)
    command(2320, .pose(radians: TestFiles.pose("open"), seconds: 0.5))
  }
}
