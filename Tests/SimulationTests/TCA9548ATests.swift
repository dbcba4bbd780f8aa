import Devices
import HandModel
import Simulation
import Testing

/// Golden values: TCA9548A datasheet SCPS207, §8.5.2.
@Suite struct TCA9548ATests {
  @Test("each channel is one bit, and a known selection is not repeated")
  func selects() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedTCA9548A(address: 0x70))
    let bus = TranscriptBus(simulated)
    let multiplexer = TCA9548A(name: "test", bus: bus)
    for channel in UInt8(0)..<8 {
      try multiplexer.select(channel)
      try multiplexer.select(channel)
      #expect(try multiplexer.readBack() == 1 << channel)
    }
    try multiplexer.selectNone()
    #expect(
      bus.takeTranscript()
        == [
          "70w 01", "70r 01", "70w 02", "70r 02", "70w 04", "70r 04", "70w 08", "70r 08", "70w 10",
          "70r 10", "70w 20", "70r 20", "70w 40", "70r 40", "70w 80", "70r 80", "70w 00",
        ])
  }

  @Test("after a failed selection the next one is sent whatever was selected before")
  func reselectsAfterError() throws {
    let simulated = makeBus()
    let chip = SimulatedTCA9548A(address: 0x70)
    simulated.attach(chip)
    let multiplexer = TCA9548A(name: "test", bus: simulated)
    try multiplexer.select(3)
    simulated.inject(.nack(I2CAddress(0x70)), transfers: 1)
    #expect(throws: DeviceError.self) { try multiplexer.select(4) }
    #expect(multiplexer.knownMask == nil)
    chip.reset()
    try multiplexer.select(3)
    #expect(chip.connectedMask == 0b1000)
  }

  @Test("chips answer only behind the selected channel")
  func routes() throws {
    let bus = makeBus()
    let multiplexer = SimulatedTCA9548A(address: 0x70)
    bus.attach(multiplexer)
    for channel in 0..<8 {
      multiplexer.attach(SimulatedAS5600 { _ in UInt16(channel) * 100 }, channel: channel)
    }
    let encoder = AS5600(name: "test", bus: bus)
    #expect(throws: DeviceError.self) { _ = try encoder.readRawAngle() }
    let driver = TCA9548A(name: "test", bus: bus)
    for channel in UInt8(0)..<8 {
      try driver.select(channel)
      #expect(try encoder.readRawAngle() == UInt16(channel) * 100)
    }
  }

  @Test("with two multiplexers open, both chips answer and their bits are ANDed; the selector prevents it")
  func twoMultiplexers() throws {
    let bus = makeBus()
    let angles: [UInt16] = [0b0110_0000_0011, 0b1100_0000_0110]
    for (index, angle) in angles.enumerated() {
      let multiplexer = SimulatedTCA9548A(address: 0x70 + UInt8(index))
      multiplexer.attach(SimulatedAS5600 { _ in angle }, channel: 0)
      bus.attach(multiplexer)
    }
    let drivers = (0..<2).map { TCA9548A(name: "\($0)", bus: bus, address: 0x70 + UInt8($0)) }
    let encoder = AS5600(name: "test", bus: bus)
    for driver in drivers { try driver.select(0) }
    #expect(try encoder.readRawAngle() == angles[0] & angles[1])

    let selector = MultiplexerSelector(drivers)
    for index in [0, 1, 1, 0] {
      try selector.select(index, channel: 0)
      #expect(try encoder.readRawAngle() == angles[index])
    }
    let before = bus.transferCount
    try selector.select(0, channel: 0)
    #expect(bus.transferCount == before)
    try selector.selectNone()
    #expect(throws: DeviceError.self) { _ = try encoder.readRawAngle() }
  }

  @Test("a selector that forgot closes everything before it opens a channel")
  func selectorForgets() throws {
    let bus = makeBus()
    let chips = (0..<2).map { SimulatedTCA9548A(address: 0x70 + UInt8($0)) }
    for chip in chips { bus.attach(chip) }
    // What a killed process left behind.
    try bus.writeByte(I2CAddress(0x71), 0x04)
    let selector = MultiplexerSelector(
      (0..<2).map { TCA9548A(name: "\($0)", bus: bus, address: 0x70 + UInt8($0)) })
    try selector.select(0, channel: 2)
    #expect(chips.map(\.connectedMask) == [0b100, 0])
    selector.forgetSelections()
    chips[0].reset()
    try bus.writeByte(I2CAddress(0x71), 0x80)
    try selector.select(0, channel: 2)
    #expect(chips.map(\.connectedMask) == [0b100, 0])
  }
}
