import Foundation
import Testing

extension EndToEnd {
  @Suite("Commands without a checkout, and benches")
  struct DefaultsTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private struct BenchReport: Decodable {
      var oursPerSecond: Double
      var peerPerSecond: Double?
      var ratio: Double?
      var noPeer: String?
      var paced: [Pace]?
    }

    private struct Pace: Decodable {
      var mode: String
      var durableMedianSeconds: Double?
      var processorShare: Double
      var bytesEach: Double
    }

    /// Runs a program in an empty folder of the bench, with a PATH of its own if one is given.
    private func runElsewhere(_ program: String, _ arguments: [String], path: String? = nil) throws -> Outcome
    {
      let folder = bench.path("empty")
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      return try bench.run(
        "/bin/sh",
        ["-c", (path.map { "PATH='\($0)':$PATH; " } ?? "") + #"cd "$0" && exec "$@""#, folder, program]
          + arguments)
    }

    /// The program in a folder `bin` of the bench, as installed, with the package's files or without.
    private func installed(withFiles: Bool) throws -> String {
      let files = FileManager.default
      let program = bench.path("usr/bin/motorhand")
      try files.createDirectory(atPath: bench.path("usr/bin"), withIntermediateDirectories: true)
      try files.copyItem(atPath: Repository.built("motorhand"), toPath: program)
      guard withFiles else { return program }
      let share = bench.path("usr/share/motorhand")
      try files.createDirectory(atPath: share, withIntermediateDirectories: true)
      for folder in ["Boards", "Calibration"] {
        try files.copyItem(atPath: "\(Repository.root)/\(folder)", toPath: "\(share)/\(folder)")
      }
      return program
    }

    private static let verbs = [
      ["faults", "--count", "1", "--class", "encoder-nack"], ["bench", "tick", "--ticks", "1000"],
    ]

    @Test("from any folder the simulated board of the checkout is found", arguments: verbs)
    func checkout(verb: [String]) throws {
      let outcome = try runElsewhere(Repository.built("motorhand"), verb)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test("an installed program finds the board of its package", arguments: verbs)
    func package(verb: [String]) throws {
      let outcome = try runElsewhere(try installed(withFiles: true), verb)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test("without any board it is said what was looked for")
    func nothing() throws {
      let program = try installed(withFiles: false)
      for verb in Self.verbs + [
        ["bench", "loop", "--seconds", "2"], ["bench", "record"], ["bench", "publish"],
      ] {
        let outcome = try runElsewhere(program, verb)
        #expect(outcome.status == 2, "\(verb)")
        #expect(
          outcome.errors.contains("Boards/sim.yaml") && outcome.errors.contains(program)
            && outcome.errors.contains("name a board file"), "\(outcome.errors)")
      }
    }

    @Test(
      "benches measure beside their C programs in a checkout, and alone without one",
      .enabled(if: TestBroker.isInstalled && Repository.installed("cc") != nil, needsBroker))
    func benches() throws {
      let program = try installed(withFiles: true)
      for verb in ["record", "publish"] {
        let arguments = ["bench", verb, "--seconds", "0.2", "--json"]
        let both = try runElsewhere(Repository.built("motorhand"), arguments)
        #expect(both.status == 0, "\(both.errors)")
        let report = try both.decoded(BenchReport.self)
        #expect(report.oursPerSecond > 0 && report.peerPerSecond ?? 0 > 0 && report.ratio ?? 0 > 0)
        if verb == "record" {
          #expect(report.paced?.map(\.mode) == ["full", "events"])
          #expect(report.paced?.map { $0.durableMedianSeconds != nil } == [true, false])
          #expect(report.paced?.allSatisfy { $0.processorShare > 0 && $0.bytesEach > 0 } == true)
        }
        let alone = try runElsewhere(program, arguments).decoded(BenchReport.self)
        #expect(alone.oursPerSecond > 0 && alone.ratio == nil)
        #expect(alone.noPeer?.contains("peer.c is not here") == true)
        let text = try runElsewhere(program, ["bench", verb, "--seconds", "0.2"])
        #expect(text.status == 0 && text.output.contains("no C program ran beside it"), "\(text.output)")
      }
    }

    @Test(
      "a bench fails when its C program fails, does nothing or cannot be compiled, and on a broken directory")
    func failures() throws {
      let tools = bench.path("tools")
      try FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: true)
      let compiler = tools + "/cc"
      for (script, message) in [
        ("echo no such header >&2; exit 1", "cc ended with 1: no such header"),
        (#"printf '#!/bin/sh\necho broken; exit 3\n' >"$3"; chmod +x "$3""#, "peer ended with 3: broken"),
        (#"printf '#!/bin/sh\necho "{\"seconds\":0}"\n' >"$3"; chmod +x "$3""#, "no ratio"),
      ] {
        try "#!/bin/sh\n\(script)\n".write(toFile: compiler, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: compiler)
        let outcome = try runElsewhere(
          Repository.built("motorhand"), ["bench", "record", "--seconds", "0.1"], path: tools)
        #expect(outcome.status == 1 && outcome.errors.contains(message), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
      }
      let outcome = try bench.motorhand(
        "bench", "record", "--seconds", "0.1", "--directory", bench.path("none"))
      #expect(outcome.status == 1 && outcome.errors.contains("No such file"), "\(outcome.errors)")
      for seconds in ["0", "nan", "-1", "1e300"] {
        #expect(try bench.motorhand("bench", "publish", "--seconds", seconds).status == 64, "\(seconds)")
      }
    }

    @Test("of two starts in a directory the newest is read, and every verb says so and how to name the other")
    func newestStart() throws {
      struct Info: Decodable {
        struct Start: Decodable { var path: String }
        var path: String
        var otherStarts: [Start]
      }
      let data = try bench.virtualRun("data", seconds: 0.2, seed: 1)
      let first = try bench.motorhand("log", "info", data, "--json").decoded(Info.self)
      #expect(first.otherStarts.isEmpty)
      _ = try bench.virtualRun("data", seconds: 0.3, seed: 2)
      let outcome = try bench.motorhand("log", "info", data, "--json")
      let info = try outcome.decoded(Info.self)
      #expect(info.path != first.path && info.otherStarts.map(\.path) == [first.path])
      #expect(
        outcome.errors.contains("newest of 2 starts, \(info.path)") && outcome.errors.contains(first.path))
      let text = try bench.motorhand("log", "info", data)
      #expect(text.status == 0 && text.output.contains("ticks          300"), "\(text.output)")
      #expect(text.output.contains("other start    \(first.path)"))
      for verb in [
        ["log", "export", "--csv", data], ["log", "replay", data], ["log", "diff", data, info.path],
      ] {
        let outcome = try bench.run(Repository.built("motorhand"), verb)
        #expect(outcome.status == 0, "\(verb): \(outcome.errors)")
        #expect(outcome.errors.contains(first.path), "\(verb): \(outcome.errors)")
      }
      let replay = try bench.motorhand("log", "replay", data, "--json")
      #expect(replay.output.contains(first.path) && replay.output.contains(info.path), "\(replay.output)")
      // The one that is named is read.
      #expect(try bench.motorhand("log", "info", first.path).output.contains("ticks          200"))
    }
  }
}
