/// Evaluates the norm of an uncertainty certificate at the nodes of a grid over 1/J, b, dt, delay and age.
///
/// Between the nodes A differs from its multilinear interpolation C by an E, at most the sum over the axes of
/// w²/8 ∂²A/∂p². The deviation is measured at the middle of a cell, and twice that is taken: A consists of
/// exponentials of a generator, one cell changes the generator only a little, and so the second derivative
/// cannot double in a cell. E moves the fast states, and C contracts the slow ones least. So their norms are
/// not added. Instead (C + E)ᵀ(C + E) ⪯ (1 + τ) CᵀC + (1 + 1/τ) Q is used, with EᵀE ⪯ Q. It is convex in C
/// and thus largest at a node.
struct UncertainGrid {
  /// Each axis is cut until twice its deviation is below this share of 1 − L, unless that takes
  /// too many nodes.
  static let deviationShare = 0.01
  /// Most nodes. A node takes about 20 µs with its slopes, so this many take a second.
  static let maximumNodes = 50_000

  /// Q with EᵀE ⪯ Q in the norm, for the deviation E of A from its multilinear interpolation.
  private var allowance: SmallMatrix
  private let loop: UncertainLoop
  private let corners: [LoopPoint]
  private let root: SmallMatrix
  private let rootInverse: SmallMatrix
  private let inflation: Double
  private var inertias: [Double]
  private var dampings: [Double]
  private var dts: [Double]
  private var delays: [Double]
  private var ages: [Double]
  /// Cells in each interval of the table.
  private var dtCells = 1
  private var delayCells = 1

  /// - Parameter expected: 1 − L, about what the certificate will show at slope 1.
  /// Nil when P is not positive definite.
  init?(_ loop: UncertainLoop, _ certificate: UncertainCertificate, expected: Double) {
    let p = certificate.balancedP
    allowance = SmallMatrix(p.n)
    guard let factor = p.cholesky() else { return nil }
    self.loop = loop
    corners = loop.corners
    root = factor.transposed
    rootInverse = factor.lowerInverse().transposed
    let smallest = p.symmetricExtremes().smallest
    guard smallest > 0 else { return nil }
    var largestMap = 2.0
    for corner in loop.corners {
      for slope in [0.0, 1] {
        largestMap = max(largestMap, loop.matrix(corner, slope: slope).frobeniusNorm)
      }
    }
    // A is multilinear up to its deviation. So inside a cell A is hardly larger than at a corner.
    inflation =
      4 * verificationMargin(states: p.n, norm: p.frobeniusNorm, map: 1.5 * largestMap) / smallest
    inertias = UncertainGrid.cut([loop.inverseInertia.lowerBound, loop.inverseInertia.upperBound], 1)
    dampings = UncertainGrid.cut([loop.damping.lowerBound, loop.damping.upperBound], 1)
    let dtEnds = (0...UncertainCertificate.dtIntervals).map { index in
      index == UncertainCertificate.dtIntervals
        ? loop.dt.upperBound
        : loop.dt.lowerBound + Double(index) / Double(UncertainCertificate.dtIntervals)
          * (loop.dt.upperBound - loop.dt.lowerBound)
    }
    dts = UncertainGrid.cut(dtEnds, 1)
    let delayEnds = (0..<5).map { certificate.delayNodes[$0] }
    delays = UncertainGrid.cut(delayEnds, 1)
    let ageRange = loop.uncertainty.agePeriods
    ages = UncertainGrid.cut([ageRange.lowerBound, ageRange.upperBound], 1)

    let whole = bends().map { $0.size }
    // A cell half as wide deviates a quarter as much.
    func cells(_ deviation: Double, _ share: Double) -> Int {
      Int(min(max((2 * deviation / (share * expected)).squareRoot().rounded(.up), 1), 1_000))
    }
    var share = UncertainGrid.deviationShare
    var counts = [1, 1, 1, 1, 1]
    // Ends by itself: with every count 1 there are 240 nodes.
    repeat {
      counts = whole.map { cells($0, share) }
      share *= 1.25
    } while (counts[0] + 1) * (counts[1] + 1) * (5 * counts[2] + 1) * (4 * counts[3] + 1) * (counts[4] + 1)
      > UncertainGrid.maximumNodes
    inertias = UncertainGrid.cut(inertias, counts[0])
    dampings = UncertainGrid.cut(dampings, counts[1])
    dtCells = counts[2]
    dts = UncertainGrid.cut(dts, dtCells)
    delayCells = counts[3]
    delays = UncertainGrid.cut(delays, delayCells)
    ages = UncertainGrid.cut(ages, counts[4])
    let fine = bends()
    let total = fine.reduce(0) { $0 + $1.size }
    // ‖ΣE‖² ≤ Σ ‖E‖²/w for weights w with the sum 1.
    for bend in fine where bend.size > 0 { allowance = allowance - bend.bound.scaled(by: -total / bend.size) }
  }

