/// Evaluates L(s, dt) = ‖R A(s, dt) R⁻¹‖₂, P = RᵀR, at the nodes of a certificate's table.
struct NormTabulator {
  let model: LoopModel
  /// P in balanced units.
  let p: SmallMatrix
  /// R = Cᵀ and its inverse, for the Cholesky factor C of P.
  private let root: SmallMatrix
  private let rootInverse: SmallMatrix
  /// Added to L². The verification works in another form with rounding of its own, and needs this margin.
  private let inflation: Double

  /// Nil when P is not positive definite.
  init?(_ model: LoopModel, p: SmallMatrix) {
    guard let factor = p.cholesky() else { return nil }
    self.model = model
    self.p = p
    root = factor.transposed
    rootInverse = factor.lowerInverse().transposed
    let smallest = p.symmetricExtremes().smallest
    guard smallest > 0 else { return nil }
    inflation =
      4 * verificationMargin(states: p.n, norm: p.frobeniusNorm, map: model.largestMapNorm) / smallest
  }

  /// L² of one tick, without inflation: 1 − dt λ_min(−(F̂ + F̂ᵀ + dt F̂ᵀF̂)) with F̂ = R F R⁻¹.
  func squaredNorm(slope: Double, dt: Double) -> Double {
    let f = root * model.deltaMatrix(slope: slope, dt: dt) * rootInverse
    let ff = f.transposed * f
    var y = SmallMatrix(p.n)
    for i in 0..<p.n { for j in 0..<p.n { y[i, j] = -(f[i, j] + f[j, i] + dt * ff[i, j]) } }
    return 1 - dt * y.symmetricExtremes().smallest
  }

  /// Upper bound of L of one tick.
  func bound(slope: Double, dt: Double) -> Double {
    (squaredNorm(slope: slope, dt: dt) + inflation).squareRoot()
  }

  /// Upper bound of w²/2 · max ‖∂²A/∂dt²‖_P over [dt, dt + w].
  func curvature(slope: Double, dt: Double, width: Double) -> Double {
    let bent = model.secondDerivatives(slope: slope, dt: dt)
    let memory = (root * model.balanced(bent.memory) * rootInverse).frobeniusNorm
    var plant = (root * model.balanced(bent.plant) * rootInverse).frobeniusNorm
    if model.stiffness > 0 {
      // With a spring the second derivative turns as well as fades: from its value at the start it can move
      // by at most the condition of R times (e^(‖M‖ w) − 1).
      let d = model.scales
      let rate =
        max(d[1], model.stiffness / model.inertia / d[1] + model.damping / model.inertia) * width
      let condition = root.frobeniusNorm * rootInverse.frobeniusNorm
      plant *= 1 + condition * (exponential(rate) - 1)
    }
    return 0.5 * width * width * (plant + memory)
  }

  /// Whether A(0, dt) contracts across the rest vector for every dt in the range, and leaves the vector's own
  /// direction apart (P v ∝ w to rounding).
  private func contractsAcrossRest(_ certificate: Certificate) -> Bool {
    let n = p.n
    let v = model.restVector
    let w = model.coastingVector
    var image = InlineArray<5, Double>(repeating: 0)
    for i in 0..<n { for j in 0..<n { image[i] += p[i, j] * v[j] } }
    let factor = image[0] / w[0]
    for i in 0..<n where !((image[i] - factor * w[i]).magnitude <= 1e-10) { return false }
    // In the basis (v, N), N across w, both P and A(0) are block diagonal.
    var basis = SmallMatrix(n)
    for i in 0..<n { basis[i, 0] = v[i] }
    for j in 1..<n {
      basis[j, j] = 1
      basis[0, j] = -w[j] / w[0]
    }
    let whole = basis.transposed * p * basis
    for j in 0...Certificate.dtIntervals {
      let dt = certificate.nodeDt(j)
      let a = model.balanced(model.matrix(slope: 0, dt: dt)) * basis
      let mapped = a.transposed * p * a
      var before = SmallMatrix(n - 1)
      var after = SmallMatrix(n - 1)
      for r in 1..<n {
        for c in 1..<n {
          before[r - 1, c - 1] = whole[r, c]
          after[r - 1, c - 1] = mapped[r, c]
        }
      }
      guard let half = before.cholesky() else { return false }
      let inverse = half.lowerInverse()
      let squared = (inverse * after * inverse.transposed).symmetricExtremes().largest
      let bend = curvature(slope: 0, dt: dt, width: certificate.dtStep)
      if !(squared.squareRoot() + 0.25 * bend < 1) { return false }
    }
    return true
  }

