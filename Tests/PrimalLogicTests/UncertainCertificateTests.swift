import SeededRandom
import Testing

@testable import PrimalLogic

/// U of the worked example without delay, the cheapest to find in an unoptimised build. Delays, servos and 1,000
/// random joints are tested by AgreementTests, on the optimised build.
private enum Uncertain {
  static let uncertainty = Uncertainty(
    inertiaShare: 0.2, dampingShare: 0.5, dtShare: 0.1, delayPeriods: 0...0)
  static let hand = Result { () throws(UncertaintyRefusal) in
    try certify(TestModels.hand(), under: uncertainty)
  }
}

@Suite struct UncertainCertificateTests {
  @Test("the worked example with J ±20 %, b ±50 %, dt ±10 % contracts in one norm for slopes from 0.1 on")
  func attained() throws {
    let certificate = try Uncertain.hand.get()
    #expect(certificate.smallestSlope <= 0.1)
    // The slowest corner alone would allow 0.665 1/s; three quarters of it are kept, less the interpolation's 3 %.
    #expect(isClose(certificate.attainableRatePerSecond, 0.66508, 1e-5))
    #expect(certificate.ratePerSecond >= 0.72 * certificate.attainableRatePerSecond)
    #expect(certificate.ratePerSecond <= certificate.attainableRatePerSecond)
    #expect(verify(certificate, TestModels.hand()).passed)
  }

  @Test("any difference of states shrinks by at least L for every plant, dt and slope within the uncertainty")
  func singleTicks() throws {
    let certificate = try Uncertain.hand.get()
    let seed: UInt64 = 311
    var generator = SeededGenerator(seed: seed)
    var tightest = 0.0
    for _ in 0..<4_000 {
      var plant = TestModels.hand()
      // The extremes as often as what lies between.
      func share(_ width: Double, _ generator: inout SeededGenerator) -> Double {
        1 + width * min(max(generator.uniform(-1.5...1.5), -1), 1)
      }
      plant.inertia *= share(0.2, &generator)
      plant.damping *= share(0.5, &generator)
      let dt = min(
        max(1e-3 * share(0.1, &generator), certificate.minimumDt), certificate.maximumDt)
      let slope = generator.uniform(certificate.smallestSlope...1)
      let found = certificate.lookup(dt: dt, slope: slope, delayPeriods: 0)
      try #require(found.valid, "seed \(seed), dt \(dt), slope \(slope)")
      var x = StateVector(repeating: 0)
      for (i, unit) in [1.0, 20, 2].enumerated() { x[i] = generator.uniform(-1...1) * unit }
      let model = TestModels.hand()
      let before = certificate.distanceSquared(x, model)
      let after = certificate.distanceSquared(apply(tickMatrix(plant, slope: slope, dt: dt), x), model)
      let ratio = (after / before).squareRoot() / found.lipschitz
      tightest = max(tightest, ratio)
      #expect(ratio <= 1 + 1e-12, "seed \(seed)")
    }
    // A bound that is never approached would say nothing.
    #expect(tightest > 0.999)
  }

  @Test("nothing is certified below the smallest slope, outside the range of dt or delay, or for NaN")
  func outside() throws {
    let certificate = try Uncertain.hand.get()
    for (dt, slope, delay) in [
      (1e-3, certificate.smallestSlope - 1e-6, 0.0), (1e-3, 1.000001, 0), (0.899e-3, 1, 0), (1.101e-3, 1, 0),
      (1e-3, 1, 0.1), (.nan, 1, 0), (1e-3, .nan, 0), (1e-3, 1, .nan),
    ] {
      let found = certificate.lookup(dt: dt, slope: slope, delayPeriods: delay)
      #expect(!found.valid && found.lipschitz.isNaN, "dt \(dt), slope \(slope), delay \(delay)")
    }
    #expect(certificate.lookup(dt: 1e-3, slope: certificate.smallestSlope, delayPeriods: 0).valid)
  }

