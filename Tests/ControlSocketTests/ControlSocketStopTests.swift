import Foundation
import HandModel
import Realtime
import Synchronization
import Testing

@testable import ControlSocket
@testable import Runtime

/// Stops over the control socket, whatever else its clients do.
@Suite("Stops over the control socket", .serialized)
struct ControlSocketStopTests {
  @Test(
    "a stop acts and is answered without a final newline, truncated, in noise and behind others",
    arguments: [
      #"{"verb":"stop"}"#, "stop", #"{"verb":"stop""#, "{\"verb\": \"stop\"}\r\n",
      "\0\0{\"verb\":\"stop\"}\0\n",
      "xx stop yy\n", "\n\n\"stop\"\n", String(repeating: "x", count: 5000) + " stop\n",
      "{\"verb\":\"status\"}\n{\"verb\":\"arm\"}\nstop",
    ])
  func stopInAnyForm(text: String) throws {
    try SocketBench.withLoop { path, loop in
      let wire = try SocketBench.Wire(path)
      #expect(wire.send(text) == text.utf8.count)
      let hasStopped = becomesTrue { loop.stops.load(ordering: .relaxed) == 1 }
      #expect(hasStopped, "without an end of the input")
      shutdown(wire.descriptor, Int32(SHUT_WR))
      #expect(wire.readToEnd().contains(#""result":"executed"}"#))
      // And by who ends its side at once.
      let brief = try SocketBench.Wire(path)
      #expect(brief.send(text) == text.utf8.count)
      shutdown(brief.descriptor, Int32(SHUT_RDWR))
      let hasStoppedAgain = becomesTrue { loop.stops.load(ordering: .relaxed) >= 2 }
      #expect(hasStoppedAgain)
    }
  }

