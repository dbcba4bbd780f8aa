import Foundation
import Testing

/// A directory of a test, gone with it.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/motorhand-gateway-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw CocoaError(.fileWriteUnknown) }
    path = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Runs what waits on a thread of its own, as the gateway does: it must not hold one of those that tasks share.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
  }
}

/// Programs of others, which Scripts/python-peers installs.
enum Peers {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// What a program below Tests prints. Fails with what it says where it ends with anything but 0.
  static func run(
    _ program: String, requirements: String, _ arguments: [String], input: String = ""
  ) throws -> String {
    let python = try output(tests + "/../Scripts/python-peers", ["\(tests)/\(requirements)"], input: "")
    return try output(
      python.trimmingCharacters(in: .whitespacesAndNewlines), ["\(tests)/\(program)"] + arguments,
      input: input)
  }

  private static func output(_ program: String, _ arguments: [String], input: String) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func file(_ name: String, _ text: String) throws -> URL {
      let file = folder.appendingPathComponent(name)
      try Data(text.utf8).write(to: file)
      return file
    }
    let (given, printed, failed) = (
      try file("input", input), try file("output", ""), try file("errors", "")
    )
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = try FileHandle(forReadingFrom: given)
    process.standardOutput = try FileHandle(forWritingTo: printed)
    process.standardError = try FileHandle(forWritingTo: failed)
    try process.run()
    process.waitUntilExit()
    let errors = String(decoding: try Data(contentsOf: failed), as: UTF8.self)
    try #require(process.terminationStatus == 0, "\(program): \(errors)")
    return String(decoding: try Data(contentsOf: printed), as: UTF8.self)
  }
}
