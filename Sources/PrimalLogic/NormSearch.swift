/// Search for one matrix P whose norm shows, for many tick maps A(s, dt) at once, nearly the contraction
/// their spectral radii allow (docs/control.md, "How P is found"). Runs at start, never in a tick.
///
/// With F = (A − I)/dt a map contracts by L in the norm of P exactly when X(P) − α P ⪰ 0,
/// X(P) = −(FᵀP + PF + dt FᵀPF), α = (1 − L²)/dt. The α_j are set to what the spectral radius of map j
/// allows, and the smallest ε is sought for which a P exists with X_j(P) − (α_j − ε w_j) P ⪰ 0 for all j: a
/// generalised eigenvalue problem, solved by the method of centres with damped Newton steps on
/// log-determinant barriers. Any P is feasible for a large enough ε, so there is no first phase.
struct NormSearch: ~Copyable {
  /// A map that P has to fit.
  struct Target {
    /// (A − I)/dt in balanced units.
    var delta: SmallMatrix
    var dt: Double
    /// α, 1/s.
    var alpha: Double
    /// w: how much ε may cost this map.
    var weight: Double
    /// Whether the map is taken only across the rest vector, along which it cannot contract.
    var acrossRest: Bool
  }

  /// Five slopes at each of three dt.
  static let usualTargets = 15
  /// Newton steps of one search by default. The worked example takes about 160, the hardest servo seen 300.
  static let usualSteps = 400
  /// The search ends when ε, 1/s, can be lowered by less: at 1 kHz that is 5·10^-7 of L.
  static let tolerance = 1e-3
  /// Eigenvalues of P are kept between this and 1, so that P stays verifiable in double precision.
  static let smallestEigenvalue = 1e-5

  let n: Int
  /// Newton steps after which a search takes what it has.
  let maximumSteps: Int
  /// Number of free entries of P.
  let unknowns: Int
  let maximumTargets: Int
  var targetCount = 0
  var sizes: [Int] = []
  /// For each target and unknown, X(E) − α E, and w E.
  let fixedPart: Scratch
  let epsilonPart: Scratch
  /// The basis E of P's free entries.
  let basis: Scratch
  let work: Scratch
  let y: Scratch
  let gradient: Scratch
  let hessian: Scratch
  private let rows: SmallMatrix
  private let columns: SmallMatrix
  private let structured: Bool
  private(set) var steps = 0

  /// - Parameters:
  ///   - n: number of states.
  ///   - rest: v and w of a joint that rests anywhere: P is then sought only among those with P v = p w, for
  ///     which L(0) = 1 is exact.
  ///   - maximumTargets: how many maps may be added.
  init(
    n: Int, rest: (vector: InlineArray<5, Double>, coasting: InlineArray<5, Double>)?,
    maximumSteps: Int = usualSteps, maximumTargets: Int = usualTargets
  ) {
    self.n = n
    self.maximumTargets = maximumTargets
    self.maximumSteps = maximumSteps
    structured = rest != nil
    var forward = SmallMatrix(n, diagonal: 1)
    var inverse = SmallMatrix(n, diagonal: 1)
    if let rest { (forward, inverse) = NormSearch.restBasis(n: n, rest.vector, rest.coasting) }
    columns = forward
    rows = inverse
    let pairs = structured ? 1 + n * (n - 1) / 2 : n * (n + 1) / 2
    unknowns = pairs
    let all = maximumTargets * pairs * n * n
    fixedPart = Scratch(all)
    epsilonPart = Scratch(all)
    basis = Scratch(pairs * n * n)
    work = Scratch(pairs * n * (n + 1) / 2)
    y = Scratch(pairs)
    gradient = Scratch(pairs)
    hessian = Scratch(pairs * pairs)
    var index = 0
    for i in 0..<n {
      for j in i..<n where !(structured && i == 0 && j > 0) {
        // Row i and row j of the inverse basis: E = (tᵢ tⱼᵀ + tⱼ tᵢᵀ)/2.
        for a in 0..<n {
          for b in 0..<n {
            basis[(index * n + a) * n + b] =
              0.5 * (inverse[i, a] * inverse[j, b] + inverse[j, a] * inverse[i, b])
          }
        }
        index += 1
      }
    }
  }

  /// T = (v, N) with N an orthonormal basis across w, and its inverse.
  private static func restBasis(
    n: Int, _ v: InlineArray<5, Double>, _ w: InlineArray<5, Double>
  ) -> (SmallMatrix, SmallMatrix) {
    var length = 0.0
    var along = 0.0
    for i in 0..<n {
      length += w[i] * w[i]
      along += w[i] * v[i]
    }
    length = length.squareRoot()
    // The reflection that takes w to −|w| e₁; its other columns are the orthonormal basis.
    var u = w
    u[0] += length
    var size = 0.0
    for i in 0..<n { size += u[i] * u[i] }
    var t = SmallMatrix(n)
    var inverse = SmallMatrix(n)
    for i in 0..<n {
      t[i, 0] = v[i]
      inverse[0, i] = w[i] / along
    }
    for j in 1..<n {
      var across = 0.0
      for i in 0..<n {
        t[i, j] = (i == j ? 1 : 0) - 2 * u[i] * u[j] / size
        across += t[i, j] * v[i]
      }
      for i in 0..<n { inverse[j, i] = t[i, j] - across * w[i] / along }
    }
    return (t, inverse)
  }

