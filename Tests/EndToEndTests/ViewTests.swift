import Foundation
import Testing

extension EndToEnd {
  @Suite("Watching a hand")
  struct ViewTests {
    private let bench: TestBench

    init() throws { bench = try TestBench() }

    private func watch(
      _ daemon: TestDaemon, _ arguments: [String] = [], columns: Int = 80, rows: Int = 24,
      environment: [String: String] = [:]
    ) throws -> PseudoTerminal {
      try PseudoTerminal(
        Repository.built("motorhand"), ["watch", "--socket", daemon.socket] + arguments, columns: columns,
        rows: rows, environment: environment)
    }

    @Test(
      "on a terminal the view fits and follows its size, a space stops the hand, d and r turn units, q ends")
    func keys() throws {
      let daemon = try TestDaemon(bench)
      try daemon.execute("arm")
      let terminal = try watch(daemon)
      func fits(_ columns: Int, _ rows: Int) -> Bool {
        terminal.frame.count <= rows && terminal.frame.allSatisfy { $0.count < columns }
      }
      #expect(
        terminal.shows { $0.contains { $0.contains("state armed  outputs LIVE") } }, "\(terminal.frame)")
      #expect(terminal.frame.contains { $0.hasPrefix("little-distal ") } && fits(80, 24), "\(terminal.frame)")
      terminal.press("d")
      #expect(terminal.shows { $0.contains { $0.contains("q °") } }, "\(terminal.frame)")
      terminal.press("r")
      #expect(terminal.shows { $0.contains { $0.contains("q rad") } }, "\(terminal.frame)")
      terminal.press(" ")
      #expect(terminal.shows { $0.last?.contains("stop: executed") == true }, "\(terminal.frame)")
      #expect(try daemon.status().state == "e-stop")
      #expect(terminal.shows { $0.contains { $0.contains("fault e-stop by local command") } })
      terminal.resize(columns: 40, rows: 12)
      #expect(terminal.shows { $0.contains { $0.contains("more") } }, "\(terminal.frame)")
      #expect(fits(40, 12), "\(terminal.frame)")
      terminal.press("q")
      #expect(terminal.waitForExit() == 0)
      #expect(terminal.isRestored)
    }

    @Test("the terminal is given back after Ctrl-C, SIGTERM and a daemon that died")
    func restored() throws {
      let daemon = try TestDaemon(bench)
      for signal in [SIGINT, SIGTERM] {
        let terminal = try watch(daemon)
        #expect(terminal.shows { !$0.isEmpty })
        Foundation.kill(terminal.process.processIdentifier, signal)
        #expect(terminal.waitForExit() == 0)
        #expect(terminal.isRestored)
      }
      let terminal = try watch(daemon)
      #expect(terminal.shows { !$0.isEmpty })
      daemon.program.kill()
      #expect(terminal.waitForExit() == 5)
      #expect(terminal.isRestored)
      let last = terminal.output.components(separatedBy: "\u{1B}[?1049l").last
      #expect(last?.contains("the daemon closed the connection") == true, "\(terminal.output.suffix(200))")
    }

    @Test("NO_COLOR takes the colours, TERM=dumb the drawing")
    func plain() throws {
      let daemon = try TestDaemon(bench)
      let coloured = try watch(daemon)
      #expect(coloured.shows { !$0.isEmpty } && coloured.output.contains("\u{1B}[32midle"))
      let plain = try watch(daemon, environment: ["NO_COLOR": "1"])
      #expect(plain.shows { $0.contains { $0.contains("state idle") } })
      #expect(!plain.output.contains("\u{1B}[32m"))
      let dumb = try watch(daemon, ["--seconds", "1"], environment: ["TERM": "dumb"])
      #expect(dumb.waitForExit() == 0)
      #expect(dumb.output.contains("state idle  outputs off") && !dumb.output.contains("\u{1B}"))
    }

    @Test("into a file goes a line at once, one a second, and one at every change")
    func file() throws {
      let daemon = try TestDaemon(bench)
      let watch = try bench.start(
        Repository.built("motorhand"), ["watch", "--socket", daemon.socket])
      func lines() -> [Substring] { watch.output.split(separator: "\n") }
      #expect(waitUntil { lines().count == 1 }, "\(watch.output)")
      let first = try #require(lines().first)
      #expect(first.contains("state idle  outputs off") && first.contains("fault none"), "\(first)")
      #expect(waitUntil { lines().count >= 3 }, "\(watch.output)")
      try daemon.execute("arm")
      try daemon.execute("stop")
      #expect(waitUntil { lines().last?.contains("state e-stop") == true }, "\(watch.output)")
      #expect(!watch.output.contains("\u{1B}"))
      watch.send(SIGTERM)
      #expect(watch.waitForExit(seconds: 5) == 0)
      // A few lines a second at most, however many snapshots there were.
      #expect(lines().count < 20, "\(watch.output)")
    }

    @Test("a reader that has seen enough ends the watch in silence", arguments: [[], ["--json"]])
    func reader(options: [String]) throws {
      let daemon = try TestDaemon(bench)
      let outcome = try bench.run(
        "/bin/bash",
        [
          "-o", "pipefail", "-c", #""$@" | head -n 1"#, "bash", Repository.built("motorhand"), "watch",
          "--socket",
          daemon.socket,
        ] + options)
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      #expect(outcome.output.split(separator: "\n").count == 1 && outcome.output.contains("idle"))
    }

    @Test("what a full device loses is an error")
    func full() throws {
      let daemon = try TestDaemon(bench)
      let outcome = try bench.run(
        "/bin/sh",
        ["-c", #""$@" > /dev/full"#, "sh", Repository.built("motorhand"), "watch", "--socket", daemon.socket])
      #expect(outcome.status == 1 && outcome.errors.contains("No space left"), "\(outcome.errors)")
    }

    @Test("a daemon that refuses a client says why, and the command ends with 1")
    func refused() throws {
      let server = try RefusingServer(bench.path("full.sock"), reason: "too many clients: 16 are connected")
      for arguments in [["status"], ["watch"], ["stop"], ["arm"], ["demo", "--seconds", "1"]] {
        let outcome = try bench.run(Repository.built("motorhand"), arguments + ["--socket", server.path])
        #expect(outcome.status == 1, "\(arguments): \(outcome.errors)")
        #expect(outcome.errors.contains("too many clients: 16"), "\(arguments): \(outcome.errors)")
      }
      for verb in ["status", "watch", "stop"] {
        let outcome = try bench.run(Repository.built("motorhand"), [verb, "--json", "--socket", server.path])
        #expect(outcome.status == 1, "\(verb): \(outcome.errors)")
        #expect(try outcome.decoded(SocketClient.Reply.self).result == "refused")
      }
    }
  }
}

/// A daemon without a place: each client gets a refusal and is closed before it has said a word.
private final class RefusingServer {
  let path: String
  private let listener: Int32
  private let thread: Thread

  init(_ path: String, reason: String) throws {
    self.path = path
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    self.listener = listener
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0 && listen(listener, 4) == 0)
    let refusal = #"{"id":"","result":"refused","reason":"\#(reason)"}"# + "\n"
    thread = Thread {
      while true {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return }
        _ = send(client, refusal, refusal.utf8.count, Int32(MSG_NOSIGNAL))
        close(client)
      }
    }
    thread.start()
  }

  // Ends the thread's accept.
  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }
}
