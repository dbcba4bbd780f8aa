import Devices
import Simulation
import Testing

@testable import HandModel

/// Golden values: ams AS5048 datasheet v1-06 (register map, diagnostics), MagnTek MT6701 datasheet (angle
/// registers).
@Suite("AS5048B, MT6701 and the encoder of a joint")
struct EncoderChipTests {
  @Test("an AS5048B's angle is one word transfer of eight and six bits, and runs over the end of the map")
  func as5048B() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedAS5048B { _ in 0x3FFF })
    let bus = TranscriptBus(simulated)
    #expect(try AS5048B(name: "test", bus: bus).readAngle() == 16_383)
    #expect(bus.takeTranscript() == ["40w fe r ff 3f"])
    // 0xFE, 0xFF, then 0x00, which does not exist and reads 0.
    var bytes = InlineArray<3, UInt8>(repeating: 0xAA)
    var span = bytes.mutableSpan
    try simulated.readBlock(I2CAddress(0x40), register: 0xFE, into: &span)
    #expect([bytes[0], bytes[1], bytes[2]] == [0xFF, 0x3F, 0x00])
  }

  @Test("an MT6701's angle is one word transfer, its two lowest bits no angle")
  func mt6701() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedMT6701 { _ in 0x2AAB })
    let bus = TranscriptBus(simulated)
    #expect(try MT6701(name: "test", bus: bus).readAngle() == 0x2AAB)
    // 10 1010 1010 1011: 1010 1010, 1010 1100.
    #expect(bus.takeTranscript() == ["06w 03 r aa ac"])
  }

  @Test("a 14-bit angle that turns over a carry is never torn", arguments: [EncoderChip.as5048B, .mt6701])
  func notTorn(chip: EncoderChip) throws {
    let simulated = makeBus()
    let before: @Sendable (Int64) -> UInt16 = { now in now <= 48_000 ? 0x1000 : 0x0FFF }
    switch chip {
    case .as5048B: simulated.attach(SimulatedAS5048B(address: 0x40, angle: before))
    default: simulated.attach(SimulatedMT6701(address: 0x40, angle: before))
    }
    let spec = EncoderSpec(name: "test", chip: chip, bus: 0, port: nil, address: 0x40)
    let encoder = AngleEncoder(spec, bus: simulated)
    #expect(try encoder.readAngle() == 0x1000)
    #expect(try encoder.readAngle() == 0x0FFF)
  }

  @Test(
    "an AS5048B is usable when its offsets are found, its arithmetic holds and its field fits",
    arguments: [(UInt8(0b0001), true), (0b0000, false), (0b0011, false), (0b0101, false), (0b1001, false)])
  func flags(flags: UInt8, usable: Bool) throws {
    let simulated = makeBus()
    let chip = SimulatedAS5048B { _ in 0 }
    chip.setDiagnostics(AS5048BDiagnostics(flags: flags, automaticGain: 7, magnitude: 1))
    simulated.attach(chip)
    let spec = EncoderSpec(name: "test", chip: .as5048B, bus: 0, port: nil, address: 0x40)
    #expect(try AngleEncoder(spec, bus: simulated).readIsUsable() == usable)
  }

  @Test("an AS5048B's zero position moves its angle, reserved registers refuse, and no driver ever burns")
  func as5048BWrites() throws {
    let simulated = makeBus()
    let chip = SimulatedAS5048B { _ in 100 }
    simulated.attach(chip)
    let address = I2CAddress(0x40)
    try simulated.writeByteData(address, register: 0x16, 1)
    try simulated.writeByteData(address, register: 0x17, 0xC4)
    // 1 · 64 + 4; the upper two bits of the low byte do not exist.
    #expect(try AS5048B(name: "test", bus: simulated).readAngle() == 32)
    #expect(throws: I2CError.self) { _ = try simulated.readByteData(address, register: 0x20) }
    #expect(throws: I2CError.self) { try simulated.writeByteData(address, register: 0x04, 1) }
    #expect(chip.burnCommandCount == 0)
    try simulated.writeByteData(address, register: 0x03, 0x08)
    #expect(chip.burnCommandCount == 1)
  }

  @Test("an MT6701 has no health over I2C, costs no health transfer and is believed")
  func mt6701Health() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedMT6701 { _ in 0 })
    let spec = EncoderSpec(name: "test", chip: .mt6701, bus: 0, port: nil, address: 0x06)
    let encoder = AngleEncoder(spec, bus: simulated)
    #expect(!encoder.reportsHealth && !EncoderChip.mt6701.reportsHealth)
    #expect(try encoder.readIsUsable())
    #expect(simulated.transferCount == 0)
  }

  @Test("an AS5600L is an AS5600 at an address of its own, and says so in errors")
  func as5600L() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedAS5600(address: 0x40) { _ in 0x0123 })
    let there = EncoderSpec(name: "test", chip: .as5600L, bus: 0, port: nil, address: 0x40)
    #expect(try AngleEncoder(there, bus: simulated).readAngle() == 0x0123)
    let absent = EncoderSpec(name: "test", chip: .as5600L, bus: 0, port: nil, address: 0x41)
    do throws(DeviceError) {
      _ = try AngleEncoder(absent, bus: simulated).readAngle()
      Issue.record("nobody answers at 0x41")
    } catch { #expect(error.device.description == "AS5600L test") }
  }

  @Test("a simulated joint counts by its chip: four times the counts of 12 bits, to the calibrated zero")
  func resolution() {
    var fine = TestHand.joint()
    fine.encoder = EncoderCalibration(zeroCounts: 10_000, sign: -1, countsPerTurn: 16_384)
    let line = { (name: String) in
      SimulatedLine(
        LineSpec(chip: "", line: name, activeLow: false, bias: .none), clock: VirtualClock())
    }
    let joint = SimulatedJoint(
      fine, index: 0, seed: 1, radians: 0.5, driveEnable: line("kill"),
      clock: VirtualClock())
    let counts = (0..<200).map { _ in Double(joint.encoderCounts(at: 0)) }
    let mean = counts.reduce(0, +) / 200
    // 10000 − 0.5 · 16384 / 2π, within the noise of the mean: 0.3 mrad is 0.78 counts.
    let expected: Double = 10_000 - 0.5 * 16_384 / (2 * Double.pi)
    #expect(abs(mean - expected) < 0.3)
    #expect(Set(counts).count > 1, "0.3 mrad of noise show at 14 bits")
  }
}
