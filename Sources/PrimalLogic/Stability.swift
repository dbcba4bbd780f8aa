/// The open interval of memory gains K_m for which the continuous loop is stable, by Routh's criterion:
/// −λ Kp' < K_m < b' (Kp' + b' λ + J λ²)/J with b' = b + Kd and Kp' all springs. It knows no delay and no
/// sampling; the spectral radius does.
public struct MemoryGainWindow: BitwiseCopyable, Sendable, Equatable {
  /// N m/(rad s).
  public var lower: Double
  /// N m/(rad s).
  public var upper: Double
}

extension LoopModel {
  /// Kp with every other spring that acts on the error.
  var totalStiffness: Double { kp + stiffness + directStiffness }

  /// The memory gains that keep the continuous loop stable.
  public var memoryGainWindow: MemoryGainWindow {
    let damped = damping + kd
    return MemoryGainWindow(
      lower: -lambda * totalStiffness,
      upper: damped * (totalStiffness + damped * lambda + inertia * lambda * lambda) / inertia)
  }

  /// Roots of J s³ + (b' + Jλ) s² + (Kp' + b'λ) s + (λKp' + K_m), 1/s: the continuous loop without delay.
  public var continuousPoles: InlineArray<3, ComplexNumber> {
    let damped = damping + kd
    var companion = SmallMatrix(3)
    companion[0, 0] = -(damped / inertia + lambda)
    companion[0, 1] = -(totalStiffness + damped * lambda) / inertia
    companion[0, 2] = -(lambda * totalStiffness + km) / inertia
    companion[1, 0] = 1
    companion[2, 1] = 1
    let found = companion.eigenvalues()
    return [found.values[0], found.values[1], found.values[2]]
  }

  /// Largest magnitude of the eigenvalues of one tick of `dt` seconds with saturation slope `slope`: the
  /// floor of L in any norm.
  public func spectralRadius(slope: Double = 1, dt: Double) -> Double {
    deltaMatrix(slope: slope, dt: dt).eigenvalues().radius(dt: dt)
  }

  /// Eigenvalues of one unsaturated tick of `dt` seconds; the first `stateCount` are in use.
  public func tickEigenvalues(dt: Double) -> InlineArray<5, ComplexNumber> {
    let found = deltaMatrix(slope: 1, dt: dt).eigenvalues()
    var result = InlineArray<5, ComplexNumber>(repeating: ComplexNumber(0))
    for i in 0..<found.count {
      result[i] = ComplexNumber(1 + dt * found.values[i].real, dt * found.values[i].imaginary)
    }
    return result
  }
}

/// ln x for finite x > 0, within a few units in the last place: x = 2^k f with f in [√½, √2), and
/// ln f = 2 artanh((f − 1)/(f + 1)), whose argument stays below 0.172.
public func naturalLogarithm(_ x: Double) -> Double {
  var exponent = Int(x.bitPattern >> 52) - 1023
  var fraction = x / powerOfTwo(exponent)
  if fraction > 1.4142135623730951 {
    fraction *= 0.5
    exponent += 1
  }
  let z = (fraction - 1) / (fraction + 1)
  let square = z * z
  var sum = 0.0
  // 0.172^23/23 < 10^-18.
  var order = 21.0
  while order >= 1 {
    sum = 1 / order + square * sum
    order -= 2
  }
  // ln 2 in two parts, as in `exponential`.
  let lnTwoHead = 6.93147180369123816490e-01
  let lnTwoTail = 1.90821492927058770002e-10
  return Double(exponent) * lnTwoHead + (2 * z * sum + Double(exponent) * lnTwoTail)
}
