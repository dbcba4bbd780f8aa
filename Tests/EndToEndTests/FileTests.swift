import Foundation
import Testing

extension EndToEnd {
  @Suite("Files and arguments")
  struct FileTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private func daemon(board: String) throws -> Outcome {
      try bench.run(
        Repository.built("motorhandd"),
        [
          "--board", board, "--calibration", Repository.calibration, "--socket", bench.path("control.sock"),
          "--no-record",
        ])
    }

    /// A board of the bench with this text.
    private func board(_ text: String) throws -> String {
      let path = bench.path("broken.yaml")
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    /// Number of the first line that holds `text`.
    private func line(of text: String, in file: String) throws -> Int {
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(
        separator: "\n", omittingEmptySubsequences: false)
      return try #require(lines.firstIndex { $0.contains(text) }) + 1
    }

    @Test("a board with several errors ends the daemon with 2 and every error by file and line")
    func brokenBoard() throws {
      let text = try String(contentsOfFile: Repository.board, encoding: .utf8)
        .replacingOccurrences(of: "window_seconds: 1.0", with: "window_second: 1.0")
        .replacingOccurrences(
          of: "name: index-tip, chip: ADS1115, bus: index", with: "name: index-tip, chip: ADS1116, bus: index"
        )
        .replacingOccurrences(of: "encoder: little-distal\n", with: "encoder: litle-distal\n")
      let path = try board(text)
      for outcome in [
        try daemon(board: path), try bench.motorhand("check", path, "--calibration", Repository.calibration),
      ] {
        #expect(outcome.status == 2)
        for word in ["window_second:", "ADS1116", "encoder: litle-distal"] {
          let place = "\(path):\(try line(of: word, in: path))"
          #expect(outcome.errors.contains(place), "no \(place) in \(outcome.errors)")
        }
        #expect(outcome.errors.contains("window_seconds"), "no hint at the right key")
      }
    }

    @Test(
      "a board for a machine that this is not is checked to the end, ends with 4, and keeps the daemon from starting"
    )
    func otherMachine() throws {
      let board = Repository.root + "/Boards/beaglebone-black.yaml"
      let check = try bench.motorhand("check", board)
      #expect(check.status == 4)
      #expect(check.output.contains("the buses bear it"))
      #expect(check.output.contains("drive-enable line") && check.output.contains("→"))
      let json = try bench.motorhand("check", board, "--json")
      #expect(json.status == 4 && json.output.contains(#""state" : "missing""#))
      let daemon = try bench.run(
        Repository.built("motorhandd"),
        [
          "--board", board, "--calibration", Repository.root + "/Calibration/beaglebone-black.yaml",
          "--socket", bench.path("control.sock"), "--no-record",
        ])
      #expect(daemon.status == 4)
      #expect(daemon.errors.contains("bus hand: ") && daemon.errors.contains("line P9_12: "))
    }

    @Test("a bus is not recovered that the board has not, nor on a simulated board")
    func recover() throws {
      let board = Repository.root + "/Boards/beaglebone-black.yaml"
      let unknown = try bench.motorhand("recover", board, "palm")
      #expect(unknown.status == 2 && unknown.errors.contains("no bus palm; there are hand"))
      let simulated = try bench.motorhand("recover", Repository.board, "thumb")
      #expect(simulated.status == 1 && simulated.errors.contains("no wires"))
      let missing = try bench.motorhand("recover", board, "hand")
      #expect(missing.status == 4 && missing.errors.contains("bus hand: missing"))
    }

    @Test("a file that is missing, unreadable or no text ends the daemon with 2 and its path")
    func missingFile() throws {
      let bytes = bench.path("bytes.yaml")
      try Data([0xFF, 0xFE, 0x00, 0x80]).write(to: URL(fileURLWithPath: bytes))
      for path in [bench.path("absent.yaml"), bench.directory, bytes] {
        let outcome = try daemon(board: path)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(path), "\(outcome.errors)")
      }
    }

    @Test(
      "garbage in place of a board ends daemon and check with 2 and a place in the file",
      arguments: ["{", "name: [sim\n", "\t: - @", "just words", "", "- 1\n- 2\n"])
    func garbage(text: String) throws {
      let path = try board(text)
      for outcome in [
        try daemon(board: path), try bench.motorhand("check", path, "--calibration", Repository.calibration),
      ] {
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(path + ":"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("Fatal error"))
      }
    }

