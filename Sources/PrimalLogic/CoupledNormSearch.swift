/// `NormSearch` for the many states of coupled joints: the same centres, ε and barriers (docs/control.md,
/// "How P is found"), with P = T⁻ᵀ P' T⁻¹ sought in a basis T that begins with the rest vectors V.
/// P' = diag(c · VᵀW, Q) is then the family with P v(z) = c w(z), for which L = 1 is exact wherever joints
/// rest. Runs at start, never in a tick.
struct CoupledNormSearch: ~Copyable {
  /// A map that P has to fit: S = β YᵀP'Y − (FY)ᵀP'Y − YᵀP'(FY) − dt (FY)ᵀP'(FY) + constant > 0, β = ε w − α.
  /// With F = 0 and β = ±1 also the bounds of P itself.
  private struct Target {
    /// Columns of Y.
    var size: Int
    var alpha: Double
    var weight: Double
    var dt: Double
    /// Y, the states across what the map leaves as it is, and F Y.
    var states: Matrix
    var mapped: Matrix
    var constant: Matrix?
  }

  /// Newton steps of one search. Blocks of twelve states take about 500.
  static let maximumSteps = 2_000

  private let n: Int
  private let restCount: Int
  private let basis: Matrix
  private let inverseBasis: Matrix
  private let restBlock: Matrix
  private let pairs: [(Int, Int)]
  private let unknowns: Int
  /// Entries of a row of `rows`: a packed triangle, in fours.
  private let stride: Int
  private var y: [Double]
  private var targets: [Target] = []
  private let rows: Scratch
  private let hessian: Scratch
  private(set) var steps = 0

  /// - Parameters:
  ///   - restVectors: V, columns; none for a stiff block.
  ///   - coastingVectors: W, columns that belong to V's.
  init(_ restVectors: Matrix, coasting coastingVectors: Matrix) {
    n = restVectors.rows
    restCount = restVectors.columns
    basis = restVectors.beside(coastingVectors.complement)
    inverseBasis = basis.inverse()
    var block = restVectors.transposed * coastingVectors
    let norm = block.frobeniusNorm
    if norm > 0 { block = block.scaled(by: 1 / norm) }
    restBlock = block
    var pairs: [(Int, Int)] = []
    for i in restVectors.columns..<n { for j in i..<n { pairs.append((i, j)) } }
    self.pairs = pairs
    unknowns = pairs.count + (restCount > 0 ? 1 : 0)
    stride = (n * (n + 1) / 2 + 3) & ~3
    y = Array(repeating: 0, count: unknowns)
    rows = Scratch(unknowns * stride)
    hessian = Scratch(unknowns * unknowns)
    // 10⁻⁵ ≤ P ≤ 1, as in NormSearch.
    let gram = basis.transposed * basis
    addBound(1, gram.scaled(by: -NormSearch.smallestEigenvalue))
    addBound(-1, gram)
  }

  private mutating func addBound(_ sign: Double, _ constant: Matrix) {
    targets.append(
      Target(
        size: n, alpha: -sign, weight: 0, dt: 0, states: Matrix(n, diagonal: 1), mapped: Matrix(n, n),
        constant: constant))
  }

  /// Adds a map to fit.
  /// - Parameters:
  ///   - delta: (A − I)/dt.
  ///   - resting: directions among V's columns that the map leaves as they are, orthonormal in
  ///     V's coordinates.
  ///   - alpha: what share of (1 − ρ²)/dt is asked for, ρ taken across what rests.
  ///   - largest: what is asked for at most, 1/s.
  mutating func add(
    delta: Matrix, dt: Double, resting: Matrix, demand: Double, largest: Double, weight: Double
  ) {
    var turned = Matrix(n, diagonal: 1)
    if restCount > 0 {
      let whole = resting.beside(resting.complement)
      for i in 0..<restCount { for j in 0..<restCount { turned[i, j] = whole[i, j] } }
    }
    let f = inverseBasis * delta * basis
    let states = turned.columns(resting.columns..<n)
    let across = states.transposed * f * states
    let radius = Matrix(n - resting.columns, diagonal: 1).adding(across, times: dt).spectralRadius
    let alpha = min((1 - radius) * (1 + radius) / dt, largest) * demand
    targets.append(
      Target(
        size: states.columns, alpha: alpha, weight: weight, dt: dt, states: states, mapped: f * states))
  }

