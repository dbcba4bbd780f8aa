import Foundation
import Testing

extension EndToEnd {
  @Suite("Starts that fail and stops that are held up")
  struct StopTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// The time after which systemd kills, and what a stop leaves of it: half a second, on this machine alone.
    private static func limitSeconds() throws -> Double {
      let unit = try String(contentsOfFile: Repository.root + "/systemd/motorhandd.service", encoding: .utf8)
      let line = try #require(unit.split(separator: "\n").first { $0.hasPrefix("TimeoutStopSec=") })
      return try #require(Double(line.dropFirst("TimeoutStopSec=".count).dropLast())) - 0.5
    }

    /// Ends the daemon as systemd does; it must be in order, and in time.
    private func expectOrderlyEnd(_ daemon: TestDaemon) throws {
      let start = ContinuousClock.now
      #expect(try daemon.terminate() == 0)
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      print("stopped after \(seconds) s")
      #expect(try seconds < Self.limitSeconds())
      #expect(daemon.program.errors.contains("outputs off"))
    }

    @Test(
      "a stop with a full disk and a broker that hangs fits the unit's time, says what was given up and keeps the black box",
      .enabled(if: TestBench.canMount && TestBroker.isInstalled, needsMount))
    func fullDisk() throws {
      let disk = try #require(try bench.smallDisk(megabytes: 6))
      let broker = try TestBroker(bench)
      let notify = try NotifySocket(bench)
      let daemon = try TestDaemon(
        bench, broker: broker, data: disk + "/data",
        launcher: ["/usr/bin/env", "NOTIFY_SOCKET=\(notify.path)"])
      #expect(try waitUntil { try daemon.status().publisher?.connected == true })
      let ballast = open(disk + "/ballast", O_WRONLY | O_CREAT, 0o600)
      defer { close(ballast) }
      let block = [UInt8](repeating: 0, count: 4096)
      while write(ballast, block, block.count) > 0 {}
      #expect(try waitUntil(seconds: 20) { try daemon.status().recorder?.error != nil })
      broker.freeze()
      try expectOrderlyEnd(daemon)
      let log = daemon.program.errors
      #expect(log.contains(/the last \d+ ticks were given up within 3.0 s/), "\(log)")
      #expect(log.contains("did not take the farewell in time"), "\(log)")
      #expect(notify.awaits("STOPPING=1"))
      #expect(
        !notify.lines.contains { $0.hasPrefix("FDSTOREREMOVE") },
        "the black box is gone, and so are the ticks")
    }

    @Test("a stop whose data directory was deleted fits the unit's time")
    func deletedDirectory() throws {
      let daemon = try TestDaemon(bench)
      try FileManager.default.removeItem(atPath: daemon.data)
      #expect(try waitUntil(seconds: 20) { try daemon.status().recorder?.error != nil })
      try expectOrderlyEnd(daemon)
    }

    @Test("a stop while another program locks the recording fits the unit's time")
    func lockedRecording() throws {
      let daemon = try TestDaemon(bench)
      let boot = try daemon.status().runID
      let shell = try #require(Repository.installed("sqlite3"))
      let segment = try #require(try daemon.segments(boot: boot).first)
      let reader = try bench.start(shell, [segment], takesInput: true)
      try reader.write(line: ".timeout 5000\nBEGIN EXCLUSIVE;\nSELECT 'locked';")
      #expect(waitUntil { reader.output.contains("locked") })
      try expectOrderlyEnd(daemon)
      #expect(daemon.program.errors.contains("were given up"), "\(daemon.program.errors)")
    }

    /// Lets the main thread's n-th new thread fail, as a machine without memory does.
    private func failingThreads() throws -> String {
      let source = bench.path("threads.c")
      try #"""
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <errno.h>
      #include <pthread.h>
      #include <stdlib.h>
      #include <sys/syscall.h>
      #include <unistd.h>
      typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
      int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
        static int count;
        const char *which = getenv("FAILING_THREAD");
        if (syscall(SYS_gettid) == getpid() && which && ++count == atoi(which)) return EAGAIN;
        return ((create *)dlsym(RTLD_NEXT, "pthread_create"))(thread, attributes, run, argument);
      }
      """#.write(toFile: source, atomically: true, encoding: .utf8)
      let compiler = try #require(Repository.installed("cc") ?? Repository.installed("clang"))
      let library = bench.path("threads.so")
      let built = try bench.run(compiler, ["-shared", "-fPIC", "-o", library, source, "-ldl"])
      try #require(built.status == 0, "\(built.errors)")
      return library
    }

    @Test(
      "a start that fails after any step is unwound: threads ended, recording closed or none, farewell said, socket gone",
      .enabled(if: TestBroker.isInstalled, needsBroker),
      // A sanitizer wants to be the first library itself.
      .disabled(if: isSanitized))
    func failingStart() throws {
      let library = try failingThreads()
      let broker = try TestBroker(bench)
      let board = try bench.patientBoard()
      // Recorder, three of the publisher, six buses, loop, commands and stops, the socket; before them a thread that
      // tries what the machine allows, without which a hand runs.
      let steps = 14
      var failures = 0
      for failing in 1...steps + 2 {
        let data = bench.path("data-\(failing)")
        let socket = bench.path("control.sock")
        let daemon = try bench.start(
          "/usr/bin/env",
          [
            "LD_PRELOAD=\(library)", "FAILING_THREAD=\(failing)", Repository.built("motorhandd"), "--board",
            board,
            "--calibration", Repository.calibration, "--hand", TestDaemon.hand, "--socket", socket, "--data",
            data,
            "--broker", broker.url, "--strict-clock",
          ])
        #expect(
          waitUntil(seconds: 30) { daemon.errors.contains("ready:") || !daemon.isRunning }, "step \(failing)")
        if daemon.errors.contains("ready:") {
          daemon.send(SIGTERM)
          #expect(daemon.waitForExit(seconds: 20) == 0)
          continue
        }
        failures += 1
        let status = try #require(daemon.waitForExit(seconds: 30), "step \(failing): it runs on")
        #expect(status == 1 || status == 6, "step \(failing): \(status) \(daemon.errors)")
        #expect(daemon.errors.contains("thread"), "\(daemon.errors)")
        #expect(!FileManager.default.fileExists(atPath: socket), "step \(failing)")
        try expectNoRemains(data, step: failing)
        let farewell = try broker.status(of: TestDaemon.hand)
        #expect(farewell == nil || farewell == "disconnected", "step \(failing): \(farewell ?? "")")
      }
      #expect(failures == steps, "a step of the start was not tried")
    }

    /// Nothing that looks like a recording, unless it has ticks and was closed.
    private func expectNoRemains(_ data: String, step: Int) throws {
      // What was uploaded of the directory's recordings is told beside them.
      for boot in (try? FileManager.default.contentsOfDirectory(atPath: data)) ?? []
      where boot != "upload.json" {
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(data)/\(boot)")
        #expect(
          !names.contains { $0.hasSuffix("-journal") || $0.hasSuffix("-wal") }, "step \(step): \(names)")
        let info = try bench.motorhand("log", "info", "\(data)/\(boot)")
        #expect(info.output.contains("in 1 segments, 1 closed"), "step \(step): \(names)\(info.output)")
        #expect(!info.output.contains("ticks          0"), "step \(step): \(info.output)")
      }
    }

    @Test("a start refused for its CPU leaves no recording")
    func noSuchCPU() throws {
      let data = bench.path("data")
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--board", Repository.board, "--calibration", Repository.calibration, "--socket",
          bench.path("control.sock"), "--data", data, "--cpu", "99999",
        ])
      #expect(outcome.status == 6, "\(outcome)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: data).isEmpty)
    }

    @Test("recordings are for owner and group, whatever the caller's mask")
    func modes() throws {
      let outcome = try bench.run(
        "/bin/sh",
        [
          "-c", #"umask 0; exec "$@""#, "sh", Repository.built("motorhandd"), "--virtual", "--seconds", "0.1",
          "--board", Repository.board, "--calibration", Repository.calibration, "--data", bench.path("data"),
        ])
      try #require(outcome.status == 0, "\(outcome)")
      let listing = try bench.run("/usr/bin/find", [bench.path("data"), "-printf", "%y %m\n"])
      #expect(Set(listing.output.split(separator: "\n")) == ["d 750", "f 640"], "\(listing.output)")
    }
  }
}
