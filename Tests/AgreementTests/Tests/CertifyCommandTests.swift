import Foundation
import Testing

@testable import Analysis
@testable import Control
@testable import HandModel
@testable import PrimalLogic
@testable import Realtime

/// `motorhand certify` as users run it, in the release build (see AgreementTests).
@Suite("motorhand certify")
struct CertifyCommandTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private static let program =
    (ProcessInfo.processInfo.environment["MOTORHAND_BIN"].map { URL(filePath: $0) }
    ?? root.appending(path: ".build/release")).appending(path: "motorhand").path

  private static func board(_ name: String) -> String { root.appending(path: "Boards/\(name).yaml").path }
  private static func calibration(_ name: String) -> String {
    root.appending(path: "Calibration/\(name).yaml").path
  }

  private func certify(_ arguments: [String]) throws -> ChildProcess.Result {
    try #require(
      FileManager.default.isExecutableFile(atPath: Self.program),
      "\(Self.program) is missing: run swift build -c release, or name its folder in MOTORHAND_BIN")
    return try ChildProcess.run(Self.program, ["certify"] + arguments)
  }

  private func joints(_ result: ChildProcess.Result) throws -> [[String: Any]] {
    let report = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    return try #require(report?["joints"] as? [[String: Any]])
  }

  /// The nominal hand with some of its defaults replaced, as a file.
  private func changed(_ changes: [(String, String)]) throws -> String {
    var text = try String(contentsOfFile: Self.calibration("nominal-hand"), encoding: .utf8)
    for (old, new) in changes {
      try #require(text.contains(old))
      text = text.replacingOccurrences(of: old, with: new)
    }
    let path = FileManager.default.temporaryDirectory.appending(path: "hand-\(UUID().uuidString).yaml").path
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test(
    "the nominal hand has N and U at every joint, U for slopes from 0.25 on, and its margins are where N ends"
  )
  func nominalHand() throws {
    let result = try certify([Self.board("sim"), "--calibration", Self.calibration("nominal-hand"), "--json"])
    #expect(result.status == 0)
    let joints = try joints(result)
    #expect(joints.count == 15)
    for joint in joints {
      let uncertain = try #require(joint["uncertain"] as? [String: Double])
      #expect(try #require(uncertain["smallestSlope"]) <= 0.25)
      #expect(try #require(uncertain["ratePerSecond"]) > 0.45)
      #expect(joint["refusal"] == nil)
    }
    let margins = try #require(joints[0]["margins"] as? [[String: Any]])
    let kp = try #require(margins.first { $0["parameter"] as? String == "kp_N_m_per_rad" })
    let highest = try #require(kp["highest"] as? Double)
    for (factor, status) in [(0.99, 0), (1.1, 3)] as [(Double, Int32)] {
      let file = try changed([("kp_N_m_per_rad: 1.5", "kp_N_m_per_rad: \(factor * highest)")])
      defer { try? FileManager.default.removeItem(atPath: file) }
      #expect(
        try certify([Self.board("sim"), "--calibration", file, "--json"]).status == status,
        "kp \(factor) × \(highest)")
    }
  }

  @Test("a refused hand ends with 3 and names a change that certifies it; made, it does")
  func remedy() throws {
    let broken = try changed([
      ("back_calculation_rad_s_per_N_m: 0.02", "back_calculation_rad_s_per_N_m: 0.0")
    ])
    defer { try? FileManager.default.removeItem(atPath: broken) }
    let result = try certify([Self.board("sim"), "--calibration", broken, "--json"])
    #expect(result.status == 3)
    let joint = try #require(try joints(result).first)
    #expect((joint["refusal"] as? String)?.contains("must not be armed") == true)
    let remedies = try #require(joint["remedies"] as? [String])
    let remedy = try #require(remedies.first { $0.hasPrefix("back_calculation_rad_s_per_N_m at least ") })
    let value = try #require(remedy.split(separator: " ").dropFirst(3).first)
    let mended = try changed([
      ("back_calculation_rad_s_per_N_m: 0.02", "back_calculation_rad_s_per_N_m: \(value)")
    ])
    defer { try? FileManager.default.removeItem(atPath: mended) }
    #expect(try certify([Self.board("sim"), "--calibration", mended, "--json"]).status == 0)
  }

  @Test("suggested gains, pasted into the calibration, are certified with the L that was promised")
  func suggestion() throws {
    let advice = try certify([
      Self.board("sim"), "--calibration", Self.calibration("nominal-hand"), "--suggest", "--stiffness", "2.5",
      "--damping-ratio", "0.8",
    ])
    #expect(advice.status == 0)
    let section = advice.output.split(separator: "\n").drop { $0 != "gains:" }.dropFirst()
    #expect(section.count == 5)
    var changes: [(String, String)] = []
    for (line, old) in zip(section, ["1.5", "0.06", "0.8", "0.115", "0.02"]) {
      let key = try #require(line.split(separator: ":").first)
      changes.append(("  \(key): \(old)\n", "  \(line)\n"))
    }
    let file = try changed(changes)
    defer { try? FileManager.default.removeItem(atPath: file) }
    let result = try certify([Self.board("sim"), "--calibration", file, "--json"])
    #expect(result.status == 0)
    let nominal = try #require(try joints(result)[0]["nominal"] as? [String: Double])
    let found = String(format: "%.9f", try #require(nominal["lipschitz"]))
    #expect(advice.output.contains("L \(found)"))
  }

  @Test("a servo softer than itself, or damped less than itself, is refused with what to ask for")
  func impossibleWishes() throws {
    for wish in [["--stiffness", "0.9"], ["--stiffness", "1.2", "--damping-ratio", "0.4"]] {
      let result = try certify(
        [Self.board("sim-servo"), "--calibration", Self.calibration("servo-hand"), "--suggest"] + wish)
      #expect(result.status == 3 && result.output.isEmpty)
    }
    #expect(try certify([Self.board("sim"), "--suggest"]).status == 64)
    #expect(try certify([Self.board("sim"), "--plot", "x.svg", "--x", "kp", "--y", "kp"]).status == 64)
  }

  @Test("the map shows all three regions, the present gains in the certified one, and axes with units")
  func map() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "map-\(UUID().uuidString).svg").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let result = try certify([
      Self.board("sim"), "--calibration", Self.calibration("nominal-hand"), "--plot", path, "--joint",
      "index-distal", "--x",
      "km", "--y", "kd", "--x-max", "80",
    ])
    #expect(result.status == 0)
    let svg = try String(contentsOfFile: path, encoding: .utf8)
    let parsed = XMLSketch(svg)
    #expect(parsed.isBalanced)
    // Certified, stable and unstable; each also once in the legend.
    for color in ["#3f7fb5", "#f6dd8a", "#b9b4b4"] {
      #expect(svg.components(separatedBy: color).count - 1 > 5, "\(color)")
    }
    for text in ["index-distal", "Km, N m/(rad s)", "Kd, N m s/rad", "present gains", "1000 Hz"] {
      #expect(svg.contains(text), "\(text)")
    }
    // K_m = 60, K_d = 0.02: far beyond Routh's window. The cell under a point is the last drawn there.
    let (left, bottom, side) = (90.0, 550.0, 480.0)
    let beyondWindow = parsed.color(x: left + 60.0 / 80 * side, y: bottom - 0.02 / 0.18 * side)
    let near = parsed.color(x: left + 4.0 / 80 * side, y: bottom - 0.06 / 0.18 * side)
    #expect(beyondWindow == "#b9b4b4" && near == "#3f7fb5")
  }
}

/// As much of an SVG as the test of the map needs.
private struct XMLSketch {
  private let rectangles: [(x: Double, y: Double, width: Double, height: Double, fill: String)]
  let isBalanced: Bool

  init(_ text: String) {
    let elements = text.split(separator: "<").map(String.init)
    let closing = elements.count { $0.hasPrefix("/") }
    let opening = elements.count { !$0.hasPrefix("/") && !$0.contains("/>") }
    isBalanced = opening == closing && opening > 3
    rectangles = elements.filter { $0.hasPrefix("rect x=") }.compactMap { element in
      func attribute(_ name: String) -> String {
        element.components(separatedBy: " \(name)=\"").dropFirst().first?.components(separatedBy: "\"").first
          ?? ""
      }
      guard let x = Double(attribute("x")), let y = Double(attribute("y")),
        let width = Double(attribute("width")), let height = Double(attribute("height"))
      else { return nil }
      return (x, y, width, height, attribute("fill"))
    }
  }

  func color(x: Double, y: Double) -> String? {
    rectangles.last {
      $0.fill != "none" && x >= $0.x && x < $0.x + $0.width && y >= $0.y && y < $0.y + $0.height
    }?.fill
  }
}
