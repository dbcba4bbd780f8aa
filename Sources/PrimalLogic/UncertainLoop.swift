/// One plant and one tick out of the uncertain ones.
struct LoopPoint {
  /// 1/J, 1/(kg m²): the held plant is nearly straight in it.
  var inverseInertia: Double
  /// b, N m s/rad.
  var damping: Double
  /// Time between two ticks, s.
  var dt: Double
  /// From the tick to the plant's input, in units of `dt`.
  var delay: Double
  /// From the sample to the tick at the interval's end that takes it in, in units of `dt`.
  var age: Double
}

/// All loops of a model and its observer under an uncertainty, in one state space: `ObservedState`, with the
/// longest delay's queue.
struct UncertainLoop {
  let model: LoopModel
  let observer: LoopObserver
  let uncertainty: Uncertainty
  /// Number of states n, 5 to 8.
  let n: Int
  /// Units of the states in which the loop is balanced, powers of two so that changing to them
  /// does not round.
  private(set) var scales: ObservedState
  /// The Lyapunov solution of the loop at `middle`, in balanced units. The corners lie around the middle, so
  /// a norm for all of them is not far from it. Nil when the loop is unstable there to rounding.
  private(set) var lyapunov: SmallMatrix?

  init(_ model: LoopModel, _ observer: LoopObserver, _ uncertainty: Uncertainty) {
    self.model = model
    self.observer = observer
    self.uncertainty = uncertainty
    n = model.stateCount + observer.stateCount
    let known = model.scales
    scales = ObservedState(repeating: known[3])
    for i in 0..<model.stateCount { scales[i] = known[i] }
    scales[model.stateCount] = known[0]
    scales[model.stateCount + 1] = known[1]
    // Only the loop itself gives a scale for the observer's errors: a unit of each state should weigh as much
    // as a radian of angle.
    guard let rough = lyapunovNorm(middle) else { return }
    for i in 0..<n { scales[i] *= nearestPowerOfTwo((rough[0, 0] / rough[i, i]).squareRoot()) }
    lyapunov = lyapunovNorm(middle)
  }

  var inverseInertia: ClosedRange<Double> {
    let smallest = 1 / (model.inertia * (1 + uncertainty.inertiaShare))
    let largest = 1 / (model.inertia * (1 - uncertainty.inertiaShare))
    return smallest...largest
  }
  var damping: ClosedRange<Double> {
    model.damping * (1 - uncertainty.dampingShare)...model.damping * (1 + uncertainty.dampingShare)
  }
  var dt: ClosedRange<Double> {
    model.period * (1 - uncertainty.dtShare)...model.period * (1 + uncertainty.dtShare)
  }

  /// The nominal plant and tick with the mean of the delays and ages.
  var middle: LoopPoint {
    let (delay, age) = (uncertainty.delayPeriods, uncertainty.agePeriods)
    return LoopPoint(
      inverseInertia: 1 / model.inertia, damping: model.damping, dt: model.period,
      delay: 0.5 * (delay.lowerBound + delay.upperBound), age: 0.5 * (age.lowerBound + age.upperBound))
  }

  /// One tick's map of the difference of two runs of the same loop at `point`, in balanced units: from just
  /// before the law of a tick to just before that of the next, after the estimate has taken in its sample.
  ///
  /// A delay of i + θ ticks holds the torque decided i + 1 ticks ago for θ dt, and then the one of i ticks
  /// ago. That is exact. Any delay and age within the range may follow any other.
  func matrix(_ point: LoopPoint, slope: Double) -> SmallMatrix {
    // Rows are linear functions of the state.
    var memory = ObservedState.unit(2)
    let error = model.stateCount
    let angle = ObservedState.unit(0)
    let speed = ObservedState.unit(1)
    let seenAngle = angle - .unit(error)
    let seenSpeed = speed - .unit(error + 1)
    let load = observer.stateCount == 3 ? ObservedState.unit(error + 2) : .zero

    let demand = model.kp * seenAngle + model.kd * seenSpeed + model.km * memory
    let decided = -slope * demand - model.directStiffness * seenAngle
    let kernel = MemoryKernel(lambda: model.lambda, dt: point.dt)
    let leak = JointLaw(model).backCalculationRate * kernel.gain * (1 - slope)
    memory = kernel.phi * memory + kernel.gain * seenAngle - leak * demand

    // The torque decided some ticks ago; the queue has the oldest first.
    func input(ago: Int) -> ObservedState { ago == 0 ? decided : .unit(3 + model.delayTicks - ago) }
    let real = HeldPlant(
      inertia: 1 / point.inverseInertia, damping: point.damping, stiffness: model.stiffness)
    let (ticks, share) = split(point.delay)
    let change = share * point.dt
    let before = model.delayTicks > 0 ? input(ago: ticks + 1) : decided
    func truth(_ time: Double) -> (ObservedState, ObservedState) {
      var state = real.moved((angle, speed), before, min(time, change))
      if time > change { state = real.moved(state, input(ago: ticks), time - change) }
      return state
    }
    let sampled = point.dt * (1 - point.age)
    let (nextAngle, nextSpeed) = truth(point.dt)
    let measured = truth(sampled).0

    let believed = HeldPlant(
      inertia: model.inertia, damping: model.damping, stiffness: model.stiffness)
    let (late, part) = split(observer.latencyPeriods)
    let mean =
      model.delayTicks > 0 ? (1 - part) * input(ago: late) + part * input(ago: late + 1) : decided
    let innovation = measured - believed.moved((seenAngle, seenSpeed), mean + load, sampled).0
    let (predictedAngle, predictedSpeed) = believed.moved((seenAngle, seenSpeed), mean + load, point.dt)
    // The corrections at the sample's instant, brought forward to the tick.
    let forward = believed.hold(point.age * point.dt)
    let angleGain =
      forward.a11 * observer.position + forward.a12 * observer.velocity + forward.b1 * observer.load
    let speedGain =
      forward.a21 * observer.position + forward.a22 * observer.velocity + forward.b2 * observer.load

    var next = SmallMatrix(n)
    func set(_ row: Int, _ function: ObservedState) {
      for j in 0..<n { next[row, j] = function[j] * scales[j] / scales[row] }
    }
    set(0, nextAngle)
    set(1, nextSpeed)
    set(2, memory)
    for k in 0..<model.delayTicks { set(3 + k, input(ago: model.delayTicks - 1 - k)) }
    set(error, nextAngle - predictedAngle - angleGain * innovation)
    set(error + 1, nextSpeed - predictedSpeed - speedGain * innovation)
    if observer.stateCount == 3 { set(error + 2, load + observer.load * innovation) }
    return next
  }

