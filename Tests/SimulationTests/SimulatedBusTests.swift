import Devices
import HandModel
import Simulation
import Testing

@Suite struct SimulatedBusTests {
  /// Golden values: docs/hardware.md, bus budget.
  @Test(
    "every kind of transfer costs its bits at the bus's clock",
    arguments: [100_000, 400_000, 1_000_000])
  func budget(clockHertz: Int) throws {
    let bus = makeBus(clockHertz: clockHertz)
    bus.attach(SimulatedTCA9548A(address: 0x71))
    bus.attach(SimulatedAS5600 { _ in 0 })
    bus.attach(SimulatedPCA9685(address: 0x60))
    let encoder = I2CAddress(0x36)
    let pwm = I2CAddress(0x60)
    try bus.writeByteData(pwm, register: 0, 0x20)
    func cost(_ transfer: () throws -> Void) rethrows -> Int64 {
      let start = bus.timeNanoseconds
      try transfer()
      return bus.timeNanoseconds - start
    }
    func read<let count: Int>(_ bytes: InlineArray<count, UInt8>) throws {
      var bytes = bytes
      var span = bytes.mutableSpan
      try bus.readBlock(encoder, register: 0, into: &span)
    }
    // Microseconds at 100 kHz; the other columns of the table are a fourth and a tenth.
    let scale = Int64(100_000_000 / clockHertz)
    #expect(try cost { try bus.writeByte(I2CAddress(0x71), 0) } == 200 * scale)
    #expect(try cost { _ = try bus.readByte(I2CAddress(0x71)) } == 200 * scale)
    #expect(try cost { try bus.writeByteData(pwm, register: 1, 4) } == 290 * scale)
    #expect(try cost { _ = try bus.readByteData(pwm, register: 0) } == 390 * scale)
    #expect(try cost { try bus.writeWordData(pwm, register: 6, 0) } == 380 * scale)
    #expect(try cost { _ = try bus.readWordData(encoder, register: 12) } == 480 * scale)
    #expect(try cost { try read(InlineArray<6, UInt8>(repeating: 0)) } == 840 * scale)
    #expect(try cost { try read(InlineArray<14, UInt8>(repeating: 0)) } == 1560 * scale)
    let block = InlineArray<32, UInt8>(repeating: 0)
    #expect(try cost { try bus.writeBlock(pwm, register: 6, block.span) } == 3080 * scale)
  }

  @Test("software time is added to each transfer, and an idle bus starts at the clock's time")
  func overheadAndIdle() throws {
    let clock = VirtualClock(nanoseconds: 1_000)
    let bus = SimulatedBus(
      name: "test", clockHertz: 400_000, transferOverheadNanoseconds: 40_000, clock: clock)
    bus.attach(SimulatedAS5600 { _ in 0 })
    let encoder = AS5600(name: "test", bus: bus)
    _ = try encoder.readRawAngle()
    #expect(bus.timeNanoseconds == 1_000 + 160_000)
    _ = try encoder.readRawAngle()
    #expect(bus.timeNanoseconds == 1_000 + 320_000)
    #expect(clock.now() == 1_000)
    clock.set(5_000_000)
    _ = try encoder.readRawAngle()
    #expect(bus.timeNanoseconds == 5_160_000)
    bus.settle()
    #expect(clock.now() == 5_160_000)
    #expect(bus.busyNanoseconds == 480_000)
    #expect(bus.transferCount == 3)
  }

  @Test(
    "an injected fault becomes the error of its class, naming chip, bus and address, for as long as told",
    arguments: [
      (BusFault.nack(I2CAddress(0x36)), I2CFailure.nack), (.nack(nil), .nack),
      (.arbitrationLoss, .arbitrationLost), (.hang(nanoseconds: 10_000_000), .busFault),
      (.busError(I2CAddress(0x36)), .busError),
    ])
  func failures(fault: BusFault, failure: I2CFailure) throws {
    let bus = makeBus()
    bus.attach(SimulatedAS5600 { _ in 7 })
    let encoder = AS5600(name: "thumb", bus: bus)
    bus.inject(fault, transfers: 2)
    for _ in 0..<2 {
      let start = bus.timeNanoseconds
      do {
        _ = try encoder.readRawAngle()
        Issue.record("the fault had no effect")
      } catch {
        #expect(error.i2cFailure == failure)
        #expect(error.device == DeviceName(chip: "AS5600", name: "thumb"))
        #expect("\(error)".hasPrefix("AS5600 thumb: bus test, address 0x36: "))
        let cost: Int64 = failure == .busFault ? 10_000_000 : 11_000
        #expect(bus.timeNanoseconds - start == cost)
      }
    }
    #expect(try encoder.readRawAngle() == 7)
    bus.inject(fault)
    #expect(throws: DeviceError.self) { _ = try encoder.readRawAngle() }
    bus.clearFaults()
    #expect(try encoder.readRawAngle() == 7)
  }

  @Test("a fault of one address leaves the others alone")
  func otherAddress() throws {
    let bus = makeBus()
    bus.attach(SimulatedAS5600 { _ in 7 })
    bus.inject(.nack(I2CAddress(0x48)))
    bus.inject(.readsZero(I2CAddress(0x48)))
    #expect(try AS5600(name: "test", bus: bus).readRawAngle() == 7)
  }

  @Test("lying data arrives without an error, once per transfer")
  func lies() throws {
    let bus = makeBus()
    bus.attach(SimulatedAS5600 { _ in 0x0123 })
    let encoder = AS5600(name: "test", bus: bus)
    bus.inject(.readsZero(nil), transfers: 1)
    #expect(try encoder.readRawAngle() == 0)
    #expect(try encoder.readRawAngle() == 0x0123)
    bus.inject(.readsInverted(I2CAddress(0x36), mask: 0x0F), transfers: 1)
    #expect(try encoder.readRawAngle() == 0x0E2C)
    #expect(try encoder.readRawAngle() == 0x0123)
  }

  @Test("an unplugged chip does not answer until it is plugged in again")
  func unplugged() throws {
    let bus = makeBus()
    let chip = SimulatedAS5600 { _ in 7 }
    bus.attach(chip)
    let encoder = AS5600(name: "test", bus: bus)
    chip.setConnected(false)
    do {
      _ = try encoder.readRawAngle()
      Issue.record("an unplugged chip answered")
    } catch {
      #expect(error.i2cFailure == .nack)
    }
    chip.setConnected(true)
    #expect(try encoder.readRawAngle() == 7)
  }

  @Test("a virtual clock never waits and never goes back by sleeping")
  func virtualClock() {
    let clock = VirtualClock()
    clock.sleep(until: 100)
    #expect(clock.now() == 100)
    clock.sleep(until: 50)
    #expect(clock.now() == 100)
    clock.set(50)
    #expect(clock.now() == 50)
  }

  @Test(
    "a line rests where its bias pulls it",
    arguments: [
      (LineSpec.Bias.none, false, false), (.none, true, false), (.pullUp, false, true),
      (.pullUp, true, false), (.pullDown, false, false), (.pullDown, true, true),
    ])
  func restLevel(bias: LineSpec.Bias, activeLow: Bool, active: Bool) {
    let clock = VirtualClock(nanoseconds: 5)
    var spec = TestHand.driveEnable
    spec.bias = bias
    spec.activeLow = activeLow
    let line = SimulatedLine(spec, clock: clock)
    #expect(line.isActive == active)
    clock.set(9)
    line.setActive(active)
    #expect(line.lastChange.timeNanoseconds == 5)
    line.setActive(!active)
    #expect(line.isActive == !active)
    #expect(line.lastChange.timeNanoseconds == 9)
  }
}
