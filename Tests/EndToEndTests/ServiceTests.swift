import Foundation
import Testing

extension EndToEnd {
  @Suite("The daemon under a service manager")
  struct ServiceTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private func daemon(_ notify: NotifySocket, watchdogSeconds: Double? = nil) throws -> TestDaemon {
      let watchdog = watchdogSeconds.map { ["WATCHDOG_USEC=\(Int($0 * 1e6))"] } ?? []
      return try TestDaemon(bench, launcher: ["/usr/bin/env", "NOTIFY_SOCKET=\(notify.path)"] + watchdog)
    }

    @Test("it is ready after its self-test, tells its state, and says that it stops")
    func life() throws {
      let notify = try NotifySocket(bench)
      let daemon = try daemon(notify)
      #expect(notify.awaits("READY=1"))
      let status = try #require(notify.lines.first { $0.hasPrefix("STATUS=") })
      #expect(status.wholeMatch(of: /STATUS=idle 500 Hz p99 \d+ us overruns \d+/) != nil, "\(status)")
      #expect(notify.lines.starts(with: ["FDSTORE=1", "FDNAME=motorhand-blackbox", "FDPOLL=0", "READY=1"]))
      try daemon.execute("arm")
      #expect(notify.awaits("STATUS=armed 500 Hz"))
      try daemon.execute("stop")
      #expect(notify.awaits("STATUS=e-stop: e-stop by local command 500 Hz"))
      #expect(try daemon.terminate() == 0)
      #expect(notify.awaits("STOPPING=1"))
      // An orderly end leaves nothing to be saved.
      #expect(notify.awaits("FDSTOREREMOVE=1"))
      #expect(notify.count("READY=1") == 1)
    }

