import HandModel

/// Driver of the ams AS5600, a 12-bit magnetic angle encoder (datasheet v1-06, 2018), and of the AS5600L, the
/// same chip with an address that can be programmed (0x40 as delivered).
///
/// It never writes register 0xFF: a BURN command changes the chip for ever.
package final class AS5600 {
  /// The AS5600's address is fixed in silicon (datasheet, I²C modes).
  package static let defaultAddress: UInt8 = 0x36

  /// Register map, datasheet figure 21.
  enum Register: UInt8 {
    case configuration = 0x07
    case status = 0x0B
    /// The unscaled angle. ANGLE (0x0E) has 10 LSB of hysteresis at the wrap and is not used.
    case rawAngle = 0x0C
    case automaticGain = 0x1A
    case magnitude = 0x1B
  }

  private let port: DevicePort

  /// - Parameters:
  ///   - name: name of the encoder in the board file, for messages.
  ///   - chip: AS5600 or AS5600L, for messages.
  package init(
    name: String, bus: any I2CBus, address: UInt8 = AS5600.defaultAddress, chip: String = "AS5600"
  ) {
    port = DevicePort(device: DeviceName(chip: chip, name: name), bus: bus, address: I2CAddress(address))
  }

  /// The angle as it stands, 0...4095 counts; one word transfer.
  package func readRawAngle() throws(DeviceError) -> UInt16 {
    try port.readBigEndian(Register.rawAngle.rawValue) & 0x0FFF
  }

  /// The status alone: one byte transfer, for a slow round of health checks.
  package func readStatus() throws(DeviceError) -> UInt8 {
    try port.readRegister(Register.status.rawValue)
  }

  /// Status, gain and field strength: three transfers.
  package func readMagnet() throws(DeviceError) -> MagnetHealth {
    let status = try readStatus()
    let gain = try port.readRegister(Register.automaticGain.rawValue)
    let magnitude = try port.readBigEndian(Register.magnitude.rawValue) & 0x0FFF
    return MagnetHealth(status: status, automaticGain: gain, magnitude: magnitude)
  }

  /// Sets the filters, keeping the factory bits of the register: read, modify, write (datasheet figure 21,
  /// note 1), then read back.
  package func configure(
    slowFilter: SlowFilter, fastFilterThreshold: FastFilterThreshold
  ) throws(DeviceError) {
    let register = Register.configuration.rawValue
    let filterBits: UInt16 = 0b1_1111 << 8
    let wanted = slowFilter.rawValue << 8 | fastFilterThreshold.rawValue << 10
    let value = try port.readBigEndian(register) & ~filterBits | wanted
    try port.writeBigEndianAndVerify(register, value)
  }

  /// SF(1:0) of CONF (datasheet figure 22): the more averaging, the less noise and the later the angle.
  package enum SlowFilter: UInt16, Sendable {
    /// Settles in 2.2 ms.
    case averaging16 = 0
    /// Settles in 1.1 ms.
    case averaging8 = 1
    /// Settles in 0.55 ms.
    case averaging4 = 2
    /// Settles in 0.286 ms.
    case averaging2 = 3
  }

  /// FTH(2:0) of CONF (datasheet figure 22): a step above it bypasses the slow filter.
  package enum FastFilterThreshold: UInt16, Sendable {
    case slowFilterOnly = 0, counts6, counts7, counts9, counts18, counts21, counts24, counts10
  }
}

/// What an AS5600 says of its magnet (datasheet figures 21 and 23).
package struct MagnetHealth: Sendable, Equatable {
  /// Register 0x0B as read.
  package var status: UInt8
  /// AGC, 0...255 at 5 V, 0...128 at 3.3 V; mid-range is best.
  package var automaticGain: UInt8
  /// CORDIC magnitude, 0...4095.
  package var magnitude: UInt16

  package init(status: UInt8, automaticGain: UInt8, magnitude: UInt16) {
    self.status = status
    self.automaticGain = automaticGain
    self.magnitude = magnitude
  }

  /// MD: a magnet was detected.
  package var isDetected: Bool { status & (1 << 5) != 0 }
  /// ML: the gain is at its maximum, the field too weak.
  package var isTooWeak: Bool { status & (1 << 4) != 0 }
  /// MH: the gain is at its minimum, the field too strong.
  package var isTooStrong: Bool { status & (1 << 3) != 0 }
  /// Whether the angle may be trusted.
  package var isUsable: Bool { isDetected && !isTooWeak && !isTooStrong }

  /// Whether the angle may be trusted under this status.
  package static func isUsable(status: UInt8) -> Bool {
    MagnetHealth(status: status, automaticGain: 0, magnitude: 0).isUsable
  }
}
