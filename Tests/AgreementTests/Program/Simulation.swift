import PrimalLogic

/// One run of a loop: plant, memory and the queue of decisions, stepped from the equations of docs/control.md.
private struct Run {
  var position: Double
  var velocity = 0.0
  var memory = 0.0
  /// Decisions on their way, the newest first: the saturated torque and the command that comes with it.
  var queue: [Double]
  var demand = 0.0
  var torque = 0.0

  init(_ model: LoopModel, position: Double) {
    self.position = position
    queue = [Double](repeating: model.stiffness * position, count: model.delayTicks)
  }

  /// One tick of `dt`, whose decision acts after `delay` lengths of it.
  mutating func step(
    _ model: LoopModel, plant: (inertia: Double, damping: Double), setpoint: Double, dt: Double, delay: Double
  ) {
    let law = JointLaw(model)
    let error = setpoint - position
    demand = law.demand(error: error, errorRate: -velocity, memory: memory, feedForward: 0)
    torque = law.saturate(demand)
    let decisions = [torque + model.stiffness * setpoint] + queue
    let ticks = model.delayTicks == 0 ? 0 : min(Int(delay), model.delayTicks - 1)
    let share = delay - Double(ticks)
    for (length, input) in [
      (share, decisions[min(ticks + 1, decisions.count - 1)]), (1 - share, decisions[ticks]),
    ]
    where length > 0 {
      ZeroOrderHold(
        inertia: plant.inertia, damping: plant.damping, stiffness: model.stiffness, dt: length * dt
      ).step(position: &position, velocity: &velocity, torque: input)
    }
    memory = law.nextMemory(
      memory, error: error, demand: demand, applied: torque,
      kernel: MemoryKernel(lambda: model.lambda, dt: dt))
    queue = Array(decisions.prefix(model.delayTicks))
  }

  /// x̃ of two runs; the oldest pending decision comes first.
  static func difference(_ a: Run, _ b: Run) -> StateVector {
    var x: StateVector = [a.position - b.position, a.velocity - b.velocity, b.memory - a.memory, 0, 0]
    let count = a.queue.count
    for i in 0..<count { x[3 + i] = a.queue[count - 1 - i] - b.queue[count - 1 - i] }
    return x
  }
}

/// Simulates `count` random certified joints for `ticks` each: pairs of runs from random starts, with random set-points, dt and
/// delays, over the nominal plant against N and over the corners and the inside of the uncertainty against U. Prints,
/// for each joint and certificate, how often a tick was certified and saturated, and the largest V⁺/(L V).
func simulate(seed: UInt64, count: Int, ticks: Int) {
  var generator = SeededGenerator(seed: seed)
  for (model, uncertainty) in uncertainJoints(count: count, &generator) {
    guard let nominal = try? certify(model) else { continue }
    let uncertain = try? certify(model, under: uncertainty)
    for plant in 0..<(uncertain == nil ? 1 : 6) {
      var certified = 0
      var saturated = 0
      var worst = 0.0
      var a = Run(model, position: 0)
      var b = a
      var setpoint = 0.0
      var real = (inertia: model.inertia, damping: model.damping)
      if plant > 0 {
        // Four corners, then anywhere.
        let signs = plant < 5 ? (plant & 1 == 0 ? 1.0 : -1, plant & 2 == 0 ? 1.0 : -1) : (0.3, -0.4)
        real.inertia *= 1 + signs.0 * uncertainty.inertiaShare
        real.damping *= 1 + signs.1 * uncertainty.dampingShare
      }
      for tick in 0..<ticks {
        if tick % 300 == 0 {
          setpoint = generator.uniform(0...1.57)
          a = Run(model, position: generator.uniform(0...1.57))
          b = Run(model, position: generator.uniform(0...1.57))
        } else if tick % 60 == 0 {
          setpoint = generator.uniform(0...1.57)
        }
        let share = uncertainty.dtShare
        let (low, high) =
          plant == 0
          ? (nominal.minimumDt, nominal.maximumDt) : (model.period * (1 - share), model.period * (1 + share))
        let dt = generator.uniform(low...high)
        let delay = plant == 0 ? Double(model.delayTicks) : generator.uniform(uncertainty.delayPeriods)
        func squared(_ x: StateVector) -> Double {
          plant == 0 ? nominal.distanceSquared(x) : uncertain?.distanceSquared(x, model) ?? .nan
        }
        let before = squared(Run.difference(a, b))
        a.step(model, plant: real, setpoint: setpoint, dt: dt, delay: delay)
        b.step(model, plant: real, setpoint: setpoint, dt: dt, delay: delay)
        let after = squared(Run.difference(a, b))
        let law = JointLaw(model)
        let slope = JointLaw.slope(
          demand: a.demand, applied: law.saturate(a.demand), nominalDemand: b.demand,
          nominalApplied: law.saturate(b.demand))
        let found =
          plant == 0
          ? nominal.lookup(dt: dt, slope: slope)
          : uncertain?.lookup(dt: dt, slope: slope, delayPeriods: delay) ?? nominal.lookup(dt: dt, slope: -1)
        // Below, rounding of the two runs is larger than what a tick takes away.
        guard found.valid, before > 1e-14 else { continue }
        certified += 1
        if slope < 1 { saturated += 1 }
        worst = max(worst, (after / before).squareRoot() / found.lipschitz)
      }
      var line = JSONLine()
      line.add("certificate", plant == 0 ? "N" : "U")
      line.add("certified", certified)
      line.add("saturated", saturated)
      line.add("worst", worst)
      line.add(model)
      print(line.text)
    }
  }
}
