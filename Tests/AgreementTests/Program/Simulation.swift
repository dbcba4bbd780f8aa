import PrimalLogic
import SeededRandom

/// One run of a loop with its observer, stepped from the equations of docs/control.md. Without an observer the law
/// sees the joint itself.
private struct Run {
  var position: Double
  var velocity = 0.0
  var memory = 0.0
  /// What the law sees.
  var seenPosition: Double
  var seenVelocity = 0.0
  var load = 0.0
  var demand = 0.0
  var torque = 0.0
  private var error = 0.0
  /// Decisions, the newest first: the saturated torque and the command that comes with it.
  private(set) var decided = 0.0
  private(set) var before = 0.0
  private(set) var beforeThat = 0.0

  /// At rest, or with `spread` in everything a state has.
  init(_ model: LoopModel, position: Double, velocity: Double = 0, memory: Double = 0, seen: Double? = nil) {
    self.position = position
    self.velocity = velocity
    self.memory = memory
    seenPosition = seen ?? position
    seenVelocity = velocity
    decided = model.stiffness * position
    before = decided
    beforeThat = decided
  }

  /// The law at the tick's instant.
  mutating func decide(_ model: LoopModel, _ law: JointLaw, setpoint: Double) {
    error = setpoint - seenPosition
    demand = law.demand(error: error, errorRate: -seenVelocity, memory: memory, feedForward: 0)
    torque = law.saturate(demand)
    beforeThat = before
    before = decided
    decided = torque + model.stiffness * setpoint
  }

  /// The decision of some ticks ago.
  func input(ago: Int) -> Double { ago == 0 ? decided : (ago == 1 ? before : beforeThat) }

  mutating func remember(_ law: JointLaw, _ kernel: MemoryKernel) {
    memory = law.nextMemory(memory, error: error, demand: demand, applied: torque, kernel: kernel)
  }

  /// The difference of two runs just before the law: angle, velocity, memory, pending decisions, the oldest first.
  static func difference(_ a: Run, _ b: Run, delayTicks: Int) -> StateVector {
    var x: StateVector = [a.position - b.position, a.velocity - b.velocity, b.memory - a.memory, 0, 0]
    for k in 0..<delayTicks { x[3 + k] = a.input(ago: delayTicks - 1 - k) - b.input(ago: delayTicks - 1 - k) }
    return x
  }

  /// The same with the errors of the estimates and the estimated load.
  static func observedDifference(_ a: Run, _ b: Run, delayTicks: Int, states: Int) -> ObservedState {
    let known = difference(a, b, delayTicks: delayTicks)
    var x = ObservedState.zero
    for i in 0..<(3 + delayTicks) { x[i] = known[i] }
    x[3 + delayTicks] = known[0] - (a.seenPosition - b.seenPosition)
    x[4 + delayTicks] = known[1] - (a.seenVelocity - b.seenVelocity)
    if states > 5 + delayTicks { x[5 + delayTicks] = a.load - b.load }
    return x
  }
}

/// A real plant over one tick, and what the observer makes of it: holds that both runs of a pair share.
private struct Interval {
  let ticks: Int
  let real: [(hold: ZeroOrderHold, ago: Int)]
  let sampled: [(hold: ZeroOrderHold, ago: Int)]
  let believed: ZeroOrderHold
  let believedSampled: ZeroOrderHold
  let forward: ZeroOrderHold
  let latency: (ticks: Int, share: Double)

  init(
    _ model: LoopModel, _ observer: LoopObserver, inertia: Double, damping: Double, dt: Double, delay: Double,
    age: Double
  ) {
    func split(_ delay: Double) -> (ticks: Int, share: Double) {
      let ticks = model.delayTicks == 0 ? 0 : min(Int(delay), model.delayTicks - 1)
      return (ticks, delay - Double(ticks))
    }
    let (whole, share) = split(delay)
    func pieces(until end: Double) -> [(hold: ZeroOrderHold, ago: Int)] {
      let change = min(share * dt, end)
      return [(change, whole + 1), (end - change, whole)].filter { $0.0 > 0 }.map {
        (ZeroOrderHold(inertia: inertia, damping: damping, stiffness: model.stiffness, dt: $0.0), $0.1)
      }
    }
    func nominal(_ time: Double) -> ZeroOrderHold {
      ZeroOrderHold(inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: time)
    }
    ticks = whole
    real = pieces(until: dt)
    sampled = pieces(until: (1 - age) * dt)
    believed = nominal(dt)
    believedSampled = nominal((1 - age) * dt)
    forward = nominal(age * dt)
    latency = split(observer.latencyPeriods)
  }

