import Foundation
import HandModel
import Realtime
import Testing

@testable import ControlSocket
@testable import Telemetry
@testable import motorhandd

@Suite("Start and end of a run")
struct StartSequenceTests {
  @Test("parts end stage by stage, within a stage the last first, all asked before one is waited for")
  func order() throws {
    let sequence = StartSequence()
    let told = Locked<[String]>([])
    func part(_ name: String, _ stage: StartSequence.Stage, isAsked: Bool = false) {
      sequence.onEnd(
        stage, beginEnd: isAsked ? { told.withLock { $0.append("ask \(name)") } } : nil
      ) { told.withLock { $0.append(name) } }
    }
    part("socket", .clients)
    part("box", .memory)
    part("loop", .outputs)
    part("recorder", .consumers, isAsked: true)
    part("publisher", .consumers, isAsked: true)
    part("queue", .consumers)
    sequence.end()
    let wanted = [
      "loop", "socket", "ask publisher", "ask recorder", "queue", "publisher", "recorder", "box",
    ]
    #expect(told.withLock { $0 } == wanted)
    sequence.end()
    #expect(told.withLock { $0 } == wanted)
  }

  @Test("a step that fails stops the start; a failing one that is injected is not done")
  func failure() throws {
    struct Refusal: Error {}
    let sequence = StartSequence(failingStep: 2)
    var done: [String] = []
    try sequence.step("one") { done.append("one") }
    #expect(throws: Refusal.self) { try sequence.step("two") { throw Refusal() } }
    #expect(throws: StartSequence.InjectedFailure(step: "three")) {
      try sequence.step("three") { done.append("three") }
    }
    #expect(done == ["one"] && sequence.steps == ["one", "two", "three"])
  }

  /// A daemon over the simulated hand, with every part that one can have. Its buses have names of their own, by which
  /// their threads are known among all of this process, also those of the other steps' daemons.
  private struct Bench {
    let directory: String
    let options: DaemonOptions
    private let busPrefix: String

    init(step: Int) throws {
      busPrefix = "sq\(step)-"
      let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
      var pattern = Array("/tmp/motorhand-start-XXXXXX".utf8CString)
      let made = try #require(mkdtemp(&pattern))
      directory = String(cString: made)
      var board = try String(contentsOfFile: root + "/Boards/sim.yaml", encoding: .utf8)
      for bus in ["thumb", "index", "middle", "ring", "little", "actuators"] {
        board = board.replacing("name: \(bus),", with: "name: \(busPrefix)\(bus),")
          .replacing("bus: \(bus),", with: "bus: \(busPrefix)\(bus),").replacing(
            "bus: \(bus)}", with: "bus: \(busPrefix)\(bus)}")
      }
      try board.write(toFile: directory + "/board.yaml", atomically: true, encoding: .utf8)
      var broker = PublisherOptions(host: "127.0.0.1", port: 1)
      broker.stopSeconds = 0.5
      options = DaemonOptions(
        boardPath: directory + "/board.yaml", calibrationPath: root + "/Calibration/nominal-hand.yaml",
        handID: "start", socketPath: directory + "/s", dataDirectory: directory + "/data", keepBytes: nil,
        broker: broker, cpu: nil, requireRealtime: false, strictClock: true, seed: 1)
    }

    /// Runs a daemon on a thread of its own, whose signals are blocked, until it throws.
    func run(_ sequence: StartSequence) throws -> (any Error)? {
      let daemon = try Daemon(options, log: DaemonLog(handID: "start"), manager: nil, start: sequence)
      let result = Locked<(any Error)?>(nil)
      // Safe to share: the thread has ended when it is used again.
      nonisolated(unsafe) let running = daemon
      let thread = try RealtimeThread(name: "daemon", policy: .normal, stackBytes: 2 << 20) {
        do { try running.run() } catch { result.withLock { $0 = error } }
      }
      #expect(thread.join(by: MonotonicClock().now() + 60_000_000_000), "the start does not come to its end")
      return result.withLock { $0 }
    }

    /// Threads of this process that carry one of the board's buses.
    var busThreads: [String] {
      let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
      return tasks.compactMap { SystemFile.readLine("/proc/self/task/\($0)/comm") }
        .filter { $0.contains(busPrefix) }
    }
  }

  /// The steps of a start with every part.
  private static let steps = [
    "socket", "hardware", "publisher's options", "recorder's directory", "recorder", "publisher", "loop",
    "commands", "control",
  ]

  @Test("a start that fails at any step leaves nothing behind", arguments: steps.indices)
  func unwinding(step: Int) throws {
    let bench = try Bench(step: step)
    defer { try? FileManager.default.removeItem(atPath: bench.directory) }
    let sequence = StartSequence(failingStep: step)
    let error = try bench.run(sequence)
    #expect(error as? StartSequence.InjectedFailure == .init(step: Self.steps[step]))
    #expect(sequence.steps == Array(Self.steps[...step]))
    // The socket and its lock are free, the threads gone, no recording looks like a run.
    #expect(access(bench.options.socketPath, F_OK) != 0)
    #expect(bench.busThreads.isEmpty)
    _ = try SocketLock.take(bench.options.socketPath)
    let data = try? FileManager.default.contentsOfDirectory(atPath: bench.options.dataDirectory ?? "")
    let left = (data ?? []).flatMap { run in
      (try? FileManager.default.contentsOfDirectory(atPath: "\(bench.options.dataDirectory ?? "")/\(run)"))
        ?? []
    }
    // What was recorded before a late step failed is closed: no journal waits to be played back.
    #expect(left.filter { $0.hasSuffix("-journal") || $0.hasSuffix("-wal") }.isEmpty, "\(left)")
    if step < Self.steps.firstIndex(of: "loop") ?? 0 { #expect(left.isEmpty, "\(left)") }
  }
}
