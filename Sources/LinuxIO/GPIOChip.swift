import CGPIO
import Glibc
import HandModel
import Realtime

/// A GPIO chip as the kernel shows it, with the names of its lines.
package struct GPIOChip: Sendable {
  /// One line of a chip.
  package struct Line: Sendable, Equatable {
    /// Empty when neither the device tree nor the driver names the line.
    package let name: String
    /// Who holds it, nil if it is free.
    package let consumer: String?
  }

  /// The device node; its number changes between kernels.
  package let node: String
  /// Such as `pinctrl-rp1`.
  package let label: String
  /// Path in the device tree, nil where there is none. Some labels follow the order of probing (gpio-omap).
  package let deviceTreePath: String?
  /// The bus behind which the chip sits, such as `i2c`; nil where the processor drives the lines directly.
  let slowBus: String?
  /// By offset.
  package let lines: [Line]

  /// The chips of all /dev/gpiochip* nodes.
  package struct Inventory: Sendable {
    package var chips: [GPIOChip] = []
    /// Nodes that could not be opened or asked, with the reason.
    package var failures: [(node: String, cause: Errno)] = []
  }

  /// Every chip, in the order of the nodes' numbers. Links are left out: Raspberry Pi OS links old chip
  /// numbers to new ones.
  package static func all(in tree: SystemTree) -> Inventory {
    var inventory = Inventory()
    for entry in tree.numbered("gpiochip", in: tree.dev) {
      let node = "\(tree.dev)/\(entry.name)"
      var status = stat()
      guard lstat(node, &status) == 0, status.st_mode & S_IFMT != S_IFLNK else { continue }
      do throws(Errno) {
        let device = "\(tree.sysfs)/bus/gpio/devices/\(entry.name)"
        inventory.chips.append(
          try GPIOChip(
            node: node, firmware: tree.resolve("\(device)/of_node"), slowBus: slowBus(of: device, in: tree)))
      } catch {
        inventory.failures.append((node, error))
      }
    }
    return inventory
  }

  init(
    node: String, label: String, deviceTreePath: String? = nil, slowBus: String? = nil, lines: [Line]
  ) {
    self.node = node
    self.label = label
    self.deviceTreePath = deviceTreePath
    self.slowBus = slowBus
    self.lines = lines
  }

  /// Buses whose transfers sleep, by the kernel's names.
  private static let slowBuses: Set<String> = [
    "i2c", "spi", "usb", "hid", "serial", "w1", "mdio_bus", "sdio",
  ]
  /// Drivers of chips that sit on none of these buses and sleep nevertheless: this one sends requests
  /// to the firmware.
  private static let slowDrivers: Set<String> = ["raspberrypi-exp-gpio"]

  /// The bus or driver between the processor and the lines of a chip. Neither libgpiod nor /sys shows the
  /// kernel's `can_sleep`. A chip sleeps because something above it in the device path does.
  static func slowBus(of device: String, in tree: SystemTree) -> String? {
    guard var path = tree.resolve(device), let top = tree.resolve(tree.sysfs) else { return nil }
    while path.count > top.count, let end = path.lastIndex(of: "/") {
      if let bus = tree.target("\(path)/subsystem"), slowBuses.contains(bus) { return bus }
      if let driver = tree.target("\(path)/driver"), slowDrivers.contains(driver) { return driver }
      path = String(path[..<end])
    }
    return nil
  }

  private init(node: String, firmware: String?, slowBus: String?) throws(Errno) {
    guard let chip = cgpio_chip_open(node) else { throw .latest }
    defer { cgpio_chip_close(chip) }
    var text = [CChar](repeating: 0, count: Int(cgpio_text_size))
    let result = cgpio_chip_label(chip, &text)
    let count = cgpio_chip_line_count(chip)
    guard result == 0, count >= 0 else { throw Errno(rawValue: -min(result, count)) }
    let label = text.withUnsafeBytes { Self.string($0) }
    var lines: [Line] = []
    for offset in 0..<UInt32(count) {
      var info = cgpio_line_info()
      let result = cgpio_chip_line_info(chip, offset, &info)
      guard result == 0 else { throw Errno(rawValue: -result) }
      let consumer = withUnsafeBytes(of: info.consumer) { Self.string($0) }
      lines.append(
        Line(
          name: withUnsafeBytes(of: info.name) { Self.string($0) },
          consumer: info.is_used ? (consumer.isEmpty ? "the kernel" : consumer) : nil))
    }
    self.init(
      node: node, label: label, deviceTreePath: firmware.map(DeviceTree.path), slowBus: slowBus, lines: lines)
  }

  private static func string(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}

/// Where a line of the board file is on this machine.
package struct GPIOLocation: Sendable {
  /// Device node of the chip.
  package let node: String
  /// The line's number on its chip.
  package let offset: UInt32
  /// Who holds it now, nil if it is free.
  package let consumer: String?
  /// `GPIOChip.slowBus` of its chip.
  let slowBus: String?

  /// Refuses a line that stops the hand if driving or reading it waits for a bus. The bus may hang at the
  /// moment of the stop. The loop, which drives the drive-enable line, would then hang with it.
  func requireImmediate(_ spec: LineSpec) throws(HardwareError) {
    guard let slowBus else { return }
    throw HardwareError(
      .unsuitable, part: "line \(spec.line)",
      found: "its GPIO chip \(spec.chip) is behind \(slowBus), which may hang when the hand must be stopped",
      remedy: "wire the drive-enable line and the e-stop line to GPIO pins of the processor itself")
  }

  /// Finds the line: its chip by label or by the end of its device tree path, the line by name. A decimal
  /// number is an offset if no line has that name, for chips whose lines have no names. Throws `missing`
  /// without such a chip or line.
  package static func find(
    _ spec: LineSpec, among inventory: GPIOChip.Inventory, in tree: SystemTree
  ) throws(HardwareError) -> GPIOLocation {
    let part = "line \(spec.line)"
    let overlay = "enable it by the configuration lines at the top of the board file, or correct"
    let chips = inventory.chips.filter {
      $0.label == spec.chip || DeviceTree.path($0.deviceTreePath, isMeantBy: spec.chip)
    }
    guard !chips.isEmpty else {
      // The chip meant may be one of those that could not be opened.
      if let failure = inventory.failures.first {
        throw HardwareError(part: part, path: failure.node, failure.cause, in: tree)
      }
      let labels = inventory.chips.map { "\($0.label) with \($0.lines.count) lines" }
      throw HardwareError(
        .missing, part: part,
        found: "no GPIO chip is \(spec.chip); there "
          + (labels.isEmpty ? "is no /dev/gpiochip*" : "are " + labels.joined(separator: ", ")),
        remedy: "\(overlay) chip")
    }
    var found: [GPIOLocation] = []
    for chip in chips {
      for (offset, line) in chip.lines.enumerated() where line.name == spec.line {
        found.append(
          GPIOLocation(
            node: chip.node, offset: UInt32(offset), consumer: line.consumer, slowBus: chip.slowBus))
      }
    }
    if found.isEmpty, let offset = Int(spec.line), offset >= 0 {
      for chip in chips where offset < chip.lines.count {
        found.append(
          GPIOLocation(
            node: chip.node, offset: UInt32(offset), consumer: chip.lines[offset].consumer,
            slowBus: chip.slowBus))
      }
    }
    guard let location = found.first else {
      throw HardwareError(
        .missing, part: part, found: "chip \(spec.chip) has no line of this name",
        remedy: "\(overlay) line (gpioinfo lists the names)")
    }
    guard found.count == 1 else {
      throw HardwareError(
        .unsuitable, part: part,
        found: "\(found.count) lines have this name: "
          + found.map { "\($0.node) offset \($0.offset)" }.joined(separator: ", "),
        remedy: "name the lines apart in the device tree")
    }
    return location
  }
}
