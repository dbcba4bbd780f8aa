/// Checks an uncertainty certificate's claims independently of how they were found, as `verify(_:_:)` of N
/// does: A itself is formed and L²P − AᵀPA must have a Cholesky factorisation with every pivot above n² ε ‖P‖
/// ‖A‖², with the L of `lookup`, at the corners, at 4,000 points spread evenly over everything uncertain, and
/// at as many of its faces, where L is largest.
public func verify(
  _ certificate: UncertainCertificate, _ model: LoopModel, _ observer: LoopObserver
) -> Verification {
  let failed = Verification(passed: false, margin: -.infinity, dt: .nan, slope: .nan)
  guard
    model.invalidField == nil && certificate.observer == observer && observer.isValid(for: model)
      && certificate.stateCount == model.stateCount + observer.stateCount
      && certificate.uncertainty.isValid(for: model)
  else { return failed }
  let loop = UncertainLoop(model, observer, certificate.uncertainty)
  guard loop.scales == certificate.scales else { return failed }
  let p = certificate.balancedP
  guard p.cholesky() != nil else { return failed }
  let norm = p.frobeniusNorm
  var worst = Verification(passed: true, margin: .infinity, dt: .nan, slope: .nan)
  func check(_ point: LoopPoint, slope: Double) {
    let claim = certificate.lookup(
      dt: point.dt, slope: slope, delayPeriods: point.delay, agePeriods: point.age)
    guard claim.valid else {
      // The range promised a bound here.
      worst = Verification(passed: false, margin: -.infinity, dt: point.dt, slope: slope)
      return
    }
    let a = loop.matrix(point, slope: slope)
    let mapped = a.transposed * (p * a)
    var slack = SmallMatrix(p.n)
    for i in 0..<p.n {
      for j in 0..<p.n { slack[i, j] = claim.lipschitz * claim.lipschitz * p[i, j] - mapped[i, j] }
    }
    let margin = smallestPivot(
      slack, less: verificationMargin(states: p.n, norm: norm, map: a.frobeniusNorm))
    if !(margin >= worst.margin) {
      worst = Verification(passed: worst.passed && margin > 0, margin: margin, dt: point.dt, slope: slope)
    }
  }
  for i in 0...UncertainCertificate.slopeIntervals {
    for corner in loop.corners { check(corner, slope: certificate.nodeSlope(i)) }
  }
  // Powers of the root g of g⁷ = g + 1, modulo 1, fill a cube of six dimensions evenly (Roberts' sequence).
  let root = 1.1127756842787055
  var steps = ObservedState.zero
  var power = 1.0
  for k in 0..<6 {
    power /= root
    steps[k] = power
  }
  var share = ObservedState(repeating: 0.5)
  for sample in 0..<8_000 {
    share += steps
    share -= share.rounded(.down)
    func value(_ k: Int, _ range: ClosedRange<Double>) -> Double {
      // On a face the first two run into their ends.
      let at = sample >= 4_000 && k < 2 ? (share[k] < 0.5 ? 0 : 1) : share[k]
      return min(range.lowerBound + at * (range.upperBound - range.lowerBound), range.upperBound)
    }
    let point = LoopPoint(
      inverseInertia: value(0, loop.inverseInertia), damping: value(1, loop.damping), dt: value(2, loop.dt),
      delay: value(3, certificate.uncertainty.delayPeriods), age: value(4, certificate.uncertainty.agePeriods)
    )
    check(point, slope: value(5, certificate.smallestSlope...1))
  }
  return worst
}
