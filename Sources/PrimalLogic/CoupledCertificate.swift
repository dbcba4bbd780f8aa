/// The contraction certificate of a block of coupled joints: one norm √(xᵀ P x) of all their states and
/// upper bounds L(dt, s) for every choice of the joints' saturation slopes in [s, 1] (docs/control.md,
/// "Coupled joints").
public struct CoupledCertificate: Sendable {
  /// The table of L by dt and the smallest of the joints' slopes, with rate and range of dt. It does not
  /// contain P: do not use its `distanceSquared` for a block.
  public let table: Certificate
  /// P, row by row, in rad, rad/s, rad s and N m, joint by joint.
  public let p: [Double]

  /// Number of states.
  public var stateCount: Int { table.stateCount }

  /// V² = xᵀ P x of the joints' differences, joint by joint.
  public func distanceSquared(_ x: [Double]) -> Double {
    var sum = 0.0
    for i in x.indices { for j in x.indices { sum += x[i] * p[i * stateCount + j] * x[j] } }
    return sum
  }
}

/// Finds, tabulates and verifies the certificate of a block.
///
/// - Parameter relativeDt: certified range of dt over the nominal period; nil for the default of the joints'
///   longest delay.
/// - Throws: why there is none. Joints whose block is refused must not be driven.
public func certify(
  _ model: CoupledModel, relativeDt: ClosedRange<Double>? = nil
) throws(CertificateRefusal) -> CoupledCertificate {
  if let field = model.invalidField { throw .invalidModel(field) }
  let delay = model.joints.map { $0.delayTicks }.max() ?? 0
  let range = relativeDt ?? defaultRelativeDt(delayTicks: delay)
  guard range.lowerBound > 0 && range.lowerBound < 1 && range.upperBound > 1 && range.upperBound.isFinite
  else { throw .invalidRange }
  let radius = model.spectralRadius(dt: model.period)
  guard radius < 1 else { throw .unstable(spectralRadius: radius, window: narrowestWindow(model)) }
  // Equal joints keep nearly all of the rate; unequal ones have less of it in common, some very little.
  if let certificate = try? attempt(model, range: range, .usual) { return certificate }
  let narrow = relativeDt ?? narrowRelativeDt
  if let certificate = try? attempt(model, range: narrow, .patient) { return certificate }
  return try attempt(model, range: narrow, .last)
}

/// Effort of the search for a norm.
private struct Effort {
  /// Share of the contraction that each map's spectral radius allows, asked for.
  var demand: Double
  /// Of ε, 1/s: small against what is asked for. At 1 kHz the first is 2.5·10^-6 of L.
  var tolerance: Double

  static let usual = Effort(demand: 1, tolerance: 5e-3)
  static let patient = Effort(demand: 0.25, tolerance: 1e-3)
  static let last = Effort(demand: 0.05, tolerance: 1e-4)
}

private func attempt(
  _ model: CoupledModel, range: ClosedRange<Double>, _ effort: Effort
) throws(CertificateRefusal) -> CoupledCertificate {
  let p = findNorm(model, range: range, effort)
  guard let tabulator = CoupledTabulator(model, p: p) else { throw .searchFailed(contraction: .infinity) }
  let certificate = tabulator.certificate(range: range)
  guard certificate.table.contraction < 1 && certificate.table.saturatedContraction <= 1 else {
    throw .searchFailed(
      contraction: max(certificate.table.contraction, certificate.table.saturatedContraction))
  }
  let verification = verify(certificate, model)
  guard verification.passed else {
    throw .verificationFailed(dt: verification.dt, slope: verification.slope, margin: verification.margin)
  }
  return certificate
}

/// What the joints' own windows have in common: a guide, since the window of a block has no closed form.
private func narrowestWindow(_ model: CoupledModel) -> MemoryGainWindow {
  let windows = model.joints.map { $0.memoryGainWindow }
  return MemoryGainWindow(
    lower: windows.map { $0.lower }.max() ?? 0, upper: windows.map { $0.upper }.min() ?? 0)
}

