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
