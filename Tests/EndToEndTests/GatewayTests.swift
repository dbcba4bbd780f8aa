import Foundation
import Testing

extension EndToEnd {
  /// What the README shows of the gateway, with a client that is not ours.
  @Suite("A gateway, a broker and a hand", .enabled(if: TestBroker.isInstalled, needsBroker))
  struct GatewayTests {
    /// Loading the client from PyPI, starting a database, and a hand of an unoptimised build on a busy machine.
    private static let seconds = 600.0

    @Test(
      "a client logs in, sees the hand by REST and WebSocket, commands it, and finds all of it audited and stored",
      arguments: [[], ["--postgres"]])
    func tour(options: [String]) throws {
      let bench = try TestBench()
      // The gateway is built beside this program; what users run may be elsewhere.
      let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().path
      let run = try bench.start(
        "/usr/bin/env", ["MOTORHAND_BIN=\(folder)", Repository.root + "/Scripts/run-gateway"] + options)
      let status = run.waitForExit(seconds: Self.seconds)
      #expect(status == 0, "\(run.output)\n\(run.errors.suffix(3000))")
      #expect(run.output.split(separator: "\n").count { $0.hasPrefix("✔") } == 13, "\(run.output)")
    }
  }
}
