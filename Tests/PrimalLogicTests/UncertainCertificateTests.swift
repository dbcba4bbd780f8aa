import SeededRandom
import Testing

@testable import PrimalLogic

/// U of the worked example without delay, the cheapest to find in an unoptimised build. Delays, servos and 1,000
/// random joints are tested by AgreementTests, on the optimised build.
private enum Uncertain {
  /// Of the nominal hand's encoder and torque noise, from SciPy's Riccati solver.
  static let observer = LoopObserver(position: 0.108211228, velocity: 6.19483866, latencyPeriods: 0)
  static let uncertainty = Uncertainty(
    inertiaShare: 0.2, dampingShare: 0.2, dtShare: 0.1, delayPeriods: 0...0, agePeriods: 0.3...0.3)
  static let hand = Result { () throws(UncertaintyRefusal) in
    try certify(TestModels.hand(), observer, under: uncertainty)
  }
}

@Suite struct UncertainCertificateTests {
  @Test(
    "the worked example and its observer with J and b ±20 %, dt ±10 % contract in one norm for slopes from 0.25 on"
  )
  func attained() throws {
    let certificate = try Uncertain.hand.get()
    #expect(certificate.smallestSlope <= 0.25)
    // Three quarters of what the slowest corner alone would allow are kept, less what the interpolation takes.
    #expect(isClose(certificate.attainableRatePerSecond, 0.666, 2e-3))
    #expect(certificate.ratePerSecond >= 0.65 * certificate.attainableRatePerSecond)
    #expect(certificate.ratePerSecond <= certificate.attainableRatePerSecond)
    #expect(verify(certificate, TestModels.hand(), Uncertain.observer).passed)
  }

  @Test("any difference of states shrinks by at least L for every plant, dt and slope within the uncertainty")
  func singleTicks() throws {
    let certificate = try Uncertain.hand.get()
    let loop = UncertainLoop(TestModels.hand(), Uncertain.observer, Uncertain.uncertainty)
    let seed: UInt64 = 311
    var generator = SeededGenerator(seed: seed)
    var tightest = 0.0
    for _ in 0..<4_000 {
      // The extremes as often as what lies between.
      func place(_ range: ClosedRange<Double>) -> Double {
        let at = min(max(generator.uniform(-0.25...1.25), 0), 1)
        return min(range.lowerBound + at * (range.upperBound - range.lowerBound), range.upperBound)
      }
      let point = LoopPoint(
        inverseInertia: place(loop.inverseInertia), damping: place(loop.damping), dt: place(loop.dt),
        delay: 0,
        age: 0.3)
      let slope = generator.uniform(certificate.smallestSlope...1)
      let found = certificate.lookup(dt: point.dt, slope: slope, delayPeriods: 0, agePeriods: 0.3)
      try #require(found.valid, "seed \(seed), dt \(point.dt), slope \(slope)")
      let a = loop.matrix(point, slope: slope)
      var x = ObservedState.zero
      var next = ObservedState.zero
      for (i, unit) in [1.0, 20, 2, 0.01, 0.5].enumerated() { x[i] = generator.uniform(-1...1) * unit }
      for i in 0..<5 {
        for j in 0..<5 { next[i] += a[i, j] * loop.scales[i] / loop.scales[j] * x[j] }
      }
      let ratio = (certificate.distanceSquared(next) / certificate.distanceSquared(x)).squareRoot()
      tightest = max(tightest, ratio / found.lipschitz)
      #expect(ratio <= found.lipschitz * (1 + 1e-12), "seed \(seed)")
    }
    // A bound that is never approached would say nothing.
    #expect(tightest > 0.99)
  }

