// Elementary functions of the core. The real-time check of the compiler (`@_noLocks`) rejects calls into the
// C library, and the Embedded build has none, so the few functions the tick needs are written out here.

/// e^x for every finite x, within 2 units in the last place; 0 below −745.2, infinity above 709.8.
///
/// x = k ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 14, whose remainder
/// 0.3466^15 / 15! < 10^-19 is below half a unit in the last place.
@_noLocks
public func exponential(_ x: Double) -> Double {
  if x != x { return x }
  if x > 709.782712893384 { return .infinity }
  if x < -745.1332191019412 { return 0 }
  // log2(e); ln 2 split into a head whose 33 low bits are zero, so that k · head is exact for |k| < 2^11, and
  // the rest (Cody and Waite's reduction). Local, since a global may be initialised under a lock.
  let log2OfE = 1.442695040888963407
  let lnTwoHead = 6.93147180369123816490e-01
  let lnTwoTail = 1.90821492927058770002e-10
  let scaled = x * log2OfE
  let k = Int(scaled + (scaled < 0 ? -0.5 : 0.5))
  let multiple = Double(k)
  let head = x - multiple * lnTwoHead
  let tail = multiple * lnTwoTail
  let r = head - tail
  let lost = (head - r) - tail
  let reduced = 1 + (r + (r * r * exponentialTail(r) + lost))
  // Two factors, so that a subnormal result is rounded once, by the last product.
  let half = k / 2
  return reduced * powerOfTwo(half) * powerOfTwo(k - half)
}

/// (e^r − 1 − r) / r² by its Taylor series Σ r^(j−2) / j!, for |r| ≤ 0.35. Factors instead of quotients: a
/// tick evaluates this several times a joint, and divisions were most of its time.
@_noLocks
func exponentialTail(_ r: Double) -> Double {
  var sum = 1.1470745597729725e-11
  sum = 1.6059043836821613e-10 + r * sum
  sum = 2.08767569878681e-09 + r * sum
  sum = 2.505210838544172e-08 + r * sum
  sum = 2.755731922398589e-07 + r * sum
  sum = 2.7557319223985893e-06 + r * sum
  sum = 2.48015873015873e-05 + r * sum
  sum = 0.0001984126984126984 + r * sum
  sum = 0.001388888888888889 + r * sum
  sum = 0.008333333333333333 + r * sum
  sum = 0.041666666666666664 + r * sum
  sum = 0.16666666666666666 + r * sum
  sum = 0.5 + r * sum
  return sum
}

/// 2^k for a normal result, −1022 ≤ k ≤ 1023.
@_noLocks
func powerOfTwo(_ k: Int) -> Double {
  Double(bitPattern: UInt64(truncatingIfNeeded: k + 1023) << 52)
}

/// (1 − e^−z) / z for z ≥ 0: the share of its input an exponential decay keeps. 1 at z = 0.
///
/// Below 0.35 the series, since the difference would lose digits; the two forms agree to 10^-16.
@_noLocks
func decayMean(_ z: Double) -> Double {
  z < 0.35 ? 1 - z * exponentialTail(-z) : (1 - exponential(-z)) / z
}

/// (z − 1 + e^−z) / z² for z ≥ 0: 1/2 at z = 0. Series below 0.35, as in `decayMean`.
@_noLocks
func decaySecondMean(_ z: Double) -> Double {
  z < 0.35 ? exponentialTail(-z) : (z - 1 + exponential(-z)) / (z * z)
}

/// Upper bound of ln(1 + x) for −1 < x ≤ 0: every omitted term of the series is negative.
///
/// At x = −0.02, as low as one servo frame contracts, seven terms leave an error of 3·10^-15.
@_noLocks
func logarithmUpperBound(onePlus x: Double) -> Double {
  var sum = 1.0 / 7
  sum = 1.0 / 6 - x * sum
  sum = 1.0 / 5 - x * sum
  sum = 1.0 / 4 - x * sum
  sum = 1.0 / 3 - x * sum
  sum = 1.0 / 2 - x * sum
  sum = 1 - x * sum
  return x * sum
}
