import Foundation
import Testing

extension EndToEnd {
  /// From the tick to a consumer's store, past brokers and consumers that fail.
  @Suite(
    "Nothing lost on the way upstream", .enabled(if: TestBroker.isInstalled, needsBroker))
  struct UploadTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// What `motorhand log reconcile --json` prints, as far as these tests ask.
    private struct Reconciled: Decodable {
      struct Run: Decodable {
        var run: String
        var ticks: UInt64
        var stored: UInt64
        var blocks: Int
        var equalBlocks: Int
      }
      var runs: [Run]
      var ticks: UInt64
      var lost: UInt64
      var waiting: UInt64
      var duplicates: UInt64
      var events: UInt64
      var missing_events: UInt64
      var damage: [String]
    }

    private var data: String { bench.path("data") }
    private var received: String { bench.path("received") }

    /// Records so many virtual seconds without a broker: the outage, as fast as the machine allows.
    private func outage(seconds: Double, seed: UInt64 = 1) throws {
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--virtual", "--seconds", "\(seconds)", "--seed", "\(seed)", "--board", Repository.board,
          "--calibration", Repository.calibration, "--data", data, "--script", Repository.script, "--hand",
          TestDaemon.hand,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
    }

    private func daemon(
      _ brokers: [String], rate: Int = 0, mode: String = "full", more: [String] = []
    ) throws -> TestDaemon {
      try TestDaemon(
        bench, data: data,
        options: brokers.flatMap { ["--broker", $0] } + ["--upload", mode, "--upload-rate", "\(rate)"] + more)
    }

    private func receiver(_ broker: String, name: String = "receive", more: [String] = []) throws
      -> RunningProgram
    {
      try bench.start(
        Repository.built("motorhand"),
        ["log", "receive", "--broker", broker, "--data", received, "--name", name] + more)
    }

    private func reconcile() throws -> (status: Int32, result: Reconciled) {
      let outcome = try bench.motorhand("log", "reconcile", data, received, "--json")
      return (outcome.status, try outcome.decoded(Reconciled.self))
    }

    /// Waits until the hand has nothing left to send that it knows of, and a consumer has said so.
    private func drains(_ daemon: TestDaemon, seconds: Double = 60) throws -> Bool {
      try waitUntil(seconds: seconds) {
        guard let upload = try daemon.status().publisher?.upload else { return false }
        // What was recorded since the last look is always on its way.
        return upload.consumer != nil && upload.connected && upload.backlogTicks < 2000
          && upload.backlogEvents == 0
      }
    }

    /// Ends the daemon; a later start sends what its last moments left. Then both must have the same.
    private func expectNothingLost(
      _ daemon: TestDaemon, _ broker: String, _ receiver: RunningProgram,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      #expect(try daemon.terminate() == 0, "\(daemon.program.errors)")
      let last = try self.daemon([broker])
      let runs = try FileManager.default.contentsOfDirectory(atPath: data).count
      let complete = try waitUntil(seconds: 60) {
        let result = try reconcile().result
        // All but the start that is still recording.
        return result.runs.count >= runs - 2
          && result.runs.dropLast().allSatisfy { $0.stored == $0.ticks }
      }
      #expect(try last.terminate() == 0, "\(last.program.errors)")
      receiver.send(SIGTERM)
      #expect(receiver.waitForExit(seconds: 20) == 0, "\(receiver.errors)")
      let (_, result) = try reconcile()
      print(try bench.motorhand("log", "reconcile", data, received).output)
      #expect(complete && result.lost == 0, sourceLocation: sourceLocation)
      #expect(result.damage.isEmpty, "\(result.damage)", sourceLocation: sourceLocation)
      for run in result.runs.dropLast() {
        #expect(run.stored == run.ticks && run.ticks > 0, sourceLocation: sourceLocation)
        #expect(run.equalBlocks == run.blocks, "every block is the device's", sourceLocation: sourceLocation)
      }
    }

