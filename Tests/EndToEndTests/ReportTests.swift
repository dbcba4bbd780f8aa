import Foundation
import Testing

extension EndToEnd {
  @Suite("What only reports")
  struct ReportTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// A program whose descriptors the shell redirects.
    private func start(_ program: String, _ arguments: [String], _ redirection: String) throws
      -> RunningProgram
    {
      try bench.start("/bin/sh", ["-c", #"exec "$@" \#(redirection)"#, "sh", program] + arguments)
    }

    private func run(_ program: String, _ arguments: [String], _ redirection: String) throws -> Outcome {
      let program = try start(program, arguments, redirection)
      let status = try #require(program.waitForExit(seconds: 60), "\(arguments) did not end")
      return Outcome(status: status, output: program.output, errors: program.errors)
    }

    /// Ways in which standard error takes nothing.
    enum Broken: CaseIterable { case closed, full, readerGone, readerAsleep }

    @Test(
      "a daemon whose messages nobody takes stops its hand, records to the end and ends with 0",
      arguments: Broken.allCases)
    func daemonWithoutMessages(broken: Broken) throws {
      let fifo = bench.path("messages")
      try #require(mkfifo(fifo, 0o600) == 0)
      // Both ends, so that opening waits for nobody.
      var pipe = open(fifo, O_RDWR | O_NONBLOCK)
      defer { close(pipe) }
      if broken == .readerAsleep { while write(pipe, "x", 1) == 1 {} }
      let redirection =
        switch broken {
        case .closed: "2>&-"
        case .full: "2>/dev/full"
        case .readerGone, .readerAsleep: "2>" + fifo
        }
      let socket = bench.path("control.sock")
      let daemon = try start(
        Repository.built("motorhandd"),
        [
          "--board", bench.patientBoard(), "--calibration", Repository.calibration, "--socket", socket,
          "--data",
          bench.path("recordings"),
        ], redirection)
      func status() throws -> Status? {
        let outcome = try bench.motorhand("status", "--json", "--socket", socket)
        return outcome.status == 0 ? try outcome.decoded(Status.self) : nil
      }
      #expect(try waitUntil(seconds: 20) { try status()?.state == "idle" || !daemon.isRunning })
      if broken == .readerGone {
        close(pipe)
        pipe = -1
      }
      #expect(try bench.motorhand("arm", "--socket", socket).status == 0)
      #expect(try bench.motorhand("stop", "--socket", socket).status == 0)
      // The message of the fault is what nobody takes.
      #expect(try waitUntil { try status()?.unwrittenMessages ?? 0 > 0 || !daemon.isRunning })
      let after = try status()
      #expect(after?.state == "e-stop" && after?.outputsEnabled == false)
      daemon.send(SIGTERM)
      #expect(daemon.waitForExit(seconds: 20) == 0)
      let info = try bench.motorhand("log", "info", bench.path("recordings"))
      #expect(info.output.contains("in 1 segments, 1 closed"), "\(info.output)\(info.errors)")
    }

    private struct Status: Decodable {
      var state: String
      var outputsEnabled: Bool
      var unwrittenMessages: UInt64?

      private enum CodingKeys: String, CodingKey {
        case state
        case outputsEnabled = "outputs_enabled"
        case unwrittenMessages = "unwritten_messages"
      }
    }

    @Test(
      "a command whose standard error takes nothing ends with its documented code",
      arguments: ["2>/dev/full", "2>&-"])
    func commandWithoutMessages(redirection: String) throws {
      let motorhand = Repository.built("motorhand")
      for (arguments, code) in [
        (["stop", "--socket", "/nosuch"], 5), (["check", "/nosuch"], 2),
        (["pose", "open", "--seconds", "nan"], 64),
      ] {
        #expect(try run(motorhand, arguments, redirection).status == Int32(code), "\(arguments)")
      }
    }

    @Test("a command whose reader of messages is gone ends with its documented code")
    func commandWithoutReader() throws {
      let fifo = bench.path("messages")
      try #require(mkfifo(fifo, 0o600) == 0)
      let pipe = open(fifo, O_RDWR)
      let command = try bench.start(
        "/bin/sh",
        [
          "-c", #"exec 2>"$1"; shift; echo open; read go; exec "$@""#, "sh", fifo,
          Repository.built("motorhand"),
          "stop", "--socket", "/nosuch",
        ], takesInput: true)
      #expect(waitUntil { command.output == "open\n" })
      close(pipe)
      try command.write(line: "go")
      #expect(command.waitForExit(seconds: 20) == 5)
    }

    @Test(
      "an answer that cannot be printed ends the command with 1 and the reason",
      arguments: [(">/dev/full", "No space left"), (">&-", "Bad file descriptor")])
    func unwritableAnswer(redirection: String, reason: String) throws {
      let recording = try bench.virtualRun("a", seconds: 0.1, seed: 1)
      let daemon = try TestDaemon(bench)
      let fifo = bench.path("fifo")
      mkfifo(fifo, 0o600)
      for arguments in [
        ["--help"], ["check", Repository.board], ["check", "--json", Repository.board], ["scan"],
        ["faults", "--table"], ["faults", Repository.board, "--count", "0"], ["log", "info", recording],
        ["log", "info", "--json", recording], ["log", "diff", recording, recording],
        ["log", "replay", recording],
        ["status", "--socket", daemon.socket], ["status", "--json", "--socket", daemon.socket],
        ["watch", "--json", "--seconds", "5", "--socket", daemon.socket],
        ["bench", "tick", "--ticks", "1000", "--board", Repository.board],
      ] {
        let outcome = try run(Repository.built("motorhand"), arguments, redirection)
        #expect(outcome.status == 1, "\(arguments)")
        #expect(
          outcome.errors.contains("standard output cannot be written: \(reason)"), "\(arguments): \(outcome)")
      }
      // What became of the hand is told by the code, whatever becomes of the words.
      let stop = try run(Repository.built("motorhand"), ["stop", "--socket", daemon.socket], redirection)
      #expect(stop.status == 0 && stop.errors.contains(reason), "\(stop)")
      #expect(try daemon.status().state == "e-stop")
    }

    @Test("with --json a command that fails prints an object with error and code")
    func failuresAsJSON() throws {
      struct Object: Decodable {
        var code: Int32
        var error: String
        var result: String
      }
      let broken = bench.path("broken.yaml")
      try "name: [\n".write(toFile: broken, atomically: true, encoding: .utf8)
      let unrecorded = bench.path("unrecorded")
      try FileManager.default.createDirectory(atPath: unrecorded, withIntermediateDirectories: false)
      let absent = bench.path("absent")
      for (arguments, code) in [
        (["check", absent], 2), (["certify", absent], 2), (["faults", absent], 2),
        (["check", broken], 2), (["check", Repository.calibration], 2),
        (["check", Repository.board, "--calibration", absent], 2),
        (["log", "info", absent], 2), (["log", "info", unrecorded], 2), (["log", "info", broken], 2),
        (["log", "replay", absent], 2), (["watch", "--socket", absent], 5), (["mov", "index", "1"], 64),
        (["bench", "tick", "--board", absent], 2),
        (["bench", "loop", "--board", Repository.board, "--rate", "100"], 3),
        (["status", "--socket", absent], 5),
        (["stop", "--socket", absent], 5), (["demo", "--socket", absent], 5),
        (["pose", "open", "--seconds", "nan"], 64), (["check", Repository.board, "--rate-hz", "7"], 64),
      ] {
        let outcome = try bench.run(Repository.built("motorhand"), arguments + ["--json"])
        #expect(outcome.status == Int32(code), "\(arguments): \(outcome)")
        let object = try? outcome.decoded(Object.self)
        #expect(object?.code == Int32(code) && object?.result == "failed", "\(arguments): \(outcome)")
        #expect(object?.error.isEmpty == false && !outcome.errors.isEmpty, "\(arguments): \(outcome)")
      }
    }

    @Test("control characters of a file reach no terminal")
    func controlCharacters() throws {
      let text = try String(contentsOfFile: Repository.board, encoding: .utf8)
      let board = bench.path("escape.yaml")
      for broken in [
        text.replacingOccurrences(of: "name: sim\n", with: "name: \"\\e[2J\"\n"),
        text + "\"\\e[2J\\x9b2J\": 1\n",
      ] {
        try #require(broken != text)
        try broken.write(toFile: board, atomically: true, encoding: .utf8)
        let check = try bench.motorhand("check", board, "--calibration", Repository.calibration)
        let daemon = try bench.run(
          Repository.built("motorhandd"),
          [
            "--board", board, "--calibration", Repository.calibration, "--no-record", "--socket",
            bench.path("s"),
          ])
        for outcome in [check, daemon] {
          #expect(outcome.status == 2 && outcome.errors.contains(#"\u001b[2J"#), "\(outcome)")
          #expect(
            !(outcome.output + outcome.errors).unicodeScalars.contains {
              "\u{1B}\u{9B}".unicodeScalars.contains($0)
            })
        }
      }
    }
  }
}