private func findNorm(_ model: CoupledModel, range: ClosedRange<Double>, _ effort: Effort) -> Matrix {
  let all =
    model.memoriesRest
    ? model.restDirections(
      saturated: model.joints.map { _ in true }, below: CoupledModel.softStiffnessShare)
    : Matrix(model.joints.count, 0)
  var search = CoupledNormSearch(model.restVectors * all, coasting: model.coastingVectors * all)
  // The map of a short tick is nearly the identity: besides the nominal tick only a longer one has to fit.
  for length in [1, range.upperBound] {
    let dt = model.period * length
    let maps = model.deltaMaps(dt: dt)
    let unsaturated = maps.at(model.joints.map { _ in 1 })
    let radius = Matrix(model.stateCount, diagonal: 1).adding(unsaturated, times: dt).spectralRadius
    let alpha = (1 - radius) * (1 + radius) / dt
    // As for a single joint: the unsaturated nominal tick counts most, others must fit.
    let lengthWeight = length == 1 ? 1.0 : 10.0
    for corner in model.corners(low: 0) {
      let saturated = corner.map { $0 == 0 }
      let isSaturated = saturated.contains(true)
      let rest =
        all.columns > 0
        ? model.restDirections(
          saturated: saturated, below: CoupledModel.softStiffnessShare) : Matrix(model.joints.count, 0)
      // Where torques are pending, what rests is exact at the nominal period only.
      if rest.columns > 0 && length != 1 && model.hasDelay { continue }
      search.add(
        delta: maps.at(corner), dt: dt, resting: all.transposed * rest,
        demand: isSaturated ? 0.25 * effort.demand : effort.demand,
        largest: alpha, weight: lengthWeight * (isSaturated && rest.columns == 0 ? 3 : 1))
    }
  }
  search.run(tolerance: effort.tolerance)
  return search.matrix
}

/// Evaluates L(s, dt) = max ‖R A(corner, dt) R⁻¹‖₂ over the corners of [s, 1]^k, P = RᵀR.
private struct CoupledTabulator {
  let model: CoupledModel
  /// P in balanced units.
  let p: Matrix
  private let root: Matrix
  private let rootInverse: Matrix
  /// Added to L² for the verification's own rounding (`NormTabulator`).
  private let inflation: Double

  /// Nil when P is not positive definite.
  init?(_ model: CoupledModel, p: Matrix) {
    guard let factor = p.cholesky(), let smallest = p.symmetricEigenvectors().values.min(), smallest > 0
    else { return nil }
    self.model = model
    self.p = p
    root = factor.transposed
    rootInverse = factor.lowerInverse().transposed
    let longest = model.maps(dt: 2.2 * model.period)
    let largest = max(
      longest.at(model.joints.map { _ in 1 }).frobeniusNorm, longest.free.frobeniusNorm, 2)
    inflation = 4 * verificationMargin(states: p.rows, norm: p.frobeniusNorm, map: largest) / smallest
  }

  private func inNorm(_ map: Matrix) -> Matrix { root * map * rootInverse }

  /// Upper bound of L of one tick across what rests, given (A − I)/dt of it in the norm.
  /// - Parameter resting: R v(z), orthonormal, of directions that the map leaves as they are exactly.
  private func acrossRest(_ f: Matrix, dt: Double, resting: Matrix) -> Double {
    let ft = f.transposed
    var x = f.adding(ft, times: 1).adding(ft * f, times: dt).scaled(by: -1)
    if resting.columns > 0 {
      // X v = 0 there, so the other eigenvectors lie across v. The eigenvalue of v itself is lifted
      // out of the way.
      x = x.adding(resting * resting.transposed, times: x.frobeniusNorm)
    }
    // 10⁻¹² of L.
    return (1 - dt * x.smallestEigenvalue(within: 2e-12 / dt) + inflation).squareRoot()
  }

