import PrimalLogic

/// SplitMix64: seeded, so that a failure can be repeated from the printed seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func uniform(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &self) }

  /// 1 ± `width`, the ends as often as what lies between.
  mutating func share(_ width: Double) -> Double { 1 + width * min(max(uniform(-1.5...1.5), -1), 1) }

  /// Even in the logarithm, for quantities that span decades.
  mutating func spread(_ low: Double, _ high: Double) -> Double {
    let exponent = uniform(0...1)
    return low * exponential(exponent * naturalLogarithm(high / low))
  }
}

extension LoopModel {
  /// A joint as they may be built and tuned, well or badly: a quarter servos, natural frequencies from 1 to 20 Hz, damping
  /// ratios from 0.2 to 2, memory gains from below to above what Routh allows, back-calculation from none to
  /// strong, 3 to 600 ticks a radian of the natural frequency, up to two ticks of delay.
  static func random(_ generator: inout SeededGenerator) -> LoopModel {
    let servo = generator.uniform(0...1) < 0.25
    let omega = 2 * Double.pi * generator.spread(1, 20)
    let inertia = servo ? 1 / (omega * omega) : generator.spread(1e-4, 1e-1)
    let kp = servo ? generator.uniform(0...1) : inertia * omega * omega
    let friction = servo ? 2 * generator.uniform(0.4...1.2) / omega : inertia * generator.spread(0.5, 30)
    let wanted = 2 * generator.uniform(0.2...2) * inertia * omega
    var model = LoopModel(
      inertia: inertia, damping: friction, stiffness: servo ? 1 : 0, kp: kp,
      kd: servo ? 0 : max(wanted - friction, 0), km: 0, lambda: generator.spread(0.02, 2), backCalculation: 0,
      torqueLimit: servo ? 0.3 : 0.5 * kp, period: generator.spread(1 / 600, 1 / 3) / omega,
      delayTicks: Int(generator.next() % 3))
    let window = model.memoryGainWindow
    // Most joints within the fifth of the window that docs/control.md advises, some outside on either side.
    let place = generator.uniform(0...1)
    model.km =
      place < 0.8
      ? 0.2 * generator.uniform(0...1) * window.upper
      : place < 0.95 ? generator.uniform(0.2...1.2) * window.upper : 1.5 * window.lower
    let strength = generator.uniform(0...1) < 0.1 ? 0 : generator.spread(2, 200)
    model.backCalculation = strength * model.period / (kp + (servo ? 1 : 0))
    return model
  }
}

extension CoupledModel {
  /// Two or three motors of unequal size but alike in their tuning, which one norm for all of them needs; between them
  /// tendons, each over all joints by pulleys of its own, so that one alone lets them rest where its length does not
  /// change.
  static func random(_ generator: inout SeededGenerator) -> CoupledModel {
    let count = 2 + Int(generator.next() % 2)
    let delay = Int(generator.next() % 2)
    let omega = 2 * Double.pi * generator.spread(2, 6)
    let period = generator.spread(1 / 100, 1 / 20) / omega
    let lambda = generator.spread(0.05, 0.5)
    let (friction, ratio) = (generator.spread(4, 12), generator.uniform(0.5...1.2))
    let (memory, unwinding) = (generator.uniform(0.02...0.15), generator.spread(10, 50))
    let joints = (0..<count).map { _ in
      func alike(_ value: Double) -> Double { value * generator.uniform(0.8...1.25) }
      let inertia = generator.spread(1e-3, 4e-3)
      let kp = inertia * alike(omega * omega)
      let damping = inertia * alike(friction)
      var model = LoopModel(
        inertia: inertia, damping: damping, kp: kp, kd: max(2 * alike(ratio) * inertia * omega - damping, 0),
        km: 0, lambda: lambda, backCalculation: 0, torqueLimit: 0.5 * kp, period: period, delayTicks: delay)
      model.km = alike(memory) * model.memoryGainWindow.upper
      model.backCalculation = alike(unwinding) * period / kp
      return model
    }
    var stiffness = [Double](repeating: 0, count: count * count)
    for _ in 0..<(1 + Int(generator.next() % 3)) {
      let pulleys = joints.map { _ in generator.uniform(0.3...1) * (generator.next() % 4 == 0 ? -1 : 1) }
      let strength = joints[0].kp * generator.spread(0.02, 0.5)
      for i in 0..<count {
        for j in 0..<count { stiffness[i * count + j] += strength * (pulleys[i] * pulleys[j]) }
      }
    }
    return CoupledModel(joints: joints, stiffness: stiffness)
  }
}
