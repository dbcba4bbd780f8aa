import HandModel

/// Driver of the Texas Instruments INA219, a shunt current monitor (datasheet SBOS448).
package final class INA219 {
  /// Address with A1 and A0 low. PCA9685 starts at the same address.
  package static let defaultAddress: UInt8 = 0x40
  /// Bus voltage register, after its three status bits (§8.6.3.2).
  package static let voltsPerCount = 4e-3
  /// Shunt voltage register, whatever the range (§8.6.3.1).
  package static let shuntVoltsPerCount = 10e-6

  /// Register map, summary of register set (§8.6.1).
  enum Register: UInt8 {
    case configuration = 0x00
    case shuntVoltage = 0x01
    case busVoltage = 0x02
    case current = 0x04
    case calibration = 0x05
  }

  /// Summary of register set (§8.6.1).
  package static let powerOnConfiguration: UInt16 = 0x399F

  /// Bits 1 and 0 of the bus voltage register (§8.6.3.2).
  private static let conversionReady: UInt16 = 1 << 1
  private static let mathOverflow: UInt16 = 1 << 0

  /// Value of the calibration register: 0.04096 / (current LSB · shunt), rounded down, bit 0
  /// always 0 (§8.6.4).
  package let calibration: UInt16
  /// Amperes a count of the current register with that value.
  package let amperesPerCount: Double
  /// Value of the configuration register: the smallest shunt range that covers the current, 32 V, 12 bits
  /// without averaging, shunt and bus continuously. One pair of conversions takes 1.064 ms.
  package let configuration: UInt16

  private let port: DevicePort

  /// - Parameter maximumAmperes: the current that full scale (2^15 counts) must cover.
  package init(
    name: String, bus: any I2CBus, address: UInt8 = INA219.defaultAddress, shuntOhms: Double,
    maximumAmperes: Double
  ) throws(DeviceError) {
    let device = DeviceName(chip: "INA219", name: name)
    port = DevicePort(device: device, bus: bus, address: I2CAddress(address))
    // PG of the configuration register (PG bit settings): 40 mV doubled up to 320 mV.
    let ranges = [0.04, 0.08, 0.16, 0.32]
    let shuntVolts = shuntOhms * maximumAmperes
    // A tenth of a count of tolerance: 0.1 Ω times 3.2 A is not exactly 320 mV in binary, and must still
    // be full scale.
    let tolerance = 0.1 * Self.shuntVoltsPerCount
    guard let gain = ranges.firstIndex(where: { shuntVolts <= $0 + tolerance }) else {
      throw .unattainable(device, setting: "volts across the shunt", value: shuntVolts, allowed: 0...0.32)
    }
    // Rounded down, as in equation 1: rounded up, full scale would overflow the current register. The
    // millionth keeps a value that is whole in decimal from losing its last count in binary.
    let wanted = (0.04096 / (maximumAmperes / 32768 * shuntOhms) / 2 + 1e-6).rounded(.down) * 2
    // Zero means uncalibrated (§8.6.4).
    let range = 2.0...65534.0
    guard range.contains(wanted) else {
      throw .unattainable(device, setting: "calibration register", value: wanted, allowed: range)
    }
    calibration = UInt16(wanted)
    amperesPerCount = 0.04096 / (Double(calibration) * shuntOhms)
    let bus32Volts: UInt16 = 1 << 13
    let twelveBits: UInt16 = 0b0011
    let continuousShuntAndBus: UInt16 = 0b111
    configuration =
      bus32Volts | UInt16(gain) << 11 | twelveBits << 7 | twelveBits << 3 | continuousShuntAndBus
  }

  /// Refuses any chip that does not look like an INA219. The chip has no identity register, so its
  /// configuration must be that of power-on or the one that `configure` leaves. INA226 and PCA9685 share its
  /// addresses and never have either.
  package func identify() throws(DeviceError) {
    let found = try port.readBigEndian(Register.configuration.rawValue)
    guard found == Self.powerOnConfiguration || found == configuration else {
      throw .wrongIdentity(
        port.device, register: Register.configuration.rawValue, expected: Self.powerOnConfiguration,
        found: found)
    }
  }

  /// Starts continuous conversion, calibrated for the shunt; read back.
  package func configure() throws(DeviceError) {
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
    Double(try port.readBigEndian(Register.busVoltage.rawValue) >> 3) * Self.voltsPerCount
  }

  /// Whether the current register may be trusted: conversions end (CNVR), their result fits (OVF), and the
  /// calibration is still there. After a brown-out it is not, and the chip would report no current at all.
  /// Two word transfers.
  package func readIsUsable() throws(DeviceError) -> Bool {
    let status = try port.readBigEndian(Register.busVoltage.rawValue)
    guard status & (Self.conversionReady | Self.mathOverflow) == Self.conversionReady else { return false }
    return try port.readBigEndian(Register.calibration.rawValue) == calibration
  }
}
