import PrimalLogic
import SeededRandom

/// One JSON object a line, with every digit that a Double has.
struct JSONLine {
  private var fields: [String] = []

  mutating func add(_ key: String, _ value: Double) { fields.append("\"\(key)\":\(value)") }
  mutating func add(_ key: String, _ value: Int) { fields.append("\"\(key)\":\(value)") }
  mutating func add(_ key: String, _ value: String) { fields.append("\"\(key)\":\"\(value)\"") }
  mutating func add(_ key: String, _ rows: [[Double]]) {
    let text = rows.map { row in "[" + row.map { "\($0)" }.joined(separator: ",") + "]" }
    fields.append("\"\(key)\":[\(text.joined(separator: ","))]")
  }

  mutating func add(_ model: LoopModel) {
    add("J", model.inertia)
    add("b", model.damping)
    add("k", model.stiffness)
    add("kp", model.kp)
    add("kd", model.kd)
    add("km", model.km)
    add("lambda", model.lambda)
    add("h", model.backCalculation)
    add("T", model.period)
    add("delay", model.delayTicks)
  }

  var text: String { "{" + fields.joined(separator: ",") + "}" }
}

/// In place of an L where the table has none: above every norm.
private let claimsNothing = 1e9

/// P from V² alone, its diagonal taken out: P_ij = √P_ii √P_jj C_ij. The certificates keep P to themselves.
private func norm(states n: Int, _ distanceSquared: (ObservedState) -> Double) -> (
  diagonal: [Double], correlation: [[Double]]
) {
  func vector(_ entries: [(Int, Double)]) -> ObservedState {
    var x = ObservedState.zero
    for (i, value) in entries { x[i] += value }
    return x
  }
  let diagonal = (0..<n).map { distanceSquared(vector([($0, 1)])) }
  let correlation = (0..<n).map { i in
    (0..<n).map { j in
      i == j
        ? 1
        : 0.5
          * (distanceSquared(vector([(i, 1 / diagonal[i].squareRoot()), (j, 1 / diagonal[j].squareRoot())]))
            - 2)
    }
  }
  return (diagonal, correlation)
}

/// Certificates of `count` random joints, or why they were refused.
func printNominal(seed: UInt64, count: Int) {
  var generator = SeededGenerator(seed: seed)
  for _ in 0..<count {
    let model = LoopModel.random(&generator)
    var line = JSONLine()
    line.add(model)
    do throws(CertificateRefusal) {
      let certificate = try certify(model)
      line.add("result", "certified")
      line.add("L0", certificate.saturatedContraction)
      let (diagonal, correlation) = norm(states: model.stateCount) { x in
        certificate.distanceSquared([x[0], x[1], x[2], x[3], x[4]])
      }
      line.add("diagonal", [diagonal])
      line.add("correlation", correlation)
      // dt, slope, L exactly, L by the table or `claimsNothing`.
      var points: [[Double]] = []
      for relative in [certificate.minimumDt / model.period, 1, certificate.maximumDt / model.period] {
        for slope in [0, 0.3, 1] {
          let dt = min(max(relative * model.period, certificate.minimumDt), certificate.maximumDt)
          let found = certificate.lookup(dt: dt, slope: slope)
          points.append([
            dt, slope, certificate.exactLipschitz(model, dt: dt, slope: slope),
            found.valid ? found.lipschitz : claimsNothing,
          ])
        }
      }
      line.add("points", points)
    } catch {
      switch error {
      case .unstable(let radius, _):
        line.add("result", "unstable")
        line.add("radius", radius)
      case .searchFailed, .verificationFailed: line.add("result", "unprovable")
      case .invalidModel, .invalidRange: line.add("result", "invalid")
      }
    }
    print(line.text)
  }
}

