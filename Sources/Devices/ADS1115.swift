import HandModel

/// Driver of the Texas Instruments ADS1115, a 16-bit four-input converter (datasheet SBAS444).
///
/// Used in single-shot mode. Every conversion is started with its input chosen, so a result cannot belong
/// to the input before. The driver does not sleep: the caller starts a conversion, does other work and
/// reads when `isDue`. A result asked for earlier is refused, because the register then still holds the
/// previous input's.
package final class ADS1115 {
  /// Address with ADDR low.
  package static let defaultAddress: UInt8 = 0x48
  /// Single-ended inputs.
  package static let inputCount: UInt8 = 4
  /// PGA = 001: ± 4.096 V, 125 µV a count (§8.1.3, full-scale range).
  package static let voltsPerCount = 4.096 / 32768

  /// Register pointer, §8.1.1.
  enum Register: UInt8 { case conversion = 0x00, configuration = 0x01 }

  /// DR(2:0) of the configuration register (§8.1.3).
  package enum DataRate: UInt16, Sendable, CaseIterable {
    case samples8 = 0, samples16, samples32, samples64, samples128, samples250, samples475, samples860

    /// As the datasheet gives it, 1/s.
    package var samplesPerSecond: Int64 {
      switch self {
      case .samples8: 8
      case .samples16: 16
      case .samples32: 32
      case .samples64: 64
      case .samples128: 128
      case .samples250: 250
      case .samples475: 475
      case .samples860: 860
      }
    }
  }

  private enum State {
    case idle
    /// A conversion runs and will be over at the time given.
    case converting(dueNanoseconds: Int64)
  }

  private let port: DevicePort
  private let dataRate: DataRate
  private var state = State.idle

  /// Sends nothing. `name` is the chip's name in the board file, for messages.
  package init(
    name: String, bus: any I2CBus, address: UInt8 = ADS1115.defaultAddress,
    dataRate: DataRate = .samples860
  ) {
    port = DevicePort(
      device: DeviceName(chip: "ADS1115", name: name), bus: bus, address: I2CAddress(address))
    self.dataRate = dataRate
  }

  /// The longest that a conversion takes: 1/DR plus the 10 % by which the data rate may be off (§6.5, data
  /// rate variation) plus 25 µs of waking up from power-down (§7.4.2.1).
  package var conversionNanoseconds: Int64 {
    1_100_000_000 / dataRate.samplesPerSecond + 25_000
  }

  /// Starts one conversion of `input` (0...3) against ground.
  package func startConversion(input: UInt8) throws(DeviceError) {
    precondition(input < Self.inputCount, "an ADS1115 has inputs 0...3")
    state = .idle
    let start: UInt16 = 1 << 15
    let singleEnded = (0b100 | UInt16(input)) << 12
    let range4096mV: UInt16 = 0b001 << 9
    let singleShot: UInt16 = 1 << 8
    let comparatorOff: UInt16 = 0b11
    try port.writeBigEndian(
      Register.configuration.rawValue,
      start | singleEnded | range4096mV | singleShot | dataRate.rawValue << 5 | comparatorOff)
    state = .converting(dueNanoseconds: port.bus.timeNanoseconds + conversionNanoseconds)
  }

  /// Whether a conversion was started and must be over at `timeNanoseconds`. No transfer.
  package func isDue(at timeNanoseconds: Int64) -> Bool {
    if case .converting(let due) = state { timeNanoseconds >= due } else { false }
  }

  /// Asks the chip whether it is done: bit OS reads 1 when no conversion is in progress (§8.1.3). A chip that
  /// is faster than the guaranteed time may be read at once after that.
  package func isConversionReady() throws(DeviceError) -> Bool {
    let ready = try port.readBigEndian(Register.configuration.rawValue) & (1 << 15) != 0
    if ready, case .converting = state { state = .converting(dueNanoseconds: .min) }
    return ready
  }

  /// The result of the conversion started last, in counts. Throws `conversionPending` if none is due at the
  /// end of the bus's last transfer, which is never later than now.
  package func readConversion() throws(DeviceError) -> Int16 {
    guard isDue(at: port.bus.timeNanoseconds) else { throw .conversionPending(port.device) }
    let result = Int16(bitPattern: try port.readBigEndian(Register.conversion.rawValue))
    state = .idle
    return result
  }

  /// Counts to volts at the range this driver uses.
  package static func volts(_ counts: Int16) -> Double { Double(counts) * voltsPerCount }
}
