import Foundation
import Testing

/// The shipped daemon under the proof library of Tests/Probe: allocations, locks, system calls and page faults
/// of its loop thread are counted while a hand is armed, moved, stopped, reset and moved again.
///
/// Proven is the optimised build, as that is what runs a hand: the test takes the programs from the folder in
/// MOTORHAND_BIN, else from .build/release, and fails when they are not there.
@Suite("The loop thread of the daemon")
struct LoopProofTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  private static let programs =
    ProcessInfo.processInfo.environment["MOTORHAND_BIN"].map { URL(filePath: $0) }
    ?? root.appending(path: ".build/release")
  private static let wantedTicks = 10_000
  /// Ten seconds of ticks, and as much again for a machine that has other things to do.
  private static let patience: TimeInterval = 120

  @Test("10,000 ticks of a moving hand make no allocation, no lock and no system call but sleep and clock")
  func proof() throws {
    let daemonPath = Self.programs.appending(path: "motorhandd")
    try #require(
      FileManager.default.isExecutableFile(atPath: daemonPath.path),
      "\(daemonPath.path) is missing: run swift build -c release, or name its folder in MOTORHAND_BIN")
    let folder = FileManager.default.temporaryDirectory.appending(path: "proof-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let board = folder.appending(path: "board.yaml")
    try Self.tolerantBoard().write(to: board, atomically: true, encoding: .utf8)
    let report = folder.appending(path: "report.jsonl")
    let log = folder.appending(path: "daemon.log")
    let socket = folder.appending(path: "control.sock").path

    // With a service manager the loop writes the black box too; that nobody reads the messages must not matter.
    let notifyPath = folder.appending(path: "notify.sock").path
    let manager = try Self.datagramSocket(notifyPath)
    defer { close(manager) }

    let build = try Self.finish(Self.root.appending(path: "Tests/Probe/build"), [folder.path])
    try #require(build.status == 0, "the proof library does not build")

    let daemon = Process()
    daemon.executableURL = daemonPath
    daemon.arguments = [
      "--board", board.path, "--calibration",
      Self.root.appending(path: "Calibration/nominal-hand.yaml").path, "--socket", socket, "--data",
      folder.appending(path: "recordings").path, "--strict-clock",
    ]
    daemon.environment = ProcessInfo.processInfo.environment.merging([
      "LD_PRELOAD": folder.appending(path: "libprobe.so").path, "MOTORHAND_PROBE_REPORT": report.path,
      "MOTORHAND_PROBE_SECCOMP": "1", "NOTIFY_SOCKET": notifyPath,
    ]) { $1 }
    try #require(FileManager.default.createFile(atPath: log.path, contents: nil))
    daemon.standardError = try FileHandle(forWritingTo: log)
    try daemon.run()
    defer {
      if daemon.isRunning { daemon.terminate() }
      daemon.waitUntilExit()
    }

    func hand(_ arguments: String...) throws -> (status: Int32, output: String) {
      try Self.finish(Self.programs.appending(path: "motorhand"), arguments + ["--socket", socket])
    }
    /// Asks for the state until `condition` holds of it.
    func waitFor(_ what: String, _ condition: ([String: Any]) -> Bool) throws {
      let end = Date().addingTimeInterval(Self.patience)
      while Date() < end {
        let told = try String(contentsOf: log, encoding: .utf8)
        try #require(daemon.isRunning, "the daemon ended: \(told)")
        let answer = try hand("status", "--json")
        if answer.status == 0, let state = try Self.object(answer.output) {
          try #require(
            state["fault"] as? String == nil || what == "e-stop", "\(state["fault"] ?? ""): \(told)")
          if condition(state) { return }
        }
      }
      Issue.record("waited \(Self.patience) s for: \(what)")
    }
    func expectExecuted(_ arguments: String...) throws {
      let answer = try Self.finish(
        Self.programs.appending(path: "motorhand"), arguments + ["--socket", socket])
      try #require(answer.status == 0, "\(arguments) was refused: \(answer.output)")
    }

    try waitFor("idle") { $0["state"] as? String == "idle" }
    try expectExecuted("arm")
    for pose in ["power", "open", "power"] {
      try expectExecuted("pose", pose, "--seconds", "1")
      try waitFor("arrival at \(pose)") { $0["state"] as? String == "armed" }
    }
    try expectExecuted("stop")
    try waitFor("e-stop") { $0["state"] as? String == "e-stop" }
    try expectExecuted("reset")
    try expectExecuted("arm")
    try expectExecuted("pose", "open", "--seconds", "1")
    try waitFor("\(Self.wantedTicks) ticks") { ($0["sequence"] as? Int ?? 0) >= Self.wantedTicks }
    daemon.terminate()
    daemon.waitUntilExit()

    let told = try String(contentsOf: log, encoding: .utf8)
    #expect(!told.contains("no black box"), "\(told)")
    // 97 is the library's status for a forbidden system call.
    #expect(daemon.terminationStatus == 0, "\(told)")
    let ticks = try #require(told.firstMatch(of: /stopped: (\d+) ticks/).flatMap { Int($0.1) })
    #expect(ticks >= Self.wantedTicks)
    let lines = try String(contentsOf: report, encoding: .utf8).split(separator: "\n")
    try #require(lines.count == 1, "one thread is marked, once")
    let counted = try #require(try Self.object(String(lines[0])))
    let calls = try #require(counted["calls"] as? [String: Int])
    #expect(calls.count == 17)
    for (name, count) in calls { #expect(count == 0, "\(name) was called \(count) times in \(ticks) ticks") }
    #expect(counted["forbiddenSystemCall"] == nil)
    #expect(counted["majorFaults"] as? Int == 0)
    let minorFaults = try #require(counted["minorFaults"] as? Int)
    // Pages stay only where the user may lock them.
    if geteuid() == 0 { #expect(minorFaults == 0) }
    // One sleep a tick: fewer would mean marks beside the loop, more a lock that was waited for (futex).
    let switches = try #require(counted["voluntarySwitches"] as? Int)
    #expect((ticks / 2...ticks).contains(switches))
  }

  private static func datagramSocket(_ path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    try #require(path.utf8.count < MemoryLayout.size(ofValue: address.sun_path))
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0, "\(path): \(String(cString: strerror(errno)))")
    return descriptor
  }

  /// The shipped board with room for a machine that is busy with other tests: the proof is of the loop's
  /// calls, whatever its punctuality.
  private static func tolerantBoard() throws -> String {
    var text = try String(contentsOf: root.appending(path: "Boards/sim.yaml"), encoding: .utf8)
    for (key, value) in [
      ("uncertified_budget_ticks", 1000), ("overrun_budget_ticks", 1000), ("stale_sample_ms", 1000),
    ] {
      let line = try Regex("\(key): \\d+")
      try #require(text.contains(line), "\(key) is a key of the shipped board")
      text.replace(line, with: "\(key): \(value)")
    }
    return text
  }

  private static func object(_ line: String) throws -> [String: Any]? {
    try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
  }

  /// Runs a program to its end; `output` is its standard output.
  private static func finish(_ program: URL, _ arguments: [String]) throws -> (status: Int32, output: String)
  {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
