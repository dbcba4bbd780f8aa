import PrimalLogic
import Testing

@Suite struct StabilityTests {
  @Test("the worked example's tick matrix has the golden entries and eigenvalues")
  func workedExample() {
    let expected = [
      [0.99970079840256, 0.00098404258146968, -0.00015957418530315],
      [-0.59760638722045, 0.96812765934824, -0.31872340651757],
      [0.0009999425022041, 0, 0.99988500661225],
    ]
    let a = tickMatrix(TestModels.hand(), slope: 1, dt: 1e-3)
    for i in 0..<3 { for j in 0..<3 { #expect(isClose(a[i][j], expected[i][j], 1e-13)) } }

    let found = TestModels.hand().tickEigenvalues(dt: 1e-3)
    let golden = [
      ComplexNumber(0.98419051409469, 0.018177401917388), ComplexNumber(0.98419051409469, -0.018177401917388),
      ComplexNumber(0.99933243617367),
    ]
    for value in golden {
      let near = (0..<3).contains {
        isClose(found[$0].real, value.real, 1e-12) && isClose(found[$0].imaginary, value.imaginary, 1e-12)
      }
      #expect(near, "no eigenvalue near \(value)")
    }
  }

  @Test(
    "the spectral radius has the golden value for each period, memory and delay",
    arguments: [
      (0.5e-3, 0.115, 0, 0.99966620948213), (1e-3, 0.115, 0, 0.99933243617367),
      (2e-3, 0.115, 0, 0.99866494115702), (5e-3, 0.115, 0, 0.99666286840465),
      (10e-3, 0.115, 0, 0.99332745143202), (1e-3, 0.16905, 0, 0.99927677749383),
      (1e-3, 0.115, 1, 0.99933243939), (1e-3, 0.115, 2, 0.99933244260),
    ])
  func radii(_ period: Double, _ lambda: Double, _ delay: Int, _ expected: Double) {
    let model = TestModels.hand(delay: delay, period: period, lambda: lambda)
    #expect(isClose(model.spectralRadius(dt: period), expected, 1e-11))
  }

  @Test(
    "saturation slopes have the golden spectral radii",
    arguments: [
      (1.0, 0.999332436), (0.5, 0.999445943), (0.2, 0.999637627), (0.1, 0.999772225), (0.05, 0.999869894),
      (0.01, 0.999970745), (0, 1),
    ])
  func slopes(_ slope: Double, _ expected: Double) {
    #expect(isClose(TestModels.hand().spectralRadius(slope: slope, dt: 1e-3), expected, 6e-10))
  }

  @Test("servo loops with delayed frames have the golden spectral radii")
  func servos() {
    #expect(
      isClose(TestModels.servo(frame: 0.02, delay: 1).spectralRadius(dt: 0.02), 0.9873226993, 1e-10))
    #expect(
      isClose(TestModels.servo(frame: 0.003, delay: 2).spectralRadius(dt: 0.003), 0.9981155651, 1e-10))
  }

  @Test(
    "the source hand is stable with the plus sign",
    arguments: [
      (0.54, 0.99976001999829), (0.55, 0.99976230719392), (0.56, 0.99976451219633),
    ])
  func sourceHandPlus(_ alpha: Double, _ expected: Double) {
    let model = TestModels.sourceHand(alpha: alpha, memorySign: 1)
    #expect(isClose(model.spectralRadius(dt: 1e-3), expected, 1e-12))
  }

  @Test("Routh's window of the memory gain: hand, memory alone and servo")
  func routh() {
    let hand = TestModels.hand().memoryGainWindow
    #expect(isClose(hand.lower, -0.1725, 1e-12) && isClose(hand.upper, 48.295458, 1e-9))
    #expect(isClose(TestModels.memoryOnly.memoryGainWindow.upper, 0.0186645, 1e-10))
    let servo = TestModels.servo(frame: 0.02, delay: 1).memoryGainWindow
    #expect(isClose(servo.lower, -0.138, 1e-12) && isClose(servo.upper, 72.677, 5e-4))
  }

  @Test("the ends of Routh's window are where the continuous loop turns unstable")
  func routhIsSharp() {
    let window = TestModels.hand().memoryGainWindow
    for (gain, stable) in [
      (window.lower + 1e-3, true), (window.lower - 1e-3, false), (window.upper - 1e-2, true),
      (window.upper + 1e-2, false),
    ] {
      var model = TestModels.hand()
      model.km = gain
      #expect((largestRealPart(model) < 0) == stable, "K_m \(gain)")
    }
  }

  @Test(
    "with the minus sign the source hand has a growing root, and certify refuses it",
    arguments: [(0.54, 0.00840168387), (0.55, 0.006172423416), (0.56, 0.00402224309)])
  func sourceHandMinus(_ alpha: Double, _ root: Double) {
    let model = TestModels.sourceHand(alpha: alpha, memorySign: -1)
    #expect(isClose(largestRealPart(model), root, 1e-10))
    expectUnstable(model)
  }

  @Test("memory without PD diverges, and certify refuses it")
  func memoryOnly() {
    let poles = TestModels.memoryOnly.continuousPoles
    let growing = (0..<3).first { poles[$0].imaginary > 1 }
    #expect(growing.map { isClose(poles[$0].real, 0.632811296, 1e-9) } == true)
    #expect(growing.map { isClose(poles[$0].imaginary, 3.520209902, 1e-9) } == true)
    expectUnstable(TestModels.memoryOnly)
  }

