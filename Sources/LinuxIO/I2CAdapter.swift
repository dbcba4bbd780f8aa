import Glibc
import Realtime

/// An I2C adapter as the kernel shows it to user space.
package struct I2CAdapter: Sendable, Equatable {
  /// N of /dev/i2c-N; changes with kernel, overlays and probing order.
  package let number: Int
  /// The driver's name for it, such as `bcm2835 (i2c@7e804000)`; not always unique.
  package let name: String
  /// Path in the device tree, such as `/soc/i2c@7e804000`; nil on machines without one.
  package let deviceTreePath: String?
  /// The kernel driver of the controller, such as `i2c-bcm2835`; nil for virtual adapters.
  package let driver: String?
  /// The controller's name on its bus, by which the driver can be unbound; nil for virtual adapters.
  package let controller: String?
  /// The device node.
  package let node: String

  /// Every adapter that has a device node, in the order of their numbers.
  package static func all(in tree: SystemTree) -> [I2CAdapter] {
    tree.numbered("i2c-", in: "\(tree.sysfs)/class/i2c-dev").map { I2CAdapter(number: $0.number, in: tree) }
  }

  private init(number: Int, in tree: SystemTree) {
    let entry = "\(tree.sysfs)/class/i2c-dev/i2c-\(number)"
    self.number = number
    node = "\(tree.dev)/i2c-\(number)"
    name = SystemFile.readLine("\(entry)/name") ?? ""
    deviceTreePath = tree.resolve("\(entry)/device/of_node").map(DeviceTree.path)
    // entry/device is the adapter; its parent is the controller. Both are links, hence resolved first.
    let controller = tree.resolve("\(entry)/device").map { path in
      path.split(separator: "/").dropLast().reduce(into: "") { $0 += "/" + $1 }
    }
    driver = controller.flatMap { tree.target("\($0)/driver") }
    self.controller =
      driver == nil ? nil : controller?.split(separator: "/").last.map(String.init)
  }

  /// Finds the adapter that a board file's `device` means: a node under /dev, the adapter's name, its path in
  /// the device tree or the end of that path (docs/board-file.md).
  package static func find(_ device: String, bus: String, in tree: SystemTree) throws(HardwareError)
    -> I2CAdapter
  {
    let part = "bus \(bus)"
    let adapters = all(in: tree)
    guard !adapters.isEmpty else {
      throw HardwareError(
        .missing, part: part, found: "\(tree.sysfs)/class/i2c-dev has no adapter",
        remedy:
          "load the module (modprobe i2c-dev) and enable I2C by the configuration lines at the top of the "
          + "board file")
    }
    let matches: [I2CAdapter]
    if device.hasPrefix("/dev/") {
      let node = tree.resolve(tree.dev + device.dropFirst("/dev".count))
      matches = adapters.filter { tree.resolve($0.node) == node && node != nil }
    } else {
      matches = adapters.filter { $0.isMeant(by: device) }
    }
    let known = adapters.map(\.description).joined(separator: ", ")
    switch matches.count {
    case 1: return matches[0]
    case 0:
      throw HardwareError(
        .missing, part: part, found: "no adapter is \(device); there are \(known)",
        remedy: "enable it by the configuration lines at the top of the board file, or correct device")
    default:
      throw HardwareError(
        .unsuitable, part: part,
        found: "\(device) means \(matches.map(\.description).joined(separator: " and "))",
        remedy: "give device as the end of the device tree path of one of them")
    }
  }

  private func isMeant(by device: String) -> Bool {
    name == device || DeviceTree.path(deviceTreePath, isMeantBy: device)
  }

  /// The clock that the device tree asks for; the controller may have rounded it. Nil where it says nothing.
  package func deviceTreeClockHertz(in tree: SystemTree) -> Int? {
    let path = "\(tree.sysfs)/class/i2c-dev/i2c-\(number)/device/of_node/clock-frequency"
    guard let file = try? Descriptor(opening: path, .readOnly) else { return nil }
    // Device tree cells are 32 bits, most significant byte first (Devicetree Specification 2.2.4).
    var cell: UInt32 = 0
    guard read(file.value, &cell, 4) == 4 else { return nil }
    return Int(UInt32(bigEndian: cell))
  }

  /// The kernel driver bound to an address of this adapter, or nil.
  package func kernelDriver(at address: UInt8, in tree: SystemTree) -> String? {
    let hex = String(address, radix: 16)
    let digits = String(repeating: "0", count: 4 - hex.count) + hex
    return tree.target("\(tree.sysfs)/bus/i2c/devices/\(number)-\(digits)/driver")
  }
}

extension I2CAdapter: CustomStringConvertible {
  package var description: String {
    "i2c-\(number) (\(name)\(deviceTreePath.map { ", \($0)" } ?? ""))"
  }
}
