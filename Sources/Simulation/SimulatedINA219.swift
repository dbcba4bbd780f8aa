import Devices

/// An INA219 (datasheet SBOS448) over a current and a supply voltage.
package final class SimulatedINA219: WordRegisterChip {
  private enum Register {
    static let configuration: UInt8 = 0x00
    static let shuntVoltage: UInt8 = 0x01
    static let busVoltage: UInt8 = 0x02
    static let power: UInt8 = 0x03
    static let current: UInt8 = 0x04
    static let calibration: UInt8 = 0x05
  }

  private static let reset: UInt16 = 1 << 15
  /// Bit 14 does not exist and reads 0.
  private static let configurationBits: UInt16 = 0x3FFF

  private let shuntOhms: Double
  private let current: @Sendable (Int64) -> Double
  private let busVolts: @Sendable (Int64) -> Double
  private var configuration = INA219.powerOnConfiguration
  private var calibration: UInt16 = 0
  private var shuntCounts: Int16 = 0
  private var busCounts: UInt16 = 0
  private var isReady = false
  /// Start of the conversion that is running; conversions follow each other from here on.
  private var conversionStart: Int64 = 0

  /// - Parameters:
  ///   - current: amperes through the shunt at a time.
  ///   - busVolts: volts of the bus at a time.
  package init(
    address: UInt8 = INA219.defaultAddress, shuntOhms: Double,
    current: @escaping @Sendable (Int64) -> Double, busVolts: @escaping @Sendable (Int64) -> Double
  ) {
    self.shuntOhms = shuntOhms
    self.current = current
    self.busVolts = busVolts
    super.init(address: address)
  }

  /// What a brown-out leaves: every register as at power-on. The chip's own thread only.
  package func powerCycle(at now: Int64) {
    configuration = INA219.powerOnConfiguration
    calibration = 0
    shuntCounts = 0
    busCounts = 0
    conversionStart = now
    isReady = false
  }

  override func write(_ register: UInt8, _ value: UInt16, at now: Int64) {
    update(now)
    switch register {
    case Register.configuration:
      if value & Self.reset != 0 {
        powerCycle(at: now)
      } else {
        configuration = value & Self.configurationBits
        conversionStart = now
        // A new mode clears CNVR, except power-down and ADC off (§8.6.3.2).
        if value & 0b011 != 0 { isReady = false }
      }
    // FS0 is always 0 (§8.6.4.1).
    case Register.calibration: calibration = value & 0xFFFE
    default: break
    }
  }

  override func read(_ register: UInt8, at now: Int64) -> UInt16 {
    update(now)
    switch register {
    case Register.configuration: return configuration
    case Register.shuntVoltage: return UInt16(bitPattern: shuntCounts)
    case Register.busVoltage:
      return busCounts << 3 | (isReady ? 1 << 1 : 0) | (isOverflowing ? 1 : 0)
    case Register.power:
      // Reading clears CNVR (§8.6.3.2).
      isReady = false
      return UInt16(truncatingIfNeeded: powerCounts)
    case Register.current: return UInt16(truncatingIfNeeded: currentCounts)
    case Register.calibration: return calibration
    default: return 0
    }
  }

  /// Shunt counts times calibration over 4096 (§8.6.3.4), before it is fitted into 16 bits.
  private var currentCounts: Int { Int(shuntCounts) * Int(calibration) / 4096 }

  /// Current times bus counts over 5000 (§8.6.3.3).
  private var powerCounts: Int { Int(currentCounts.magnitude) * Int(busCounts) / 5000 }

  /// OVF: current or power do not fit their registers and mean nothing.
  private var isOverflowing: Bool { Int16(exactly: currentCounts) == nil || powerCounts > Int(UInt16.max) }

  /// Takes the result of the conversion that ended last, if one has ended since the last look. Averaging makes
  /// a result late; its smoothing is not simulated.
  private func update(_ now: Int64) {
    // MODE3 = continuous; 100 is ADC off.
    guard configuration & 0b100 != 0, configuration & 0b011 != 0 else { return }
    let period = conversionNanoseconds
    let conversions = (now - conversionStart) / period
    guard conversions > 0 else { return }
    conversionStart += conversions * period
    isReady = true
    if configuration & 0b001 != 0 {
      // PG: 40 mV doubled up to 320 mV (PG bit settings); the register has 10 µV a count in all ranges.
      let fullScale = Double(4000 << Int(configuration >> 11 & 0b11))
      let step = Self.step(setting: configuration >> 3 & 0b1111)
      let counts = (current(conversionStart) * shuntOhms / INA219.shuntVoltsPerCount / step).rounded() * step
      shuntCounts = Int16(min(max(counts, -fullScale), fullScale))
    }
    if configuration & 0b010 != 0 {
      // BRNG: 16 V or 32 V.
      let fullScale = configuration & 1 << 13 != 0 ? 8000.0 : 4000.0
      busCounts = UInt16(
        min(max((busVolts(conversionStart) / INA219.voltsPerCount).rounded(), 0), fullScale))
    }
  }

  /// Counts between two values of an setting (ADC settings): 1 at 12 bits, 8 at 9 bits.
  private static func step(setting: UInt16) -> Double {
    setting & 0b1000 != 0 ? 1 : Double(8 >> Int(setting & 0b11))
  }

  /// Time of one result of an setting (ADC settings).
  private static func nanoseconds(setting: UInt16) -> Int64 {
    let plain: InlineArray<4, Int64> = [84, 148, 276, 532]
    let averaged: InlineArray<8, Int64> = [532, 1060, 2130, 4260, 8510, 17_020, 34_050, 68_100]
    return 1000
      * (setting & 0b1000 == 0 ? plain[Int(setting & 0b11)] : averaged[Int(setting & 0b111)])
  }

  private var conversionNanoseconds: Int64 {
    (configuration & 0b001 != 0 ? Self.nanoseconds(setting: configuration >> 3 & 0b1111) : 0)
      + (configuration & 0b010 != 0 ? Self.nanoseconds(setting: configuration >> 7 & 0b1111) : 0)
  }
}