  @Test("a loop that one tick of delay makes unstable at 30 ms is refused; without delay it is stable")
  func delayDestabilises() throws {
    #expect(TestModels.hand(period: 0.03).spectralRadius(dt: 0.03) < 1)
    expectUnstable(TestModels.hand(delay: 1, period: 0.03))
  }

  @Test("the circle criterion of the saturated loop: without back-calculation it fails, with it it holds")
  func circle() {
    for (h, expected, tolerance) in [
      (0.0, -3074.6, 0.5), (0.05, -0.3848, 1e-3), (0.2, -0.8200, 1e-3), (1, -0.9669, 1e-3),
    ] {
      let smallest = smallestRealGain(TestModels.hand(backCalculation: h))
      #expect(isClose(smallest, expected, tolerance), "h \(h): \(smallest)")
    }
  }

  @Test("a model outside its domain is refused by the name of its field")
  func invalidModels() {
    var model = TestModels.hand()
    model.inertia = 0
    #expect(throws: CertificateRefusal.invalidModel(.inertia)) { _ = try certify(model) }
    model = TestModels.hand()
    model.kd = .nan
    #expect(throws: CertificateRefusal.invalidModel(.gains)) { _ = try certify(model) }
    model = TestModels.hand()
    model.delayTicks = 3
    #expect(throws: CertificateRefusal.invalidModel(.delayTicks)) { _ = try certify(model) }
    #expect(throws: CertificateRefusal.invalidRange) {
      _ = try certify(TestModels.hand(), relativeDt: 1...1.5)
    }
  }

  private func largestRealPart(_ model: LoopModel) -> Double {
    let poles = model.continuousPoles
    return max(poles[0].real, poles[1].real, poles[2].real)
  }

  /// Refused by `certify`, and a simulation of the linear loop grows.
  private func expectUnstable(_ model: LoopModel, sourceLocation: SourceLocation = #_sourceLocation) {
    do {
      _ = try certify(model)
      Issue.record("certified an unstable loop", sourceLocation: sourceLocation)
    } catch {
      guard case .unstable(let radius, _) = error else {
        Issue.record("refused for another reason: \(error)", sourceLocation: sourceLocation)
        return
      }
      #expect(radius > 1, sourceLocation: sourceLocation)
    }
    // By squaring, A^(2^21) covers 35 minutes at 1 kHz; the slowest root here doubles in 173 s.
    var power = tickMatrix(model, slope: 1, dt: model.period)
    for _ in 0..<21 {
      power = multiply(power, power)
      if power[0][0].magnitude > 1e100 { break }
    }
    let moved = power.flatMap { $0 }.map(\.magnitude).max() ?? 0
    #expect(moved > 100, "A^(2^21) stays at \(moved)", sourceLocation: sourceLocation)
  }

  private func multiply(_ l: [[Double]], _ r: [[Double]]) -> [[Double]] {
    let n = l.count
    return (0..<n).map { i in (0..<n).map { j in (0..<n).reduce(0) { $0 + l[i][$1] * r[$1][j] } } }
  }

  /// min Re G on the unit circle, G(z) = K (z − A(0))⁻¹ (B − h e₃), from which A(s) = A(0) − s (B − h e₃) K.
  private func smallestRealGain(_ model: LoopModel) -> Double {
    let a = tickMatrix(model, slope: 0, dt: model.period)
    let full = tickMatrix(model, slope: 1, dt: model.period)
    // (A(0) − A(1)) = (B − h e₃) K, so its first column over Kp is the input.
    let input = (0..<3).map { (a[$0][0] - full[$0][0]) / model.kp }
    let k = [model.kp, model.kd, model.km]
    // K adj(z − A) b / det(z − A) by Faddeev and LeVerrier: numerators and denominator as polynomials in z − 1,
    // which keeps their digits near z = 1.
    var f = a
    for i in 0..<3 { f[i][i] -= 1 }
    var m = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]
    var numerator: [Double] = []
    var denominator = [1.0]
    for step in 1...3 {
      numerator.append(
        (0..<3).reduce(0.0) { sum, i in sum + (0..<3).reduce(0.0) { $0 + k[i] * m[i][$1] * input[$1] } })
      let fm = multiply(f, m)
      let c = -(fm[0][0] + fm[1][1] + fm[2][2]) / Double(step)
      denominator.append(c)
      m = fm
      for i in 0..<3 { m[i][i] += c }
    }
    var smallest = Double.infinity
    for index in 0...20_000 {
      let angle = exponential(-16.2 + 17.34 * Double(index) / 20_000)
      // e^(iθ) − 1 by half angles.
      let (sine, cosine) = sineAndCosine(angle / 2)
      let p = (-2 * sine * sine, 2 * sine * cosine)
      let top = horner(numerator, p)
      let bottom = horner(denominator, p)
      let size = bottom.0 * bottom.0 + bottom.1 * bottom.1
      smallest = min(smallest, (top.0 * bottom.0 + top.1 * bottom.1) / size)
    }
    return smallest
  }

  private func horner(_ coefficients: [Double], _ z: (Double, Double)) -> (Double, Double) {
    var sum = (0.0, 0.0)
    for c in coefficients { sum = (sum.0 * z.0 - sum.1 * z.1 + c, sum.0 * z.1 + sum.1 * z.0) }
    return sum
  }
}
