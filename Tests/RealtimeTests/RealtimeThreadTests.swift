import Glibc
import Synchronization
import Testing

@testable import Realtime

@Suite struct RealtimeThreadTests {
  @Test("a thread reports what the kernel gave it: name cut to 15 bytes, policy, CPU, identifier")
  func report() throws {
    let name = Locked("")
    let thread = try RealtimeThread(name: "a-name-of-20-letters", policy: .normal, cpu: 0) {
      let found = SystemFile.readLine("/proc/thread-self/comm")
      name.withLock { $0 = found ?? "" }
    }
    thread.join()
    #expect(name.withLock { $0 } == "a-name-of-20-le")
    #expect(thread.report.name == "a-name-of-20-le")
    #expect(thread.report.policy == .normal)
    #expect(thread.report.cpu == 0)
    #expect(thread.threadID > 0 && thread.threadID != getpid())
    #expect(!thread.report.isDegraded)
  }

  @Test("a real-time thread has its priority, or says that it is degraded")
  func fifo() throws {
    let thread = try RealtimeThread(
      name: "fifo", policy: .fifo(priority: 42), onMissingPrivilege: .degrade, body: {})
    thread.join()
    #expect(thread.report.policy == (thread.report.isDegraded ? .normal : .fifo(priority: 42)))
    // Root has CAP_SYS_NICE unless a container took it away; then the strict form must refuse as well.
    if thread.report.isDegraded {
      #expect(throws: RealtimeThreadError.notPermitted(priority: 42)) {
        _ = try RealtimeThread(name: "fifo", policy: .fifo(priority: 42), body: {})
      }
    }
  }

  @Test("all signals that can be are blocked in the thread, and none more in its creator")
  func signals() throws {
    func blocked() -> [Int32] {
      var mask = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &mask)
      return (1...64 as ClosedRange<Int32>).filter { sigismember(&mask, $0) == 1 }
    }
    let before = blocked()
    let inside = Locked<[Int32]>([])
    try RealtimeThread(name: "signals", policy: .normal) {
      var mask = sigset_t()
      pthread_sigmask(SIG_SETMASK, nil, &mask)
      let found = (1...64 as ClosedRange<Int32>).filter { sigismember(&mask, $0) == 1 }
      inside.withLock { $0 = found }
    }.join()
    // SIGKILL and SIGSTOP cannot be blocked; 32 and 33 are the C library's own.
    let expected = Set(1...64 as ClosedRange<Int32>).subtracting([SIGKILL, SIGSTOP, 32, 33])
    #expect(Set(inside.withLock { $0 }) == expected)
    #expect(blocked() == before)
  }

  @Test("a CPU that does not exist is refused by name", arguments: [1023, 100_000, -1])
  func noSuchCPU(cpu: Int) {
    #expect(throws: RealtimeThreadError.noSuchCPU(cpu)) {
      _ = try RealtimeThread(name: "nowhere", policy: .normal, cpu: cpu, body: {})
    }
  }

  @Test("join waits for the end of the body, may be repeated, and the last release joins too")
  func join() throws {
    let isJoined = Atomic(false)
    let thread = try RealtimeThread(name: "join", policy: .normal) {
      let clock = MonotonicClock()
      clock.sleep(until: clock.now() + 20_000_000)
      isJoined.store(true, ordering: .relaxed)
    }
    thread.join()
    #expect(isJoined.load(ordering: .relaxed) == true)
    thread.join()

    let isReleased = Atomic(false)
    var last: RealtimeThread? = try RealtimeThread(name: "release", policy: .normal) {
      let clock = MonotonicClock()
      clock.sleep(until: clock.now() + 20_000_000)
      isReleased.store(true, ordering: .relaxed)
    }
    #expect(last != nil)
    last = nil
    #expect(isReleased.load(ordering: .relaxed) == true)
  }

  @Test("what the body holds is released when it has run")
  func release() throws {
    final class Held: Sendable {}
    weak var held: Held?
    do {
      let object = Held()
      held = object
      let thread = try RealtimeThread(name: "held", policy: .normal) { _ = object }
      thread.join()
    }
    #expect(held == nil)
  }

  @Test("the smallest stack bears its own touching", arguments: [65_536, 1 << 20])
  func stack(bytes: Int) throws {
    let hasRun = Atomic(false)
    try RealtimeThread(name: "stack", policy: .normal, stackBytes: bytes) {
      hasRun.store(true, ordering: .relaxed)
    }.join()
    #expect(hasRun.load(ordering: .relaxed) == true)
  }

  @Test(
    "a thread that stands still is waited for as long as was asked and then left behind; one that ends is joined"
  )
  func boundedJoin() throws {
    let gate = Semaphore()
    let hasPassed = Semaphore()
    let clock = MonotonicClock()
    let standing = try RealtimeThread(name: "standing", policy: .normal) {
      gate.wait()
      hasPassed.signal()
    }
    let start = clock.now()
    #expect(!standing.join(by: start + 20_000_000))
    #expect(clock.now() - start >= 20_000_000)
    #expect(!standing.hasReturned(by: clock.now()))
    // Nobody waits for it any more, the last release neither.
    standing.join()
    gate.signal()
    hasPassed.wait()
    let ending = try RealtimeThread(name: "ending", policy: .normal) {}
    #expect(ending.join(by: clock.now() + 10_000_000_000))
  }

  @Test("a thread that is left goes on without its owner, whose release waits for nothing")
  func left() throws {
    let gate = Semaphore()
    let hasPassed = Semaphore()
    var thread: RealtimeThread? = try RealtimeThread(
      name: "left", policy: .normal, stackBytes: 1 << 20, touchesStack: false
    ) {
      gate.wait()
      hasPassed.signal()
    }
    thread?.leave()
    thread?.leave()
    thread = nil
    gate.signal()
    hasPassed.wait()
  }
}
