import Devices
import HandModel
import Simulation
import Testing

/// Golden values: PCA9685 data sheet rev. 4, tables 4...6, §7.3.1.1, §7.3.3, §7.3.5.
@Suite struct PCA9685Tests {
  private let address = I2CAddress(0x40)

  private func makeDriver(_ bus: any I2CBus, hertz: Double = 1500) throws -> PCA9685 {
    try PCA9685(name: "test", bus: bus, frequencyHertz: hertz)
  }

  private func setDuty(_ driver: PCA9685, first: Int, _ counts: [UInt16]) throws {
    try driver.setDuty(first: first, counts: counts.span)
  }

  @Test(
    "the prescale is rounded and one less, and the frequency is the one that results",
    arguments: [
      (25_000_000.0, 50.0, UInt8(121), 50.03), (25_000_000, 1526, 3, 1525.88), (25_000_000, 333, 17, 339.08),
      (25_000_000, 200, 30, 196.89), (24_060_000, 50, 116, 50.21),
    ])
  func prescale(oscillator: Double, wanted: Double, prescale: UInt8, real: Double) throws {
    let bus = makeBus()
    let chip = SimulatedPCA9685(oscillatorHertz: oscillator)
    bus.attach(chip)
    let driver = try PCA9685(
      name: "test", bus: bus, oscillatorHertz: oscillator, frequencyHertz: wanted)
    #expect(driver.prescale == prescale)
    #expect(abs(driver.frequencyHertz - real) < 0.005)
    _ = try driver.configure()
    #expect(chip.frequencyHertz == driver.frequencyHertz)
  }

  @Test("frequencies out of the chip's range are refused", arguments: [10.0, 23.0, 1800, 5000])
  func refusesFrequency(hertz: Double) {
    #expect(throws: DeviceError.self) { _ = try makeDriver(makeBus(), hertz: hertz) }
  }

