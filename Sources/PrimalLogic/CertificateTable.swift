/// A certificate as the tick reads it: the tables through pointers.
///
/// A `Certificate` is a value of several kilobytes; a call on one behind a pointer may copy it whole, which
/// costs more than the look-up. This is a view: whoever owns the tables (`CertificateMemory`) must outlive
/// it.
public struct CertificateTable: BitwiseCopyable, @unchecked Sendable {
  // Safety of @unchecked: nothing is written after initialisation.
  let minimumDt: Double
  let maximumDt: Double
  let inverseDtStep: Double
  let nodes: UnsafePointer<Double>
  let curvature: UnsafePointer<Double>
  let p: UnsafePointer<Double>

  @_noLocks
  init(
    minimumDt: Double, maximumDt: Double, inverseDtStep: Double, nodes: UnsafePointer<Double>,
    curvature: UnsafePointer<Double>, p: UnsafePointer<Double>
  ) {
    self.minimumDt = minimumDt
    self.maximumDt = maximumDt
    self.inverseDtStep = inverseDtStep
    self.nodes = nodes
    self.curvature = curvature
    self.p = p
  }

  /// Upper bound of L for a tick that took `dt` seconds with saturation slope `slope`.
  ///
  /// Interpolates between four nodes. That is a bound, not an estimate: A(s, dt) is affine in s and a norm is
  /// convex, so L lies below its chord in s; in dt the matrix leaves its chord by at most
  /// t(1 − t) w²/2 ‖A''‖, which is added.
  @_noLocks
  public func lookup(dt: Double, slope: Double) -> Certificate.Lookup {
    let invalid = Certificate.Lookup(valid: false, lipschitz: .nan, logarithm: 0)
    // Written so that NaN fails.
    guard dt >= minimumDt, dt <= maximumDt, slope >= 0, slope <= 1 else { return invalid }
    let column = slope * 16
    let i = min(Int(column), 15)
    let sigma = column - Double(i)
    let row = (dt - minimumDt) * inverseDtStep
    let j = min(Int(row), 33)
    let t = min(row - Double(j), 1)
    let node = nodes + (j * 17 + i)
    let early = node[0] + sigma * (node[1] - node[0])
    let late = node[17] + sigma * (node[18] - node[17])
    let bends = curvature + j * 3
    let bend =
      i == 0
      ? bends[0] + sigma * (bends[1] - bends[0])
      : bends[1] + (slope - 0.0625) * (16.0 / 15.0) * (bends[2] - bends[1])
    let bound = early + t * (late - early) + t * (1 - t) * bend
    guard bound <= 1 + 1e-9 else { return invalid }
    return Certificate.Lookup(upperBound: min(bound, 1))
  }

  /// Whether a tick that took `dt` seconds is one that the tables are about.
  @_noLocks
  public func covers(dt: Double) -> Bool { minimumDt <= dt && dt <= maximumDt }

  /// V² = xᵀ P x.
  @_noLocks
  public func distanceSquared(_ x: StateVector) -> Double {
    // Written out as rows: x is small, and indexing it in loops costs more than the products.
    let (x0, x1, x2, x3, x4) = (x[0], x[1], x[2], x[3], x[4])
    let r0 = p[0] * x0 + p[1] * x1 + p[2] * x2 + p[3] * x3 + p[4] * x4
    let r1 = p[5] * x0 + p[6] * x1 + p[7] * x2 + p[8] * x3 + p[9] * x4
    let r2 = p[10] * x0 + p[11] * x1 + p[12] * x2 + p[13] * x3 + p[14] * x4
    let r3 = p[15] * x0 + p[16] * x1 + p[17] * x2 + p[18] * x3 + p[19] * x4
    let r4 = p[20] * x0 + p[21] * x1 + p[22] * x2 + p[23] * x3 + p[24] * x4
    return x0 * r0 + x1 * r1 + x2 * r2 + x3 * r3 + x4 * r4
  }
}
