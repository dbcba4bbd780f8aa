/// A square matrix of at most eight rows, for the certificates' search and verification at start: five for N,
/// and three of an observer besides for U.
struct SmallMatrix {
  /// Rows and columns in use.
  let n: Int
  /// Row by row, eight apart.
  var entries: InlineArray<64, Double>

  init(_ n: Int, diagonal: Double = 0) {
    self.n = n
    entries = InlineArray(repeating: 0)
    for i in 0..<n { entries[i * 8 + i] = diagonal }
  }

  subscript(_ row: Int, _ column: Int) -> Double {
    @inline(__always) get { entries[row * 8 + column] }
    @inline(__always) set { entries[row * 8 + column] = newValue }
  }

  static func * (l: SmallMatrix, r: SmallMatrix) -> SmallMatrix {
    var product = SmallMatrix(l.n)
    let (left, right) = (l.entries.span, r.entries.span)
    var sum = product.entries.mutableSpan
    for i in 0..<l.n {
      for k in 0..<l.n {
        let factor = left[i * 8 + k]
        if factor == 0 { continue }
        for j in 0..<l.n { sum[i * 8 + j] += factor * right[k * 8 + j] }
      }
    }
    return product
  }

  static func - (l: SmallMatrix, r: SmallMatrix) -> SmallMatrix {
    var difference = l
    let right = r.entries.span
    var entries = difference.entries.mutableSpan
    for i in 0..<(8 * l.n) { entries[i] -= right[i] }
    return difference
  }

  func scaled(by factor: Double) -> SmallMatrix {
    var result = self
    var scaled = result.entries.mutableSpan
    for i in 0..<(8 * n) { scaled[i] *= factor }
    return result
  }

  var transposed: SmallMatrix {
    var result = SmallMatrix(n)
    let rows = entries.span
    var columns = result.entries.mutableSpan
    for i in 0..<n { for j in 0..<n { columns[j * 8 + i] = rows[i * 8 + j] } }
    return result
  }

  /// √Σ entry²: at least the spectral norm.
  var frobeniusNorm: Double {
    var sum = 0.0
    for i in 0..<(8 * n) { sum += entries[i] * entries[i] }
    return sum.squareRoot()
  }

  /// Lower triangle C with C Cᵀ = self, or nil when self is not positive definite.
  func cholesky() -> SmallMatrix? {
    var triangle = SmallMatrix(n)
    let own = entries.span
    var c = triangle.entries.mutableSpan
    for j in 0..<n {
      var pivot = own[j * 8 + j]
      for k in 0..<j { pivot -= c[j * 8 + k] * c[j * 8 + k] }
      // Written so that NaN fails.
      guard pivot > 0 else { return nil }
      let root = pivot.squareRoot()
      c[j * 8 + j] = root
      for i in (j + 1)..<max(n, j + 1) {
        var sum = own[i * 8 + j]
        for k in 0..<j { sum -= c[i * 8 + k] * c[j * 8 + k] }
        c[i * 8 + j] = sum / root
      }
    }
    return triangle
  }

  /// Inverse of a lower triangle.
  func lowerInverse() -> SmallMatrix {
    var inverse = SmallMatrix(n)
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

  /// Smallest and largest eigenvalue of a symmetric matrix, by Jacobi rotations, which are accurate to
  /// rounding relative to the norm.
  func symmetricExtremes() -> (smallest: Double, largest: Double) {
    var a = self
    let scale = frobeniusNorm
    // Convergence is quadratic: eight rows need about seven sweeps; the limit only bounds the loop.
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
          for k in 0..<n {
            let akp = a[k, p]
            let akq = a[k, q]
            a[k, p] = c * akp - s * akq
            a[k, q] = s * akp + c * akq
          }
          for k in 0..<n {
            let apk = a[p, k]
            let aqk = a[q, k]
            a[p, k] = c * apk - s * aqk
            a[q, k] = s * apk + c * aqk
          }
        }
      }
      if off <= 1e-17 * scale { break }
    }
    var smallest = a[0, 0]
    var largest = a[0, 0]
    for i in 1..<max(n, 1) {
      smallest = min(smallest, a[i, i])
      largest = max(largest, a[i, i])
    }
    return (smallest, largest)
  }
}
