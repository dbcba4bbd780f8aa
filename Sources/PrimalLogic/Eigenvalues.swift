/// A complex number, as an eigenvalue or a pole.
public struct ComplexNumber: BitwiseCopyable, Sendable, Equatable {
  /// Real part.
  public var real: Double
  /// Imaginary part.
  public var imaginary: Double

  /// A number by its parts.
  public init(_ real: Double, _ imaginary: Double = 0) {
    self.real = real
    self.imaginary = imaginary
  }

  /// Distance from 0.
  public var magnitude: Double { (real * real + imaginary * imaginary).squareRoot() }

  static func + (l: Self, r: Self) -> Self { Self(l.real + r.real, l.imaginary + r.imaginary) }
  static func - (l: Self, r: Self) -> Self { Self(l.real - r.real, l.imaginary - r.imaginary) }
  static func * (l: Self, r: Self) -> Self {
    Self(l.real * r.real - l.imaginary * r.imaginary, l.real * r.imaginary + l.imaginary * r.real)
  }
  var conjugate: Self { Self(real, -imaginary) }
  func scaled(by factor: Double) -> Self { Self(real * factor, imaginary * factor) }

  /// The root with non-negative real part.
  var squareRoot: Self {
    let size = magnitude
    if size == 0 { return Self(0) }
    // The larger component directly, the other by division: no cancellation.
    if real >= 0 {
      let re = ((size + real) / 2).squareRoot()
      return Self(re, imaginary / (2 * re))
    }
    let im = ((size - real) / 2).squareRoot()
    let sign = imaginary < 0 ? -1.0 : 1.0
    return Self(imaginary.magnitude / (2 * im), sign * im)
  }
}

/// Up to eight eigenvalues.
struct Eigenvalues {
  var count = 0
  var values = InlineArray<8, ComplexNumber>(repeating: ComplexNumber(0))

  /// max |1 + dt λ|: the spectral radius of I + dt F from the eigenvalues of F.
  func radius(dt: Double) -> Double {
    var largest = 0.0
    for i in 0..<count {
      largest = max(largest, ComplexNumber(1 + dt * values[i].real, dt * values[i].imaginary).magnitude)
    }
    return largest
  }
}

extension SmallMatrix {
  /// Eigenvalues by the QR algorithm in complex arithmetic with Wilkinson shifts on the Hessenberg form:
  /// backward stable, and no case for complex pairs.
  func eigenvalues() -> Eigenvalues {
    var h = ComplexHessenberg(self)
    var found = Eigenvalues()
    found.count = n
    var high = n - 1
    var iterations = 0
    // A shifted QR step converges quadratically, 3 to 10 an eigenvalue; the limit only bounds the loop.
    while high > 0 && iterations < 300 {
      var low = high
      while low > 0 && !h.negligible(below: low) { low -= 1 }
      if low == high {
        high -= 1
        continue
      }
      h.step(low: low, high: high, exceptional: iterations % 11 == 10)
      iterations += 1
    }
    for i in 0..<n { found.values[i] = h[i, i] }
    return found
  }
}

/// The working matrix of the QR algorithm.
private struct ComplexHessenberg {
  let n: Int
  let scale: Double
  var entries = InlineArray<64, ComplexNumber>(repeating: ComplexNumber(0))

  subscript(_ row: Int, _ column: Int) -> ComplexNumber {
    get { entries[row * 8 + column] }
    set { entries[row * 8 + column] = newValue }
  }

  /// Reduces by elimination with pivoting, a similarity.
  init(_ matrix: SmallMatrix) {
    n = matrix.n
    scale = matrix.frobeniusNorm
    var a = matrix
    for column in 0..<max(n - 2, 0) {
      let target = column + 1
      var pivot = target
      for row in target..<n where a[row, column].magnitude > a[pivot, column].magnitude { pivot = row }
      if a[pivot, column] == 0 { continue }
      if pivot != target {
        for k in 0..<n { (a[pivot, k], a[target, k]) = (a[target, k], a[pivot, k]) }
        for k in 0..<n { (a[k, pivot], a[k, target]) = (a[k, target], a[k, pivot]) }
      }
      for row in (target + 1)..<n {
        let factor = a[row, column] / a[target, column]
        if factor == 0 { continue }
        for k in 0..<n { a[row, k] -= factor * a[target, k] }
        for k in 0..<n { a[k, target] += factor * a[k, row] }
      }
    }
    for i in 0..<n { for j in 0..<n where i <= j + 1 { self[i, j] = ComplexNumber(a[i, j]) } }
  }

  /// Whether the subdiagonal entry left of the diagonal in `row` is zero to rounding.
  func negligible(below row: Int) -> Bool {
    let neighbours = self[row, row].magnitude + self[row - 1, row - 1].magnitude
    return self[row, row - 1].magnitude <= 2.2e-16 * (neighbours > 0 ? neighbours : scale)
  }

  /// The eigenvalue of the trailing 2 × 2 block that lies nearer its last entry.
  func shift(high: Int) -> ComplexNumber {
    let a = self[high - 1, high - 1]
    let d = self[high, high]
    let half = (a - d).scaled(by: 0.5)
    let root = (half * half + self[high - 1, high] * self[high, high - 1]).squareRoot
    let plus = half + root
    let minus = half - root
    return d + (plus.magnitude < minus.magnitude ? plus : minus)
  }

  /// One shifted QR step on rows `low` to `high`: H − μ = Q R, H ← R Q + μ.
  mutating func step(low: Int, high: Int, exceptional: Bool) {
    // A symmetric stand-off of shifts is broken by an arbitrary one.
    let mu =
      exceptional
      ? ComplexNumber(self[high, high].real + 0.75 * self[high, high - 1].magnitude) : shift(high: high)
    for i in low...high { self[i, i] = self[i, i] - mu }
    var cosines = InlineArray<8, ComplexNumber>(repeating: ComplexNumber(1))
    var sines = InlineArray<8, ComplexNumber>(repeating: ComplexNumber(0))
    for k in low..<high {
      let a = self[k, k]
      let b = self[k + 1, k]
      let length = (a.magnitude * a.magnitude + b.magnitude * b.magnitude).squareRoot()
      if length == 0 { continue }
      let c = a.scaled(by: 1 / length)
      let s = b.scaled(by: 1 / length)
      cosines[k] = c
      sines[k] = s
      for j in k..<n {
        let upper = self[k, j]
        let lower = self[k + 1, j]
        self[k, j] = c.conjugate * upper + s.conjugate * lower
        self[k + 1, j] = c * lower - s * upper
      }
    }
    for k in low..<high {
      let c = cosines[k]
      let s = sines[k]
      for i in 0...min(k + 1, high) {
        let left = self[i, k]
        let right = self[i, k + 1]
        self[i, k] = left * c + right * s
        self[i, k + 1] = right * c.conjugate - left * s.conjugate
      }
    }
    for i in low...high { self[i, i] = self[i, i] + mu }
  }
}
