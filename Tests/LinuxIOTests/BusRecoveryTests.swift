@testable import HandModel
import Testing

@testable import LinuxIO

@Suite("Recovery of a bus")
struct BusRecoveryTests {
  private let spec = BusSpec(
    name: "hand", device: "i2c@7e804000", clockHertz: 400_000, transferOverheadNanoseconds: 0)

  private func raspberryPi4() throws -> FakeTree {
    let fake = try FakeTree()
    try fake.addAdapter(
      1, name: "bcm2835 (i2c@7e804000)", controller: "fe804000.i2c", driver: "i2c-bcm2835",
      deviceTree: "/soc/i2c@7e804000")
    return fake
  }

  @Test("without lines the adapter's driver is unbound and bound again")
  func rebind() throws {
    let fake = try raspberryPi4()
    let steps = try BusRecovery(spec, in: fake.tree).run()
    #expect(steps == ["unbound fe804000.i2c from i2c-bcm2835", "bound fe804000.i2c again"])
    #expect(try fake.read("sys/bus/platform/drivers/i2c-bcm2835/unbind") == "fe804000.i2c")
    #expect(try fake.read("sys/bus/platform/drivers/i2c-bcm2835/bind") == "fe804000.i2c")
  }

  @Test("the adapter is bound again although the lines could not be clocked")
  func failedLines() throws {
    let fake = try raspberryPi4()
    var spec = spec
    func line(_ name: String) -> LineSpec {
      LineSpec(chip: "pinctrl-bcm2711", line: name, activeLow: false, bias: .none)
    }
    spec.recovery = BusRecoveryLines(clock: line("3"), data: line("2"))
    let error = #expect(throws: HardwareError.self) { try BusRecovery(spec, in: fake.tree).run() }
    #expect(error?.kind == .missing && error?.part == "line 3")
    #expect(try fake.read("sys/bus/platform/drivers/i2c-bcm2835/bind") == "fe804000.i2c")
  }

  @Test("an adapter without driver and lines cannot be recovered, and the error says what else helps")
  func virtual() throws {
    let fake = try FakeTree()
    try fake.addAdapter(0, name: "SMBus stub driver")
    var spec = spec
    spec.device = "/dev/i2c-0"
    let error = #expect(throws: HardwareError.self) { _ = try BusRecovery(spec, in: fake.tree) }
    #expect(error?.kind == .unsuitable && error?.remedy.contains("power") == true)
  }
}
