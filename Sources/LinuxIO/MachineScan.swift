import Devices
import HandModel

/// What a machine has: `motorhand scan`. Addresses are probed by reading, never by writing.
package struct MachineScan: Codable, Sendable {
  /// An I2C adapter and who answers on it.
  package struct Bus: Codable, Sendable {
    /// Device node, such as `/dev/i2c-1`.
    package var device: String
    /// The driver's name for the adapter; not always unique.
    package var name: String
    /// Nil on machines without a device tree.
    package var deviceTreePath: String?
    /// Kernel driver of the controller; nil for virtual adapters.
    package var driver: String?
    /// Clock of the wire by the device tree; nil where it does not say.
    package var clockHertz: Int?
    /// In the order of addresses.
    package var answers: [Answer]
    /// Why it could not be scanned, or not to the end.
    package var problem: String?
  }
  /// An address that answered.
  package struct Answer: Codable, Sendable, Equatable {
    /// 0x08...0x77.
    package var address: Int
    /// The chip it probably is, or what it may be.
    package var chip: String
  }
  /// A GPIO chip.
  package struct GPIO: Codable, Sendable {
    /// Device node, such as `/dev/gpiochip0`.
    package var device: String
    /// The driver's name for the chip.
    package var label: String
    /// Lines of the chip.
    package var lineCount: Int
    /// Lines with a name.
    package var namedLineCount: Int
    /// Lines that somebody holds.
    package var usedLineCount: Int
  }
  /// A PWM chip of the kernel's.
  package struct PWM: Codable, Sendable {
    /// Its directory under /sys/class/pwm.
    package var device: String
    /// Path of its controller under /sys/devices.
    package var path: String
    /// Its outputs.
    package var channelCount: Int
  }

  package var buses: [Bus]
  package var gpioChips: [GPIO]
  package var pwmChips: [PWM]
  /// GPIO nodes that could not be asked, with the reason.
  package var problems: [String]

  /// 0x00–0x07 and 0x78–0x7F are reserved (UM10204 §3.1.12).
  private static let addresses: ClosedRange<UInt8> = 0x08...0x77

  /// Looks at everything. What cannot be asked goes to `problems`.
  package init(in tree: SystemTree = .machine) {
    buses = I2CAdapter.all(in: tree).map { Self.scan($0, in: tree) }
    let inventory = GPIOChip.all(in: tree)
    gpioChips = inventory.chips.map { chip in
      GPIO(
        device: chip.node, label: chip.label, lineCount: chip.lines.count,
        namedLineCount: chip.lines.count { !$0.name.isEmpty },
        usedLineCount: chip.lines.count { $0.consumer != nil })
    }
    problems = inventory.failures.map {
      HardwareError(part: $0.node, path: $0.node, $0.cause, in: tree).description
    }
    pwmChips = PWMChip.all(in: tree).map {
      PWM(device: $0.directory, path: $0.devicePath, channelCount: $0.channelCount)
    }
  }

  private static func scan(_ adapter: I2CAdapter, in tree: SystemTree) -> Bus {
    var result = Bus(
      device: adapter.node, name: adapter.name, deviceTreePath: adapter.deviceTreePath,
      driver: adapter.driver,
      clockHertz: adapter.deviceTreeClockHertz(in: tree), answers: [], problem: nil)
    let bus: LinuxI2CBus
    do throws(HardwareError) {
      bus = try LinuxI2CBus(name: "i2c-\(adapter.number)", device: "/dev/i2c-\(adapter.number)", in: tree)
    } catch {
      result.problem = "\(error.found); \(error.remedy)"
      return result
    }
    for address in addresses {
      do throws(I2CError) {
        _ = try bus.readByte(I2CAddress(address))
        result.answers.append(Answer(address: Int(address), chip: identify(address, bus)))
      } catch {
        switch error.failure {
        case .nack, .busError, .arbitrationLost: continue
        case .addressClaimed:
          result.answers.append(
            Answer(address: Int(address), chip: "kernel driver \(error.kernelDriver ?? "unknown")"))
        case .busFault:
          // Each further address would cost another time-out.
          result.problem = "\(error); free the bus: motorhand recover BOARD BUS"
          return result
        }
      }
    }
    return result
  }

  /// What a chip at this address probably is.
  ///
  /// Registers are read only at 0x41 to 0x47. Reading a register first sends its number, and some chips at
  /// other addresses take a first byte for a command (multiplexers at 0x70, DACs at 0x60, converters at 0x48
  /// and 0x68, humidity sensors at 0x40, which 0xFE resets).
  private static func identify(_ address: UInt8, _ bus: LinuxI2CBus) -> String {
    switch address {
    case 0x06: "MT6701"
    case 0x36: "AS5600"
    case 0x40: "PCA9685, INA219, INA226, INA260, AS5600L or AS5048B"
    case 0x41...0x47: identifyCurrentSensor(address, bus)
    case 0x48...0x4B: "ADS1115, ADS7830 or INA2xx"
    case 0x4C...0x4F: "INA2xx or PCA9685"
    case 0x5A...0x5D: "MPR121 or PCA9685"
    case 0x68, 0x69: "MPU6050, a clock, or PCA9685"
    case 0x6A, 0x6B: "LSM6DS3, LSM6DSO or PCA9685"
    case 0x70: "TCA9548A, or ALLCALL of a PCA9685"
    case 0x71...0x77: "TCA9548A or PCA9685"
    default: "unknown"
    }
  }

  /// Manufacturer and die ID of Texas Instruments (INA226 datasheet SBOS547, INA260 SBOS656).
  private static func identifyCurrentSensor(_ address: UInt8, _ bus: LinuxI2CBus) -> String {
    func word(_ register: UInt8) -> UInt16? {
      do throws(I2CError) {
        return try bus.readWordData(I2CAddress(address), register: register).byteSwapped
      } catch { return nil }
    }
    guard word(0xFE) == 0x5449 else { return "PCA9685, INA219 or AS5048B" }
    return switch word(0xFF) {
    case 0x2260: "INA226"
    case 0x2270: "INA260"
    default: "a Texas Instruments current sensor"
    }
  }
}
