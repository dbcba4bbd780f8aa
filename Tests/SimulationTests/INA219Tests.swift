import Devices
import HandModel
import Simulation
import Testing

/// Golden values: INA219 datasheet SBOS448: register set, PG bit settings and the register example (table 3 of revision F: 2 mΩ, 10 A, 12 V).
@Suite struct INA219Tests {
  private static let address = I2CAddress(0x40)

  private func makeChip(
    shuntOhms: Double = 0.002, amperes: Double = 10, volts: Double = 11.98
  ) -> SimulatedINA219 {
    SimulatedINA219(shuntOhms: shuntOhms, current: { _ in amperes }, busVolts: { _ in volts })
  }

  private func register(_ bus: SimulatedBus, _ register: UInt8) throws -> UInt16 {
    try bus.readWordData(Self.address, register: register).byteSwapped
  }

  @Test("the datasheet's example: shunt 07D0, bus 5D98, current 2710, power 1766 at calibration 5000")
  func example() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip())
    let sensor = try INA219(name: "test", bus: bus, shuntOhms: 0.002, maximumAmperes: 32.768)
    #expect(sensor.calibration == 0x5000)
    #expect(abs(sensor.amperesPerCount - 1e-3) < 1e-15)
    try sensor.identify()
    try sensor.configure()
    clock.set(2_000_000)
    #expect(try register(bus, 1) == 0x07D0)
    // CNVR besides.
    #expect(try register(bus, 2) == 0x5D98 | 0b10)
    #expect(try register(bus, 4) == 0x2710)
    #expect(try register(bus, 3) == 0x1766)
    #expect(abs(try sensor.readCurrentAmperes() - 10) < 1e-12)
    #expect(abs(try sensor.readBusVolts() - 11.98) < 1e-12)
  }

  @Test("power-on registers are those of the datasheet and reset restores them")
  func powerOn() throws {
    let bus = makeBus()
    bus.attach(makeChip())
    #expect(try register(bus, 0) == 0x399F)
    for number in UInt8(3)...5 { #expect(try register(bus, number) == 0) }
    // Bit 14 of the configuration and bit 0 of the calibration do not exist.
    try bus.writeWordData(Self.address, register: 0, UInt16(0x7FFF).byteSwapped)
    try bus.writeWordData(Self.address, register: 5, UInt16(0x1235).byteSwapped)
    #expect(try register(bus, 0) == 0x3FFF)
    #expect(try register(bus, 5) == 0x1234)
    try bus.writeWordData(Self.address, register: 0, UInt16(0x8000).byteSwapped)
    #expect(try register(bus, 0) == 0x399F)
    #expect(try register(bus, 5) == 0)
  }

  @Test(
    "the smallest shunt range that covers the current is set",
    arguments: [(0.4, UInt16(0x219F)), (0.8, 0x299F), (1.6, 0x319F), (3.2, 0x399F)])
  func ranges(amperes: Double, configuration: UInt16) throws {
    let sensor = try INA219(
      name: "test", bus: makeBus(), shuntOhms: 0.1, maximumAmperes: amperes)
    #expect(sensor.configuration == configuration)
  }

  @Test("a shunt voltage beyond the range is cut off at it", arguments: [(0.4, 4000), (0.8, 8000)])
  func clipping(maximum: Double, counts: Int16) throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip(shuntOhms: 0.1, amperes: -2))
    let sensor = try INA219(name: "test", bus: bus, shuntOhms: 0.1, maximumAmperes: maximum)
    try sensor.configure()
    clock.set(2_000_000)
    #expect(Int16(bitPattern: try register(bus, 1)) == -counts)
    #expect(abs(try sensor.readCurrentAmperes() + Double(counts) * 1e-4) < 2 * sensor.amperesPerCount)
  }

  @Test("CNVR comes 1.064 ms after the configuration and goes with a reading of the power")
  func conversionReady() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip())
    let sensor = try INA219(name: "test", bus: bus, shuntOhms: 0.002, maximumAmperes: 32.768)
    try sensor.configure()
    // The configuration was written at 38 µs; 2 · 532 µs later, at 1102 µs, both conversions are over.
    clock.set(1_102_000 - 48_000 - 1)
    #expect(try register(bus, 2) & 0b10 == 0)
    #expect(try register(bus, 2) & 0b10 != 0)
    _ = try register(bus, 3)
    #expect(try register(bus, 2) & 0b10 == 0)
  }

  @Test("a current that overflows its register, or a lost calibration, is not to be trusted")
  func health() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    let chip = makeChip(shuntOhms: 0.1, amperes: 0.5)
    bus.attach(chip)
    let sensor = try INA219(name: "test", bus: bus, shuntOhms: 0.1, maximumAmperes: 1)
    try sensor.configure()
    #expect(try !sensor.readIsUsable(), "before the first conversion")
    clock.set(2_000_000)
    #expect(try sensor.readIsUsable())
    // 5000 counts times the largest calibration: 80 000.
    try bus.writeWordData(Self.address, register: 5, UInt16(0xFFFE).byteSwapped)
    #expect(try register(bus, 2) & 1 == 1)
    #expect(try !sensor.readIsUsable())
    try sensor.configure()
    chip.powerCycle(at: clock.now())
    clock.set(10_000_000)
    #expect(try sensor.readCurrentAmperes() == 0, "what a brown-out makes of any current")
    #expect(try !sensor.readIsUsable())
  }

  @Test("an INA226 and a PCA9685 at the address are refused, a chip that this driver configured is not")
  func identity() throws {
    let others: [(SimulatedChip, UInt16)] = [
      (SimulatedINA226(shuntOhms: 0.1, current: { _ in 0 }, busVolts: { _ in 0 }), 0x4127),
      (SimulatedPCA9685(address: 0x40), 0x1111),
    ]
    for (chip, word) in others {
      let bus = makeBus()
      bus.attach(chip)
      let sensor = try INA219(name: "thumb", bus: bus, shuntOhms: 0.1, maximumAmperes: 1)
      do throws(DeviceError) {
        try sensor.identify()
        Issue.record("\(chip) passed for an INA219")
      } catch {
        guard case .wrongIdentity(let device, 0x00, 0x399F, word) = error else {
          Issue.record("unexpected \(error)")
          continue
        }
        #expect(device.description == "INA219 thumb")
      }
    }
    let bus = makeBus()
    bus.attach(makeChip())
    let sensor = try INA219(name: "test", bus: bus, shuntOhms: 0.1, maximumAmperes: 1)
    try sensor.configure()
    try sensor.identify()
  }

  @Test(
    "a shunt and a current that the chip cannot express are refused",
    arguments: [(0.1, 3.3), (0.05, 0.01), (1e-6, 1)])
  func unattainable(shuntOhms: Double, maximumAmperes: Double) {
    #expect(throws: DeviceError.self) {
      _ = try INA219(name: "test", bus: makeBus(), shuntOhms: shuntOhms, maximumAmperes: maximumAmperes)
    }
  }
}