    @Test(
      "what was recorded without a broker arrives once, live data is fresh at once, and memory stays flat")
    func outage() throws {
      try outage(seconds: 60)
      let broker = try TestBroker(bench, starts: false)
      let daemon = try daemon([broker.url], rate: 500)
      try broker.start()
      let receiver = try receiver(broker.url)
      let states = try broker.subscribe("motorhand/hand/+/state")
      #expect(try waitUntil(seconds: 70) { try daemon.status().publisher?.connected == true })
      let connected = ContinuousClock.now
      #expect(waitUntil(seconds: 70) { states.output.contains("/state ") })
      #expect(ContinuousClock.now - connected < .seconds(1))
      // Once connections and files have been used, what is still to come takes no more memory.
      #expect(
        try waitUntil(seconds: 30) {
          try daemon.status().publisher?.upload?.blocksAcknowledged ?? 0 > 20
        })
      let before = try #require(daemon.program.memoryKibibytes("VmRSS"))
      // Live data goes on beside the backlog: never more than a second without it. What had come at a look may
      // have come at any time since the one before, so that only looks which find nothing tell for how long.
      var count = 0
      var longest = Duration.zero
      var last = ContinuousClock.now
      while try !drains(daemon, seconds: 0.2) {
        let now = states.output.split(separator: "\n").count
        if now > count {
          (count, last) = (now, ContinuousClock.now)
        } else {
          longest = max(longest, ContinuousClock.now - last)
        }
        try #require(longest < .seconds(60))
      }
      print("longest without live data: \(longest)")
      #expect(longest < .seconds(1))
      let after = try #require(daemon.program.memoryKibibytes("VmRSS"))
      print("memory before \(before) KiB, after \(after) KiB")
      #expect(after - before < 8192)
      try expectNothingLost(daemon, broker.url, receiver)
    }

    @Test("a consumer that hears blocks alone gets them all, though nobody takes the events")
    func blocksAlone() throws {
      try outage(seconds: 10)
      let broker = try TestBroker(bench)
      let blocks = try broker.subscribe("motorhand/hand/+/block", format: "%l bytes")
      let daemon = try daemon([broker.url])
      // More than may be on their way before the first is answered, and before a pause is over.
      #expect(waitUntil(seconds: 30) { blocks.output.split(separator: "\n").count >= 20 }, "\(blocks.output)")
      let upload = try #require(try daemon.status().publisher?.upload)
      #expect(upload.blocksAcknowledged >= 16 && upload.backlogEvents > 0, "\(upload)")
    }

    @Test("a consumer killed midway has everything once when it runs again")
    func consumerKilled() throws {
      try outage(seconds: 60)
      let broker = try TestBroker(bench)
      let daemon = try daemon([broker.url], rate: 3000)
      var receiver = try receiver(broker.url)
      for _ in 0..<3 {
        let blocks = try daemon.status().publisher?.upload?.blocksAcknowledged ?? 0
        // The backlog may be sent before this looks; then there is a block a second.
        #expect(
          try waitUntil(seconds: 60) {
            try daemon.status().publisher?.upload?.blocksAcknowledged ?? 0 > blocks + 20
          })
        receiver.kill()
        receiver = try self.receiver(broker.url)
      }
      #expect(try drains(daemon, seconds: 90))
      try expectNothingLost(daemon, broker.url, receiver)
    }

    @Test("a broker killed in the middle of a message, that comes back without its state, loses nothing")
    func brokerKilled() throws {
      try outage(seconds: 60)
      let broker = try TestBroker(bench)
      let daemon = try daemon([broker.url], rate: 3000)
      let receiver = try receiver(broker.url)
      for _ in 0..<3 {
        let blocks = try daemon.status().publisher?.upload?.blocksAcknowledged ?? 0
        #expect(
          try waitUntil(seconds: 30) {
            try daemon.status().publisher?.upload?.blocksAcknowledged ?? 0 > blocks + 20
          })
        broker.kill()
        try broker.start()
      }
      #expect(try drains(daemon, seconds: 90))
      try expectNothingLost(daemon, broker.url, receiver)
    }

    @Test("a broker that refuses the credentials gets everything once it accepts them")
    func credentials() throws {
      try outage(seconds: 20)
      let passwords = bench.path("passwords")
      let made = try bench.run(
        try #require(Repository.installed("mosquitto_passwd")), ["-c", "-b", passwords, "hand", "right"])
      try #require(made.status == 0, "\(made.errors)")
      let broker = try TestBroker(bench, passwords: passwords)
      let credentials = bench.path("credentials")
      func write(_ password: String) throws {
        try "user: hand\npassword: \(password)\n".write(
          toFile: credentials, atomically: true, encoding: .utf8)
        chmod(credentials, 0o600)
      }
      try write("wrong")
      let daemon = try daemon([broker.url], more: ["--credentials", credentials])
      let receiver = try receiver(broker.url, more: ["--credentials", credentials])
      #expect(try waitUntil { try daemon.status().publisher?.upload?.error?.contains("refused") ?? false })
      #expect(try daemon.status().publisher?.upload?.blocksSent == 0)
      try write("right")
      #expect(try drains(daemon, seconds: 120))
      #expect(try daemon.terminate() == 0)
      receiver.send(SIGTERM)
      #expect(receiver.waitForExit(seconds: 20) == 0)
      let (_, result) = try reconcile()
      #expect(result.lost == 0 && result.damage.isEmpty && result.runs[0].stored == 20_000)
    }

    @Test("a thin uplink bears live data and the backlog side by side")
    func slow() throws {
      try outage(seconds: 10)
      let broker = try TestBroker(bench)
      let proxy = try ThrottledProxy(to: broker.port, bytesPerSecond: 400_000)
      defer { proxy.close() }
      let daemon = try daemon(["mqtt://127.0.0.1:\(proxy.port)"], rate: 150)
      let receiver = try receiver(broker.url)
      #expect(try drains(daemon, seconds: 120))
      #expect(try daemon.status().publisher?.connected == true)
      try expectNothingLost(daemon, broker.url, receiver)
    }

    @Test("of several brokers the next one is taken when one fails, for stops too")
    func failOver() throws {
      let first = try TestBroker(bench, name: "first")
      let second = try TestBroker(bench, name: "second")
      let daemon = try daemon([first.url, second.url], mode: "live")
      #expect(try waitUntil { try daemon.status().publisher?.stopWay.state == "up" })
      #expect(try daemon.status().publisher?.broker == first.url)
      first.kill()
      #expect(
        try waitUntil(seconds: 30) {
          let publisher = try daemon.status().publisher
          return publisher?.broker == second.url && publisher?.stopWay.state == "up"
        })
      try second.publish("motorhand/hand/\(TestDaemon.hand)/cmd/stop", "")
      #expect(try daemon.reaches("e-stop"))
    }

    @Test("reconcile names what is only on the device, what is damaged and what the consumer never had")
    func causes() throws {
      try outage(seconds: 5)
      let broker = try TestBroker(bench)
      let receiver = try receiver(broker.url)
      #expect(waitUntil { FileManager.default.fileExists(atPath: received + "/received.sqlite") })
      let (status, nothing) = try reconcile()
      #expect(status == 1 && nothing.waiting == 5000 && nothing.lost == 0)
      let daemon = try daemon([broker.url])
      #expect(try drains(daemon))
      #expect(try daemon.terminate() == 0)
      receiver.send(SIGTERM)
      #expect(receiver.waitForExit(seconds: 20) == 0)
      let shell = try #require(Repository.installed("sqlite3"))
      let all = try reconcile().result
      #expect(all.runs[0].stored == 5000 && all.lost == 0)
      let store = received + "/received.sqlite"
      _ = try bench.run(
        shell,
        [
          store,
          "delete from block where first_sequence = 0 and run = (select id from run where run_id = "
            + "'\(all.runs[0].run)')",
        ])
      let (missing, less) = try reconcile()
      #expect(missing == 1 && less.runs[0].stored < 5000 && less.waiting >= 5000 - less.runs[0].stored)
      _ = try bench.run(
        shell,
        [
          store,
          "update block set bytes = zeroblob(length(bytes)) where rowid = (select max(rowid) from block)",
        ])
      let (damaged, found) = try reconcile()
      #expect(damaged == 2 && found.damage.count == 1, "\(found.damage)")
      #expect(try bench.motorhand("log", "reconcile", data, bench.path("nothing")).status == 2)
      #expect(try bench.motorhand("log", "reconcile", bench.path("nothing"), received).status == 2)
    }

    @Test("a message that is no block, or not as it was sent, is named, counted and not stored")
    func damagedMessages() throws {
      let broker = try TestBroker(bench)
      let receiver = try receiver(broker.url)
      #expect(waitUntil { FileManager.default.fileExists(atPath: received + "/received.sqlite") })
      #expect(
        try waitUntil {
          try broker.publish("motorhand/hand/x/block", "MHTB but nothing more")
          return receiver.errors.contains("motorhand/hand/x/block, 21 bytes")
        })
      try broker.publish("motorhand/hand/x/event", "{}")
      #expect(waitUntil { receiver.errors.contains("motorhand/hand/x/event, 2 bytes") })
      receiver.send(SIGINT)
      #expect(receiver.waitForExit(seconds: 20) == 2)
      #expect(receiver.output.contains("stored 0 blocks"))
    }
  }
}