  @Test("power-on registers are those of the data sheet")
  func powerOn() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685())
    let golden: [(UInt8, UInt8)] = [
      (0x00, 0x11), (0x01, 0x04), (0x02, 0xE2), (0x03, 0xE4), (0x04, 0xE8), (0x05, 0xE0), (0x06, 0x00),
      (0x07, 0x00), (0x08, 0x00), (0x09, 0x10), (0x45, 0x10), (0xFA, 0x00), (0xFD, 0x00), (0xFE, 0x1E),
    ]
    for (register, value) in golden {
      #expect(try bus.readByteData(address, register: register) == value, "register \(register)")
    }
  }

  @Test("configuring sleeps, turns all off, sets the frequency and wakes with ALLCALL off")
  func configures() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedPCA9685())
    let bus = TranscriptBus(simulated)
    let ready = try makeDriver(bus, hertz: 50).configure()
    #expect(
      bus.takeTranscript()
        == ["40w 00 30", "40w fd 10", "40w fe 79", "40w fe r 79", "40w 01 04", "40w 00 20"])
    #expect(ready == simulated.timeNanoseconds + 500_000)
  }

  @Test("before configuring the chip answers at the multiplexers' default address, afterwards not")
  func allCall() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685())
    #expect(try bus.readByte(I2CAddress(0x70)) == 0x11)
    _ = try makeDriver(bus).configure()
    #expect(throws: I2CError.self) { _ = try bus.readByte(I2CAddress(0x70)) }
  }

  @Test("duties are blocks of at most eight channels, zero and full by their own bits")
  func blocks() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedPCA9685())
    let bus = TranscriptBus(simulated)
    let driver = try makeDriver(bus)
    _ = try driver.configure()
    _ = bus.takeTranscript()
    try setDuty(driver, first: 2, [0, 307, 4096, 4095])
    #expect(
      bus.takeTranscript()
        == ["40w 0e 00 00 00 10 00 00 33 01 00 10 00 00 00 00 ff 0f"])
    try setDuty(driver, first: 0, Array(repeating: 1, count: 15))
    let lines = bus.takeTranscript()
    #expect(lines.count == 2)
    #expect(lines[0] == "40w 06" + String(repeating: " 00 00 01 00", count: 8))
    #expect(lines[1] == "40w 26" + String(repeating: " 00 00 01 00", count: 7))
  }

  @Test("outputs show the duty that was set, at every edge of the range")
  func outputs() throws {
    let bus = makeBus()
    let chip = SimulatedPCA9685()
    bus.attach(chip)
    let driver = try makeDriver(bus)
    _ = try driver.configure()
    let duties: [UInt16] = [0, 1, 2, 255, 256, 257, 2047, 2048, 2049, 4094, 4095, 4096]
    try setDuty(driver, first: 0, duties)
    for (channel, duty) in duties.enumerated() {
      #expect(chip.duty(channel) == Double(duty) / 4096)
    }
    try driver.allOff()
    for channel in 0..<16 { #expect(chip.duty(channel) == 0) }
  }

  @Test("full-off wins over full-on")
  func fullOffWins() throws {
    let bus = makeBus()
    let chip = SimulatedPCA9685()
    bus.attach(chip)
    _ = try makeDriver(bus).configure()
    try bus.writeByteData(address, register: 0x07, 0x10)
    #expect(chip.duty(0) == 0)
    try bus.writeByteData(address, register: 0x09, 0x00)
    #expect(chip.duty(0) == 1)
    try bus.writeByteData(address, register: 0x09, 0x10)
    #expect(chip.duty(0) == 0)
  }

  @Test("the prescale is writable in sleep only, and never below 3")
  func prescaleLock() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685())
    try bus.writeByteData(address, register: 0xFE, 1)
    #expect(try bus.readByteData(address, register: 0xFE) == 3)
    try bus.writeByteData(address, register: 0x00, 0x20)
    try bus.writeByteData(address, register: 0xFE, 121)
    #expect(try bus.readByteData(address, register: 0xFE) == 3)
  }

  @Test("reserved bits read zero and ALL_LED writes spread to all channels")
  func registerBits() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685())
    try bus.writeByteData(address, register: 0x01, 0xFF)
    #expect(try bus.readByteData(address, register: 0x01) == 0x1F)
    try bus.writeByteData(address, register: 0x05, 0xFF)
    #expect(try bus.readByteData(address, register: 0x05) == 0xFE)
    try bus.writeByteData(address, register: 0xFB, 0xFF)
    for channel in UInt8(0)..<16 {
      #expect(try bus.readByteData(address, register: 0x07 + 4 * channel) == 0x1F)
    }
    #expect(try bus.readByteData(address, register: 0xFB) == 0)
    #expect(throws: I2CError.self) { try bus.writeByteData(address, register: 0x46, 0) }
  }

  @Test("auto-increment runs from LED15 to MODE1, and stays put when off")
  func autoIncrement() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685())
    #expect(try bus.readWordData(address, register: 0x45) == 0x1010)
    try bus.writeByteData(address, register: 0x00, 0x30)
    #expect(try bus.readWordData(address, register: 0x45) == 0x3010)
    #expect(try bus.readWordData(address, register: 0xFE) == 0x301E)
  }

  @Test("sleeping stops the outputs and sets RESTART; writing it after waking resumes them")
  func restart() throws {
    let bus = makeBus()
    let chip = SimulatedPCA9685()
    bus.attach(chip)
    let driver = try makeDriver(bus)
    _ = try driver.configure()
    try setDuty(driver, first: 0, [1000])
    try bus.writeByteData(address, register: 0x00, 0x30)
    #expect(try bus.readByteData(address, register: 0x00) == 0xB0)
    #expect(chip.duty(0) == 0)
    try bus.writeByteData(address, register: 0x00, 0x20)
    #expect(try bus.readByteData(address, register: 0x00) == 0xA0)
    #expect(chip.duty(0) == 0)
    try bus.writeByteData(address, register: 0x00, 0xA0)
    #expect(try bus.readByteData(address, register: 0x00) == 0x20)
    #expect(chip.duty(0) == 1000.0 / 4096)
  }

  @Test("configuring a chip that a killed process left running turns everything off")
  func configuresRunningChip() throws {
    let bus = makeBus()
    let chip = SimulatedPCA9685()
    bus.attach(chip)
    let first = try makeDriver(bus)
    _ = try first.configure()
    try setDuty(first, first: 0, Array(repeating: 2000, count: 16))
    let second = try makeDriver(bus, hertz: 50)
    _ = try second.configure()
    for channel in 0..<16 { #expect(chip.duty(channel) == 0) }
    try second.checkHealth()
    try setDuty(second, first: 3, [100])
    #expect(chip.duty(3) == 100.0 / 4096)
    #expect(chip.duty(4) == 0)
  }

  @Test(
    "a pulse has the count that the kernel's driver writes for it",
    arguments: [
      // (pulse, period, counts): DIV_ROUND_UP_ULL(4096 * duty_cycle, period) of drivers/pwm/pwm-pca9685.c in
      // Linux 6.12; 308 for 1.5 ms was read back from a chip behind that driver.
      (1_500_000, 20_000_000, 308), (1_500_000, 10_000_000, 615), (0, 20_000_000, 0), (1, 20_000_000, 1),
      (4_882, 20_000_000, 1), (4_883, 20_000_000, 2), (19_999_999, 20_000_000, 4096),
      (20_000_000, 20_000_000, 4096), (21_000_000, 20_000_000, 4096), (-1, 20_000_000, 0),
    ] as [(Int64, Int64, UInt16)])
  func kernelCounts(pulse: Int64, period: Int64, counts: UInt16) {
    #expect(PCA9685.counts(pulseNanoseconds: pulse, periodNanoseconds: period) == counts)
  }

  @Test("the health check finds a chip that was reset")
  func health() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685())
    let driver = try makeDriver(bus)
    _ = try driver.configure()
    try driver.checkHealth()
    // Software reset by general call (§7.6), as a brown-out would do.
    try bus.writeByte(I2CAddress(0), 0x06)
    do {
      try driver.checkHealth()
      Issue.record("a reset chip passed for a healthy one")
    } catch {
      guard case .readBackMismatch(_, 0x00, 0x20, 0x11) = error else {
        Issue.record("unexpected \(error)")
        return
      }
    }
  }
}
