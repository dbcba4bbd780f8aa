import Devices
import HandModel
import Simulation
import Testing

/// Golden values: InvenSense RM-MPU-6000A rev. 4.2.
@Suite struct MPU6050Tests {
  private static let address = I2CAddress(0x68)

  @Test("power-on registers: asleep, identity 68, the rest 0; a reset restores them")
  func powerOn() throws {
    let bus = makeBus()
    bus.attach(SimulatedMPU6050())
    let expectPowerOn = { () throws in
      for register in UInt8(0x0D)...0x75 {
        let expected: UInt8 = register == 0x6B ? 0x40 : register == 0x75 ? 0x68 : 0
        #expect(try bus.readByteData(Self.address, register: register) == expected, "register \(register)")
      }
    }
    try expectPowerOn()
    _ = try MPU6050(name: "test", bus: bus).configure()
    try bus.writeByteData(Self.address, register: 0x6B, 0x80)
    try expectPowerOn()
  }

  @Test("waking and configuring are five writes, each read back")
  func transcript() throws {
    let simulated = makeBus()
    simulated.attach(SimulatedMPU6050())
    let bus = TranscriptBus(simulated)
    let chip = MPU6050(name: "test", bus: bus)
    try chip.identify()
    _ = try chip.configure()
    #expect(
      bus.takeTranscript()
        == [
          "68w 75 r 68", "68w 6b 01", "68w 6b r 01", "68w 19 00", "68w 19 r 00", "68w 1a 02", "68w 1a r 02",
          "68w 1b 08", "68w 1b r 08", "68w 1c 08", "68w 1c r 08",
        ])
  }

  @Test("at rest the axis that points up reads one gravity, in one block with the temperature")
  func rest() throws {
    let clock = VirtualClock()
    let simulated = makeBus(clock: clock)
    simulated.attach(SimulatedMPU6050())
    let bus = TranscriptBus(simulated)
    let chip = MPU6050(name: "test", bus: bus)
    clock.set(try chip.configure())
    _ = bus.takeTranscript()
    let sample = try chip.readSample()
    #expect(sample.accelerationMetresPerSecondSquared.z == 9.80665)
    #expect(sample.accelerationMetresPerSecondSquared.x == 0 && sample.rotationRadiansPerSecond.z == 0)
    // 8192 counts; (25 − 36.53) · 340 = −3920.
    #expect(bus.takeTranscript() == ["68w 3b r 00 00 00 00 20 00 f0 b0 00 00 00 00 00 00"])
  }

  @Test("what exceeds the range is cut off at ± 4 g and ± 500 °/s")
  func range() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    let simulated = SimulatedMPU6050()
    bus.attach(simulated)
    let chip = MPU6050(name: "test", bus: bus)
    clock.set(try chip.configure())
    simulated.setMotion(
      InertialSample(
        accelerationMetresPerSecondSquared: Vector3(x: 100, y: -100, z: 0),
        rotationRadiansPerSecond: Vector3(x: 100, y: -100, z: 0)))
    clock.set(clock.now() + 2_000_000)
    let sample = try chip.readSample()
    #expect(abs(sample.accelerationMetresPerSecondSquared.x - 4 * 9.80665) < 2e-3)
    #expect(abs(sample.accelerationMetresPerSecondSquared.y + 4 * 9.80665) < 2e-3)
    // 32767 of 65.5 counts a °/s is 500.3 °/s.
    #expect(abs(sample.rotationRadiansPerSecond.x - 500.3 * .pi / 180) < 1e-3)
    #expect(abs(sample.rotationRadiansPerSecond.y + 500.3 * .pi / 180) < 1e-3)
  }

  @Test("a value stands until the next sample of 1 kHz")
  func sampleRate() throws {
    let clock = VirtualClock()
    let bus = makeBus(clock: clock)
    let simulated = SimulatedMPU6050()
    bus.attach(simulated)
    let chip = MPU6050(name: "test", bus: bus)
    clock.set(try chip.configure())
    _ = try chip.readSample()
    simulated.setMotion(
      InertialSample(
        accelerationMetresPerSecondSquared: Vector3(x: 9.80665, y: 0, z: 0),
        rotationRadiansPerSecond: Vector3(x: 0, y: 0, z: 0)))
    // Seven blocks of 156 µs take longer than one sample, six do not.
    let values = try (0..<7).map { _ in try chip.readSample().accelerationMetresPerSecondSquared.x }
    #expect(values.last == 9.80665)
    #expect(values.sorted() == values && Set(values).isSubset(of: [0, 9.80665]))
  }

  @Test("a chip that sleeps after a brown-out is found out, another chip is refused")
  func health() throws {
    let bus = makeBus()
    let simulated = SimulatedMPU6050()
    bus.attach(simulated)
    let chip = MPU6050(name: "palm", bus: bus)
    _ = try chip.configure()
    #expect(try chip.readIsUsable())
    simulated.reset(at: bus.timeNanoseconds)
    #expect(try !chip.readIsUsable())
    bus.inject(.readsZero(Self.address), transfers: 1)
    do throws(DeviceError) {
      try chip.identify()
      Issue.record("a chip without identity passed for an MPU6050")
    } catch {
      guard case .wrongIdentity(let device, 0x75, 0x68, 0) = error else {
        Issue.record("unexpected \(error)")
        return
      }
      #expect(device.description == "MPU6050 palm")
    }
  }
}
