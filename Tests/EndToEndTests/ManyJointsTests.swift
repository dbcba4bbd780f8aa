import Foundation
import Testing

extension EndToEnd {
  @Suite("Hands of many joints")
  struct ManyJointsTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    /// A shipped hand.
    struct Hand: CustomTestStringConvertible {
      var name: String
      var joints: Int
      /// In the order in which the script takes them.
      var poses: [String]

      var board: String { "\(Repository.root)/Boards/\(name).yaml" }
      var calibration: String { "\(Repository.root)/Calibration/\(name).yaml" }
      var testDescription: String { name }
    }

    private static let poses = ["power", "precision", "pointing", "spread", "rest", "open"]
    static let hands = [
      Hand(name: "sim-17", joints: 17, poses: poses), Hand(name: "sim-24", joints: 24, poses: poses),
    ]

    /// Seconds of a motion, and between two of them.
    private static let motion = 0.55
    private static let pause = 0.75

    /// Arms the hand and leads it through its poses.
    private func script(_ hand: Hand) throws -> String {
      var lines = [#"{"at": 0.2, "verb": "arm"}"#]
      for (index, pose) in hand.poses.enumerated() {
        lines.append(
          #"{"at": \#(0.4 + Double(index) * Self.pause), "verb": "pose", "pose": "\#(pose)", "seconds": \#(Self.motion)}"#
        )
      }
      let path = bench.path("script.jsonl")
      try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
      return path
    }

    /// Runs the hand through its poses; returns its recording.
    private func run(_ hand: Hand, broker: TestBroker) throws -> String {
      let data = bench.path("recordings")
      let outcome = try bench.run(
        Repository.built("motorhandd"),
        [
          "--virtual", "--seconds", "\(0.5 + Double(hand.poses.count) * Self.pause)", "--board", hand.board,
          "--calibration", hand.calibration, "--script", try script(hand), "--data", data, "--broker",
          broker.url,
          "--hand", hand.name,
        ])
      try #require(outcome.status == 0, "\(outcome.errors)")
      #expect(!outcome.errors.contains("fault"), "\(outcome.errors)")
      return data
    }

    @Test("the buses bear the rate and every joint is certified", arguments: hands)
    func check(hand: Hand) throws {
      struct Report: Decodable {
        struct Joint: Decodable { var lipschitz: Double }
        var joints: [Joint]
        var fits: Bool
      }
      let outcome = try bench.motorhand("check", hand.board, "--json")
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
      let report = try outcome.decoded(Report.self)
      #expect(report.fits && report.joints.count == hand.joints)
      #expect(report.joints.allSatisfy { $0.lipschitz < 1 })
    }

    @Test(
      "a hand goes through its grasps, recorded without a gap, published, and replayed to the bit",
      .enabled(if: TestBroker.isInstalled), arguments: hands)
    func grasps(hand: Hand) throws {
      let broker = try TestBroker(bench)
      let messages = try broker.subscribe("motorhand/hand/\(hand.name)/#")
      let data = try run(hand, broker: broker)

      let info = try bench.motorhand("log", "info", data)
      #expect(info.output.contains("missing        0 ticks"), "\(info.output)")
      #expect(info.output.contains("faults         none"), "\(info.output)")
      let replay = try bench.motorhand("log", "replay", data)
      #expect(replay.status == 0 && replay.output.contains("identical to the bit"), "\(replay.output)")

      // Where each motion must have arrived, by the last tick before the next one.
      let export = try bench.motorhand("log", "export", "--csv", data)
      let rows = export.output.split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
      }
      let header = try #require(rows.first).map { $0.split(separator: " ")[0] }
      let measured = header.indices.filter { header[$0].hasSuffix(".position_radians") }
      let setpoints = header.indices.filter { header[$0].hasSuffix(".setpoint_radians") }
      try #require(measured.count == hand.joints && setpoints.count == hand.joints)
      var last: [Double]?
      for index in hand.poses.indices {
        let tick = Int((0.4 + Double(index + 1) * Self.pause) * 1000) - 5
        let row = rows[1 + tick]
        let target = try setpoints.map { try #require(Double(row[$0])) }
        let position = try measured.map { try #require(Double(row[$0])) }
        for (target, position) in zip(target, position) { #expect(abs(target - position) < 0.1) }
        #expect(target != last, "no motion before tick \(tick)")
        last = target
      }

      struct Birth: Decodable {
        struct Joint: Decodable { var name: String }
        var joints: [Joint]
      }
      struct State: Decodable { var state: String }
      var states: [String] = []
      var birth: Birth?
      for line in messages.output.split(separator: "\n") {
        let parts = line.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { continue }
        let payload = Data(parts[1].utf8)
        if parts[0].hasSuffix("/birth") { birth = try JSONDecoder().decode(Birth.self, from: payload) }
        if parts[0].hasSuffix("/state") {
          states.append(try JSONDecoder().decode(State.self, from: payload).state)
        }
      }
      #expect(birth?.joints.count == hand.joints)
      #expect(states.contains("tracking") && states.contains("armed"), "\(Set(states))")
    }
  }
}
