import Foundation
import Testing

extension EndToEnd {
  /// What the README shows of the gateway, with a client that is not ours.
  @Suite("A gateway, a broker and a hand", .enabled(if: TestBroker.isInstalled, needsBroker))
  struct GatewayTests {
    /// Loading the client from PyPI, starting a database, and a hand of an unoptimised build on a busy machine.
    private static let seconds = 600.0

    /// The gateway is built beside this program; what users run may be elsewhere.
    private static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().path

    @Test("a setting that cannot be is told with its place and what was expected; nothing is started")
    func settings() throws {
      let bench = try TestBench()
      let file = bench.path("settings.yaml")
      func outcome(_ arguments: [String], _ text: String = "") throws -> (status: Int32, errors: String) {
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let outcome = try bench.run(
          Self.folder + "/motorhand-gateway", ["serve", "--check", "--data", bench.path("data")] + arguments)
        return (outcome.status, outcome.errors)
      }
      #expect(try outcome([]).status == 0)
      for (arguments, text, said) in [
        (["--broker", "tcp://x"], "", "--broker: broker scheme 'tcp': expected mqtt or mqtts"),
        (["--listen", "8000"], "", "--listen: found 8000, expected HOST:PORT"),
        (["--token-minutes", "0"], "", "--token-minutes: found 0, expected 1 to 1440"),
        (["--keep-days", "x"], "", "--keep-days: found x, expected 1 to 36500"),
        (["--replica", "a b"], "", "--replica: found a b"),
        (["--postgres", "host=x password=y"], "", "--postgres: found a password"),
        (["--config", bench.path("none")], "", "none: it cannot be read"),
        (
          ["--config", file], "broker: mqtt://x\nport: 1\n",
          "settings.yaml:2: found port, expected one of broker"
        ),
        (["--config", file], "- broker\n", "expected lines of name: value"),
        (["--config", file], "listen: [1]\n", "settings.yaml:1: listen: expected one value"),
        (["--config", file], "token-minutes: many\n", "settings.yaml:1: found many"),
      ] {
        let (status, errors) = try outcome(arguments, text)
        #expect(status == 64 && errors.contains(said), "\(arguments): \(status): \(errors)")
      }
      let dead = try outcome(["--postgres", "host=\(bench.path("nowhere")) dbname=x"])
      #expect(dead.status == 2 && dead.errors.contains("the store does not answer"), "\(dead)")
    }

    @Test("asked to end, the gateway ends in order and soon, whoever is connected and has said nothing")
    func end() throws {
      let bench = try TestBench()
      let gateway = try bench.start(
        Self.folder + "/motorhand-gateway",
        [
          "serve", "--data", bench.path("data"), "--broker", "mqtt://127.0.0.1:1", "--listen", "127.0.0.1:0",
          "--websocket", "none",
        ])
      func port() -> Substring? {
        gateway.errors.split(separator: "\n").compactMap { line in
          line.range(of: "api: listening on port ").map { line[$0.upperBound...] }
        }.first
      }
      try #require(waitUntil(seconds: 60) { port() != nil }, "\(gateway.errors)")
      let silent = try bench.start(
        "/bin/bash",
        ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port() ?? ""); echo connected; read -r -t 60 line <&3"])
      try #require(waitUntil(seconds: 60) { silent.output.contains("connected") })
      gateway.send(SIGTERM)
      // Less than a silent client has for its first request.
      #expect(gateway.waitForExit(seconds: 15) == 0, "\(gateway.errors)")
      #expect(gateway.errors.contains("ended"), "\(gateway.errors)")
    }

    @Test(
      "a client logs in, sees the hand by REST and WebSocket, commands it, and finds all of it audited and stored",
      arguments: [[], ["--postgres"]])
    func tour(options: [String]) throws {
      let bench = try TestBench()
      // The gateway is built beside this program; what users run may be elsewhere.
      let run = try bench.start(
        "/usr/bin/env", ["MOTORHAND_BIN=\(Self.folder)", Repository.root + "/Scripts/run-gateway"] + options)
      let status = run.waitForExit(seconds: Self.seconds)
      #expect(status == 0, "\(run.output)\n\(run.errors.suffix(3000))")
      #expect(run.output.split(separator: "\n").count { $0.hasPrefix("✔") } == 13, "\(run.output)")
    }
  }
}
