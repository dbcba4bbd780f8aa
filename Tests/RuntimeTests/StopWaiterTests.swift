import HandModel
import Realtime
import Synchronization
import Testing

@testable import Runtime
@testable import Wire

@Suite("What came of stops")
struct StopWaiterTests {
  @Test("a stop that nobody asks after is waited for all the same: the last resort comes with the waiting")
  func unaskedStop() throws {
    let waited = Semaphore()
    let waiter = StopWaiter(stopCount: { 1 }) {
      waited.signal()
      return .executed
    }
    try waiter.start()
    waiter.requested()
    waited.wait()
    waiter.stop()
  }

  @Test(
    "stops that come while one is waited for share the next wait; remote ones beyond the bound are not taken")
  func bound() throws {
    let gate = Semaphore()
    let isWaiting = Semaphore()
    let waits = Atomic(0)
    let stops = Atomic<UInt32>(1)
    let waiter = StopWaiter(stopCount: { stops.load(ordering: .relaxed) }) {
      waits.add(1, ordering: .relaxed)
      isWaiting.signal()
      gate.wait()
      return .executed
    }
    try waiter.start()
    waiter.requested()
    isWaiting.wait()
    stops.store(2, ordering: .relaxed)
    let answered = Locked<[CommandSource: Int]>([:])
    func ask(_ source: CommandSource) -> Bool {
      waiter.whenStopped(source) { reply in
        if reply == .executed { answered.withLock { $0[source, default: 0] += 1 } }
      }
    }
    for index in 0..<2 * StopWaiter.remoteCapacity {
      #expect(ask(.mqtt) == (index < StopWaiter.remoteCapacity))
    }
    // A flood from the broker leaves the socket's stops their answers.
    for _ in 0..<2 * StopWaiter.remoteCapacity { #expect(ask(.socket)) }
    gate.signal()
    gate.signal()
    waiter.stop()
    #expect(
      answered.withLock { $0 } == [.mqtt: StopWaiter.remoteCapacity, .socket: 2 * StopWaiter.remoteCapacity])
    #expect(waits.load(ordering: .relaxed) == 2)
  }

  @Test("who asks after a stop while it is waited for shares that wait: the last resort is not taken twice")
  func shared() throws {
    let gate = Semaphore()
    let isWaiting = Semaphore()
    let waits = Atomic(0)
    let waiter = StopWaiter(stopCount: { 1 }) {
      waits.add(1, ordering: .relaxed)
      isWaiting.signal()
      gate.wait()
      return .executed
    }
    try waiter.start()
    waiter.requested()
    isWaiting.wait()
    let answered = Semaphore()
    #expect(waiter.whenStopped(.socket) { _ in answered.signal() })
    gate.signal()
    answered.wait()
    waiter.stop()
    #expect(waits.load(ordering: .relaxed) == 1)
  }

  @Test("the end answers what was asked before it and takes nothing after it")
  func end() throws {
    let waiter = StopWaiter(stopCount: { 1 }) { .unconfirmed(reason: "seen by nobody") }
    let reply = Locked<CommandReply?>(nil)
    #expect(waiter.whenStopped(.mqtt) { answer in reply.withLock { $0 = answer } })
    try waiter.start()
    waiter.stop()
    #expect(reply.withLock { $0 } == .unconfirmed(reason: "seen by nobody"))
    #expect(!waiter.whenStopped(.socket) { _ in Issue.record("answered after the end") })
  }
}