  /// The whole certificate for dt in `range` times the nominal period.
  func certificate(range: ClosedRange<Double>) -> Certificate {
    var result = Certificate()
    let n = p.n
    let d = model.scales
    result.stateCount = n
    result.minimumDt = model.period * range.lowerBound
    result.maximumDt = model.period * range.upperBound
    result.inverseDtStep = Double(Certificate.dtIntervals) / (result.maximumDt - result.minimumDt)
    for i in 0..<n { for j in 0..<n { result.p[i * 5 + j] = p[i, j] / (d[i] * d[j]) } }
    // Without delay, L(0, dt) = 1 exactly.
    let exactAtZero = model.restsAnywhere && model.delayTicks == 0 && contractsAcrossRest(result)
    let step = 1 / Double(Certificate.slopeIntervals)
    for j in 0...Certificate.dtIntervals {
      let dt = result.nodeDt(j)
      for i in 0...Certificate.slopeIntervals {
        let slope = Double(i) * step
        let value = i == 0 && exactAtZero ? 1 : bound(slope: slope, dt: dt)
        result.nodes[j * 17 + i] = value
      }
      if j < Certificate.dtIntervals {
        result.curvature[j * 3] =
          exactAtZero ? 0 : curvature(slope: 0, dt: dt, width: result.dtStep)
        result.curvature[j * 3 + 1] = curvature(slope: step, dt: dt, width: result.dtStep)
        result.curvature[j * 3 + 2] = curvature(slope: 1, dt: dt, width: result.dtStep)
      }
    }
    result.contraction = bound(slope: 1, dt: model.period)
    let saturated = bound(slope: 0, dt: model.period)
    result.saturatedContraction =
      model.restsAnywhere && saturated <= 1 + Certificate.unitTolerance ? 1 : saturated
    result.ratePerSecond = -naturalLogarithm(result.contraction) / model.period
    result.unsaturatedLevel = largestUnsaturatedLevel(model, rootInverse)
    return result
  }
}

/// c = τ_max² / (K P⁻¹ Kᵀ), from R⁻¹ of P = RᵀR in balanced units.
func largestUnsaturatedLevel(_ model: LoopModel, _ rootInverse: SmallMatrix) -> Double {
  let d = model.scales
  let k: InlineArray<3, Double> = [model.kp * d[0], model.kd * d[1], model.km * d[2]]
  var sum = 0.0
  // K R⁻¹, component by component.
  for j in 0..<rootInverse.n {
    var component = 0.0
    for i in 0..<3 { component += k[i] * rootInverse[i, j] }
    sum += component * component
  }
  return sum > 0 ? model.torqueLimit * model.torqueLimit / sum : .infinity
}

extension Certificate {
  /// L of one tick in this certificate's norm, from the matrices instead of the table: what `lookup` bounds
  /// from above. For start, reports and tests; NaN when the model has another number of states.
  public func exactLipschitz(_ model: LoopModel, dt: Double, slope: Double) -> Double {
    let n = model.stateCount
    guard model.invalidField == nil && n == stateCount else { return .nan }
    let d = model.scales
    var balanced = SmallMatrix(n)
    for i in 0..<n { for j in 0..<n { balanced[i, j] = p[i * 5 + j] * (d[i] * d[j]) } }
    guard let tabulator = NormTabulator(model, p: balanced) else { return .nan }
    return tabulator.squaredNorm(slope: slope, dt: dt).squareRoot()
  }
}

extension LoopModel {
  /// About the largest ‖A‖ of a certificate's table: back-calculation makes saturated maps large, and
  /// long ticks do.
  var largestMapNorm: Double {
    let longest = defaultRelativeDt(delayTicks: delayTicks).upperBound * period
    let unsaturated = balanced(matrix(slope: 1, dt: longest)).frobeniusNorm
    return max(unsaturated, balanced(matrix(slope: 0, dt: longest)).frobeniusNorm, 2)
  }
}

/// n² ε ‖P‖ ‖A‖²: what rounding may do to an entry of L²P − AᵀPA.
func verificationMargin(states n: Int, norm: Double, map: Double) -> Double {
  Double(n * n) * 0x1p-52 * norm * map * map
}
