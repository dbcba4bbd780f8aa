import PrimalLogic
import SeededRandom
import Testing

@Suite struct ObserverTests {
  @Test("the steady-state gains are those of scipy.linalg.solve_discrete_are (SciPy 1.17.1)")
  func gains() {
    let motor = Observer.design(
      inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3, measurementDeviation: 4.43e-4,
      torqueDeviation: 0.05, loadDeviation: 0.01)
    #expect(isClose(motor.position, 0.3563865799337603, 1e-11))
    #expect(isClose(motor.velocity, 78.20159239398943, 1e-9))
    #expect(isClose(motor.load, 18.109598393050693, 1e-9))
    #expect(isClose(motor.innovationDeviation, 0.0005521933608332918, 1e-14))
    #expect(isClose(motor.loadDeviation, 0.03345024460044699, 1e-11))
    let unloaded = Observer.design(
      inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3, measurementDeviation: 4.43e-4,
      torqueDeviation: 0.05, loadDeviation: 0)
    #expect(isClose(unloaded.position, 0.2534654319431889, 1e-11))
    #expect(isClose(unloaded.velocity, 36.98005619181398, 1e-9))
    #expect(unloaded.load == 0)
    #expect(isClose(unloaded.innovationDeviation, 0.0005127182367416073, 1e-14))
    let omega = 2 * Double.pi * 6
    let servo = Observer.design(
      inertia: 1 / (omega * omega), damping: 1.6 / omega, stiffness: 1, dt: 0.02, measurementDeviation: 1e-3,
      torqueDeviation: 0.02, loadDeviation: 0.005)
    #expect(isClose(servo.position, 0.9594411829705528, 1e-11))
    #expect(isClose(servo.velocity, 62.45209559540766, 1e-9))
    #expect(isClose(servo.load, 1.0069609852105308, 1e-11))
    #expect(isClose(servo.innovationDeviation, 0.004965435675697589, 1e-13))
  }

  @Test(
    "the gains for samples of every third and eighth tick are those of scipy.linalg.solve_discrete_are (1.17.1)"
  )
  func sparseGains() {
    let motor = Observer.Schedule(
      inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3, measurementDeviation: 4.43e-4,
      torqueDeviation: 0.05, loadDeviation: 0.01)
    let third = motor.after(3.2e-3)
    #expect(isClose(third.position, 0.6586184757778216, 1e-11))
    #expect(isClose(third.velocity, 114.75414383350228, 1e-9))
    #expect(isClose(third.load, 22.844250179186552, 1e-9))
    #expect(isClose(third.innovationDeviation, 0.0007581998944955258, 1e-14))
    #expect(isClose(third.loadDeviation, 0.034835232838462515, 1e-11))
    #expect(isClose(motor.after(8.4e-3).velocity, 119.23035838048436, 1e-8))
    let omega = 2 * Double.pi * 6
    let servo = Observer.Schedule(
      inertia: 1 / (omega * omega), damping: 1.6 / omega, stiffness: 1, dt: 0.02, measurementDeviation: 1e-3,
      torqueDeviation: 0.02, loadDeviation: 0.005)
    #expect(isClose(servo.after(0.051).velocity, 9.546380501835623, 1e-10))
    #expect(isClose(servo.after(0.051).innovationDeviation, 0.012938137735395878, 1e-13))
    #expect(servo.after(0.029).velocity == servo.everyTick.velocity)
  }

  @Test(
    "however seldom samples come, the estimate does not diverge and its innovations are no larger than designed",
    arguments: [1, 2, 3, 5, 8, 13, 30], [0.0, 1.0])
  func sparseSamples(ticks: Int, stiffness: Double) {
    // A motor at 1 kHz, a servo at 50 Hz.
    let (inertia, damping, dt) = stiffness == 0 ? (2.5e-3, 0.02, 1e-3) : (7e-4, 0.042, 0.02)
    let (noise, disturbance, step) = stiffness == 0 ? (4.43e-4, 0.05, 0.01) : (1e-3, 0.005, 0.005)
    let schedule = Observer.Schedule(
      inertia: inertia, damping: damping, stiffness: stiffness, dt: dt, measurementDeviation: noise,
      torqueDeviation: disturbance, loadDeviation: step)
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt)
    var observer = Observer(inertia: inertia, damping: damping, stiffness: stiffness, position: 0)
    let seed = UInt64(ticks)
    var generator = SeededGenerator(seed: seed)
    let width = 3.0.squareRoot()
    var (q, w, load) = (0.0, 0.0, 0.0)
    var power = 0.0
    let count = 2000
    let gains = schedule.after(Double(ticks) * dt)
    for _ in 0..<count {
      for _ in 0..<ticks {
        let torque = 0.1 * generator.uniform(-1...1)
        let unknown = disturbance * width * generator.uniform(-1...1)
        hold.step(position: &q, velocity: &w, torque: torque + load + unknown)
        load += step * width * generator.uniform(-1...1)
        observer.predict(torque: torque, hold: hold)
      }
      observer.correct(measured: q + noise * width * generator.uniform(-1...1), age: 0, gains: gains)
      let r = observer.innovation / gains.innovationDeviation
      power += r * r
    }
    // Designed for up to 8 ticks, within four standard deviations; beyond that no more than designed.
    let variance = power / Double(count)
    #expect(variance < 1.15, "seed \(seed): variance \(variance)")
    if ticks <= 8 { #expect(variance > 0.85, "seed \(seed): variance \(variance)") }
  }

