import Foundation
import Testing

extension EndToEnd {
  @Suite("Trouble outside the hand")
  struct TroubleTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// Stops the daemon's process for 300 ms.
    private func freeze(_ daemon: TestDaemon) {
      daemon.program.send(SIGSTOP)
      #expect(waitUntil { daemon.program.isStopped })
      let before = ContinuousClock.now
      _ = waitUntil(seconds: 2) { ContinuousClock.now > before + .milliseconds(300) }
      daemon.program.send(SIGCONT)
    }

    @Test(
      "a machine that stands still does not stop the simulated hand; what a real one would have done is told")
    func frozenMachine() throws {
      let daemon = try TestDaemon(bench, board: Repository.board)
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "2")
      for _ in 0..<3 {
        let ticks = try daemon.status().ticks
        freeze(daemon)
        #expect(try waitUntil { try daemon.status().ticks > ticks + 100 })
      }
      #expect(try daemon.reaches("armed"))
      let status = try daemon.status()
      #expect(status.fault == nil && status.outputsEnabled)
      let timekeeping = try #require(status.timekeeping)
      #expect(timekeeping.missedDeadlines >= 3 * 290 && timekeeping.lateTicks >= 3)
      #expect(timekeeping.longestLatenessNanoseconds >= 290_000_000 && timekeeping.stoodStillSeconds >= 0.87)
      #expect(timekeeping.realStops >= 3)
      #expect(timekeeping.realCause != nil && timekeeping.sentence.contains("a real hand would have stopped"))
      #expect(try daemon.terminate() == 0)
      #expect(daemon.program.errors.contains("a real hand would have stopped"))
      // The machine's lateness is recorded; the hand's time has no gap.
      let segment = try #require(try daemon.segments(boot: status.runID).first)
      let gaps = try bench.query(segment, "SELECT count(*) FROM tick WHERE dt_nanoseconds <> 1000000")
      #expect(gaps == [["0"]])
      let late = try bench.query(
        segment, "SELECT max(wake_up_nanoseconds) >= 290000000, max(overruns) >= 870 FROM tick")
      #expect(late == [["1", "1"]])
    }

    @Test("with a strict clock the same stall is a fault of the simulated hand, as of a real one")
    func frozenStrictMachine() throws {
      let daemon = try TestDaemon(bench, board: Repository.board, strictClock: true)
      try daemon.execute("arm")
      freeze(daemon)
      #expect(try daemon.reaches("fault"))
      let status = try daemon.status()
      // The clock is to blame, no joint.
      #expect(
        ["late-ticks", "deadline-misses"].contains(status.fault) && status.faultJoint == nil, "\(status)")
      #expect(status.timekeeping == nil)
    }

    @Test(
      "a hand tracks on while its broker is gone, and is back on it by itself",
      .enabled(if: TestBroker.isInstalled, needsBroker))
    func brokerRestart() throws {
      let broker = try TestBroker(bench)
      let daemon = try TestDaemon(bench, broker: broker)
      #expect(try waitUntil { try broker.status(of: TestDaemon.hand) == "ready" })
      #expect(waitUntil { daemon.program.errors.contains("stops over MQTT arrive") })
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "40")
      #expect(try daemon.reaches("tracking"))
      broker.kill()
      #expect(try waitUntil { try daemon.status().publisher?.connected == false })
      #expect(waitUntil { daemon.program.errors.contains("stops over MQTT do not arrive") })
      let alone = try daemon.status()
      #expect(alone.state == "tracking" && alone.fault == nil)
      #expect(try waitUntil { try daemon.status().ticks > alone.ticks + 100 })
      try broker.start()
      #expect(try waitUntil(seconds: 20) { try daemon.status().publisher?.connected == true })
      // This broker keeps nothing on disk: what is retained now was published anew.
      #expect(try waitUntil { try broker.status(of: TestDaemon.hand) == "moving" })
      #expect(try broker.retained("motorhand/hand/\(TestDaemon.hand)/birth") != nil)
      #expect(
        waitUntil(seconds: 20) {
          daemon.program.errors.components(separatedBy: "stops over MQTT arrive").count == 3
        })
      let after = try daemon.status()
      #expect(after.state == "tracking" && after.fault == nil && after.runID == alone.runID)
      #expect(after.recorder?.dropped == 0)
      #expect(try daemon.terminate() == 0)
    }

    @Test(
      "a daemon whose broker is dead runs, records and ends in order",
      .enabled(if: TestBroker.isInstalled, needsBroker))
    func deadBroker() throws {
      let daemon = try TestDaemon(bench, broker: try TestBroker(bench, starts: false))
      let boot = try daemon.status().runID
      try daemon.execute("arm")
      #expect(try waitUntil { try (daemon.status().recorder?.recorded ?? 0) > 200 })
      let status = try daemon.status()
      #expect(status.state == "armed" && status.publisher?.connected == false)
      #expect(try daemon.terminate() == 0)
      let counts = try bench.query(
        try #require(try daemon.segments(boot: boot).first), "SELECT count(*) FROM tick")
      #expect(counts == [["\(try #require(daemon.ticksMade))"]])
    }

    @Test(
      "a full disk stops neither hand nor daemon; drops are counted and recording goes on when space returns",
      .enabled(if: TestBench.canMount, needsMount))
    func fullDisk() throws {
      let disk = try #require(try bench.smallDisk(megabytes: 16))
      let daemon = try TestDaemon(bench, data: disk + "/data")
      let boot = try daemon.status().runID
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "60")
      #expect(try waitUntil { try (daemon.status().recorder?.recorded ?? 0) > 500 })
      let ballast = disk + "/ballast"
      try fill(ballast)
      // The backlog holds 4096 ticks: 8 s at 500 Hz.
      #expect(try waitUntil(seconds: 10) { try daemon.status().recorder?.error != nil })
      let before = try #require(try daemon.status().recorder?.recorded)
      #expect(try waitUntil(seconds: 30) { try (daemon.status().recorder?.dropped ?? 0) > 0 })
      let full = try daemon.status()
      #expect(full.state == "tracking" && full.fault == nil && full.outputsEnabled)
      #expect(waitUntil { daemon.program.errors.contains("ticks dropped") })
      #expect(daemon.program.errors.contains("recorder: "))

      try FileManager.default.removeItem(atPath: ballast)
      #expect(
        try waitUntil(seconds: 20) { try (daemon.status().recorder?.recorded ?? 0) > before },
        "\(daemon.program.errors)")
      #expect(waitUntil { daemon.program.errors.contains("storage works again") }, "\(daemon.program.errors)")
      #expect(try daemon.status().state == "tracking")
      #expect(try daemon.terminate() == 0)

      let produced = try #require(daemon.ticksMade)
      struct Info: Decodable {
        var ticks: UInt64
        var firstSequence: UInt64
        var lastSequence: UInt64
        var missingTicks: UInt64
        var gapCount: Int
      }
      let info = try bench.motorhand("log", "info", "--json", "\(daemon.data)/\(boot)").decoded(Info.self)
      #expect(info.firstSequence == 0 && info.lastSequence == produced - 1)
      #expect(info.ticks + info.missingTicks == produced)
      #expect(info.gapCount == 1, "what was recorded before the disk was full is lost")
      #expect(info.missingTicks > 0)
      #expect(
        daemon.program.errors.contains("recorded \(info.ticks) ticks, dropped \(info.missingTicks)"),
        "\(daemon.program.errors)")
      let kinds = try bench.query(
        daemon.events(boot: boot), "SELECT kind FROM event WHERE kind LIKE 'storage-%' ORDER BY number")
      #expect(kinds == [["storage-error"], ["storage-drop"], ["storage-recovered"]])
    }

    /// Takes all the space that is left.
    private func fill(_ path: String) throws {
      let file = open(path, O_WRONLY | O_CREAT, 0o600)
      try #require(file >= 0)
      defer { close(file) }
      let block = [UInt8](repeating: 0, count: 4096)
      while write(file, block, block.count) > 0 {}
      #expect(errno == ENOSPC)
    }

    @Test("a place that cannot hold recordings ends the daemon with 1, its path and the reason")
    func impossiblePlace() throws {
      let file = bench.path("file")
      try "".write(toFile: file, atomically: true, encoding: .utf8)
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--board", Repository.board, "--calibration", Repository.calibration, "--socket",
          bench.path("control.sock"), "--data", file + "/below",
        ])
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains(file), "\(outcome.errors)")
      #expect(outcome.errors.lowercased().contains("not a directory"), "\(outcome.errors)")
      #expect(!FileManager.default.fileExists(atPath: bench.path("control.sock")))
    }
  }
}
