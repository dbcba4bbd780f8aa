import Foundation
import Testing

@testable import Analysis
@testable import Realtime

@Suite struct PrivilegeTests {
  @Test(
    "an unprivileged user is told what is missing and how to get it",
    .enabled(if: TestPrograms.isInstalled("setpriv") && TestPrograms.isInstalled("prlimit")))
  func findings() throws {
    let result = try TestPrograms.runUnprivileged(["privileges"])
    #expect(result.status == 0)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    #expect(report["ready"] as? Bool == false)
    let findings = try #require(report["findings"] as? [[String: String]])
    let bySubject = Dictionary(grouping: findings) { $0["subject"] ?? "" }
    let fifo = try #require(bySubject["sched-fifo"]?.first)
    #expect(fifo["status"] == "missing")
    #expect(fifo["found"]?.contains("RLIMIT_RTPRIO 0, no CAP_SYS_NICE") == true)
    #expect(fifo["remedy"]?.contains("LimitRTPRIO=90") == true)
    let memory = try #require(bySubject["memory-lock"]?.first)
    #expect(memory["status"] == "missing")
    #expect(memory["found"]?.contains("RLIMIT_MEMLOCK 65536 bytes, no CAP_IPC_LOCK") == true)
    #expect(memory["remedy"]?.contains("LimitMEMLOCK=infinity") == true)
    if FileManager.default.fileExists(atPath: CPULatencyRequest.devicePath) {
      let latency = try #require(bySubject["cpu-dma-latency"]?.first)
      #expect(latency["status"] == "missing")
      #expect(latency["remedy"]?.contains("udev rule") == true)
    }
    #expect(
      Set(bySubject.keys).isSuperset(of: ["preempt-rt", "rt-throttling", "cpu-governor", "isolated-cpus"]))
  }

  @Test(
    "an unprivileged thread fails or degrades as asked, and lock and latency request give typed errors",
    .enabled(if: TestPrograms.isInstalled("setpriv") && TestPrograms.isInstalled("prlimit")))
  func degradation() throws {
    let result = try TestPrograms.runUnprivileged(["thread"])
    #expect(result.status == 0)
    let lines = result.output.split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.hasPrefix("strict: SCHED_FIFO 80 refused") })
    #expect(lines.contains("lenient: normal degraded true"))
    #expect(lines.contains { $0.hasPrefix("memory lock: no more than 65536 bytes") })
    if FileManager.default.fileExists(atPath: CPULatencyRequest.devicePath) {
      #expect(
        lines.contains("cpu latency: \(CPULatencyRequest.devicePath): \(String(cString: strerror(EACCES)))"))
    }
  }

  @Test("the findings of this process read the same as text and as JSON")
  func rendering() throws {
    let privileges = RealtimePrivileges.probe()
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(privileges.json.utf8)) as? [String: Any])
    #expect(report["ready"] as? Bool == privileges.isReady)
    let found = (report["findings"] as? [[String: String]])?.map { $0["found"] }
    #expect(found == privileges.findings.map(\.found))
    for finding in privileges.findings {
      #expect(privileges.text.contains("\(finding.status.rawValue): \(finding.subject)\n"))
      #expect((finding.status == .missing || finding.status == .advised) == !finding.remedy.isEmpty)
    }
  }

  @Test("as JSON the findings are what they are as values")
  func json() throws {
    let privileges = RealtimePrivileges.probe()
    let parsed = try #require(
      try JSONSerialization.jsonObject(with: Data(privileges.json.utf8)) as? [String: Any])
    #expect(parsed["ready"] as? Bool == privileges.isReady)
    let findings = try #require(parsed["findings"] as? [[String: String]])
    #expect(findings.count == privileges.findings.count)
    for (found, wanted) in zip(findings, privileges.findings) {
      #expect(found["subject"] == wanted.subject && found["status"] == wanted.status.rawValue)
      #expect(found["found"] == wanted.found && found["wanted"] == wanted.wanted)
      #expect(found["remedy"] == wanted.remedy)
    }
  }
}
