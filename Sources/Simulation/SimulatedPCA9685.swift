import Devices

/// What is wired to a PWM output.
protocol PWMLoad: AnyObject {
  /// The output has a new duty (0...1) from `now` on, in pulses of this period.
  func outputChanged(duty: Double, periodNanoseconds: Double, at now: Int64)
}

/// A PCA9685 (data sheet rev. 4). The external clock is not connected.
package final class SimulatedPCA9685: SimulatedChip {
  private enum Register {
    static let mode1: UInt8 = 0x00
    static let mode2: UInt8 = 0x01
    static let subaddress1: UInt8 = 0x02
    static let allCallAddress: UInt8 = 0x05
    static let firstChannel: UInt8 = 0x06
    static let lastChannel: UInt8 = 0x45
    static let allChannelsFirst: UInt8 = 0xFA
    static let allChannelsLast: UInt8 = 0xFD
    static let prescale: UInt8 = 0xFE
    static let testMode: UInt8 = 0xFF
  }

  private enum Mode1 {
    static let allCall: UInt8 = 1 << 0
    static let sleep: UInt8 = 1 << 4
    static let autoIncrement: UInt8 = 1 << 5
    static let restart: UInt8 = 1 << 7
    /// All but RESTART, which has rules of its own, and EXTCLK.
    static let writable: UInt8 = 0b0011_1111
  }

  private enum Mode2 {
    static let changeOnAcknowledge: UInt8 = 1 << 3
    static let invert: UInt8 = 1 << 4
    static let writable: UInt8 = 0b0001_1111
  }

  private static let full: UInt8 = 1 << 4
  /// LED registers: bits 7...5 of the high bytes are reserved and read 0 (§7.3.3).
  private static let highByteBits: UInt8 = 0x1F

  /// The chip's own oscillator: 25 MHz nominal, no two alike.
  package let oscillatorHertz: Double
  private var registers = InlineArray<256, UInt8>(repeating: 0)
  private var pointer: UInt8 = 0
  private var expectsPointer = false
  private var isGeneralCall = false
  /// Channels whose registers were written since outputs last changed.
  private var changedChannels: UInt16 = 0
  /// When the oscillator runs again after a wake-up.
  private var oscillatorStart: Int64 = 0
  private var loads: [(any PWMLoad)?] = Array(repeating: nil, count: PCA9685.channelCount)

  /// A chip just powered on: asleep, all channels off. `oscillatorHertz` is what its oscillator really does.
  package init(address: UInt8 = PCA9685.defaultAddress, oscillatorHertz: Double = 25_000_000) {
    self.oscillatorHertz = oscillatorHertz
    super.init(address: address, hasGroupAddresses: true)
    powerOn()
  }

  /// The PWM frequency that PRE_SCALE and the chip's own oscillator give (§7.3.5).
  package var frequencyHertz: Double {
    oscillatorHertz / (4096 * (Double(registers[Int(Register.prescale)]) + 1))
  }

  /// A register as a read would show it, without a transfer.
  package func register(_ number: UInt8) -> UInt8 { registers[Int(number)] }

  /// Duty of an output, 0...1, as its registers say and if the oscillator runs.
  package func duty(_ channel: Int) -> Double {
    let isStopped = registers[Int(Register.mode1)] & (Mode1.sleep | Mode1.restart) != 0
    let duty = isStopped ? 0 : registeredDuty(channel)
    return registers[Int(Register.mode2)] & Mode2.invert != 0 ? 1 - duty : duty
  }

  func connect(_ load: any PWMLoad, channel: Int) {
    loads[channel] = load
  }

  /// What a brown-out leaves: every register as at power-on. The chip's own thread only.
  package func powerCycle(at now: Int64) {
    powerOn()
    changeOutputs(at: now)
  }

  /// Table 4, defaults; also what the software reset (general call, 0x06) does.
  private func powerOn() {
    for index in 0..<256 { registers[index] = 0 }
    registers[Int(Register.mode1)] = Mode1.sleep | Mode1.allCall
    registers[Int(Register.mode2)] = 0x04
    registers[0x02] = 0xE2
    registers[0x03] = 0xE4
    registers[0x04] = 0xE8
    registers[0x05] = 0xE0
    for channel in 0..<PCA9685.channelCount { registers[offHigh(channel)] = Self.full }
    registers[Int(Register.prescale)] = 0x1E
    changedChannels = .max
  }

  // MARK: The wire

  override func acknowledgesGroupCall(_ wanted: UInt8) -> Bool {
    let mode = registers[Int(Register.mode1)]
    // SUB1, SUB2, SUB3 are bits 3, 2, 1 of MODE1 and registers 2, 3, 4; ALLCALL is bit 0 and register 5.
    for index in 0..<4 where mode & (1 << (3 - UInt8(index))) != 0 {
      if registers[2 + index] >> 1 == wanted { return true }
    }
    return wanted == 0
  }

  override func beginWrite(to address: UInt8, at now: Int64) {
    expectsPointer = true
    isGeneralCall = address == 0
  }

  override func receive(_ byte: UInt8, at now: Int64) -> Bool {
    if isGeneralCall {
      // SWRST, §7.6.
      if byte == 0x06 { powerOn() }
      return byte == 0x06
    }
    if expectsPointer {
      expectsPointer = false
      pointer = byte
      return Self.isImplemented(byte)
    }
    guard Self.isImplemented(pointer) else { return false }
    write(pointer, byte, at: now)
    advancePointer()
    return true
  }

  override func send(at now: Int64) -> UInt8 {
    defer { advancePointer() }
    // ALL_LED registers read zero (table 4), and nothing ever stores there.
    return registers[Int(pointer)]
  }

  override func stop(at now: Int64) {
    changeOutputs(at: now)
  }

  private func advancePointer() {
    guard registers[Int(Register.mode1)] & Mode1.autoIncrement != 0 else { return }
    // Table 4, remarks: past LED15_OFF_H and past PRE_SCALE it points to MODE1.
    pointer = pointer == Register.lastChannel || pointer >= Register.prescale ? 0 : pointer + 1
  }

  private static func isImplemented(_ register: UInt8) -> Bool {
    register <= Register.lastChannel || register >= Register.allChannelsFirst
  }

  // MARK: Registers

  private func write(_ register: UInt8, _ byte: UInt8, at now: Int64) {
    switch register {
    case Register.mode1: writeMode1(byte, at: now)
    case Register.mode2:
      registers[Int(register)] = byte & Mode2.writable
      changedChannels = .max
    case Register.subaddress1...Register.allCallAddress:
      registers[Int(register)] = byte & 0xFE
    case Register.firstChannel...Register.lastChannel:
      store(channel: Int(register - Register.firstChannel) / 4, part: (register - 2) % 4, byte)
      changeOutputsEarly(part: (register - 2) % 4, at: now)
    case Register.allChannelsFirst...Register.allChannelsLast:
      let part = register - Register.allChannelsFirst
      for channel in 0..<PCA9685.channelCount { store(channel: channel, part: part, byte) }
      changeOutputsEarly(part: part, at: now)
    case Register.prescale:
      // §7.3.5: blocked while awake; hardware forces at least 3.
      if registers[Int(Register.mode1)] & Mode1.sleep != 0 { registers[Int(register)] = max(byte, 3) }
    default: break
    }
  }

  private func writeMode1(_ byte: UInt8, at now: Int64) {
    let old = registers[Int(Register.mode1)]
    var new = byte & Mode1.writable | old & Mode1.restart
    if old & Mode1.sleep == 0, new & Mode1.sleep != 0, anyChannelActive {
      new |= Mode1.restart
    }
    if old & Mode1.sleep != 0, new & Mode1.sleep == 0 {
      oscillatorStart = now + PCA9685.wakeNanoseconds
    }
    // Writing 1 to RESTART while awake resumes the channels and clears it (§7.3.1.1).
    if byte & Mode1.restart != 0, new & Mode1.sleep == 0 { new &= ~Mode1.restart }
    registers[Int(Register.mode1)] = new
    changedChannels = .max
  }

  private func store(channel: Int, part: UInt8, _ byte: UInt8) {
    let isHighByte = part % 2 == 1
    registers[Int(Register.firstChannel) + 4 * channel + Int(part)] =
      isHighByte ? byte & Self.highByteBits : byte
    changedChannels |= 1 << UInt16(channel)
    // Any write to a PWM register ends a pending restart (§7.3.1.1).
    if registers[Int(Register.mode1)] & Mode1.restart != 0 {
      registers[Int(Register.mode1)] &= ~Mode1.restart
      changedChannels = .max
    }
  }

  // MARK: Outputs

  /// OCH = 1: outputs change at the acknowledge of a channel's last register (§7.3.2, note 1).
  private func changeOutputsEarly(part: UInt8, at now: Int64) {
    if part == 3, registers[Int(Register.mode2)] & Mode2.changeOnAcknowledge != 0 { changeOutputs(at: now) }
  }

  private func changeOutputs(at now: Int64) {
    let time = max(now, oscillatorStart)
    while changedChannels != 0 {
      let channel = changedChannels.trailingZeroBitCount
      changedChannels &= changedChannels - 1
      loads[channel]?.outputChanged(
        duty: duty(channel), periodNanoseconds: 1e9 / frequencyHertz, at: time)
    }
  }

  private var anyChannelActive: Bool {
    for channel in 0..<PCA9685.channelCount where registeredDuty(channel) > 0 { return true }
    return false
  }

  private func registeredDuty(_ channel: Int) -> Double {
    let base = Int(Register.firstChannel) + 4 * channel
    let onHigh = registers[base + 1]
    let offHigh = registers[base + 3]
    if offHigh & Self.full != 0 { return 0 }
    if onHigh & Self.full != 0 { return 1 }
    let on = Int(onHigh & 0x0F) << 8 | Int(registers[base])
    let off = Int(offHigh & 0x0F) << 8 | Int(registers[base + 2])
    return Double((off - on) & 0x0FFF) / Double(PCA9685.countsPerPeriod)
  }

  private func offHigh(_ channel: Int) -> Int { Int(Register.firstChannel) + 4 * channel + 3 }
}
