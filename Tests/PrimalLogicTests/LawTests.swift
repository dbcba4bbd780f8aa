import PrimalLogic
import Testing

@Suite struct LawTests {
  private let law = JointLaw(TestModels.hand())

  @Test("the memory acts with the plus sign")
  func plusSign() {
    #expect(isClose(law.demand(error: 0, errorRate: 0, memory: 0.5, feedForward: 0), 0.4, 1e-15))
    #expect(
      isClose(law.demand(error: 0.1, errorRate: 1, memory: 0, feedForward: 0.05), 0.26, 1e-15))
  }

  @Test("saturation holds the limit on both sides, and NaN becomes no torque")
  func saturation() {
    #expect(law.saturate(0.7) == 0.7 && law.saturate(0.71) == 0.7 && law.saturate(-9) == -0.7)
    #expect(law.saturate(.infinity) == 0.7 && law.saturate(-.infinity) == -0.7 && law.saturate(.nan) == 0)
  }

  @Test("the kernel has the golden values, and the limit λ → 0 is the plain integral")
  func kernel() {
    let kernel = MemoryKernel(lambda: 0.115, dt: 1e-3)
    #expect(isClose(kernel.phi, 0.99988500661225, 5e-15) && isClose(kernel.gain, 0.0009999425022041, 5e-17))
    let integral = MemoryKernel(lambda: 0, dt: 1e-3)
    #expect(integral.phi == 1 && integral.gain == 1e-3)
  }

  @Test("a held saturation brings the memory to the same rest point whatever the period")
  func restPoint() {
    let model = TestModels.hand()
    var rests: [Double] = []
    for dt in [0.5e-3, 1e-3, 2.2e-3] {
      let kernel = MemoryKernel(lambda: model.lambda, dt: dt)
      var memory = 0.0
      for _ in 0..<Int(20 / dt) {
        let v = law.demand(error: 1, errorRate: 0, memory: memory, feedForward: 0)
        memory = law.nextMemory(memory, error: 1, demand: v, applied: law.saturate(v), kernel: kernel)
      }
      rests.append(memory)
    }
    #expect(isClose(rests[0], rests[1], 1e-12) && isClose(rests[1], rests[2], 1e-12))
    // (1 − h/g (Kp − τ_max)) / (λ + h/g K_m), with h/g = 0.02/g.
    let rate = 0.02 / MemoryKernel(lambda: 0.115, dt: 1e-3).gain
    #expect(isClose(rests[1], (1 - rate * 0.8) / (0.115 + rate * 0.8), 1e-12))
  }

  @Test("the slope is 1 inside the limit, 0 when both loops are at it, and the secant between")
  func slope() {
    #expect(law.slope(demand: 0.7, nominalDemand: -0.7) == 1)
    #expect(law.slope(demand: 0.9, nominalDemand: 1.4) == 0)
    #expect(law.slope(demand: 0.9, nominalDemand: 0.9) == 0)
    #expect(isClose(law.slope(demand: 1.1, nominalDemand: 0.3), 0.5, 1e-15))
    #expect(isClose(law.slope(demand: -1.4, nominalDemand: 1.4), 0.5, 1e-15))
  }

  @Test("the delay line hands back each torque after its ticks")
  func delayLine() {
    for ticks in 0...maximumDelayTicks {
      var line = DelayLine(ticks: ticks)
      for index in 1...6 {
        let acting = line.push(Double(index))
        #expect(acting == Double(max(index - ticks, 0)))
      }
    }
  }

  @Test("the worked example follows the golden powers of its tick matrix, unsaturated")
  func goldenPowers() {
    let model = TestModels.hand()
    let kernel = MemoryKernel(lambda: model.lambda, dt: 1e-3)
    let hold = ZeroOrderHold(inertia: model.inertia, damping: model.damping, stiffness: 0, dt: 1e-3)
    let golden: [Int: (Double, Double, Double)] = [
      1: (0.19994015968051, -0.11952127744409, 0.00019998850044082),
      10: (0.19454834897879, -1.0311876498819, 0.0019828227224111),
      100: (0.017586450487846, -1.304244717872, 0.011398467204002),
      1000: (-0.0031598623264841, 0.0021104756724448, 0.0057181807885995),
    ]
    // The loop at rest at its set-point 0 is the nominal one; the other starts 0.2 rad away.
    var loop = NominalModel(model, position: 0.2)
    for tick in 1...1000 {
      loop.step(setpoint: 0, setpointVelocity: 0, feedForwardInertia: 0, law: law, kernel: kernel, hold: hold)
      guard let expected = golden[tick] else { continue }
      let x = NominalModel(model, position: 0).difference(
        position: loop.position, velocity: loop.velocity, memory: loop.memory, pending: loop.delay)
      #expect(isClose(x[0], expected.0, 1e-9), "tick \(tick)")
      #expect(isClose(x[1], expected.1, 1e-9), "tick \(tick)")
      #expect(isClose(x[2], expected.2, 1e-9), "tick \(tick)")
    }
  }

  @Test("with delay the nominal model follows the tick matrix with its pending torques", arguments: [1, 2])
  func delayedPowers(_ delay: Int) {
    let model = TestModels.hand(delay: delay)
    let kernel = MemoryKernel(lambda: model.lambda, dt: 1e-3)
    let hold = ZeroOrderHold(inertia: model.inertia, damping: model.damping, stiffness: 0, dt: 1e-3)
    let a = tickMatrix(model, slope: 1, dt: 1e-3)
    var loop = NominalModel(model, position: 0.1)
    var x: StateVector = [0.1, 0, 0, 0, 0]
    for _ in 0..<300 {
      loop.step(
        setpoint: 0, setpointVelocity: 0, feedForwardInertia: 0, law: JointLaw(model), kernel: kernel,
        hold: hold)
      x = apply(a, x)
    }
    let found = NominalModel(model, position: 0).difference(
      position: loop.position, velocity: loop.velocity, memory: loop.memory, pending: loop.delay)
    for i in 0..<5 { #expect(isClose(found[i], x[i], 1e-12), "state \(i)") }
  }

  @Test("a servo's nominal model rests at the set-point it starts at, and settles at a new one")
  func servoSettles() {
    let model = TestModels.servo(frame: 0.02, delay: 1)
    let kernel = MemoryKernel(lambda: model.lambda, dt: 0.02)
    let hold = ZeroOrderHold(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: 0.02)
    let servoLaw = JointLaw(model)
    var loop = NominalModel(model, position: 0.4)
    for tick in 0..<2_000 {
      let setpoint = tick < 100 ? 0.4 : 0.9
      loop.step(
        setpoint: setpoint, setpointVelocity: 0, feedForwardInertia: 0, law: servoLaw, kernel: kernel,
        hold: hold)
      if tick < 100 { #expect(isClose(loop.position, 0.4, 1e-12)) }
    }
    #expect(isClose(loop.position, 0.9, 1e-9))
  }
}
