import Foundation
import Testing

extension EndToEnd {
  @Suite("Virtual time")
  struct DeterminismTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private func segment(_ recording: String) throws -> String {
      let boot = try #require(try FileManager.default.contentsOfDirectory(atPath: recording).first)
      return "\(recording)/\(boot)/segment-0001.sqlite"
    }

    @Test("two runs with one seed are the same tick by tick; another seed gives another run")
    func deterministic() throws {
      let seconds = 6.0
      let first = try bench.virtualRun("first", seconds: seconds, seed: 7)
      let again = try bench.virtualRun("again", seconds: seconds, seed: 7)
      let other = try bench.virtualRun("other", seconds: seconds, seed: 8)

      let same = try bench.motorhand("log", "diff", first, again)
      #expect(same.status == 0, "\(same.output)")
      #expect(same.output.contains("identical"), "\(same.output)")
      let different = try bench.motorhand("log", "diff", first, other)
      #expect(different.status == 1)
      #expect(!different.output.contains("identical"), "\(different.output)")
    }

    @Test("each certified tick of a run through the grasps has L below 1, and no tick is missing")
    func contraction() throws {
      let seconds = 9.0
      let run = try bench.virtualRun("run", seconds: seconds, seed: 3)
      let row = try #require(
        try bench.query(
          try segment(run),
          """
          SELECT count(*), max(sequence) + 1, sum(outputs_enabled), sum(certificate IN ('CERTIFIED', 'DEADZONE')),
            sum(certificate IN ('CERTIFIED', 'DEADZONE') AND NOT lipschitz < 1), sum(lipschitz > 1),
            sum(certificate = 'UNCERTIFIED'), sum(fault <> 'none'), sum(outputs_enabled AND lipschitz IS NULL)
          FROM tick_named
          """
        ).first?.map { Int($0) ?? -1 })
      #expect(row[0] == Int(seconds * 1000))
      #expect(row[1] == row[0], "ticks are missing")
      // Armed at 0.2 s of the script, to the end.
      #expect(row[2] > Int((seconds - 0.3) * 1000))
      #expect(row[3] > 0)
      #expect(row[4] == 0, "certified ticks with L of 1 or more, or without L")
      #expect(row[5] == 0, "ticks with L above 1")
      #expect(row[6] == 0, "uncertified ticks")
      #expect(row[7] == 0, "faults")
      // The tick of arming ends no interval under the law: INACTIVE, docs/control.md.
      #expect(row[8] == 1, "live ticks without L, besides that of arming")
      // As that of a hand in real time, the last tick ends the outputs.
      let ends = try bench.query(
        try segment(run), "SELECT outputs_enabled FROM tick_named ORDER BY sequence DESC LIMIT 2")
      #expect(ends == [["0"], ["1"]])
      let events = try segment(run).replacing("segment-0001", with: "events")
      let last = try bench.query(events, "SELECT text FROM event WHERE kind = 'stopped'")
      #expect(last.count == 1 && last[0][0].hasSuffix("outputs off"), "\(last)")
      let joints = try bench.query(
        try segment(run),
        """
        SELECT count(*) FROM joint_tick
        WHERE certificate IN ('CERTIFIED', 'DEADZONE') AND NOT coalesce(lipschitz < 1, 0)
        """)
      #expect(joints == [["0"]], "certified joints with L of 1 or more, or without L")
      let info = try bench.motorhand("log", "info", run)
      #expect(info.output.contains("0 dropped by the ring, 0 by storage errors"), "\(info.output)")
    }

    @Test("an export whose reader has seen enough ends quietly")
    func closedPipe() throws {
      let run = try bench.virtualRun("run", seconds: 1, seed: 1)
      let pipe = try bench.run(
        "/bin/bash",
        ["-o", "pipefail", "-c", "\(Repository.built("motorhand")) log export --csv \(run) | head -n 1"])
      #expect(pipe.status == 0)
      #expect(pipe.output.hasPrefix("sequence [ticks],"))
      #expect(pipe.errors.isEmpty, "\(pipe.errors)")
      let full = try bench.run(
        "/bin/sh", ["-c", "\(Repository.built("motorhand")) log export --csv \(run) >/dev/full"])
      #expect(full.status == 1 && full.errors.contains("the export cannot be written"), "\(full.errors)")
    }

    @Test("memory stays below 64 MiB and does not grow with the length of a run", .disabled(if: isSanitized))
    func memory() throws {
      // What a rotation of segments may hold for a moment.
      let growth = 4 * 1024
      // More than ten minutes, so that a rotation of segments lies within.
      let seconds = 700.0
      let daemon = try bench.start(
        Repository.built("motorhandd"),
        [
          "--virtual", "--seconds", "\(seconds)", "--board", try bench.patientBoard(), "--calibration",
          Repository.calibration, "--script", Repository.script, "--data", bench.path("recordings"),
        ])
      var samples: [(ticks: Int64, kibibytes: Int)] = []
      let boot = waitUntil {
        (try? FileManager.default.contentsOfDirectory(atPath: bench.path("recordings")))?.isEmpty == false
      }
      try #require(boot, "\(daemon.errors)")
      while daemon.isRunning {
        if let resident = daemon.memoryKibibytes("VmRSS") {
          samples.append((try written(), resident))
        }
        usleep(50_000)
      }
      #expect(daemon.waitForExit(seconds: 1) == 0, "\(daemon.errors)")
      let end = try #require(samples.last?.ticks)
      // The first quarter of the run by what was recorded, not by the clock.
      let late = samples.filter { $0.ticks >= end / 4 }.map(\.kibibytes)
      try #require(late.count >= 10, "the run was too short to be watched")
      let first = try #require(late.first)
      let largest = try #require(samples.map(\.kibibytes).max())
      print("resident memory: \(first) KiB at a quarter of the run, at most \(largest) KiB")
      #expect(largest <= memoryCeilingKibibytes)
      #expect(try #require(late.max()) - first <= growth)
      let segments = try FileManager.default.subpathsOfDirectory(atPath: bench.path("recordings"))
        .filter { $0.contains("segment-") && $0.hasSuffix(".sqlite") }
      #expect(segments.count == 2, "no rotation lay within the run")
    }

    /// Bytes recorded so far.
    private func written() throws -> Int64 {
      let root = bench.path("recordings")
      return try FileManager.default.subpathsOfDirectory(atPath: root).reduce(0) { sum, name in
        let size = (try? FileManager.default.attributesOfItem(atPath: root + "/" + name))?[.size] as? Int64
        return sum + (size ?? 0)
      }
    }
  }

  /// The service's ceiling of resident memory, 64 MiB.
  static let memoryCeilingKibibytes = 64 * 1024

  /// Whether the programs are built for a sanitizer, which keeps memory of its own.
  static let isSanitized = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
}
