import Realtime
import Synchronization
import Testing

@Suite struct RingTests {
  @Test("a ring hands out records in order and drops, counted, what does not fit")
  func fullRing() {
    let ring = Ring(capacity: 4, filling: UInt64(0))
    for number in 0..<6 as Range<UInt64> { #expect(ring.push(number) == (number < 4)) }
    #expect(ring.count == 4)
    #expect(ring.dropped == 2)
    var taken: [UInt64] = []
    #expect(ring.drain(limit: 3) { taken.append($0) } == 3)
    #expect(taken == [0, 1, 2])
    #expect(ring.push(9))
    #expect(ring.drain { taken.append($0) } == 2)
    #expect(taken == [0, 1, 2, 3, 9])
    #expect(ring.count == 0)
  }

  @Test("a ring of shorter records carries so many bytes of each, and nothing behind them")
  func shortRecords() {
    let ring = Ring<Wide>(capacity: 4, filling: Wide(0, 0, 7), recordBytes: 16)
    var taken: [[UInt64]] = []
    for round in 0..<5 as Range<UInt64> {
      #expect(ring.push(Wide(round, round + 100, 99)))
      #expect(ring.push(Wide(round + 50, round, 98)))
      _ = ring.drain { taken.append([$0.a, $0.b, $0.c]) }
    }
    #expect(taken.count == 10)
    for round in 0..<5 as Range<UInt64> {
      #expect(taken[2 * Int(round)] == [round, round + 100, 7])
      #expect(taken[2 * Int(round) + 1] == [round + 50, round, 7])
    }
  }

  @Test("under a producer that never waits each record arrives whole and in order or is counted as dropped")
  func stress() throws {
    let produced: UInt64 = 300_000
    // Small, so that it fills often.
    let ring = Ring(capacity: 64, filling: Sample())
    let isOver = Atomic(false)
    let start = Atomic(false)
    let producer = try RealtimeThread(name: "producer", policy: .normal) {
      while !start.load(ordering: .acquiring) {}
      for number in 1...produced { ring.push(Sample(number: number)) }
      isOver.store(true, ordering: .releasing)
    }
    var received: UInt64 = 0
    var last: UInt64 = 0
    var broken = 0
    start.store(true, ordering: .releasing)
    var isLastRound = false
    while true {
      received += UInt64(
        ring.drain { record in
          if record.number <= last || !record.isWhole { broken += 1 }
          last = record.number
        })
      if isLastRound { break }
      isLastRound = isOver.load(ordering: .acquiring)
    }
    producer.join()
    #expect(broken == 0)
    #expect(received > 0)
    #expect(received + ring.dropped == produced)
  }
}

private struct Wide: BitwiseCopyable, Sendable {
  var a: UInt64
  var b: UInt64
  var c: UInt64

  init(_ a: UInt64, _ b: UInt64, _ c: UInt64) {
    (self.a, self.b, self.c) = (a, b, c)
  }
}
