/// The closed loops of two or three joints that pull at each other: each joint's own law and delay, one plant
/// J_i q_i'' + b_i q_i' + Σ_j K_ij q_j = u_i (docs/control.md, "Coupled joints").
public struct CoupledModel: Sendable, Equatable {
  /// The joints' loops as if they were alone: motors, whose only stiffness is in `stiffness`.
  public var joints: [LoopModel]
  /// K, N m/rad, row by row: symmetric, positive semidefinite.
  public var stiffness: [Double]

  /// - Parameters:
  ///   - joints: two or three.
  ///   - stiffness: K row by row.
  public init(joints: [LoopModel], stiffness: [Double]) {
    self.joints = joints
    self.stiffness = stiffness
  }

  /// Number of states: three and the pending torques of each joint, joint by joint.
  public var stateCount: Int { joints.reduce(0) { $0 + $1.stateCount } }

  /// Where each joint's states begin among the block's.
  public var offsets: [Int] {
    var offsets: [Int] = []
    var next = 0
    for joint in joints {
      offsets.append(next)
      next += joint.stateCount
    }
    return offsets
  }

  /// Nominal time between ticks, s.
  public var period: Double { joints[0].period }

  /// Whether any torque is on its way.
  var hasDelay: Bool { joints.contains { $0.delayTicks > 0 } }

  /// The joints' motion together.
  public var plant: CoupledPlant {
    CoupledPlant(
      inertias: joints.map { $0.inertia }, dampings: joints.map { $0.damping }, stiffness: stiffness)
  }

  /// Most joints of a block. The search takes up to a second for twelve states, which are three joints with a
  /// tick of delay each.
  public static let maximumJoints = 3

  /// The smallest eigenvalue of a symmetric matrix given row by row, N m/rad; 0 where it is 0 to rounding, so
  /// that a stiffness is one whose smallest is not negative.
  public static func smallestEigenvalue(_ k: [Double], count: Int) -> Double {
    var matrix = Matrix(count, count)
    matrix.entries = k
    let values = matrix.symmetricEigenvectors().values
    let (smallest, largest) = (values.min() ?? 0, values.max() ?? 0)
    return smallest.magnitude <= zeroStiffnessShare * largest ? 0 : smallest
  }

  private var isStiffnessValid: Bool {
    let n = joints.count
    guard stiffness.count == n * n, stiffness.allSatisfy({ $0.isFinite }) else { return false }
    for i in 0..<n { for j in 0..<i where stiffness[i * n + j] != stiffness[j * n + i] { return false } }
    return CoupledModel.smallestEigenvalue(stiffness, count: n) >= 0
  }

  /// Eigenvalues of a stiffness below this share of its norm are 0: rounding of the file's numbers.
  static let zeroStiffnessShare = 1e-9
  /// Below this share a direction counts as soft: P is sought as if the joints rested in it. What K adds to
  /// the contraction there outweighs what it adds across it, and without that structure the search would have
  /// to find it by itself.
  static let softStiffnessShare = 1e-3

  /// The first field that is not finite or outside its range, or nil.
  var invalidField: ModelField? {
    guard (2...CoupledModel.maximumJoints).contains(joints.count), isStiffnessValid else {
      return .stiffness
    }
    for joint in joints {
      if let field = joint.invalidField { return field }
      if joint.stiffness != 0 { return .stiffness }
      if joint.directStiffness != 0 { return .directStiffness }
      if joint.period != period { return .period }
    }
    return nil
  }

  // MARK: Maps of a tick

  /// A(s) = free + Σ s_i · slopes_i, in balanced units: affine in the joints' saturation slopes.
  struct TickMaps {
    var free: Matrix
    var slopes: [Matrix]

    func at(_ s: [Double]) -> Matrix {
      var map = free
      for (slope, part) in zip(s, slopes) where slope != 0 { map = map.adding(part, times: slope) }
      return map
    }

    func mapped(_ change: (Matrix) -> Matrix) -> TickMaps {
      TickMaps(free: change(free), slopes: slopes.map(change))
    }
  }

  /// The maps of a tick of `dt` seconds.
  func maps(dt: Double) -> TickMaps {
    assemble(responses(dt: dt), joints.map { MemoryKernel(lambda: $0.lambda, dt: dt) }, constantPart: true)
  }

  /// (A − I)/dt: norms are computed from this form, as for a single joint (`LoopModel.deltaMatrix`).
  func deltaMaps(dt: Double) -> TickMaps {
    var maps = maps(dt: dt)
    for i in 0..<stateCount { maps.free[i, i] -= 1 }
    return maps.mapped { $0.scaled(by: 1 / dt) }
  }