    @Test("check finds the simulated board feasible and certified, and its JSON holds every joint")
    func checkJSON() throws {
      struct Report: Decodable {
        struct Bus: Decodable {
          var name: String
          var load: Double
          var fits: Bool
        }
        struct Joint: Decodable {
          var name: String
          var lipschitz: Double
        }
        var rateHertz: Int
        var fits: Bool
        var buses: [Bus]
        var joints: [Joint]
      }
      let outcome = try bench.motorhand("check", Repository.board, "--json")
      #expect(outcome.status == 0)
      let report = try outcome.decoded(Report.self)
      #expect(report.fits)
      #expect(report.rateHertz == 1000)
      #expect(report.buses.count == 6)
      #expect(report.buses.allSatisfy { $0.fits && $0.load > 0 && $0.load < 1 })
      #expect(report.joints.count == 15)
      #expect(report.joints.allSatisfy { $0.lipschitz > 0 && $0.lipschitz < 1 })
    }

    @Test("a rate beyond the buses ends check and daemon with 3 and the arithmetic of the bus")
    func infeasibleRate() throws {
      // Two PCA9685 on the actuators' bus at 1 MHz, docs/board-file.md: one block of 8 channels is
      // 308 bits + 20 µs = 328 µs, one of 7 is 292 µs, a mode read back 59 µs: 679 µs of a period of 500 µs.
      let check = try bench.motorhand("check", Repository.board, "--rate-hz", "2000")
      #expect(check.status == 3)
      for text in ["328.0 µs", "292.0 µs", "679.0 µs of 500.0 µs", "DOES NOT FIT", "at most 1031 Hz"] {
        #expect(check.output.contains(text), "no \(text) in \(check.output)")
      }
      let board = try board(
        String(contentsOfFile: Repository.board, encoding: .utf8).replacingOccurrences(
          of: "rate_hz: 1000", with: "rate_hz: 2000"))
      let refused = try daemon(board: board)
      #expect(refused.status == 3)
      #expect(refused.errors.contains("does not fit"), "\(refused.errors)")
      #expect(refused.errors.contains("actuators"), "\(refused.errors)")
      #expect(refused.errors.contains("motorhand check"), "no way to the arithmetic: \(refused.errors)")
    }

    @Test("gains without a certificate at the board's rate are refused with 3, in words")
    func uncertifiable() throws {
      let board = try board(
        String(contentsOfFile: Repository.board, encoding: .utf8).replacingOccurrences(
          of: "rate_hz: 1000", with: "rate_hz: 100"))
      let refused = try daemon(board: board)
      #expect(refused.status == 3)
      #expect(refused.errors.contains("thumb-proximal: no certificate"), "\(refused.errors)")
      #expect(refused.errors.contains("raise rate_hz or lower the gains"), "\(refused.errors)")
    }

    @Test("wrong arguments end with 64 and say what was expected")
    func arguments() throws {
      let daemon = try bench.run(
        Repository.built("motorhandd"),
        ["--board", Repository.board, "--calibration", Repository.calibration, "--scoket", "x"])
      #expect(daemon.status == 64)
      #expect(daemon.errors.contains("--scoket"), "\(daemon.errors)")
      let command = try bench.motorhand("poze", "power")
      #expect(command.status == 64)
      for (arguments, words) in [
        (["--hand", "a b"], "--hand: found 'a b'"), (["--broker", "example.org"], "expected mqtt://"),
        (["--broker", "mqtt://h:99999"], "expected 1...65535"), (["--credentials", "x"], "need --broker"),
      ] {
        let outcome = try bench.run(
          Repository.built("motorhandd"),
          ["--board", Repository.board, "--calibration", Repository.calibration] + arguments)
        #expect(outcome.status == 64, "\(arguments)")
        #expect(outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
      }
    }

    @Test("a broker's file that is not there ends the daemon with 2 and leaves no recording")
    func brokerFiles() throws {
      let absent = bench.path("absent")
      for option in ["--credentials", "--tls-ca"] {
        let outcome = try bench.run(
          Repository.built("motorhandd"),
          [
            "--board", Repository.board, "--calibration", Repository.calibration, "--socket",
            bench.path("control.sock"), "--data", bench.path("data"), "--broker", "mqtts://127.0.0.1:1",
            option, absent,
          ])
        #expect(outcome.status == 2, "\(option)")
        #expect(outcome.errors.contains(absent) && outcome.errors.contains("give a readable file"))
        #expect(!FileManager.default.fileExists(atPath: bench.path("data")))
      }
    }

    @Test("a file that lies where the socket is to be is left alone")
    func occupiedSocket() throws {
      let path = bench.path("notes.txt")
      try "mine".write(toFile: path, atomically: true, encoding: .utf8)
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--board", Repository.board, "--calibration", Repository.calibration, "--socket", path,
          "--no-record",
        ])
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("expected a socket or nothing"), "\(outcome.errors)")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
    }
  }
}
