/// The uncertainty certificate U of one joint's loop: one norm √(xᵀ P x) and upper bounds L(delay, dt, s)
/// that hold for every plant and tick within an `Uncertainty` at once, for slopes from `smallestSlope` to 1.
///
/// It says that two runs of the real hand with the same set-points approach each other, whichever plant of
/// the uncertain ones the hand is. Made by `certify(_:under:)`, checked by `verify(_:_:)`; nothing of it is
/// in the tick (docs/control.md, "The uncertainty certificate").
public struct UncertainCertificate: Sendable {
  /// Intervals of the table in slope, from `smallestSlope` to 1.
  public static var slopeIntervals: Int { 16 }
  /// Intervals of the table in dt.
  public static var dtIntervals: Int { 5 }
  /// Intervals of the table in delay, half of them on each side of a whole tick within the range.
  public static var delayIntervals: Int { 4 }

  /// What it covers.
  public let uncertainty: Uncertainty
  /// The observer on whose estimates the law acts.
  public let observer: LoopObserver
  /// Number of states n, 5 to 8.
  public let stateCount: Int
  /// Shortest certified time between ticks, s.
  public let minimumDt: Double
  /// Longest certified time between ticks, s.
  public let maximumDt: Double
  /// s_min: below it nothing is claimed.
  public internal(set) var smallestSlope = 1.0
  /// Largest L at slope 1 over everything uncertain.
  public internal(set) var contraction = 1.0
  /// Smallest −ln L / dt at slope 1, 1/s.
  public internal(set) var ratePerSecond = 0.0
  /// The rate that the spectral radii of the corners would allow at slope 1 if each had its own norm, 1/s.
  public internal(set) var attainableRatePerSecond = 0.0
  /// c: within xᵀ P x ≤ c two runs' demands differ by at most τ_max.
  public internal(set) var unsaturatedLevel = 0.0

  /// P in balanced units.
  var balancedP: SmallMatrix
  /// Those units.
  let scales: ObservedState
  /// Upper bounds: slope by slope (17) within dt interval (5) within delay interval (4).
  var nodes = InlineArray<340, Double>(repeating: .nan)
  /// Ends of the delay intervals, in periods.
  var delayNodes = InlineArray<5, Double>(repeating: 0)

  init(_ loop: UncertainLoop, p: SmallMatrix) {
    uncertainty = loop.uncertainty
    observer = loop.observer
    scales = loop.scales
    stateCount = p.n
    minimumDt = loop.dt.lowerBound
    maximumDt = loop.dt.upperBound
    balancedP = p
    let corners = loop.delayCorners
    let (first, last) = (corners[0], corners[corners.count - 1])
    let middle = corners.count == 3 ? corners[1] : (first + last) / 2
    delayNodes = [first, (first + middle) / 2, middle, (middle + last) / 2, last]
  }

  /// Upper bound of L for a tick of `dt` seconds with saturation slope `slope` whose output acts after
  /// `delayPeriods` lengths of the tick and at whose end the estimate takes in a sample that is `agePeriods`
  /// lengths old, for every plant within the uncertainty. Not valid outside the certified ranges, for NaN, or
  /// where no bound of at most 1 was found.
  public func lookup(
    dt: Double, slope: Double, delayPeriods: Double, agePeriods: Double
  ) -> Certificate.Lookup {
    let invalid = Certificate.Lookup(valid: false, lipschitz: .nan, logarithm: 0)
    guard dt >= minimumDt, dt <= maximumDt, slope >= smallestSlope, slope <= 1,
      delayPeriods >= delayNodes[0], delayPeriods <= delayNodes[4],
      agePeriods >= uncertainty.agePeriods.lowerBound, agePeriods <= uncertainty.agePeriods.upperBound
    else { return invalid }
    var delay = 0
    while delay < 3 && delayPeriods > delayNodes[delay + 1] { delay += 1 }
    let width = maximumDt - minimumDt
    let row = width > 0 ? min(Int((dt - minimumDt) / width * 5), 4) : 0
    // L is convex in the slope, and so is the largest of many such: the chord between two nodes bounds it.
    let span = 1 - smallestSlope
    let column = span > 0 ? (slope - smallestSlope) / span * 16 : 16
    let i = min(Int(column), 15)
    let node = (delay * 5 + row) * 17 + i
    let bound = nodes[node] + (column - Double(i)) * (nodes[node + 1] - nodes[node])
    guard bound <= 1 else { return invalid }
    return Certificate.Lookup(upperBound: bound)
  }

  /// Slope of a node of the table.
  func nodeSlope(_ i: Int) -> Double {
    i == 16 ? 1 : smallestSlope + Double(i) / 16 * (1 - smallestSlope)
  }

  /// V² = xᵀ P x of a difference in the states' own units.
  public func distanceSquared(_ x: ObservedState) -> Double {
    let scaled = x / scales
    var sum = 0.0
    for i in 0..<stateCount {
      for j in 0..<stateCount { sum += scaled[i] * balancedP[i, j] * scaled[j] }
    }
    return sum
  }
}
