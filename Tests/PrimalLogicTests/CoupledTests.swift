import SeededRandom
import Testing

@testable import PrimalLogic

/// Blocks of two joints of the nominal hand, certified once: three joints take an unoptimised build half a minute,
/// AgreementTests have them.
private enum Block {
  static func model(_ stiffness: [Double], delay: Int) -> CoupledModel {
    CoupledModel(
      joints: [TestModels.hand(delay: delay), TestModels.hand(delay: delay)], stiffness: stiffness)
  }

  static let stiff = [0.3, -0.2, -0.2, 0.3]
  /// One tendon over both joints: they rest together wherever its length does not change.
  static let tendon = [0.2, -0.2, -0.2, 0.2]
  static let stiffDelayed = Result { () throws(CertificateRefusal) in try certify(model(stiff, delay: 1)) }
  static let tendonDelayed = Result { () throws(CertificateRefusal) in try certify(model(tendon, delay: 1)) }
  static let tendonAtOnce = Result { () throws(CertificateRefusal) in try certify(model(tendon, delay: 0)) }
}

@Suite struct CoupledTests {
  @Test(
    "the coupled plant's step is the matrix exponential (golden: scipy.linalg.expm)",
    arguments: [
      (
        1e-3,
        [
          0.30098898141123104, -0.20196664714546658, 0.10047519097184955, 0.9779446442640989,
          -1.933275617451954, 0.4505722231257576,
        ]
      ),
      (
        0.05,
        [
          0.3224595767070952, -0.21892604737277627, 0.08271200118523407, -0.06111784937306537,
          1.112891185021889, -0.8523693087514905,
        ]
      ),
    ])
  func goldenThree(_ dt: Double, _ golden: [Double]) {
    let plant = CoupledPlant(
      inertias: [2.5e-3, 1.5e-3, 1e-3], dampings: [0.02, 0.01, 0.03],
      stiffness: [0.3, -0.2, 0.05, -0.2, 0.3, -0.1, 0.05, -0.1, 0.2])
    var q = CoupledPlant.Triple(0.3, -0.2, 0.1)
    var w = CoupledPlant.Triple(1, -2, 0.5)
    plant.advance(positions: &q, velocities: &w, inputs: CoupledPlant.Triple(0.1, -0.05, 0.02), dt: dt)
    for (found, expected) in zip([q.a, q.b, q.c, w.a, w.b, w.c], golden) {
      #expect(isClose(found, expected, 1e-13))
    }
  }