  @Test("the innovations of a noisy joint have the designed deviation and are white")
  func innovations() {
    let (noise, disturbance, step) = (4.43e-4, 0.05, 0.01)
    let gains = Observer.design(
      inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3, measurementDeviation: noise,
      torqueDeviation: disturbance, loadDeviation: step)
    let hold = ZeroOrderHold(inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3)
    var observer = Observer(inertia: 2.5e-3, damping: 0.02, stiffness: 0, position: 0)
    let seed: UInt64 = 31
    var generator = SeededGenerator(seed: seed)
    // Uniform noise of the same variance: the covariances depend on nothing else.
    let width = 3.0.squareRoot()
    var (q, w, load) = (0.0, 0.0, 0.0)
    var (power, lagged, previous) = (0.0, 0.0, 0.0)
    let count = 20_000
    for _ in 0..<count {
      let torque = 0.1 * generator.uniform(-1...1)
      let unknown = disturbance * width * generator.uniform(-1...1)
      hold.step(position: &q, velocity: &w, torque: torque + load + unknown)
      load += step * width * generator.uniform(-1...1)
      observer.predict(torque: torque, hold: hold)
      observer.correct(measured: q + noise * width * generator.uniform(-1...1), age: 0, gains: gains)
      let r = observer.innovation / gains.innovationDeviation
      power += r * r
      lagged += r * previous
      previous = r
    }
    // Four standard deviations of the two estimates.
    #expect(isClose(power / Double(count), 1, 0.05), "seed \(seed): variance \(power / Double(count))")
    #expect(isClose(lagged / Double(count), 0, 0.03), "seed \(seed): lag 1 \(lagged / Double(count))")
  }

  @Test("a constant load is found, and then neither angle nor velocity are off")
  func load() {
    let gains = Observer.design(
      inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3, measurementDeviation: 5e-4,
      torqueDeviation: 0.01, loadDeviation: 0.01)
    let hold = ZeroOrderHold(inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3)
    var observer = Observer(inertia: 2.5e-3, damping: 0.02, stiffness: 0, position: 0)
    var (q, w) = (0.0, 0.0)
    for _ in 0..<200 {
      hold.step(position: &q, velocity: &w, torque: 0.3)
      observer.predict(torque: 0, hold: hold)
      observer.correct(measured: q, age: 0, gains: gains)
    }
    #expect(isClose(observer.load, 0.3, 1e-6))
    #expect(isClose(observer.position, q, 1e-7) && isClose(observer.velocity, w, 1e-5))
  }

  @Test("a sample of known age is compared where the joint was then")
  func age() {
    let gains = Observer.design(
      inertia: 1, damping: 0, stiffness: 0, dt: 1, measurementDeviation: 1, torqueDeviation: 0.1,
      loadDeviation: 0.1)
    var observer = Observer(inertia: 1, damping: 0, stiffness: 0, position: 0)
    // q = t²/2, w = t.
    observer.predict(torque: 1, dt: 1)
    observer.correct(measured: 0.5 * 0.8 * 0.8, age: 0.2, gains: gains)
    #expect(isClose(observer.position, 0.5, 1e-15) && isClose(observer.velocity, 1, 1e-15))
    #expect(isClose(observer.innovation, 0, 1e-15))
  }

  @Test("the estimate converges on samples of any age that a hand may use", arguments: [0.0, 1, 5, 25])
  func oldSamples(milliseconds: Double) {
    let gains = Observer.design(
      inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3, measurementDeviation: 5e-4,
      torqueDeviation: 0.01, loadDeviation: 0.01)
    let hold = ZeroOrderHold(inertia: 2.5e-3, damping: 0.02, stiffness: 0, dt: 1e-3)
    var observer = Observer(inertia: 2.5e-3, damping: 0.02, stiffness: 0, position: 0)
    for _ in 0..<500 {
      observer.predict(torque: 0, hold: hold)
      observer.correct(measured: 0.01, age: milliseconds / 1000, gains: gains)
    }
    #expect(isClose(observer.position, 0.01, 1e-6), "\(observer.position)")
    #expect(observer.velocity.magnitude < 1e-4, "\(observer.velocity)")
  }
}
