import Foundation
import Testing

@testable import Analysis
@testable import Control
@testable import Realtime

/// Certificates of random joints against the same mathematics in SciPy, and against simulated hands.
///
/// Tested is the optimised build: the program in the folder MOTORHAND_BIN, else in .build/release, as for
/// ProofTests. Seeds are in the failure messages; run the program with them to repeat one.
@Suite("Certificates of random joints")
struct AgreementTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private static let program =
    (ProcessInfo.processInfo.environment["MOTORHAND_BIN"].map { URL(filePath: $0) }
    ?? root.appending(path: ".build/release")).appending(path: "certificate-samples").path
  private static let script =
    root.appending(path: "Tests/AgreementTests/Tests/agreement.py").path
  static let scipyIsThere =
    (try? ChildProcess.run("python3", ["-c", "import scipy.linalg"]))?.status == 0

  @Test(
    """
    1,000 random joints: P and L agree with SciPy to 10⁻⁹; every refused joint is unstable there, or the circle \
    criterion excludes its norm
    """, .enabled(if: scipyIsThere, "SciPy is missing: Scripts/setup installs it"))
  func nominal() throws {
    let counts = try agreement(["nominal", "1", "1000"])
    // The sample must have enough of each kind to say something.
    #expect(counts["failures"] == 0)
    #expect(counts["certified"] ?? 0 > 300 && counts["unstable"] ?? 0 > 50)
    #expect(counts["unprovable"] ?? 0 > 300)
  }

  @Test(
    "20 random joints with random observers and uncertainties: no plant, dt, delay, age or slope within them exceeds U's table in SciPy",
    .enabled(if: scipyIsThere, "SciPy is missing: Scripts/setup installs it"))
  func uncertain() throws {
    let counts = try agreement(["uncertain", "2", "20"])
    #expect(counts["failures"] == 0)
    #expect(counts["certified"] ?? 0 > 15)
  }

  /// As many processes side by side as the two cores of the smallest machine that runs this.
  private static let parts = 2
  /// Of each certified joint.
  private static let ticks = 1_000_000
  /// Rounding of two runs, in V⁺/(L V).
  private static let rounding = 1e-9

  @Test(
    """
    every certified one of the 1,000 random joints, simulated for a million ticks: no pair of nominal hands separates \
    faster than N says
    """, arguments: 0..<parts)
  func simulatedNominal(part: Int) throws {
    let joints = try simulate("simulate", seed: 1, count: 1_000, ticks: Self.ticks, part: part)
    #expect(joints.count > 300 / Self.parts)
    #expect(joints.reduce(0) { $0 + $1.saturated } > Self.ticks)
    for joint in joints {
      #expect(joint.worst <= 1 + Self.rounding, "\(joint)")
      #expect(joint.certified > Self.ticks / 20, "\(joint)")
    }
  }

  @Test(
    "100 random fingers of coupled joints: L agrees with SciPy, no slopes and dt exceed the table, refused are unstable",
    .enabled(if: scipyIsThere, "SciPy is missing: Scripts/setup installs it"))
  func coupled() throws {
    let counts = try agreement(["coupled", "4", "100"])
    #expect(counts["failures"] == 0)
    #expect(counts["certified"] ?? 0 > 70)
  }

  @Test(
    """
    every certified one of the 20 uncertain joints, simulated with its observer for a million ticks: no pair of hands, \
    corners and inside, separates faster than U says
    """, arguments: 0..<parts)
  func simulatedUncertain(part: Int) throws {
    let joints = try simulate("simulate-uncertain", seed: 2, count: 20, ticks: Self.ticks, part: part)
    #expect(joints.count > 15 / Self.parts)
    #expect(joints.reduce(0) { $0 + $1.saturated } > Self.ticks / 10)
    for joint in joints {
      #expect(joint.worst <= 1 + Self.rounding, "\(joint)")
      #expect(joint.certified > Self.ticks / 20, "\(joint)")
    }
  }

  @Test("a table lower by 10⁻⁷ is caught by the same simulation")
  func lowered() throws {
    let honest = try simulate("simulate", seed: 1, count: 40, ticks: 10_000, part: 0)
    #expect(honest.allSatisfy { $0.worst <= 1 + Self.rounding })
    let lowered = try simulate("simulate", seed: 1, count: 40, ticks: 10_000, part: 0, lowered: 1e-7)
    #expect(lowered.contains { $0.worst > 1 + 50 * Self.rounding })
  }

  /// One joint's line of `certificate-samples simulate`.
  private struct Simulated: Decodable {
    var certified: Int
    var saturated: Int
    var worst: Double
    var J: Double
    var T: Double
    var delay: Int
  }

  private func simulate(
    _ verb: String, seed: Int, count: Int, ticks: Int, part: Int, lowered: Double = 0
  ) throws -> [Simulated] {
    let words = [verb, "\(seed)", "\(count)", "\(ticks)", "\(part)", "\(Self.parts)", "\(lowered)"]
    let joints = try samples(words).split(separator: "\n").map {
      try JSONDecoder().decode(Simulated.self, from: Data($0.utf8))
    }
    print("certificate-samples \(words.joined(separator: " ")): \(joints.count) joints")
    return joints
  }

  private func samples(_ arguments: [String]) throws -> String {
    try #require(
      FileManager.default.isExecutableFile(atPath: Self.program),
      "\(Self.program) is missing: run swift build -c release, or name its folder in MOTORHAND_BIN")
    let result = try ChildProcess.run(Self.program, arguments)
    try #require(result.status == 0 && !result.output.isEmpty)
    return result.output
  }

  /// What agreement.py counted; its standard error, with the disagreements, is this process's.
  private func agreement(_ arguments: [String]) throws -> [String: Int] {
    let file = FileManager.default.temporaryDirectory.appending(path: "samples-\(UUID().uuidString).jsonl")
    defer { try? FileManager.default.removeItem(at: file) }
    try samples(arguments).write(to: file, atomically: true, encoding: .utf8)
    let result = try ChildProcess.run("python3", [Self.script, file.path])
    let counts = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Int]
    print("certificate-samples \(arguments.joined(separator: " ")): \(counts ?? [:])")
    return try #require(counts)
  }
}
