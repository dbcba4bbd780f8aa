extension Board {
  /// Limits of a board file; docs/board-file.md lists them.
  enum FileLimits {
    /// Below 10 Hz no hand is controllable, above 10 kHz no bus delivers a sample a tick.
    static let rateHertz = 10...10_000
    /// The window product needs many ticks to mean anything and is kept in fixed memory.
    static let windowSeconds = NumberRange.from(0.1, to: 10)
    static let windowTicks = 100_000
    static let timeoutMilliseconds = NumberRange.positive(upTo: 10_000)
    /// Sample ages are recorded in 32 bits of nanoseconds.
    static let staleMilliseconds = NumberRange.positive(upTo: 1000)
    /// From slow software buses to fast-mode plus, the fastest any chip here allows.
    static let clockHertz = 10_000...1_000_000
    static let overheadMicroseconds = NumberRange.from(0, to: 10_000)
    static let buses = 1...32
    static let chips = 64
    /// TCA9548A: three address pins.
    static let multiplexerAddress = 0x70...0x77
    /// AS5600 and MT6701: fixed. AS5600L: programmable, every address that I2C does not reserve. AS5048B: two
    /// address pins; its programmable upper bits are left as delivered.
    static func encoderAddress(_ chip: EncoderChip) -> ClosedRange<Int> {
      switch chip {
      case .as5600: 0x36...0x36
      case .as5600L: 0x08...0x77
      case .as5048B: 0x40...0x43
      case .mt6701: 0x06...0x06
      }
    }
    /// INA226 and INA219: two address pins with four levels each.
    static let currentSensorAddress = 0x40...0x4F
    /// ADS1115: one address pin with four levels. ADS7830: two address pins.
    static let converterAddress = 0x48...0x4B
    /// MPU6050: one address pin.
    static let imuAddress = 0x68...0x69
    /// ADS7830: 50 mV to the supply, of at most 5.25 V (datasheet SBAS302, electrical characteristics).
    static let referenceVolts = NumberRange.from(0.05, to: 5.25)
    /// PCA9685: six address pins.
    static let pwmAddress = 0x40...0x7F
    static let shuntOhms = NumberRange.positive(upTo: 10)
    static let amperes = NumberRange.positive(upTo: 100)
    static let newtonsPerVolt = NumberRange.positive(upTo: 10_000)
    /// PCA9685: what prescale values of 3 to 255 give at 25 MHz.
    static let pwmHertz = NumberRange.from(24, to: 1526)
    /// PCA9685: oscillators measured on real boards spread this far about 25 MHz (docs/hardware.md).
    static let oscillatorHertz = NumberRange.from(23e6, to: 27e6)
    /// 100 kHz is the fastest that a bridge here takes (TB6612).
    static let sysfsHertz = NumberRange.from(1, to: 100_000)
    /// Frames that servos take: 50 Hz is every servo's, 333 Hz the fastest digital ones' (docs/hardware.md).
    static let servoHertz = 50.0...333
    static let channels = 0...15
  }
}
