import HandModel

/// Driver of the Texas Instruments ADS7830, an 8-bit eight-input converter (datasheet SBAS302).
///
/// A conversion takes place within the transfer that asks for it. Only the internal reference needs waiting
/// for, once, after it was turned on.
package final class ADS7830 {
  /// Address with A1 and A0 low.
  package static let defaultAddress: UInt8 = 0x48
  /// Single-ended inputs.
  package static let inputCount: UInt8 = 8
  /// Volts of the internal reference.
  package static let internalReferenceVolts = 2.5
  /// Wait after the internal reference was turned on: far longer than its settling curve shows, and needed
  /// at start only.
  package static let referenceSettleNanoseconds: Int64 = 10_000_000

  /// The command byte (datasheet, command byte and table I).
  enum Command {
    static let singleEnded: UInt8 = 1 << 7
    /// PD1: keeps the internal reference on. Every command must say so, or it is turned off.
    static let referenceOn: UInt8 = 1 << 3
    /// PD0: keeps the converter on between conversions.
    static let converterOn: UInt8 = 1 << 2
  }

  /// Full scale, 256 counts.
  package let referenceVolts: Double
  private let usesInternalReference: Bool
  private let port: DevicePort

  /// - Parameter externalReferenceVolts: volts at the REF pin; nil turns the internal reference on.
  package init(
    name: String, bus: any I2CBus, address: UInt8 = ADS7830.defaultAddress,
    externalReferenceVolts: Double? = nil
  ) {
    port = DevicePort(
      device: DeviceName(chip: "ADS7830", name: name), bus: bus, address: I2CAddress(address))
    usesInternalReference = externalReferenceVolts == nil
    referenceVolts = externalReferenceVolts ?? Self.internalReferenceVolts
  }

  /// Turns the reference on, if it is the internal one, by a conversion whose result is dropped. Returns the
  /// time, on the bus's clock, from which conversions may be used.
  package func configure() throws(DeviceError) -> Int64 {
    _ = try readCounts(input: 0)
    return port.bus.timeNanoseconds + (usesInternalReference ? Self.referenceSettleNanoseconds : 0)
  }

  /// Converts `input` (0...7) against ground and gives 0...255 counts; one byte transfer.
  package func readCounts(input: UInt8) throws(DeviceError) -> UInt8 {
    try port.readRegister(command(input: input))
  }

  /// Converts `input` (0...7) against ground and gives volts; one byte transfer.
  package func readVolts(input: UInt8) throws(DeviceError) -> Double {
    Double(try readCounts(input: input)) * referenceVolts / 256
  }

  /// C2...C0 hold the input with its lowest bit first (datasheet, channel selection).
  private func command(input: UInt8) -> UInt8 {
    precondition(input < Self.inputCount, "an ADS7830 has inputs 0...7")
    let channel = input >> 1 | (input & 1) << 2
    return Command.singleEnded | channel << 4 | Command.converterOn
      | (usesInternalReference ? Command.referenceOn : 0)
  }
}