/// Certificates under uncertainty of `count` random joints whose nominal loop is certified.
func printUncertain(seed: UInt64, count: Int) {
  var generator = SeededGenerator(seed: seed)
  for (model, observer, uncertainty) in uncertainJoints(count: count, &generator) {
    var line = JSONLine()
    line.add(model)
    line.add("observer", [[observer.position, observer.velocity, observer.load, observer.latencyPeriods]])
    line.add("inertiaShare", uncertainty.inertiaShare)
    line.add("dampingShare", uncertainty.dampingShare)
    line.add("dtShare", uncertainty.dtShare)
    line.add("delays", [[uncertainty.delayPeriods.lowerBound, uncertainty.delayPeriods.upperBound]])
    line.add("ages", [[uncertainty.agePeriods.lowerBound, uncertainty.agePeriods.upperBound]])
    do throws(UncertaintyRefusal) {
      let certificate = try certify(model, observer, under: uncertainty)
      line.add("result", "certified")
      line.add("smallestSlope", certificate.smallestSlope)
      let (diagonal, correlation) = norm(states: certificate.stateCount) { certificate.distanceSquared($0) }
      line.add("diagonal", [diagonal])
      line.add("correlation", correlation)
      // J, b, dt, delay, age, slope, L by the table or `claimsNothing`.
      var points: [[Double]] = []
      for _ in 0..<200 {
        let dt = min(
          max(model.period * generator.share(uncertainty.dtShare), certificate.minimumDt),
          certificate.maximumDt)
        let delay = generator.uniform(uncertainty.delayPeriods)
        let age = generator.uniform(uncertainty.agePeriods)
        let slope = generator.uniform(certificate.smallestSlope...1)
        let found = certificate.lookup(dt: dt, slope: slope, delayPeriods: delay, agePeriods: age)
        points.append([
          model.inertia * generator.share(uncertainty.inertiaShare),
          model.damping * generator.share(uncertainty.dampingShare),
          dt, delay, age, slope, found.valid ? found.lipschitz : claimsNothing,
        ])
      }
      line.add("points", points)
    } catch {
      switch error {
      case .unstableCorner(_, let inverse, let damping, let dt, let delay, let age):
        line.add("result", "unstable")
        line.add("points", [[1 / inverse, damping, dt, delay, age]])
      default: line.add("result", "unprovable")
      }
    }
    print(line.text)
  }
}

/// Certificates of `count` random fingers whose joints pull at each other.
func printCoupled(seed: UInt64, count: Int) {
  var generator = SeededGenerator(seed: seed)
  for _ in 0..<count {
    let model = CoupledModel.random(&generator)
    var line = JSONLine()
    let joints = model.joints
    line.add("T", model.period)
    line.add("lambda", joints[0].lambda)
    line.add(
      "joints",
      joints.map { [$0.inertia, $0.damping, $0.kp, $0.kd, $0.km, $0.backCalculation, Double($0.delayTicks)] })
    line.add(
      "K", joints.indices.map { row in joints.indices.map { model.stiffness[row * joints.count + $0] } })
    do throws(CertificateRefusal) {
      let certificate = try certify(model)
      let n = certificate.stateCount
      line.add("result", "certified")
      line.add("rests", CoupledModel.smallestEigenvalue(model.stiffness, count: joints.count) == 0 ? 1 : 0)
      line.add("L1", certificate.table.contraction)
      line.add("L0", certificate.table.saturatedContraction)
      line.add("P", (0..<n).map { row in (0..<n).map { certificate.p[row * n + $0] } })
      // dt, each joint's slope, L by the table of the smallest or `claimsNothing`.
      var points: [[Double]] = []
      for index in 0..<60 {
        let dt =
          index % 3 == 0
          ? model.period : generator.uniform(certificate.table.minimumDt...certificate.table.maximumDt)
        // The extremes as often as what lies between.
        let slopes = joints.map { _ in min(max(generator.uniform(-0.5...1.5), 0), 1) }
        let found = certificate.table.lookup(dt: dt, slope: slopes.min() ?? 1)
        points.append([dt] + slopes + [found.valid ? found.lipschitz : claimsNothing])
      }
      line.add("points", points)
    } catch {
      switch error {
      case .unstable: line.add("result", "unstable")
      case .searchFailed, .verificationFailed: line.add("result", "unprovable")
      case .invalidModel, .invalidRange: line.add("result", "invalid")
      }
    }
    print(line.text)
  }
}

/// Random joints that have N, with random observers and uncertainties.
func uncertainJoints(
  count: Int, _ generator: inout SeededGenerator
) -> [(LoopModel, LoopObserver, Uncertainty)] {
  var joints: [(LoopModel, LoopObserver, Uncertainty)] = []
  while joints.count < count {
    let model = LoopModel.random(&generator)
    guard (try? certify(model)) != nil else { continue }
    let latest = Double(model.delayTicks)
    let earliest = latest * generator.uniform(0.3...1)
    // A double pole, and for half of the joints a third for the load, 2 to 10 times as fast as the joint itself.
    let pole = exponential(
      -generator.spread(2, 10) * (model.kp / model.inertia + model.stiffness / model.inertia).squareRoot()
        * model.period)
    let loads = generator.next() & 1 == 0
    let step = 1 - pole
    let observer = LoopObserver(
      position: loads ? 1 - pole * pole * pole : 1 - pole * pole,
      velocity: (loads ? 1.5 * step * step * (1 + pole) : step * step) / model.period,
      load: loads ? model.inertia * step * step * step / (model.period * model.period) : 0,
      latencyPeriods: generator.uniform(earliest...latest))
    let oldest = generator.uniform(0.1...0.9)
    joints.append(
      (
        model, observer,
        Uncertainty(
          inertiaShare: generator.uniform(0...0.3), dampingShare: generator.uniform(0...0.5),
          dtShare: generator.uniform(0.01...0.15), delayPeriods: earliest...latest,
          agePeriods: oldest * generator.uniform(0...1)...oldest)
      ))
  }
  return joints
}
