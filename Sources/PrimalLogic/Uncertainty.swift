/// How far a joint may differ from its model, and a tick from the nominal one, without leaving what the
/// uncertainty certificate covers (docs/control.md, "The uncertainty certificate").
public struct Uncertainty: Sendable, Equatable {
  /// J lies within (1 ± this) of the model's: 0 to below 1.
  public var inertiaShare: Double
  /// b lies within (1 ± this) of the model's: 0 to 1.
  public var dampingShare: Double
  /// dt lies within (1 ± this) of the period: 0 to below 1.
  public var dtShare: Double
  /// When the plant feels what a tick decides, in lengths of that tick: within 0 and the model's `delayTicks`.
  public var delayPeriods: ClosedRange<Double>

  /// Every field by name.
  public init(
    inertiaShare: Double, dampingShare: Double, dtShare: Double, delayPeriods: ClosedRange<Double>
  ) {
    self.inertiaShare = inertiaShare
    self.dampingShare = dampingShare
    self.dtShare = dtShare
    self.delayPeriods = delayPeriods
  }

  /// Whether every share and the delay lie within their ranges for `model`.
  func isValid(for model: LoopModel) -> Bool {
    inertiaShare >= 0 && inertiaShare < 1 && dampingShare >= 0 && dampingShare <= 1 && dtShare >= 0
      && dtShare < 1 && delayPeriods.lowerBound >= 0
      && delayPeriods.upperBound <= Double(model.delayTicks)
      // A plant without damping or spring coasts for ever.
      && (model.stiffness > 0 || dampingShare < 1)
  }
}

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
}

/// All loops of a model under an uncertainty, in the state space of the model: the longest delay's queue.
struct UncertainLoop {
  let model: LoopModel
  let uncertainty: Uncertainty

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

  /// One tick's map of the difference of two runs of the same loop at `point`, in the model's balanced units.
  ///
  /// The torque decided j ticks ago is u₋ⱼ. A delay of i + θ ticks holds u₋ᵢ₋₁ for θ dt and then u₋ᵢ, whose
  /// share of the input is that of a hold of (1 − θ) dt: exact, and any delay within the range may follow any.
  func matrix(_ point: LoopPoint, slope: Double) -> SmallMatrix {
    let n = model.stateCount
    let inertia = 1 / point.inverseInertia
    let whole = ZeroOrderHold(
      inertia: inertia, damping: point.damping, stiffness: model.stiffness, dt: point.dt)
    let kernel = MemoryKernel(lambda: model.lambda, dt: point.dt)
    var a = SmallMatrix(n)
    a[0, 0] = whole.a11
    a[0, 1] = whole.a12
    a[1, 0] = whole.a21
    a[1, 1] = whole.a22
    let leak = JointLaw(model).backCalculationRate * kernel.gain * (1 - slope)
    a[2, 0] = kernel.gain - leak * model.kp
    a[2, 1] = -leak * model.kd
    a[2, 2] = kernel.phi - leak * model.km
    let feedback: InlineArray<3, Double> = [
      slope * model.kp + model.directStiffness, slope * model.kd, slope * model.km,
    ]
    let (ticks, share) = split(point.delay)
    var late = ZeroOrderHold(a11: 0, a12: 0, a21: 0, a22: 0, b1: 0, b2: 0)
    if share < 1 {
      late = ZeroOrderHold(
        inertia: inertia, damping: point.damping, stiffness: model.stiffness, dt: (1 - share) * point.dt)
    }
    add(&a, late.b1, late.b2, ago: ticks, feedback)
    if model.delayTicks > 0 { add(&a, whole.b1 - late.b1, whole.b2 - late.b2, ago: ticks + 1, feedback) }
    if n > 3 {
      for i in 3..<(n - 1) { a[i, i + 1] = 1 }
      for j in 0..<3 { a[n - 1, j] = -feedback[j] }
    }
    return model.balanced(a)
  }

  /// Whole ticks i and the share θ of the next; θ = 1 rather than i = `delayTicks`, which the queue lacks.
  private func split(_ delay: Double) -> (ticks: Int, share: Double) {
    guard model.delayTicks > 0 else { return (0, 0) }
    let ticks = min(Int(delay), model.delayTicks - 1)
    return (ticks, delay - Double(ticks))
  }

  private func add(
    _ a: inout SmallMatrix, _ b1: Double, _ b2: Double, ago: Int, _ feedback: InlineArray<3, Double>
  ) {
    if ago == 0 {
      for j in 0..<3 {
        a[0, j] -= b1 * feedback[j]
        a[1, j] -= b2 * feedback[j]
      }
    } else {
      a[0, 3 + model.delayTicks - ago] += b1
      a[1, 3 + model.delayTicks - ago] += b2
    }
  }

  /// (A − I)/dt of a point.
  func deltaMatrix(_ point: LoopPoint, slope: Double) -> SmallMatrix {
    (matrix(point, slope: slope) - SmallMatrix(model.stateCount, diagonal: 1)).scaled(by: 1 / point.dt)
  }

  /// Spectral radius of a point: the floor of L there in any norm.
  func spectralRadius(_ point: LoopPoint, slope: Double) -> Double {
    deltaMatrix(point, slope: slope).eigenvalues().radius(dt: point.dt)
  }

  /// Delays between which the loop is smooth: the ends and the whole tick between them, if any.
  var delayCorners: (count: Int, values: InlineArray<3, Double>) {
    let range = uncertainty.delayPeriods
    if range.lowerBound == range.upperBound { return (1, [range.lowerBound, 0, 0]) }
    let whole = Double(Int(range.lowerBound)) + 1
    return whole < range.upperBound
      ? (3, [range.lowerBound, whole, range.upperBound]) : (2, [range.lowerBound, range.upperBound, 0])
  }

  /// Calls `body` at every corner of the uncertainty.
  func forEachCorner(_ body: (LoopPoint) -> Void) {
    let delays = delayCorners
    for inverse in ends(inverseInertia) {
      for damping in ends(damping) {
        for dt in ends(dt) {
          for k in 0..<delays.count {
            body(
              LoopPoint(inverseInertia: inverse, damping: damping, dt: dt, delay: delays.values[k]))
          }
        }
      }
    }
  }

  private func ends(_ range: ClosedRange<Double>) -> [Double] {
    range.lowerBound == range.upperBound ? [range.lowerBound] : [range.lowerBound, range.upperBound]
  }
}
