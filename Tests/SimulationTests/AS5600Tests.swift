import Devices
import HandModel
import Simulation
import Testing

/// Golden values: AS5600 datasheet v1-06, figures 21...23 and "I²C Modes".
@Suite struct AS5600Tests {
  @Test("the raw angle is one word transfer, high byte first")
  func readsRawAngle() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedAS5600 { _ in 0x09FF })
    let bus = TranscriptBus(simulated)
    let encoder = AS5600(name: "test", bus: bus)
    #expect(try encoder.readRawAngle() == 0x09FF)
    #expect(bus.takeTranscript() == ["36w 0c r 09 ff"])
  }

  @Test("two byte reads around a carry give a torn angle, one word read does not")
  func wordReadIsNotTorn() throws {
    let simulated = makeBus()
    // The joint turns from 0x0200 to 0x01FF after the first sample.
    let start = simulated.timeNanoseconds
    simulated.attach(SimulatedAS5600 { now in now <= start + 50_000 ? 0x0200 : 0x01FF })
    let address = I2CAddress(0x36)
    let high = try simulated.readByteData(address, register: 0x0C)
    let low = try simulated.readByteData(address, register: 0x0D)
    #expect(UInt16(high) << 8 | UInt16(low) == 0x02FF)
    #expect(try AS5600(name: "test", bus: simulated).readRawAngle() == 0x01FF)
  }

  @Test("the pointer stays on the raw angle, so a plain read repeats it, and runs on elsewhere")
  func pointerRules() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedAS5600 { _ in 0x0ABC })
    let address = I2CAddress(0x36)
    _ = try simulated.readWordData(address, register: 0x0C)
    #expect(try simulated.readByte(address) == 0x0A)
    #expect(try simulated.readByte(address) == 0xBC)
    #expect(try simulated.readByte(address) == 0x0A)
    // 0x0B runs on to 0x0C.
    var bytes: InlineArray<3, UInt8> = [0, 0, 0]
    var span = bytes.mutableSpan
    try simulated.readBlock(address, register: 0x0B, into: &span)
    #expect([bytes[0], bytes[1], bytes[2]] == [0x20, 0x0A, 0xBC])
  }

  @Test("a register that does not exist is not acknowledged")
  func invalidRegister() {
    let simulated = makeBus()
    simulated.attach(SimulatedAS5600 { _ in 0 })
    #expect(throws: I2CError.self) {
      _ = try simulated.readByteData(I2CAddress(0x36), register: 0x20)
    }
  }

  @Test(
    "magnet health is usable only when detected and within the gain range",
    arguments: [
      (UInt8(0b10_0000), true), (0b11_0000, false), (0b10_1000, false), (0b00_0000, false),
      (0b01_0000, false),
    ])
  func magnetHealth(status: UInt8, usable: Bool) throws {
    let simulated = makeBus()
    let chip = SimulatedAS5600 { _ in 0 }
    simulated.attach(chip)
    chip.setMagnet(MagnetHealth(status: status, automaticGain: 0x7F, magnitude: 0x0A5C))
    let bus = TranscriptBus(simulated)
    let health = try AS5600(name: "test", bus: bus).readMagnet()
    #expect(health == MagnetHealth(status: status, automaticGain: 0x7F, magnitude: 0x0A5C))
    #expect(health.isUsable == usable)
    #expect(bus.takeTranscript().dropFirst() == ["36w 1a r 7f", "36w 1b r 0a 5c"])
  }

  @Test("configuring changes the filter bits alone and never burns")
  func configures() throws {
    let simulated = makeBus()
    let chip = SimulatedAS5600 { _ in 0 }
    simulated.attach(chip)
    // Watchdog on, hysteresis 1 LSB: must survive.
    try simulated.writeWordData(I2CAddress(0x36), register: 0x07, UInt16(0x2004).byteSwapped)
    let bus = TranscriptBus(simulated)
    try AS5600(name: "test", bus: bus).configure(
      slowFilter: .averaging2, fastFilterThreshold: .slowFilterOnly)
    #expect(bus.takeTranscript() == ["36w 07 r 20 04", "36w 07 23 04", "36w 07 r 23 04"])
    #expect(chip.burnCommandCount == 0)
  }
}
