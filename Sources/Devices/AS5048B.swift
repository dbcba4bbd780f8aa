import HandModel

/// Driver of the ams AS5048B, a 14-bit magnetic angle encoder (datasheet v1-06, 2014).
///
/// It never writes: the programming registers 0x03 and 0x15...0x17 can burn address and zero for ever.
package final class AS5048B {
  /// Address with A2 and A1 low. PCA9685 and INA2xx start at the same address.
  package static let defaultAddress: UInt8 = 0x40

  /// Register map of the I2C interface. Upper registers of a pair hold bits 13...6, lower ones bits 5...0.
  enum Register: UInt8 {
    case automaticGain = 0xFA
    case diagnostics = 0xFB
    case magnitude = 0xFC
    case angle = 0xFE
  }

  private let port: DevicePort

  /// - Parameter name: name of the encoder in the board file, for messages.
  package init(name: String, bus: any I2CBus, address: UInt8 = AS5048B.defaultAddress) {
    port = DevicePort(
      device: DeviceName(chip: "AS5048B", name: name), bus: bus, address: I2CAddress(address))
  }

  /// The angle as it stands, 0...16383 counts; one word transfer.
  package func readAngle() throws(DeviceError) -> UInt16 {
    Self.value(try port.readBigEndian(Register.angle.rawValue))
  }

  /// Gain, flags and field strength: two transfers.
  package func readDiagnostics() throws(DeviceError) -> AS5048BDiagnostics {
    let gainAndFlags = try port.readBigEndian(Register.automaticGain.rawValue)
    let magnitude = Self.value(try port.readBigEndian(Register.magnitude.rawValue))
    return AS5048BDiagnostics(
      flags: UInt8(truncatingIfNeeded: gainAndFlags), automaticGain: UInt8(gainAndFlags >> 8),
      magnitude: magnitude)
  }

  /// The flags alone: one byte transfer, for a slow round of health checks.
  package func readFlags() throws(DeviceError) -> UInt8 {
    try port.readRegister(Register.diagnostics.rawValue)
  }

  /// Eight bits of the first register and six of the second.
  private static func value(_ word: UInt16) -> UInt16 {
    (word >> 8) << 6 | word & 0x3F
  }
}

/// What an AS5048B says of itself and its magnet.
package struct AS5048BDiagnostics: Sendable, Equatable {
  /// Register 0xFB as read.
  package var flags: UInt8
  /// AGC, 255 in a weak field and 0 in a strong one.
  package var automaticGain: UInt8
  /// CORDIC magnitude, 0...16383.
  package var magnitude: UInt16

  package init(flags: UInt8, automaticGain: UInt8, magnitude: UInt16) {
    self.flags = flags
    self.automaticGain = automaticGain
    self.magnitude = magnitude
  }

  /// OCF: the offset compensation after power-up is over.
  package static let offsetCompensationFinished: UInt8 = 1 << 0
  /// COF: a value left the CORDIC's range; the angle is an old one.
  package static let cordicOverflow: UInt8 = 1 << 1
  /// COMP low: the field is too strong.
  package static let fieldTooStrong: UInt8 = 1 << 2
  /// COMP high: the field is too weak.
  package static let fieldTooWeak: UInt8 = 1 << 3

  /// Whether the angle may be trusted under these flags.
  package static func isUsable(flags: UInt8) -> Bool {
    flags & (offsetCompensationFinished | cordicOverflow | fieldTooStrong | fieldTooWeak)
      == offsetCompensationFinished
  }
}
