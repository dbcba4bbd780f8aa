import HandFiles
import Foundation
@testable import HandModel
import Testing

@testable import LinuxIO

@Suite("What a machine has of a board")
struct MachineReportTests {
  private func board() throws -> Board {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Boards/beaglebone-black.yaml")
    return try Board(yaml: String(contentsOf: path, encoding: .utf8), file: "beaglebone-black.yaml")
  }

  @Test("on a machine without any of it every part is missing, with a remedy for each cause")
  func nothing() throws {
    let fake = try FakeTree()
    let report = MachineReport(board: try board(), in: fake.tree)
    #expect(!report.isComplete)
    // One bus; multiplexer, five encoders, five sensors, PWM chip; kill, e-stop and five direction lines.
    #expect(report.parts.count == 1 + 12 + 7)
    #expect(report.parts.allSatisfy { $0.state == .missing })
    #expect(report.parts[0].part == "bus hand" && report.parts[0].remedy.contains("modprobe i2c-dev"))
    #expect(report.parts[1].part == "TCA9548A fingers" && report.parts[1].place == "hand 0x71")
    #expect(report.parts[2].place == "hand 0x36 behind fingers channel 0")
    #expect(report.parts.last?.part == "bridge of little-flexion")
    #expect(report.parts.last?.remedy.isEmpty == false)
  }

  @Test("an adapter that refuses the kernel's I2C requests is unsuitable, not missing")
  func plainFile() throws {
    let fake = try FakeTree()
    try fake.addAdapter(
      2, name: "OMAP I2C adapter", controller: "4819c000.i2c", driver: "omap_i2c",
      deviceTree: "/ocp/interconnect@48000000/segment@100000/target-module@9c000/i2c@0")
    let report = MachineReport(board: try board(), in: fake.tree)
    #expect(report.parts[0].state == .unsuitable)
    #expect(report.parts[0].found.contains("Inappropriate ioctl"))
  }

  @Test("a scan lists adapters, PWM chips and nodes that are no GPIO chips, each with its identity")
  func scan() throws {
    let fake = try FakeTree()
    try fake.addAdapter(
      1, name: "bcm2835 (i2c@7e804000)", controller: "fe804000.i2c", driver: "i2c-bcm2835",
      deviceTree: "/soc/i2c@7e804000", clockHertz: 400_000)
    try fake.write("dev/gpiochip0", "")
    try fake.write("sys/devices/platform/soc/fe20c000.pwm/pwm/pwmchip0/npwm", "2\n")
    let pwm = "sys/devices/platform/soc/fe20c000.pwm"
    try fake.link("\(pwm)/pwm/pwmchip0/device", to: pwm)
    try fake.link("sys/class/pwm/pwmchip0", to: "\(pwm)/pwm/pwmchip0")
    let scan = MachineScan(in: fake.tree)
    let bus = try #require(scan.buses.first)
    #expect(bus.name == "bcm2835 (i2c@7e804000)" && bus.driver == "i2c-bcm2835")
    #expect(bus.deviceTreePath == "/soc/i2c@7e804000" && bus.clockHertz == 400_000)
    #expect(bus.answers.isEmpty && bus.problem?.contains("Inappropriate ioctl") == true)
    #expect(scan.gpioChips.isEmpty && scan.problems.count == 1)
    #expect(scan.pwmChips.first?.path.hasSuffix("/fe20c000.pwm") == true)
    #expect(scan.pwmChips.first?.channelCount == 2)
  }
}