  /// Upper bound of L over the corners, and each corner's across what rests in it.
  private func bounds(
    _ corners: [[Double]], _ maps: CoupledModel.TickMaps, dt: Double, isExact: Bool
  ) -> (largest: Double, across: [Double]) {
    var largest = 0.0
    let across = corners.map { corner in
      let resting = resting(corner, isExact: isExact)
      let bound = acrossRest(maps.at(corner), dt: dt, resting: resting)
      // Written so that NaN stays.
      let whole = resting.columns > 0 ? max(bound, 1) : bound
      if !(whole <= largest) { largest = whole }
      return bound
    }
    return (largest, across)
  }

  /// R v(z) as orthonormal columns for a corner with joints at slope 0, where that is exact.
  private func resting(_ corner: [Double], isExact: Bool) -> Matrix {
    guard isExact && model.memoriesRest && corner.contains(0) else { return Matrix(p.rows, 0) }
    let z = model.restDirections(saturated: corner.map { $0 == 0 })
    let v = root * (model.restVectors * z)
    guard v.columns > 0, let gram = (v.transposed * v).cholesky() else { return Matrix(p.rows, 0) }
    return v * gram.lowerInverse().transposed
  }

  /// Upper bound of w²/2 · max ‖∂²A/∂dt²‖_P over [dt, dt + w] for the corners of [slope, 1]^k,
  /// each for itself.
  private func curvatures(
    _ bent: (plant: CoupledModel.TickMaps, memory: CoupledModel.TickMaps), motion: Double, low: Double,
    width: Double
  ) -> [Double] {
    // From its value at the start the plant's part is carried on by exp(M t), ‖M‖_P ≤ `motion`.
    let growth = exponential(motion * width)
    return model.corners(low: low).map { corner in
      0.5 * width * width
        * (growth * bent.plant.at(corner).frobeniusNorm + bent.memory.at(corner).frobeniusNorm)
    }
  }

  /// The whole certificate for dt in `range` times the nominal period.
  func certificate(range: ClosedRange<Double>) -> CoupledCertificate {
    var table = Certificate()
    let (n, d) = (p.rows, model.scales)
    table.stateCount = n
    table.minimumDt = model.period * range.lowerBound
    table.maximumDt = model.period * range.upperBound
    table.inverseDtStep = Double(Certificate.dtIntervals) / (table.maximumDt - table.minimumDt)
    let step = 1 / Double(Certificate.slopeIntervals)
    let motion = inNorm(model.generator).frobeniusNorm
    // Whether every tick at slope 0 keeps its bound of 1 between the nodes too.
    var keepsAtZero = !model.hasDelay
    for j in 0...Certificate.dtIntervals {
      let dt = table.nodeDt(j)
      let maps = model.deltaMaps(dt: dt).mapped(inNorm)
      let isExact = !model.hasDelay || (dt - model.period).magnitude <= 1e-9 * model.period
      let bent = model.secondDerivatives(dt: dt)
      let turned = (plant: bent.plant.mapped(inNorm), memory: bent.memory.mapped(inNorm))
      for i in 0...Certificate.slopeIntervals {
        let corners = model.corners(low: Double(i) * step)
        let found = bounds(corners, maps, dt: dt, isExact: isExact)
        table.nodes[j * 17 + i] = found.largest
        guard i == 0 || i == 1 || i == Certificate.slopeIntervals else { continue }
        let bends = curvatures(turned, motion: motion, low: Double(i) * step, width: table.dtStep)
        if j < Certificate.dtIntervals {
          table.curvature[j * 3 + (i == Certificate.slopeIntervals ? 2 : i)] = bends.max() ?? .nan
        }
        // Corners that rest leave their direction as it is for every dt; across it they have room.
        if i == 0 && zip(found.across, bends).contains(where: { !($0 + 0.25 * $1 <= 1) }) {
          keepsAtZero = false
        }
      }
    }
    if keepsAtZero && (0...Certificate.dtIntervals).allSatisfy({ table.nodes[$0 * 17] == 1 }) {
      for j in 0..<Certificate.dtIntervals { table.curvature[j * 3] = 0 }
    }
    let nominal = model.deltaMaps(dt: model.period).mapped(inNorm)
    func nominalBound(_ low: Double) -> Double {
      bounds(model.corners(low: low), nominal, dt: model.period, isExact: true).largest
    }
    table.contraction = nominalBound(1)
    table.saturatedContraction = nominalBound(0)
    table.ratePerSecond = -naturalLogarithm(table.contraction) / model.period
    table.unsaturatedLevel = unsaturatedLevel
    var physical = p.entries
    for i in 0..<n { for j in 0..<n { physical[i * n + j] /= d[i] * d[j] } }
    return CoupledCertificate(table: table, p: physical)
  }