  /// Adds a map to fit.
  mutating func add(_ target: Target) {
    precondition(targetCount < maximumTargets, "too many targets")
    let size = target.acrossRest ? n - 1 : n
    sizes.append(size)
    for i in 0..<unknowns {
      let e = basisMatrix(i)
      let fp = target.delta.transposed * e
      let fpf = fp * target.delta
      var x = SmallMatrix(n)
      for a in 0..<n {
        for b in 0..<n {
          x[a, b] = -(fp[a, b] + fp[b, a] + target.dt * fpf[a, b]) - target.alpha * e[a, b]
        }
      }
      let fixed = target.acrossRest ? acrossRest(x) : x
      let moving = target.acrossRest ? acrossRest(e) : e
      let offset = (targetCount * unknowns + i) * n * n
      for a in 0..<size {
        for b in 0..<size {
          fixedPart[offset + a * n + b] = fixed[a, b]
          epsilonPart[offset + a * n + b] = moving[a, b] * target.weight
        }
      }
    }
    targetCount += 1
  }

  private func basisMatrix(_ index: Int) -> SmallMatrix {
    var e = SmallMatrix(n)
    for a in 0..<n { for b in 0..<n { e[a, b] = basis[(index * n + a) * n + b] } }
    return e
  }

  /// Nᵀ x N.
  private func acrossRest(_ x: SmallMatrix) -> SmallMatrix {
    let whole = columns.transposed * x * columns
    var part = SmallMatrix(n - 1)
    for i in 1..<n { for j in 1..<n { part[i - 1, j - 1] = whole[i, j] } }
    return part
  }

  /// P of the present unknowns.
  var matrix: SmallMatrix {
    var p = SmallMatrix(n)
    for i in 0..<unknowns {
      for a in 0..<n { for b in 0..<n { p[a, b] += y[i] * basis[(i * n + a) * n + b] } }
    }
    return p
  }

  /// Starts from the nearest member of the family to `start`, scaled to a largest eigenvalue of ½. False when
  /// it is not within the bounds.
  mutating func begin(at start: SmallMatrix) -> Bool {
    let whole = columns.transposed * start * columns
    var index = 0
    for i in 0..<n {
      for j in i..<n where !(structured && i == 0 && j > 0) {
        y[index] = i == j ? whole[i, i] : whole[i, j] + whole[j, i]
        index += 1
      }
    }
    let largest = matrix.symmetricExtremes().largest
    guard largest > 0 else { return false }
    for i in 0..<unknowns { y.at(i).pointee *= 0.5 / largest }
    return matrix.symmetricExtremes().smallest > 2 * NormSearch.smallestEigenvalue
  }

  /// The identity of the family's own basis, the start when nothing better is known.
  var plainStart: SmallMatrix { rows.transposed * rows }

  /// Smallest ε for which the present P fits all targets; infinity when P is not positive definite.
  func neededEpsilon() -> Double {
    var needed = -Double.infinity
    for target in 0..<targetCount {
      let size = sizes[target]
      var fixed = SmallMatrix(size)
      var moving = SmallMatrix(size)
      for i in 0..<unknowns {
        let offset = (target * unknowns + i) * n * n
        for a in 0..<size {
          for b in 0..<size {
            fixed[a, b] -= y[i] * fixedPart[offset + a * n + b]
            moving[a, b] += y[i] * epsilonPart[offset + a * n + b]
          }
        }
      }
      guard let factor = moving.cholesky() else { return .infinity }
      let inverse = factor.lowerInverse()
      needed = max(needed, (inverse * fixed * inverse.transposed).symmetricExtremes().largest)
    }
    return needed
  }

  /// Lowers ε from the present P as far as it goes, or until it is below `wanted`; the result is in `matrix`.
  /// - Returns: the ε reached.
  mutating func run(until wanted: Double = tolerance) -> Double {
    // θ of the method of centres: the new ε keeps this share of the way from the needed to the old one.
    let share = 0.15
    var needed = neededEpsilon()
    var epsilon = needed * 1.2 + 0.1
    while steps < maximumSteps && needed > wanted {
      if !centre(epsilon: epsilon) { break }
      needed = neededEpsilon()
      if epsilon - needed < NormSearch.tolerance { break }
      epsilon = needed + share * (epsilon - needed)
    }
    return needed
  }

