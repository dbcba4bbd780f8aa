import Devices
import Synchronization

/// An AS5048B (datasheet v1-06, 2014) over an angle source. Burning is counted, never done.
package final class SimulatedAS5048B: SimulatedEncoder {
  private enum Register {
    static let programming: UInt8 = 0x03
    static let address: UInt8 = 0x15
    static let zeroHigh: UInt8 = 0x16
    static let zeroLow: UInt8 = 0x17
    static let automaticGain: UInt8 = 0xFA
    static let diagnostics: UInt8 = 0xFB
    static let magnitudeHigh: UInt8 = 0xFC
    static let magnitudeLow: UInt8 = 0xFD
    static let angleHigh: UInt8 = 0xFE
    static let angleLow: UInt8 = 0xFF
  }

  private static let burn: UInt8 = 1 << 3

  /// A magnet in the middle of the gain range.
  package static let goodMagnet = AS5048BDiagnostics(
    flags: AS5048BDiagnostics.offsetCompensationFinished, automaticGain: 128, magnitude: 5000)

  /// Number of burn commands received: each would have changed a real chip for ever.
  package private(set) var burnCommandCount = 0

  private let magnet: Atomic<UInt32>
  private var zeroHigh: UInt8 = 0
  private var zeroLow: UInt8 = 0

  /// - Parameter angle: 14-bit angle at a time.
  package init(address: UInt8 = AS5048B.defaultAddress, angle: @escaping @Sendable (Int64) -> UInt16) {
    magnet = Atomic(Self.pack(Self.goodMagnet))
    super.init(address: address, angleMask: 0x3FFF, angle: angle)
  }

  /// Sets what the chip reports of itself and its magnet; from any thread.
  package func setDiagnostics(_ diagnostics: AS5048BDiagnostics) {
    magnet.store(Self.pack(diagnostics), ordering: .relaxed)
  }

  override func write(_ register: UInt8, _ byte: UInt8) -> Bool {
    switch register {
    case Register.programming: if byte & Self.burn != 0 { burnCommandCount += 1 }
    case Register.zeroHigh: zeroHigh = byte
    case Register.zeroLow: zeroLow = byte & 0x3F
    // The address register takes effect after burning only; output registers are read-only.
    default: return isValid(register)
    }
    return true
  }

  override func send(at now: Int64) -> UInt8 {
    let register = pointer
    // The pointer runs on through the whole range and over its end.
    pointer &+= 1
    let state = magnet.load(ordering: .relaxed)
    let magnitude = UInt16(truncatingIfNeeded: state >> 16)
    return switch register {
    case Register.zeroHigh: zeroHigh
    case Register.zeroLow: zeroLow
    case Register.automaticGain: UInt8(truncatingIfNeeded: state >> 8)
    case Register.diagnostics: UInt8(truncatingIfNeeded: state)
    case Register.magnitudeHigh: UInt8(truncatingIfNeeded: magnitude >> 6)
    case Register.magnitudeLow: UInt8(truncatingIfNeeded: magnitude & 0x3F)
    case Register.angleHigh: UInt8(truncatingIfNeeded: currentSample(at: now, zero: zero) >> 6)
    case Register.angleLow: UInt8(truncatingIfNeeded: currentSample(at: now, zero: zero) & 0x3F)
    default: 0
    }
  }

  private var zero: UInt16 { UInt16(zeroHigh) << 6 | UInt16(zeroLow) }

  override func isValid(_ register: UInt8) -> Bool {
    switch register {
    case Register.programming, Register.address...Register.zeroLow,
      Register.automaticGain...Register.angleLow:
      true
    default: false
    }
  }

  /// One word, so that a health read never mixes two settings.
  private static func pack(_ value: AS5048BDiagnostics) -> UInt32 {
    UInt32(value.magnitude & 0x3FFF) << 16 | UInt32(value.automaticGain) << 8 | UInt32(value.flags)
  }
}
