import Foundation

/// Gaussian numbers by index. The value depends only on seed, stream and sample number, so two runs that take
/// the same samples see the same noise, whatever the order of their threads.
struct GaussianNoise: Sendable {
  private let base: UInt64

  init(seed: UInt64, stream: Int) {
    base = Self.mix(Self.mix(seed) &+ UInt64(stream))
  }

  /// Sample `number` of mean 0 and standard deviation 1, by the Box-Muller transform.
  func value(_ number: UInt64) -> Double {
    let first = Self.mix(base &+ Self.goldenGamma &* (2 &* number))
    let second = Self.mix(base &+ Self.goldenGamma &* (2 &* number &+ 1))
    // 53 bits, shifted off zero by half a step: log(0) is out of reach.
    let radiusUniform = (Double(first >> 11) + 0.5) * 0x1p-53
    let angleUniform = Double(second >> 11) * 0x1p-53
    return (-2 * log(radiusUniform)).squareRoot() * cos(2 * .pi * angleUniform)
  }

  /// SplitMix64: odd increment and finaliser (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
  /// generators").
  private static let goldenGamma: UInt64 = 0x9E37_79B9_7F4A_7C15

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ goldenGamma
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
