extension LoopModel {
  /// Root mean square of V, the distance to the nominal model, of a hand that is as its model says: what the
  /// observer's corrections alone make of it.
  ///
  /// The estimate moves by the gains times the innovation, which is white; the nominal model does not. So
  /// x̃⁺ = A(1) x̃ + (k_q, k_w, 0 …) r, and E V² = tr(P Σ) with Σ = A Σ Aᵀ + k kᵀ σ_r².
  /// - Parameter corrections: samples that the observer takes in from one decision of the law to the next.
  public func noiseDistance(
    _ certificate: Certificate, _ gains: Observer.Gains, corrections: Int = 1
  ) -> Double {
    let n = stateCount
    var a = matrix(slope: 1, dt: period)
    var covariance = SmallMatrix(n)
    let noise: InlineArray<2, Double> = [
      gains.position * gains.innovationDeviation, gains.velocity * gains.innovationDeviation,
    ]
    for i in 0..<2 { for j in 0..<2 { covariance[i, j] = Double(corrections) * noise[i] * noise[j] } }
    for _ in 0..<noiseDoublings {
      let further = a * covariance * a.transposed
      for i in 0..<n { for j in 0..<n { covariance[i, j] += further[i, j] } }
      a = a * a
    }
    var trace = 0.0
    for i in 0..<n { for j in 0..<n { trace += certificate.p[i * 5 + j] * covariance[j, i] } }
    return trace.squareRoot()
  }
}

extension CoupledModel {
  /// As `LoopModel.noiseDistance` for a block: each joint's innovation is white and independent
  /// of the others'.
  /// - Parameter gains: of the joints' observers.
  public func noiseDistance(_ certificate: CoupledCertificate, _ gains: [Observer.Gains]) -> Double {
    let n = stateCount
    let d = scales
    var covariance = Matrix(n, n)
    for (offset, gains) in zip(offsets, gains) {
      let noise = [
        gains.position * gains.innovationDeviation / d[offset],
        gains.velocity * gains.innovationDeviation / d[offset + 1],
      ]
      for i in 0..<2 { for j in 0..<2 { covariance[offset + i, offset + j] = noise[i] * noise[j] } }
    }
    var a = maps(dt: period).at(joints.map { _ in 1 })
    for _ in 0..<noiseDoublings {
      covariance = covariance.adding(a * covariance * a.transposed, times: 1)
      a = a * a
    }
    // P is in the states' own units, the covariance in balanced ones.
    var trace = 0.0
    for i in 0..<n { for j in 0..<n { trace += certificate.p[i * n + j] * d[i] * d[j] * covariance[j, i] } }
    return trace.squareRoot()
  }
}

/// Steps that each double the ticks which are summed up: 2^40 are more than any contraction needs.
private let noiseDoublings = 40