  func advance(_ run: inout Run, _ observer: LoopObserver) {
    var (angle, speed) = (run.position, run.velocity)
    for piece in sampled {
      piece.hold.step(position: &angle, velocity: &speed, torque: run.input(ago: piece.ago))
    }
    let measured = angle
    for piece in real {
      piece.hold.step(position: &run.position, velocity: &run.velocity, torque: run.input(ago: piece.ago))
    }
    let mean =
      (1 - latency.share) * run.input(ago: latency.ticks) + latency.share * run.input(ago: latency.ticks + 1)
    (angle, speed) = (run.seenPosition, run.seenVelocity)
    believedSampled.step(position: &angle, velocity: &speed, torque: mean + run.load)
    let innovation = measured - angle
    believed.step(position: &run.seenPosition, velocity: &run.seenVelocity, torque: mean + run.load)
    // The estimate of the sample's instant is corrected, and the correction brought forward.
    var correction = observer.position * innovation
    var speedCorrection = observer.velocity * innovation
    forward.step(position: &correction, velocity: &speedCorrection, torque: observer.load * innovation)
    run.seenPosition += correction
    run.seenVelocity += speedCorrection
    run.load += observer.load * innovation
  }
}

/// What a simulation of one joint found.
private struct Tally {
  var certified = 0
  var saturated = 0
  /// Largest V⁺/(L V).
  var worst = 0.0

  mutating func add(
    before: Double, after: Double, _ found: Certificate.Lookup, slope: Double, lowered: Double
  ) {
    // Below, rounding of the two runs is larger than what a tick takes away.
    guard found.valid, before > 1e-12 else { return }
    certified += 1
    if slope < 1 { saturated += 1 }
    // Squares: the root is taken of the largest.
    let claim = found.lipschitz - lowered
    worst = max(worst, after / (before * claim * claim))
  }

  func print(_ certificate: String, _ model: LoopModel) {
    var line = JSONLine()
    line.add("certificate", certificate)
    line.add("certified", certified)
    line.add("saturated", saturated)
    line.add("worst", worst.squareRoot())
    line.add(model)
    Swift.print(line.text)
  }
}

/// Ticks of a pair before it starts anew from random states, and between two set-points.
private let runTicks = 300
private let setpointTicks = 60

/// Simulates every certified joint of the `count` random ones of `printNominal`, of which this process takes each `parts`th
/// from `part` on, for `ticks` each: pairs of runs of the nominal plant from random states, with random set-points
/// and dt, against N, whose table is taken for lower by `lowered`.
func simulateNominal(seed: UInt64, count: Int, ticks: Int, part: Int, parts: Int, lowered: Double) {
  var models = SeededGenerator(seed: seed)
  for number in 0..<count {
    let model = LoopModel.random(&models)
    guard number % parts == part, let certificate = try? certify(model) else { continue }
    var generator = SeededGenerator(seed: seed &+ UInt64(number) &* 1_000_003)
    let law = JointLaw(model)
    var tally = Tally()
    var a = Run(model, position: 0)
    var b = a
    var setpoint = 0.0
    var range = certificate.minimumDt...certificate.maximumDt
    var before = 0.0
    for tick in 0..<ticks {
      if tick % setpointTicks == 0 { setpoint = generator.uniform(0...1.57) }
      if tick % runTicks == 0 {
        // With a delay slopes are certified near the period only: half of the runs stay there.
        let near = generator.next() & 1 == 0
        range =
          near
          ? max(certificate.minimumDt, 0.95 * model.period)...min(certificate.maximumDt, 1.05 * model.period)
          : certificate.minimumDt...certificate.maximumDt
        a = Run(model, position: generator.uniform(0...1.57), velocity: generator.uniform(-4...4))
        b = Run(model, position: generator.uniform(0...1.57), velocity: generator.uniform(-4...4))
        if generator.next() % 4 == 0 {
          // At the limit and displaced along what stays as it is there, where L = 1 is exact: so tight that a table
          // lower by its last digits is seen.
          a = Run(model, position: setpoint - 2)
          b = Run(
            model, position: a.position - 0.1,
            memory: 0.1 * (1 - law.backCalculationRate * law.kp)
              / (model.lambda + law.backCalculationRate * law.km))
        }
        before = certificate.distanceSquared(Run.difference(a, b, delayTicks: model.delayTicks))
      }
      let dt = generator.uniform(range)
      let hold = ZeroOrderHold(
        inertia: model.inertia, damping: model.damping, stiffness: model.stiffness, dt: dt)
      let kernel = MemoryKernel(lambda: model.lambda, dt: dt)
      func step(_ run: inout Run) {
        run.decide(model, law, setpoint: setpoint)
        hold.step(
          position: &run.position, velocity: &run.velocity, torque: run.input(ago: model.delayTicks))
        run.remember(law, kernel)
        run.seenPosition = run.position
        run.seenVelocity = run.velocity
      }
      step(&a)
      step(&b)
      let after = certificate.distanceSquared(Run.difference(a, b, delayTicks: model.delayTicks))
      let slope = JointLaw.slope(
        demand: a.demand, applied: a.torque, nominalDemand: b.demand, nominalApplied: b.torque)
      tally.add(
        before: before, after: after, certificate.lookup(dt: dt, slope: slope), slope: slope, lowered: lowered
      )
      before = after
    }
    tally.print("N", model)
  }
}

