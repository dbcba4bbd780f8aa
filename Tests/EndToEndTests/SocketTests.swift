import Foundation
import Testing

extension EndToEnd {
  @Suite("The control socket and its tools")
  struct SocketTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// Whether the hand still ticks and answers.
    private func isUndisturbed(_ daemon: TestDaemon) throws -> Bool {
      let before = try daemon.status()
      return try waitUntil { try daemon.status().ticks > before.ticks }
        && daemon.status().fault == before.fault
    }

    @Test("commands in a wrong state or out of range are refused with a reason and exit 1")
    func refusals() throws {
      let daemon = try TestDaemon(bench)
      for (arguments, reason) in [
        (["pose", "power"], "not armed: send arm first"), (["move", "index-distal", "0.5"], "not armed"),
        (["disarm"], ""), (["reset"], "nothing to reset"), (["pose", "powr"], "did you mean power?"),
        (["move", "indx-distal", "0.5"], "did you mean index-distal?"),
        (["move", "index-distal", "90"], "index-distal: found 90.0, expected 0.0 to 1.6 rad"),
        (["move", "index-distal", "-0.5"], "index-distal: found -0.5, expected 0.0 to 1.6 rad"),
        (
          ["move", "index-distal", "-20", "--degrees"],
          "index-distal: found -20.0, expected 0.0 to 91.6 degrees"
        ),
        (["move", "wrist", "0.5"], "expected one of thumb-proximal"),
      ] {
        let outcome = try bench.run(
          Repository.built("motorhand"), arguments + ["--socket", daemon.socket])
        if arguments == ["disarm"] {
          // Idle is what disarm asks for.
          #expect(outcome.status == 0)
        } else {
          #expect(outcome.status == 1, "\(arguments)")
          #expect(outcome.errors.contains(reason), "\(arguments): \(outcome.errors)")
        }
      }
      try daemon.execute("arm")
      #expect(try daemon.command("reset").status == 1)
      try daemon.execute("stop")
      for arguments in [["arm"], ["pose", "power"], ["disarm"]] {
        let outcome = try bench.run(
          Repository.built("motorhand"), arguments + ["--socket", daemon.socket])
        #expect(outcome.status == 1, "\(arguments) was taken in e-stop")
        #expect(!outcome.errors.isEmpty)
      }
      let json = try daemon.command("arm", "--json")
      #expect(json.status == 1)
      #expect(try json.decoded(SocketClient.Reply.self).result == "refused")
    }

