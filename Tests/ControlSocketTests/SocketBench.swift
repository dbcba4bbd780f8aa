import Foundation
import HandModel
import HandRigs
import Realtime
import Synchronization
import Testing

@testable import Control
@testable import ControlSocket
@testable import Runtime
@testable import Wire

/// Servers, loops and clients for the tests of the control socket.
enum SocketBench {
  static let parser = CommandParser(board: TestHand.board, calibration: TestHand.calibration)

  static func freshPath() -> String {
    FileManager.default.temporaryDirectory.appending(path: "mh-\(UUID().uuidString.prefix(8)).sock").path
  }

  static func server(_ path: String, port: CommandPort = CommandPort()) throws -> ControlServer {
    try ControlServer(path: path, sink: CommandQueue(port: port).sink(parser))
  }

  static func withServer(_ body: (String) throws -> Void) throws {
    let path = freshPath()
    let queue = CommandQueue(port: CommandPort())
    let server = try ControlServer(path: path, sink: queue.sink(parser))
    try queue.start()
    try server.start { #"{"state":"as it is"}"# }
    defer {
      server.stop()
      queue.stop()
      unlink(path + ".lock")
    }
    try body(path)
  }

  /// A loop of 1 kHz that does what it is told, counts the stops that it took and resets itself after each.
  final class Loop: Sendable {
    let port = CommandPort()
    let stops = Atomic(0)
    let executed = Locked<[TickCommand.Kind]>([])
    private let shouldStop = Atomic(false)
    private let thread = Locked<RealtimeThread?>(nil)

    func start() throws {
      let started = try RealtimeThread(name: "test-loop", policy: .normal) { [self] in run() }
      thread.withLock { $0 = started }
    }

    func stop() {
      shouldStop.store(true, ordering: .releasing)
      thread.withLock { $0 }?.join()
    }

    private func run() {
      let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
      inputs.initialize(to: TickInputs())
      defer { inputs.deallocate() }
      var handled: UInt32 = 0
      var isStopped = false
      let clock = MonotonicClock()
      while !shouldStop.load(ordering: .acquiring) {
        port.collect(into: inputs)
        if inputs.pointee.stopRequested {
          stops.add(1, ordering: .relaxed)
          isStopped = true
        }
        if inputs.pointee.command.number != handled {
          handled = inputs.pointee.command.number
          executed.withLock { $0.append(inputs.pointee.command.kind) }
          if inputs.pointee.command.kind == .reset { isStopped = false }
        }
        port.report(
          commandNumber: handled, result: .executed, state: isStopped ? .eStop : .armed,
          areOutputsOn: !isStopped)
        clock.sleep(until: clock.now() + 1_000_000)
      }
    }
  }

  /// What the threads of a crowd share.
  final class Crowd: Sendable {
    let isOver = Atomic(false)
    let asked = Atomic(0)
    let answered = Atomic(0)
  }

  /// A server whose commands go to a loop.
  static func withLoop(_ body: (String, Loop) throws -> Void) throws {
    let loop = Loop()
    let queue = CommandQueue(port: loop.port)
    let path = freshPath()
    let server = try ControlServer(path: path, sink: queue.sink(parser))
    try loop.start()
    try queue.start()
    try server.start { #"{"state":"as it is"}"# }
    defer {
      queue.stop()
      server.stop()
      loop.stop()
      unlink(path + ".lock")
    }
    try body(path, loop)
  }

  /// A connection without the client's care: any bytes, and each half closed when the test says so.
  final class Wire {
    let descriptor: Int32

    init(_ path: String) throws {
      let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      self.descriptor = descriptor
      let result = try withUnixAddress(path) { connect(descriptor, $0, $1) }
      try #require(result == 0, "errno \(errno)")
    }

    deinit { close(descriptor) }

    /// How many bytes went at once; nil when the connection is closed.
    @discardableResult
    func send(_ text: String) -> Int? {
      let bytes = Array(text.utf8)
      let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      return count < 0 && errno == EAGAIN ? 0 : count < 0 ? nil : count
    }

    /// What comes until the server closes, or the bound of 10 s.
    func readToEnd() -> String {
      var text: [UInt8] = []
      var chunk = [UInt8](repeating: 0, count: 65_536)
      var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      while poll(&poller, 1, 10_000) > 0 {
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { break }
        text += chunk[..<count]
      }
      return String(decoding: text, as: UTF8.self)
    }
  }
}

/// Waits, bounded, for a condition.
func becomesTrue(_ condition: () throws -> Bool) rethrows -> Bool {
  let clock = MonotonicClock()
  let end = clock.now() + 20_000_000_000
  while clock.now() < end {
    if try condition() { return true }
    clock.sleep(until: clock.now() + 1_000_000)
  }
  return false
}
