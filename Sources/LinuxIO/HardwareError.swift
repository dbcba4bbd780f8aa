import Glibc

/// Why a part that the board file names could not be opened, and what to do about it.
package struct HardwareError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Kind: String, Sendable, Codable {
    /// The machine does not have it.
    case missing
    /// Somebody else holds it.
    case busy
    /// It is there, but this user may not use it.
    case denied
    /// It is there, but cannot do what is needed, or fails.
    case unsuitable
  }

  package let kind: Kind
  /// The part as the board file names it, such as `bus index` or `line KILL`.
  package let part: String
  /// What was found, where.
  package let found: String
  /// What to do.
  package let remedy: String

  package init(_ kind: Kind, part: String, found: String, remedy: String) {
    self.kind = kind
    self.part = part
    self.found = found
    self.remedy = remedy
  }

  package var description: String { "\(part): \(kind.rawValue): \(found); \(remedy)" }

  /// A node or attribute that could not be opened or written.
  init(part: String, path: String, errno: Int32, in tree: SystemTree) {
    let reason = "\(path): \(String(cString: strerror(errno)))"
    switch errno {
    case EACCES, EPERM:
      let group = tree.group(of: path) ?? "of the node"
      self.init(
        .denied, part: part, found: reason,
        remedy: "join the group \(group) (usermod -aG \(group) USER, then log in again), or install the udev "
          + "rules of the package if that group is root")
    case EBUSY:
      self.init(.busy, part: part, found: reason, remedy: "end the program or kernel driver that holds it")
    case ENOENT, ENODEV, ENXIO:
      self.init(
        .missing, part: part, found: reason,
        remedy: "enable it by the configuration lines at the top of the board file")
    default:
      self.init(.unsuitable, part: part, found: reason, remedy: "see the kernel's log (dmesg)")
    }
  }
}

/// Every part of a board that could not be opened. Never empty when thrown.
package struct HardwareErrors: Error, Sendable, CustomStringConvertible {
  package let errors: [HardwareError]
  package init(_ errors: [HardwareError]) { self.errors = errors }
  /// One error a line.
  package var description: String { errors.map(\.description).joined(separator: "\n") }
}
