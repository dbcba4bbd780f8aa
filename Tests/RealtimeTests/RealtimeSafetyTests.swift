import Realtime
import Testing

/// A record of the size of a small tick record, whose fields all follow from one number.
struct Sample: BitwiseCopyable, Sendable {
  var number: UInt64 = 0
  var words = InlineArray<32, UInt64>(repeating: 0)

  init(number: UInt64 = 0) {
    set(number)
  }

  mutating func set(_ number: UInt64) {
    self.number = number
    for index in 0..<32 { words[index] = number &* UInt64(index + 1) }
  }

  /// Whether all fields belong to the same number.
  var isWhole: Bool {
    for index in 0..<32 where words[index] != number &* UInt64(index + 1) { return false }
    return true
  }
}

/// What a tick does with this module, under the compiler's check: that this compiles, from another module and
/// without optimisation, is the proof that the loop may call it.
@_noLocks
func tick(
  mailbox: TripleBuffer<Sample>, output: TripleBuffer<Sample>, ring: Ring<Sample>,
  histogram: LatencyHistogram, cadence: inout DeadlineSchedule, now: Int64
) -> UInt64 {
  var received = Sample()
  _ = mailbox.take(into: &received)
  let (copied, isNew) = mailbox.read()
  var sum = isNew ? copied.number : 0
  mailbox.withNewest { sample, _ in sum &+= sample.number }
  output.write(received)
  output.writeInPlace { $0.set(received.number) }
  ring.push(received)
  histogram.record(now)
  cadence.advance(now: now)
  return sum
}

@Suite struct RealtimeSafetyTests {
  @Test("a function compiled as free of locks uses mailbox, ring, histogram and cadence")
  func annotatedTick() {
    let mailbox = TripleBuffer(Sample())
    let output = TripleBuffer(Sample())
    let ring = Ring(capacity: 4, filling: Sample())
    let histogram = LatencyHistogram()
    var cadence = DeadlineSchedule(periodNanoseconds: 10, start: 10)
    mailbox.write(Sample(number: 7))
    let sum = tick(
      mailbox: mailbox, output: output, ring: ring, histogram: histogram, cadence: &cadence, now: 15)
    #expect(sum == 7)
    #expect(output.read().value.number == 7)
    #expect(ring.count == 1)
    #expect(histogram.snapshot().count == 1)
    #expect(cadence.deadlineNanoseconds == 20)
  }
}
