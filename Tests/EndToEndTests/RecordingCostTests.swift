import Foundation
import Testing

extension EndToEnd {
  @Suite("What a recording takes")
  struct RecordingCostTests {
    private struct Report: Decodable {
      struct Recording: Decodable {
        var mode: String
        var keptBytes: Double
        var fullBytesADay: Double
        var fullHours: Double
        var eventsBytesADay: Double
      }
      var recording: Recording
    }

    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private func checked(_ board: String) throws -> Report.Recording {
      let outcome = try bench.motorhand("check", Repository.root + "/Boards/\(board).yaml", "--json")
      return try outcome.decoded(Report.self).recording
    }

    /// Bytes of the segments of a run in virtual time.
    private func bytes(
      _ name: String, _ board: String, _ calibration: String, seconds: Int, mode: String,
      script: String? = nil
    ) throws -> Double {
      let data = bench.path(name)
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--virtual", "--seconds", "\(seconds)", "--record", mode, "--data", data,
          "--board", Repository.root + "/Boards/\(board).yaml",
          "--calibration", Repository.root + "/Calibration/\(calibration).yaml",
        ] + (script.map { ["--script", $0] } ?? []))
      try #require(outcome.status == 0, "\(outcome.errors)")
      let run = try #require(try FileManager.default.contentsOfDirectory(atPath: data).first)
      let verified = try bench.motorhand("log", "verify", data)
      #expect(verified.status == 0, "\(verified.output)")
      return try FileManager.default.contentsOfDirectory(atPath: "\(data)/\(run)")
        .filter { $0.hasPrefix("segment-") }.reduce(0) { sum, file in
          let size = try FileManager.default.attributesOfItem(atPath: "\(data)/\(run)/\(file)")[.size]
          return sum + ((size as? NSNumber)?.doubleValue ?? 0)
        }
    }

    @Test("check's bytes a day are those of files, for a hand that moves and for one that waits")
    func agrees() throws {
      let motors = try checked("sim")
      #expect(motors.mode == "full")
      let moving = try bytes(
        "moving", "sim", "nominal-hand", seconds: 40, mode: "full", script: Repository.script)
      #expect((0.8...1.25).contains(motors.fullBytesADay / (moving / 40 * 86_400)), "\(moving)")
      #expect(abs(motors.fullHours * motors.fullBytesADay / 24 / motors.keptBytes - 1) < 1e-9)
      // Of the second 200 s nothing but rows is kept, as nothing happens.
      let servos = try checked("sim-servo")
      let short = try bytes("short", "sim-servo", "servo-hand", seconds: 100, mode: "events")
      let long = try bytes("long", "sim-servo", "servo-hand", seconds: 300, mode: "events")
      #expect(
        (0.8...1.25).contains(servos.eventsBytesADay / ((long - short) / 200 * 86_400)), "\(long - short)")
      #expect(try checked("raspberry-pi-5").mode == "events")
    }
  }
}