  /// c: within xᵀ P x ≤ c no joint's torque differs from the nominal one by more than its limit.
  private var unsaturatedLevel: Double {
    let (offsets, d) = (model.offsets, model.scales)
    var smallest = Double.infinity
    for (i, joint) in model.joints.enumerated() {
      var k = Matrix(1, p.rows)
      for (column, gain) in [joint.kp, joint.kd, joint.km].enumerated() {
        k[0, offsets[i] + column] = gain * d[offsets[i] + column]
      }
      let reach = (k * rootInverse).frobeniusNorm
      if reach > 0 { smallest = min(smallest, joint.torqueLimit * joint.torqueLimit / (reach * reach)) }
    }
    return smallest
  }
}

/// Checks a block's claims independently of how they were found, as `verify(_:_:)` does for a joint: A itself
/// is formed, and L²P − AᵀPA must have a Cholesky factorisation with margin at every corner of every node of
/// the table and between them.
public func verify(_ certificate: CoupledCertificate, _ model: CoupledModel) -> Verification {
  let n = model.stateCount
  let failed = Verification(passed: false, margin: -.infinity, dt: .nan, slope: .nan)
  guard model.invalidField == nil && certificate.stateCount == n && certificate.p.count == n * n else {
    return failed
  }
  let d = model.scales
  var p = Matrix(n, n)
  for i in 0..<n { for j in 0..<n { p[i, j] = certificate.p[i * n + j] * (d[i] * d[j]) } }
  guard p.exceeds(0) else { return failed }
  let norm = p.frobeniusNorm
  var worst = Verification(passed: true, margin: .infinity, dt: .nan, slope: .nan)
  func check(_ maps: CoupledModel.TickMaps, dt: Double, slope: Double, lipschitz: Double) {
    let claim = lipschitz < 1 ? lipschitz : 1 + Certificate.unitTolerance
    for corner in model.corners(low: slope) {
      let a = maps.at(corner)
      let slack = p.scaled(by: claim * claim).adding(a.transposed * (p * a), times: -1)
      let margin = slack.smallestPivot(
        less: verificationMargin(states: n, norm: norm, map: a.frobeniusNorm))
      if !(margin >= worst.margin) {
        worst = Verification(passed: margin > 0, margin: margin, dt: dt, slope: slope)
      }
    }
  }
  let table = certificate.table
  let step = 1 / Double(Certificate.slopeIntervals)
  for j in 0...Certificate.dtIntervals {
    let dt = table.nodeDt(j)
    let maps = model.maps(dt: dt)
    for i in 0...Certificate.slopeIntervals {
      let value = table.nodes[j * 17 + i]
      if value <= 1 { check(maps, dt: dt, slope: Double(i) * step, lipschitz: value) }
    }
    guard j < Certificate.dtIntervals else { continue }
    let later = dt + 0.5 * table.dtStep
    let between = model.maps(dt: later)
    for i in 0..<Certificate.slopeIntervals {
      let slope = (Double(i) + 0.5) * step
      let found = table.lookup(dt: later, slope: slope)
      if found.valid { check(between, dt: later, slope: slope, lipschitz: found.lipschitz) }
    }
  }
  let nominal = model.maps(dt: model.period)
  check(nominal, dt: model.period, slope: 1, lipschitz: table.contraction)
  if table.saturatedContraction <= 1 {
    check(nominal, dt: model.period, slope: 0, lipschitz: table.saturatedContraction)
  }
  return worst
}
