import PrimalLogic
import Testing

@Suite struct ZeroOrderHoldTests {
  /// scipy.linalg.expm of the augmented plant, SciPy 1.17.1.
  static let scipyCases: [(j: Double, b: Double, k: Double, dt: Double, expected: [Double])] = [
    (
      2.5e-3, 0.02, 0, 1e-3,
      [1, 0.0009960106453674213, 0, 0.9920319148370607, 0.00019946773162893964, 0.3984042581469685]
    ),
    (
      0.0007036193308495678, 0.04244131815783876, 1, 0.02,
      [
        0.8108756280501976, 0.010571919379869218, -15.02505533369075, 0.1731924742938964,
        0.18912437194980233, 15.025055333690752,
      ]
    ),
    (
      0.0007036193308495678, 0.05305164769729845, 1, 0.02,
      [
        0.8252297305154471, 0.009409784354396355, -13.3734022671531, 0.11574870492418854,
        0.17477026948455285, 13.373402267153098,
      ]
    ),
    (
      0.0007036193308495678, 0.07957747154594767, 1, 0.003,
      [
        0.9942763589782686, 0.0025386429326739873, -3.6079778104003557, 0.7071626074327237,
        0.005723641021731418, 3.6079778104003553,
      ]
    ),
    (
      2.5e-3, 0.02, 3, 0.05,
      [
        -0.027969905030990727, 0.023527876209984103, -28.23345145198092, -0.21619291471086322,
        0.3426566350103301, 9.411150483993637,
      ]
    ),
  ]

  @Test("the held plant is the matrix exponential: free, under-, critically and overdamped", arguments: 0..<5)
  func againstScipy(_ index: Int) {
    let c = Self.scipyCases[index]
    let hold = ZeroOrderHold(inertia: c.j, damping: c.b, stiffness: c.k, dt: c.dt)
    let found = [hold.a11, hold.a12, hold.a21, hold.a22, hold.b1, hold.b2]
    for (value, expected) in zip(found, c.expected) {
      #expect(isClose(value, expected, 3e-14 * max(1, expected.magnitude)))
    }
  }

  @Test("small damping does not cancel: the limit b → 0 is the double integrator")
  func smallDamping() {
    for damping in [0, 1e-12, 1e-9, 1e-7] {
      let hold = ZeroOrderHold(inertia: 0.05, damping: damping, stiffness: 0, dt: 1e-3)
      #expect(isClose(hold.b1 / (1e-6 / 0.1), 1, 1e-8))
      #expect(isClose(hold.a12, 1e-3, 1e-11))
      #expect(isClose(hold.b2, 0.02, 1e-10))
    }
  }

  @Test("two half ticks are one whole tick")
  func semigroup() {
    for stiffness in [0, 0.4, 30] {
      let half = ZeroOrderHold(inertia: 2.5e-3, damping: 0.02, stiffness: stiffness, dt: 0.004)
      let whole = ZeroOrderHold(inertia: 2.5e-3, damping: 0.02, stiffness: stiffness, dt: 0.008)
      var (q, w) = (0.3, -2.0)
      var (q2, w2) = (0.3, -2.0)
      half.step(position: &q, velocity: &w, torque: 0.1)
      half.step(position: &q, velocity: &w, torque: 0.1)
      whole.step(position: &q2, velocity: &w2, torque: 0.1)
      #expect(isClose(q, q2, 1e-14))
      #expect(isClose(w, w2, 1e-12))
    }
  }
}
