import Devices

/// An ADS7830 (datasheet SBAS302) over eight analogue inputs, single-ended and differential.
package final class SimulatedADS7830: SimulatedChip {
  private enum Command {
    static let singleEnded: UInt8 = 1 << 7
    static let referenceOn: UInt8 = 1 << 3
  }

  /// Time in which the internal reference rises to its 2.5 V after it is turned on.
  package static let referenceRiseNanoseconds: Int64 = 1_000_000

  private let inputs: [@Sendable (Int64) -> Double]
  private let externalReferenceVolts: Double?
  private var command: UInt8 = 0
  private var hasCommand = false
  private var isReferenceOn = false
  private var referenceOnNanoseconds: Int64 = 0
  private var result: UInt8 = 0

  /// - Parameters:
  ///   - inputs: volts at CH0...CH7 at a time.
  ///   - externalReferenceVolts: volts at the REF pin; nil = driven by the chip itself only.
  package init(
    address: UInt8 = ADS7830.defaultAddress, inputs: [@Sendable (Int64) -> Double],
    externalReferenceVolts: Double? = nil
  ) {
    precondition(inputs.count == Int(ADS7830.inputCount))
    self.inputs = inputs
    self.externalReferenceVolts = externalReferenceVolts
    super.init(address: address)
  }

  override func receive(_ byte: UInt8, at now: Int64) -> Bool {
    command = byte
    hasCommand = true
    // The conversion is made while the command is received, with the reference as it stands.
    if byte & Command.referenceOn == 0 { isReferenceOn = false }
    result = convert(at: now)
    return true
  }

  /// A repeated START or a STOP turns the reference on (reading with reference on/off).
  override func beginRead(at now: Int64) { updateReference(at: now) }
  override func stop(at now: Int64) { updateReference(at: now) }

  override func send(at now: Int64) -> UInt8 { result }

  private func updateReference(at now: Int64) {
    guard hasCommand else { return }
    hasCommand = false
    if command & Command.referenceOn != 0, !isReferenceOn {
      isReferenceOn = true
      referenceOnNanoseconds = now
    }
  }

  private func convert(at now: Int64) -> UInt8 {
    let code = Int(command >> 4 & 0b111)
    let volts: Double
    if command & Command.singleEnded != 0 {
      // C2 is the lowest bit of the input's number (channel selection).
      volts = inputs[(code & 0b011) << 1 | code >> 2](now)
    } else {
      let pair = (code & 0b011) << 1
      let difference = inputs[pair](now) - inputs[pair + 1](now)
      volts = code & 0b100 == 0 ? difference : -difference
    }
    let reference = referenceVolts(at: now)
    guard reference > 0 else { return volts > 0 ? .max : 0 }
    return UInt8(min(max((volts / reference * 256).rounded(.down), 0), 255))
  }

  private func referenceVolts(at now: Int64) -> Double {
    guard isReferenceOn else { return externalReferenceVolts ?? 0 }
    let elapsed = Double(now - referenceOnNanoseconds) / Double(Self.referenceRiseNanoseconds)
    return ADS7830.internalReferenceVolts * min(elapsed, 1)
  }
}
