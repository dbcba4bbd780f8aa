import Foundation
import Testing

@testable import Analysis
@testable import Realtime

/// Serialised: locked memory is a property of the whole process.
@Suite(.serialized) struct ProcessResourceTests {
  @Test("the memory is locked as long as the lock lives")
  func memoryLock() throws {
    func lockedKilobytes() throws -> Int {
      let status = try #require(SystemFile.read("/proc/self/status"))
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmLck:") })
      return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
    }
    do throws(MemoryLockError) {
      let lock = try MemoryLock()
      #expect(try! lockedKilobytes() > 0)
      _ = consume lock
      #expect(try! lockedKilobytes() == 0)
    } catch {
      // Without the privilege nothing may be locked at all.
      #expect(try! lockedKilobytes() == 0)
      guard case .limited = error else {
        Issue.record("\(error)")
        return
      }
    }
  }

  @Test("a latency request writes its value as 32 bits and keeps the file open until released")
  func latencyRequest() throws {
    try TestPrograms.withFolder { folder in
      let path = folder + "/latency"
      try Data().write(to: URL(fileURLWithPath: path))
      func isOpen() throws -> Bool {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").contains {
          (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
        }
      }
      let request = try CPULatencyRequest(microseconds: 5, path: path)
      #expect(try isOpen())
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data([5, 0, 0, 0]))
      _ = consume request
      #expect(try !isOpen())
    }
  }

  @Test("a latency request names the reason of its failure")
  func latencyErrors() {
    #expect(throws: CPULatencyError.open(.noSuchFileOrDirectory)) {
      _ = try CPULatencyRequest(path: "/nonexistent/cpu_dma_latency")
    }
    #expect(throws: CPULatencyError.write(.noSpace)) { _ = try CPULatencyRequest(path: "/dev/full") }
  }

  @Test(
    "the comparison runs both and reports their ratio",
    .enabled(
      if: TestPrograms.isInstalled("cyclictest") && geteuid() == 0, "needs rt-tests and SCHED_FIFO"))
  func loopBench() throws {
    let result = try LoopBench.run(rateHertz: 1000, seconds: 2, cpu: 0) { _ in }
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(result.json.utf8)) as? [String: Any])
    let ratio = try #require(json["ratio"] as? [String: Any])
    let ours = try #require(json["oursMicroseconds"] as? [String: Any])
    let theirs = try #require(json["cyclictestMicroseconds"] as? [String: Any])
    for key in ["p50", "p99", "p99.9"] {
      let expected = Double(ours[key] as? Int ?? 0) / Double(theirs[key] as? Int ?? 0)
      // Decimal text and back may differ in the last bit.
      #expect(abs(try #require(ratio[key] as? Double) - expected) < 1e-9)
    }
    #expect(result.segments == 1)
    #expect(result.cyclictest.count > 0)
    #expect(result.ours.count + result.skipped >= 2000)
    #expect(json["policy"] as? String == "fifo")
  }
}