  /// Newton steps towards the analytic centre of the P that fit with `epsilon`. False when rounding stops it.
  private mutating func centre(epsilon: Double) -> Bool {
    // A rough centre is enough; 12 steps bound one centring, 5 are usual.
    for _ in 0..<12 {
      guard steps < maximumSteps else { return true }
      steps += 1
      for i in 0..<unknowns { gradient[i] = 0 }
      for i in 0..<(unknowns * unknowns) { hessian[i] = 0 }
      for target in 0..<targetCount {
        let offset = target * unknowns * n * n
        guard
          accumulate(
            sizes[target], fixedPart.at(offset), epsilonPart.at(offset), epsilon, constant: 0)
        else { return false }
      }
      guard accumulate(n, basis.at(0), basis.at(0), 0, constant: -NormSearch.smallestEigenvalue),
        accumulate(n, basis.at(0), basis.at(0), -2, constant: 1)
      else { return false }
      guard let decrement = newtonStep() else { return false }
      if decrement < 0.5 { return true }
    }
    return true
  }

  /// Adds gradient and Hessian of −ln det S, S = Σ yᵢ (Gᵢ + ε Wᵢ) + constant · I. False unless S > 0.
  private func accumulate(
    _ size: Int, _ g: UnsafeMutablePointer<Double>, _ w: UnsafeMutablePointer<Double>, _ epsilon: Double,
    constant: Double
  ) -> Bool {
    var s = SmallMatrix(size, diagonal: constant)
    for i in 0..<unknowns {
      let weight = y[i]
      for a in 0..<size {
        let row = (i * n + a) * n
        for b in 0...a { s[a, b] += weight * (g[row + b] + epsilon * w[row + b]) }
      }
    }
    guard let factor = s.cholesky() else { return false }
    let lower = factor.lowerInverse()
    let inverse = lower.entries.span
    // Z = C⁻¹ D C⁻ᵀ for each unknown, its lower triangle packed with √2 on the off-diagonal, so that the
    // Hessian is a plain inner product.
    let packed = size * (size + 1) / 2
    let root2 = 1.4142135623730951
    for i in 0..<unknowns {
      let d = i * n * n
      var half = InlineArray<64, Double>(repeating: 0)
      for a in 0..<size {
        for b in 0..<size {
          var sum = 0.0
          for k in 0...a {
            sum += inverse[a * 8 + k] * (g[d + k * n + b] + epsilon * w[d + k * n + b])
          }
          half[a * 8 + b] = sum
        }
      }
      var index = i * packed
      var trace = 0.0
      for a in 0..<size {
        for b in 0...a {
          var sum = 0.0
          for k in 0...b { sum += half[a * 8 + k] * inverse[b * 8 + k] }
          if a == b { trace += sum }
          work[index] = a == b ? sum : sum * root2
          index += 1
        }
      }
      gradient.at(i).pointee -= trace
    }
    for i in 0..<unknowns {
      for j in 0...i {
        var sum = 0.0
        for k in 0..<packed { sum += work[i * packed + k] * work[j * packed + k] }
        hessian.at(i * unknowns + j).pointee += sum
      }
    }
    return true
  }

  /// Solves for the Newton step, takes it damped, and returns the Newton decrement; nil when the Hessian is
  /// singular to rounding.
  private mutating func newtonStep() -> Double? {
    let m = unknowns
    for j in 0..<m {
      for k in 0..<j {
        let factor = hessian[j * m + k]
        if factor == 0 { continue }
        for i in j..<m { hessian.at(i * m + j).pointee -= hessian[i * m + k] * factor }
      }
      let pivot = hessian[j * m + j]
      guard pivot > 0 else { return nil }
      let root = pivot.squareRoot()
      for i in j..<m { hessian.at(i * m + j).pointee /= root }
    }
    var squared = 0.0
    for i in 0..<m {
      var sum = gradient[i]
      for k in 0..<i { sum -= hessian[i * m + k] * work[k] }
      work[i] = sum / hessian[i * m + i]
      squared += work[i] * work[i]
    }
    var i = m - 1
    while i >= 0 {
      var sum = work[i]
      for k in (i + 1)..<max(m, i + 1) { sum -= hessian[k * m + i] * work[k] }
      work[i] = sum / hessian[i * m + i]
      i -= 1
    }
    let decrement = squared.squareRoot()
    // The damped step of a self-concordant barrier never leaves its domain.
    let length = decrement < 0.25 ? 1 : 1 / (1 + decrement)
    for k in 0..<m { y.at(k).pointee -= length * work[k] }
    return decrement
  }
}

/// Zeroed memory with one owner.
struct Scratch: ~Copyable {
  private let pointer: UnsafeMutablePointer<Double>

  init(_ count: Int) {
    pointer = .allocate(capacity: count)
    pointer.initialize(repeating: 0, count: count)
  }

  deinit { pointer.deallocate() }

  subscript(_ index: Int) -> Double {
    get { pointer[index] }
    nonmutating set { pointer[index] = newValue }
  }

  func at(_ index: Int) -> UnsafeMutablePointer<Double> { pointer + index }
}