  /// P' of the present unknowns.
  private var inner: Matrix {
    var p = Matrix(n, n)
    for i in 0..<restCount { for j in 0..<restCount { p[i, j] = y[unknowns - 1] * restBlock[i, j] } }
    for (index, (i, j)) in pairs.enumerated() {
      p[i, j] = i == j ? y[index] : 0.5 * y[index]
      p[j, i] = p[i, j]
    }
    return p
  }

  /// P of the present unknowns.
  var matrix: Matrix { inverseBasis.transposed * inner * inverseBasis }

  /// Starts from the identity of the family's own basis.
  private mutating func begin() {
    for (index, (i, j)) in pairs.enumerated() { y[index] = i == j ? 1 : 0 }
    if restCount > 0 { y[unknowns - 1] = 1 }
    let largest = matrix.symmetricEigenvectors().values.max() ?? 1
    for i in 0..<unknowns { y[i] *= 0.5 / largest }
  }

  /// S of a target.
  private func slack(_ target: Target, _ p: Matrix, epsilon: Double) -> Matrix {
    let py = p * target.states
    let pf = p * target.mapped
    let cross = target.mapped.transposed * py
    var s = (target.states.transposed * py).scaled(by: epsilon * target.weight - target.alpha)
    s = s.adding(cross, times: -1).adding(cross.transposed, times: -1)
    s = s.adding(target.mapped.transposed * pf, times: -target.dt)
    return target.constant.map { s.adding($0, times: 1) } ?? s
  }

  /// Smallest ε for which the present P fits all targets, to 1 in 10⁶.
  private func neededEpsilon() -> Double {
    let p = inner
    var needed = -Double.infinity
    for target in targets where target.weight > 0 {
      let weighted = (target.states.transposed * (p * target.states)).scaled(by: target.weight)
      guard let factor = weighted.cholesky() else { return .infinity }
      let inverse = factor.lowerInverse()
      let ratio = inverse * slack(target, p, epsilon: 0) * inverse.transposed
      needed = max(needed, -ratio.smallestEigenvalue(within: 1e-6 * ratio.frobeniusNorm.squareRoot()))
    }
    return needed
  }

  /// Lowers ε as far as it goes; P is then in `matrix`.
  /// - Parameter tolerance: what is left of ε, or can be lowered of it, at the end, 1/s.
  mutating func run(tolerance: Double) {
    begin()
    // θ of the method of centres: the new ε keeps this share of the way from the needed to the old one.
    let share = 0.15
    var needed = neededEpsilon()
    // Well inside, so that the first centre is near.
    var epsilon = needed * 3 + 0.1
    while steps < CoupledNormSearch.maximumSteps && needed > tolerance {
      if !centre(epsilon: epsilon) { break }
      needed = neededEpsilon()
      if epsilon - needed < tolerance { break }
      epsilon = needed + share * (epsilon - needed)
    }
  }

  /// Newton steps towards the analytic centre of the P that fit with `epsilon`. False when rounding stops it.
  private mutating func centre(epsilon: Double) -> Bool {
    // A rough centre is enough; 12 steps bound one centring.
    for _ in 0..<12 {
      guard steps < CoupledNormSearch.maximumSteps else { return true }
      steps += 1
      var gradient = [Double](repeating: 0, count: unknowns)
      for i in 0..<(unknowns * unknowns) { hessian[i] = 0 }
      let p = inner
      for target in targets where !accumulate(target, p, epsilon, &gradient) { return false }
      guard let decrement = newtonStep(gradient) else { return false }
      if decrement < 0.5 { return true }
    }
    return true
  }

