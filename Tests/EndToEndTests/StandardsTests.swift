import Foundation
import Testing

extension EndToEnd {
  /// What others read of a hand, read by their own programs: Scripts/python-peers installs them. Where they cannot be
  /// had, these tests fail.
  @Suite("A hand in the words of others", .enabled(if: TestBroker.isInstalled, needsBroker))
  struct StandardsTests {
    /// The first run loads packages from PyPI, Home Assistant's with 67 MB.
    private static let installSeconds = 900.0

    private let bench: TestBench
    private let python: String
    private static let group = "plant 1"
    private static let folder = Repository.root + "/Tests/Standards/"

    init() throws {
      bench = try TestBench()
      let installer = try bench.start(
        Repository.root + "/Scripts/python-peers", [Self.folder + "requirements.txt"])
      let status = installer.waitForExit(seconds: Self.installSeconds)
      try #require(status == 0, "\(installer.errors)")
      python = installer.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs one of the checks; what it found is its error.
    private func check(_ name: String, _ arguments: [String]) throws {
      let checker = try bench.start(python, [Self.folder + name] + arguments)
      let status = checker.waitForExit(seconds: Self.installSeconds)
      #expect(status == 0, "\(name): \(checker.errors.suffix(2000))")
      try #require(!checker.output.isEmpty)
    }

    /// Every message of a broker from now on, as lines of the file `capture`.
    private func capture(_ broker: TestBroker) throws -> RunningProgram {
      let capture = try bench.start(python, ["-u", Self.folder + "capture.py", "\(broker.port)"])
      try #require(waitUntil { capture.output.hasPrefix("ready") }, "\(capture.errors)")
      return capture
    }

    /// Ends a capture; its file. What the broker has sent before is waited for: one last message comes after it.
    private func end(_ capture: RunningProgram, _ broker: TestBroker) throws -> String {
      try broker.publish("end", "end")
      #expect(waitUntil { capture.output.contains("[\"end\"") })
      capture.kill()
      let file = bench.path("capture")
      let lines = capture.output.components(separatedBy: "[\"end\"")[0]
      try lines.write(toFile: file, atomically: true, encoding: .utf8)
      return file
    }

    private func write(_ metric: String, to broker: TestBroker) throws {
      let file = bench.path("ncmd")
      let outcome = try bench.run(
        "/bin/sh",
        ["-c", "exec \"$0\" \"$1\" \"$2\" true >\"$3\"", python, Self.folder + "write_ncmd.py", metric, file])
      try #require(outcome.status == 0, "\(outcome.errors)")
      try broker.publish("spBv1.0/\(Self.group)/NCMD/\(TestDaemon.hand)", file: file)
    }

    private func edgeNode(_ broker: TestBroker) throws -> TestDaemon {
      try TestDaemon(
        bench, broker: broker, options: ["--sparkplug", Self.group])
    }

    private func sparkplug(_ daemon: TestDaemon) throws -> StatusDocument.Publisher.Sparkplug {
      try #require(try daemon.status().publisher?.sparkplug)
    }

    @Test(
      "hosts of Sparkplug B see a hand be born, live, be born again when they ask, lose its broker, be killed and leave"
    )
    func edgeNode() throws {
      let broker = try TestBroker(bench)
      let capture = try capture(broker)
      var daemon = try edgeNode(broker)
      #expect(try waitUntil { try sparkplug(daemon).way.state == "up" && sparkplug(daemon).data > 10 })
      try daemon.execute("arm")
      try daemon.execute("pose", "power", "--seconds", "1")
      #expect(try daemon.reaches("tracking"))
      try write("Node Control/Rebirth", to: broker)
      #expect(try waitUntil { try sparkplug(daemon).births == 2 })
      let before = try sparkplug(daemon).data
      #expect(try waitUntil { try sparkplug(daemon).data > before + 10 })

      // A host may not command a hand by this way.
      try write("outputs_enabled", to: broker)
      #expect(try waitUntil { try sparkplug(daemon).refused == 1 })
      #expect(try daemon.status().outputsEnabled)
      daemon.program.kill()

      daemon = try edgeNode(broker)
      #expect(try waitUntil { try sparkplug(daemon).data > 5 })
      broker.kill()
      #expect(try waitUntil { try sparkplug(daemon).way.state == "down" })
      try broker.start()
      // The births of its own accord may be over before the capture listens again.
      #expect(waitUntil(seconds: 20) { capture.output.components(separatedBy: "ready\n").count == 3 })
      #expect(try waitUntil(seconds: 20) { try sparkplug(daemon).way.state == "up" })
      let births = try sparkplug(daemon).births
      try write("Node Control/Rebirth", to: broker)
      #expect(try waitUntil { try sparkplug(daemon).births > births })
      let data = try sparkplug(daemon).data
      #expect(try waitUntil { try sparkplug(daemon).data > data + 5 })
      #expect(try daemon.terminate() == 0)
      let file = try end(capture, broker)
      // Both starts begin with 0; the second has lost its broker once.
      try check("check_sparkplug.py", [file, Self.group, TestDaemon.hand, "0", "0", "1"])
    }

    @Test(
      "what a hand says over MQTT is what docs/asyncapi.yaml says, and Home Assistant's schemas and templates take it"
    )
    func documents() throws {
      let broker = try TestBroker(bench)
      let capture = try capture(broker)
      let options = ["--sparkplug", Self.group, "--home-assistant", "--upload", "full"]
      let receiver = try bench.start(
        Repository.built("motorhand"),
        ["log", "receive", "--broker", broker.url, "--data", bench.path("received")])
      var daemon = try TestDaemon(bench, broker: broker, options: options)
      let hand = "motorhand/hand/\(TestDaemon.hand)/"
      let summaries = try broker.subscribe(hand + "summary")
      let statuses = try broker.subscribe(hand + "status")
      #expect(try waitUntil { try daemon.status().publisher?.commands.state == "up" })
      try broker.publish("homeassistant/status", "online")

      try broker.publish(hand + "cmd/null-g", #"{"id":"1"}"#)
      #expect(try daemon.reaches("armed"))
      try pressTwice("disarm", broker, daemon, from: "armed", to: "idle") { try daemon.execute("arm") }
      try broker.publish(hand + "cmd/arm", #"{"id":"2"}"#)
      #expect(try daemon.reaches("armed"))
      try broker.publish(hand + "cmd/pose", #"{"id":"3","pose":"power","seconds":1}"#)
      // The status says the newest word only: one that is over before its turn comes is never said.
      #expect(waitUntil { statuses.output.contains(#""status":"moving""#) })
      #expect(try daemon.reaches("armed"))
      try broker.publish(hand + "cmd/move", #"{"id":"4","joint":"index-proximal","radians":0.4}"#)
      // The stream ceases: a fault. A set-point that was too long on its way is refused, as on a busy machine.
      #expect(
        try waitUntil(seconds: 60) {
          try broker.publish(hand + "cmd/stream", #"{"pose":"open"}"#)
          return try daemon.reaches("fault", seconds: 2)
        })
      try broker.publish(hand + "cmd/reset", #"{"id":"5"}"#)
      #expect(try daemon.reaches("idle"))
      try broker.publish("motorhand/agp/\(TestDaemon.hand)/command", #"{"id":"6","verb":"arm"}"#)
      #expect(try daemon.reaches("armed"))
      try broker.publish(hand + "cmd/disarm", #"{"id":"7"}"#)
      #expect(try daemon.reaches("idle"))
      try pressTwice("stop", broker, daemon, from: "armed", to: "e-stop") {
        if try daemon.status().fault != nil { try daemon.execute("reset") }
        try daemon.execute("arm")
      }
      #expect(waitUntil { statuses.output.contains(#""status":"estop""#) })
      #expect(waitUntil { summaries.output.contains(#""fault":"e-stop-remote""#) })
      #expect(waitUntil { summaries.output.contains(#""outputs_enabled":true"#) })
      try broker.publish("spBv1.0/\(Self.group)/NCMD/\(TestDaemon.hand)", file: "/dev/null")
      #expect(try waitUntil(seconds: 20) { try daemon.status().publisher?.upload?.consumer != nil })
      #expect(
        try waitUntil(seconds: 20) { try daemon.status().publisher?.upload?.blocksAcknowledged ?? 0 > 1 })
      daemon.program.kill()
      daemon = try TestDaemon(bench, broker: broker, options: options)
      #expect(try waitUntil { try daemon.status().publisher?.commands.state == "up" })
      #expect(try daemon.terminate() == 0)
      receiver.kill()
      let file = try end(capture, broker)
      try check("check_asyncapi.py", [Repository.root + "/docs", file])
      try check("check_home_assistant.py", [file])
    }

    /// Presses a button as the announcement has it, twice: the second time must act too.
    private func pressTwice(
      _ name: String, _ broker: TestBroker, _ daemon: TestDaemon, from: String, to: String,
      prepare: () throws -> Void
    ) throws {
      struct Announcement: Decodable {
        struct Component: Decodable {
          var command_topic: String?
          var payload_press: String?
        }
        var components: [String: Component]
      }
      let text = try #require(try broker.retained("homeassistant/device/\(TestDaemon.hand)/config"))
      let announcement = try JSONDecoder().decode(Announcement.self, from: Data(text.utf8))
      let button = try #require(announcement.components[name])
      for press in 1...2 {
        if try daemon.status().state != from { try prepare() }
        #expect(try daemon.reaches(from))
        try broker.publish(try #require(button.command_topic), try #require(button.payload_press))
        #expect(try daemon.reaches(to), "press \(press) of \(name)")
      }
    }
  }
}
