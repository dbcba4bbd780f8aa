/// The contraction certificate of one joint's loop: a norm √(xᵀ P x) and upper bounds L(dt, s) of the factor
/// by which one tick of length dt with saturation slope s shortens the distance of two runs with the same
/// set-points (docs/control.md, "The certificate"). Made by `certify`, checked by `verify`.
public struct Certificate: BitwiseCopyable, Sendable {
  /// Intervals of the table in slope; nodes are 0, 1/16 … 1. L(s) is convex and nearly straight between them.
  public static var slopeIntervals: Int { 16 }
  /// Intervals of the table in dt, from `minimumDt` to `maximumDt`. 34 put the nominal period on a node for
  /// both default ranges, 0.5 to 2.2 and 0.8 to 1.2.
  public static var dtIntervals: Int { 34 }
  /// How far above 1 a computed bound may be and still count as 1: rounding of the table and of dt.
  public static var unitTolerance: Double { 1e-9 }

  /// What a tick may say about itself.
  public struct Lookup: BitwiseCopyable, Sendable {
    /// False where nothing is proven: dt outside the certified range, slope outside [0, 1], or no bound ≤ 1.
    public var valid: Bool
    /// Upper bound of L; NaN when not valid.
    public var lipschitz: Double
    /// Upper bound of ln L in units of 2^-50 (`WindowProduct.unit`), rounded up; 0 when not valid.
    public var logarithm: Int64

    @_noLocks
    init(valid: Bool, lipschitz: Double, logarithm: Int64) {
      self.valid = valid
      self.lipschitz = lipschitz
      self.logarithm = logarithm
    }

    /// A bound of at most 1.
    @_noLocks
    init(upperBound: Double) {
      valid = true
      lipschitz = upperBound
      // Truncation towards zero rounds a negative logarithm up. Far below 1 the series only stays an upper
      // bound, which is the safe side.
      logarithm = Int64(logarithmUpperBound(onePlus: max(upperBound - 1, -0.5)) * 0x1p50)
    }
  }

  /// Number of states n, 3 to 5.
  public internal(set) var stateCount = 3
  /// Shortest certified time between ticks, s.
  public internal(set) var minimumDt = 0.0
  /// Longest certified time between ticks, s.
  public internal(set) var maximumDt = 0.0
  /// L at slope 1 (nothing saturated) and the nominal period.
  public internal(set) var contraction = 1.0
  /// L at slope 0 (fully saturated) and the nominal period; 1 for a joint without a spring.
  public internal(set) var saturatedContraction = 1.0
  /// −ln(`contraction`) / period, 1/s.
  public internal(set) var ratePerSecond = 0.0
  /// c: within xᵀ P x ≤ c the law's torque differs by at most τ_max from the nominal one.
  public internal(set) var unsaturatedLevel = 0.0

  /// P, row by row, `stateCount` used of five.
  var p = InlineArray<25, Double>(repeating: 0)
  /// Upper bounds at the nodes, slope by slope (17) within each dt (35).
  var nodes = InlineArray<595, Double>(repeating: .nan)
  /// Bounds of w²/2 ‖∂²A/∂dt²‖_P in each dt interval at slopes 0, 1/16 and 1, convex between: what linear
  /// interpolation in dt may miss.
  var curvature = InlineArray<102, Double>(repeating: .nan)
  var inverseDtStep = 0.0

  init() {}

  /// Upper bound of L for a tick that took `dt` seconds with saturation slope `slope`
  /// (`CertificateTable.lookup(dt:slope:)`).
  public func lookup(dt: Double, slope: Double) -> Lookup {
    withTable { $0.lookup(dt: dt, slope: slope) }
  }

  /// Time between two nodes of the table, s.
  var dtStep: Double { (maximumDt - minimumDt) / Double(Certificate.dtIntervals) }

  /// dt of a node of the table, s.
  func nodeDt(_ j: Int) -> Double { minimumDt + Double(j) * dtStep }

  /// V² = xᵀ P x.
  public func distanceSquared(_ x: StateVector) -> Double {
    withTable { $0.distanceSquared(x) }
  }

  /// Calls `body` with the tables where they lie in this value.
  private func withTable<Result>(_ body: (CertificateTable) -> Result) -> Result {
    withUnsafeBytes(of: nodes) { nodes in
      withUnsafeBytes(of: curvature) { curvature in
        withUnsafeBytes(of: p) { p in
          body(
            CertificateTable(
              minimumDt: minimumDt, maximumDt: maximumDt, inverseDtStep: inverseDtStep,
              nodes: nodes.baseAddress!.assumingMemoryBound(to: Double.self),
              curvature: curvature.baseAddress!.assumingMemoryBound(to: Double.self),
              p: p.baseAddress!.assumingMemoryBound(to: Double.self)))
        }
      }
    }
  }
}
