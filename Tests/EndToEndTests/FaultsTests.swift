import Foundation
import Testing

extension EndToEnd {
  @Suite("The fault campaign as a command")
  struct FaultsTests {
    private struct Report: Decodable {
      struct Class: Decodable {
        struct Case: Decodable { var seed: UInt64 }
        var fault: String
        var episodes: Int
        var detected: Int
        var missed: [Case]
        var unsafe: [Case]
      }
      var episodes: Int
      var classes: [Class]
    }
    private struct Episode: Decodable {
      var fault: String
      var cause: String?
    }

    private let bench: TestBench

    init() throws { bench = try TestBench() }

    @Test("a class that is always detected ends with 0 and its report, and its first episode can be shown")
    func report() throws {
      let outcome = try bench.motorhand(
        "faults", Repository.board, "--count", "3", "--class", "encoder-nack", "--json")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try outcome.decoded(Report.self)
      let only = try #require(report.classes.first)
      #expect(report.episodes == 3 && report.classes.count == 1 && only.fault == "encoder-nack")
      #expect(only.episodes == 3 && only.detected == 3 && only.missed.isEmpty && only.unsafe.isEmpty)
    }

    @Test("wrong arguments end with 64, a broken board with 2 before anything runs")
    func arguments() throws {
      for arguments in [
        ["--class", "gremlins"], ["--count", "-1"], ["--hours", "nan"], ["--plot", "x.svg"], ["--jobs", "0"],
      ] {
        let outcome = try bench.run(
          Repository.built("motorhand"), ["faults", Repository.board] + arguments)
        #expect(outcome.status == 64, "\(arguments)")
      }
      #expect(try bench.motorhand("faults", bench.path("no-such-board.yaml")).status == 2)
    }

    @Test("a seed is shown as text and picture, the same each time")
    func replay() throws {
      let picture = bench.path("episode.svg")
      let shown = try bench.motorhand(
        "faults", Repository.board, "--replay", "34427129762", "--plot", picture)
      #expect(shown.output.contains("fault: ") && shown.output.contains("armed"), "\(shown.errors)")
      #expect(try String(contentsOfFile: picture, encoding: .utf8).contains("set-point"))
      let again = try bench.motorhand("faults", Repository.board, "--replay", "34427129762", "--json")
      #expect(!(try again.decoded(Episode.self)).fault.isEmpty)
    }
  }
}
