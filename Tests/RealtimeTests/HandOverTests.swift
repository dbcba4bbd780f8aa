import Realtime
import Testing

@Suite("Hand-over")
struct HandOverTests {
  @Test("elements come out once, in order; beyond the capacity the newest are dropped and counted")
  func bounds() {
    let handOver = HandOver<Int>(capacity: 3)
    for number in 0..<5 { handOver.put(number) }
    #expect(handOver.dropped == 2)
    let first = handOver.takeAll()
    #expect(first.elements == [0, 1, 2] && !first.isClosed)
    handOver.put(7)
    handOver.close()
    let second = handOver.takeAll()
    #expect(second.elements == [7] && second.isClosed)
    #expect(handOver.takeAll().elements.isEmpty && handOver.dropped == 2)
  }

  @Test("a thread that puts and one that takes lose nothing between them")
  func threads() throws {
    let handOver = HandOver<Int>(capacity: 100_000)
    let thread = try RealtimeThread(name: "hand-over", policy: .normal) {
      for number in 0..<50_000 { handOver.put(number) }
      handOver.close()
    }
    var taken: [Int] = []
    while true {
      let (elements, isClosed) = handOver.takeAll()
      taken += elements
      if isClosed { break }
    }
    thread.join()
    #expect(taken == Array(0..<50_000) && handOver.dropped == 0)
  }
}
