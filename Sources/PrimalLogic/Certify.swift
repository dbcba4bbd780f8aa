/// Why no certificate was issued.
public enum CertificateRefusal: Error, Equatable, Sendable {
  /// The model describes no joint: the named field is not finite, or outside its range.
  case invalidModel(ModelField)
  /// `relativeDt` must be positive and contain 1 in its interior.
  case invalidRange
  /// The nominal loop itself does not contract: its spectral radius per tick, and the window of K_m in which
  /// the continuous loop would be stable.
  case unstable(spectralRadius: Double, window: MemoryGainWindow)
  /// No norm was found in which the nominal, unsaturated tick contracts; the best L seen.
  case searchFailed(contraction: Double)
  /// The independent verification refused the table: where, and by how much (`Verification.margin`).
  case verificationFailed(dt: Double, slope: Double, margin: Double)
}

/// A field of `LoopModel` named by a refusal.
public enum ModelField: Sendable, Equatable {
  case inertia, damping, stiffness, directStiffness, gains, lambda, backCalculation, torqueLimit, period
  case delayTicks
}

extension LoopModel {
  /// The first field that is not finite or outside its range, or nil.
  var invalidField: ModelField? {
    if !(inertia > 0 && inertia.isFinite) { return .inertia }
    if !(stiffness >= 0 && stiffness.isFinite) { return .stiffness }
    if !(damping >= 0 && damping.isFinite && (damping > 0 || stiffness > 0)) { return .damping }
    if !(directStiffness >= 0 && directStiffness.isFinite) { return .directStiffness }
    if !(kp.isFinite && kd.isFinite && km.isFinite) { return .gains }
    if !(lambda >= 0 && lambda.isFinite) { return .lambda }
    if !(backCalculation >= 0 && backCalculation.isFinite) { return .backCalculation }
    if !(torqueLimit > 0 && torqueLimit.isFinite) { return .torqueLimit }
    if !(period > 0 && period.isFinite) { return .period }
    if delayTicks < 0 || delayTicks > maximumDelayTicks { return .delayTicks }
    return nil
  }
}

/// The range of dt over the nominal period for which `certify` looks by default. Without delay one skipped
/// tick stays certified (0.5 to 2.2, measured cost below 10^-7 in L). A pending torque acts for the dt that
/// follows, which the norm cannot know, so with delay the range is ±20 %.
public func defaultRelativeDt(delayTicks: Int) -> ClosedRange<Double> {
  delayTicks == 0 ? 0.5...2.2 : 0.8...1.2
}

/// The range when no norm covers a skipped tick: ticks may be early or late, but none is skipped.
let narrowRelativeDt = 0.8...1.2

/// Effort of the search for a norm.
private struct Effort {
  /// Newton steps of the search.
  var steps: Int
  /// Share of the contraction that each map's spectral radius allows, asked for.
  var demand: Double

  static let usual = Effort(steps: NormSearch.usualSteps, demand: 1)
  /// For loops near the edge of what can be certified: a quarter of the rate, and a longer search.
  static let patient = Effort(steps: 4_000, demand: 0.25)
}

/// Finds, tabulates and verifies the contraction certificate of a loop.
///
/// - Parameters:
///   - model: the nominal joint and its law.
///   - relativeDt: certified range of dt over the nominal period; nil for `defaultRelativeDt` or, where no
///     norm covers that, ±20 %.
/// - Throws: why there is none. A model that is refused must not be driven.
public func certify(
  _ model: LoopModel, relativeDt: ClosedRange<Double>? = nil
) throws(CertificateRefusal) -> Certificate {
  if let field = model.invalidField { throw .invalidModel(field) }
  let range = relativeDt ?? defaultRelativeDt(delayTicks: model.delayTicks)
  guard range.lowerBound > 0 && range.lowerBound < 1 && range.upperBound > 1 && range.upperBound.isFinite
  else { throw .invalidRange }
  let radius = model.spectralRadius(dt: model.period)
  guard radius < 1 else { throw .unstable(spectralRadius: radius, window: model.memoryGainWindow) }
  if let certificate = try? attempt(model, range: range, effort: .usual) { return certificate }
  return try attempt(model, range: relativeDt ?? narrowRelativeDt, effort: .patient)
}

/// Whether `certify` finds any certificate, even one only for dt within ±20 % and with a quarter of the rate.
/// Maps and margins ask this of many models.
public func isCertified(_ model: LoopModel) -> Bool {
  guard model.invalidField == nil, model.spectralRadius(dt: model.period) < 1 else { return false }
  return (try? attempt(model, range: narrowRelativeDt, effort: .patient)) != nil
}

private func attempt(
  _ model: LoopModel, range: ClosedRange<Double>, effort: Effort
) throws(CertificateRefusal) -> Certificate {
  let p = findNorm(model, range: range, effort: effort)
  guard let tabulator = NormTabulator(model, p: p) else { throw .searchFailed(contraction: .infinity) }
  let certificate = tabulator.certificate(range: range)
  guard certificate.contraction < 1 else { throw .searchFailed(contraction: certificate.contraction) }
  let verification = verify(certificate, model)
  guard verification.passed else {
    throw .verificationFailed(
      dt: verification.dt, slope: verification.slope, margin: verification.margin)
  }
  return certificate
}

