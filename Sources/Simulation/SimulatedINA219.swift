import Devices

/// An INA219 (datasheet SBOS448) over a current and a supply voltage.
package final class SimulatedINA219: SimulatedShuntMonitor {
  /// Bit 14 does not exist and reads 0.
  private static let configurationBits: UInt16 = 0x3FFF

  /// - Parameters:
  ///   - current: amperes through the shunt at a time.
  ///   - busVolts: volts of the bus at a time.
  package init(
    address: UInt8 = INA219.defaultAddress, shuntOhms: Double,
    current: @escaping @Sendable (Int64) -> Double, busVolts: @escaping @Sendable (Int64) -> Double
  ) {
    super.init(
      address: address, powerOnConfiguration: INA219.powerOnConfiguration, shuntOhms: shuntOhms,
      current: current, busVolts: busVolts)
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

  /// Mode 100 is ADC off.
  override var isConverting: Bool {
    super.isConverting && configuration & (Self.convertsShunt | Self.convertsBus) != 0
  }

  override func shuntCounts(volts: Double) -> Int16 {
    // PG: 40 mV doubled up to 320 mV (PG bit settings); the register has 10 µV a count in all ranges.
    let fullScale = Double(4000 << Int(configuration >> 11 & 0b11))
    let step = Self.step(setting: configuration >> 3 & 0b1111)
    let counts = (volts / INA219.shuntVoltsPerCount / step).rounded() * step
    return Int16(min(max(counts, -fullScale), fullScale))
  }

  override func busCounts(volts: Double) -> UInt16 {
    // BRNG: 16 V or 32 V.
    let fullScale = configuration & 1 << 13 != 0 ? 8000.0 : 4000.0
    return UInt16(min(max((volts / INA219.voltsPerCount).rounded(), 0), fullScale))
  }

  /// Counts between two values of a setting (ADC settings): 1 at 12 bits, 8 at 9 bits.
  private static func step(setting: UInt16) -> Double {
    setting & 0b1000 != 0 ? 1 : Double(8 >> Int(setting & 0b11))
  }

  /// Time of one result of a setting (ADC settings).
  private static func nanoseconds(setting: UInt16) -> Int64 {
    let plain: InlineArray<4, Int64> = [84, 148, 276, 532]
    let averaged: InlineArray<8, Int64> = [532, 1060, 2130, 4260, 8510, 17_020, 34_050, 68_100]
    return 1000
      * (setting & 0b1000 == 0 ? plain[Int(setting & 0b11)] : averaged[Int(setting & 0b111)])
  }

  override var conversionNanoseconds: Int64 {
    (configuration & Self.convertsShunt != 0 ? Self.nanoseconds(setting: configuration >> 3 & 0b1111) : 0)
      + (configuration & Self.convertsBus != 0 ? Self.nanoseconds(setting: configuration >> 7 & 0b1111) : 0)
  }
}
