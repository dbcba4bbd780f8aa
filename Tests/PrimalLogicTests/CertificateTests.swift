import PrimalLogic
import SeededRandom
import Testing

/// Certificates are made once and shared: the search is the slow part of an unoptimised build.
enum Certified {
  static let hand = Result { () throws(CertificateRefusal) in try certify(TestModels.hand()) }
  static let handDelayed1 = Result { () throws(CertificateRefusal) in try certify(TestModels.hand(delay: 1)) }
  static let handDelayed2 = Result { () throws(CertificateRefusal) in try certify(TestModels.hand(delay: 2)) }
  static let servo = Result { () throws(CertificateRefusal) in
    try certify(TestModels.servo(frame: 0.02, delay: 1))
  }

  static func of(_ which: Which) throws -> (Certificate, LoopModel) {
    switch which {
    case .hand: (try hand.get(), TestModels.hand())
    case .handDelayed1: (try handDelayed1.get(), TestModels.hand(delay: 1))
    case .handDelayed2: (try handDelayed2.get(), TestModels.hand(delay: 2))
    case .servo: (try servo.get(), TestModels.servo(frame: 0.02, delay: 1))
    }
  }

  enum Which: CaseIterable { case hand, handDelayed1, handDelayed2, servo }
}

@Suite struct CertificateTests {
  @Test(
    "the worked example's L(s) is within 10⁻⁶ of the best known norm and never below the spectral radius",
    arguments: [
      (1.0, 0.999332931, 0.999332436), (0.5, 0.999446353, 0.999445943), (0.2, 0.999637968, 0.999637627),
      (0.1, 0.999772417, 0.999772225), (0.05, 0.999869973, 0.999869894), (0.01, 0.999970750, 0.999970745),
      (0, 1, 1),
    ])
  func goldenTable(_ slope: Double, _ golden: Double, _ floor: Double) throws {
    let certificate = try Certified.hand.get()
    let exact = certificate.exactLipschitz(TestModels.hand(), dt: 1e-3, slope: slope)
    #expect(exact <= golden + 1e-6)
    #expect(exact >= floor - 1e-9)
    let found = certificate.lookup(dt: 1e-3, slope: slope)
    #expect(found.valid)
    // Between two nodes of the table the chord lies above the curve by at most 5·10⁻⁶ here.
    #expect(found.lipschitz >= exact - 1e-12 && found.lipschitz <= exact + 5e-6)
  }

  @Test("unsaturated, L equals the spectral radius to 5·10⁻⁷; fully saturated, it is exactly 1")
  func attained() throws {
    for (which, radius) in [
      (Certified.Which.hand, 0.99933243617367), (.handDelayed1, 0.99933243939),
      (.handDelayed2, 0.99933244260),
    ] {
      let (certificate, _) = try Certified.of(which)
      #expect(certificate.contraction >= radius - 1e-12 && certificate.contraction <= radius + 5e-7)
      #expect(certificate.saturatedContraction == 1)
      #expect(isClose(certificate.ratePerSecond, 0.6677, 1e-3))
      let saturated = certificate.lookup(dt: 1e-3, slope: 0)
      #expect(saturated.valid && saturated.lipschitz == 1 && saturated.logarithm == 0)
    }
  }

  @Test("without delay every slope is certified from half a period to one skipped tick")
  func wideRange() throws {
    let certificate = try Certified.hand.get()
    for step in 0...34 {
      let dt = 1e-3 * (0.5 + 0.05 * Double(step))
      for slope in [0, 1e-6, 0.03, 0.5, 1] {
        let found = certificate.lookup(dt: min(dt, certificate.maximumDt), slope: slope)
        #expect(found.valid && found.lipschitz <= 1, "dt \(dt), slope \(slope)")
      }
    }
  }