  @Test("a truncated word acts at the end of the input")
  func stopAtEnd() throws {
    try SocketBench.withLoop { path, loop in
      let wire = try SocketBench.Wire(path)
      wire.send(#"xx {"verb":"stop"#)
      shutdown(wire.descriptor, Int32(SHUT_WR))
      #expect(wire.readToEnd() == CommandReply.executed.replyJSON(id: "") + "\n")
    }
  }

  @Test("of a batch a stop acts first; what was written before it is refused, what after it is done")
  func stopOvertakes() throws {
    try SocketBench.withLoop { path, loop in
      let client = try ControlClient(path: path)
      try client.send(
        """
        {"id":"1","verb":"reset"}
        {"id":"2","verb":"arm"}
        {"id":"3","verb":"stop"}
        {"id":"4","verb":"reset"}
        """)
      for id in ["1", "2"] {
        let reply = try client.receive(seconds: 5)
        #expect(
          reply.contains(#""id":"\#(id)","result":"refused""#) && reply.contains("a stop came after"),
          "\(reply)")
      }
      for id in ["3", "4"] {
        #expect(try client.receive(seconds: 5) == CommandReply.executed.replyJSON(id: id))
      }
      #expect(loop.executed.withLock { $0 } == [.reset])
    }
  }

  @Test("a stop acts while a command waits for a loop that stands still, and says what was seen")
  func stopWithoutLoop() throws {
    let port = CommandPort()
    let released = Atomic(0)
    port.fallBack(periodNanoseconds: 1_000_000) {
      released.add(1, ordering: .relaxed)
      return false
    }
    let queue = CommandQueue(port: port)
    let path = SocketBench.freshPath()
    let server = try ControlServer(path: path, sink: queue.sink(SocketBench.parser))
    try queue.start()
    try server.start { "{}" }
    defer {
      queue.stop()
      server.stop()
      unlink(path + ".lock")
    }
    let asking = try ControlClient(path: path)
    try asking.send(#"{"verb":"arm"}"#)
    let stopping = try ControlClient(path: path)
    let reply = try stopping.request(ControlServer.stopLine)
    #expect(reply.contains(#""result":"unconfirmed""#) && reply.contains("not seen off"), "\(reply)")
    #expect(released.load(ordering: .relaxed) == 1)
    #expect(try asking.receive(seconds: 5).contains("refused"))
  }

  // MARK: Many clients

  @Test("with all places taken by active clients one more is told so, but its stop is done and answered")
  func stopWithoutPlace() throws {
    try SocketBench.withLoop { path, loop in
      let watchers = try (0..<ControlServer.places).map { _ in try ControlClient(path: path) }
      for watcher in watchers { try watcher.send(ControlServer.watchLine) }
      for watcher in watchers { _ = try watcher.receive(seconds: 5) }
      // They read, so that none may be displaced.
      let surplus = try ControlClient(path: path)
      let stopping = try ControlClient(path: path)
      #expect(try stopping.request(ControlServer.stopLine) == CommandReply.executed.replyJSON(id: ""))
      let refused = try ControlClient(path: path)
      #expect(try refused.request(ControlServer.statusLine).contains("too many clients: 64"))
      #expect(throws: SocketError.self) { try refused.receive(seconds: 5) }
      #expect(try surplus.receive(seconds: 5).contains("too many clients: 64"))
      #expect(loop.stops.load(ordering: .relaxed) == 1)
      #expect(try watchers[0].receive(seconds: 5).contains("as it is"))
    }
  }

  @Test(
    "who asks takes the place of who never asked, and then of who asked longest ago; a late stop is still heard"
  )
  func displaced() throws {
    try SocketBench.withLoop { path, loop in
      let clients = try (0..<ControlServer.places).map { _ in try ControlClient(path: path) }
      // All but the last ask, so that it is the first to go.
      for client in clients.dropLast() {
        #expect(try client.request(ControlServer.statusLine).contains("as it is"))
      }
      let newcomers = try (0..<2).map { _ in try ControlClient(path: path) }
      for client in newcomers { #expect(try client.request(ControlServer.statusLine).contains("as it is")) }
      #expect(try clients[ControlServer.places - 1].receive(seconds: 5).contains("silent longest"))
      #expect(try clients[0].receive(seconds: 5).contains("silent longest"))
      #expect(try clients[1].request(ControlServer.statusLine).contains("as it is"))
      // Told already: the stop is done, though not answered any more.
      try? clients[0].send(ControlServer.stopLine)
      let hasStopped = becomesTrue { loop.stops.load(ordering: .relaxed) == 1 }
      #expect(hasStopped)
    }
  }

  @Test("a watcher that does not read loses its place to one who asks")
  func deafWatchers() throws {
    let state = String(repeating: "x", count: 60_000)
    let path = SocketBench.freshPath()
    let server = try SocketBench.server(path)
    try server.start { state }
    defer {
      server.stop()
      unlink(path + ".lock")
    }
    let deaf = try (0..<ControlServer.places).map { _ in try SocketBench.Wire(path) }
    for wire in deaf { wire.send(ControlServer.watchLine + "\n") }
    let isServed = try becomesTrue {
      try ControlClient(path: path).request(ControlServer.statusLine) == state
    }
    #expect(isServed)
    // What they get is never torn.
    for wire in deaf.prefix(3) {
      shutdown(wire.descriptor, Int32(SHUT_WR))
      var lines: [Substring] = []
      let clock = MonotonicClock()
      let end = clock.now() + 500_000_000
      var text: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      while clock.now() < end || text.last != 0x0A {
        var poller = pollfd(fd: wire.descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&poller, 1, 5000) > 0 else { break }
        let count = recv(wire.descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { break }
        text += chunk[..<count]
      }
      lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
      #expect(lines.count > 3 && lines.allSatisfy { $0 == state || $0.contains("too many clients") })
    }
  }

  @Test(
    "64 idle clients, three that command without pause and deaf ones: each stop and each command is answered")
  func crowd() throws {
    try SocketBench.withLoop { path, loop in
      let idle = try (0..<64).map { _ in try SocketBench.Wire(path) }
      let deaf = try SocketBench.Wire(path)
      deaf.send(ControlServer.watchLine + "\n")
      for _ in 0..<400 { deaf.send(ControlServer.statusLine + "\n") }
      let crowd = SocketBench.Crowd()
      let commanders = try (0..<3).map { index in
        try RealtimeThread(name: "commander-\(index)", policy: .normal) {
          guard let client = try? ControlClient(path: path) else { return }
          while !crowd.isOver.load(ordering: .acquiring) {
            for verb in ["arm", "disarm"] {
              crowd.asked.add(1, ordering: .relaxed)
              guard let reply = try? client.request(#"{"verb":"\#(verb)"}"#), reply.contains("result") else {
                return
              }
              crowd.answered.add(1, ordering: .relaxed)
            }
          }
        }
      }
      for _ in 0..<50 {
        let client = try ControlClient(path: path)
        #expect(try client.request(ControlServer.stopLine) == CommandReply.executed.replyJSON(id: ""))
        #expect(try client.request(#"{"verb":"reset"}"#).contains("executed"))
      }
      crowd.isOver.store(true, ordering: .releasing)
      for commander in commanders { commander.join() }
      #expect(loop.stops.load(ordering: .relaxed) == 50)
      let asked = crowd.asked.load(ordering: .relaxed)
      #expect(asked > 0 && asked == crowd.answered.load(ordering: .relaxed))
      withExtendedLifetime(idle) {}
    }
  }

  @Test(
    "while connections come and go without end, a stop on a new one is answered")
  func comingAndGoing() throws {
    try SocketBench.withLoop { path, loop in
      let crowd = SocketBench.Crowd()
      let visitors = try (0..<2).map { index in
        try RealtimeThread(name: "visitor-\(index)", policy: .normal) {
          var kept: [SocketBench.Wire] = []
          while !crowd.isOver.load(ordering: .acquiring) {
            // Some close at once, some leak, some are half closed.
            guard let wire = try? SocketBench.Wire(path) else { continue }
            if index == 0 { continue }
            shutdown(wire.descriptor, Int32(SHUT_WR))
            kept.append(wire)
            if kept.count > 100 { kept.removeFirst() }
          }
        }
      }
      for _ in 0..<20 {
        #expect(
          try ControlClient(path: path).request(ControlServer.stopLine)
            == CommandReply.executed.replyJSON(id: ""))
      }
      crowd.isOver.store(true, ordering: .releasing)
      for visitor in visitors { visitor.join() }
      #expect(loop.stops.load(ordering: .relaxed) >= 1)
    }
  }

  @Test("a client that asks more than it reads is closed, one that reads gets every answer")
  func pipelined() throws {
    try SocketBench.withServer { path in
      let patient = try ControlClient(path: path)
      for _ in 0..<10 {
        try patient.send((0..<20).map { _ in ControlServer.statusLine }.joined(separator: "\n"))
      }
      for _ in 0..<200 { #expect(try patient.receive(seconds: 5).contains("as it is")) }
      let greedy = try SocketBench.Wire(path)
      let request = String(repeating: ControlServer.statusLine + "\n", count: 100)
      let isClosed = becomesTrue { greedy.send(request) == nil }
      #expect(isClosed)
      #expect(try patient.request(ControlServer.statusLine).contains("as it is"))
    }
  }
}
