import Devices
import Synchronization

/// An AS5600 (datasheet v1-06) over an angle source. Angle programming (MPOS, MANG) is not simulated: ANGLE
/// is RAW ANGLE minus ZPOS.
package final class SimulatedAS5600: SimulatedEncoder {
  private enum Register {
    static let zeroPositionHigh: UInt8 = 0x01
    static let configurationLow: UInt8 = 0x08
    static let status: UInt8 = 0x0B
    static let rawAngleHigh: UInt8 = 0x0C
    static let rawAngleLow: UInt8 = 0x0D
    static let angleHigh: UInt8 = 0x0E
    static let angleLow: UInt8 = 0x0F
    static let automaticGain: UInt8 = 0x1A
    static let magnitudeHigh: UInt8 = 0x1B
    static let magnitudeLow: UInt8 = 0x1C
    static let burn: UInt8 = 0xFF
  }

  /// A magnet in the middle of the gain range at 3.3 V.
  package static let goodMagnet = MagnetHealth(status: 1 << 5, automaticGain: 64, magnitude: 2048)

  /// Number of BURN commands received: each would have changed a real chip for ever.
  package private(set) var burnCommandCount = 0

  private let magnet: Atomic<UInt32>
  /// ZMCO to CONF, 0x00...0x08.
  private var configuration = InlineArray<9, UInt8>(repeating: 0)

  /// - Parameter angle: 12-bit angle at a time.
  package init(address: UInt8 = AS5600.defaultAddress, angle: @escaping @Sendable (Int64) -> UInt16) {
    magnet = Atomic(Self.pack(Self.goodMagnet))
    super.init(address: address, angleMask: 0x0FFF, angle: angle)
  }

  /// Sets what the chip reports of its magnet; from any thread.
  package func setMagnet(_ health: MagnetHealth) {
    magnet.store(Self.pack(health), ordering: .relaxed)
  }

  override func write(_ register: UInt8, _ byte: UInt8) -> Bool {
    switch register {
    case Register.zeroPositionHigh...Register.configurationLow:
      configuration[Int(register)] = byte & Self.writableBits(register)
    case Register.burn:
      burnCommandCount += 1
    default:
      // Read-only registers acknowledge and ignore; invalid ones do not acknowledge (I²C modes, writing).
      return isValid(register)
    }
    return true
  }

  override func send(at now: Int64) -> UInt8 {
    let register = pointer
    let value = read(register, at: now)
    switch register {
    // The pointer stays on the pair, so that it can be read again without being set (I²C modes, automatic
    // increment for ANGLE, RAW ANGLE and MAGNITUDE).
    case Register.rawAngleLow, Register.angleLow, Register.magnitudeLow: pointer = register - 1
    default: pointer = register &+ 1
    }
    return value
  }

  private func read(_ register: UInt8, at now: Int64) -> UInt8 {
    switch register {
    case 0...Register.configurationLow: configuration[Int(register)]
    case Register.status: UInt8(truncatingIfNeeded: magnet.load(ordering: .relaxed))
    case Register.rawAngleHigh: UInt8(truncatingIfNeeded: currentSample(at: now) >> 8)
    case Register.rawAngleLow: UInt8(truncatingIfNeeded: currentSample(at: now))
    case Register.angleHigh: UInt8(truncatingIfNeeded: zeroedSample(at: now) >> 8)
    case Register.angleLow: UInt8(truncatingIfNeeded: zeroedSample(at: now))
    case Register.automaticGain: UInt8(truncatingIfNeeded: magnet.load(ordering: .relaxed) >> 8)
    case Register.magnitudeHigh: UInt8(truncatingIfNeeded: magnet.load(ordering: .relaxed) >> 24)
    case Register.magnitudeLow: UInt8(truncatingIfNeeded: magnet.load(ordering: .relaxed) >> 16)
    default: 0
    }
  }

  private func zeroedSample(at now: Int64) -> UInt16 {
    currentSample(at: now, zero: UInt16(configuration[1]) << 8 | UInt16(configuration[2]))
  }

  /// Figure 21: ZPOS, MPOS, MANG have 12 bits, CONF 14.
  private static func writableBits(_ register: UInt8) -> UInt8 {
    switch register {
    case 0x01, 0x03, 0x05: 0x0F
    case 0x07: 0x3F
    default: 0xFF
    }
  }

  override func isValid(_ register: UInt8) -> Bool {
    switch register {
    case 0x00...0x08, 0x0B...0x0F, 0x1A...0x1C, 0xFF: true
    default: false
    }
  }

  /// One word, so that a health read never mixes two settings.
  private static func pack(_ health: MagnetHealth) -> UInt32 {
    UInt32(health.magnitude & 0x0FFF) << 16 | UInt32(health.automaticGain) << 8 | UInt32(health.status)
  }
}
