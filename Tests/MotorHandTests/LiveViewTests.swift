import Foundation
import Testing

@testable import Wire
@testable import motorhand

@Suite("The live view")
struct LiveViewTests {
  private static let sizes = [(200, 50), (112, 30), (80, 24), (40, 12), (20, 5)]

  private struct Fixture {
    var state = "tracking"
    var fault: String? = nil
    var faultJoint: String? = nil
    var degraded: [String] = []
    var hand = "left"
    var joints = (1...15).map { Joint(name: "finger-\($0)") }
  }
  private struct Joint {
    var name: String
    var actuator = "motor"
    var amperes: Double? = 0.125
    var isStale = false
    var velocity = 0.5
  }

  /// A snapshot as a daemon sends it.
  private func snapshot(_ fixture: Fixture) throws -> HandSnapshot {
    let latency = ["p50": 14_700, "p99": 20_500, "p999": 157_700, "max": 1_606_600]
    var document: [String: Any] = [
      "hand_id": fixture.hand, "run_id": "boot", "version": "1.2.3", "board": "sim", "rate_hertz": 1000,
      "state": fixture.state, "mode": "TRAJECTORY", "outputs_enabled": true,
      "outputs_changed_nanoseconds": 0, "sequence": 1_234_567, "overruns": 3,
      "certificate": "UNCERTIFIED", "lipschitz": 0.999_332_247, "rate_per_second": 0.6678,
      "window_product": 0.512858, "fault": fixture.fault ?? "none",
      "uncertified_ticks": 17, "wake_up_percentiles_nanoseconds": latency,
      "compute_percentiles_nanoseconds": latency, "degraded": fixture.degraded, "unwritten_messages": 0,
      "recorder": ["recorded": 1_234_000, "dropped": 0, "thinned": 0, "lag_ticks": 165, "path": "/data"],
      "publisher": [
        "connected": true, "broker": "mqtt://h", "published": 115_700, "dropped": 1, "lag_ticks": 3,
        "drops": ["inFlight": 1], "commands": ["state": "up"], "stop_way": ["state": "up"],
      ],
      "joints": fixture.joints.map { joint in
        var document: [String: Any] = [
          "name": joint.name, "actuator": joint.actuator, "certificate": "DEADZONE",
          "setpoint_radians": 1.0472, "position_radians": 0.7854,
          "velocity_radians_per_second": joint.velocity, "lipschitz": 0.999_332_247, "slope": 1,
          "sample_age_nanoseconds": 400_000, "is_stale": joint.isStale,
        ]
        document[joint.actuator == "servo" ? "correction_radians" : "torque_newton_metres"] = 0.0446
        document["current_amperes"] = joint.amperes
        return document
      },
    ]
    document["schema"] = HandSnapshot.schema
    document["fault_joint"] = fixture.faultJoint
    return try JSONDecoder().decode(
      HandSnapshot.self, from: try JSONSerialization.data(withJSONObject: document))
  }

  private func lines(
    _ fixture: Fixture, _ columns: Int, _ rows: Int?, _ view: LiveView = LiveView(showsKeys: true)
  ) throws -> [String] {
    view.lines(try snapshot(fixture), size: .init(columns: columns, rows: rows))
      .map { $0.text(isColoured: false) }
  }

  @Test("fits its terminal and shows state, outputs, fault and the stop key at every size", arguments: sizes)
  func fits(columns: Int, rows: Int) throws {
    for fault in [nil, "position sensor magnet lost"] {
      var fixture = Fixture(state: fault == nil ? "tracking" : "fault", fault: fault)
      fixture.faultJoint = fault.map { _ in "finger-15" }
      fixture.degraded = ["no real-time priority", "memory is not locked", "processor may idle deeply"]
      let lines = try lines(fixture, columns, rows)
      let text = lines.joined(separator: "\n")
      #expect(lines.count <= rows)
      #expect(lines.allSatisfy { ScreenText.width($0) <= columns }, "\(text)")
      #expect(text.contains("state \(fixture.state)") && text.contains("outputs LIVE"), "\(text)")
      #expect(text.contains(fault == nil ? "fault none" : "fault position"), "\(text)")
      #expect(lines.last?.contains("space stop") == true && lines.last?.contains("q quit") == true, "\(text)")
    }
  }

