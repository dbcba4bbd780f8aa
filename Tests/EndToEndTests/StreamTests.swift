import Foundation
import Testing

extension EndToEnd {
  @Suite("A streamed hand", .enabled(if: TestBroker.isInstalled, needsBroker))
  struct StreamTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// Angles of the joints in a pose of Calibration/nominal-hand.yaml, radians in the board's order.
    private static func pose(_ name: String) -> [Double] {
      let degrees: [[Double]] =
        switch name {
        case "power": Array(repeating: [60, 72, 60], count: 5)
        case "precision": [[45, 60, 45], [60, 72, 60]] + Array(repeating: [5.7, 5.7, 5.7], count: 3)
        case "pointing": [[60, 60, 60], [0, 0, 0]] + Array(repeating: [90, 90, 90], count: 3)
        default: Array(repeating: [0, 0, 0], count: 5)
        }
      return degrees.flatMap { $0 }.map { $0 * .pi / 180 }
    }

    private static let grasps = ["power", "precision", "pointing", "open"]
    private static let graspSeconds = 2.0
    /// Of these it moves for this time and then rests.
    private static let motionSeconds = 1.2
    private static let streamHertz = 50.0

    /// Streams the grasps by `mosquitto_pub`, each along a raised cosine; returns the time each one ended.
    private func stream(to publisher: RunningProgram) throws -> [Int64] {
      var ends: [Int64] = []
      var start = Self.pose("open")
      let begin = ContinuousClock.now
      var sample = 0
      for grasp in Self.grasps {
        let goal = Self.pose(grasp)
        for step in 1...Int(Self.graspSeconds * Self.streamHertz) {
          let progress = min(Double(step) / (Self.motionSeconds * Self.streamHertz), 1)
          let blend = (1 - cos(.pi * progress)) / 2
          let radians = zip(start, goal).map { "\($0 + ($1 - $0) * blend)" }.joined(separator: ",")
          try publisher.write(line: #"{"radians":[\#(radians)]}"#)
          sample += 1
          // The pace of the stream is the thing under test, so it keeps to its own clock.
          let due = begin + .seconds(Double(sample) / Self.streamHertz)
          _ = waitUntil(seconds: 1) { ContinuousClock.now >= due }
        }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        ends.append(Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
        start = goal
      }
      return ends
    }

    @Test(
      "a hand follows set-points streamed over MQTT as its nominal model predicts, and stops by itself when they cease"
    )
    func follows() throws {
      let broker = try TestBroker(bench)
      let subscriber = try broker.subscribe("motorhand/#")
      let daemon = try TestDaemon(bench, broker: broker)
      let boot = try daemon.status().runID
      #expect(try waitUntil { try daemon.status().publisher?.connected == true })
      try daemon.execute("arm")

      let publisher = try broker.publisher("motorhand/hand/\(TestDaemon.hand)/cmd/stream")
      let ends = try stream(to: publisher)
      #expect(try daemon.status().state == "tracking", "\(daemon.program.errors)")
      // The whole daemon at work, memory locked, recorder and publisher running.
      let resident = try #require(daemon.program.memoryKibibytes("VmHWM"))
      #expect(isSanitized || resident <= memoryCeilingKibibytes)

      publisher.kill()
      #expect(try daemon.reaches("fault"))
      let stopped = try daemon.status()
      #expect(stopped.fault == "command-timeout")
      #expect(stopped.outputsEnabled, "it holds what it holds until somebody lets go")
      #expect(try waitUntil { try broker.status(of: TestDaemon.hand) == "fault" })
      try daemon.execute("reset")
      #expect(try daemon.reaches("idle"))
      let idle = try daemon.status()
      #expect(idle.fault == nil && !idle.outputsEnabled)
      #expect(try daemon.terminate() == 0)

      try expectMessages(subscriber, boot: boot)
      let segment = try #require(try daemon.segments(boot: boot).first)
      try expectTracking(segment)
      try expectArrival(segment, ends: ends)
      try expectTimeoutEvents(daemon.events(boot: boot))
      try expectSameEvents(subscriber, daemon.events(boot: boot))
      try expectReadable(daemon, segment)
    }

    private func expectMessages(_ subscriber: RunningProgram, boot: String) throws {
      let text = subscriber.output
      let prefix = "motorhand/hand/\(TestDaemon.hand)/"
      for topic in ["birth", "status", "state", "event"] {
        let message = try #require(
          text.split(separator: "\n").first { $0.hasPrefix(prefix + topic + " ") }, "no \(topic)")
        let payload = try JSONSerialization.jsonObject(
          with: Data(message.dropFirst(prefix.count + topic.count + 1).utf8))
        #expect((payload as? [String: Any])?["run_id"] as? String == boot, "\(topic)")
      }
      #expect(text.contains("command-timeout"))
    }

    // Figures of Calibration/nominal-hand.yaml.
    private static let encoderNoiseRadians = 0.000535
    private static let torqueNoiseNewtonMetres = 0.01
    private static let coulombNewtonMetres = 0.005
    private static let kp = 1.5
    private static let dampingWithKd = 0.02 + 0.06
    private static let periodSeconds = 0.002
    /// Standard deviation of the angle under torque noise that is new each tick. A second-order loop turns white
    /// torque noise of density σ²T into the variance σ²T / (2 b' Kp) (Lyapunov equation of J q'' + b' q' + Kp q).
    private static let wanderRadians =
      (torqueNoiseNewtonMetres * torqueNoiseNewtonMetres * periodSeconds / (2 * dampingWithKd * kp))
      .squareRoot()

    /// The error of a tick is set-point minus position; the nominal model's is set-point minus nominal. They
    /// differ by what the model leaves out: the encoder's noise and quantisation, the torque noise, and time times
    /// speed: a sample may be as old as its bus's cycle, 392 µs, or on a machine that keeps no time as old as
    /// recorded, and a duty waits for the next period of the PWM at 1526 Hz.
    private func expectTracking(_ segment: String) throws {
      let noise =
        (Self.encoderNoiseRadians * Self.encoderNoiseRadians
        + Self.wanderRadians * Self.wanderRadians).squareRoot()
      let rows = try bench.query(
        segment,
        """
        SELECT joint, count(*), sqrt(avg(pow(setpoint_radians - position_radians, 2))),
          sqrt(avg(pow(setpoint_radians - nominal_radians, 2))),
          sqrt(avg(pow(setpoint_radians_per_second, 2))), sqrt(avg(pow(sample_age_nanoseconds, 2)))
        FROM joint_tick WHERE sequence IN
          (SELECT sequence FROM tick_named WHERE state = 'tracking')
        GROUP BY joint
        """)
      #expect(rows.count == 15)
      for row in rows {
        let ticks = try #require(Int(row[1]))
        #expect(ticks > Int(0.8 * Double(Self.grasps.count) * Self.graspSeconds / Self.periodSeconds))
        let error = try #require(Double(row[2]))
        let nominal = try #require(Double(row[3]))
        let speed = try #require(Double(row[4]))
        let ageNanoseconds = try #require(Double(row[5]))
        let margin = noise + (max(ageNanoseconds * 1e-9, 0.000392) + 1 / 1526.0) * speed
        #expect(error <= nominal + margin, "\(row[0]): RMS error \(error), nominal \(nominal) + \(margin)")
        #expect(error > 0 && nominal > 0, "nothing moved: the comparison would be void")
      }
    }

    /// At rest after each grasp every joint is where the stream asked it to be.
    private func expectArrival(_ segment: String, ends: [Int64]) throws {
      // Three standard deviations of both noises, and the band within which friction holds a joint.
      let tolerance =
        3 * (Self.encoderNoiseRadians + Self.wanderRadians) + Self.coulombNewtonMetres / Self.kp
      for (grasp, end) in zip(Self.grasps, ends) {
        let rows = try bench.query(
          segment,
          """
          SELECT joint_number, position_radians FROM joint_tick WHERE sequence =
            (SELECT max(sequence) FROM tick WHERE wall_nanoseconds <= \(end)) ORDER BY joint_number
          """)
        #expect(rows.count == 15)
        for (row, goal) in zip(rows, Self.pose(grasp)) {
          let position = try #require(Double(row[1]))
          #expect(abs(position - goal) < tolerance, "\(grasp): joint \(row[0]) at \(position), asked \(goal)")
        }
      }
    }

    private func expectTimeoutEvents(_ database: String) throws {
      let rows = try bench.query(
        database,
        "SELECT kind, value_from, value_to FROM event WHERE kind IN ('state','fault') ORDER BY number")
      #expect(rows.contains(["fault", "", "command-timeout"]))
      #expect(rows.contains(["state", "tracking", "fault"]))
      #expect(rows.last { $0[0] == "state" } == ["state", "fault", "idle"])
    }

    /// What MQTT said is what was recorded, event by event, under the same numbers.
    private func expectSameEvents(_ subscriber: RunningProgram, _ database: String) throws {
      #expect(waitUntil { subscriber.output.contains("\"status\":\"disconnected\"") })
      let prefix = "motorhand/hand/\(TestDaemon.hand)/event "
      let said = try subscriber.output.split(separator: "\n").filter { $0.hasPrefix(prefix) }.map { line in
        let payload = try JSONSerialization.jsonObject(with: Data(line.dropFirst(prefix.count).utf8))
        let event = try #require(payload as? [String: Any])
        #expect(event["stored"] as? Bool == true)
        return ["number", "kind", "from", "to", "text"].map { event[$0] as? String ?? "" }
      }
      let rows = try bench.query(
        database, "SELECT number, kind, value_from, value_to, text FROM event ORDER BY number")
      #expect(said == Array(rows.prefix(said.count)))
      // A slow disk may close the recording after the farewell: its last two events are about that.
      #expect(said.count >= rows.count - 2)
    }

    private func expectReadable(_ daemon: TestDaemon, _ segment: String) throws {
      let count = try #require(try bench.query(segment, "SELECT count(*) FROM tick").first?.first)
      #expect(UInt64(count) == daemon.ticksMade)
      let export = try bench.motorhand("log", "export", "--csv", daemon.data)
      #expect(export.status == 0)
      let lines = export.output.split(separator: "\n")
      #expect(lines.count == (Int(count) ?? 0) + 1)
      let header = try #require(lines.first).split(separator: ",", omittingEmptySubsequences: false)
      #expect(header.contains("index-distal.position_radians [rad]"))
      #expect(
        lines.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == header.count })
    }
  }
}
