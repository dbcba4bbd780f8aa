/// Evaluates the norm of an uncertainty certificate at the nodes of a grid over 1/J, b, dt and delay.
///
/// Between the nodes A leaves its multilinear interpolation by at most the sum over the axes of w²/8 ‖∂²A/∂p²‖,
/// and a norm is convex: the largest value at a cell's nodes with that sum added bounds L in the whole cell. At the
/// middle of a cell the deviation is measured; twice that is taken, since A is made of exponentials of a
/// generator of which one cell changes only a small part, so that the second derivative cannot double in it.
struct UncertainGrid {
  /// Each axis is cut until twice its deviation is below this share of 1 − L, unless that takes too many nodes.
  static let deviationShare = 0.01
  /// A node takes about 5 µs with its six slopes: so many take half a second.
  static let maximumNodes = 100_000

  /// Twice the deviation of all axes together.
  private(set) var interpolationError = 0.0
  private let loop: UncertainLoop
  private let root: SmallMatrix
  private let rootInverse: SmallMatrix
  private let inflation: Double
  private var inertias: [Double]
  private var dampings: [Double]
  private var dts: [Double]
  private var delays: [Double]
  /// Cells in each interval of the table.
  private var dtCells = 1
  private var delayCells = 1

  /// - Parameter expected: 1 − L, about what the certificate will show at slope 1.
  /// Nil when P is not positive definite.
  init?(_ loop: UncertainLoop, _ certificate: UncertainCertificate, expected: Double) {
    let p = certificate.balancedP
    guard let factor = p.cholesky() else { return nil }
    self.loop = loop
    root = factor.transposed
    rootInverse = factor.lowerInverse().transposed
    let smallest = p.symmetricExtremes().smallest
    guard smallest > 0 else { return nil }
    // Twice the nominal map: no corner that contracts in the same norm is larger.
    inflation =
      4 * verificationMargin(states: p.n, norm: p.frobeniusNorm, map: 2 * loop.model.largestMapNorm)
      / smallest
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

    let whole = deviations()
    // A cell half as wide deviates a quarter as much.
    func cells(_ deviation: Double, _ share: Double) -> Int {
      Int(min(max((2 * deviation / (share * expected)).squareRoot().rounded(.up), 1), 1_000))
    }
    var share = UncertainGrid.deviationShare
    var counts = (a: 1, b: 1, dt: 1, delay: 1)
    // Ends by itself: with every count 1 there are 120 nodes.
    repeat {
      counts = (
        cells(whole.inertia, share), cells(whole.damping, share), cells(whole.dt, share),
        cells(whole.delay, share)
      )
      share *= 1.25
    } while (counts.a + 1) * (counts.b + 1) * (5 * counts.dt + 1) * (4 * counts.delay + 1)
      > UncertainGrid.maximumNodes
    inertias = UncertainGrid.cut(inertias, counts.a)
    dampings = UncertainGrid.cut(dampings, counts.b)
    dtCells = counts.dt
    dts = UncertainGrid.cut(dts, dtCells)
    delayCells = counts.delay
    delays = UncertainGrid.cut(delays, delayCells)
    let fine = deviations()
    interpolationError = 2 * (fine.inertia + fine.damping + fine.dt + fine.delay)
  }

  /// Cuts each interval between neighbours of `ends` into cells; a range of one point stays one node.
  private static func cut(_ ends: [Double], _ cells: Int) -> [Double] {
    guard let first = ends.first, let last = ends.last, first < last else { return [ends[0]] }
    return ends.indices.dropLast().flatMap { index in
      (0..<cells).map { ends[index] + Double($0) / Double(cells) * (ends[index + 1] - ends[index]) }
    } + [last]
  }

