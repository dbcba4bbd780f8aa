import Foundation
import Testing

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
    "30 random joints with random uncertainties: no plant, dt, delay or slope within them exceeds U's table in SciPy",
    .enabled(if: scipyIsThere, "SciPy is missing: Scripts/setup installs it"))
  func uncertain() throws {
    let counts = try agreement(["uncertain", "2", "30"])
    #expect(counts["failures"] == 0)
    #expect(counts["certified"] ?? 0 > 25)
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
    "pairs of simulated hands never separate faster than L: nominal against N, corners and inside against U")
  func simulated() throws {
    let seed = 3
    let ticks = 20_000
    let lines = try samples(["simulate", "\(seed)", "20", "\(ticks)"])
    var saturated = 0
    for line in lines.split(separator: "\n") {
      let joint = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      let worst = try #require(joint["worst"] as? Double)
      #expect(worst <= 1 + 1e-9, "seed \(seed): \(line)")
      #expect(try #require(joint["certified"] as? Int) > ticks / 4, "seed \(seed): \(line)")
      saturated += try #require(joint["saturated"] as? Int)
    }
    #expect(saturated > 10_000)
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