    @Test(
      "stop takes the outputs off a moving hand within a tick and stays latched until a reset; reset does not arm"
    )
    func stop() throws {
      let daemon = try TestDaemon(bench)
      let boot = try daemon.status().runID
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "20")
      #expect(try daemon.reaches("tracking"))
      try daemon.execute("stop")
      let stopped = try daemon.status()
      #expect(stopped.state == "e-stop")
      #expect(stopped.fault == "e-stop-socket")
      #expect(!stopped.outputsEnabled)
      try daemon.execute("reset")
      let reset = try daemon.status()
      #expect(reset.state == "idle" && !reset.outputsEnabled)
      try daemon.execute("arm")
      #expect(try daemon.status().state == "armed")
      #expect(try daemon.terminate() == 0)
      let live = try bench.query(
        try #require(try daemon.segments(boot: boot).first),
        "SELECT count(*) FROM tick_named WHERE state IN ('e-stop', 'fault', 'idle') AND outputs_enabled")
      #expect(live == [["0"]])
    }

    @Test("the clients in docs/control-socket.md work as printed")
    func documentedClients() throws {
      let text = try String(contentsOfFile: Repository.root + "/docs/control-socket.md", encoding: .utf8)
      let blocks = text.components(separatedBy: "```python\n").dropFirst().map {
        $0.components(separatedBy: "```")[0]
      }
      try #require(blocks.count == 2)
      let daemon = try TestDaemon(bench)
      let client = blocks[0].replacingOccurrences(of: "/run/motorhand/control.sock", with: daemon.socket)
      let first = try bench.run("/usr/bin/env", ["python3", "-c", client])
      #expect(first.status == 0 && ["tracking\n", "armed\n"].contains(first.output), "\(first)")
      #expect(try daemon.status().state == "e-stop")
      // The second follows a hand until a fault; this one is in e-stop.
      let definitions = try #require(client.components(separatedBy: "hand = Hand()").first)
      let follower = blocks[1].replacingOccurrences(of: "\"fault\"", with: "\"e-stop\"")
      try #require(follower != blocks[1])
      let second = try bench.run("/usr/bin/env", ["python3", "-c", definitions + follower])
      #expect(second.status == 0, "\(second)")
    }

    @Test(
      "a remote reset clears a remote stop but not a local one",
      .enabled(if: TestBroker.isInstalled, needsBroker))
    func remoteReset() throws {
      let broker = try TestBroker(bench)
      let replies = try broker.subscribe("motorhand/hand/\(TestDaemon.hand)/reply")
      let daemon = try TestDaemon(bench, broker: broker)
      #expect(try waitUntil { try daemon.status().publisher?.connected == true })
      let commands = "motorhand/hand/\(TestDaemon.hand)/cmd/"

      try broker.publish(commands + "stop", "")
      #expect(try daemon.reaches("e-stop"))
      #expect(try daemon.status().fault == "e-stop-remote")
      try broker.publish(commands + "reset", #"{"id":"clear-remote"}"#)
      #expect(try daemon.reaches("idle"))

      try daemon.execute("stop")
      try broker.publish(commands + "reset", #"{"id":"clear-local"}"#)
      #expect(waitUntil { replies.output.contains("clear-local") })
      let reply = try #require(replies.output.split(separator: "\n").first { $0.contains("clear-local") })
      #expect(
        reply.contains(#""result":"refused""#) && reply.contains("cannot be reset remotely"), "\(reply)")
      #expect(try daemon.status().state == "e-stop")
      try daemon.execute("reset")
      #expect(try daemon.status().state == "idle")

      // A local stop on top of a remote one makes it local.
      try broker.publish(commands + "stop", "not even JSON")
      #expect(try daemon.reaches("e-stop"))
      try daemon.execute("stop")
      try broker.publish(commands + "reset", #"{"id":"clear-both"}"#)
      #expect(waitUntil { replies.output.contains("clear-both") })
      #expect(try daemon.status().state == "e-stop")
    }

    @Test("a malformed line is refused with a reason and the connection and the daemon go on")
    func malformed() throws {
      let daemon = try TestDaemon(bench)
      let client = try SocketClient(daemon.socket)
      for line in [
        "{", "[]", "null", "arm", #"{"verb":"fly"}"#,
        #"{"verb":"move","joint":"index-distal","radians":1e999}"#,
        #"{"verb":"pose","radians":[1,2]}"#, #"{"verb":"arm","extra":1}"#, #"{"verb":"arm","verb":"arm"}"#,
        String(repeating: "[", count: 3000), "\u{0}\u{1}", #"{"verb":"#,
      ] {
        let reply = try client.request(line)
        #expect(reply.result == "refused", "\(line)")
        #expect(reply.reason?.isEmpty == false, "\(line)")
      }
      client.send([0xFF, 0xFE, 0x80, UInt8(ascii: "\n")])
      #expect(try #require(client.receive()).contains("refused"))
      // Two commands in one packet, one command in two.
      client.send("{\"verb\":\"arm\"}\n{\"verb\":\"disarm\"}")
      #expect(try #require(client.receive()).contains("executed"))
      #expect(try #require(client.receive()).contains("executed"))
      client.send(Array(#"{"verb":"#.utf8))
      #expect(client.receive(seconds: 0.1) == nil)
      #expect(try client.request(#""arm"}"#).result == "executed")

      // A line without end is no command: told so, then closed.
      let endless = try SocketClient(daemon.socket)
      endless.send([UInt8](repeating: UInt8(ascii: "x"), count: 10_000))
      #expect(try #require(endless.receive()).contains("at most 4096 bytes"))
      #expect(endless.receive(seconds: 2) == nil)
      #expect(try isUndisturbed(daemon))
      #expect(try daemon.status().state == "armed")
    }

    @Test("stop is understood in any form")
    func anyStop() throws {
      let daemon = try TestDaemon(bench)
      let client = try SocketClient(daemon.socket)
      for line in ["stop", #""stop""#, #"{"verb":"stop","expiry":"1","extra":[]}"#] {
        #expect(try client.request(line).result == "executed", "\(line)")
        #expect(try daemon.status().state == "e-stop")
        #expect(try client.request(#"{"verb":"reset"}"#).result == "executed")
      }
    }

    @Test("a daemon that hung does not obey a command whose sender has given up, but a stop it does")
    func lateCommand() throws {
      let daemon = try TestDaemon(bench)
      daemon.program.send(SIGSTOP)
      #expect(waitUntil { daemon.program.isStopped })
      for verb in ["arm", "stop"] {
        let outcome = try daemon.command(verb)
        #expect(outcome.status == 5 && outcome.errors.contains("no answer within 2.0 s"), "\(outcome.errors)")
        #expect(outcome.errors.contains("NOT seen off") == (verb == "stop"))
      }
      daemon.program.send(SIGCONT)
      #expect(try daemon.reaches("e-stop"))
      try daemon.execute("reset")
      #expect(try daemon.status().state == "idle")
      #expect(!daemon.program.errors.contains("armed"))
    }

    @Test(
      "stop works while more clients are connected than there are places, idle or watching without reading")
    func manyClients() throws {
      let daemon = try TestDaemon(bench)
      let clients = try (1...100).map { _ in try SocketClient(daemon.socket) }
      for client in clients.prefix(50) { client.send(#"{"verb":"watch"}"#) }
      try daemon.execute("arm")
      let outcome = try daemon.command("stop")
      #expect(outcome.status == 0 && outcome.output.contains("outputs seen off"), "\(outcome)")
      #expect(try daemon.status().state == "e-stop")
      withExtendedLifetime(clients) {}
    }

    @Test("stop works when the daemon has no file descriptor left for its clients")
    func noDescriptors() throws {
      // Some more than a daemon without clients has open.
      let daemon = try TestDaemon(
        bench, launcher: ["/bin/sh", "-c", "ulimit -n 24; exec \"$@\"", "sh"])
      let clients = try (1...40).map { _ in try SocketClient(daemon.socket) }
      try daemon.execute("arm")
      let outcome = try daemon.command("stop")
      #expect(outcome.status == 0 && outcome.output.contains("outputs seen off"), "\(outcome)")
      #expect(try daemon.reaches("e-stop"))
      withExtendedLifetime(clients) {}
    }

    @Test("a stop that arrives without a newline, from a sender that leaves at once, is executed")
    func stopAndLeave() throws {
      let daemon = try TestDaemon(bench)
      for text in [#"{"verb":"stop"}"#, "stop", #"{"verb":"stop""#] {
        do { try SocketClient(daemon.socket).send(Array(text.utf8)) }
        #expect(try daemon.reaches("e-stop"), "\(text)")
        try daemon.execute("reset")
      }
    }

    @Test("a watcher that never reads disturbs neither the hand nor other clients")
    func deafClient() throws {
      let daemon = try TestDaemon(bench)
      let deaf = try SocketClient(daemon.socket)
      deaf.send(#"{"verb":"watch"}"#)
      // 20 snapshots a second of some 5 kB would take seconds to fill a socket's buffer; these fill it at once.
      for _ in 0..<400 { deaf.send(#"{"verb":"status"}"#) }
      try daemon.execute("arm")
      #expect(try isUndisturbed(daemon))
      let watch = try daemon.command("watch", "--json", "--seconds", "1")
      #expect(watch.status == 0)
      #expect(watch.output.split(separator: "\n").count >= 5)
      #expect(try daemon.status().state == "armed")
      #expect(try daemon.terminate() == 0)
    }

    @Test("watch and status give JSON of the present hand")
    func watch() throws {
      let daemon = try TestDaemon(bench)
      let watch = try daemon.command("watch", "--json", "--seconds", "1")
      #expect(watch.status == 0, "\(watch.errors)")
      let states = try watch.output.split(separator: "\n").map {
        try JSONDecoder().decode(StatusDocument.self, from: Data($0.utf8))
      }
      // 20 a second.
      #expect((5...21).contains(states.count))
      #expect(
        states.allSatisfy { $0.handID == TestDaemon.hand && $0.joints.count == 15 && $0.state == "idle" })
      #expect(zip(states, states.dropFirst()).allSatisfy { $0.ticks < $1.ticks })
      let text = try daemon.command("status")
      #expect(text.status == 0)
      #expect(text.output.contains("idle") && text.output.contains("little-distal"))
      // Not a terminal: nothing that would confuse a pipe.
      #expect(!text.output.contains("\u{1B}"))
    }

    @Test("without a daemon each command ends with 5 and says where it looked")
    func noDaemon() throws {
      let socket = bench.path("nobody.sock")
      for arguments in [["status"], ["watch", "--json"], ["arm"], ["stop"], ["demo", "--seconds", "1"]] {
        let outcome = try bench.run(Repository.built("motorhand"), arguments + ["--socket", socket])
        #expect(outcome.status == 5, "\(arguments)")
        #expect(outcome.errors.contains(socket) && outcome.errors.contains("is motorhandd running?"))
      }
    }
  }
}