  /// Cuts each interval between neighbours of `ends` into cells; a range of one point stays one node.
  private static func cut(_ ends: [Double], _ cells: Int) -> [Double] {
    guard let first = ends.first, let last = ends.last, first < last else { return [ends[0]] }
    return ends.indices.dropLast().flatMap { index in
      (0..<cells).map { ends[index] + Double($0) / Double(cells) * (ends[index + 1] - ends[index]) }
    } + [last]
  }

  /// Per axis: Q with EᵀE ⪯ Q for E twice the deviation of A from its chord at the middle of any cell, the
  /// other axes at their ends, and √λ_max of the largest EᵀE.
  private func bends() -> [(size: Double, bound: SmallMatrix)] {
    let none = (size: 0.0, bound: SmallMatrix(root.n))
    func largest(
      _ nodes: [Double], _ set: (inout LoopPoint, Double) -> Void
    ) -> (size: Double, bound: SmallMatrix) {
      guard nodes.count > 1 else { return none }
      var squares: [SmallMatrix] = []
      for corner in corners {
        for index in 0..<(nodes.count - 1) {
          var (low, middle, high) = (corner, corner, corner)
          set(&low, nodes[index])
          set(&middle, 0.5 * (nodes[index] + nodes[index + 1]))
          set(&high, nodes[index + 1])
          // A is affine in the slope and a norm convex: the ends are enough.
          for slope in [0.0, 1.0] {
            let chord = loop.matrix(low, slope: slope) - loop.matrix(high, slope: slope).scaled(by: -1)
            let bend = root * (loop.matrix(middle, slope: slope).scaled(by: 2) - chord) * rootInverse
            squares.append(bend.transposed * bend)
          }
        }
      }
      let size = squares.map { $0.symmetricExtremes().largest }.max() ?? 0
      guard size > 0 else { return none }
      // The shape that they have in common, as large as the largest of them needs it.
      var shape = SmallMatrix(root.n, diagonal: 1e-4 * size)
      for square in squares { shape = shape - square.scaled(by: -1 / Double(squares.count)) }
      guard let inverse = shape.cholesky()?.lowerInverse() else { return none }
      let factor = squares.map { (inverse * $0 * inverse.transposed).symmetricExtremes().largest }.max() ?? 0
      return (size.squareRoot(), shape.scaled(by: factor))
    }
    return [
      largest(inertias) { $0.inverseInertia = $1 }, largest(dampings) { $0.damping = $1 },
      largest(dts) { $0.dt = $1 }, largest(delays) { $0.delay = $1 }, largest(ages) { $0.age = $1 },
    ]
  }

  /// τ for a slope: of a ladder the one with the smallest bound over the corners. Any τ > 0 gives a bound.
  private func split(_ slope: Double) -> Double {
    let deltas = corners.map { (map: root * loop.deltaMatrix($0, slope: slope) * rootInverse, dt: $0.dt) }
    var best = (bound: Double.infinity, tau: 1.0)
    for step in 0..<24 {
      // From 1 down to 10⁻⁷, by halves.
      let tau = powerOfTwo(-step)
      let bound =
        deltas.map { excessWithAllowance($0.map, dt: $0.dt, tau).symmetricExtremes().largest + tau }.max()
        ?? .infinity
      if bound < best.bound { best = (bound, tau) }
    }
    return best.tau
  }

  /// (1 + τ) (CᵀC − I) + (1 + 1/τ) Q for C = I + dt F: with τ added, its largest eigenvalue
  /// bounds ‖C + E‖² − 1.
  private func excessWithAllowance(_ f: SmallMatrix, dt: Double, _ tau: Double) -> SmallMatrix {
    let ff = f.transposed * f
    var x = SmallMatrix(f.n)
    let (change, square, left) = (f.entries.span, ff.entries.span, allowance.entries.span)
    var excess = x.entries.mutableSpan
    for i in 0..<f.n {
      for j in 0..<f.n {
        let (here, across) = (i * 8 + j, j * 8 + i)
        excess[here] =
          (1 + tau) * dt * (change[here] + change[across] + dt * square[here]) + (1 + 1 / tau) * left[here]
      }
    }
    return x
  }

  /// Upper bounds of L over 1/J, b and age, at each of `slopes`, in the order slope, delay, dt.
  private func bounds(_ slopes: [Double]) -> [Double] {
    let taus = slopes.map { split($0) }
    // λ_max so far, for each slope.
    var largest = [Double](repeating: -1, count: slopes.count)
    var columns = [[Double]](repeating: [], count: slopes.count)
    for delay in delays {
      for dt in dts {
        for k in slopes.indices { largest[k] = -1 }
        for inverse in inertias {
          for damping in dampings {
            for age in ages {
              let point = LoopPoint(
                inverseInertia: inverse, damping: damping, dt: dt, delay: delay, age: age)
              let free = root * loop.deltaMatrix(point, slope: 0) * rootInverse
              let bound = root * loop.deltaMatrix(point, slope: 1) * rootInverse
              for (k, slope) in slopes.enumerated() {
                // A is affine in the slope.
                let f = free.scaled(by: 1 - slope) - bound.scaled(by: -slope)
                largest[k] = largerEigenvalue(excessWithAllowance(f, dt: dt, taus[k]), than: largest[k])
              }
            }
          }
        }
        for k in slopes.indices {
          columns[k].append((1 + taus[k] + largest[k] + inflation).squareRoot())
        }
      }
    }
    return columns.flatMap { $0 }
  }

