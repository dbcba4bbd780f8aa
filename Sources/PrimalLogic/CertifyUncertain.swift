/// Why there is no uncertainty certificate.
public enum UncertaintyRefusal: Error, Equatable, Sendable {
  /// The model's numbers are no joint, as `CertificateRefusal.invalidModel`.
  case invalidModel(ModelField)
  /// A share or the delay is outside its range, or a motor's damping may be 0.
  case invalidUncertainty
  /// The loop is unstable at one corner: 1/J in 1/(kg m²), b, dt in s, delay in periods.
  case unstableCorner(
    spectralRadius: Double, inverseInertia: Double, damping: Double, dt: Double, delayPeriods: Double)
  /// Every corner is stable, but no one norm was found in which all contract unsaturated; the best L.
  case searchFailed(contraction: Double)
  /// The independent verification refused the table by this margin, at this dt in s and slope.
  case verificationFailed(dt: Double, slope: Double, margin: Double)
}

extension UncertainCertificate {
  /// U keeps at least this share of the rate that its worst corner allows while slopes are made as wide as they go.
  /// The rest is the price of the wide range.
  static var keptRateShare: Double { 0.75 }
  /// Newton steps of one search: with 48 maps to fit it takes up to 1,400 to see that there is no norm.
  static var searchSteps: Int { 2_000 }
  /// By how much the smallest slope is raised until everything between the corners contracts as well.
  static var slopeStep: Double { 1 / 128 }
  /// Steps of the bisection for the smallest slope, to 1/32.
  static var slopeBisections: Int { 5 }
}

/// Finds, tabulates and verifies U: one norm for all of `uncertainty`, with the widest range of slopes in
/// which the worst corner still has nearly the rate it could have alone.
public func certify(
  _ model: LoopModel, under uncertainty: Uncertainty
) throws(UncertaintyRefusal) -> UncertainCertificate {
  if let field = model.invalidField { throw .invalidModel(field) }
  guard uncertainty.isValid(for: model) else { throw .invalidUncertainty }
  let loop = UncertainLoop(model: model, uncertainty: uncertainty)
  var worst: (radius: Double, point: LoopPoint)?
  var alpha = Double.infinity
  var attainable = Double.infinity
  loop.forEachCorner { point in
    let radius = loop.spectralRadius(point, slope: 1)
    if radius > worst?.radius ?? -1 { worst = (radius, point) }
    alpha = min(alpha, (1 - radius) * (1 + radius) / point.dt)
    attainable = min(attainable, radius > 0 ? -naturalLogarithm(radius) / point.dt : .infinity)
  }
  if let worst, !(worst.radius < 1) {
    throw .unstableCorner(
      spectralRadius: worst.radius, inverseInertia: worst.point.inverseInertia,
      damping: worst.point.damping, dt: worst.point.dt, delayPeriods: worst.point.delay)
  }

  var best = 1.0
  // A wide uncertainty may leave no norm with so much of the rate; some contraction is still worth having.
  for share in [UncertainCertificate.keptRateShare, 0.4, 0.1] {
    guard var p = loop.findNorm(slope: 1, alpha: share * alpha, start: nil) else { continue }
    var (failing, working) = (0.0, 1.0)
    if let whole = loop.findNorm(slope: 0, alpha: share * alpha, start: p) {
      p = whole
      working = 0
    } else {
      for _ in 0..<UncertainCertificate.slopeBisections {
        let slope = (failing + working) / 2
        if let found = loop.findNorm(slope: slope, alpha: share * alpha, start: p) {
          p = found
          working = slope
        } else {
          failing = slope
        }
      }
    }
    guard var certificate = loop.tabulate(p, alpha: share * alpha, slope: working) else { continue }
    guard certificate.contraction < 1 else {
      best = certificate.contraction
      continue
    }
    certificate.attainableRatePerSecond = attainable
    let verification = verify(certificate, model)
    guard verification.passed else {
      throw .verificationFailed(
        dt: verification.dt, slope: verification.slope, margin: verification.margin)
    }
    return certificate
  }
  throw .searchFailed(contraction: best)
}

extension UncertainLoop {
  /// A norm in which every corner contracts at slope 1 with `alpha` = (1 − L²)/dt, and does not expand at
  /// `slope`; nil when none is found. By convexity it then contracts at every slope between.
  func findNorm(slope: Double, alpha: Double, start: SmallMatrix?) -> SmallMatrix? {
    var search = NormSearch(n: model.stateCount, rest: nil, maximumSteps: UncertainCertificate.searchSteps)
    forEachCorner { point in
      search.add(
        NormSearch.Target(
          delta: deltaMatrix(point, slope: 1), dt: point.dt, alpha: alpha, weight: 1, acrossRest: false))
      guard slope < 1 else { return }
      // A hundredth of the rate is left for what lies between the corners.
      search.add(
        NormSearch.Target(
          delta: deltaMatrix(point, slope: slope), dt: point.dt, alpha: 0.01 * alpha, weight: 1,
          acrossRest: false))
    }
    var candidates = [search.plainStart, model.lyapunovNorm(share: 0.5), model.lyapunovNorm(share: 0.9)]
    if let start { candidates.append(start) }
    var best: (needed: Double, p: SmallMatrix)?
    for candidate in candidates where search.begin(at: candidate) {
      let needed = search.neededEpsilon()
      if needed < best?.needed ?? .infinity { best = (needed, candidate) }
    }
    guard let best, search.begin(at: best.p) else { return nil }
    return search.run(until: 0) < 0 ? search.matrix : nil
  }

  /// Evaluates the norm over a grid of the uncertainty. The smallest slope is `slope`, at which no corner expands,
  /// or as little above as what lies between the corners asks for. Nil when `p` is no norm.
  func tabulate(_ p: SmallMatrix, alpha: Double, slope: Double) -> UncertainCertificate? {
    var certificate = UncertainCertificate(self, p: p)
    guard let grid = UncertainGrid(self, certificate, expected: 0.5 * alpha * model.period) else {
      return nil
    }
    certificate.interpolationError = grid.interpolationError
    let unsaturated = grid.largest(slope: 1)
    certificate.contraction = unsaturated.bound
    certificate.ratePerSecond = unsaturated.rate
    guard unsaturated.bound < 1 else { return certificate }
    var smallest = slope
    while smallest < 1 && grid.largest(slope: smallest).bound > 1 {
      smallest = min(smallest + UncertainCertificate.slopeStep, 1)
    }
    certificate.smallestSlope = smallest
    grid.fill(&certificate)
    return certificate
  }
}
