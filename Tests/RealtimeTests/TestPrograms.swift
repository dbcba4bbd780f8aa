import Foundation
import Testing

@testable import Analysis
@testable import Realtime

/// Where the programs that the tests start are found, and how.
enum TestPrograms {
  /// The build puts `realtime-probe` beside the test program itself.
  static let probe: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("realtime-probe").path
  }()

  /// Folder `Tests/Probe` of the source tree.
  static let probeFolder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Probe").path

  static func isInstalled(_ name: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(name)") }
  }

  /// A fresh folder that every user may enter, removed after `body`.
  static func withFolder(_ body: (String) throws -> Void) throws {
    var pattern = Array("/tmp/realtime-tests-XXXXXX".utf8CString)
    let folder = try #require(mkdtemp(&pattern).map { String(cString: $0) })
    defer { try? FileManager.default.removeItem(atPath: folder) }
    chmod(folder, 0o755)
    try body(folder)
  }

  /// Runs `realtime-probe` without any privilege: as nobody when the tests run as root, and with the limits of
  /// a fresh installation.
  static func runUnprivileged(_ arguments: [String]) throws -> ChildProcess.Result {
    let limits = ["--rtprio=0:0", "--memlock=65536:65536"]
    guard geteuid() == 0 else { return try ChildProcess.run("prlimit", limits + [probe] + arguments) }
    var result: ChildProcess.Result?
    try withFolder { folder in
      // The build folder may lie where nobody cannot go.
      let copy = folder + "/realtime-probe"
      // By a child: a copy open for writing here, when another test forks, could not be executed (ETXTBSY).
      #expect(try ChildProcess.run("cp", [probe, copy]).status == 0)
      chmod(copy, 0o755)
      result = try ChildProcess.run(
        "prlimit",
        limits + ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy] + arguments)
    }
    return try #require(result)
  }
}
