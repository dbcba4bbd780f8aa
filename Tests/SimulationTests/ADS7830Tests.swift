import Devices
import HandModel
import Simulation
import Testing

/// Golden values: ADS7830 datasheet SBAS302, command byte, channel selection and "reading with reference on/off".
@Suite struct ADS7830Tests {
  private static let address = I2CAddress(0x48)

  @Test("an input is one byte transfer whose command names it, lowest bit first, and the reference")
  func commands() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedADS7830(inputs: (0..<8).map { input in { _ in Double(input) * 0.25 } }))
    let bus = TranscriptBus(simulated)
    let internalReference = ADS7830(name: "test", bus: bus)
    for input in UInt8(0)..<8 { _ = try internalReference.readCounts(input: input) }
    #expect(
      bus.takeTranscript().map { String($0.prefix(6)) }
        == ["48w 8c", "48w cc", "48w 9c", "48w dc", "48w ac", "48w ec", "48w bc", "48w fc"])
    let external = ADS7830(name: "test", bus: bus, externalReferenceVolts: 3.3)
    for input in UInt8(0)..<8 { _ = try external.readCounts(input: input) }
    #expect(
      bus.takeTranscript().map { String($0.prefix(6)) }
        == ["48w 84", "48w c4", "48w 94", "48w d4", "48w a4", "48w e4", "48w b4", "48w f4"])
  }

  @Test("with an external reference a count is a 256th of it, at once")
  func externalReference() throws {
    let bus = makeBus()
    bus.attach(
      SimulatedADS7830(
        inputs: (0..<8).map { input in { _ in 0.33 * Double(input) } }, externalReferenceVolts: 3.3))
    let converter = ADS7830(name: "test", bus: bus, externalReferenceVolts: 3.3)
    #expect(try converter.configure() == bus.timeNanoseconds)
    // 0.99 V is 76.8 counts.
    #expect(try converter.readCounts(input: 3) == 76)
    #expect(abs(try converter.readVolts(input: 3) - 76 * 3.3 / 256) < 1e-12)
  }

  @Test(
    "the internal reference rises after its first command, stays on, and goes with a command that says so")
  func internalReference() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    bus.attach(SimulatedADS7830(inputs: (0..<8).map { _ in { _ in 1.0 } }))
    let converter = ADS7830(name: "test", bus: bus)
    let ready = try converter.configure()
    #expect(ready == bus.timeNanoseconds + ADS7830.referenceSettleNanoseconds)
    #expect(try converter.readCounts(input: 0) == 255, "the reference is still low")
    clock.set(ready)
    // 1 V of 2.5 V is 102.4 counts.
    #expect(try converter.readCounts(input: 5) == 102)
    #expect(try converter.readCounts(input: 5) == 102)
    _ = try bus.readByteData(Self.address, register: 0x84)
    #expect(try bus.readByteData(Self.address, register: 0x8C) == 255)
    #expect(try bus.readByteData(Self.address, register: 0x8C) == 255, "rising again")
    clock.set(clock.now() + 10_000_000)
    #expect(try bus.readByteData(Self.address, register: 0x8C) == 102)
  }

  @Test("values beyond the reference and below ground are cut off, differences have a sign")
  func limits() throws {
    let bus = makeBus()
    bus.attach(
      SimulatedADS7830(
        inputs: [
          { _ in 5 }, { _ in -1 }, { _ in 1.5 }, { _ in 0.5 }, { _ in 0 }, { _ in 0 }, { _ in 0 }, { _ in 0 },
        ],
        externalReferenceVolts: 2.56))
    let converter = ADS7830(name: "test", bus: bus, externalReferenceVolts: 2.56)
    #expect(try converter.readCounts(input: 0) == 255)
    #expect(try converter.readCounts(input: 1) == 0)
    // Differential, CH2 over CH3 and the reverse: 10 mV a count.
    #expect(try bus.readByteData(Self.address, register: 0x14) == 100)
    #expect(try bus.readByteData(Self.address, register: 0x54) == 0)
  }
}
