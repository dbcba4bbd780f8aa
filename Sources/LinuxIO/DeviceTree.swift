/// Paths of the device tree. They tell adapters and GPIO chips apart where the names do not.
enum DeviceTree {
  /// The path as the device tree writes it: /sys/firmware/devicetree/base/soc/i2c@7e804000 is
  /// /soc/i2c@7e804000.
  static func path(_ sysfsPath: String) -> String {
    let components = sysfsPath.split(separator: "/")
    guard let base = components.firstIndex(of: "base") else { return sysfsPath }
    return components[components.index(after: base)...].reduce(into: "") { $0 += "/" + $1 }
  }

  /// Whether a board file that says `identity` means the device at `path`: the whole path, or whole
  /// components at its end.
  static func path(_ path: String?, isMeantBy identity: String) -> Bool {
    guard let path else { return false }
    return identity.hasPrefix("/") ? path == identity : path.hasSuffix("/" + identity)
  }
}