  @Test("of two joints, the third of the plant stays at 0 (golden: scipy.linalg.expm)")
  func goldenTwo() {
    let plant = CoupledPlant(
      inertias: [2.5e-3, 1.5e-3], dampings: [0.02, 0.01], stiffness: [0.3, -0.2, -0.2, 0.3])
    var q = CoupledPlant.Triple(0.3, -0.2, 0)
    var w = CoupledPlant.Triple(1, -2, 0)
    let torques = plant.torques(at: q)
    #expect(isClose(torques.a, 0.13, 1e-13) && isClose(torques.b, -0.12, 1e-13) && torques.c == 0)
    plant.advance(positions: &q, velocities: &w, inputs: CoupledPlant.Triple(0.1, -0.05, 0), dt: 0.02)
    let golden = [0.31589316511129595, -0.2279239725074217, 0.5865634868237216, -0.7935700179108792]
    for (found, expected) in zip([q.a, q.b, w.a, w.b], golden) { #expect(isClose(found, expected, 1e-13)) }
    #expect(q.c == 0 && w.c == 0)
  }

  @Test("a stiff block contracts at every slope; its L is within 5·10⁻⁶ of the spectral radius")
  func stiff() throws {
    let certificate = try Block.stiffDelayed.get()
    let radius = Block.model(Block.stiff, delay: 1).spectralRadius(dt: 1e-3)
    // Golden: numpy.linalg.eigvals of the same loop from scipy.linalg.expm.
    #expect(isClose(radius, 0.999476536, 1e-8))
    #expect(certificate.stateCount == 8)
    #expect(certificate.table.contraction >= radius && certificate.table.contraction < radius + 5e-6)
    #expect(certificate.table.saturatedContraction < 1)
  }

  @Test("a block that rests in one direction keeps its distance exactly when all joints saturate")
  func tendon() throws {
    for result in [Block.tendonDelayed, Block.tendonAtOnce] {
      let table = try result.get().table
      #expect(table.saturatedContraction == 1 && table.contraction < 0.99946)
      let nominal = table.lookup(dt: 1e-3, slope: 0)
      #expect(nominal.valid && nominal.lipschitz == 1 && nominal.logarithm == 0)
      #expect(table.lookup(dt: 1e-3, slope: 0.2).lipschitz < 0.9997)
    }
    // Without pending torques that holds for every certified dt.
    let table = try Block.tendonAtOnce.get().table
    for dt in [0.5e-3, 0.7123e-3, 1.9e-3, 2.2e-3] { #expect(table.lookup(dt: dt, slope: 0).lipschitz == 1) }
  }

  @Test("the independent verification refuses a table that claims a hair more, and a norm of another block")
  func verification() throws {
    let certificate = try Block.stiffDelayed.get()
    let model = Block.model(Block.stiff, delay: 1)
    #expect(verify(certificate, model).passed)
    var table = certificate.table
    let node = 17 * 17 + 16
    table.nodes[node] -= 2e-5
    #expect(!verify(CoupledCertificate(table: table, p: certificate.p), model).passed)
    let other = Block.model([0.3, 0.25, 0.25, 0.3], delay: 1)
    #expect(!verify(certificate, other).passed)
  }

  @Test("what is no block is refused by the name of the field")
  func refusals() {
    func refusal(_ model: CoupledModel) -> CertificateRefusal? {
      do throws(CertificateRefusal) { _ = try certify(model) } catch { return error }
      return nil
    }
    #expect(refusal(Block.model([0.1, 0.2, 0.2, 0.1], delay: 0)) == .invalidModel(.stiffness))
    #expect(refusal(Block.model([0.3, -0.2, -0.1, 0.3], delay: 0)) == .invalidModel(.stiffness))
    #expect(refusal(Block.model([0.3, -0.2, -0.2], delay: 0)) == .invalidModel(.stiffness))
    var mixed = Block.model(Block.stiff, delay: 0)
    mixed.joints[1].period = 2e-3
    #expect(refusal(mixed) == .invalidModel(.period))
    var backwards = Block.model(Block.stiff, delay: 0)
    backwards.joints[1].km = -0.8
    guard case .unstable(let radius, _) = refusal(backwards) else {
      Issue.record("a memory with the wrong sign must be refused as unstable")
      return
    }
    #expect(radius > 1)
  }

  @Test(
    "two random runs of the coupled loop with its real saturation never separate faster than L",
    arguments: [UInt64(20), 21, 22])
  func pairs(_ seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let model = Block.model(seed == 20 ? Block.stiff : Block.tendon, delay: 1)
    let certificate = try (seed == 20 ? Block.stiffDelayed : Block.tendonDelayed).get()
    var first = CoupledRun(model, &generator, spread: 1.5)
    var second = CoupledRun(model, &generator, spread: 1.5)
    var saturated = 0
    for tick in 0..<3_000 {
      let target = [generator.uniform(-1...1), generator.uniform(-1...1)]
      let dt = tick % 3 == 0 ? 1e-3 : generator.uniform(0.9e-3...1.1e-3)
      let before = certificate.distanceSquared(first.difference(second)).squareRoot()
      first.step(target, dt: dt)
      second.step(target, dt: dt)
      let after = certificate.distanceSquared(first.difference(second)).squareRoot()
      let slope = first.slope(second)
      if slope < 0.99 { saturated += 1 }
      let found = certificate.table.lookup(dt: dt, slope: slope)
      guard found.valid else { continue }
      #expect(
        after <= found.lipschitz * before * (1 + 1e-9) + 1e-14,
        "seed \(seed), tick \(tick): \(after / before) above \(found.lipschitz) at slope \(slope), dt \(dt)")
    }
    #expect(saturated > 100, "seed \(seed)")
  }
}

/// One run of the coupled loop from the equations of docs/control.md.
private struct CoupledRun {
  let model: CoupledModel
  let plant: CoupledPlant
  let laws: [JointLaw]
  var q: [Double]
  var w: [Double]
  var m: [Double]
  var queue: [DelayLine]
  var demand = [0.0, 0]
  var torque = [0.0, 0]

  init(_ model: CoupledModel, _ generator: inout SeededGenerator, spread: Double) {
    self.model = model
    plant = model.plant
    laws = model.joints.map { JointLaw($0) }
    q = (0..<2).map { _ in generator.uniform(-spread...spread) }
    w = (0..<2).map { _ in generator.uniform(-5...5) }
    m = (0..<2).map { _ in generator.uniform(-0.2...0.2) }
    queue = model.joints.map { DelayLine(ticks: $0.delayTicks) }
  }

  mutating func step(_ target: [Double], dt: Double) {
    let held = plant.torques(at: CoupledPlant.Triple(target[0], target[1], 0))
    var acting: [Double] = []
    for i in 0..<2 {
      let error = target[i] - q[i]
      demand[i] = laws[i].demand(
        error: error, errorRate: -w[i], memory: m[i], feedForward: i == 0 ? held.a : held.b)
      torque[i] = laws[i].saturate(demand[i])
      acting.append(queue[i].push(torque[i]))
      m[i] = laws[i].nextMemory(
        m[i], error: error, demand: demand[i], applied: torque[i],
        kernel: MemoryKernel(lambda: model.joints[i].lambda, dt: dt))
    }
    var angles = CoupledPlant.Triple(q[0], q[1], 0)
    var velocities = CoupledPlant.Triple(w[0], w[1], 0)
    plant.advance(
      positions: &angles, velocities: &velocities, inputs: CoupledPlant.Triple(acting[0], acting[1], 0),
      dt: dt)
    q = [angles.a, angles.b]
    w = [velocities.a, velocities.b]
  }

  func difference(_ other: CoupledRun) -> [Double] {
    var x: [Double] = []
    for i in 0..<2 {
      x += [q[i] - other.q[i], w[i] - other.w[i], other.m[i] - m[i]]
      if model.joints[i].delayTicks > 0 { x.append(queue[i].pending[0] - other.queue[i].pending[0]) }
    }
    return x
  }

  /// The smallest slope of the joints' saturations in the last step.
  func slope(_ other: CoupledRun) -> Double {
    (0..<2).map { i in
      JointLaw.slope(
        demand: demand[i], applied: torque[i], nominalDemand: other.demand[i], nominalApplied: other.torque[i]
      )
    }.min() ?? 1
  }
}
