import HandModel
import Realtime
import Synchronization
import Testing

@testable import Control
@testable import Runtime

/// The port between many senders and one loop, both on real threads.
@Suite("Way of commands into the loop", .serialized)
struct CommandPortTests {
  /// A loop that executes commands in the manner of a hand in `armed`, until told to end.
  private final class Loop: Sendable {
    let port = CommandPort()
    let executed = Locked<[UInt32]>([])
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
          state: isEStop.load(ordering: .acquiring) ? .eStop : .armed,
          areOutputsOn: !isEStop.load(ordering: .acquiring))
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

  @Test("without a loop a command is refused within the time-out, and a stream at once")
  func noLoop() {
    let port = CommandPort()
    let clock = MonotonicClock()
    let start = clock.now()
    guard case .refused(let reason) = port.submit(.arm, source: .socket) else {
      Issue.record("executed by nobody")
      return
    }
    #expect(reason.contains("not running"))
    #expect(clock.now() - start >= CommandPort.answerTimeoutNanoseconds)
    #expect(
      port.submit(.stream(radians: [1]), source: .socket)
        == .refused(reason: CommandResult.notArmed.refusal ?? ""))
  }

  private func withInputs(_ body: (UnsafeMutablePointer<TickInputs>) throws -> Void) rethrows {
    let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
    inputs.initialize(to: TickInputs())
    defer { inputs.deallocate() }
    try body(inputs)
  }

  @Test("a command that was refused because the loop stood still does not act when the loop goes on")
  func refusedNeverActs() {
    let port = CommandPort()
    guard case .refused = port.submit(.arm, source: .socket) else {
      Issue.record("executed by nobody")
      return
    }
    withInputs { inputs in
      port.collect(into: inputs)
      #expect(inputs.pointee.command.kind == .none)
      port.post(TickCommand(.disarm, source: .socket, number: 2))
      port.collect(into: inputs)
      #expect(inputs.pointee.command.kind == .disarm)
    }
  }

  @Test("a command that a loop took before it stood still is neither executed nor refused")
  func takenAndUnanswered() throws {
    let port = CommandPort()
    let reply = Locked<CommandReply?>(nil)
    let sender = try RealtimeThread(name: "sender", policy: .normal) {
      let answer = port.submit(.arm, source: .socket)
      reply.withLock { $0 = answer }
    }
    try withInputs { inputs in
      let taken = Self.becomesTrue {
        port.collect(into: inputs)
        return inputs.pointee.command.kind == .arm
      }
      try #require(taken)
    }
    sender.join()
    guard case .unconfirmed = reply.withLock({ $0 }) else {
      Issue.record("answered \(String(describing: reply.withLock { $0 }))")
      return
    }
  }

  @Test("a set-point that waited while the loop stood still does not act when the loop goes on")
  func oldSetPoint() {
    let port = CommandPort()
    port.report(commandNumber: 0, result: .executed, state: .armed, areOutputsOn: true)
    #expect(port.submit(.stream(radians: [1]), source: .socket) == .executed)
    let clock = MonotonicClock()
    clock.sleep(until: clock.now() + CommandPort.streamLifetimeNanoseconds + 1_000_000)
    withInputs { inputs in
      port.collect(into: inputs)
      #expect(inputs.pointee.stream.kind == .none)
      #expect(port.submit(.stream(radians: [2]), source: .socket) == .executed)
      port.collect(into: inputs)
      #expect(inputs.pointee.stream.targets[0] == 2)
    }
  }

  @Test(
    "a stop that no tick takes switches the outputs off without the loop, and says executed only if they were seen off",
    arguments: [true, false])
  func stopWithoutLoop(areSeenOff: Bool) {
    let port = CommandPort()
    let released = Atomic(0)
    port.report(commandNumber: 0, result: .executed, state: .armed, areOutputsOn: true)
    port.fallBack(periodNanoseconds: 1_000_000) {
      released.add(1, ordering: .relaxed)
      return areSeenOff
    }
    let reply = port.submit(.stop, source: .socket)
    #expect(released.load(ordering: .relaxed) == 1)
    if areSeenOff {
      #expect(reply == .executed)
    } else {
      guard case .unconfirmed(let reason) = reply else {
        Issue.record("answered \(reply)")
        return
      }
      #expect(reason.contains("not seen off"))
    }
    // The loop that goes on still finds it.
    withInputs { inputs in
      port.collect(into: inputs)
      #expect(inputs.pointee.stopRequested)
    }
  }

  @Test("a stop is not answered as done by an e-stop whose outputs are still on")
  func stopWithOutputsOn() {
    let port = CommandPort()
    port.fallBack(periodNanoseconds: 1_000_000) { false }
    port.requestStop(.mqtt)
    withInputs { port.collect(into: $0) }
    port.report(commandNumber: 0, result: .executed, state: .eStop, areOutputsOn: true)
    #expect(port.awaitStop() != .executed)
    port.report(commandNumber: 0, result: .executed, state: .eStop, areOutputsOn: false)
    #expect(port.awaitStop() == .executed)
  }

  @Test("a stop whose hand was reset before anybody looked was executed, and no line is released for it")
  func stopAndReset() {
    let port = CommandPort()
    let released = Atomic(0)
    port.fallBack(periodNanoseconds: 1_000_000) {
      released.add(1, ordering: .relaxed)
      return true
    }
    port.requestStop(.socket)
    withInputs { inputs in
      port.collect(into: inputs)
      port.report(commandNumber: 0, result: .executed, state: .eStop, areOutputsOn: false)
      port.collect(into: inputs)
      port.report(commandNumber: 1, result: .executed, state: .armed, areOutputsOn: true)
    }
    #expect(port.awaitStop() == .executed)
    #expect(released.load(ordering: .relaxed) == 0)
  }

  private static func becomesTrue(_ condition: () -> Bool) -> Bool {
    let clock = MonotonicClock()
    let end = clock.now() + 10_000_000_000
    while clock.now() < end {
      if condition() { return true }
      clock.sleep(until: clock.now() + 100_000)
    }
    return false
  }
}
