/// A matrix on the heap, for the certificates of coupled joints at start: up to twelve rows, one
/// size no type fits.
struct Matrix {
  let rows: Int
  let columns: Int
  /// Row by row.
  var entries: [Double]

  init(_ rows: Int, _ columns: Int) {
    self.rows = rows
    self.columns = columns
    entries = Array(repeating: 0, count: rows * columns)
  }

  init(_ n: Int, diagonal: Double) {
    self.init(n, n)
    for i in 0..<n { entries[i * n + i] = diagonal }
  }

  subscript(_ row: Int, _ column: Int) -> Double {
    get { entries[row * columns + column] }
    set { entries[row * columns + column] = newValue }
  }

  static func * (l: Matrix, r: Matrix) -> Matrix {
    var product = Matrix(l.rows, r.columns)
    let (inner, width) = (l.columns, r.columns)
    product.entries.withUnsafeMutableBufferPointer { out in
      l.entries.withUnsafeBufferPointer { left in
        r.entries.withUnsafeBufferPointer { right in
          for i in 0..<l.rows {
            for k in 0..<inner {
              let factor = left[i * inner + k]
              if factor == 0 { continue }
              for j in 0..<width { out[i * width + j] += factor * right[k * width + j] }
            }
          }
        }
      }
    }
    return product
  }

  /// self + factor · other.
  func adding(_ other: Matrix, times factor: Double) -> Matrix {
    var sum = self
    sum.entries.withUnsafeMutableBufferPointer { out in
      other.entries.withUnsafeBufferPointer { addend in
        for i in 0..<out.count { out[i] += factor * addend[i] }
      }
    }
    return sum
  }

  func scaled(by factor: Double) -> Matrix {
    var result = self
    for i in result.entries.indices { result.entries[i] *= factor }
    return result
  }

  var transposed: Matrix {
    var result = Matrix(columns, rows)
    for i in 0..<rows { for j in 0..<columns { result[j, i] = self[i, j] } }
    return result
  }

  /// √Σ entry²: at least the spectral norm.
  var frobeniusNorm: Double {
    var sum = 0.0
    for entry in entries { sum += entry * entry }
    return sum.squareRoot()
  }

  /// The columns in `range`.
  func columns(_ range: Range<Int>) -> Matrix {
    var part = Matrix(rows, range.count)
    for i in 0..<rows { for j in range { part[i, j - range.lowerBound] = self[i, j] } }
    return part
  }

  /// The columns of self followed by those of `other`.
  func beside(_ other: Matrix) -> Matrix {
    var both = Matrix(rows, columns + other.columns)
    for i in 0..<rows {
      for j in 0..<columns { both[i, j] = self[i, j] }
      for j in 0..<other.columns { both[i, columns + j] = other[i, j] }
    }
    return both
  }

  /// Lower triangle C with C Cᵀ = self, or nil when self is not positive definite.
  func cholesky() -> Matrix? {
    var c = self
    let smallest = c.factor(less: 0)
    guard smallest > 0 else { return nil }
    for i in 0..<rows { for j in (i + 1)..<max(rows, i + 1) { c[i, j] = 0 } }
    return c
  }

  /// Whether self − shift · I is positive definite.
  func exceeds(_ shift: Double) -> Bool {
    var copy = self
    return copy.factor(less: shift) > 0
  }

  /// Smallest pivot of the Cholesky factorisation of self − shift · I, or the first that is not positive.
  func smallestPivot(less shift: Double) -> Double {
    var copy = self
    return copy.factor(less: shift)
  }

  /// Replaces the lower triangle by the Cholesky factor of self − shift · I; returns the smallest pivot, or
  /// the first that is not positive, where it ends.
  private mutating func factor(less shift: Double) -> Double {
    let n = rows
    return entries.withUnsafeMutableBufferPointer { a in
      var smallest = Double.infinity
      for j in 0..<n {
        var pivot = a[j * n + j] - shift
        for k in 0..<j { pivot -= a[j * n + k] * a[j * n + k] }
        // Written so that NaN fails.
        guard pivot > 0 else { return pivot == pivot ? pivot : -.infinity }
        smallest = min(smallest, pivot)
        let root = pivot.squareRoot()
        a[j * n + j] = root
        for i in (j + 1)..<max(n, j + 1) {
          var sum = a[i * n + j]
          for k in 0..<j { sum -= a[i * n + k] * a[j * n + k] }
          a[i * n + j] = sum / root
        }
      }
      return smallest
    }
  }

  /// Inverse of a lower triangle.
  func lowerInverse() -> Matrix {
    let n = rows
    var inverse = Matrix(n, n)
    for j in 0..<n {
      inverse[j, j] = 1 / self[j, j]
      for i in (j + 1)..<max(n, j + 1) {
        var sum = 0.0
        for k in j..<i { sum -= self[i, k] * inverse[k, j] }
        inverse[i, j] = sum / self[i, i]
      }
    }
    return inverse
  }

