import ArgumentParser
import Foundation
import LinuxIO

struct Scan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List this machine's I2C buses with who answers, its GPIO chips and its PWM chips.",
    discussion: """
      Addresses are probed by reading one byte, never by writing. Only at 0x41 to 0x47 are identification \
      registers asked, where no chip known takes the register's number for an order. The names here are what \
      device, chip and line of a board file want.
      """)
  @Flag(help: "Print the result as JSON.") var json = false

  func run() throws {
    let scan = MachineScan()
    if json {
      try printJSON(scan)
    } else {
      try emit(text(scan), terminator: "")
    }
  }

  private func text(_ scan: MachineScan) -> String {
    var lines: [String] = []
    if scan.buses.isEmpty { lines.append("no I2C bus (modprobe i2c-dev, and enable I2C on this board)") }
    for bus in scan.buses {
      let clock = bus.clockHertz.map { ", \($0 / 1000) kHz" } ?? ""
      let driver = bus.driver.map { ", driver \($0)" } ?? ""
      lines.append("\(bus.device)  \(bus.name)\(driver)\(clock)")
      if let path = bus.deviceTreePath { lines.append("  device tree: \(path)") }
      lines += bus.answers.map { String(format: "  0x%02x  %@", $0.address, $0.chip) }
      if bus.answers.isEmpty && bus.problem == nil { lines.append("  nobody answers") }
      if let problem = bus.problem { lines.append("  \(problem)") }
    }
    if scan.gpioChips.isEmpty && scan.problems.isEmpty { lines.append("no GPIO chip") }
    for chip in scan.gpioChips {
      lines.append(
        "\(chip.device)  \(chip.label), \(chip.lineCount) lines, \(chip.namedLineCount) named, "
          + "\(chip.usedLineCount) in use")
    }
    lines += scan.problems
    if scan.pwmChips.isEmpty { lines.append("no PWM chip") }
    for chip in scan.pwmChips {
      lines.append("\(chip.device)  \(chip.path), \(chip.channelCount) channels")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