  @Test("the classic screen holds all of fifteen joints, with certificate, latencies, recorder and MQTT")
  func classic() throws {
    let text = try lines(Fixture(), 80, 24).joined(separator: "\n")
    for joint in 1...15 { #expect(text.contains("\nfinger-\(joint) "), "\(text)") }
    for part in ["hand left", "Λ 0.512858", "wake-up µs", "recorder 1234000", "MQTT connected"] {
      #expect(text.contains(part), "no \(part) in \(text)")
    }
  }

  @Test("a fault and missing real time take their lines from latencies, not from joints")
  func crowded() throws {
    let fixture = Fixture(
      state: "fault", fault: "uncertified budget spent, the longest of all causes there are",
      faultJoint: "finger-15", degraded: ["memory is not locked"])
    let text = try lines(fixture, 80, 24).joined(separator: "\n")
    #expect(text.contains("DEGRADED") && text.contains("there are (finger-15)"), "\(text)")
    #expect(text.contains("\nfinger-15 ") && !text.contains("wake-up"), "\(text)")
  }

  @Test("joints without room are counted, and one that is stale or at fault is not among them")
  func more() throws {
    var fixture = Fixture(state: "fault", fault: "stale", faultJoint: "finger-14")
    fixture.joints[14].isStale = true
    let lines = try lines(fixture, 40, 12)
    #expect(lines.contains { $0.contains("… 8 more") }, "\(lines)")
    #expect(lines.contains { $0.hasPrefix("finger-14 ") })
    #expect(lines.contains { $0.hasPrefix("finger-15 ") && $0.contains("STALE") && !$0.contains("0.7854") })
  }

  @Test("angles are in radians or degrees, and a servo's correction is an angle too")
  func units() throws {
    var fixture = Fixture()
    #expect(try lines(fixture, 80, 24).contains { $0.contains("q rad") && $0.contains("τ N m") })
    let inDegrees = LiveView(isDegrees: true)
    var text = try lines(fixture, 80, 24, inDegrees).joined(separator: "\n")
    #expect(
      text.contains("q °") && text.contains("w °/s") && text.contains(" 45.00 ") && text.contains(" 28.6 "))
    #expect(text.contains("0.0446"), "torque has no other unit")
    for index in fixture.joints.indices { fixture.joints[index].actuator = "servo" }
    #expect(try lines(fixture, 80, 24).contains { $0.contains("u rad") && !$0.contains("N m") })
    text = try lines(fixture, 80, 24, inDegrees).joined(separator: "\n")
    #expect(text.contains("u °") && text.contains(" 2.56 "), "\(text)")
    // Motors and servos in one hand: each with its unit.
    fixture.joints[0].actuator = "motor"
    text = try lines(fixture, 112, 30).joined(separator: "\n")
    #expect(text.contains("0.0446 N m") && text.contains("0.0446 rad") && text.contains("output"), "\(text)")
  }

  @Test("what no sensor measures is a dash, not a zero")
  func absent() throws {
    var fixture = Fixture()
    fixture.joints[0].amperes = nil
    let lines = try lines(fixture, 112, 30)
    #expect(lines.contains { $0.hasPrefix("finger-1 ") && $0.contains(" - ") && !$0.contains("0.0000") })
    #expect(lines.contains { $0.hasPrefix("finger-2 ") && $0.contains("0.1250") })
  }

  @Test("a zero has no sign")
  func zero() throws {
    var fixture = Fixture()
    fixture.joints[0].velocity = -1e-9
    let line = try #require(try lines(fixture, 80, 24).first { $0.hasPrefix("finger-1 ") })
    #expect(line.contains(" 0.000 ") && !line.contains("-0.000"), "\(line)")
  }

  @Test("nothing that a daemon says can move the cursor, and wide letters count twice")
  func hostile() throws {
    var fixture = Fixture(fault: "\u{1B}[2J\nx\u{202E}", hand: "\u{1B}]0;mine\u{7}手手手手")
    fixture.joints[0].name = "手手手手手手手手手手手手手手手手手手手手\u{9B}2J"
    for (columns, rows) in Self.sizes {
      let lines = try lines(fixture, columns, rows)
      let forbidden: Set<Unicode.GeneralCategory> = [.control, .format]
      #expect(
        lines.allSatisfy {
          $0.unicodeScalars.allSatisfy { !forbidden.contains($0.properties.generalCategory) }
        })
      #expect(lines.allSatisfy { ScreenText.width($0) <= columns }, "\(lines)")
    }
    #expect(ScreenText.width("手a\u{301}") == 3)
    #expect(try lines(fixture, 112, 30).joined().contains(#"\u{1B}[2J\u{A}x\u{202E}"#))
  }

  @Test("colour is a choice, and takes no room")
  func colour() throws {
    let lines = LiveView().lines(try snapshot(Fixture()), size: .init(columns: 80, rows: 24))
    let line = try #require(lines.first { $0.text(isColoured: false).hasPrefix("state ") })
    #expect(line.text(isColoured: true).contains("\u{1B}[33mtracking\u{1B}[0m"))
    #expect(!line.text(isColoured: false).contains("\u{1B}"))
    #expect(line.width == ScreenText.width(line.text(isColoured: false)))
  }

  @Test("the status in a file says everything, however long")
  func status() throws {
    var fixture = Fixture()
    fixture.degraded = Array(repeating: "memory is not locked", count: 9) + ["the last reason"]
    let text = LiveView().text(try snapshot(fixture), columns: 40)
    #expect(
      text.contains("the last reason\n") && text.contains("\nfinger-15 ") && !text.contains("…"), "\(text)")
    #expect(text.contains("MQTT connected") && !text.contains("space stop"))
  }

  @Test("for a file there is one line with state, outputs, fault and what is stale")
  func summary() throws {
    var fixture = Fixture(state: "fault", fault: "bus fault", faultJoint: "finger-3")
    fixture.joints[2].isStale = true
    let line = LiveView().summary(try snapshot(fixture))
    #expect(!line.contains("\n") && !line.contains("\u{1B}"))
    for part in [
      "state fault", "outputs LIVE", "fault bus fault (finger-3)", "tick 1234567", "stale finger-3",
    ] {
      #expect(line.contains(part), "no \(part) in \(line)")
    }
  }

  @Test("keys are told from the sequences of other keys, and a space is always one")
  func keys() {
    for (typed, keys) in [
      ("q", "q"), ("\u{1B}[Bq", "q"), ("\u{1B}[15~d", "d"), ("\u{1B}Odr", "r"), ("\u{1B}q ", " "),
      ("\u{1B}[1; ", " "),
      ("dr \u{1B}[A q", "dr  q"), ("\u{1B}\u{1B}[Aq", "q"),
    ] {
      #expect(String(Terminal.keys(in: Array(typed.utf8)[...])) == keys, "\(typed.debugDescription)")
    }
  }
}
