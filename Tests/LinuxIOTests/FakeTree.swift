import Foundation

@testable import LinuxIO

/// A /sys and a /dev in a temporary folder, with what a test puts there. Removed with the object.
final class FakeTree {
  let root: URL
  let tree: SystemTree

  init() throws {
    root = FileManager.default.temporaryDirectory.appending(path: "motorhand-\(UUID().uuidString)")
    tree = SystemTree(sysfs: root.appending(path: "sys").path, dev: root.appending(path: "dev").path)
    for folder in ["sys", "dev"] {
      try FileManager.default.createDirectory(
        at: root.appending(path: folder), withIntermediateDirectories: true)
    }
  }

  deinit { try? FileManager.default.removeItem(at: root) }

  /// Creates a file with its folders.
  func write(_ path: String, _ text: String) throws {
    try write(path, Data(text.utf8))
  }

  func write(_ path: String, _ data: Data) throws {
    let url = root.appending(path: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: url)
  }

  func read(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  /// Creates a link, both ends relative to the root.
  func link(_ path: String, to target: String) throws {
    let url = root.appending(path: path)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      at: url, withDestinationURL: root.appending(path: target))
  }

  /// An I2C adapter as the kernel shows it: class entry, controller with its driver, device tree node, /dev.
  func addAdapter(
    _ number: Int, name: String, controller: String = "", driver: String = "", deviceTree: String = "",
    clockHertz: UInt32? = nil
  ) throws {
    let parent = "sys/devices/platform" + (controller.isEmpty ? "" : "/\(controller)")
    let device = "\(parent)/i2c-\(number)"
    try write("\(device)/i2c-dev/i2c-\(number)/name", "\(name)\n")
    try link("\(device)/i2c-dev/i2c-\(number)/device", to: device)
    try link("sys/class/i2c-dev/i2c-\(number)", to: "\(device)/i2c-dev/i2c-\(number)")
    if !driver.isEmpty {
      try write("sys/bus/platform/drivers/\(driver)/bind", "")
      try write("sys/bus/platform/drivers/\(driver)/unbind", "")
      try link("\(parent)/driver", to: "sys/bus/platform/drivers/\(driver)")
    }
    if !deviceTree.isEmpty {
      let node = "sys/firmware/devicetree/base\(deviceTree)"
      try write("\(node)/name", "i2c")
      if let clockHertz {
        try write(
          "\(node)/clock-frequency", withUnsafeBytes(of: clockHertz.bigEndian) { Data($0) })
      }
      try link("\(device)/of_node", to: node)
    }
    try write("dev/i2c-\(number)", "")
  }
}
