import Foundation
import Testing

extension EndToEnd {
  @Suite("Odd arguments")
  struct ArgumentTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// No number, or none that any option takes.
    private static let oddNumbers = ["", "nan", "inf", "-inf", "1e300", "1e999", "0", "-1", "x"]

    /// Calls of `motorhand` with the codes that they must end with.
    private static let commands: [(arguments: [String], code: Int32)] = {
      let sim = Repository.board
      var calls: [(arguments: [String], code: Int32)] = []
      for verb in [
        ["status"], ["watch"], ["arm"], ["null-g"], ["disarm"], ["pose", "open"],
        ["move", "index-proximal", "0"],
        ["stop"], ["reset"], ["demo"], ["recover", sim, "thumb"],
      ] {
        calls.append((verb + ["--socket", ""], 64))
      }
      for number in oddNumbers {
        for verb in [
          ["watch", "--seconds"], ["pose", "open", "--seconds"],
          ["move", "index-proximal", "0", "--seconds"],
          ["demo", "--seconds"], ["demo", "--motion-seconds"], ["check", sim, "--rate-hz"],
          ["bench", "loop", "--board", sim, "--rate"], ["bench", "loop", "--board", sim, "--seconds"],
          ["bench", "tick", "--board", sim, "--ticks"], ["faults", sim, "--jobs"],
          ["certify", sim, "--suggest", "--stiffness", "1", "--damping-ratio"],
        ] {
          calls.append((verb + [number], 64))
        }
        // 0 is a number of these.
        if number != "0" {
          for verb in [
            ["bench", "loop", "--board", sim, "--cpu"], ["faults", sim, "--count"],
            ["faults", sim, "--hours"],
            ["faults", sim, "--seed"], ["faults", sim, "--replay"],
            ["log", "export", "--csv", "/nosuch", "--from"], ["log", "export", "--csv", "/nosuch", "--to"],
          ] {
            calls.append((verb + [number], 64))
          }
        }
      }
      for number in ["", "nan", "inf", "-inf", "1e999", "x"] {
        calls.append((["move", "index-proximal", number], 64))
        calls.append((["certify", sim, "--x-max", number], 64))
        calls.append((["certify", sim, "--suggest", "--stiffness", number], 64))
      }
      // A finite angle is the daemon's to refuse.
      calls.append((["move", "index-proximal", "1e300", "--socket", "/nosuch"], 5))
      calls.append((["move", "index-proximal", "-1", "--socket", "/nosuch"], 5))
      calls += [
        (["bench", "loop", "--board", sim, "--rate", "7"], 64),
        (["bench", "loop", "--board", sim, "--rate", "1000000000"], 64),
        // A rate that boards may have, at which this one has no certificate.
        (["bench", "loop", "--board", sim, "--rate", "100"], 3),
        (["bench", "loop", "--board", sim, "--cpu", "99999"], 64),
        (["bench", "tick", "--board", sim, "--ticks", "999"], 64),
        (["faults", sim, "--count", "99999999999999"], 64), (["faults", sim, "--jobs", "100000000"], 64),
        (["check", sim, "--rate-hz", "99999999999999999999"], 64),
      ]
      for arguments in [
        ["pose", ""], ["move", "", "0"], ["check", ""], ["check", sim, "--calibration", ""], ["certify", ""],
        ["certify", sim, ""], ["certify", sim, "--plot", ""], ["faults", ""], ["faults", sim, ""],
        ["faults", sim, "--replay", "1", "--plot", ""], ["bench", "loop", "--board", ""],
        ["bench", "tick", "--board", ""], ["recover", "", "hand"], ["recover", sim, ""], ["safe-state", ""],
        ["log", "info", ""], ["log", "export", "--csv", ""], ["log", "diff", "", ""], ["log", "replay", ""],
        ["log", "replay", "/nosuch", "--gains", ""], ["log", "replay", "/nosuch", "--calibration", ""],
        ["log", "replay", "/nosuch", "--plot", ""],
      ] {
        calls.append((arguments, 64))
      }
      return calls
    }()

