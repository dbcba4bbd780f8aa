import Glibc
import Testing

@testable import Realtime

@Suite("Wake-up")
struct WakeUpTests {
  @Test("a ring ends the wait in progress or the next one, once")
  func ring() throws {
    let wakeUp = WakeUp()
    let clock = MonotonicClock()
    let start = clock.now()
    let ringer = try RealtimeThread(name: "ringer", policy: .normal) {
      clock.sleep(until: start + 20_000_000)
      wakeUp.ring()
    }
    wakeUp.wait(milliseconds: 60_000)
    #expect(clock.now() - start < 30_000_000_000)
    ringer.join()
    wakeUp.ring()
    wakeUp.ring()
    wakeUp.wait(milliseconds: 60_000)
    // Both rings were taken: this one ends by its time-out.
    let before = clock.now()
    wakeUp.wait(milliseconds: 20)
    #expect(clock.now() - before >= 19_000_000)
  }

  @Test("what a socket has to say ends the wait and leaves a later ring in force")
  func socket() throws {
    let wakeUp = WakeUp()
    let other = WakeUp()
    other.ring()
    let clock = MonotonicClock()
    let start = clock.now()
    wakeUp.wait(milliseconds: 60_000, socket: other.descriptor, events: POLLIN)
    #expect(clock.now() - start < 30_000_000_000)
    var polled = pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0)
    #expect(poll(&polled, 1, 0) == 0)
    wakeUp.ring()
    #expect(poll(&polled, 1, 0) == 1)
    wakeUp.clear()
    #expect(poll(&polled, 1, 0) == 0)
  }
}
