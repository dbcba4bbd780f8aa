/// What `verify` found.
public struct Verification: Sendable, Equatable {
  /// Whether every claim of the certificate was confirmed.
  public var passed: Bool
  /// Smallest pivot of a Cholesky factorisation of L²P − AᵀPA, less the margin for rounding; negative, or the
  /// pivot at which it broke off, where the claim fails.
  public var margin: Double
  /// dt of that matrix, s; NaN when P itself is not positive definite.
  public var dt: Double
  /// Saturation slope of that matrix; NaN as `dt`.
  public var slope: Double
}

/// Checks a certificate's claims against a model, independently of how they were found.
///
/// The search and the table work with norms and eigenvalues of differences (A − I)/dt. Here A itself is
/// formed, and L²P − AᵀPA must have a Cholesky factorisation with every pivot above n² ε ‖P‖ ‖A‖², at every
/// node of the table and, with the interpolated L of `lookup`, between all neighbouring nodes. Nodes without
/// a bound of at most 1 claim nothing. L = 1 is granted a tolerance of 10⁻⁹ (`Certificate.unitTolerance`),
/// since P − AᵀPA is singular then.
public func verify(_ certificate: Certificate, _ model: LoopModel) -> Verification {
  let n = model.stateCount
  let failed = Verification(passed: false, margin: -.infinity, dt: .nan, slope: .nan)
  guard model.invalidField == nil && certificate.stateCount == n else { return failed }
  let d = model.scales
  var p = SmallMatrix(n)
  for i in 0..<n { for j in 0..<n { p[i, j] = certificate.p[i * 5 + j] * (d[i] * d[j]) } }
  guard p.cholesky() != nil else { return failed }
  let norm = p.frobeniusNorm

  var worst = Verification(passed: true, margin: .infinity, dt: .nan, slope: .nan)
  func check(dt: Double, slope: Double, lipschitz: Double) {
    let a = model.balanced(model.matrix(slope: slope, dt: dt))
    let claim = lipschitz < 1 ? lipschitz : 1 + Certificate.unitTolerance
    let pa = p * a
    let apa = a.transposed * pa
    var slack = SmallMatrix(n)
    for i in 0..<n { for j in 0..<n { slack[i, j] = claim * claim * p[i, j] - apa[i, j] } }
    let required = verificationMargin(states: n, norm: norm, map: a.frobeniusNorm)
    let margin = smallestPivot(slack, less: required)
    if !(margin >= worst.margin) {
      worst = Verification(passed: margin > 0, margin: margin, dt: dt, slope: slope)
    }
  }

  let step = 1 / Double(Certificate.slopeIntervals)
  for j in 0...Certificate.dtIntervals {
    let dt = certificate.nodeDt(j)
    for i in 0...Certificate.slopeIntervals {
      let value = certificate.nodes[j * 17 + i]
      if value <= 1 { check(dt: dt, slope: Double(i) * step, lipschitz: value) }
      guard i < Certificate.slopeIntervals && j < Certificate.dtIntervals else { continue }
      let between = (Double(i) + 0.5) * step
      let later = dt + 0.5 * certificate.dtStep
      let found = certificate.lookup(dt: later, slope: between)
      if found.valid { check(dt: later, slope: between, lipschitz: found.lipschitz) }
    }
  }
  check(dt: model.period, slope: 1, lipschitz: certificate.contraction)
  if certificate.saturatedContraction <= 1 {
    check(dt: model.period, slope: 0, lipschitz: certificate.saturatedContraction)
  }
  return worst
}

/// Smallest pivot of the Cholesky factorisation of x − shift · I, or the first that is not positive.
func smallestPivot(_ x: SmallMatrix, less shift: Double) -> Double {
  var a = x
  var smallest = Double.infinity
  for k in 0..<a.n {
    let pivot = a[k, k] - shift
    if !(pivot > 0) { return pivot }
    smallest = min(smallest, pivot)
    for i in (k + 1)..<max(a.n, k + 1) {
      for j in (k + 1)...i { a[i, j] -= a[i, k] * a[j, k] / pivot }
    }
  }
  return smallest
}
