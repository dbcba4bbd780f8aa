import Devices

/// An INA226 (datasheet SBOS547) over a current and a supply voltage. Alerts are not simulated.
package final class SimulatedINA226: SimulatedShuntMonitor {
  private enum OwnRegister {
    static let maskEnable: UInt8 = 0x06
    static let alertLimit: UInt8 = 0x07
    static let manufacturerID: UInt8 = 0xFE
    static let dieID: UInt8 = 0xFF
  }

  /// Table 7-1.
  package static let powerOnConfiguration: UInt16 = 0x4127
  private static let conversionReady: UInt16 = 1 << 3

  private var mask: UInt16 = 0
  private var alertLimit: UInt16 = 0

  /// - Parameters:
  ///   - current: amperes through the shunt at a time.
  ///   - busVolts: volts at VBUS at a time.
  package init(
    address: UInt8 = INA226.defaultAddress, shuntOhms: Double,
    current: @escaping @Sendable (Int64) -> Double, busVolts: @escaping @Sendable (Int64) -> Double
  ) {
    super.init(
      address: address, powerOnConfiguration: Self.powerOnConfiguration, shuntOhms: shuntOhms,
      current: current, busVolts: busVolts)
  }

  /// The same, with its registers for alerts.
  package override func powerCycle(at now: Int64) {
    super.powerCycle(at: now)
    mask = 0
    alertLimit = 0
  }

  override func write(_ register: UInt8, _ value: UInt16, at now: Int64) {
    switch register {
    case Register.configuration:
      if value & Self.reset != 0 {
        powerCycle(at: now)
      } else {
        // Bits 14...12 are fixed at 100.
        configuration = value & 0x0FFF | 0x4000
        // A write starts a new conversion (§7.1.1) and clears CVRF (§7.1.7).
        conversionStart = now
        isReady = false
      }
    case Register.calibration: calibration = value & 0x7FFF
    case OwnRegister.maskEnable: mask = value & 0xFC03
    case OwnRegister.alertLimit: alertLimit = value
    default: break
    }
  }

  override func read(_ register: UInt8, at now: Int64) -> UInt16 {
    update(now)
    switch register {
    case Register.configuration: return configuration
    case Register.shuntVoltage: return UInt16(bitPattern: shuntCounts)
    case Register.busVoltage: return busCounts
    case Register.power:
      // Equation 4.
      return UInt16(min(Int(currentCounts.magnitude) * Int(busCounts) / 20_000, 65_535))
    case Register.current: return UInt16(bitPattern: currentCounts)
    case Register.calibration: return calibration
    case OwnRegister.maskEnable:
      // Reading clears the flag (§7.1.7).
      defer { isReady = false }
      return mask | (isReady ? Self.conversionReady : 0)
    case OwnRegister.alertLimit: return alertLimit
    case OwnRegister.manufacturerID: return 0x5449
    case OwnRegister.dieID: return 0x2260
    default: return 0
    }
  }

  /// Equation 3: shunt counts times calibration over 2048.
  private var currentCounts: Int16 {
    Int16(clamping: Int(shuntCounts) * Int(calibration) / 2048)
  }

  override func shuntCounts(volts: Double) -> Int16 {
    // 2.5 µV a count (§7.1.2).
    Int16(min(max((volts / 2.5e-6).rounded(), -32768), 32767))
  }

  override func busCounts(volts: Double) -> UInt16 {
    UInt16(min(max((volts / INA226.voltsPerCount).rounded(), 0), 32767))
  }

  /// Time of one averaged result (tables 7-3...7-5).
  override var conversionNanoseconds: Int64 {
    let times: InlineArray<8, Int64> = [140, 204, 332, 588, 1100, 2116, 4156, 8244]
    let averages: InlineArray<8, Int64> = [1, 4, 16, 64, 128, 256, 512, 1024]
    let bus = configuration & Self.convertsBus != 0 ? times[Int(configuration >> 6 & 0b111)] : 0
    let shunt = configuration & Self.convertsShunt != 0 ? times[Int(configuration >> 3 & 0b111)] : 0
    // Mode 100 is power-down, as is 000: no conversion, and no time for shunt or bus.
    return max(bus + shunt, 1) * 1000 * averages[Int(configuration >> 9 & 0b111)]
  }
}
