import HandModel

/// Driver of the Texas Instruments INA226, a shunt current monitor (datasheet SBOS547).
package final class INA226 {
  /// Address with A1 and A0 low. PCA9685 starts at the same address.
  package static let defaultAddress: UInt8 = 0x40
  /// Bus voltage register, §7.1.3.
  package static let voltsPerCount = 1.25e-3

  /// Register map, table 7-1.
  enum Register: UInt8 {
    case configuration = 0x00
    case shuntVoltage = 0x01
    case busVoltage = 0x02
    case current = 0x04
    case calibration = 0x05
    case maskEnable = 0x06
    case manufacturerID = 0xFE
    case dieID = 0xFF
  }

  /// "TI" in ASCII, and the part (table 7-1).
  static let expectedManufacturerID: UInt16 = 0x5449
  static let expectedDieID: UInt16 = 0x2260

  /// AVG(2:0) of the configuration register (table 7-3).
  package enum Averaging: UInt16, Sendable, CaseIterable {
    case samples1 = 0, samples4, samples16, samples64, samples128, samples256, samples512, samples1024
  }

  /// VBUSCT(2:0) and VSHCT(2:0) of the configuration register (tables 7-4 and 7-5).
  package enum ConversionTime: UInt16, Sendable, CaseIterable {
    case microseconds140 = 0, microseconds204, microseconds332, microseconds588, microseconds1100,
      microseconds2116, microseconds4156, microseconds8244
  }

  /// Value of the calibration register: 0.00512 / (current LSB · shunt), rounded (§6.5, equation 1).
  package let calibration: UInt16
  /// Amperes a count of the current register with that rounded value.
  package let amperesPerCount: Double

  private let port: DevicePort

  /// - Parameter maximumAmperes: the current that full scale (2^15 counts) must cover.
  package init(
    name: String, bus: any I2CBus, address: UInt8 = INA226.defaultAddress, shuntOhms: Double,
    maximumAmperes: Double
  ) throws(DeviceError) {
    let device = DeviceName(chip: "INA226", name: name)
    port = DevicePort(device: device, bus: bus, address: I2CAddress(address))
    let wanted = (0.00512 / (maximumAmperes / 32768 * shuntOhms)).rounded()
    // The register has 15 bits, and zero means uncalibrated (§7.1.6).
    let range = 1.0...32767.0
    guard range.contains(wanted) else {
      throw .unattainable(device, setting: "calibration register", value: wanted, allowed: range)
    }
    calibration = UInt16(wanted)
    amperesPerCount = 0.00512 / (Double(calibration) * shuntOhms)
  }

  /// Refuses any chip but an INA226: INA219, PCA9685 and others share its addresses.
  package func identify() throws(DeviceError) {
    try expect(Self.expectedManufacturerID, in: .manufacturerID)
    try expect(Self.expectedDieID, in: .dieID)
  }

  /// Continuous conversion of shunt and bus voltage, calibrated for the shunt; read back.
  ///
  /// The shortest times and no averaging suit a control loop: one pair of conversions in 280 µs.
  package func configure(
    averaging: Averaging = .samples1, conversionTime: ConversionTime = .microseconds140
  ) throws(DeviceError) {
    let continuousShuntAndBus: UInt16 = 0b111
    // Bit 14 reads as 1 (power-on value 0x4127). It is written as 1 so that the read-back compares.
    let configuration =
      1 << 14 | averaging.rawValue << 9 | conversionTime.rawValue << 6 | conversionTime.rawValue << 3
      | continuousShuntAndBus
    try port.writeBigEndianAndVerify(Register.configuration.rawValue, configuration)
    try port.writeBigEndianAndVerify(Register.calibration.rawValue, calibration)
  }

  /// Current through the shunt, amperes, signed; one word transfer.
  package func readCurrentAmperes() throws(DeviceError) -> Double {
    let counts = Int16(bitPattern: try port.readBigEndian(Register.current.rawValue))
    return Double(counts) * amperesPerCount
  }

  /// Supply voltage of the joint's motor driver, volts.
  package func readBusVolts() throws(DeviceError) -> Double {
    Double(try port.readBigEndian(Register.busVoltage.rawValue)) * Self.voltsPerCount
  }

  /// CVRF: whether conversions have ended since this was last asked; reading clears it (§7.1.7).
  package func isConversionReady() throws(DeviceError) -> Bool {
    try port.readBigEndian(Register.maskEnable.rawValue) & (1 << 3) != 0
  }

  /// Whether the chip still holds its calibration. After a brown-out it does not, and would report no current
  /// at all. One word transfer.
  package func readIsUsable() throws(DeviceError) -> Bool {
    try port.readBigEndian(Register.calibration.rawValue) == calibration
  }

  private func expect(_ expected: UInt16, in register: Register) throws(DeviceError) {
    let found = try port.readBigEndian(register.rawValue)
    guard found == expected else {
      throw .wrongIdentity(port.device, register: register.rawValue, expected: expected, found: found)
    }
  }
}
