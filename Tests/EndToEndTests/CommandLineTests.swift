import Foundation
import Testing

extension EndToEnd {
  @Suite("The command line")
  struct CommandLineTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    @Test(
      "an unknown verb is answered with the nearest one",
      arguments: [
        (["mov", "index", "1"], "found 'mov'", "did you mean move?"),
        (["stat"], "found 'stat'", "did you mean status?"),
        (["log", "inf", "x"], "log: found 'inf'", "did you mean info?"),
        (["bench", "tik"], "bench: found 'tik'", "did you mean tick?"),
        (["xyzzy"], "found 'xyzzy', expected one of status, watch", ""),
      ])
    func unknownVerb(arguments: [String], found: String, hint: String) throws {
      let outcome = try bench.run(Repository.built("motorhand"), arguments)
      #expect(outcome.status == 64)
      #expect(
        outcome.errors.contains(found) && (hint.isEmpty || outcome.errors.contains(hint)), "\(outcome.errors)"
      )
    }

    @Test(
      "help and version are no unknown verbs",
      arguments: [["help"], ["help", "move"], ["--help"], ["--version"]])
    func help(arguments: [String]) throws {
      let outcome = try bench.run(Repository.built("motorhand"), arguments)
      #expect(outcome.status == 0 && !outcome.output.isEmpty, "\(outcome)")
    }

    @Test("a calibration given without its option is told of it", arguments: ["check", "certify", "faults"])
    func calibrationIsAnOption(verb: String) throws {
      let outcome = try bench.motorhand(verb, Repository.board, Repository.calibration)
      #expect(outcome.status == 64)
      #expect(outcome.errors.contains("--calibration FILE"), "\(outcome.errors)")
    }

    @Test("certify and faults take the calibration that --calibration names")
    func calibrationIsUsed() throws {
      let other = bench.path("other.yaml")
      let text = try String(contentsOfFile: Repository.calibration, encoding: .utf8)
      try text.replacingOccurrences(of: "hand: nominal", with: "hand: another")
        .write(toFile: other, atomically: true, encoding: .utf8)
      struct Report: Decodable { var hand: String }
      let faults = try bench.motorhand(
        "faults", Repository.board, "--calibration", other, "--count", "1", "--class", "encoder-nack",
        "--json")
      #expect(try faults.decoded(Report.self).hand == "another")
      let broken = bench.path("no-such.yaml")
      let certify = try bench.motorhand("certify", Repository.board, "--calibration", broken)
      #expect(certify.status == 2 && certify.errors.contains(broken), "\(certify.errors)")
    }

    @Test("a file of the other kind is called by its kind")
    func otherKind() throws {
      let board = try bench.motorhand("check", Repository.calibration)
      #expect(board.status == 2)
      #expect(board.errors.contains("found a calibration, expected a board"), "\(board.errors)")
      let calibration = try bench.motorhand("check", Repository.board, "--calibration", Repository.board)
      #expect(calibration.status == 2)
      #expect(calibration.errors.contains("found a board, expected a calibration"), "\(calibration.errors)")
    }

    @Test("MOTORHAND_SOCKET names the socket where --socket does not; empty it names none")
    func socketVariable() throws {
      let daemon = try TestDaemon(bench)
      func status(_ variable: String, _ arguments: [String] = []) throws -> Outcome {
        try bench.run(
          "/usr/bin/env",
          ["MOTORHAND_SOCKET=\(variable)", Repository.built("motorhand"), "status", "--json"] + arguments)
      }
      #expect(try status(daemon.socket).decoded(StatusDocument.self).state == "idle")
      let absent = bench.path("absent")
      let wrong = try status(absent)
      #expect(wrong.status == 5 && wrong.errors.contains(absent), "\(wrong)")
      #expect(try status(absent, ["--socket", daemon.socket]).status == 0)
      let empty = try status("")
      #expect(!empty.errors.contains("expected a name"), "\(empty)")
      let help = try bench.motorhand("status", "--help")
      #expect(help.output.contains("MOTORHAND_SOCKET"))
    }
  }
}
