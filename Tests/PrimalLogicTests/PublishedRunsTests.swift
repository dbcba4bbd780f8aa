import Foundation
import Testing

func sineAndCosine(_ x: Double) -> (Double, Double) { (Foundation.sin(x), Foundation.cos(x)) }

/// The runs the source system published and that its equations reproduce (docs/control.md, "The source's
/// numbers"). They are scalar demonstrations without a plant, so they live here and not in the product.
@Suite struct PublishedRunsTests {
  /// ψ' = −(μ + 0.115)ψ + cos t + 1.47γ; γ' = 0.55 tanh ψ − 0.115γ; E' = −0.4γψ + 0.2 sin t − κE, Euler with
  /// all right-hand sides at the old state, dt 0.01, 501 rows.
  private func run(mu: Double, leak: Double) -> (psi: [Double], gamma: [Double], energy: [Double]) {
    var (psi, gamma, energy) = (1.0, 0.0, 0.0)
    var rows: (psi: [Double], gamma: [Double], energy: [Double]) = ([], [], [])
    for index in 0..<501 {
      let t = Double(index) * 0.01
      let dPsi = -(mu + 0.115) * psi + cos(t) + 1.47 * gamma
      let dGamma = 0.55 * tanh(psi) - 0.115 * gamma
      let dEnergy = -0.4 * gamma * psi + 0.2 * sin(t) - leak * energy
      psi += 0.01 * dPsi
      gamma += 0.01 * dGamma
      energy += 0.01 * dEnergy
      rows.psi.append(psi)
      rows.gamma.append(gamma)
      rows.energy.append(energy)
    }
    return rows
  }

  @Test("the three-state run ends at the published values")
  func threeStates() {
    let first = run(mu: 0.16905, leak: 0)
    #expect(isClose(first.psi[500], 4.5245029238, 5e-11))
    #expect(isClose(first.gamma[500], 2.0291186066, 5e-11))
    #expect(isClose(first.energy[500], -6.0220483382, 5e-11))
    let second = run(mu: 0.2, leak: 0)
    #expect(isClose(second.psi[500], 4.2888807815, 5e-11))
    #expect(isClose(second.gamma[500], 2.0228316875, 5e-11))
    #expect(isClose(second.energy[500], -5.6847595895, 5e-11))
  }

  @Test("its L is max|ΔE/Δt| / max|E|, a roughness, and has the published value")
  func publishedRatio() {
    let energy = run(mu: 0.16905, leak: 0).energy
    let steepest = zip(energy.dropFirst(), energy).map { (($0 - $1) / 0.01).magnitude }.max() ?? 0
    let largest = energy.map(\.magnitude).max() ?? 1
    #expect(isClose(steepest / largest, 0.63803662, 5e-9))
  }

  @Test("the leak's sweep ends at the published values", arguments: [(0.1, -5.33511), (0.3, -4.29793)])
  func sweep(_ leak: Double, _ expected: Double) {
    #expect(isClose(run(mu: 0.16905, leak: leak).energy[500], expected, 5e-6))
  }

  @Test("the run 'ke05' is another system and ends at the published values")
  func ke05() {
    var (psi, gamma, energy) = (1.0, 0.004, 0.0)
    for _ in 0..<500 {
      let dPsi = -0.16905 * psi + 0.5 * gamma
      let dGamma = -0.5 * gamma
      psi += 0.01 * dPsi
      gamma += 0.01 * dGamma
      energy += 0.01 * psi * gamma
    }
    #expect(isClose(psi, 0.4312433710, 5e-11))
    #expect(isClose(gamma, 0.0003262874, 5e-11))
    #expect(isClose(energy, 0.0057488810, 5e-11))
  }
}