  @Test("with delay, slopes from 0.2 are certified within ±20 % of the period")
  func delayedRange() throws {
    for which in [Certified.Which.handDelayed1, .handDelayed2] {
      let (certificate, _) = try Certified.of(which)
      for relative in [0.8, 0.9, 1, 1.1, 1.2] {
        for slope in [0.2, 0.5, 1] {
          #expect(
            certificate.lookup(dt: relative * 1e-3, slope: slope).valid, "\(which) \(relative) \(slope)")
        }
      }
      // Honest limits: a deep saturation that is just beginning, far from the period, is not certified.
      #expect(!certificate.lookup(dt: 0.8e-3, slope: 0).valid)
      #expect(!certificate.lookup(dt: 2e-3, slope: 1).valid)
    }
  }

  @Test("nothing is certified outside the ranges of dt and slope, or for NaN")
  func outside() throws {
    let certificate = try Certified.hand.get()
    for (dt, slope) in [
      (0.49e-3, 1.0), (2.21e-3, 1), (1e-3, -1e-9), (1e-3, 1 + 1e-9), (.nan, 1), (1e-3, .nan), (.infinity, 1),
      (0, 1), (-1e-3, 0.5),
    ] {
      let found = certificate.lookup(dt: dt, slope: slope)
      #expect(!found.valid && found.lipschitz.isNaN && found.logarithm == 0, "dt \(dt), slope \(slope)")
    }
  }

  @Test(
    "no matrix inside a cell of the table exceeds the interpolated bound", arguments: Certified.Which.allCases
  )
  func interpolationIsABound(_ which: Certified.Which) throws {
    let (certificate, model) = try Certified.of(which)
    let seed: UInt64 = 2024
    var generator = SeededGenerator(seed: seed)
    var valid = 0
    for _ in 0..<1_500 {
      let dt = generator.uniform(certificate.minimumDt...certificate.maximumDt)
      // A third of the samples where the table is hardest to satisfy, near slope 0.
      let slope = generator.uniform(0...1) * (generator.uniform(0...1) < 0.33 ? 0.06 : 1)
      let found = certificate.lookup(dt: dt, slope: slope)
      guard found.valid else { continue }
      valid += 1
      let exact = certificate.exactLipschitz(model, dt: dt, slope: slope)
      #expect(exact <= found.lipschitz + 1e-9, "seed \(seed), dt \(dt), slope \(slope)")
      if found.lipschitz < 1 { #expect(exact <= found.lipschitz, "seed \(seed), dt \(dt), slope \(slope)") }
    }
    #expect(valid > 900)
  }

  /// docs/control.md: in dt the matrix may leave its chord by t(1 − t) w²/2 ‖A''‖.
  @Test(
    "between two nodes of dt the bound leaves room for how the matrix bends, most in the middle",
    arguments: Certified.Which.allCases)
  func bend(_ which: Certified.Which) throws {
    let (certificate, _) = try Certified.of(which)
    // 34 cells from the shortest dt to the longest.
    let step = (certificate.maximumDt - certificate.minimumDt) / 34
    func bound(_ cell: Int, _ t: Double) -> Double {
      certificate.lookup(dt: certificate.minimumDt + (Double(cell) + t) * step, slope: 1).lipschitz
    }
    for cell in 1..<33 {
      let (early, late) = (bound(cell, 0), bound(cell, 1))
      guard early.isFinite && late.isFinite else { continue }
      let middle = bound(cell, 0.5) - (early + late) / 2
      let quarter = bound(cell, 0.25) - (3 * early + late) / 4
      #expect(middle > 0 && abs(quarter / middle - 0.75) < 1e-3, "\(which), cell \(cell)")
    }
  }

  @Test("the logarithm is that of the bound, rounded up by less than 2⁻⁴⁵")
  func logarithms() throws {
    let certificate = try Certified.servo.get()
    for slope in [0, 0.3, 1] {
      let found = certificate.lookup(dt: 0.0199, slope: slope)
      let exact = naturalLogarithm(found.lipschitz)
      let stored = Double(found.logarithm) * WindowProduct.unit
      #expect(found.valid && stored >= exact - 1e-16 && stored <= exact + 0x1p-45)
    }
  }

  @Test(
    "any difference of states shrinks by at least the looked-up L in one tick",
    arguments: Certified.Which.allCases
  )
  func singleTicks(_ which: Certified.Which) throws {
    let (certificate, model) = try Certified.of(which)
    let seed: UInt64 = 7
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<1_000 {
      let dt = generator.uniform(certificate.minimumDt...certificate.maximumDt)
      let slope = generator.uniform(0...1)
      let found = certificate.lookup(dt: dt, slope: slope)
      guard found.valid else { continue }
      var x = StateVector(repeating: 0)
      let units = [1.0, 20, 2, 10, 10]
      for i in 0..<(3 + model.delayTicks) { x[i] = generator.uniform(-1...1) * units[i] }
      let before = certificate.distanceSquared(x)
      let after = certificate.distanceSquared(apply(tickMatrix(model, slope: slope, dt: dt), x))
      #expect(after <= found.lipschitz * found.lipschitz * before * (1 + 4e-9), "seed \(seed)")
    }
  }

  @Test(
    "two simulated loops with the same set-points never separate faster than L: 100,000 random ticks",
    arguments: Certified.Which.allCases)
  func longRun(_ which: Certified.Which) throws {
    let (certificate, model) = try Certified.of(which)
    let law = JointLaw(model)
    let seed: UInt64 = 99
    var generator = SeededGenerator(seed: seed)
    var first = NominalModel(model, position: 0.2)
    var second = NominalModel(model, position: 0.9)
    var setpoint = 0.5
    var (certified, saturated) = (0, 0)
    for tick in 0..<25_000 {
      if tick % 400 == 0 {
        setpoint = generator.uniform(0...1.57)
        first = NominalModel(model, position: generator.uniform(0...1.57))
        second = NominalModel(model, position: generator.uniform(0...1.57))
      }
      let dt = model.period * generator.uniform(0.8...1.2)
      let kernel = MemoryKernel(lambda: model.lambda, dt: dt)
      let hold = ZeroOrderHold(
        inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: dt)
      let before = certificate.distanceSquared(difference(second, first))
      first.step(
        setpoint: setpoint, setpointVelocity: 0, feedForwardInertia: 0, law: law, kernel: kernel, hold: hold)
      second.step(
        setpoint: setpoint, setpointVelocity: 0, feedForwardInertia: 0, law: law, kernel: kernel, hold: hold)
      let after = certificate.distanceSquared(difference(second, first))
      let slope = law.slope(demand: second.demand, nominalDemand: first.demand)
      let found = certificate.lookup(dt: dt, slope: slope)
      // The set-point of the two starts differs; it has left a servo's delay line after `delayTicks`.
      guard found.valid, before > 1e-12, tick % 400 >= model.delayTicks else { continue }
      certified += 1
      if slope < 1 { saturated += 1 }
      if after > found.lipschitz * found.lipschitz * before * (1 + 4e-9) {
        Issue.record("seed \(seed), tick \(tick): V² \(before) → \(after), L \(found.lipschitz), s \(slope)")
        return
      }
    }
    #expect(certified > 10_000 && saturated > 100, "certified \(certified), saturated \(saturated)")
  }

  @Test("inside the unsaturated level the law's torque differs by at most the limit; the bound is attained")
  func unsaturatedLevel() throws {
    let (certificate, model) = try Certified.of(.hand)
    let seed: UInt64 = 5
    var generator = SeededGenerator(seed: seed)
    var largest = 0.0
    for _ in 0..<4_000 {
      var x: StateVector = [
        generator.uniform(-1...1), generator.uniform(-30...30), generator.uniform(-2...2), 0, 0,
      ]
      let scale = (certificate.unsaturatedLevel / certificate.distanceSquared(x)).squareRoot()
      for i in 0..<3 { x[i] *= scale }
      largest = max(largest, (model.kp * x[0] + model.kd * x[1] + model.km * x[2]).magnitude)
    }
    #expect(largest <= model.torqueLimit * (1 + 1e-9) && largest > 0.95 * model.torqueLimit, "seed \(seed)")
  }

  @Test("a joint without back-calculation is refused: no norm covers its saturation")
  func noBackCalculation() {
    #expect {
      _ = try certify(TestModels.hand(backCalculation: 0))
    } throws: { error in
      if case .searchFailed(let contraction)? = error as? CertificateRefusal {
        contraction >= 1
      } else {
        false
      }
    }
  }

  private func difference(_ real: NominalModel, _ nominal: NominalModel) -> StateVector {
    nominal.difference(
      position: real.position, velocity: real.velocity, memory: real.memory, pending: real.delay)
  }

  @Test("the tick's view of a copied certificate says what the certificate says, to the bit")
  func memory() throws {
    let (certificate, model) = try Certified.of(.hand)
    let memory = CertificateMemory(copying: certificate)
    let x = StateVector { Double($0) * 0.125 - 0.25 }
    #expect(memory.table.distanceSquared(x) == certificate.distanceSquared(x))
    for slope in stride(from: -0.25, through: 1.25, by: 0.125) {
      for dt in stride(from: 0, to: 3 * model.period, by: model.period / 7) {
        let (viewed, wanted) = (
          memory.table.lookup(dt: dt, slope: slope), certificate.lookup(dt: dt, slope: slope)
        )
        #expect(viewed.valid == wanted.valid && viewed.logarithm == wanted.logarithm)
        #expect(!wanted.valid || viewed.lipschitz == wanted.lipschitz)
      }
    }
  }
}
