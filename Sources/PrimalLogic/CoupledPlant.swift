/// Two or three joints that pull at each other: J_i q_i'' + b_i q_i' + Σ_j K_ij q_j = u_i with u held.
///
/// Advanced by the Taylor series of the exact solution, to rounding (docs/control.md, "Coupled joints"). The
/// same code serves the tick and, column by column, the certificate.
public struct CoupledPlant: BitwiseCopyable, Sendable {
  /// One joint's row of the equations of motion, divided by J: of a missing third joint all 0, so
  /// that it rests.
  struct Row: BitwiseCopyable {
    var k0 = 0.0
    var k1 = 0.0
    var k2 = 0.0
    var damping = 0.0
    var input = 0.0

    @_noLocks
    init() {}

    @_noLocks
    func acceleration(_ q: Triple, _ w: Double, _ u: Double) -> Double {
      input * u - damping * w - (k0 * q.a + k1 * q.b + k2 * q.c)
    }
  }

  /// One number for each of up to three joints.
  public struct Triple: BitwiseCopyable, Sendable {
    /// Of the first joint.
    public var a: Double
    /// Of the second joint.
    public var b: Double
    /// Of the third joint, 0 where there is none.
    public var c: Double

    /// One number a joint.
    @_noLocks
    public init(_ a: Double, _ b: Double, _ c: Double) {
      self.a = a
      self.b = b
      self.c = c
    }
  }

  let first: Row
  let second: Row
  let third: Row
  /// Bound of the norm of the equations of motion, velocities in units of √‖K/J‖, 1/s.
  let rate: Double

  /// Terms of the series and the largest rate · time they are used for: 0.25^13/13! < 10^-17.
  private static var terms: Int { @_noLocks get { 12 } }
  private static var reach: Double { @_noLocks get { 0.25 } }

  /// - Parameters:
  ///   - inertias: J of two or three joints, kg m², positive.
  ///   - dampings: b of each, N m s/rad, not negative.
  ///   - stiffness: K row by row, N m/rad.
  public init(inertias: [Double], dampings: [Double], stiffness: [Double]) {
    let n = inertias.count
    precondition(
      (2...3).contains(n) && dampings.count == n && stiffness.count == n * n, "two or three joints")
    var rows: [Row] = []
    var largestStiffness = 0.0
    var largestDamping = 0.0
    for i in 0..<3 {
      var row = Row()
      if i < n {
        row.k0 = stiffness[i * n] / inertias[i]
        row.k1 = stiffness[i * n + 1] / inertias[i]
        row.k2 = n > 2 ? stiffness[i * n + 2] / inertias[i] : 0
        row.damping = dampings[i] / inertias[i]
        row.input = 1 / inertias[i]
        largestStiffness = max(largestStiffness, row.k0.magnitude + row.k1.magnitude + row.k2.magnitude)
        largestDamping = max(largestDamping, row.damping)
      }
      rows.append(row)
    }
    first = rows[0]
    second = rows[1]
    third = rows[2]
    // With velocities in units of √‖K/J‖ both off-diagonal parts weigh the same.
    rate = largestStiffness.squareRoot() + largestDamping
  }

  /// Moves angles (rad) and velocities (rad/s) on by `dt` seconds under held inputs (N m).
  @_noLocks
  public func advance(positions q: inout Triple, velocities w: inout Triple, inputs u: Triple, dt: Double) {
    // The limit bounds the loop: 10^5 time constants in one tick are no motion to follow.
    let wanted = rate * dt / CoupledPlant.reach
    let count = wanted < 1 ? 1 : (wanted < 100_000 ? Int(wanted) + 1 : 100_000)
    let h = dt / Double(count)
    for _ in 0..<count {
      // Terms of the series: the derivative times h, then each from the one before.
      var dq = Triple(h * w.a, h * w.b, h * w.c)
      var dw = Triple(
        h * first.acceleration(q, w.a, u.a), h * second.acceleration(q, w.b, u.b),
        h * third.acceleration(q, w.c, u.c))
      var order = 1
      while true {
        q = Triple(q.a + dq.a, q.b + dq.b, q.c + dq.c)
        w = Triple(w.a + dw.a, w.b + dw.b, w.c + dw.c)
        order += 1
        if order > CoupledPlant.terms { break }
        let factor = h / Double(order)
        let next = Triple(
          factor * first.acceleration(dq, dw.a, 0), factor * second.acceleration(dq, dw.b, 0),
          factor * third.acceleration(dq, dw.c, 0))
        dq = Triple(factor * dw.a, factor * dw.b, factor * dw.c)
        dw = next
      }
    }
  }

  /// Σ_j K_ij q_j of each joint, N m: what a joint's motor must give to hold the others' pull
  /// at these angles.
  @_noLocks
  public func torques(at q: Triple) -> Triple {
    // A missing third joint has input 0 and K 0: 0/0 is kept out.
    Triple(
      -first.acceleration(q, 0, 0) / first.input, -second.acceleration(q, 0, 0) / second.input,
      third.input > 0 ? -third.acceleration(q, 0, 0) / third.input : 0)
  }
}