  /// The largest deviation of A from its chord at the middle of the cells of each axis, the others at their ends.
  private func deviations() -> (inertia: Double, damping: Double, dt: Double, delay: Double) {
    func largest(_ nodes: [Double], _ set: (inout LoopPoint, Double) -> Void) -> Double {
      var largest = 0.0
      guard nodes.count > 1 else { return 0 }
      loop.forEachCorner { corner in
        for index in 0..<(nodes.count - 1) {
          var (low, middle, high) = (corner, corner, corner)
          set(&low, nodes[index])
          set(&middle, 0.5 * (nodes[index] + nodes[index + 1]))
          set(&high, nodes[index + 1])
          // A is affine in the slope and a norm convex: the ends are enough.
          for slope in [0.0, 1.0] {
            let chord = loop.matrix(low, slope: slope) - loop.matrix(high, slope: slope).scaled(by: -1)
            let bend = root * (loop.matrix(middle, slope: slope) - chord.scaled(by: 0.5)) * rootInverse
            largest = max(largest, (bend.transposed * bend).symmetricExtremes().largest)
          }
        }
      }
      return largest.squareRoot()
    }
    return (
      largest(inertias) { $0.inverseInertia = $1 }, largest(dampings) { $0.damping = $1 },
      largest(dts) { $0.dt = $1 }, largest(delays) { $0.delay = $1 }
    )
  }

  /// Upper bounds of L over 1/J and b, at each of `slopes`, in the order slope, delay, dt; by the delta form as in
  /// `NormTabulator`: L² = 1 − dt λ_min(Y), Y = −(F̂ + F̂ᵀ + dt F̂ᵀF̂), F̂ = R F R⁻¹.
  private func bounds(_ slopes: [Double]) -> [Double] {
    var bounds: [Double] = []
    bounds.reserveCapacity(slopes.count * delays.count * dts.count)
    // λ_min so far, for each slope; infinite before the first plant.
    var smallest = [Double](repeating: .infinity, count: slopes.count)
    var columns = [[Double]](repeating: [], count: slopes.count)
    for delay in delays {
      for dt in dts {
        for k in slopes.indices { smallest[k] = .infinity }
        for inverse in inertias {
          for damping in dampings {
            let point = LoopPoint(inverseInertia: inverse, damping: damping, dt: dt, delay: delay)
            let free = root * loop.deltaMatrix(point, slope: 0) * rootInverse
            let bound = root * loop.deltaMatrix(point, slope: 1) * rootInverse
            for (k, slope) in slopes.enumerated() {
              // A is affine in the slope.
              let f = free.scaled(by: 1 - slope) - bound.scaled(by: -slope)
              smallest[k] = smallerEigenvalue(f, dt: dt, than: smallest[k])
            }
          }
        }
        for k in slopes.indices {
          columns[k].append((1 - dt * smallest[k] + inflation).squareRoot() + interpolationError)
        }
      }
    }
    for column in columns { bounds += column }
    return bounds
  }

  /// λ_min(Y), or `known` where it is not smaller, which a Cholesky factorisation of Y − known · I tells at a
  /// fraction of the cost.
  private func smallerEigenvalue(_ f: SmallMatrix, dt: Double, than known: Double) -> Double {
    let ff = f.transposed * f
    let n = f.n
    var y = SmallMatrix(n)
    for i in 0..<n { for j in 0..<n { y[i, j] = -(f[i, j] + f[j, i] + dt * ff[i, j]) } }
    if known < .infinity {
      var shifted = y
      for i in 0..<n { shifted[i, i] -= known }
      if shifted.cholesky() != nil { return known }
    }
    return y.symmetricExtremes().smallest
  }

  /// The largest bound over everything, and the smallest rate.
  func largest(slope: Double) -> (bound: Double, rate: Double) {
    let values = bounds([slope])
    var rate = Double.infinity
    for (index, dt) in dts.enumerated() {
      // In a cell the worse of both ends' bounds holds, at worst over the longer of its ticks.
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
    // L is convex in the slope: chords between a few slopes bound those between, most of them where it bends most.
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
    certificate.unsaturatedLevel = largestUnsaturatedLevel(loop.model, rootInverse)
  }
}
