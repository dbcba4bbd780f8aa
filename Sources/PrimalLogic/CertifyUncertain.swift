/// Why there is no uncertainty certificate.
public enum UncertaintyRefusal: Error, Equatable, Sendable {
  /// The model describes no joint, as `CertificateRefusal.invalidModel`.
  case invalidModel(ModelField)
  /// A share, the delay or the age is outside its range, or a motor's damping may be 0.
  case invalidUncertainty
  /// The observer's gains are no numbers, or its latency is beyond the model's delay.
  case invalidObserver
  /// The observer takes in several samples from one decision to the next. This certificate does
  /// not model that.
  case severalSamples
  /// The loop is unstable at one corner or in the middle: 1/J in 1/(kg m²), b, dt in s, delay and
  /// age in periods.
  case unstableCorner(
    spectralRadius: Double, inverseInertia: Double, damping: Double, dt: Double, delayPeriods: Double,
    agePeriods: Double)
  /// Every corner is stable, but no single norm was found in which all of them contract
  /// unsaturated; the best L.
  case searchFailed(contraction: Double)
  /// The independent verification refused the table by this margin, at this dt in s and slope.
  case verificationFailed(dt: Double, slope: Double, margin: Double)
}

extension UncertainCertificate {
  /// Share of the worst corner's possible rate that U keeps while the range of slopes is made as wide as
  /// possible. The rest is the price of the wide range.
  static var keptRateShare: Double { 0.75 }
  /// Newton steps of one search: it takes up to 1,400 to see that there is no norm.
  static var searchSteps: Int { 2_000 }
  /// Corners added to a search at a time, those that its norm fits worst. About a dozen of the 48 decide.
  static var addedCorners: Int { 4 }
  /// Steps of the bisection for the smallest slope, to 1/32.
  static var slopeBisections: Int { 5 }
}