  /// Whole ticks i and the share θ of the next; θ = 1 rather than i = `delayTicks`, which the queue lacks.
  private func split(_ delay: Double) -> (ticks: Int, share: Double) {
    guard model.delayTicks > 0 else { return (0, 0) }
    let ticks = min(Int(delay), model.delayTicks - 1)
    return (ticks, delay - Double(ticks))
  }

  /// (A − I)/dt of a point.
  func deltaMatrix(_ point: LoopPoint, slope: Double) -> SmallMatrix {
    (matrix(point, slope: slope) - SmallMatrix(n, diagonal: 1)).scaled(by: 1 / point.dt)
  }

  /// Spectral radius of a point: the floor of L there in any norm.
  func spectralRadius(_ point: LoopPoint, slope: Double) -> Double {
    deltaMatrix(point, slope: slope).eigenvalues().radius(dt: point.dt)
  }

  /// Σ (Aᵀ/L)ᵏ (A/L)ᵏ of an unsaturated point, where 1 − L² is half of what the spectral radius allows: the
  /// solution of the Lyapunov equation, summed by doubling. Nil when the sum does not converge.
  private func lyapunovNorm(_ point: LoopPoint) -> SmallMatrix? {
    let radius = spectralRadius(point, slope: 1)
    guard radius < 1 else { return nil }
    let squared = 1 - 0.5 * (1 - radius) * (1 + radius)
    var power = matrix(point, slope: 1).scaled(by: 1 / squared.squareRoot())
    var sum = SmallMatrix(n, diagonal: 1)
    // 2^40 terms: past any loop whose rate is resolvable in double precision.
    for _ in 0..<40 {
      sum = sum - (power.transposed * sum * power).scaled(by: -1)
      power = power * power
      if power.frobeniusNorm < 1e-9 { return sum }
    }
    return nil
  }

  /// Delays between which the loop is smooth: the ends and the whole tick between them, if any.
  var delayCorners: [Double] {
    let range = uncertainty.delayPeriods
    let whole = Double(Int(range.lowerBound)) + 1
    return whole < range.upperBound
      ? [range.lowerBound, whole, range.upperBound] : UncertainLoop.ends(range)
  }

  /// Every corner of the uncertainty.
  var corners: [LoopPoint] {
    var points: [LoopPoint] = []
    for inverse in UncertainLoop.ends(inverseInertia) {
      for damping in UncertainLoop.ends(damping) {
        for dt in UncertainLoop.ends(dt) {
          for delay in delayCorners {
            for age in UncertainLoop.ends(uncertainty.agePeriods) {
              points.append(
                LoopPoint(inverseInertia: inverse, damping: damping, dt: dt, delay: delay, age: age))
            }
          }
        }
      }
    }
    return points
  }

  private static func ends(_ range: ClosedRange<Double>) -> [Double] {
    range.lowerBound == range.upperBound ? [range.lowerBound] : [range.lowerBound, range.upperBound]
  }
}

extension ObservedState {
  /// The function that reads one state.
  static func unit(_ index: Int) -> ObservedState {
    var row = ObservedState.zero
    row[index] = 1
    return row
  }
}

/// A plant that moves linear functions of the state instead of numbers.
private struct HeldPlant {
  var inertia: Double
  var damping: Double
  var stiffness: Double

  func hold(_ time: Double) -> ZeroOrderHold {
    ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: time)
  }

  /// Angle and velocity after `time` seconds under `input`.
  func moved(
    _ state: (ObservedState, ObservedState), _ input: ObservedState, _ time: Double
  ) -> (ObservedState, ObservedState) {
    guard time > 0 else { return state }
    let hold = hold(time)
    return (
      hold.a11 * state.0 + hold.a12 * state.1 + hold.b1 * input,
      hold.a21 * state.0 + hold.a22 * state.1 + hold.b2 * input
    )
  }
}
