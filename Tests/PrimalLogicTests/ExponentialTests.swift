import Foundation
import PrimalLogic
import SeededRandom
import Testing

@Suite struct ExponentialTests {
  @Test("the core's exponential agrees with the C library to two units in the last place")
  func accuracy() {
    var generator = SeededGenerator(seed: 11)
    var worst = 0.0
    for index in 0..<20_000 {
      let x = index % 2 == 0 ? generator.uniform(-1...1) : generator.uniform(-700...700)
      let expected = Foundation.exp(x)
      worst = max(worst, (exponential(x) - expected).magnitude / expected.ulp)
    }
    #expect(worst <= 2, "seed 11, worst \(worst) ulp")
  }

  @Test("the exponential keeps its limits: 1 at 0, 0 and infinity far out, NaN for NaN")
  func limits() {
    #expect(exponential(0) == 1)
    #expect(exponential(-0.0) == 1)
    #expect(exponential(-746) == 0)
    #expect(exponential(710) == .infinity)
    #expect(exponential(-.infinity) == 0)
    #expect(exponential(.nan).isNaN)
    #expect(isClose(exponential(-740) / Foundation.exp(-740), 1, 1e-2))
  }

  @Test("the core's logarithm agrees with the C library")
  func logarithm() {
    var generator = SeededGenerator(seed: 12)
    for _ in 0..<5_000 {
      let x = Foundation.exp(generator.uniform(-50...50))
      let expected = Foundation.log(x)
      #expect(isClose(naturalLogarithm(x), expected, 4 * max(expected.ulp, 0x1p-53)), "seed 12, x \(x)")
    }
  }
}