  /// The parts of ∂²A/∂dt² that come from the plant and from the memories. The first changes over time as the
  /// plant's own motion does (`generator`), the second fades.
  func secondDerivatives(dt: Double) -> (plant: TickMaps, memory: TickMaps) {
    let k = joints.count
    let response = responses(dt: dt)
    var bent = Matrix(2 * k, 3 * k)
    for column in 0..<(3 * k) {
      var accelerations: [Double] = []
      for i in 0..<k {
        var torque = column == 2 * k + i ? 1.0 : 0
        torque -= joints[i].damping * response[2 * i + 1, column]
        for j in 0..<k { torque -= stiffness[i * k + j] * response[2 * j, column] }
        accelerations.append(torque / joints[i].inertia)
      }
      for i in 0..<k {
        var jerk = -joints[i].damping * accelerations[i]
        for j in 0..<k { jerk -= stiffness[i * k + j] * response[2 * j + 1, column] }
        bent[2 * i, column] = accelerations[i]
        bent[2 * i + 1, column] = jerk / joints[i].inertia
      }
    }
    let none = MemoryKernel(phi: 0, gain: 0)
    let kernels = joints.map { joint in
      let phi = MemoryKernel(lambda: joint.lambda, dt: dt).phi
      return MemoryKernel(phi: joint.lambda * joint.lambda * phi, gain: -joint.lambda * phi)
    }
    return (
      assemble(bent, joints.map { _ in none }, constantPart: false),
      assemble(Matrix(2 * k, 3 * k), kernels, constantPart: false)
    )
  }

  /// The plant's equations of motion as a map of states, in balanced units.
  var generator: Matrix {
    let (offsets, k) = (offsets, joints.count)
    var m = Matrix(stateCount, stateCount)
    for i in 0..<k {
      m[offsets[i], offsets[i] + 1] = 1
      m[offsets[i] + 1, offsets[i] + 1] = -joints[i].damping / joints[i].inertia
      for j in 0..<k { m[offsets[i] + 1, offsets[j]] = -stiffness[i * k + j] / joints[i].inertia }
    }
    return balanced(m)
  }

  /// Angles and velocities (row 2i, 2i + 1) after `dt` from a unit of angle j (column 2j), velocity j
  /// (2j + 1) and input j (2k + j).
  func responses(dt: Double) -> Matrix {
    let k = joints.count
    var result = Matrix(2 * k, 3 * k)
    let plant = plant
    func unit(_ i: Int, _ isChosen: Bool) -> CoupledPlant.Triple {
      CoupledPlant.Triple(
        isChosen && i == 0 ? 1 : 0, isChosen && i == 1 ? 1 : 0, isChosen && i == 2 ? 1 : 0)
    }
    for j in 0..<k {
      for (column, kind) in [(2 * j, 0), (2 * j + 1, 1), (2 * k + j, 2)] {
        var q = unit(j, kind == 0)
        var w = unit(j, kind == 1)
        plant.advance(positions: &q, velocities: &w, inputs: unit(j, kind == 2), dt: dt)
        let values = [q.a, w.a, q.b, w.b, q.c, w.c]
        for row in 0..<(2 * k) { result[row, column] = values[row] }
      }
    }
    return result
  }

  private func assemble(_ response: Matrix, _ kernels: [MemoryKernel], constantPart: Bool) -> TickMaps {
    let (n, k, offsets) = (stateCount, joints.count, offsets)
    var free = Matrix(n, n)
    var slopes = joints.map { _ in Matrix(n, n) }
    for (j, joint) in joints.enumerated() {
      let o = offsets[j]
      for i in 0..<k {
        for row in 0..<2 {
          free[offsets[i] + row, o] = response[2 * i + row, 2 * j]
          free[offsets[i] + row, o + 1] = response[2 * i + row, 2 * j + 1]
        }
      }
      let gains = [joint.kp, joint.kd, joint.km]
      let leak = JointLaw(joint).backCalculationRate * kernels[j].gain
      free[o + 2, o] = kernels[j].gain
      free[o + 2, o + 2] = kernels[j].phi
      for (column, gain) in gains.enumerated() {
        free[o + 2, o + column] -= leak * gain
        slopes[j][o + 2, o + column] = leak * gain
      }
      // u_j = −s_j K x̃_j, now or into the queue of pending torques.
      for i in 0..<k {
        for row in 0..<2 {
          let response = response[2 * i + row, 2 * k + j]
          if joint.delayTicks > 0 {
            free[offsets[i] + row, o + 3] = response
          } else {
            for (column, gain) in gains.enumerated() {
              slopes[j][offsets[i] + row, o + column] = -response * gain
            }
          }
        }
      }
      if joint.delayTicks > 0 && constantPart {
        let last = o + joint.stateCount - 1
        for row in (o + 3)..<last { free[row, row + 1] = 1 }
        for (column, gain) in gains.enumerated() { slopes[j][last, o + column] = -gain }
      }
    }
    return TickMaps(free: free, slopes: slopes).mapped(balanced)
  }

