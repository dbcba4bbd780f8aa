import Foundation
@testable import HandModel
import Testing

@testable import LinuxIO

@Suite("Finding hardware by identity")
struct DiscoveryTests {
  private func raspberryPi5() throws -> FakeTree {
    let fake = try FakeTree()
    // Both of the controllers on the header have the same name: only the device tree tells them apart.
    try fake.addAdapter(
      1, name: "Synopsys DesignWare I2C adapter", controller: "1f00074000.i2c", driver: "i2c_designware",
      deviceTree: "/axi/pcie@1000120000/rp1/i2c@74000", clockHertz: 400_000)
    try fake.addAdapter(
      3, name: "Synopsys DesignWare I2C adapter", controller: "1f0007c000.i2c", driver: "i2c_designware",
      deviceTree: "/axi/pcie@1000120000/rp1/i2c@7c000")
    try fake.addAdapter(13, name: "107d508200.i2c")
    return fake
  }

  @Test(
    "an adapter is found by node, name, device tree path or the end of it",
    arguments: [
      ("/dev/i2c-3", 3), ("107d508200.i2c", 13), ("/axi/pcie@1000120000/rp1/i2c@74000", 1),
      ("i2c@7c000", 3), ("rp1/i2c@74000", 1),
    ])
  func adapter(device: String, number: Int) throws {
    let fake = try raspberryPi5()
    let adapter = try I2CAdapter.find(device, bus: "index", in: fake.tree)
    #expect(adapter.number == number)
    #expect(adapter.node == "\(fake.tree.dev)/i2c-\(number)")
  }

  @Test("an adapter knows its driver, its controller and its clock")
  func details() throws {
    let fake = try raspberryPi5()
    let adapter = try I2CAdapter.find("i2c@74000", bus: "index", in: fake.tree)
    #expect(adapter.driver == "i2c_designware" && adapter.controller == "1f00074000.i2c")
    #expect(adapter.deviceTreePath == "/axi/pcie@1000120000/rp1/i2c@74000")
    #expect(adapter.deviceTreeClockHertz(in: fake.tree) == 400_000)
    let plain = try I2CAdapter.find("107d508200.i2c", bus: "index", in: fake.tree)
    #expect(plain.driver == nil && plain.controller == nil && plain.deviceTreePath == nil)
    #expect(plain.deviceTreeClockHertz(in: fake.tree) == nil)
  }

