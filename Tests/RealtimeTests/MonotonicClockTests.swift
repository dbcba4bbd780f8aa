import Glibc
import Realtime
import Synchronization
import Testing

@Suite struct MonotonicClockTests {
  let clock = MonotonicClock()

  @Test("a sleep ends when the clock has reached the deadline, and at once for a past one")
  func sleep() {
    let deadline = clock.now() + 3_000_000
    clock.sleep(until: deadline)
    #expect(clock.now() >= deadline)
    // A second would be 10⁹: none of these may wait at all, so the bound is far from noise.
    let start = clock.now()
    for past in [start - 1, 1, 0, -1, .min] { clock.sleep(until: past) }
    #expect(clock.now() - start < 1_000_000_000)
  }

  @Test("signals do not shorten a sleep")
  func interrupted() throws {
    signal(SIGUSR1) { _ in }
    defer { signal(SIGUSR1, SIG_DFL) }
    let sleeper = pthread_self()
    let isOver = Atomic(false)
    let sent = Atomic(0)
    let sender = try RealtimeThread(name: "sender", policy: .normal) {
      let clock = MonotonicClock()
      while !isOver.load(ordering: .acquiring) {
        pthread_kill(sleeper, SIGUSR1)
        sent.add(1, ordering: .relaxed)
        clock.sleep(until: clock.now() + 1_000_000)
      }
    }
    let deadline = clock.now() + 50_000_000
    clock.sleep(until: deadline)
    let end = clock.now()
    isOver.store(true, ordering: .releasing)
    sender.join()
    #expect(end >= deadline)
    #expect(sent.load(ordering: .relaxed) > 0)
  }

  @Test("wall time is the C library's time")
  func wall() {
    let before = time(nil)
    let seconds = Int(clock.wallNow() / 1_000_000_000)
    // That one is moved on by the kernel's tick, up to 10 ms late.
    #expect((before...time(nil) + 1).contains(seconds))
  }
}
