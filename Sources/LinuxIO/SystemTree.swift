import Glibc
import Realtime

/// Where the kernel shows its devices: /sys and /dev, or copies of them for a test.
package struct SystemTree: Sendable {
  /// Without a trailing slash.
  package let sysfs: String
  /// Without a trailing slash.
  package let dev: String

  /// That of the machine itself.
  package static let machine = SystemTree(sysfs: "/sys", dev: "/dev")

  package init(sysfs: String, dev: String) {
    self.sysfs = sysfs
    self.dev = dev
  }

  /// Entries of a directory whose names are `prefix` and a number, in the order of the numbers; none if the
  /// directory does not exist.
  func numbered(_ prefix: String, in directory: String) -> [(name: String, number: Int)] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var entries: [(name: String, number: Int)] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasPrefix(prefix), let number = Int(name.dropFirst(prefix.count)) else { continue }
      entries.append((name, number))
    }
    return entries.sorted { $0.number < $1.number }
  }

  /// The path with every link followed, or nil if it leads nowhere.
  func resolve(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The last component of what a link leads to, such as the name of a device's driver.
  func target(_ link: String) -> String? {
    resolve(link)?.split(separator: "/").last.map(String.init)
  }

  func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// The group that owns a file, for the advice to join it.
  func group(of path: String) -> String? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    // getgrgid keeps its result in static memory; discovery runs on one thread.
    guard let entry = getgrgid(status.st_gid) else { return String(status.st_gid) }
    return String(cString: entry.pointee.gr_name)
  }
}
