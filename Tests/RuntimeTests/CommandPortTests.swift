import HandModel
import Realtime
import Synchronization
import Testing

@testable import Runtime

/// The port between many senders and one loop, both on real threads.
@Suite("Way of commands into the loop", .serialized)
struct CommandPortTests {
  /// A loop that executes commands in the manner of a hand in `armed`, until told to end.
  private final class Loop: Sendable {
    let port = CommandPort()
    let executed = SharedState<[UInt32]>([])
    let shouldStop = Atomic(false)
    let isEStop = Atomic(false)
    /// What senders count, and when they end.
    let accepted = Atomic(0)
    let sendersShouldStop = Atomic(false)

    /// - Parameter result: what each command comes to.
    func run(result: CommandResult = .executed) {
      let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
      inputs.initialize(to: TickInputs())
      defer { inputs.deallocate() }
      var handled: UInt32 = 0
      let clock = MonotonicClock()
      while !shouldStop.load(ordering: .acquiring) {
        port.collect(into: inputs)
        if inputs.pointee.stopRequested { isEStop.store(true, ordering: .releasing) }
        if inputs.pointee.command.number != handled {
          handled = inputs.pointee.command.number
          executed.withLock { $0.append(handled) }
        }
        port.report(
          commandNumber: handled, result: result,
          state: isEStop.load(ordering: .acquiring) ? .eStop : .armed)
        clock.sleep(until: clock.now() + 50_000)
      }
    }
  }

  private func withLoop(result: CommandResult = .executed, _ body: (Loop) throws -> Void) throws {
    let loop = Loop()
    let thread = try RealtimeThread(name: "test-loop", policy: .normal) { loop.run(result: result) }
    defer {
      loop.shouldStop.store(true, ordering: .releasing)
      thread.join()
    }
    try body(loop)
  }

  @Test("eight threads' commands are each executed once, in one order, and each sender gets its answer")
  func manySenders() throws {
    try withLoop { loop in
      let threads = try (0..<8).map { index in
        try RealtimeThread(name: "sender-\(index)", policy: .normal) {
          for _ in 0..<25 {
            if loop.port.submit(.move(joint: index, radians: 0.1, seconds: nil), source: .socket) == .executed
            {
              loop.accepted.add(1, ordering: .relaxed)
            }
          }
        }
      }
      for thread in threads { thread.join() }
      let total = loop.accepted.load(ordering: .relaxed)
      #expect(total == 200)
      let numbers = loop.executed.withLock { $0 }
      #expect(numbers == Array(1...200))
    }
  }

  @Test("a stop gets through while other threads keep the mailbox full")
  func stopAmongCommands() throws {
    try withLoop { loop in
      let threads = try (0..<4).map { index in
        try RealtimeThread(name: "sender-\(index)", policy: .normal) {
          while !loop.sendersShouldStop.load(ordering: .acquiring) {
            _ = loop.port.submit(.disarm, source: .mqtt)
          }
        }
      }
      let reply = loop.port.submit(.stop, source: .socket)
      loop.sendersShouldStop.store(true, ordering: .releasing)
      for thread in threads { thread.join() }
      #expect(reply == .executed)
      let isEStop = loop.isEStop.load(ordering: .acquiring)
      #expect(isEStop)
    }
  }

  @Test(
    "of stops that one tick takes a local one counts, in either order",
    arguments: [
      ([CommandSource.mqtt], CommandSource.mqtt), ([.socket], .socket), ([.mqtt, .socket], .socket),
      ([.socket, .mqtt], .socket), ([.mqtt, .mqtt], .mqtt), ([.mqtt, .script], .socket),
    ])
  func stopSources(sources: [CommandSource], counted: CommandSource) {
    let port = CommandPort()
    let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
    inputs.initialize(to: TickInputs())
    defer { inputs.deallocate() }
    for source in sources { port.post(TickCommand(.stop, source: source, number: 1)) }
    port.collect(into: inputs)
    #expect(inputs.pointee.stopRequested && inputs.pointee.stopSource == counted)
    port.collect(into: inputs)
    #expect(!inputs.pointee.stopRequested, "a stop is taken once")
  }

  @Test("what the tick refuses is refused with its reason")
  func refusal() throws {
    try withLoop(result: .notArmed) { loop in
      let reply = loop.port.submit(.pose(radians: [1], seconds: nil), source: .socket)
      #expect(reply == .refused(reason: CommandResult.notArmed.refusal ?? ""))
    }
  }

  @Test("without a loop a command and a stop are refused within the time-out, and a stream at once")
  func noLoop() {
    let port = CommandPort()
    let clock = MonotonicClock()
    let start = clock.now()
    for command in [Command.arm, .stop] {
      guard case .refused(let reason) = port.submit(command, source: .socket) else {
        Issue.record("\(command) was executed by nobody")
        continue
      }
      #expect(reason.contains("not running"))
    }
    #expect(clock.now() - start >= 2 * CommandPort.answerTimeoutNanoseconds)
    #expect(
      port.submit(.stream(radians: [1]), source: .socket)
        == .refused(reason: CommandResult.notArmed.refusal ?? ""))
  }
}
