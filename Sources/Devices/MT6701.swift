import HandModel

/// Driver of the MagnTek MT6701, a 14-bit magnetic angle encoder (datasheet rev. 1.2 and later).
///
/// Its status bits are sent over SSI only. Over I2C nothing tells a good magnet from a missing one, so
/// only plausibility checks of the angle remain. The driver never writes: the other registers are
/// copied to an EEPROM.
package final class MT6701 {
  /// The address as delivered.
  package static let defaultAddress: UInt8 = 0x06

  /// Angle bits 13...6; the next register holds bits 5...0 in its upper six bits.
  private static let angleRegister: UInt8 = 0x03

  private let port: DevicePort

  /// - Parameter name: name of the encoder in the board file, for messages.
  package init(name: String, bus: any I2CBus, address: UInt8 = MT6701.defaultAddress) {
    port = DevicePort(
      device: DeviceName(chip: "MT6701", name: name), bus: bus, address: I2CAddress(address))
  }

  /// The angle as it stands, 0...16383 counts; one word transfer.
  package func readAngle() throws(DeviceError) -> UInt16 {
    try port.readBigEndian(Self.angleRegister) >> 2
  }
}
