import HandModel

/// Driver of the NXP PCA9685, a 16-channel 12-bit PWM chip (data sheet rev. 4).
///
/// Outputs change at the STOP of a transfer (§7.3.2, OCH = 0), so all channels of one block change together
/// and no channel is ever seen with one new and one old byte.
package final class PCA9685 {
  /// Address with A5...A0 low.
  package static let defaultAddress: UInt8 = 0x40
  /// PWM outputs, 0...15.
  package static let channelCount = 16
  /// Counts in a period; as a duty it means always on.
  package static let countsPerPeriod: UInt16 = 4096
  /// Channels that one block write (32 bytes, the SMBus limit) can carry: a channel takes 4.
  package static let channelsPerBlock = 8
  /// The oscillator needs 500 µs after SLEEP is cleared (§7.3.1, note 2).
  package static let wakeNanoseconds: Int64 = 500_000

  /// Register map, table 4.
  enum Register: UInt8 {
    case mode1 = 0x00
    case mode2 = 0x01
    case channel0 = 0x06
    case allChannelsOffHigh = 0xFD
    case prescale = 0xFE
  }

  /// MODE1, table 5.
  enum Mode1 {
    static let allCall: UInt8 = 1 << 0
    static let sleep: UInt8 = 1 << 4
    static let autoIncrement: UInt8 = 1 << 5
    static let restart: UInt8 = 1 << 7
  }

  /// OUTDRV of MODE2, table 6: totem pole, as H-bridges' logic inputs want it.
  static let totemPole: UInt8 = 1 << 2
  /// Bit 4 of LEDn_ON_H: always on; of LEDn_OFF_H: always off, which wins (§7.3.3).
  static let full: UInt8 = 1 << 4

  /// The value of PRE_SCALE: round(fosc / (4096 · f)) − 1 (§7.3.5, equation 1).
  package let prescale: UInt8
  /// The frequency that really results.
  package let frequencyHertz: Double

  /// Name from the board file.
  package var name: String { port.device.name }

  private let port: DevicePort

  /// - Parameters:
  ///   - oscillatorHertz: the chip's own oscillator as measured; nominal 25 MHz, off by up to
  ///     8 % in practice.
  ///   - frequencyHertz: the wanted PWM frequency.
  package init(
    name: String, bus: any I2CBus, address: UInt8 = PCA9685.defaultAddress,
    oscillatorHertz: Double = 25_000_000, frequencyHertz: Double
  ) throws(DeviceError) {
    let device = DeviceName(chip: "PCA9685", name: name)
    port = DevicePort(device: device, bus: bus, address: I2CAddress(address))
    let wanted = PCA9685Facts.prescale(oscillatorHertz: oscillatorHertz, frequencyHertz: frequencyHertz)
    let possible = PCA9685Facts.prescales
    func frequency(_ prescale: Double) -> Double {
      PCA9685Facts.frequencyHertz(oscillatorHertz: oscillatorHertz, prescale: prescale)
    }
    guard possible.contains(wanted) else {
      let (slowest, fastest) = (frequency(possible.upperBound), frequency(possible.lowerBound))
      throw .unattainable(
        device, setting: "PWM frequency", value: frequencyHertz, allowed: slowest...fastest)
    }
    prescale = UInt8(wanted)
    self.frequencyHertz = frequency(wanted)
  }

  /// Brings the chip from any state to: awake, all channels off, frequency set, ALLCALL off (its power-on
  /// address is that of a TCA9548A). Returns the time, on the bus's clock, from which outputs may be used.
  /// Throws `readBackMismatch` when the frequency does not read back.
  package func configure() throws(DeviceError) -> Int64 {
    // PRE_SCALE is writable only in SLEEP (§7.3.5).
    try port.writeRegister(Register.mode1.rawValue, Mode1.sleep | Mode1.autoIncrement)
    try allOff()
    try port.writeAndVerify(Register.prescale.rawValue, prescale)
    try port.writeRegister(Register.mode2.rawValue, Self.totemPole)
    try port.writeRegister(Register.mode1.rawValue, Mode1.autoIncrement)
    return port.bus.timeNanoseconds + Self.wakeNanoseconds
  }

  /// The duty, in counts, of a pulse in a period: ⌈4096 · pulse / period⌉.
  ///
  /// Rounded up as the kernel's driver does (drivers/pwm/pwm-pca9685.c of Linux 6.12), so that either of the
  /// two puts the same numbers into the chip's registers. The period is the wanted one, as in that driver:
  /// the rounding of PRE_SCALE makes pulses longer or shorter by up to 0.4 % at 50 Hz.
  package static func counts(pulseNanoseconds: Int64, periodNanoseconds: Int64) -> UInt16 {
    let pulse = min(max(pulseNanoseconds, 0), periodNanoseconds)
    return UInt16((Int64(countsPerPeriod) * pulse + periodNanoseconds - 1) / periodNanoseconds)
  }

  /// Sets channels `first`, `first` + 1, … to duties of 0...4096 counts, in blocks of eight channels.
  ///
  /// Zero uses the full-off bit and 4096 the full-on bit: 12 bits cannot express either without one count of
  /// the other level.
  package func setDuty(first channel: Int, counts: Span<UInt16>) throws(DeviceError) {
    precondition(
      channel >= 0 && channel + counts.count <= Self.channelCount, "a PCA9685 has channels 0...15")
    var done = 0
    while done < counts.count {
      let blockCount = min(counts.count - done, Self.channelsPerBlock)
      var bytes = InlineArray<32, UInt8>(repeating: 0)
      for index in 0..<blockCount {
        let duty = counts[done + index]
        precondition(duty <= Self.countsPerPeriod, "a duty has 0...4096 counts")
        // ON_L and ON_L's high bits stay 0: every pulse starts with the period.
        let base = 4 * index
        switch duty {
        case 0: bytes[base + 3] = Self.full
        case Self.countsPerPeriod: bytes[base + 1] = Self.full
        default:
          bytes[base + 2] = UInt8(truncatingIfNeeded: duty)
          bytes[base + 3] = UInt8(truncatingIfNeeded: duty >> 8)
        }
      }
      let register = Register.channel0.rawValue + UInt8(4 * (channel + done))
      try port.writeBlock(register, bytes.span.extracting(0..<4 * blockCount))
      done += blockCount
    }
  }

  /// Turns every channel off in one short transfer (§7.3.4, ALL_LED_OFF_H).
  package func allOff() throws(DeviceError) {
    try port.writeRegister(Register.allChannelsOffHigh.rawValue, Self.full)
  }

  /// Reads MODE1 back. Throws `readBackMismatch` when the chip is not as `configure` left it, as after a
  /// brown-out, which puts it to sleep with its outputs off.
  package func checkHealth() throws(DeviceError) {
    let found = try port.readRegister(Register.mode1.rawValue)
    // RESTART may be set until the first duty is written after a sleep (§7.3.1.1): that is no fault.
    guard found & ~Mode1.restart == Mode1.autoIncrement else {
      throw .readBackMismatch(
        port.device, register: Register.mode1.rawValue, wrote: UInt16(Mode1.autoIncrement),
        found: UInt16(found))
    }
  }
}