  /// Units of the states, powers of two: each joint's own (`LoopModel.scales`).
  var scales: [Double] {
    joints.flatMap { joint in
      let own = joint.scales
      return (0..<joint.stateCount).map { own[$0] }
    }
  }

  /// D⁻¹ M D with D = diag(`scales`).
  func balanced(_ map: Matrix) -> Matrix {
    let d = scales
    var result = map
    for i in 0..<map.rows { for j in 0..<map.columns { result[i, j] *= d[j] / d[i] } }
    return result
  }

  // MARK: Rest

  /// Directions z, orthonormal columns, in which the joints marked in `saturated` rest wherever they are put
  /// while the others hold still: K z = 0, z_i = 0 for the others.
  /// - Parameter share: of the largest entry of K; below it an eigenvalue counts as 0.
  func restDirections(saturated: [Bool], below share: Double = zeroStiffnessShare) -> Matrix {
    let chosen = joints.indices.filter { saturated[$0] }
    let k = joints.count
    var part = Matrix(chosen.count, chosen.count)
    var largest = 0.0
    for entry in stiffness { largest = max(largest, entry.magnitude) }
    for (a, i) in chosen.enumerated() {
      for (b, j) in chosen.enumerated() { part[a, b] = stiffness[i * k + j] }
    }
    let (values, vectors) = part.symmetricEigenvectors()
    let zero = values.indices.filter { values[$0] <= share * largest }
    var z = Matrix(k, zero.count)
    for (column, index) in zero.enumerated() {
      for (row, joint) in chosen.enumerated() { z[joint, column] = vectors[row, index] }
    }
    return z
  }

  /// v(z), balanced, one column a joint: A(0, dt) v(z) = v(z) for every dt and every z of `restDirections`:
  /// the joint displaced, its memory at rest.
  var restVectors: Matrix {
    let (offsets, d) = (offsets, scales)
    var v = Matrix(stateCount, joints.count)
    for (i, joint) in joints.enumerated() {
      let rate = JointLaw(joint).backCalculationRate
      v[offsets[i], i] = 1
      v[offsets[i] + 2, i] = (1 - rate * joint.kp) / (joint.lambda + rate * joint.km) / d[offsets[i] + 2]
    }
    return v
  }

  /// w(z), balanced, one column a joint: wᵀ A(0, dt) = wᵀ for every z of `restDirections`, since K z = 0
  /// leaves Σ z_i (J_i w_i + b_i q_i) to the torques alone. Pending torques act for one tick each: with them
  /// it is exact at the nominal period only.
  var coastingVectors: Matrix {
    let (offsets, d) = (offsets, scales)
    var w = Matrix(stateCount, joints.count)
    for (i, joint) in joints.enumerated() {
      let o = offsets[i]
      w[o, i] = joint.damping * d[o]
      w[o + 1, i] = joint.inertia * d[o + 1]
      for row in (o + 3)..<(o + joint.stateCount) { w[row, i] = period * d[row] }
    }
    return w
  }

  /// Whether memories come to rest under saturation, which `restVectors` relies on.
  var memoriesRest: Bool {
    joints.allSatisfy { $0.lambda + JointLaw($0).backCalculationRate * $0.km > 0 }
  }

  /// Largest magnitude of the eigenvalues of one unsaturated tick.
  public func spectralRadius(dt: Double) -> Double {
    maps(dt: dt).at(joints.map { _ in 1 }).spectralRadius
  }

  /// Every choice of `low` or 1 for the joints' slopes. A(s) is affine in them and a norm is convex, so L
  /// over the box [low, 1]^k is largest at one of these.
  func corners(low: Double) -> [[Double]] {
    if low == 1 { return [joints.map { _ in 1 }] }
    return (0..<(1 << joints.count)).map { bits in
      joints.indices.map { bits >> $0 & 1 == 0 ? low : 1 }
    }
  }
}