/// Simulates every joint of `printUncertain` that has U for `ticks`, this process each `parts`th: pairs of runs of hand and
/// observer from random states; the plant, at a corner of the uncertainty or inside it, is another for each pair;
/// set-points, dt, delays and ages are random.
func simulateUncertain(seed: UInt64, count: Int, ticks: Int, part: Int, parts: Int, lowered: Double) {
  var joints = SeededGenerator(seed: seed)
  for (number, joint) in uncertainJoints(count: count, &joints).enumerated() {
    let (model, observer, uncertainty) = joint
    guard number % parts == part, let certificate = try? certify(model, observer, under: uncertainty) else {
      continue
    }
    var generator = SeededGenerator(seed: seed &+ UInt64(number) &* 1_000_003)
    let law = JointLaw(model)
    let (queue, states) = (model.delayTicks, certificate.stateCount)
    var tally = Tally()
    var a = Run(model, position: 0)
    var b = a
    var setpoint = 0.0
    var plant = (inertia: model.inertia, damping: model.damping)
    var before = 0.0
    for tick in 0..<ticks {
      if tick % setpointTicks == 0 { setpoint = generator.uniform(0...1.57) }
      if tick % runTicks == 0 {
        plant.inertia = model.inertia * generator.share(uncertainty.inertiaShare)
        plant.damping = model.damping * generator.share(uncertainty.dampingShare)
        func start() -> Run {
          let position = generator.uniform(0...1.57)
          return Run(
            model, position: position, velocity: generator.uniform(-4...4),
            seen: position + generator.uniform(-0.02...0.02))
        }
        a = start()
        b = start()
        before = certificate.distanceSquared(
          Run.observedDifference(a, b, delayTicks: queue, states: states))
      }
      let dt = min(
        max(model.period * generator.share(uncertainty.dtShare), certificate.minimumDt), certificate.maximumDt
      )
      let delay = generator.uniform(uncertainty.delayPeriods)
      let age = generator.uniform(uncertainty.agePeriods)
      let interval = Interval(
        model, observer, inertia: plant.inertia, damping: plant.damping, dt: dt, delay: delay, age: age)
      let kernel = MemoryKernel(lambda: model.lambda, dt: dt)
      func step(_ run: inout Run) {
        run.decide(model, law, setpoint: setpoint)
        run.remember(law, kernel)
        interval.advance(&run, observer)
      }
      step(&a)
      step(&b)
      let after = certificate.distanceSquared(
        Run.observedDifference(a, b, delayTicks: queue, states: states))
      let slope = JointLaw.slope(
        demand: a.demand, applied: a.torque, nominalDemand: b.demand, nominalApplied: b.torque)
      tally.add(
        before: before, after: after,
        certificate.lookup(dt: dt, slope: slope, delayPeriods: delay, agePeriods: age), slope: slope,
        lowered: lowered)
      before = after
    }
    tally.print("U", model)
  }
}
