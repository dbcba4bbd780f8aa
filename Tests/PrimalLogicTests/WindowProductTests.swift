import PrimalLogic
import SeededRandom
import Testing

@Suite struct WindowProductTests {
  @Test("the sum is that of the last N ticks, bit for bit, after any number of ticks")
  func exact() {
    let seed: UInt64 = 3
    var generator = SeededGenerator(seed: seed)
    var window = WindowProduct(ticks: 37)
    var history: [Int64] = []
    for index in 1...5_000 {
      let entry = -Int64.random(in: 0...(1 << 50), using: &generator)
      window.push(entry)
      history.append(entry)
      if index % 97 == 0 || index < 80 {
        #expect(window.sum == history.suffix(37).reduce(0, +), "seed \(seed), tick \(index)")
        #expect(window.isFull == (index >= 37))
      }
    }
  }

  @Test("the product over a second of worked-example ticks is ρ^1000")
  func product() {
    var window = WindowProduct(ticks: 1000)
    #expect(window.product == 1)
    let entry = Int64(naturalLogarithm(0.99933243617367) / WindowProduct.unit)
    for _ in 0..<2_500 { window.push(entry) }
    #expect(isClose(window.product, 0.51284237292658, 1e-11))
  }

  @Test("a window copied bit by bit while it goes on, resets included, is the window as it was at the start")
  func copied() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let ticks = 23
    for _ in 0..<500 {
      var window = WindowProduct(ticks: ticks)
      func step(_ window: inout WindowProduct, _ twin: inout WindowProduct, _ entry: Int64, resets: Bool) {
        if resets {
          window.reset()
          twin.reset()
        }
        window.push(entry)
        twin.push(entry)
      }
      var unused = WindowProduct(ticks: ticks)
      for _ in 0..<Int.random(in: 0...60, using: &generator) {
        step(
          &window, &unused, Int64.random(in: -1000...0, using: &generator),
          resets: Int.random(in: 0..<20, using: &generator) == 0)
      }
      // What happens while and after it is copied.
      let later = (0..<80).map { _ in
        (
          entry: Int64.random(in: -1000...0, using: &generator),
          resets: Int.random(in: 0..<30, using: &generator) == 0
        )
      }
      let head = window.head
      let entries = UnsafeMutablePointer<Int64>.allocate(capacity: ticks)
      defer { entries.deallocate() }
      var sums: [Int64] = []
      var first = 0
      for (entry, resets) in later {
        if first < ticks {
          let count = min(2, ticks - first)
          window.copyEntries(to: entries + first, since: head, from: first, count: count)
          first += count
        }
        step(&window, &unused, entry, resets: resets)
        sums.append(window.sum)
      }
      var twin = WindowProduct(ticks: ticks)
      twin.restore(head, entries: entries)
      for ((entry, resets), sum) in zip(later, sums) {
        step(&twin, &unused, entry, resets: resets)
        #expect(twin.sum == sum, "seed \(seed)")
      }
      #expect(twin.isFull == window.isFull, "seed \(seed)")
    }
  }

  @Test("a reset window is empty and counts anew")
  func reset() {
    var window = WindowProduct(ticks: 3)
    for _ in 0..<5 { window.push(-8) }
    #expect(window.sum == -24 && window.isFull)
    window.reset()
    #expect(window.sum == 0 && !window.isFull)
    window.push(-1)
    #expect(window.sum == -1 && !window.isFull)
  }
}
