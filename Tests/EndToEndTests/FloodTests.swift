import Foundation
import Testing

extension EndToEnd {
  @Suite("Commands without end")
  struct FloodTests {
    /// At one a tick they would keep a hand of 500 Hz busy for 40 s.
    private static let poses = 20_000

    private let bench: TestBench

    init() throws { bench = try TestBench() }

    @Test(
      "a stop that follows thousands of poses over MQTT stops the hand, and none of them acts afterwards",
      .enabled(if: TestBroker.isInstalled, needsBroker), arguments: [0, 1])
    func stopAfterFlood(qos: Int) throws {
      let broker = try TestBroker(bench)
      let daemon = try TestDaemon(bench, broker: broker)
      let base = "motorhand/hand/\(TestDaemon.hand)"
      #expect(
        try waitUntil {
          let publisher = try daemon.status().publisher
          return publisher?.commands.state == "up" && publisher?.stopWay.state == "up"
        })
      let replies = try broker.subscribe("\(base)/reply")
      try daemon.execute("arm")
      let flood = try broker.publisher("\(base)/cmd/pose", qos: qos)
      let line = #"{"pose":"power"}"#
      try flood.write(line: [String](repeating: line, count: Self.poses).joined(separator: "\n"))
      try broker.publish("\(base)/cmd/stop", #"{"id":"halt"}"#)
      #expect(try daemon.reaches("e-stop", seconds: 5))
      #expect(waitUntil { replies.output.contains(#""id":"halt","verb":"stop","result":"executed""#) })
      #expect(waitUntil { replies.output.contains("messages refused: too many commands at once") })
      // What the stop overtook has arrived and was refused: armed again, the hand stays where it is.
      flood.kill()
      var refused: UInt64?
      #expect(
        try waitUntil {
          let before = refused
          let drops = try daemon.status().publisher?.drops
          refused = drops.map { $0["unread", default: 0] + $0["queueFull", default: 0] }
          return refused == before
        })
      try daemon.execute("reset")
      try daemon.execute("arm")
      #expect(!(try daemon.reaches("tracking", seconds: 1)))
      #expect(try daemon.terminate() == 0)
    }

    @Test(
      "a hand whose broker delivers no commands says so in its log and in its state",
      .enabled(if: TestBroker.isInstalled, needsBroker))
    func deaf() throws {
      let broker = try TestBroker(bench, access: "topic write #\ntopic read motorhand/hand/+/status\n")
      let daemon = try TestDaemon(bench, broker: broker)
      #expect(waitUntil(seconds: 20) { daemon.program.errors.contains("stops over MQTT do not arrive") })
      #expect(daemon.program.errors.contains("commands over MQTT do not arrive"))
      let publisher = try #require(try daemon.status().publisher)
      #expect(publisher.connected && publisher.commands.state == "deaf" && publisher.stopWay.state == "deaf")
      #expect(publisher.stopWay.error?.contains("may this user read it?") == true)
      #expect(try daemon.terminate() == 0)
    }
  }
}
