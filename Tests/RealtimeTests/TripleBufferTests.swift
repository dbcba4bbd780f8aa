import Realtime
import Synchronization
import Testing

@Suite struct TripleBufferTests {
  @Test("the initial value is there but not new")
  func initial() {
    let value = TripleBuffer(7)
    #expect(value.read() == (7, false))
    var taken = 1
    #expect(!value.take(into: &taken))
    #expect(taken == 1)
  }

  @Test("the newest of several writes is read, once as new and then as known")
  func newestWins() {
    let value = TripleBuffer(0)
    for number in 1...5 { value.write(number) }
    #expect(value.read() == (5, true))
    #expect(value.read() == (5, false))
    value.writeInPlace { $0 = 6 }
    var taken = 0
    #expect(value.take(into: &taken))
    #expect(taken == 6)
    value.write(8)
    var borrowed = (0, false)
    value.withNewest { number, isNew in borrowed = (number, isNew) }
    #expect(borrowed == (8, true))
  }

  @Test(
    "a reader on another thread sees only whole values, never an older one after a newer one, and the last")
  func stress() throws {
    let produced: UInt64 = 300_000
    let value = TripleBuffer(Sample())
    let writer = try RealtimeThread(name: "writer", policy: .normal) {
      for number in 1...produced {
        if number.isMultiple(of: 2) {
          value.write(Sample(number: number))
        } else {
          value.writeInPlace { $0.set(number) }
        }
      }
    }
    var last: UInt64 = 0
    var broken = 0
    while last < produced {
      value.withNewest { sample, isNew in
        if !sample.isWhole || sample.number < last || isNew != (sample.number > last) { broken += 1 }
        last = sample.number
      }
    }
    writer.join()
    #expect(broken == 0)
  }

  @Test("a real-time reader that preempts the writer on the same CPU always finishes, with a whole value")
  func preemption() throws {
    let value = TripleBuffer(Sample())
    let isOver = Atomic(false)
    let writer = try RealtimeThread(name: "writer", policy: .normal, cpu: 0) {
      var number: UInt64 = 0
      while !isOver.load(ordering: .relaxed) {
        number += 1
        value.write(Sample(number: number))
      }
    }
    let broken = Atomic(0)
    let reader = try RealtimeThread(
      name: "reader", policy: .fifo(priority: 50), cpu: 0, onMissingPrivilege: .degrade
    ) {
      let clock = MonotonicClock()
      var cadence = DeadlineSchedule(periodNanoseconds: 50_000, start: clock.now())
      var last: UInt64 = 0
      for _ in 0..<2000 {
        clock.sleep(until: cadence.deadlineNanoseconds)
        let (sample, isNew) = value.read()
        if !sample.isWhole || sample.number < last || isNew != (sample.number > last) {
          broken.add(1, ordering: .relaxed)
        }
        last = sample.number
        cadence.advance(now: clock.now())
      }
    }
    reader.join()
    isOver.store(true, ordering: .relaxed)
    writer.join()
    #expect(broken.load(ordering: .relaxed) == 0)
  }
}