  /// λ_max(X), or `known` where it is not larger, which a Cholesky factorisation of known · I − X tells at a
  /// fraction of the cost.
  private func largerEigenvalue(_ x: SmallMatrix, than known: Double) -> Double {
    var shifted = x.scaled(by: -1)
    for i in 0..<x.n { shifted[i, i] += known }
    return shifted.cholesky() != nil ? known : x.symmetricExtremes().largest
  }

  /// The smallest slope not below `slope` at which everything is bounded by 1, to the next chord; 1
  /// when slope 1 is.
  func smallestSlope(from slope: Double) -> Double {
    // L is convex in the slope: the chord between two slopes bounds what lies between.
    let slopes = [0, 1, 2, 4, 8, 16].map { slope + $0 / 16 * (1 - slope) }
    let values = bounds(slopes)
    let largest = slopes.indices.map { index in
      values[(index * delays.count * dts.count)..<((index + 1) * delays.count * dts.count)].max() ?? .nan
    }
    guard let last = largest.lastIndex(where: { !($0 <= 1) }) else { return slope }
    guard last < slopes.count - 1 else { return 1 }
    let share = (largest[last] - 1) / (largest[last] - largest[last + 1])
    // A little more, so that rounding does not put the node above 1.
    return min(slopes[last] + (share + 1e-6) * (slopes[last + 1] - slopes[last]), slopes[last + 1])
  }

  /// The largest bound over everything, and the smallest rate.
  func largest(slope: Double) -> (bound: Double, rate: Double) {
    let values = bounds([slope])
    var rate = Double.infinity
    for (index, dt) in dts.enumerated() {
      // In a cell the worse of both ends' bounds holds, in the worst case over the longer of its ticks.
      let next = min(index + 1, dts.count - 1)
      for delay in delays.indices {
        let row = delay * dts.count
        let worse = max(values[row + index], values[row + next])
        rate = min(rate, -naturalLogarithm(worse) / max(dt, dts[next]))
      }
    }
    return (values.max() ?? .nan, rate)
  }

  /// Writes the table of a certificate whose smallest slope is known, and its unsaturated level.
  func fill(_ certificate: inout UncertainCertificate) {
    // L is convex in the slope: chords between a few slopes bound those between, most of them where
    // it bends most.
    let evaluated = [0, 1, 2, 4, 8, 16]
    let values = bounds(evaluated.map { certificate.nodeSlope($0) })
    for delay in 0..<UncertainCertificate.delayIntervals {
      for row in 0..<UncertainCertificate.dtIntervals {
        let node =
          (delay * UncertainCertificate.dtIntervals + row) * (UncertainCertificate.slopeIntervals + 1)
        for (index, i) in evaluated.enumerated() {
          var bound = 0.0
          for k in (delay * delayCells)...((delay + 1) * delayCells) {
            for m in (row * dtCells)...((row + 1) * dtCells) {
              let at = (index * delays.count + min(k, delays.count - 1)) * dts.count + min(m, dts.count - 1)
              bound = max(bound, values[at])
            }
          }
          certificate.nodes[node + i] = bound
          guard index > 0 else { continue }
          let before = evaluated[index - 1]
          for between in (before + 1)..<max(i, before + 1) {
            let share = Double(between - before) / Double(i - before)
            certificate.nodes[node + between] =
              certificate.nodes[node + before] + share * (bound - certificate.nodes[node + before])
          }
        }
      }
    }
    certificate.unsaturatedLevel = loop.unsaturatedLevel(rootInverse)
  }
}

extension UncertainLoop {
  /// c = τ_max² / (K P⁻¹ Kᵀ) with the law on the estimates, from R⁻¹ of P = RᵀR in balanced units.
  fileprivate func unsaturatedLevel(_ normInverse: SmallMatrix) -> Double {
    var k = ObservedState.zero
    k[0] = model.kp
    k[1] = model.kd
    k[2] = model.km
    k[model.stateCount] = -model.kp
    k[model.stateCount + 1] = -model.kd
    var sum = 0.0
    for j in 0..<n {
      var component = 0.0
      for i in 0..<n { component += k[i] * scales[i] * normInverse[i, j] }
      sum += component * component
    }
    return sum > 0 ? model.torqueLimit * model.torqueLimit / sum : .infinity
  }
}
