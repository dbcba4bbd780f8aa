// What a board file must know of the chips that it names. The drivers use it too: nothing of it is said
// twice.

extension EncoderChip {
  /// Counts in a turn: 12 bits, or 14.
  package var countsPerTurn: Int {
    switch self {
    case .as5600, .as5600L: 4096
    case .as5048B, .mt6701: 16_384
    }
  }

  /// Whether the chip can say anything of its magnet over I2C.
  package var reportsHealth: Bool {
    switch self {
    case .as5600, .as5600L, .as5048B: true
    case .mt6701: false
    }
  }

  /// AS5600 and MT6701: fixed. AS5600L: programmable, every address that I2C does not reserve. AS5048B: two
  /// address pins; its programmable upper bits are left as delivered.
  package var addresses: ClosedRange<Int> {
    switch self {
    case .as5600: 0x36...0x36
    case .as5600L: 0x08...0x77
    case .as5048B: 0x40...0x43
    case .mt6701: 0x06...0x06
    }
  }
}

extension CurrentSensorChip {
  /// INA226 and INA219: two address pins with four levels each.
  package var addresses: ClosedRange<Int> { 0x40...0x4F }
}

extension ForceSensorChip {
  /// ADS1115: one address pin with four levels. ADS7830: two address pins.
  package var addresses: ClosedRange<Int> { 0x48...0x4B }
}

extension IMUChip {
  /// MPU6050: one address pin.
  package var addresses: ClosedRange<Int> { 0x68...0x69 }
}

extension MultiplexerSpec {
  /// TCA9548A: three address pins.
  package static let addresses = 0x70...0x77
}

/// NXP PCA9685 (data sheet rev. 4).
package enum PCA9685Facts {
  /// Six address pins.
  package static let addresses = 0x40...0x7F
  /// PRE_SCALE: hardware forces a minimum of 3 (§7.3.5).
  package static let prescales: ClosedRange<Double> = 3...255
  /// What these prescales give at 25 MHz, rounded inwards.
  package static let frequencyHertz = 24.0...1526
  /// Oscillators measured on real boards spread this far about 25 MHz (docs/hardware.md).
  package static let oscillatorHertz = 23e6...27e6

  /// round(fosc / (4096 · f)) − 1 (§7.3.5, equation 1), which may lie outside `prescales`.
  package static func prescale(oscillatorHertz: Double, frequencyHertz: Double) -> Double {
    (oscillatorHertz / (4096 * frequencyHertz)).rounded() - 1
  }

  /// The frequency that a prescale gives.
  package static func frequencyHertz(oscillatorHertz: Double, prescale: Double) -> Double {
    oscillatorHertz / (4096 * (prescale + 1))
  }
}
