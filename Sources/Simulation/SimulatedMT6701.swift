import Devices

/// An MT6701 over an angle source. Its configuration registers, copied to an EEPROM on the real chip, are not
/// simulated: they read 0 and ignore writes.
package final class SimulatedMT6701: SimulatedEncoder {
  private static let angleHigh: UInt8 = 0x03
  private static let angleLow: UInt8 = 0x04

  /// - Parameter angle: 14-bit angle at a time.
  package init(address: UInt8 = MT6701.defaultAddress, angle: @escaping @Sendable (Int64) -> UInt16) {
    super.init(address: address, angleMask: 0x3FFF, angle: angle)
  }

  override func send(at now: Int64) -> UInt8 {
    let register = pointer
    pointer &+= 1
    return switch register {
    case Self.angleHigh: UInt8(truncatingIfNeeded: currentSample(at: now) >> 6)
    case Self.angleLow: UInt8(truncatingIfNeeded: currentSample(at: now) << 2)
    default: 0
    }
  }
}