  @Test(
    "with a delay of whole ticks the uncertain loop's matrix is the nominal one; between, the two holds add up"
  )
  func delayedMatrix() {
    for ticks in 0...2 {
      let model = TestModels.hand(delay: ticks)
      let loop = UncertainLoop(
        model: model,
        uncertainty: Uncertainty(
          inertiaShare: 0.2, dampingShare: 0.5, dtShare: 0.1, delayPeriods: 0...Double(ticks)))
      for slope in [0, 0.4, 1] {
        let point = LoopPoint(
          inverseInertia: 1 / model.inertia, damping: model.damping, dt: 1.07e-3, delay: Double(ticks))
        let difference =
          loop.matrix(point, slope: slope) - model.balanced(model.matrix(slope: slope, dt: 1.07e-3))
        #expect(difference.frobeniusNorm < 1e-12)
      }
    }
    // One tick in two holds: 0.3 of it with the torque of the tick before, 0.7 with its own.
    let model = TestModels.hand(delay: 1)
    let loop = UncertainLoop(
      model: model,
      uncertainty: Uncertainty(inertiaShare: 0, dampingShare: 0, dtShare: 0, delayPeriods: 0...1))
    let point = LoopPoint(inverseInertia: 1 / model.inertia, damping: model.damping, dt: 1e-3, delay: 0.3)
    let a = loop.matrix(point, slope: 1)
    let d = model.scales
    let x: StateVector = [0.2, -3, 0.1, 0.4, 0]
    var (position, velocity) = (x[0], x[1])
    let decided = -(model.kp * x[0] + model.kd * x[1] + model.km * x[2])
    for (share, torque) in [(0.3, x[3]), (0.7, decided)] {
      ZeroOrderHold(inertia: model.inertia, damping: model.damping, stiffness: 0, dt: share * 1e-3)
        .step(position: &position, velocity: &velocity, torque: torque)
    }
    for (row, expected) in [(0, position), (1, velocity), (3, decided)] {
      var sum = 0.0
      for j in 0..<4 { sum += a[row, j] * d[row] * x[j] / d[j] }
      #expect(isClose(sum, expected, 1e-13 * max(expected.magnitude, 1)), "row \(row)")
    }
  }

  @Test("an L claimed too small, another joint and an indefinite P do not verify")
  func forged() throws {
    let certificate = try Uncertain.hand.get()
    var small = certificate
    // Slope 1 in the last interval of dt, where corners lie.
    small.nodes[4 * 17 + 16] -= 3e-5
    #expect(!verify(small, TestModels.hand()).passed)
    var other = TestModels.hand()
    other.inertia *= 2
    #expect(!verify(certificate, other).passed)
    var indefinite = certificate
    indefinite.balancedP[0, 0] = -1
    #expect(!verify(indefinite, TestModels.hand()).passed)
  }

  @Test("U is refused with its cause: an unstable corner, a share out of range, a model that is none")
  func refusals() throws {
    // Stable nominally, but not with the largest inertia: K_m just inside Routh's window.
    var edge = TestModels.hand()
    edge.km = 0.97 * edge.memoryGainWindow.upper
    let wide = Uncertainty(inertiaShare: 0.3, dampingShare: 0, dtShare: 0.1, delayPeriods: 0...0)
    #expect(edge.spectralRadius(dt: 1e-3) < 1)
    #expect {
      _ = try certify(edge, under: wide)
    } throws: { error in
      guard case .unstableCorner(let radius, let inverse, _, _, _)? = error as? UncertaintyRefusal else {
        return false
      }
      return radius > 1 && isClose(inverse * edge.inertia, 1 / 1.3, 1e-12)
    }
    for (inertia, damping, delay) in [
      (1, 0.5, 0.0...0.0), (0.2, 1, 0...0), (0.2, 0.5, 0...1), (.nan, 0, 0...0),
    ] {
      let bad = Uncertainty(inertiaShare: inertia, dampingShare: damping, dtShare: 0.1, delayPeriods: delay)
      #expect(throws: UncertaintyRefusal.invalidUncertainty) {
        _ = try certify(TestModels.hand(), under: bad)
      }
    }
    var none = TestModels.hand()
    none.inertia = 0
    #expect(throws: UncertaintyRefusal.invalidModel(.inertia)) { _ = try certify(none, under: wide) }
  }
}