  /// Adds gradient and Hessian of −ln det S. False unless S > 0.
  private func accumulate(_ target: Target, _ p: Matrix, _ epsilon: Double, _ gradient: inout [Double])
    -> Bool
  {
    guard let factor = slack(target, p, epsilon: epsilon).cholesky() else { return false }
    let m = target.size
    let inverse = factor.lowerInverse()
    // With u_i and v_i the columns of C⁻¹Yᵀ and C⁻¹(FY)ᵀ, C⁻¹ dS C⁻ᵀ for an entry ij of P' is the symmetric
    // part of (β u_i − v_i) u_jᵀ − (u_i + dt v_i) v_jᵀ.
    let beta = epsilon * target.weight - target.alpha
    let u = target.states * inverse.transposed
    let v = target.mapped * inverse.transposed
    let left = u.scaled(by: beta).adding(v, times: -1)
    let right = u.adding(v, times: target.dt)
    let root2 = 1.4142135623730951
    let packed = m * (m + 1) / 2
    func addRow(_ index: Int, _ i: Int, _ j: Int, times share: Double) {
      let row = rows.at(index * stride)
      var trace = 0.0
      left.entries.withUnsafeBufferPointer { left in
        right.entries.withUnsafeBufferPointer { right in
          u.entries.withUnsafeBufferPointer { u in
            v.entries.withUnsafeBufferPointer { v in
              let (li, ri, uj, vj) = (i * m, i * m, j * m, j * m)
              var k = 0
              for a in 0..<m {
                let (la, ra, ua, va) = (left[li + a], right[ri + a], u[uj + a], v[vj + a])
                for b in 0..<a {
                  let one = la * u[uj + b] - ra * v[vj + b]
                  let other = left[li + b] * ua - right[ri + b] * va
                  row[k] += share * (0.5 * root2) * (one + other)
                  k += 1
                }
                let diagonal = share * (la * ua - ra * va)
                row[k] += diagonal
                trace += diagonal
                k += 1
              }
            }
          }
        }
      }
      gradient[index] -= trace
    }
    for i in 0..<(unknowns * stride) { rows[i] = 0 }
    for (index, (i, j)) in pairs.enumerated() { addRow(index, i, j, times: 1) }
    for i in 0..<restCount {
      for j in 0..<restCount { addRow(unknowns - 1, i, j, times: restBlock[i, j]) }
    }
    let padded = (packed + 3) & ~3
    for i in 0..<unknowns {
      let x = rows.at(i * stride)
      for j in 0...i {
        let z = rows.at(j * stride)
        // Four sums, which the processor can work on at once.
        var (s0, s1, s2, s3) = (0.0, 0.0, 0.0, 0.0)
        var k = 0
        while k < padded {
          s0 += x[k] * z[k]
          s1 += x[k + 1] * z[k + 1]
          s2 += x[k + 2] * z[k + 2]
          s3 += x[k + 3] * z[k + 3]
          k += 4
        }
        hessian.at(i * unknowns + j).pointee += (s0 + s1) + (s2 + s3)
      }
    }
    return true
  }

  /// Solves for the Newton step, takes it damped, and returns the Newton decrement; nil when the Hessian is
  /// singular to rounding.
  private mutating func newtonStep(_ gradient: [Double]) -> Double? {
    let m = unknowns
    let h = hessian.at(0)
    for j in 0..<m {
      var pivot = h[j * m + j]
      for k in 0..<j { pivot -= h[j * m + k] * h[j * m + k] }
      guard pivot > 0 else { return nil }
      let root = pivot.squareRoot()
      h[j * m + j] = root
      for i in (j + 1)..<max(m, j + 1) {
        var sum = h[i * m + j]
        for k in 0..<j { sum -= h[i * m + k] * h[j * m + k] }
        h[i * m + j] = sum / root
      }
    }
    var step = gradient
    var squared = 0.0
    for i in 0..<m {
      for k in 0..<i { step[i] -= h[i * m + k] * step[k] }
      step[i] /= h[i * m + i]
      squared += step[i] * step[i]
    }
    for i in (0..<m).reversed() {
      for k in (i + 1)..<max(m, i + 1) { step[i] -= h[k * m + i] * step[k] }
      step[i] /= h[i * m + i]
    }
    let decrement = squared.squareRoot()
    // The damped step of a self-concordant barrier never leaves its domain.
    let length = decrement < 0.25 ? 1 : 1 / (1 + decrement)
    for i in 0..<m { y[i] -= length * step[i] }
    return decrement
  }
}