  @Test("part of a component is not the end of a path, and an unknown name lists what is there")
  func unknown() throws {
    let fake = try raspberryPi5()
    for device in ["c@7c000", "7c000", "i2c@7000", "/dev/i2c-9", "/i2c@74000"] {
      let error = #expect(throws: HardwareError.self) {
        try I2CAdapter.find(device, bus: "index", in: fake.tree)
      }
      #expect(error?.kind == .missing && error?.part == "bus index")
      #expect(error?.found.contains("i2c-3 (Synopsys DesignWare I2C adapter, /axi") == true)
    }
  }

  @Test("a name that two adapters have is refused")
  func ambiguous() throws {
    let fake = try raspberryPi5()
    let error = #expect(throws: HardwareError.self) {
      try I2CAdapter.find("Synopsys DesignWare I2C adapter", bus: "index", in: fake.tree)
    }
    #expect(error?.kind == .unsuitable)
    #expect(error?.remedy == "give device as the end of the device tree path of one of them")
  }

  @Test("a machine without any adapter is told to load the module")
  func noAdapter() throws {
    let fake = try FakeTree()
    let error = #expect(throws: HardwareError.self) {
      try I2CAdapter.find("/dev/i2c-1", bus: "index", in: fake.tree)
    }
    #expect(error?.kind == .missing && error?.remedy.contains("modprobe i2c-dev") == true)
  }

  @Test("adapters come in the order of their numbers")
  func order() throws {
    let fake = try raspberryPi5()
    #expect(I2CAdapter.all(in: fake.tree).map(\.number) == [1, 3, 13])
  }

  @Test("the kernel driver that owns an address is named")
  func owner() throws {
    let fake = try raspberryPi5()
    try fake.write("sys/bus/i2c/drivers/ina2xx/bind", "")
    try fake.link("sys/bus/i2c/devices/1-0040/driver", to: "sys/bus/i2c/drivers/ina2xx")
    let adapter = try I2CAdapter.find("i2c@74000", bus: "index", in: fake.tree)
    #expect(adapter.kernelDriver(at: 0x40, in: fake.tree) == "ina2xx")
    #expect(adapter.kernelDriver(at: 0x41, in: fake.tree) == nil)
  }

  @Test("a bus on a node that is no I2C adapter is refused with the kernel's reason")
  func noBus() throws {
    let fake = try raspberryPi5()
    let error = #expect(throws: HardwareError.self) {
      _ = try LinuxI2CBus(name: "index", device: "i2c@74000", in: fake.tree)
    }
    // The node of the fake tree is a plain file, which knows no I2C requests.
    #expect(error?.kind == .unsuitable && error?.found.contains("Inappropriate ioctl") == true)
  }

  @Test("a node that was not made is missing")
  func noNode() throws {
    let fake = try raspberryPi5()
    try FileManager.default.removeItem(at: fake.root.appending(path: "dev/i2c-1"))
    let error = #expect(throws: HardwareError.self) {
      _ = try LinuxI2CBus(name: "index", device: "i2c@74000", in: fake.tree)
    }
    #expect(error?.kind == .missing && error?.found.contains("No such file") == true)
  }

  @Test("a GPIO chip that cannot be opened is an error of the line, compatibility links are passed over")
  func noChip() throws {
    let fake = try FakeTree()
    try fake.write("dev/gpiochip0", "")
    try fake.link("dev/gpiochip4", to: "dev/gpiochip0")
    let inventory = GPIOChip.all(in: fake.tree)
    #expect(inventory.chips.isEmpty)
    #expect(inventory.failures.map(\.node) == ["\(fake.tree.dev)/gpiochip0"])
    let line = LineSpec(chip: "pinctrl-rp1", line: "GPIO17", activeLow: false, bias: .none)
    let error = #expect(throws: HardwareError.self) {
      _ = try GPIOLocation.find(line, among: inventory, in: fake.tree)
    }
    #expect(error?.part == "line GPIO17")
  }

  @Test(
    "a GPIO chip behind a bus that sleeps is known by the bus, one of the processor's own has none",
    arguments: [
      ("platform/soc/fe804000.i2c/i2c-1/1-0020", "i2c", "i2c" as String?),
      ("platform/soc/fe804000.i2c/i2c-1/1-0033/pmic-gpio", "platform", "i2c"),
      ("platform/soc/fe204000.spi/spi_master/spi0/spi0.0", "spi", "spi"),
      ("platform/axi/1000120000.pcie/1f000d0000.gpio", "platform", nil),
    ])
  func slowChip(path: String, bus: String, expected: String?) throws {
    let fake = try FakeTree()
    for bus in ["i2c", "spi", "platform"] { try fake.write("sys/bus/\(bus)/uevent", "") }
    try fake.write("sys/devices/\(path)/gpiochip2/uevent", "")
    try fake.link("sys/devices/\(path)/subsystem", to: "sys/bus/\(bus)")
    if path.hasSuffix("pmic-gpio") {
      let client = path.split(separator: "/").dropLast().joined(separator: "/")
      try fake.link("sys/devices/\(client)/subsystem", to: "sys/bus/i2c")
    }
    try fake.link("sys/bus/gpio/devices/gpiochip2", to: "sys/devices/\(path)/gpiochip2")
    let device = "\(fake.tree.sysfs)/bus/gpio/devices/gpiochip2"
    #expect(GPIOChip.slowBus(of: device, in: fake.tree) == expected)
  }

  @Test("a GPIO chip whose driver asks the firmware is slow although it is on no bus")
  func slowDriver() throws {
    let fake = try FakeTree()
    let chip = "sys/devices/platform/soc/soc:firmware/soc:firmware:gpio"
    try fake.write("sys/bus/platform/drivers/raspberrypi-exp-gpio/uevent", "")
    try fake.write("\(chip)/gpiochip1/uevent", "")
    try fake.link("\(chip)/driver", to: "sys/bus/platform/drivers/raspberrypi-exp-gpio")
    try fake.link("sys/bus/gpio/devices/gpiochip1", to: "\(chip)/gpiochip1")
    let device = "\(fake.tree.sysfs)/bus/gpio/devices/gpiochip1"
    #expect(GPIOChip.slowBus(of: device, in: fake.tree) == "raspberrypi-exp-gpio")
  }

  @Test("a line that the hand is stopped by is refused on an expander, and the error says where to wire it")
  func slowDriveEnable() throws {
    let inventory = GPIOChip.Inventory(chips: [
      GPIOChip(
        node: "/dev/gpiochip2", label: "pcf8574", slowBus: "i2c",
        lines: [.init(name: "DRIVE-ENABLE", consumer: nil)])
    ])
    let spec = LineSpec(chip: "pcf8574", line: "DRIVE-ENABLE", activeLow: false, bias: .none)
    let location = try GPIOLocation.find(spec, among: inventory, in: .machine)
    let error = #expect(throws: HardwareError.self) { try location.requireImmediate(spec) }
    #expect(error?.kind == .unsuitable && error?.part == "line DRIVE-ENABLE")
    #expect(error?.found.contains("behind i2c") == true && error?.remedy.contains("processor") == true)
    #expect(LineRole.driveEnable.stopsHand && LineRole.emergencyStop.stopsHand && !LineRole.output.stopsHand)
  }

  private func inventory(_ lines: [String]) -> GPIOChip.Inventory {
    GPIOChip.Inventory(chips: [
      GPIOChip(node: "/dev/gpiochip0", label: "gpio-brcmstb", lines: []),
      GPIOChip(
        node: "/dev/gpiochip4", label: "pinctrl-rp1",
        lines: lines.map { GPIOChip.Line(name: $0, consumer: nil) }),
    ])
  }

  @Test("a line is found by label and name, or by offset where no line has that name")
  func line() throws {
    func find(_ line: String, _ lines: [String]) throws -> GPIOLocation {
      try GPIOLocation.find(
        LineSpec(chip: "pinctrl-rp1", line: line, activeLow: false, bias: .none), among: inventory(lines),
        in: .machine)
    }
    #expect(try find("GPIO2", ["GPIO0", "GPIO1", "GPIO2"]).offset == 2)
    #expect(try find("GPIO2", ["GPIO0", "GPIO1", "GPIO2"]).node == "/dev/gpiochip4")
    #expect(try find("1", ["", "", ""]).offset == 1)
    #expect(try find("1", ["1", "", ""]).offset == 0)
    for missing in ["3", "-1", "GPIO3"] {
      let error = #expect(throws: HardwareError.self) { try find(missing, ["", "", ""]) }
      #expect(error?.kind == .missing)
    }
    let error = #expect(throws: HardwareError.self) { try find("A", ["A", "A"]) }
    #expect(error?.kind == .unsuitable)
  }

  @Test("a chip that is not there lists the labels that are")
  func label() {
    let line = LineSpec(chip: "pinctrl-bcm2711", line: "GPIO17", activeLow: false, bias: .none)
    let error = #expect(throws: HardwareError.self) {
      try GPIOLocation.find(line, among: inventory(["A"]), in: .machine)
    }
    #expect(error?.kind == .missing)
    #expect(error?.found.contains("gpio-brcmstb with 0 lines, pinctrl-rp1 with 1 lines") == true)
  }
}
