/// A reading in whole millionths of its unit, rounded half away from zero, at most ± 2147.483647;
/// NaN stays NaN.
///
/// Currents and forces are rounded to this where they are read. A recording keeps millionths, so that a tick
/// run again from it sees the very numbers; sensors resolve a hundred times less.
package func wholeMicro(_ value: Double) -> Double {
  let scaled = value * 1e6
  // Written so that NaN passes.
  if scaled.isNaN { return .nan }
  let limit = Double(Int32.max)
  return min(max(scaled.rounded(.toNearestOrAwayFromZero), -limit), limit) / 1e6 + 0
}