    @Test("the watchdog is fed while it runs and not while it is stopped")
    func watchdog() throws {
      let notify = try NotifySocket(bench)
      let daemon = try daemon(notify, watchdogSeconds: 1)
      #expect(
        waitUntil(seconds: 20) {
          notify.drain()
          return notify.count("WATCHDOG=1") >= 4
        })
      daemon.program.send(SIGSTOP)
      // /proc says when it really stands still.
      #expect(waitUntil { daemon.program.isStopped })
      notify.drain()
      let before = notify.count("WATCHDOG=1")
      let fed = waitUntil(seconds: 1.5) {
        notify.drain()
        return notify.count("WATCHDOG=1") > before
      }
      #expect(!fed)
      daemon.program.send(SIGCONT)
      #expect(
        waitUntil(seconds: 20) {
          notify.drain()
          return notify.count("WATCHDOG=1") > before
        })
    }

    @Test("a start that fails is never ready, and its status names the cause")
    func failedStart() throws {
      let notify = try NotifySocket(bench)
      let board = try bench.patientBoard([("platform: simulated", "platform: imagined")])
      let program = try bench.start(
        "/usr/bin/env",
        [
          "NOTIFY_SOCKET=\(notify.path)", Repository.built("motorhandd"), "--board", board, "--calibration",
          Repository.calibration, "--socket", bench.path("control.sock"), "--data", bench.path("recordings"),
        ])
      #expect(program.waitForExit(seconds: 30) == 2, "\(program.errors)")
      #expect(notify.awaits("STATUS=failed: \(board)"))
      #expect(!notify.lines.contains("READY=1"))
    }

    @Test(
      "after SIGKILL the last ticks are in the stored memory, and the next start saves them as a recording")
    func blackBox() throws {
      let notify = try NotifySocket(bench)
      let daemon = try daemon(notify)
      #expect(notify.awaits("READY=1"))
      let boot = try daemon.status().runID
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "30")
      #expect(try daemon.reaches("tracking"))
      // More than the ring holds would take ten seconds; a part of it is enough here.
      #expect(try waitUntil { try daemon.status().ticks > 1000 })
      let seen = try daemon.status().ticks
      daemon.program.kill()
      let memory = try #require(notify.stored.first)

      // The layout is that of docs/service.md, read without the program's own code.
      func word(_ offset: Int) throws -> UInt64 {
        var value: UInt64 = 0
        guard pread(memory, &value, 8, off_t(offset)) == 8 else { throw POSIXError(.EIO) }
        return value
      }
      let magic = try word(0)
      #expect(withUnsafeBytes(of: magic) { String(decoding: $0, as: UTF8.self) } == "MHBLKBOX")
      let (recordBytes, capacity) = (try word(16), try word(24))
      let (start, head) = (try word(40), try word(48))
      #expect(capacity == 5000)
      #expect(head >= seen)
      #expect(head < capacity)
      for n in head - 100..<head {
        #expect(try word(Int(start + n % capacity * recordBytes)) == n)
      }

      // As the service manager does: descriptor 3, named in the environment of that very process.
      let script =
        #"exec 3<"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=motorhand-blackbox exec "$@""#
      let again = try NotifySocket(bench, "again.sock")
      let next = try TestDaemon(
        bench,
        launcher: [
          "/usr/bin/env", "NOTIFY_SOCKET=\(again.path)", "/bin/sh", "-c", script, "sh",
          "/proc/\(getpid())/fd/\(memory)",
        ])
      let file = "\(next.data)/blackbox-\(boot)-\(head - 1).sqlite"
      #expect(next.program.errors.contains(file), "\(next.program.errors)")
      #expect(again.awaits("READY=1"))
      // The old one leaves the store before the new one comes: there is room for one.
      let order = again.lines.filter { $0.hasPrefix("FDSTORE") }
      #expect(order == ["FDSTOREREMOVE=1", "FDSTORE=1"])

      struct Information: Decodable {
        var ticks: UInt64
        var lastSequence: UInt64
        var missingTicks: UInt64
        var run: String
      }
      let info = try bench.motorhand("log", "info", "--json", file)
      #expect(info.status == 0, "\(info.errors)")
      let told = try info.decoded(Information.self)
      #expect(told.ticks == head)
      #expect(told.lastSequence == head - 1)
      #expect(told.missingTicks == 0)
      #expect(told.run == boot)
      let replayed = try bench.motorhand("log", "replay", file)
      #expect(replayed.status == 0, "\(replayed.output) \(replayed.errors)")
      let states = try bench.query(file, "SELECT DISTINCT state FROM tick_named ORDER BY sequence")
      #expect(states.last == ["tracking"])
      let export = try bench.motorhand("log", "export", "--csv", "--from", "\(head - 10)", file)
      #expect(export.output.split(separator: "\n").count > 10)
      #expect(try next.terminate() == 0)
    }

    @Test("an orderly stop is the recording's last tick: outputs off, and an event")
    func lastTick() throws {
      let daemon = try TestDaemon(bench)
      let boot = try daemon.status().runID
      try daemon.execute("arm")
      #expect(try daemon.reaches("armed"))
      #expect(try daemon.terminate() == 0)
      let segment = try #require(try daemon.segments(boot: boot).last)
      let last = try bench.query(
        segment, "SELECT state, outputs_enabled FROM tick_named ORDER BY sequence DESC LIMIT 2")
      #expect(last == [["idle", "0"], ["armed", "1"]])
      let events = try bench.query(
        daemon.events(boot: boot), "SELECT kind, value_to FROM event ORDER BY number DESC LIMIT 2")
      #expect(events.map { $0[0] } == ["summary", "stopped"])
      #expect(events.last == ["stopped", "idle"])
    }

    @Test("a journal that is not there costs no message: they are on standard error")
    func withoutJournal() throws {
      let script = #"JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$@""#
      let daemon = try TestDaemon(bench, launcher: ["/bin/sh", "-c", script, "sh"])
      #expect(try daemon.terminate() == 0)
      let log = daemon.program.errors
      #expect(log.contains("motorhandd: stopping: SIGTERM"), "\(log)")
    }
  }
}
