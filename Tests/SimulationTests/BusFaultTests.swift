import Devices
import HandModel
import Simulation
import Testing

/// Each class of bus error as a driver sees it: docs/hardware.md, errors and reactions.
@Suite("Bus faults and drivers")
struct BusFaultTests {
  private static let address = I2CAddress(MPU6050.defaultAddress)

  static let faults: [(BusFault, I2CFailure)] = [
    (.nack(address), .nack), (.nack(nil), .nack), (.arbitrationLoss, .arbitrationLost),
    (.hang(nanoseconds: 10_000_000), .busFault), (.hang(nanoseconds: 1_000_000_000), .busFault),
    (.busError(address), .busError), (.addressClaimed(address), .addressClaimed),
    (.shortRead(address), .busError),
  ]

  @Test(
    "each fault is the documented error, names bus, address and chip, and ends with its cause",
    arguments: faults)
  func error(fault: BusFault, failure: I2CFailure) throws {
    let bus = makeBus()
    bus.attach(SimulatedMPU6050())
    let chip = MPU6050(name: "palm", bus: bus)
    _ = try chip.configure()
    bus.inject(fault)
    do throws(DeviceError) {
      _ = try chip.readSample()
      Issue.record("\(fault) went unnoticed")
    } catch {
      guard case .transfer(let device, let cause) = error else {
        Issue.record("unexpected \(error)")
        return
      }
      #expect(device.description == "MPU6050 palm")
      #expect(cause.failure == failure && cause.bus == "test" && cause.address == Self.address)
      #expect(error.i2cFailure == failure)
    }
    bus.clearFaults()
    _ = try chip.readSample()
  }

  @Test("a fault of another address does no harm")
  func otherAddress() throws {
    let bus = makeBus()
    bus.attach(SimulatedMPU6050())
    let other = I2CAddress(0x36)
    for fault in [BusFault.nack(other), .busError(other), .addressClaimed(other), .shortRead(other)] {
      bus.inject(fault)
    }
    _ = try MPU6050(name: "palm", bus: bus).readSample()
  }

  @Test("a short block costs the bus the whole block, and only blocks are short")
  func shortRead() throws {
    let bus = makeBus()
    bus.attach(SimulatedMPU6050())
    let chip = MPU6050(name: "palm", bus: bus)
    bus.inject(.shortRead(nil))
    try chip.identify()
    let before = bus.timeNanoseconds
    #expect(throws: DeviceError.self) { _ = try chip.readSample() }
    // 30 + 9 · 14 bits at 1 MHz.
    #expect(bus.timeNanoseconds - before == 156_000)
  }
}
