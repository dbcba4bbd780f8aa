import Foundation
import Testing

extension EndToEnd {
  @Suite("Descriptors")
  struct DescriptorTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// With three descriptors the dynamic linker gives up; a running daemon needs fewer than this.
    private static let limits = 4...16

    @Test("with too few descriptors a start ends in order and names what could not be had")
    func tooFew() throws {
      var refusals: [String] = []
      for limit in Self.limits {
        let daemon = try bench.start(
          "/usr/bin/prlimit",
          [
            "--nofile=\(limit)", Repository.built("motorhandd"), "--board", Repository.board, "--calibration",
            Repository.calibration, "--socket", bench.path("control.sock"), "--no-record",
          ])
        let isOver = waitUntil(seconds: 30) { !daemon.isRunning || daemon.errors.contains("ready: ") }
        #expect(isOver, "limit \(limit): neither ended nor ready: \(daemon.errors)")
        guard !daemon.isRunning else {
          daemon.send(SIGTERM)
          #expect(daemon.waitForExit(seconds: 10) == 0, "limit \(limit): \(daemon.errors)")
          break
        }
        let status = try #require(daemon.waitForExit(seconds: 1))
        #expect((1...64).contains(status), "limit \(limit): status \(status), \(daemon.errors)")
        #expect(daemon.errors.contains("Too many open files"), "limit \(limit): \(daemon.errors)")
        refusals.append(daemon.errors)
      }
      #expect(refusals.contains { $0.contains("socket failed") }, "\(refusals)")
      #expect(refusals.count < Self.limits.count, "no limit let it start")
    }
  }
}