/// Finds, tabulates and verifies U: one norm for all of `uncertainty`, with the widest range of slopes in
/// which the worst corner still has nearly the rate it could have alone.
///
/// - Parameters:
///   - model: the nominal joint and its law.
///   - observer: what gives the law its estimates.
///   - uncertainty: what plant, tick and sample may be instead.
public func certify(
  _ model: LoopModel, _ observer: LoopObserver, under uncertainty: Uncertainty
) throws(UncertaintyRefusal) -> UncertainCertificate {
  if let field = model.invalidField { throw .invalidModel(field) }
  guard observer.isValid(for: model) else { throw .invalidObserver }
  guard uncertainty.isValid(for: model) else { throw .invalidUncertainty }
  let loop = UncertainLoop(model, observer, uncertainty)
  var worst: (radius: Double, point: LoopPoint)?
  var alpha = Double.infinity
  var attainable = Double.infinity
  for point in loop.corners + [loop.middle] {
    let radius = loop.spectralRadius(point, slope: 1)
    if radius > worst?.radius ?? -1 { worst = (radius, point) }
    alpha = min(alpha, (1 - radius) * (1 + radius) / point.dt)
    attainable = min(attainable, radius > 0 ? -naturalLogarithm(radius) / point.dt : .infinity)
  }
  if let worst, !(worst.radius < 1) {
    throw .unstableCorner(
      spectralRadius: worst.radius, inverseInertia: worst.point.inverseInertia,
      damping: worst.point.damping, dt: worst.point.dt, delayPeriods: worst.point.delay,
      agePeriods: worst.point.age)
  }

  var best = 1.0
  var deciding: [Int] = []
  // A wide uncertainty may leave no norm with so much of the rate; some contraction is still worth having.
  for share in [UncertainCertificate.keptRateShare, 0.4, 0.1] {
    guard var p = loop.findNorm(slope: 1, alpha: share * alpha, start: nil, deciding: &deciding) else {
      continue
    }
    var (failing, working) = (0.0, 1.0)
    // Where a joint without spring coasts to rest depends on J/b: then there is no norm for slope 0.
    let coastsApart =
      model.restsAnywhere && (uncertainty.inertiaShare > 0 || uncertainty.dampingShare > 0)
    if !coastsApart, let whole = loop.findNorm(slope: 0, alpha: share * alpha, start: p, deciding: &deciding)
    {
      p = whole
      working = 0
    } else {
      for _ in 0..<UncertainCertificate.slopeBisections {
        let slope = (failing + working) / 2
        if let found = loop.findNorm(slope: slope, alpha: share * alpha, start: p, deciding: &deciding) {
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
    let verification = verify(certificate, model, observer)
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
  ///
  /// Few of the corners decide. The search begins with some of them and adds those that fit worst
  /// until all fit.
  func findNorm(
    slope: Double, alpha: Double, start: SmallMatrix?, deciding chosen: inout [Int]
  ) -> SmallMatrix? {
    // A tenth of the rate is left for what lies between the corners.
    let wanted = slope < 1 ? [(1.0, alpha), (slope, 0.1 * alpha)] : [(1.0, alpha)]
    let maps = corners.map { point in
      wanted.map { (slope, alpha) in (delta: deltaMatrix(point, slope: slope), dt: point.dt, alpha: alpha) }
    }
    guard var whole = start ?? lyapunov else { return nil }
    // Every pass takes in a corner that was not there, or returns.
    for _ in 0...maps.count {
      // In the units of the present norm, which is close to the one sought. There the bounds of P's
      // eigenvalues do not bind, though P itself may be badly conditioned.
      guard let factor = whole.cholesky() else { return nil }
      let root = factor.transposed
      let inverse = factor.lowerInverse().transposed
      let targets = maps.map { corner in
        corner.map {
          NormSearch.Target(
            delta: root * $0.delta * inverse, dt: $0.dt, alpha: $0.alpha, weight: 1, acrossRest: false)
        }
      }
      let misfits = targets.indices
        .map { (corner: $0, misfit: targets[$0].map { $0.misfit }.max() ?? 0) }
        .filter { !($0.misfit < 0) }.sorted { $0.misfit > $1.misfit }
      if misfits.isEmpty { return whole }
      chosen +=
        misfits.map { $0.corner }.filter { !chosen.contains($0) }.prefix(UncertainCertificate.addedCorners)
      var search = NormSearch(
        n: n, rest: nil, maximumSteps: UncertainCertificate.searchSteps,
        maximumTargets: wanted.count * chosen.count)
      for corner in chosen { for target in targets[corner] { search.add(target) } }
      guard search.begin(at: SmallMatrix(n, diagonal: 1)) else { return nil }
      // A little inside, so that the corners between those chosen fit as well.
      guard search.run(until: -0.05 * alpha) < 0 else { return nil }
      let found = root.transposed * search.matrix * root
      whole = found.scaled(by: 1 / found.symmetricExtremes().largest)
    }
    return nil
  }

  /// Evaluates the norm over a grid of the uncertainty. The smallest slope is `slope`, at which no corner
  /// expands, or as little above as what lies between the corners asks for. Nil when `p` is no norm.
  func tabulate(_ p: SmallMatrix, alpha: Double, slope: Double) -> UncertainCertificate? {
    var certificate = UncertainCertificate(self, p: p)
    guard let grid = UncertainGrid(self, certificate, expected: 0.5 * alpha * model.period) else {
      return nil
    }
    let unsaturated = grid.largest(slope: 1)
    certificate.contraction = unsaturated.bound
    certificate.ratePerSecond = unsaturated.rate
    guard unsaturated.bound < 1 else { return certificate }
    certificate.smallestSlope = grid.smallestSlope(from: slope)
    grid.fill(&certificate)
    return certificate
  }
}

extension NormSearch.Target {
  /// Smallest ε with which the identity fits: not above 0 where it does without.
  fileprivate var misfit: Double {
    let n = delta.n
    let ff = delta.transposed * delta
    var x = SmallMatrix(n, diagonal: alpha)
    let (change, square) = (delta.entries.span, ff.entries.span)
    var sum = x.entries.mutableSpan
    for i in 0..<n {
      for j in 0..<n {
        sum[i * 8 + j] += change[i * 8 + j] + change[j * 8 + i] + dt * square[i * 8 + j]
      }
    }
    return x.symmetricExtremes().largest / weight
  }
}
