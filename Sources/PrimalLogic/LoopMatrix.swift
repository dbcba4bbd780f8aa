extension LoopModel {
  /// A(s, dt): one tick's map of the difference x̃ = (q̃, w̃, m̃, pending torques) of two runs with the same
  /// set-points, when the saturation acted on it with slope s (docs/control.md, "The certificate").
  func matrix(slope: Double, dt: Double) -> SmallMatrix {
    assemble(
      hold: ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt),
      kernel: MemoryKernel(lambda: lambda, dt: dt), slope: slope, constantPart: true)
  }

  /// The part of ∂²A/∂dt² that comes from the plant, and the part that comes from the memory.
  ///
  /// For a plant without spring the first is a constant matrix times exp(−b dt/J), the second always one
  /// times exp(−λ dt): both are largest at the shortest dt.
  func secondDerivatives(slope: Double, dt: Double) -> (plant: SmallMatrix, memory: SmallMatrix) {
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: dt)
    // q' = w, J w' = u − b w − k q, for each of the responses to q, w and u.
    func bend(_ q: Double, _ w: Double, _ u: Double) -> (Double, Double) {
      let acceleration = (u - damping * w - stiffness * q) / inertia
      return (acceleration, -(damping * acceleration + stiffness * w) / inertia)
    }
    let ofPosition = bend(hold.a11, hold.a21, 0)
    let ofVelocity = bend(hold.a12, hold.a22, 0)
    let ofTorque = bend(hold.b1, hold.b2, 1)
    let bentHold = ZeroOrderHold(
      a11: ofPosition.0, a12: ofVelocity.0, a21: ofPosition.1, a22: ofVelocity.1, b1: ofTorque.0,
      b2: ofTorque.1)
    let phi = MemoryKernel(lambda: lambda, dt: dt).phi
    let none = ZeroOrderHold(a11: 0, a12: 0, a21: 0, a22: 0, b1: 0, b2: 0)
    let noKernel = MemoryKernel(phi: 0, gain: 0)
    let bentKernel = MemoryKernel(phi: lambda * lambda * phi, gain: -lambda * phi)
    return (
      assemble(hold: bentHold, kernel: noKernel, slope: slope, constantPart: false),
      assemble(hold: none, kernel: bentKernel, slope: slope, constantPart: false)
    )
  }

  private func assemble(
    hold: ZeroOrderHold, kernel: MemoryKernel, slope: Double, constantPart: Bool
  ) -> SmallMatrix {
    let n = stateCount
    var a = SmallMatrix(n)
    a[0, 0] = hold.a11
    a[0, 1] = hold.a12
    a[1, 0] = hold.a21
    a[1, 1] = hold.a22
    let h = JointLaw(self).backCalculationRate * kernel.gain
    let leak = h * (1 - slope)
    a[2, 0] = kernel.gain - leak * kp
    a[2, 1] = -leak * kd
    a[2, 2] = kernel.phi - leak * km
    // u = −s K x̃ − k_d q̃, now or into the queue of pending torques.
    let feedback: InlineArray<3, Double> = [slope * kp + directStiffness, slope * kd, slope * km]
    if n == 3 {
      for j in 0..<3 {
        a[0, j] -= hold.b1 * feedback[j]
        a[1, j] -= hold.b2 * feedback[j]
      }
      return a
    }
    a[0, 3] = hold.b1
    a[1, 3] = hold.b2
    if constantPart {
      for i in 3..<(n - 1) { a[i, i + 1] = 1 }
      for j in 0..<3 { a[n - 1, j] = -feedback[j] }
    }
    return a
  }

  /// Units of the states in which the loop's matrix is balanced, powers of two so that changing to them does
  /// not round: 1 rad; the velocity of the loop's own frequency; the memory that weighs as much as 1 rad;
  /// the torque that moves the joint by about a third of those units in one tick.
  var scales: InlineArray<5, Double> {
    let spring = (kp + stiffness + directStiffness).magnitude
    let velocity = max((spring / inertia).squareRoot(), damping / inertia, 1)
    // Between 1/100 and 100 s: a gain near 0 must not take the unit away.
    let memory = min(max(spring / max(km.magnitude, 1e-9), 0.01), 100)
    let hold = ZeroOrderHold(inertia: inertia, damping: damping, stiffness: stiffness, dt: period)
    let torque = 0.3 * min(1 / hold.b1, velocity / hold.b2)
    return [
      1, nearestPowerOfTwo(velocity), nearestPowerOfTwo(memory), nearestPowerOfTwo(torque),
      nearestPowerOfTwo(torque),
    ]
  }

  /// D⁻¹ M D with D = diag(`scales`): a map of states, in balanced units.
  func balanced(_ map: SmallMatrix) -> SmallMatrix {
    let d = scales
    var result = map
    for i in 0..<map.n { for j in 0..<map.n { result[i, j] *= d[j] / d[i] } }
    return result
  }

  /// (A(s, dt) − I)/dt in balanced units. Eigenvalues and norms are computed from this form: at 1 kHz A
  /// itself is within 10⁻³ of the identity, and three digits of everything of interest would be lost.
  func deltaMatrix(slope: Double, dt: Double) -> SmallMatrix {
    (balanced(matrix(slope: slope, dt: dt)) - SmallMatrix(stateCount, diagonal: 1)).scaled(by: 1 / dt)
  }

  /// Whether a fully saturated joint stays where it is left: no spring of any kind, and a memory that comes
  /// to rest. Then 1 is an eigenvalue of A(0, dt) for every dt.
  var restsAnywhere: Bool {
    stiffness == 0 && directStiffness == 0 && lambda + JointLaw(self).backCalculationRate * km > 0
  }

  /// v with A(0, dt) v = v for every dt, in balanced units: the joint displaced by 1 rad, the memory at rest.
  var restVector: InlineArray<5, Double> {
    let rate = JointLaw(self).backCalculationRate
    return [1, 0, (1 - rate * kp) / (lambda + rate * km) / scales[2], 0, 0]
  }

  /// w with wᵀ A(0, dt) = wᵀ, in balanced units: the angle at which the joint will coast to rest, pending
  /// torques included. Their weight dt/b makes it exact at the nominal period only when there is a delay.
  var coastingVector: InlineArray<5, Double> {
    let d = scales
    let pending = period / damping * d[3]
    return [
      1, inertia / damping * d[1], 0, delayTicks > 0 ? pending : 0, delayTicks > 1 ? pending : 0,
    ]
  }
}

/// The power of two at or below a positive x.
func nearestPowerOfTwo(_ x: Double) -> Double {
  powerOfTwo(Int(x.bitPattern >> 52) - 1023)
}
