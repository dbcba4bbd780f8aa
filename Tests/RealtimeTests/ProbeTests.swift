import Foundation
import Testing

@testable import Analysis
@testable import Realtime

/// The loop's parts under the proof library, and the proof that the library sees each kind of sin.
@Suite struct ProbeTests {
  // asm/unistd_64.h and asm-generic/unistd.h.
  #if arch(x86_64)
    private static let getpidNumber = 39
  #else
    private static let getpidNumber = 172
  #endif

  /// Status and last report of `realtime-probe loop <sin>` under `Tests/Probe/build`'s library.
  private func run(_ sin: String) throws -> (status: Int32, report: [String: Any]) {
    var result: (Int32, [String: Any])?
    try TestPrograms.withFolder { folder in
      let build = try ChildProcess.run(TestPrograms.probeFolder + "/build", [folder])
      try #require(build.status == 0)
      let report = folder + "/report.jsonl"
      let child = try ChildProcess.run(
        "env",
        [
          "LD_PRELOAD=\(folder)/libprobe.so", "MOTORHAND_PROBE_REPORT=\(report)", "MOTORHAND_PROBE_SECCOMP=1",
          TestPrograms.probe, "loop", sin,
        ])
      let lines = try String(contentsOfFile: report, encoding: .utf8).split(separator: "\n")
      try #require(lines.count == 1)
      let object = try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any]
      result = (child.status, try #require(object))
    }
    return try #require(result)
  }

  @Test(
    "2000 ticks with mailbox, ring, histogram and clock make no allocation, lock or system call but sleep")
  func clean() throws {
    let (status, report) = try run("clean")
    #expect(status == 0)
    let calls = try #require(report["calls"] as? [String: Int])
    #expect(calls.count == 17)
    #expect(calls.values.allSatisfy { $0 == 0 })
    #expect(report["forbiddenSystemCall"] == nil)
    #expect(report["majorFaults"] as? Int == 0)
    // Pages stay only where the user may lock them.
    if geteuid() == 0 { #expect(report["minorFaults"] as? Int == 0) }
  }

  @Test(
    "one allocation and one lock are counted",
    arguments: [("malloc", "malloc"), ("mutex", "pthread_mutex_lock")])
  func counted(sin: String, function: String) throws {
    let (status, report) = try run(sin)
    #expect(status == 0)
    let calls = try #require(report["calls"] as? [String: Int])
    #expect(calls[function] == 1)
    #expect(calls.values.reduce(0, +) == 1)
    #expect((report["violations"] as? Int ?? 0) >= 1)
  }

  @Test("one forbidden system call ends the process and is named")
  func forbiddenCall() throws {
    let (status, report) = try run("getpid")
    #expect(status == 97)
    #expect(report["forbiddenSystemCall"] as? Int == Self.getpidNumber)
    #expect((report["violations"] as? Int ?? 0) >= 1)
  }

  @Test("one page touched for the first time is counted")
  func pageFault() throws {
    let (status, report) = try run("fault")
    #expect(status == 0)
    #expect((report["minorFaults"] as? Int ?? 0) >= 1)
    #expect((report["violations"] as? Int ?? 0) >= 1)
  }

  @Test("without the library the marks do nothing")
  func absent() {
    let marks = ProbeMarks()
    #expect(!marks.isProbed)
    marks.begin()
    marks.end()
  }
}