    @Test("every command refuses empty and odd arguments with 64 and words, and none crashes")
    func commands() throws {
      for (arguments, code) in Self.commands {
        let outcome = try bench.run(Repository.built("motorhand"), arguments)
        #expect(outcome.status == code, "\(arguments): \(outcome)")
        #expect(
          !outcome.errors.isEmpty && !outcome.errors.contains("Fatal error"), "\(arguments): \(outcome)")
      }
    }

    @Test("the daemon refuses empty and odd arguments with 64 and words, and makes nothing")
    func daemon() throws {
      let directory = bench.path("empty")
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
      var calls: [[String]] = []
      for option in [
        "--board", "--calibration", "--hand", "--socket", "--data", "--broker", "--cpu", "--seed",
        "--keep-gigabytes",
      ] {
        calls.append([option, ""])
      }
      for option in ["--credentials", "--tls-ca", "--tls-cert", "--tls-key"] {
        calls.append(["--broker", "mqtts://127.0.0.1", option, ""])
      }
      calls.append(["--virtual", "--seconds", "1", "--script", ""])
      for number in Self.oddNumbers {
        calls.append(["--virtual", "--seconds", number])
        if number != "0" {
          calls += [["--keep-gigabytes", number], ["--cpu", number], ["--seed", number]]
        }
      }
      calls.append(["--keep-gigabytes", "0.01"])
      for call in calls {
        let outcome = try bench.run(
          "/usr/bin/env",
          [
            "-C", directory, Repository.built("motorhandd"), "--board", Repository.board, "--calibration",
            Repository.calibration, "--socket", directory + "/control.sock", "--data", directory + "/data",
          ] + call)
        #expect(outcome.status == 64, "\(call): \(outcome)")
        #expect(!outcome.errors.isEmpty && !outcome.errors.contains("Fatal error"), "\(call): \(outcome)")
        let made = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(made.isEmpty, "\(call): \(made)")
      }
    }

    @Test("a pipe in place of a file ends both programs at once with 2")
    func pipes() throws {
      let fifo = bench.path("fifo")
      try #require(mkfifo(fifo, 0o600) == 0)
      let daemon = Repository.built("motorhandd")
      let common = ["--socket", bench.path("control.sock"), "--no-record"]
      let files = ["--board", Repository.board, "--calibration", Repository.calibration]
      let motorhand = Repository.built("motorhand")
      for (program, arguments) in [
        (daemon, common + ["--board", fifo, "--calibration", Repository.calibration]),
        (daemon, common + ["--board", Repository.board, "--calibration", fifo]),
        (daemon, common + files + ["--virtual", "--seconds", "1", "--script", fifo]),
        (daemon, common + files + ["--broker", "mqtt://127.0.0.1:1", "--credentials", fifo]),
        (daemon, common + files + ["--broker", "mqtts://127.0.0.1:1", "--tls-ca", fifo]),
        (motorhand, ["check", fifo]), (motorhand, ["check", Repository.board, "--calibration", fifo]),
        (motorhand, ["safe-state", fifo]), (motorhand, ["log", "info", fifo]),
      ] {
        let running = try bench.start(program, arguments)
        #expect(running.waitForExit(seconds: 20) == 2, "\(arguments): \(running.errors)")
        #expect(running.errors.contains("regular file"), "\(arguments): \(running.errors)")
        running.kill()
      }
    }

    @Test("a drawing that cannot be written ends the command with 1 and a sentence")
    func plots() throws {
      let recording = try bench.virtualRun("a", seconds: 0.1, seed: 1)
      let place = bench.path("absent/x.svg")
      for arguments in [
        ["log", "replay", recording, "--plot", place],
        ["faults", Repository.board, "--replay", "1", "--plot", place],
      ] {
        let outcome = try bench.run(Repository.built("motorhand"), arguments)
        #expect(outcome.status == 1, "\(arguments): \(outcome)")
        #expect(outcome.errors.contains("\(place): cannot be written"), "\(arguments): \(outcome)")
        #expect(!outcome.errors.contains("NSCocoaErrorDomain"), "\(arguments): \(outcome)")
      }
    }
  }
}
