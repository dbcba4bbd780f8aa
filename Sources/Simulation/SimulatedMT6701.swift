import Devices

/// An MT6701 over an angle source. Its configuration registers, copied to an EEPROM on the real chip, are not
/// simulated: they read 0 and ignore writes.
package final class SimulatedMT6701: SimulatedChip {
  private static let angleHigh: UInt8 = 0x03
  private static let angleLow: UInt8 = 0x04

  private let angle: @Sendable (Int64) -> UInt16
  private var pointer: UInt8 = 0
  private var expectsPointer = false
  /// The sample that this read transfer shows: two bytes of one transfer belong together, two transfers do not.
  private var sample: UInt16?

  /// - Parameter angle: 14-bit angle at a time.
  package init(address: UInt8 = MT6701.defaultAddress, angle: @escaping @Sendable (Int64) -> UInt16) {
    self.angle = angle
    super.init(address: address)
  }

  override func beginWrite(to address: UInt8, at now: Int64) { expectsPointer = true }

  override func beginRead(at now: Int64) { sample = nil }

  override func receive(_ byte: UInt8, at now: Int64) -> Bool {
    if expectsPointer {
      expectsPointer = false
      pointer = byte
    } else {
      pointer &+= 1
    }
    return true
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

  private func currentSample(at now: Int64) -> UInt16 {
    if let sample { return sample }
    let value = angle(now) & 0x3FFF
    sample = value
    return value
  }
}
