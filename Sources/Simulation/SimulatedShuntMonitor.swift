/// One of Texas Instruments' shunt current monitors, over a current and a supply voltage. Subclasses are the
/// registers, their scales and their times.
package class SimulatedShuntMonitor: WordRegisterChip {
  /// Registers that both chips have.
  enum Register {
    static let configuration: UInt8 = 0x00
    static let shuntVoltage: UInt8 = 0x01
    static let busVoltage: UInt8 = 0x02
    static let power: UInt8 = 0x03
    static let current: UInt8 = 0x04
    static let calibration: UInt8 = 0x05
  }

  /// Bit of the configuration: as at power-on.
  static let reset: UInt16 = 1 << 15
  /// Bits of MODE in the configuration: shunt, bus, and again and again.
  static let convertsShunt: UInt16 = 0b001
  static let convertsBus: UInt16 = 0b010
  static let isContinuous: UInt16 = 0b100

  private let powerOnConfiguration: UInt16
  private let shuntOhms: Double
  private let current: @Sendable (Int64) -> Double
  private let busVolts: @Sendable (Int64) -> Double
  final var configuration: UInt16
  final var calibration: UInt16 = 0
  final var shuntCounts: Int16 = 0
  final var busCounts: UInt16 = 0
  final var isReady = false
  /// Start of the conversion that is running; conversions follow each other from here on.
  final var conversionStart: Int64 = 0

  init(
    address: UInt8, powerOnConfiguration: UInt16, shuntOhms: Double,
    current: @escaping @Sendable (Int64) -> Double, busVolts: @escaping @Sendable (Int64) -> Double
  ) {
    self.powerOnConfiguration = powerOnConfiguration
    self.shuntOhms = shuntOhms
    self.current = current
    self.busVolts = busVolts
    configuration = powerOnConfiguration
    super.init(address: address)
  }

  /// What a brown-out leaves: every register as at power-on. The chip's own thread only.
  package func powerCycle(at now: Int64) {
    configuration = powerOnConfiguration
    calibration = 0
    shuntCounts = 0
    busCounts = 0
    conversionStart = now
    isReady = false
  }

  /// Whether conversions follow each other.
  var isConverting: Bool { configuration & Self.isContinuous != 0 }

  /// Time of one result of what is converted. Above 0 where `isConverting`.
  var conversionNanoseconds: Int64 { 0 }

  /// What the shunt register shows of a voltage.
  func shuntCounts(volts: Double) -> Int16 { 0 }

  /// What the bus register shows of a voltage, without status bits.
  func busCounts(volts: Double) -> UInt16 { 0 }

  /// Takes over the result of the conversion that ended last, if one has ended since the last look. Averaging
  /// makes a result late; its smoothing is not simulated.
  final func update(_ now: Int64) {
    guard isConverting else { return }
    let period = conversionNanoseconds
    let conversions = (now - conversionStart) / period
    guard conversions > 0 else { return }
    conversionStart += conversions * period
    isReady = true
    if configuration & Self.convertsShunt != 0 {
      shuntCounts = shuntCounts(volts: current(conversionStart) * shuntOhms)
    }
    if configuration & Self.convertsBus != 0 { busCounts = busCounts(volts: busVolts(conversionStart)) }
  }
}