  /// A lower bound of the smallest eigenvalue of a symmetric matrix, at most `width` below it, by bisection
  /// with Cholesky factorisations.
  func smallestEigenvalue(within width: Double) -> Double {
    let reach = frobeniusNorm
    var (below, above) = (-reach, reach)
    // 2^-60 of the norm is below its rounding.
    for _ in 0..<60 where above - below > width {
      let middle = 0.5 * (below + above)
      if exceeds(middle) { below = middle } else { above = middle }
    }
    return below
  }

  /// Eigenvalues and, column by column, eigenvectors of a symmetric matrix, by Jacobi rotations.
  func symmetricEigenvectors() -> (values: [Double], vectors: Matrix) {
    let n = rows
    var a = self
    var vectors = Matrix(n, diagonal: 1)
    let scale = frobeniusNorm
    // Convergence is quadratic; the limit only bounds the loop.
    for _ in 0..<30 {
      var off = 0.0
      for p in 0..<n {
        for q in (p + 1)..<max(n, p + 1) {
          let apq = a[p, q]
          off = max(off, apq.magnitude)
          if apq.magnitude <= 1e-18 * scale { continue }
          let theta = (a[q, q] - a[p, p]) / (2 * apq)
          let root = (theta * theta + 1).squareRoot()
          let t = theta >= 0 ? 1 / (theta + root) : 1 / (theta - root)
          let c = 1 / (t * t + 1).squareRoot()
          let s = t * c
          func rotate(_ x: inout Matrix, _ first: (Int) -> (Int, Int), _ second: (Int) -> (Int, Int)) {
            for k in 0..<n {
              let (one, two) = (first(k), second(k))
              let (xp, xq) = (x[one.0, one.1], x[two.0, two.1])
              x[one.0, one.1] = c * xp - s * xq
              x[two.0, two.1] = s * xp + c * xq
            }
          }
          rotate(&a, { ($0, p) }, { ($0, q) })
          rotate(&a, { (p, $0) }, { (q, $0) })
          rotate(&vectors, { ($0, p) }, { ($0, q) })
        }
      }
      if off <= 1e-17 * scale { break }
    }
    return ((0..<n).map { a[$0, $0] }, vectors)
  }

  /// Orthonormal columns across those of self, which are independent.
  var complement: Matrix {
    var found: [[Double]] = []
    let own = (0..<columns).map { column in (0..<rows).map { self[$0, column] } }
    func rest(_ vector: [Double], _ others: [[Double]]) -> [Double] {
      var vector = vector
      // Twice: once loses digits where little remains.
      for _ in 0..<2 {
        for other in others {
          var along = 0.0
          for i in 0..<rows { along += vector[i] * other[i] }
          for i in 0..<rows { vector[i] -= along * other[i] }
        }
      }
      return vector
    }
    func length(_ vector: [Double]) -> Double { vector.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    var basis: [[Double]] = []
    for column in own {
      let vector = rest(column, basis)
      let size = length(vector)
      basis.append(vector.map { $0 / size })
    }
    let units = (0..<rows).map { unit in (0..<rows).map { $0 == unit ? 1.0 : 0 } }
    while found.count < rows - columns {
      var best: [Double] = []
      var size = 0.0
      for unit in units {
        let vector = rest(unit, basis + found)
        let reach = length(vector)
        if reach > size { (best, size) = (vector, reach) }
      }
      found.append(best.map { $0 / size })
    }
    var result = Matrix(rows, found.count)
    for (j, vector) in found.enumerated() { for i in 0..<rows { result[i, j] = vector[i] } }
    return result
  }

  /// Inverse of a square matrix, by elimination with pivots.
  func inverse() -> Matrix {
    let n = rows
    var a = self
    var inverse = Matrix(n, diagonal: 1)
    for k in 0..<n {
      var pivot = k
      for i in k..<n where a[i, k].magnitude > a[pivot, k].magnitude { pivot = i }
      for j in 0..<n where pivot != k {
        (a[k, j], a[pivot, j]) = (a[pivot, j], a[k, j])
        (inverse[k, j], inverse[pivot, j]) = (inverse[pivot, j], inverse[k, j])
      }
      let scale = 1 / a[k, k]
      for j in 0..<n {
        a[k, j] *= scale
        inverse[k, j] *= scale
      }
      for i in 0..<n where i != k {
        let factor = a[i, k]
        for j in 0..<n {
          a[i, j] -= factor * a[k, j]
          inverse[i, j] -= factor * inverse[k, j]
        }
      }
    }
    return inverse
  }

  /// Largest magnitude of the eigenvalues of a square matrix, from the norm of its 2^40th power: any matrix
  /// that is not far from diagonal is exact to rounding by then.
  var spectralRadius: Double {
    var power = self
    var logarithm = 0.0
    var weight = 1.0
    for _ in 0..<40 {
      let norm = power.frobeniusNorm
      guard norm > 0, norm.isFinite else { return norm }
      logarithm += weight * naturalLogarithm(norm)
      power = power.scaled(by: 1 / norm)
      power = power * power
      weight *= 0.5
    }
    return exponential(logarithm)
  }
}
