import Devices
import HandModel
import Simulation
import Synchronization
import Testing

/// Golden values: INA226 datasheet SBOS547, table 7-1 and the design example of §8.2 (2 mΩ, 10 A, 12 V).
@Suite struct INA226Tests {
  private func makeChip(
    shuntOhms: Double = 0.002, amperes: Double = 10, volts: Double = 11.98
  ) -> SimulatedINA226 {
    SimulatedINA226(shuntOhms: shuntOhms, current: { _ in amperes }, busVolts: { _ in volts })
  }

  @Test("the datasheet's example: calibration 2560 for 1 mA a count, shunt 8000, bus 9584, current 10000")
  func designExample() throws {
    let clock = VirtualClock()
    let simulated = makeBus(clock: clock)
    simulated.attach(makeChip())
    let bus = TranscriptBus(simulated)
    let sensor = try INA226(name: "test", bus: bus, shuntOhms: 0.002, maximumAmperes: 32.768)
    #expect(sensor.calibration == 2560)
    #expect(abs(sensor.amperesPerCount - 1e-3) < 1e-15)
    try sensor.identify()
    try sensor.configure()
    #expect(
      bus.takeTranscript()
        == [
          "40w fe r 54 49", "40w ff r 22 60", "40w 00 40 07", "40w 00 r 40 07", "40w 05 0a 00",
          "40w 05 r 0a 00",
        ])
    #expect(try !sensor.isConversionReady())
    // Conversions end every 280 µs after the configuration was written.
    clock.set(simulated.timeNanoseconds + 100_000)
    #expect(try sensor.isConversionReady())
    #expect(try !sensor.isConversionReady())
    let address = I2CAddress(0x40)
    #expect(try simulated.readWordData(address, register: 1).byteSwapped == 8000)
    #expect(try simulated.readWordData(address, register: 2).byteSwapped == 9584)
    #expect(try simulated.readWordData(address, register: 4).byteSwapped == 10_000)
    // 8000 · 2560 / 2048 = 10000 counts; power 10000 · 9584 / 20000 = 4792 = 119.8 W at 25 mW.
    #expect(try simulated.readWordData(address, register: 3).byteSwapped == 4792)
    #expect(abs(try sensor.readCurrentAmperes() - 10) < 1e-12)
    #expect(abs(try sensor.readBusVolts() - 11.98) < 1e-12)
  }

  @Test("power-on registers are those of the datasheet and reset restores them")
  func powerOn() throws {
    let bus = makeBus()
    bus.attach(makeChip())
    let address = I2CAddress(0x40)
    let expectPowerOn = { () throws in
      #expect(try bus.readWordData(address, register: 0).byteSwapped == 0x4127)
      for register in UInt8(1)...7 {
        #expect(try bus.readWordData(address, register: register) == 0)
      }
    }
    try expectPowerOn()
    try bus.writeWordData(address, register: 5, UInt16(2560).byteSwapped)
    try bus.writeWordData(address, register: 0, UInt16(0x8000).byteSwapped)
    try expectPowerOn()
  }

  @Test("a negative current reads negative")
  func negativeCurrent() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip(shuntOhms: 0.05, amperes: -0.4))
    let sensor = try INA226(name: "test", bus: bus, shuntOhms: 0.05, maximumAmperes: 1.5)
    try sensor.configure()
    clock.set(1_000_000)
    // One shunt count is 50 µA here.
    #expect(abs(try sensor.readCurrentAmperes() + 0.4) < 100e-6)
  }

  @Test("a result stands until the next conversion is over")
  func conversionTime() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(
      SimulatedINA226(
        shuntOhms: 0.05, current: { now in Double(now) * 1e-9 }, busVolts: { _ in 12 }))
    let sensor = try INA226(name: "test", bus: bus, shuntOhms: 0.05, maximumAmperes: 1.5)
    try sensor.configure()
    // Configured at 38 µs: conversions end at 38 + 280 n µs, the last before this read's end (500 048 µs) at
    // 499 838 and the next one at 500 118.
    clock.set(500_000_000)
    let first = try sensor.readCurrentAmperes()
    let again = try sensor.readCurrentAmperes()
    let next = try sensor.readCurrentAmperes()
    // One count of the shunt is 50 µA, and the calibration truncates another count.
    #expect(abs(first - 0.499838) < 100e-6)
    #expect(again == first)
    #expect(abs(next - 0.500118) < 100e-6)
  }

  @Test("another chip at the address is refused by its identity")
  func identity() throws {
    let bus = makeBus()
    bus.attach(SimulatedPCA9685(address: 0x40))
    let sensor = try INA226(name: "thumb", bus: bus, shuntOhms: 0.05, maximumAmperes: 1.5)
    // A PCA9685 answers 0x1E (PRE_SCALE) and, without auto-increment, again.
    do {
      try sensor.identify()
      Issue.record("a PCA9685 passed for an INA226")
    } catch {
      guard case .wrongIdentity(let device, 0xFE, 0x5449, 0x1E1E) = error else {
        Issue.record("unexpected \(error)")
        return
      }
      #expect(device.description == "INA226 thumb")
    }
  }

  @Test(
    "a shunt and a current that the calibration register cannot express are refused",
    arguments: [(0.05, 0.01), (0.5, 50_000.0)])
  func unattainable(shuntOhms: Double, maximumAmperes: Double) {
    let bus = makeBus()
    #expect(throws: DeviceError.self) {
      _ = try INA226(name: "test", bus: bus, shuntOhms: shuntOhms, maximumAmperes: maximumAmperes)
    }
  }
}
