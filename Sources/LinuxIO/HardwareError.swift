import Realtime

/// Why a part that the board file names could not be opened, and how to mend it.
package struct HardwareError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure, for programs.
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

  /// An error in our own words; `part`, `found` and `remedy` as the properties.
  package init(_ kind: Kind, part: String, found: String, remedy: String) {
    self.kind = kind
    self.part = part
    self.found = found
    self.remedy = remedy
  }

  package var description: String { "\(part): \(kind.rawValue): \(found); \(remedy)" }

  /// A node or attribute that could not be opened or written.
  init(part: String, path: String, _ cause: Errno, in tree: SystemTree) {
    let reason = "\(path): \(cause)"
    switch cause {
    case .permissionDenied, .notPermitted:
      let group = tree.group(of: path) ?? "of the node"
      self.init(
        .denied, part: part, found: reason,
        remedy: "join the group \(group) (usermod -aG \(group) USER, then log in again), or install the udev "
          + "rules of the package if that group is root")
    case .resourceBusy:
      self.init(.busy, part: part, found: reason, remedy: "end the program or kernel driver that holds it")
    case .noSuchFileOrDirectory, .operationNotSupportedByDevice, .noSuchAddressOrDevice:
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
  /// Name of the board.
  package let board: String
  package let errors: [HardwareError]

  /// `errors` must not be empty.
  package init(board: String, _ errors: [HardwareError]) {
    self.board = board
    self.errors = errors
  }

  /// One error a line.
  package var description: String {
    "board \(board): \(errors.count) part\(errors.count == 1 ? "" : "s") not available "
      + "(motorhand check shows all):\n  " + errors.map(\.description).joined(separator: "\n  ")
  }
}
