import HandModel

/// What went wrong with one chip. Every case says which chip, by kind and by its name in the board file.
package enum DeviceError: Error, Sendable, CustomStringConvertible {
  /// The transfer failed; its cause is the bus's own error.
  case transfer(DeviceName, I2CError)
  /// Another chip (or none that works) answers at the address.
  case wrongIdentity(DeviceName, register: UInt8, expected: UInt16, found: UInt16)
  /// A register does not hold what was written to it: the chip lost power, or another program wrote to it.
  case readBackMismatch(DeviceName, register: UInt8, wrote: UInt16, found: UInt16)
  /// A result was read before its conversion was over.
  case conversionPending(DeviceName)
  /// The board asks for something that the chip cannot do.
  case unattainable(DeviceName, setting: String, value: Double, allowed: ClosedRange<Double>)
  /// A PWM channel that is not on a bus could not be set; its cause is the channel's own error.
  case output(DeviceName, PWMError)
  /// A digital line could not be driven, or does not follow.
  case line(DeviceName)

  /// The chip concerned.
  package var device: DeviceName {
    switch self {
    case .transfer(let device, _), .wrongIdentity(let device, _, _, _),
      .readBackMismatch(let device, _, _, _), .conversionPending(let device),
      .unattainable(let device, _, _, _), .output(let device, _),
      .line(let device):
      device
    }
  }

  /// The class of the bus error, if that is what it was.
  package var i2cFailure: I2CFailure? {
    if case .transfer(_, let error) = self { error.failure } else { nil }
  }

  package var description: String {
    switch self {
    case .transfer(let device, let error):
      "\(device): \(error)"
    case .wrongIdentity(let device, let register, let expected, let found):
      "\(device): register \(hex(register)) identifies \(hex(found)), expected \(hex(expected)); "
        + "check the address in the board file"
    case .readBackMismatch(let device, let register, let wrote, let found):
      "\(device): register \(hex(register)) holds \(hex(found)), \(hex(wrote)) was written; "
        + "the chip lost its configuration"
    case .conversionPending(let device):
      "\(device): the conversion is not over"
    case .unattainable(let device, let setting, let value, let allowed):
      "\(device): \(setting) \(value) is outside \(allowed.lowerBound)...\(allowed.upperBound)"
    case .output(let device, let error):
      "\(device): \(error)"
    case .line(let device):
      "\(device): cannot be driven, or does not follow: look for a short or another driver of it"
    }
  }

  private func hex(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }
}

/// A chip by kind and by its name in the board file.
package struct DeviceName: Hashable, Sendable, CustomStringConvertible {
  /// For example `AS5600`.
  package let chip: String
  /// For example `index-proximal`.
  package let name: String

  package init(chip: String, name: String) {
    self.chip = chip
    self.name = name
  }

  package var description: String { "\(chip) \(name)" }
}

extension DigitalLine {
  /// The line as a device, for messages.
  package var device: DeviceName { DeviceName(chip: "line", name: name) }
}

/// A chip at an address of a bus, with the transfers that every driver makes. Names the chip in every error.
struct DevicePort {
  let device: DeviceName
  let bus: any I2CBus
  let address: I2CAddress

  func writeByte(_ value: UInt8) throws(DeviceError) {
    do throws(I2CError) { try bus.writeByte(address, value) } catch { throw .transfer(device, error) }
  }

  func readByte() throws(DeviceError) -> UInt8 {
    do throws(I2CError) { return try bus.readByte(address) } catch { throw .transfer(device, error) }
  }

  func writeRegister(_ register: UInt8, _ value: UInt8) throws(DeviceError) {
    do throws(I2CError) {
      try bus.writeByteData(address, register: register, value)
    } catch { throw .transfer(device, error) }
  }

  func readRegister(_ register: UInt8) throws(DeviceError) -> UInt8 {
    do throws(I2CError) {
      return try bus.readByteData(address, register: register)
    } catch { throw .transfer(device, error) }
  }

  /// Writes a 16-bit register, high byte first on the wire: SMBus words are low byte first, hence the swap.
  func writeBigEndian(_ register: UInt8, _ value: UInt16) throws(DeviceError) {
    do throws(I2CError) {
      try bus.writeWordData(address, register: register, value.byteSwapped)
    } catch { throw .transfer(device, error) }
  }

  /// Reads a 16-bit register, high byte first on the wire, in one transfer: two byte reads could mix two
  /// samples.
  func readBigEndian(_ register: UInt8) throws(DeviceError) -> UInt16 {
    do throws(I2CError) {
      return try bus.readWordData(address, register: register).byteSwapped
    } catch { throw .transfer(device, error) }
  }

  func readBlock(_ register: UInt8, into bytes: inout MutableSpan<UInt8>) throws(DeviceError) {
    do throws(I2CError) {
      try bus.readBlock(address, register: register, into: &bytes)
    } catch { throw .transfer(device, error) }
  }

  func writeBlock(_ register: UInt8, _ bytes: Span<UInt8>) throws(DeviceError) {
    do throws(I2CError) {
      try bus.writeBlock(address, register: register, bytes)
    } catch { throw .transfer(device, error) }
  }

  /// Writes a register and reads it back; throws `readBackMismatch` when it holds something else.
  func writeAndVerify(_ register: UInt8, _ value: UInt8) throws(DeviceError) {
    try writeRegister(register, value)
    try verify(register, wrote: UInt16(value), found: UInt16(try readRegister(register)))
  }

  /// The same for two bytes, high byte first.
  func writeBigEndianAndVerify(_ register: UInt8, _ value: UInt16) throws(DeviceError) {
    try writeBigEndian(register, value)
    try verify(register, wrote: value, found: try readBigEndian(register))
  }

  private func verify(_ register: UInt8, wrote: UInt16, found: UInt16) throws(DeviceError) {
    guard found == wrote else {
      throw .readBackMismatch(device, register: register, wrote: wrote, found: found)
    }
  }
}
