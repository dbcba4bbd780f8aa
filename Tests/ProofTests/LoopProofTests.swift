import Foundation
import Testing

/// Proofs on the release build, which `Scripts/test` makes before the tests.
@Suite struct LoopProofTests {
  @Test("the loop of a moving hand makes no allocation, lock, page fault or unexpected call in 10,000 ticks")
  func loopThread() async throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let output = FileManager.default.temporaryDirectory.appendingPathComponent("proof-\(UUID()).txt")
    _ = FileManager.default.createFile(atPath: output.path, contents: nil)
    defer { try? FileManager.default.removeItem(at: output) }
    let handle = try FileHandle(forWritingTo: output)
    let proof = Process()
    proof.executableURL = root.appendingPathComponent("Tests/Probe/daemon")
    proof.standardOutput = handle
    proof.standardError = handle
    // The termination handler, not `waitUntilExit`: the latter needs a run loop on this thread.
    let status = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
      proof.terminationHandler = { done.resume(returning: $0.terminationStatus) }
      do { try proof.run() } catch { done.resume(throwing: error) }
    }
    let text = try String(contentsOf: output, encoding: .utf8)
    #expect(status == 0, "\(text)")
    #expect(text.contains("proven over "), "\(text)")
  }
}
