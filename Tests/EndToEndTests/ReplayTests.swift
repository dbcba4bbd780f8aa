import Foundation
import Testing

extension EndToEnd {
  @Suite("A recording run again")
  struct ReplayTests {
    private struct Report: Decodable {
      struct Difference: Decodable {
        var tick: UInt64
        var field: String
        var joint: String?
      }
      var identical: Bool
      var replayedTicks: UInt64
      var skippedTicks: UInt64
      var firstDifference: Difference?
      var recordedEnd: [String: String?]
    }

    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private func replay(_ recording: String, _ arguments: String...) throws -> (status: Int32, report: Report)
    {
      let outcome = try bench.run(
        Repository.built("motorhand"), ["log", "replay", recording, "--json"] + arguments)
      try #require(!outcome.output.isEmpty, "\(outcome.errors)")
      return (outcome.status, try outcome.decoded(Report.self))
    }

    @Test(
      "what a daemon did in real time, with stops, resets and a stall, is the same to the bit when run again")
    func realTime() throws {
      let daemon = try TestDaemon(bench, strictClock: true)
      let boot = try daemon.status().runID
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "0.5")
      #expect(try daemon.reaches("armed"))
      try daemon.execute("move", "index-proximal", "0.3", "--seconds", "0.3")
      try daemon.execute("stop")
      try daemon.execute("reset")
      try daemon.execute("null-g")
      try daemon.execute("arm")
      // A stalled machine: skipped deadlines and old samples, whatever they lead to.
      daemon.program.send(SIGSTOP)
      #expect(waitUntil { daemon.program.isStopped })
      let before = ContinuousClock.now
      _ = waitUntil(seconds: 2) { ContinuousClock.now > before + .milliseconds(700) }
      daemon.program.send(SIGCONT)
      #expect(try daemon.reaches("fault"))
      try daemon.execute("reset")
      try daemon.execute("arm")
      try daemon.execute("pose", "open", "--seconds", "0.4")
      #expect(try daemon.terminate() == 0)

      let (status, report) = try replay(daemon.data)
      #expect(status == 0)
      #expect(report.identical)
      #expect(report.skippedTicks == 0)
      #expect(report.replayedTicks == daemon.ticksMade)
      #expect(report.recordedEnd["state"] == "idle")
      let segment = try #require(try daemon.segments(boot: boot).first)
      let faults = try bench.query(segment, "SELECT DISTINCT fault FROM tick_named WHERE fault <> 'none'")
      #expect(faults.count >= 2, "\(faults)")
    }

    @Test("another calibration shows what would have been, with a picture; a changed recording shows where")
    func different() throws {
      let data = try bench.virtualRun("run", seconds: 2, seed: 4)
      let text = try String(contentsOfFile: Repository.calibration, encoding: .utf8)
      let other = bench.path("other.yaml")
      try #require(text.contains("kp_N_m_per_rad: 1.5"))
      try text.replacingOccurrences(of: "kp_N_m_per_rad: 1.5", with: "kp_N_m_per_rad: 1.2")
        .write(toFile: other, atomically: true, encoding: .utf8)
      for option in ["--calibration", "--gains"] {
        let picture = bench.path("plot\(option).svg")
        let (status, report) = try replay(data, option, other, "--plot", picture)
        #expect(status == 1)
        #expect(!report.identical && report.firstDifference != nil)
        let svg = try String(contentsOfFile: picture, encoding: .utf8)
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(svg.components(separatedBy: "<polyline").count - 1 >= 6)
      }
      #expect(try replay(data, "--gains", Repository.calibration).status == 0)

      let boot = try #require(try FileManager.default.contentsOfDirectory(atPath: data).first)
      let segment = "\(data)/\(boot)/segment-0001.sqlite"
      let shell = try #require(Repository.installed("sqlite3"))
      let rows = try bench.unpacked(segment)
      #expect(try replay(rows).status == 0)
      let change = try bench.run(
        shell, [rows, "UPDATE tick SET unhealthy_joints = 1 WHERE sequence = 1234"])
      try #require(change.status == 0, "\(change.errors)")
      let (status, report) = try replay(rows)
      #expect(status == 1)
      #expect(report.firstDifference?.tick == 1234)
      let broken = try bench.motorhand("log", "replay", other)
      #expect(broken.status == 2)
      #expect(broken.errors.contains("not an SQLite file"), "\(broken.errors)")
    }
  }
}
