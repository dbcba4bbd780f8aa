import Foundation
import Testing

@testable import Analysis
@testable import Realtime

/// The compile-time proof rests on `@_noLocks`, an underscored attribute: these tests fail when a compiler no
/// longer checks it.
@Suite struct CompilerCheckTests {
  @Test(
    "the compiler refuses an allocation, a lock and a throw in annotated code",
    .enabled(if: TestPrograms.isInstalled("swiftc")),
    arguments: [
      ("value &+ 1", true), ("[value].count", false), ("mutex.withLock { $0 }", false),
      ("(try? unsafe()) ?? 0", false),
    ])
  func compilerCheck(expression: String, isAccepted: Bool) throws {
    try TestPrograms.withFolder { folder in
      let source = """
        import Synchronization
        struct Failure: Error {}
        func unsafe() throws -> Int { throw Failure() }
        @_noLocks func tick(_ value: Int, _ mutex: borrowing Mutex<Int>) -> Int { \(expression) }
        """
      try source.write(toFile: folder + "/tick.swift", atomically: true, encoding: .utf8)
      let result = try ChildProcess.run(
        "swiftc", ["-Onone", "-c", "-o", folder + "/tick.o", folder + "/tick.swift"])
      #expect((result.status == 0) == isAccepted)
    }
  }
}
