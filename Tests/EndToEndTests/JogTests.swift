import Foundation
import Testing

extension EndToEnd {
  @Suite("One joint jogged without the daemon")
  struct JogTests {
    private struct Report: Decodable {
      var joint: String
      var result: String
      var startDegrees: Double?
      var endDegrees: Double?
    }

    private let bench: TestBench

    init() throws { bench = try TestBench() }

    @Test("a simulated joint arrives, and the result says from where to where")
    func arrives() throws {
      let outcome = try bench.motorhand(
        "jog", Repository.board, "index-proximal", "--degrees", "10", "--speed", "40", "--json")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try outcome.decoded(Report.self)
      #expect(report.joint == "index-proximal" && report.result == "arrived")
      let travel = try #require(report.endDegrees) - #require(report.startDegrees)
      #expect((5...15).contains(travel), "\(travel)°")
    }

    /// A jog that takes a minute, once it can be stopped.
    private func startLong() throws -> RunningProgram {
      let program = try bench.start(
        Repository.built("motorhand"),
        ["jog", Repository.board, "index-proximal", "--degrees", "60", "--speed", "1", "--json"])
      try #require(waitUntil { watch(of: program) != nil }, "\(program.errors)")
      return program
    }

    /// The process that watches over a jog: its only child.
    private func watch(of program: RunningProgram) -> Int32? {
      let children = "/proc/\(program.pid)/task/\(program.pid)/children"
      return (try? String(contentsOfFile: children, encoding: .utf8))?.split(separator: " ").first
        .flatMap { Int32($0) }
    }

    @Test(
      "each key and signal that ends or pauses a program stops it with 1",
      arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP])
    func signals(signal: Int32) throws {
      let program = try startLong()
      program.send(signal)
      #expect(program.waitForExit(seconds: 20) == 1, "\(program.errors)")
      let report = try JSONDecoder().decode(Report.self, from: Data(program.output.utf8))
      #expect(report.result == "cancelled")
    }

    @Test("one that is stopped is killed, and after SIGKILL another process makes the board safe")
    func watched() throws {
      let stopped = try startLong()
      stopped.send(SIGSTOP)
      #expect(stopped.waitForExit(seconds: 20) == 128 + SIGKILL, "\(stopped.errors)")
      #expect(waitUntil { stopped.errors.contains("stood still for 2 s and was killed") })
      #expect(waitUntil { stopped.errors.contains("its outputs ended with the process") })

      let killed = try startLong()
      killed.send(SIGKILL)
      #expect(waitUntil { killed.errors.contains("the program that drove the board has died") })
    }

    @Test("the watch takes no terminal for a heart, and kills no shell")
    func strangers() throws {
      let motorhand = Repository.built("motorhand")
      let refused = try bench.motorhand("safe-state", "--when-silent", Repository.board)
      #expect(refused.status == 64, "\(refused)")
      // The pipe is silent for longer than a program may be, and the shell goes on.
      let shell = "sleep 3 | { \(motorhand) safe-state --when-silent \(Repository.board); echo lives; }"
      let outcome = try bench.run("/bin/sh", ["-c", shell])
      #expect(outcome.status == 0 && outcome.output.hasSuffix("lives\n"), "\(outcome)")
      #expect(outcome.errors.contains("nobody was heard for 2 s"), "\(outcome)")
    }

    @Test("without the process that watches over it the joint does not move on")
    func unwatched() throws {
      let program = try startLong()
      kill(try #require(watch(of: program)), SIGKILL)
      #expect(program.waitForExit(seconds: 20) == 1, "\(program.errors)")
      #expect(program.output.contains("the process that watches over it ended"), "\(program.output)")
    }

    @Test("wrong arguments end with 64, a broken board with 2")
    func arguments() throws {
      for arguments in [
        ["index-proximal"], ["no-such-joint", "--degrees", "10"], ["index-proximal", "--degrees", "0"],
        ["index-proximal", "--degrees", "10", "--speed", "0"],
        ["index-proximal", "--degrees", "10", "--torque-share", "1.5"],
      ] {
        let outcome = try bench.run(Repository.built("motorhand"), ["jog", Repository.board] + arguments)
        #expect(outcome.status == 64, "\(arguments): \(outcome.errors)")
      }
      #expect(try bench.motorhand("jog", bench.path("none.yaml"), "x", "--degrees", "1").status == 2)
    }

    @Test("a real board whose lock a daemon holds is refused with 4, before its hardware is looked at")
    func locked() throws {
      let socket = bench.path("control.sock")
      let descriptor = open(socket + ".lock", O_RDWR | O_CREAT, 0o660)
      try #require(descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0)
      defer { close(descriptor) }
      let board = Repository.root + "/Boards/raspberry-pi-5.yaml"
      let outcome = try bench.motorhand(
        "jog", board, "index", "--degrees", "1", "--socket", socket, "--json")
      #expect(outcome.status == 4)
      #expect(outcome.errors.contains("needs the hand for itself"), "\(outcome.errors)")

      // Where a stopped service has taken the folder away nobody holds the lock: the hardware is looked at.
      let free = try bench.motorhand(
        "jog", board, "index", "--degrees", "1", "--socket", bench.path("absent/control.sock"), "--json")
      #expect(free.status == 4)
      #expect(!free.errors.contains("needs the hand for itself"), "\(free.errors)")
    }
  }
}
