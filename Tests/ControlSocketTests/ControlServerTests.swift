import Foundation
import HandModel
import HandRigs
import Realtime
import Synchronization
import Testing

@testable import Control
@testable import ControlSocket
@testable import Runtime
@testable import Simulation

/// The control socket of a hand that runs in real time, through a real socket.
@Suite("Control socket", .serialized)
struct ControlServerTests {
  @Test("status is answered with the snapshot, a watcher gets one after the other")
  func status() throws {
    try SocketBench.withServer { path in
      #expect(try ControlClient(path: path).request(ControlServer.statusLine) == #"{"state":"as it is"}"#)
      let watcher = try ControlClient(path: path)
      try watcher.send(ControlServer.watchLine)
      for _ in 0..<3 { #expect(try watcher.receive(seconds: 2) == #"{"state":"as it is"}"#) }
    }
  }

  @Test(
    "blanks inside and around a request and a CR before its end do not matter",
    arguments: [
      #"{"verb": "status"}"#, "{\"verb\":\"status\"}\r", "  \t{\"verb\":\"status\"}",
      #"{"verb":"status"}   "#,
      "{ \"verb\" :\t\"status\" } \r", "\n\r\n{\"verb\":\"status\"}",
    ])
  func blanks(request: String) throws {
    try SocketBench.withServer { path in
      #expect(try ControlClient(path: path).request(request) == #"{"state":"as it is"}"#)
      let watcher = try ControlClient(path: path)
      try watcher.send(request.replacing("status", with: "watch"))
      for _ in 0..<2 { #expect(try watcher.receive(seconds: 2) == #"{"state":"as it is"}"#) }
      // So are commands, and a stop, which is answered though there is no loop to confirm it.
      let command = request.replacing("status", with: "jump")
      #expect(try ControlClient(path: path).request(command).contains(#"found \"jump\", expected one of"#))
      let stop = request.replacing("status", with: "stop")
      #expect(try ControlClient(path: path).request(stop).contains(#""result":"unconfirmed""#))
    }
  }

  @Test("a running hand is armed, stopped and reset through its socket")
  func commands() throws {
    // Room for a machine that runs other tests at the same time.
    var board = TestHand.board
    board.control.staleSampleNanoseconds = 5_000_000_000
    board.control.overrunBudgetTicks = 1_000_000
    board.control.uncertifiedBudgetTicks = 1_000_000
    let design = try HandDesign(board: board, calibration: TestHand.calibration)
    let runtime = try HandRuntime(
      design: design,
      hardware: SimulatedHand(
        board: design.board, calibration: design.calibration, seed: 1, clock: MonotonicClock()),
      clock: MonotonicClock())
    let path = SocketBench.freshPath()
    let queue = CommandQueue(port: runtime.port)
    let server = try ControlServer(path: path, sink: queue.sink(SocketBench.parser))
    try runtime.start(cpu: nil, requireRealtime: false)
    try queue.start()
    try server.start { #"{"state":"as it is"}"# }
    defer {
      runtime.stop()
      queue.stop()
      server.stop()
      unlink(path + ".lock")
    }
    let client = try ControlClient(path: path)
    let clock = MonotonicClock()
    func waitFor(_ state: HandState) throws {
      let end = clock.now() + 10_000_000_000
      while runtime.latestRecord().state != state {
        try #require(clock.now() < end, "\(runtime.latestRecord().state), \(runtime.latestRecord().fault)")
        clock.sleep(until: clock.now() + 1_000_000)
      }
    }
    try waitFor(.idle)
    #expect(try client.request(#"{"verb":"pose","pose":"power"}"#).contains("not armed"))
    #expect(try client.request(#"{"id":"a","verb":"arm"}"#) == CommandReply.executed.replyJSON(id: "a"))
    #expect(runtime.latestRecord().outputsEnabled)
    #expect(try client.request(#"{"verb":"pose","pose":"power","seconds":0.5}"#).contains("executed"))
    try waitFor(.armed)
    #expect(abs(runtime.latestRecord().joints[3].positionRadians - TestHand.pose("power")[3]) < 0.1)
    #expect(try client.request(#"{"verb":"stop"}"#).contains("executed"))
    #expect(runtime.latestRecord().fault == .eStopSocket && !runtime.latestRecord().outputsEnabled)
    #expect(runtime.port.submit(.reset, source: .mqtt) != .executed)
    #expect(try client.request(#"{"verb":"reset"}"#).contains("executed"))
    #expect(runtime.latestRecord().state == .idle)
  }

  @Test(
    "a malformed line is refused and the connection stays",
    arguments: [
      "{", "arm", "[]", #"{"verb":"fly"}"#, #"{"verb":"move","joint":"tail","radians":1}"#, "\u{1}",
    ])
  func malformed(line: String) throws {
    try SocketBench.withServer { path in
      let client = try ControlClient(path: path)
      #expect(try client.request(line).contains("refused"))
      #expect(try client.request(ControlServer.statusLine).contains("as it is"))
    }
  }

  @Test("several lines in one packet are each answered")
  func manyLines() throws {
    try SocketBench.withServer { path in
      let client = try ControlClient(path: path)
      try client.send("{\n\n" + ControlServer.statusLine)
      #expect(try client.receive(seconds: 2).contains("refused"))
      #expect(try client.receive(seconds: 2).contains("as it is"))
    }
  }

  @Test("a line beyond the limit is refused and its sender closed; others are not touched")
  func tooLong() throws {
    try SocketBench.withServer { path in
      let other = try ControlClient(path: path)
      let client = try ControlClient(path: path)
      try client.send(String(repeating: "x", count: 3 * ControlServer.largestLineBytes))
      #expect(try client.receive(seconds: 2).contains("refused"))
      #expect(throws: SocketError.self) { try client.receive(seconds: 2) }
      #expect(try other.request(ControlServer.statusLine).contains("as it is"))
    }
  }

  @Test(
    "status and watch are understood as any JSON writes them",
    arguments: [
      #"{"verb": "VERB"}"#, "{\"verb\":\"VERB\"}\r", #"{ "id":"7" , "verb" : "VERB" }"#,
    ])
  func statusInAnyForm(line: String) throws {
    try SocketBench.withServer { path in
      let status = line.replacing("VERB", with: "status")
      #expect(try ControlClient(path: path).request(status) == #"{"state":"as it is"}"#)
      let watcher = try ControlClient(path: path)
      try watcher.send(line.replacing("VERB", with: "watch"))
      for _ in 0..<2 { #expect(try watcher.receive(seconds: 5) == #"{"state":"as it is"}"#) }
    }
  }

  @Test("a second server on the same path is refused and does not disturb the first")
  func second() throws {
    try SocketBench.withServer { path in
      do {
        _ = try SocketBench.server(path)
        Issue.record("two servers listen on one path")
      } catch let error as SocketError {
        guard case .alreadyRunning = error else {
          Issue.record("refused for another reason: \(error)")
          return
        }
      }
      #expect(try ControlClient(path: path).request(ControlServer.statusLine).contains("as it is"))
    }
  }

  @Test("a socket file that a killed daemon left behind is replaced")
  func staleFile() throws {
    let path = SocketBench.freshPath()
    defer { unlink(path + ".lock") }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    #expect(try withUnixAddress(path) { bind(descriptor, $0, $1) } == 0)
    close(descriptor)
    #expect(throws: SocketError.self) { try ControlClient(path: path) }
    let server = try SocketBench.server(path)
    try server.start { #"{"state":"as it is"}"# }
    #expect(try ControlClient(path: path).request(ControlServer.statusLine).contains("as it is"))
    server.stop()
    #expect(!FileManager.default.fileExists(atPath: path), "the socket goes with its server")
  }

  // MARK: Client

  /// A listener that takes no connection by itself.
  private func withListener(backlog: Int32, _ body: (String, Int32) throws -> Void) throws {
    let path = SocketBench.freshPath()
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer {
      close(listener)
      unlink(path)
    }
    try #require(try withUnixAddress(path) { bind(listener, $0, $1) } == 0)
    try #require(listen(listener, backlog) == 0)
    try body(path, listener)
  }

  @Test("what a server said before it closed is the reply, not the error of sending")
  func reasonBeforeClosing() throws {
    try withListener(backlog: 1) { path, listener in
      let client = try ControlClient(path: path)
      let connection = accept(listener, nil, nil)
      let reason = CommandReply.refused(reason: "too many").replyJSON(id: "")
      #expect(Glibc.send(connection, reason + "\n", reason.utf8.count + 1, 0) == reason.utf8.count + 1)
      close(connection)
      #expect(try client.request(ControlServer.stopLine) == reason)
    }
  }

  @Test("a client of a daemon that takes no connection gives up within its time and says so")
  func fullBacklog() throws {
    try withListener(backlog: 0) { path, _ in
      let clock = MonotonicClock()
      let start = clock.now()
      var waiting: [ControlClient] = []
      do throws(SocketError) {
        // The kernel takes one more than it was told.
        while waiting.count < 3 { waiting.append(try ControlClient(path: path)) }
        Issue.record("connected to nobody")
      } catch {
        guard case .timedOut = error else {
          Issue.record("\(error)")
          return
        }
      }
      #expect(clock.now() - start < Int64(ControlClient.connectSeconds + 5) * 1_000_000_000)
    }
  }

  @Test("a path that no socket can have is refused with the limit")
  func longPath() {
    do throws(SocketError) {
      _ = try ControlClient(path: "/" + String(repeating: "x", count: 200))
      Issue.record("connected to nothing")
    } catch {
      #expect(error.description.contains("at most 107"))
    }
  }
}