  @Test("nothing is certified below the smallest slope, outside the range of dt, delay or age, or for NaN")
  func outside() throws {
    let certificate = try Uncertain.hand.get()
    for (dt, slope, delay, age) in [
      (1e-3, certificate.smallestSlope - 1e-6, 0.0, 0.3), (1e-3, 1.000001, 0, 0.3), (0.899e-3, 1, 0, 0.3),
      (1.101e-3, 1, 0, 0.3), (1e-3, 1, 0.1, 0.3), (1e-3, 1, 0, 0.31), (1e-3, 1, 0, 0.29), (.nan, 1, 0, 0.3),
      (1e-3, .nan, 0, 0.3), (1e-3, 1, .nan, 0.3), (1e-3, 1, 0, .nan),
    ] {
      let found = certificate.lookup(dt: dt, slope: slope, delayPeriods: delay, agePeriods: age)
      #expect(!found.valid && found.lipschitz.isNaN, "dt \(dt), slope \(slope), delay \(delay), age \(age)")
    }
    #expect(
      certificate.lookup(dt: 1e-3, slope: certificate.smallestSlope, delayPeriods: 0, agePeriods: 0.3).valid)
  }

  @Test("without errors of the estimate and at the nominal plant the loop is the certificate N's")
  func exactEstimates() {
    for ticks in 0...2 {
      let model = TestModels.hand(delay: ticks)
      let observer = LoopObserver(
        position: 0.169, velocity: 15.6, load: 1.7, latencyPeriods: Double(ticks))
      let loop = UncertainLoop(
        model, observer,
        Uncertainty(
          inertiaShare: 0.2, dampingShare: 0.5, dtShare: 0.1, delayPeriods: 0...Double(ticks),
          agePeriods: 0...0.5))
      for slope in [0, 0.4, 1] {
        let point = LoopPoint(
          inverseInertia: 1 / model.inertia, damping: model.damping, dt: 1.07e-3, delay: Double(ticks),
          age: 0.4
        )
        let observed = loop.matrix(point, slope: slope)
        let nominal = model.matrix(slope: slope, dt: 1.07e-3)
        for i in 0..<loop.n {
          for j in 0..<model.stateCount {
            let expected = i < model.stateCount ? nominal[i, j] : 0
            let found = observed[i, j] * loop.scales[i] / loop.scales[j]
            #expect((found - expected).magnitude < 1e-12, "\(ticks) ticks, row \(i), column \(j)")
          }
        }
      }
    }
  }

  /// The tick's observer tells the way of a young sample to second order, the model exactly.
  @Test(
    "the errors of the estimate move as the observer itself moves them", arguments: [(0, 1e-13), (0.4, 1e-4)])
  func sameAsObserver(age: Double, tolerance: Double) {
    let model = TestModels.hand(delay: 1)
    let gains = Observer.design(
      inertia: model.inertia, damping: model.damping, stiffness: 0, dt: model.period,
      measurementDeviation: 5.35e-4, torqueDeviation: 0.01, loadDeviation: 0.01)
    let described = LoopObserver(
      position: gains.position, velocity: gains.velocity, load: gains.load, latencyPeriods: 0.6)
    let loop = UncertainLoop(
      model, described,
      Uncertainty(
        inertiaShare: 0.2, dampingShare: 0.5, dtShare: 0.1, delayPeriods: 0.3...1, agePeriods: 0...age))
    // Another plant than the observer's, whose torque changes after 0.3 of the tick.
    let point = LoopPoint(inverseInertia: 1 / 0.003, damping: 0.012, dt: 1.04e-3, delay: 0.3, age: age)
    let x: ObservedState = [0.2, 0, 0.1, 0.4, 0.03, 0, 0, 0]
    var observer = Observer(
      inertia: model.inertia, damping: model.damping, stiffness: 0, position: x[0] - x[4])
    let decided = -0.7 * (model.kp * (x[0] - x[4]) + model.km * x[2])
    var (position, velocity) = (x[0], x[1])
    var measured = position
    for (share, torque) in [(0.3, x[3]), (0.7 - age, decided), (age, decided)] {
      measured = position
      ZeroOrderHold(inertia: 0.003, damping: 0.012, stiffness: 0, dt: share * 1.04e-3)
        .step(position: &position, velocity: &velocity, torque: torque)
    }
    observer.predict(torque: 0.6 * x[3] + 0.4 * decided, dt: 1.04e-3)
    observer.correct(measured: age == 0 ? position : measured, age: age * 1.04e-3, gains: gains)
    let a = loop.matrix(point, slope: 0.7)
    for (row, expected) in [
      (0, position), (1, velocity), (3, decided), (4, position - observer.position),
      (5, velocity - observer.velocity), (6, observer.load),
    ] {
      var sum = 0.0
      for j in 0..<7 { sum += a[row, j] * loop.scales[row] * x[j] / loop.scales[j] }
      #expect(isClose(sum, expected, tolerance * max(expected.magnitude, 1)), "row \(row)")
    }
  }

  @Test("an L claimed too small, another joint and an indefinite P do not verify")
  func forged() throws {
    let certificate = try Uncertain.hand.get()
    var small = certificate
    // Slope 1 in the last interval of dt, where corners lie.
    small.nodes[4 * 17 + 16] -= 1e-4
    #expect(!verify(small, TestModels.hand(), Uncertain.observer).passed)
    var other = TestModels.hand()
    other.inertia *= 2
    #expect(!verify(certificate, other, Uncertain.observer).passed)
    var slower = Uncertain.observer
    slower.velocity *= 0.5
    #expect(!verify(certificate, TestModels.hand(), slower).passed)
    var indefinite = certificate
    indefinite.balancedP[0, 0] = -1
    #expect(!verify(indefinite, TestModels.hand(), Uncertain.observer).passed)
  }

  @Test("U is refused with its cause: an unstable corner, a share out of range, a model that is none")
  func refusals() throws {
    // Stable nominally, but not with the largest inertia: K_m just inside Routh's window.
    var edge = TestModels.hand()
    edge.km = 0.97 * edge.memoryGainWindow.upper
    let wide = Uncertainty(
      inertiaShare: 0.3, dampingShare: 0, dtShare: 0.1, delayPeriods: 0...0, agePeriods: 0...0)
    #expect(edge.spectralRadius(dt: 1e-3) < 1)
    // An observer that all but copies its samples adds no lag of its own.
    let fast = LoopObserver(position: 0.999, velocity: 900, latencyPeriods: 0)
    #expect {
      _ = try certify(edge, fast, under: wide)
    } throws: { error in
      guard case .unstableCorner(let radius, let inverse, _, _, _, _)? = error as? UncertaintyRefusal else {
        return false
      }
      return radius > 1 && isClose(inverse * edge.inertia, 1 / 1.3, 1e-12)
    }
    for (inertia, damping, delay, age) in [
      (1, 0.5, 0.0...0.0, 0.0...0.0), (0.2, 1, 0...0, 0...0), (0.2, 0.5, 0...1, 0...0),
      (.nan, 0, 0...0, 0...0),
      (0.2, 0.5, 0...0, 0...1.1),
    ] {
      let bad = Uncertainty(
        inertiaShare: inertia, dampingShare: damping, dtShare: 0.1, delayPeriods: delay, agePeriods: age)
      #expect(throws: UncertaintyRefusal.invalidUncertainty) {
        _ = try certify(TestModels.hand(), Uncertain.observer, under: bad)
      }
    }
    var none = TestModels.hand()
    none.inertia = 0
    #expect(throws: UncertaintyRefusal.invalidModel(.inertia)) {
      _ = try certify(none, Uncertain.observer, under: wide)
    }
    let late = LoopObserver(position: 0.1, velocity: 6, latencyPeriods: 1)
    #expect(throws: UncertaintyRefusal.invalidObserver) {
      _ = try certify(TestModels.hand(), late, under: wide)
    }
  }
}
