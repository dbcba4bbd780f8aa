import Devices
import HandModel
import Simulation
import Testing

/// Golden values: ADS1115 datasheet SBAS444, §8.1.
@Suite struct ADS1115Tests {
  private func makeChip(_ volts: [Double]) -> SimulatedADS1115 {
    SimulatedADS1115(inputs: volts.map { value in { @Sendable _ in value } })
  }

  @Test("power-on registers are those of the datasheet")
  func powerOn() throws {
    let bus = makeBus()
    bus.attach(makeChip([0, 0, 0, 0]))
    let address = I2CAddress(0x48)
    #expect(try bus.readWordData(address, register: 0).byteSwapped == 0)
    #expect(try bus.readWordData(address, register: 1).byteSwapped == 0x8583)
    #expect(try bus.readWordData(address, register: 2).byteSwapped == 0x8000)
    #expect(try bus.readWordData(address, register: 3).byteSwapped == 0x7FFF)
  }

  @Test(
    "a conversion starts with its input, ± 4.096 V, single shot, 860 samples a second",
    arguments: [(UInt8(0), "48w 01 c3 e3"), (1, "48w 01 d3 e3"), (2, "48w 01 e3 e3"), (3, "48w 01 f3 e3")])
  func startTranscript(input: UInt8, line: String) throws {
    let simulated = makeBus()
    simulated.attach(makeChip([0, 0, 0, 0]))
    let bus = TranscriptBus(simulated)
    try ADS1115(name: "test", bus: bus).startConversion(input: input)
    #expect(bus.takeTranscript() == [line])
  }

  @Test("a result is refused until its conversion must be over, and then belongs to its own input")
  func waitsOneConversion() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip([0.5, 1.0, 2.0, -0.25]))
    let converter = ADS1115(name: "test", bus: bus)
    // 1/860 s + 10 % + 25 µs.
    #expect(converter.conversionNanoseconds == 1_304_069)
    for (input, counts) in [(UInt8(0), Int16(4000)), (3, -2000), (2, 16_000), (1, 8000)] {
      try converter.startConversion(input: input)
      let due = bus.timeNanoseconds + converter.conversionNanoseconds
      #expect(!converter.isDue(at: due - 1))
      #expect(converter.isDue(at: due))
      let transfers = bus.transferCount
      #expect(throws: DeviceError.self) { _ = try converter.readConversion() }
      #expect(bus.transferCount == transfers)
      #expect(try !converter.isConversionReady())
      clock.set(due)
      #expect(try converter.isConversionReady())
      let result = try converter.readConversion()
      #expect(result == counts)
      #expect(ADS1115.volts(result) == Double(counts) * 125e-6)
      // A result is given once.
      #expect(throws: DeviceError.self) { _ = try converter.readConversion() }
    }
  }

  @Test("the conversion register keeps the input before until the conversion is over")
  func oldResultUntilDone() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip([1.0, 2.0, 0, 0]))
    let address = I2CAddress(0x48)
    try bus.writeWordData(address, register: 1, UInt16(0xC3E3).byteSwapped)
    clock.set(2_000_000)
    #expect(try bus.readWordData(address, register: 0).byteSwapped == 8000)
    try bus.writeWordData(address, register: 1, UInt16(0xD3E3).byteSwapped)
    #expect(try bus.readWordData(address, register: 0).byteSwapped == 8000)
    #expect(try bus.readWordData(address, register: 1).byteSwapped == 0x53E3)
    clock.set(4_000_000)
    #expect(try bus.readWordData(address, register: 0).byteSwapped == 16_000)
    #expect(try bus.readWordData(address, register: 1).byteSwapped == 0xD3E3)
  }

  @Test("in continuous mode the first result after a change of input is still the old input's")
  func continuousModeTrap() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip([1.0, 2.0, 0, 0]))
    let address = I2CAddress(0x48)
    try bus.writeWordData(address, register: 1, UInt16(0x42E3).byteSwapped)
    let start = bus.timeNanoseconds
    let period: Int64 = 1_000_000_000 / 860
    clock.set(start + period * 5 / 2)
    try bus.writeWordData(address, register: 1, UInt16(0x52E3).byteSwapped)
    clock.set(start + 3 * period + 1000)
    #expect(try bus.readWordData(address, register: 0).byteSwapped == 8000)
    clock.set(start + 4 * period + 1000)
    #expect(try bus.readWordData(address, register: 0).byteSwapped == 16_000)
  }

  @Test("inputs beyond the range read as full scale")
  func clips() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(makeChip([5.0, -5.0, 0, 0]))
    let converter = ADS1115(name: "test", bus: bus)
    for (input, counts) in [(UInt8(0), Int16.max), (1, Int16.min)] {
      try converter.startConversion(input: input)
      clock.set(bus.timeNanoseconds + converter.conversionNanoseconds)
      #expect(try converter.isConversionReady())
      #expect(try converter.readConversion() == counts)
    }
  }
}