/// P in balanced units.
private func findNorm(_ model: LoopModel, range: ClosedRange<Double>, effort: Effort) -> SmallMatrix {
  let n = model.stateCount
  let rests = model.restsAnywhere
  var search = NormSearch(
    n: n, rest: rests ? (model.restVector, model.coastingVector) : nil, maximumSteps: effort.steps)
  // Slopes between which L is smooth; more of them change L by less than 10^-7.
  let slopes: InlineArray<4, Double> = [1, 0.4, 0.1, 0.02]
  let lengths: InlineArray<3, Double> = [1, range.lowerBound, range.upperBound]
  for k in 0..<3 {
    let dt = model.period * lengths[k]
    // The unsaturated nominal tick gets the greatest weight; a tick of another length only has to fit.
    let lengthWeight = k == 0 ? 1.0 : 10.0
    let unsaturated = model.alpha(slope: 1, dt: dt)
    for i in 0..<(k == 0 ? 4 : 2) {
      // No use in contracting faster while saturated than when not.
      let alpha = min(model.alpha(slope: slopes[i], dt: dt), unsaturated)
      search.add(
        NormSearch.Target(
          delta: model.deltaMatrix(slope: slopes[i], dt: dt), dt: dt, alpha: effort.demand * alpha,
          weight: lengthWeight * (i == 0 ? 1 : 3), acrossRest: false))
    }
    if !rests {
      let alpha = min(model.alpha(slope: 0, dt: dt), unsaturated)
      search.add(
        NormSearch.Target(
          delta: model.deltaMatrix(slope: 0, dt: dt), dt: dt, alpha: effort.demand * alpha,
          weight: 3 * lengthWeight,
          acrossRest: false))
    } else if k == 0 || model.delayTicks == 0 {
      // Across the rest vector a quarter of the possible rate is enough: along it there is none at all.
      let alpha = 0.25 * model.alphaAcrossRest(dt: dt)
      search.add(
        NormSearch.Target(
          delta: model.deltaMatrix(slope: 0, dt: dt), dt: dt, alpha: effort.demand * alpha, weight: 1,
          acrossRest: true))
    }
  }
  startWell(&search, model, rests: rests)
  _ = search.run()
  return search.matrix
}

/// Starts the search from the candidate that fits best. For a loop with a spring that is the Lyapunov
/// solution of the nominal tick, for a little less than the contraction it has.
private func startWell(_ search: inout NormSearch, _ model: LoopModel, rests: Bool) {
  var best = search.plainStart
  var bestNeeded = search.begin(at: best) ? search.neededEpsilon() : .infinity
  if !rests {
    for share in [0.5, 0.8] {
      let candidate = model.lyapunovNorm(share: share)
      if search.begin(at: candidate) {
        let needed = search.neededEpsilon()
        if needed < bestNeeded {
          best = candidate
          bestNeeded = needed
        }
      }
    }
  }
  _ = search.begin(at: best)
}

extension LoopModel {
  /// (1 − ρ²)/dt: the α no norm can exceed.
  func alpha(slope: Double, dt: Double) -> Double {
    let radius = spectralRadius(slope: slope, dt: dt)
    return (1 - radius) * (1 + radius) / dt
  }

  /// The same for A(0, dt) without its eigenvalue 1.
  func alphaAcrossRest(dt: Double) -> Double {
    let found = deltaMatrix(slope: 0, dt: dt).eigenvalues()
    var restIndex = 0
    for i in 1..<found.count
    where found.values[i].magnitude < found.values[restIndex].magnitude { restIndex = i }
    var radius = 0.0
    for i in 0..<found.count where i != restIndex {
      radius = max(
        radius, ComplexNumber(1 + dt * found.values[i].real, dt * found.values[i].imaginary).magnitude)
    }
    return (1 - radius) * (1 + radius) / dt
  }

  /// Σ (Aᵀ/L)ᵏ (A/L)ᵏ for the unsaturated nominal tick, where 1 − L² is `share` of what the spectral radius
  /// allows: the solution of the Lyapunov equation, summed by doubling.
  func lyapunovNorm(share: Double) -> SmallMatrix {
    let squared = 1 - share * alpha(slope: 1, dt: period) * period
    var power = balanced(matrix(slope: 1, dt: period)).scaled(by: 1 / squared.squareRoot())
    var sum = SmallMatrix(stateCount, diagonal: 1)
    // 2^40 terms: past any loop whose rate is resolvable in double precision.
    for _ in 0..<40 {
      let next = power.transposed * sum * power
      sum = sum - next.scaled(by: -1)
      power = power * power
      if power.frobeniusNorm < 1e-9 { break }
    }
    return sum
  }
}
