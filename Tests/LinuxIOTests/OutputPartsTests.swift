import HandFiles
import Devices
import Foundation
import HandModel
import Testing

@testable import LinuxIO

@Suite("What a safe state needs of a machine")
struct OutputPartsTests {
  /// The hand of five servos, the thumb's on a PWM channel of the kernel's.
  private func board() throws -> Board {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Boards/raspberry-pi-5.yaml")
    let text = try String(contentsOf: path, encoding: .utf8)
      .replacing(
        "pwm_chips:\n", with: "pwm_chips:\n  - {name: own, chip: sysfs, device: f.pwm, frequency_hz: 100}\n"
      )
      .replacing("pwm: servos, channel: 0}", with: "pwm: own, channel: 1}")
    return try Board(yaml: text, file: "board.yaml")
  }

  @Test(
    "a PWM channel is opened and stopped although the drive-enable line and the bus of other outputs are missing"
  )
  func partly() throws {
    let fake = try FakeTree()
    let chip = "sys/devices/platform/f.pwm"
    let entry = "\(chip)/pwm/pwmchip0"
    try fake.write("\(entry)/npwm", "4\n")
    try fake.link("\(entry)/device", to: chip)
    try fake.link("sys/class/pwm/pwmchip0", to: entry)
    for (attribute, value) in [("period", "10000000"), ("duty_cycle", "1500000"), ("enable", "1")] {
      try fake.write("\(entry)/pwm1/\(attribute)", value)
    }
    var errors: [HardwareError] = []
    let parts = OutputParts(opening: try board(), in: fake.tree, errors: &errors)
    #expect(parts.driveEnable == nil && parts.buses.isEmpty)
    #expect(errors.map(\.part) == ["line GPIO26", "bus hand"])
    #expect(errors.allSatisfy { $0.kind == .missing })
    #expect(parts.channels.keys.map(\.channel) == [1])
    for channel in parts.channels.values { try channel.stop() }
    #expect(try fake.read("\(entry)/pwm1/enable") == "0")
    #expect(try fake.read("\(entry)/pwm1/duty_cycle").hasPrefix("0"))
  }
}
