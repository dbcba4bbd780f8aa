import HandModel
import Realtime
import Synchronization
import Testing

@testable import Control
@testable import Runtime

/// The queue over a port whose loop the test plays itself.
@Suite("Commands that wait for the loop", .serialized)
struct CommandQueueTests {
  /// A loop that ticks when it is told to, and what it was given.
  private final class Hand: @unchecked Sendable {
    // Safety of @unchecked: `inputs` and `handled` belong to the test's thread.
    let port = CommandPort()
    let queue: CommandQueue
    let replies = Locked<[String: CommandReply]>([:])
    private(set) var executed: [TickCommand.Kind] = []
    private let inputs = UnsafeMutablePointer<TickInputs>.allocate(capacity: 1)
    private var handled: UInt32 = 0

    init() throws {
      inputs.initialize(to: TickInputs())
      queue = CommandQueue(port: port)
      try queue.start()
      port.report(commandNumber: 0, result: .executed, state: .armed, areOutputsOn: true)
    }

    deinit { inputs.deallocate() }

    func tick() {
      port.collect(into: inputs)
      if inputs.pointee.command.number != handled {
        handled = inputs.pointee.command.number
        executed.append(inputs.pointee.command.kind)
      }
      port.report(commandNumber: handled, result: .executed, state: .armed, areOutputsOn: true)
    }

    func submit(
      _ command: Command, id: String = "", tag: String, source: CommandSource = .mqtt, expiry: Int64? = nil
    ) -> Bool {
      queue.submit(
        CommandEnvelope(id: id, expiryNanoseconds: expiry, command: command), source: source
      ) { reply in self.replies.withLock { $0[tag] = reply } }
    }

    /// Ticks until there is a reply.
    func reply(_ tag: String) -> CommandReply? {
      let clock = MonotonicClock()
      let end = clock.now() + 10_000_000_000
      while clock.now() < end {
        tick()
        if let reply = replies.withLock({ $0[tag] }) { return reply }
        clock.sleep(until: clock.now() + 100_000)
      }
      return nil
    }
  }

  @Test(
    "a command is executed once; the same one again gets the first reply, another one with its id is refused")
  func identifiers() throws {
    let hand = try Hand()
    defer { hand.queue.stop() }
    #expect(hand.submit(.arm, id: "7", tag: "arm"))
    #expect(hand.reply("arm") == .executed)
    #expect(hand.submit(.arm, id: "7", tag: "again"))
    #expect(hand.reply("again") == .executed)
    #expect(hand.submit(.disarm, id: "7", tag: "other verb"))
    guard case .refused(let reason)? = hand.reply("other verb") else {
      Issue.record("a disarm with the id of an arm was answered as executed")
      return
    }
    #expect(reason.contains("\"7\""))
    #expect(hand.submit(.pose(radians: [1], seconds: 1), id: "8", tag: "pose"))
    #expect(hand.reply("pose") == .executed)
    #expect(hand.submit(.pose(radians: [2], seconds: 1), id: "8", tag: "other body"))
    #expect(hand.reply("other body") != .executed)
    // The socket's senders do not know what ids the broker's senders use.
    #expect(hand.submit(.disarm, id: "7", tag: "socket", source: .socket))
    #expect(hand.reply("socket") == .executed)
    #expect(hand.executed == [.arm, .pose, .disarm])
  }

  @Test("a full lane refuses, and the other source's lane stays free")
  func lanes() throws {
    let hand = try Hand()
    defer { hand.queue.stop() }
    // One is with the port, the others wait.
    var taken = 0
    while taken <= CommandQueue.laneCapacity + 1, hand.submit(.disarm, tag: "flood \(taken)") { taken += 1 }
    #expect((CommandQueue.laneCapacity...CommandQueue.laneCapacity + 1).contains(taken))
    #expect(hand.submit(.arm, tag: "local", source: .socket))
    #expect(hand.reply("local") == .executed)
    let before = try #require(hand.executed.firstIndex(of: .arm))
    #expect(before <= 2, "it waits for one of the other lane's, not for all: \(before)")
  }

  @Test("a command that waited too long is refused and does not act, whoever is to blame for the wait")
  func longWait() throws {
    let hand = try Hand()
    defer { hand.queue.stop() }
    let count = 4
    for index in 0..<count { #expect(hand.submit(.arm, tag: "\(index)")) }
    // Nobody ticks: each waits for the one before.
    let clock = MonotonicClock()
    let end = clock.now() + 20_000_000_000
    while hand.replies.withLock({ $0.count }) < count, clock.now() < end {
      clock.sleep(until: clock.now() + 1_000_000)
    }
    for index in 0..<count {
      guard case .refused? = hand.replies.withLock({ $0["\(index)"] }) else {
        Issue.record("command \(index) was not refused")
        continue
      }
    }
    let last = hand.replies.withLock { $0["\(count - 1)"]?.reason } ?? ""
    #expect(last.contains("waited longer"))
    hand.tick()
    #expect(hand.executed.isEmpty)
  }

  @Test("a command whose expiry passes while it waits is refused")
  func expiry() throws {
    let hand = try Hand()
    defer { hand.queue.stop() }
    let clock = MonotonicClock()
    #expect(hand.submit(.arm, tag: "first"))
    #expect(hand.submit(.disarm, tag: "second", expiry: clock.wallNow() + 20_000_000))
    clock.sleep(until: clock.now() + 30_000_000)
    #expect(hand.reply("first") == .executed)
    guard case .refused(let reason)? = hand.reply("second") else {
      Issue.record("executed after its expiry")
      return
    }
    #expect(reason.contains("expired"))
    #expect(hand.executed == [.arm])
  }

  @Test("what was sent before a stop and waits is refused, what is sent after it is executed")
  func olderThanAStop() throws {
    let hand = try Hand()
    defer { hand.queue.stop() }
    let before = hand.port.stopCount
    #expect(hand.submit(.disarm, tag: "under way"))
    #expect(hand.submit(.reset, tag: "waiting"))
    hand.port.requestStop(.mqtt)
    let replies = hand.replies
    let isTaken = hand.queue.submit(
      CommandEnvelope(id: "", command: .arm), source: .socket, stopCount: before
    ) { reply in replies.withLock { $0["read before"] = reply } }
    #expect(isTaken)
    #expect(hand.submit(.reset, tag: "after"))
    #expect(hand.reply("after") == .executed)
    for tag in ["waiting", "read before"] {
      #expect(hand.reply(tag) == .refused(reason: "a stop came after it"))
    }
    #expect(hand.executed.filter { $0 == .reset }.count == 1 && !hand.executed.contains(.arm))
  }

  @Test("what waits when the daemon stops is refused")
  func stopping() throws {
    let hand = try Hand()
    #expect(hand.submit(.arm, tag: "first"))
    #expect(hand.submit(.disarm, tag: "second"))
    hand.queue.stop()
    #expect(!hand.submit(.arm, tag: "late"))
    for tag in ["first", "second"] {
      guard case .refused? = hand.replies.withLock({ $0[tag] }) else {
        Issue.record("\(tag) was not refused")
        continue
      }
    }
    hand.tick()
    #expect(hand.executed.isEmpty)
  }
}
