import Foundation
import Testing

extension EndToEnd {
  /// What viewers draw, read by the programs of others: Scripts/python-peers installs them. Where they cannot be had,
  /// these tests fail.
  @Suite("Recordings in viewers")
  struct ViewerTests {
    /// Loading half a gigabyte takes a minute or two where Scripts/test has not done so before.
    private static let installSeconds = 900.0
    private static let viewers = Repository.root + "/Tests/Viewers"

    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// Path of a Python with the packages of a requirements file.
    private func python(_ requirements: String) throws -> String {
      let program = try bench.start(
        Repository.root + "/Scripts/python-peers", ["\(Self.viewers)/\(requirements)"])
      let status = try #require(program.waitForExit(seconds: Self.installSeconds))
      try #require(status == 0, "\(program.errors)")
      return program.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Records a hand in virtual time that moves, is stopped, and moves again; returns the directory of its start.
    private func record(board: String, calibration: String) throws -> String {
      let script = bench.path("script.jsonl")
      try """
      {"at": 0.2, "verb": "arm"}
      {"at": 0.4, "verb": "pose", "pose": "open", "seconds": 0.3}
      {"at": 0.9, "verb": "stop"}
      {"at": 1.1, "verb": "reset"}
      {"at": 1.3, "verb": "arm"}

      """.write(toFile: script, atomically: true, encoding: .utf8)
      let data = bench.path("data")
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--virtual", "--seconds", "1.6", "--seed", "7", "--board", "\(Repository.root)/Boards/\(board)",
          "--calibration", "\(Repository.root)/Calibration/\(calibration)", "--data", data, "--script",
          script,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      let run = try #require(try FileManager.default.contentsOfDirectory(atPath: data).first)
      return "\(data)/\(run)"
    }

    /// Exports a recording as MCAP and as CSV.
    private func export(_ run: String) throws -> (mcap: String, csv: String) {
      let (mcap, csv) = (bench.path("hand.mcap"), bench.path("hand.csv"))
      let exported = try bench.motorhand("log", "export", run, "--mcap", mcap)
      try #require(exported.status == 0, "\(exported.errors)")
      let table = try bench.motorhand("log", "export", run, "--csv")
      try #require(table.status == 0, "\(table.errors)")
      try table.output.write(toFile: csv, atomically: false, encoding: .utf8)
      return (mcap, csv)
    }

    @Test(
      "MCAP read by its authors' readers is the recording value for value: motors, servos, a hand on a wrist",
      arguments: [
        ("sim.yaml", "nominal-hand.yaml"), ("sim-servo.yaml", "servo-hand.yaml"),
        ("sim-24.yaml", "sim-24.yaml"),
      ])
    func readers(board: String, calibration: String) throws {
      let run = try record(board: board, calibration: calibration)
      let (mcap, csv) = try export(run)
      let check = try bench.run(
        try python("requirements.txt"), ["\(Self.viewers)/check_mcap.py", mcap, csv, run])
      #expect(check.status == 0, "\(check.output)\(check.errors)")
      #expect(check.output.contains("structure:") && check.output.contains("content:"))
    }

    @Test("the readers see one other value in the CSV, and one other byte in the file")
    func checkCanFail() throws {
      let run = try record(board: "sim-servo.yaml", calibration: "servo-hand.yaml")
      let (mcap, csv) = try export(run)
      func check() throws -> Outcome {
        try bench.run(try python("requirements.txt"), ["\(Self.viewers)/check_mcap.py", mcap, csv, run])
      }
      let table = try String(contentsOfFile: csv, encoding: .utf8)
      var rows = table.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
      }
      let column = try #require(rows[0].firstIndex { $0.hasSuffix(".setpoint_radians [rad]") })
      rows[100][column] += "1"
      try rows.map { $0.joined(separator: ",") }.joined(separator: "\n")
        .write(toFile: csv, atomically: true, encoding: .utf8)
      let value = try check()
      #expect(
        value.status == 1 && value.output.contains("DIFFERENT: /joint_setpoints tick 99"), "\(value.output)")
      try table.write(toFile: csv, atomically: true, encoding: .utf8)
      #expect(try check().status == 0)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: mcap))
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: URL(fileURLWithPath: mcap))
      #expect(try check().status == 1)
    }

    @Test("Rerun draws the recording's values as curves, the hand with its links that move, and the log")
    func rerun() throws {
      let run = try record(board: "sim.yaml", calibration: "nominal-hand.yaml")
      let (mcap, csv) = try export(run)
      let check = try bench.run(
        try python("requirements-rerun.txt"), ["\(Self.viewers)/check_rerun.py", mcap, csv])
      #expect(check.status == 0 && check.output.contains("15 move"), "\(check.output)\(check.errors)")
    }

    @Test("a damaged recording is exported and drawn without what is damaged, which is told, and ends with 2")
    func damaged() throws {
      let run = try record(board: "sim.yaml", calibration: "nominal-hand.yaml")
      let shell = try #require(Repository.installed("sqlite3"))
      let change = try bench.run(
        shell,
        [
          "\(run)/segment-0001.sqlite",
          """
          UPDATE block SET bytes = zeroblob(99) WHERE first_sequence =
            (SELECT first_sequence FROM block ORDER BY first_sequence LIMIT 1 OFFSET 1)
          """,
        ])
      try #require(change.status == 0, "\(change.errors)")
      let mcap = bench.path("hand.mcap")
      let exported = try bench.motorhand("log", "export", run, "--mcap", mcap)
      #expect(exported.status == 2 && exported.errors.contains("is damaged"), "\(exported.errors)")
      #expect(exported.output.hasPrefix("\(mcap): ") && exported.output.hasSuffix(" ticks\n"))
      #expect(FileManager.default.fileExists(atPath: mcap))
      let picture = bench.path("hand.svg")
      let drawn = try bench.motorhand("log", "plot", run, picture, "--joint", "index-distal")
      #expect(drawn.status == 2 && drawn.errors.contains("is damaged"), "\(drawn.errors)")
      let svg = try String(contentsOfFile: picture, encoding: .utf8)
      // Around the hole ticks are missing but for those of the rows.
      #expect(svg.contains(">missing<") && svg.contains("fill=\"#7a1f2b\""))
      #expect(svg.contains("index-distal [rad]") && !svg.contains("thumb-distal"))
    }

    @Test("what cannot be exported or drawn is refused with the reason, and nothing is left behind")
    func refused() throws {
      let run = try record(board: "sim-servo.yaml", calibration: "servo-hand.yaml")
      let mcap = bench.path("hand.mcap")
      for arguments in [
        ["--csv", "--mcap", mcap], [], ["--mcap", "-"], ["--mcap", mcap, "--from", "9", "--to", "3"],
      ] {
        let outcome = try bench.run(Repository.built("motorhand"), ["log", "export", run] + arguments)
        #expect(outcome.status == 64, "\(arguments): \(outcome.errors)")
      }
      #expect(try bench.motorhand("log", "export", run, "--mcap", mcap, "--joint", "nose").status == 2)
      try "mine".write(toFile: mcap, atomically: true, encoding: .utf8)
      let taken = try bench.motorhand("log", "export", run, "--mcap", mcap)
      #expect(taken.status == 2 && taken.errors.contains("exists already"), "\(taken.errors)")
      #expect(try String(contentsOfFile: mcap, encoding: .utf8) == "mine")
      #expect(!FileManager.default.fileExists(atPath: mcap + ".partial"))
      let beyond = try bench.motorhand("log", "plot", run, bench.path("a.svg"), "--from", "1000000")
      #expect(beyond.status == 2 && beyond.errors.contains("there is no tick"), "\(beyond.errors)")
      #expect(!FileManager.default.fileExists(atPath: bench.path("a.svg")))
    }

    @Test(
      "tail tells events as they are stored and the next start, ends with 0 on Ctrl-C and when its reader is gone"
    )
    func tail() throws {
      let data = bench.path("recordings")
      try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
      let tail = try bench.start(Repository.built("motorhand"), ["log", "tail", data])
      let lines = try bench.start(Repository.built("motorhand"), ["log", "tail", data, "--json", "--ticks"])
      #expect(waitUntil { tail.errors.contains("waiting for one") })
      for _ in 0..<2 {
        let daemon = try TestDaemon(bench)
        let run = try daemon.status().runID
        try daemon.execute("arm")
        #expect(waitUntil { tail.output.contains("-- start \(run)") })
        let ofRun = { tail.output.components(separatedBy: "-- start \(run)").last ?? "" }
        #expect(waitUntil { ofRun().contains("idle → armed") }, "\(tail.output)")
        #expect(
          waitUntil { lines.output.contains("\"run_id\":\"\(run)\",\"schema\":\"motorhand.tail.tick/1\"") })
        #expect(try daemon.terminate() == 0)
        #expect(waitUntil { ofRun().contains("ticks recorded, 0 dropped") }, "\(tail.output)")
      }
      tail.send(SIGINT)
      lines.send(SIGTERM)
      #expect(tail.waitForExit(seconds: 5) == 0 && lines.waitForExit(seconds: 5) == 0)
      for line in lines.output.split(separator: "\n") {
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect((object?["schema"] as? String)?.hasPrefix("motorhand.") == true, "\(line)")
      }
      let head = try bench.run(
        "/bin/bash",
        [
          "-c", "\"$0\" log tail \"$1\" --ticks | head -n 1; exit ${PIPESTATUS[0]}",
          Repository.built("motorhand"), data,
        ])
      #expect(head.status == 0 && head.output.hasPrefix("-- start"), "\(head.errors)")
      #expect(try bench.motorhand("log", "tail", bench.path("nowhere")).status == 2)
    }
  }
}
