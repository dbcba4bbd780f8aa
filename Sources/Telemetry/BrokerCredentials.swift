import Glibc
import Realtime

/// User and password for the broker, read from a file of the form
/// ```
/// # lines that begin with # and empty lines are skipped
/// user: hand-7
/// password: the rest of the line, spaces inside kept
/// ```
package struct BrokerCredentials: Sendable, Equatable {
  /// The name that the broker knows this client by.
  package var user: String
  /// Nil when the file names a user only (brokers that know clients by certificate).
  package var password: String?

  /// A credentials file is two short lines; a larger one is some other file.
  static let largestFileBytes = 4096

  package init(user: String, password: String?) {
    self.user = user
    self.password = password
  }

  /// Reads and checks the file. It is refused when users other than its owner and its group have any right
  /// to it: whoever has the password of a hand can move the hand.
  package init(file: String) throws(BrokerCredentialsError) {
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    let opened: Descriptor
    do throws(Errno) { opened = try Descriptor(opening: file, .readOnly, .nonBlocking) } catch {
      throw .unreadable(file: file, error)
    }
    // Asked of the open file, so that it cannot be exchanged between check and use.
    var attributes = stat()
    guard fstat(opened.value, &attributes) == 0 else { throw .unreadable(file: file, .latest) }
    guard attributes.st_mode & S_IFMT == S_IFREG else { throw .notAFile(file: file) }
    let mode = attributes.st_mode & 0o7777
    guard mode & 0o007 == 0 else { throw .openToOthers(file: file, mode: mode) }
    guard attributes.st_size <= Self.largestFileBytes else {
      throw .tooLarge(file: file, bytes: Int(attributes.st_size))
    }
    var bytes = [UInt8](repeating: 0, count: Self.largestFileBytes)
    let count = read(opened.value, &bytes, bytes.count)
    guard count >= 0 else { throw .unreadable(file: file, .latest) }
    try self.init(text: String(decoding: bytes[..<count], as: UTF8.self), file: file)
  }

  init(text: String, file: String) throws(BrokerCredentialsError) {
    var user: String?
    var password: String?
    for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated()
    {
      let line = raw.trimmingSpaces()
      if line.isEmpty || line.first == "#" { continue }
      guard let colon = line.firstIndex(of: ":") else { throw .badLine(file: file, line: index + 1) }
      let value = String(line[line.index(after: colon)...].trimmingSpaces())
      switch line[..<colon].trimmingSpaces() {
      case "user": user = value
      case "password": password = value
      default: throw .badLine(file: file, line: index + 1)
      }
    }
    guard let user, !user.isEmpty else { throw .noUser(file: file) }
    self.init(user: user, password: password)
  }
}

/// Why a credentials file cannot be used. Never repeats the file's content.
package enum BrokerCredentialsError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be opened, examined or read.
  case unreadable(file: String, Errno)
  /// It is no regular file.
  case notAFile(file: String)
  /// Users other than its owner and its group may do something with it. `mode` has its permission bits.
  case openToOthers(file: String, mode: mode_t)
  /// It is larger than `BrokerCredentials.largestFileBytes`.
  case tooLarge(file: String, bytes: Int)
  /// A line, counted from 1, names neither user nor password and is no comment.
  case badLine(file: String, line: Int)
  /// No line names a user, or the name is empty.
  case noUser(file: String)

  package var description: String {
    switch self {
    case .unreadable(let file, let cause):
      "credentials file \(file): \(cause); give a readable file with --credentials"
    case .notAFile(let file): "credentials file \(file): expected a regular file"
    case .openToOthers(let file, let mode):
      "credentials file \(file) has mode 0\(String(mode, radix: 8)) and is open to all users:"
        + " expected 0600 or 0640 (chmod o-rwx \(file))"
    case .tooLarge(let file, let bytes):
      "credentials file \(file) has \(bytes) bytes: expected at most \(BrokerCredentials.largestFileBytes)"
    case .badLine(let file, let line):
      "credentials file \(file), line \(line): expected 'user: …' or 'password: …'"
    case .noUser(let file): "credentials file \(file): expected a line 'user: …'"
    }
  }
}

extension Substring {
  fileprivate func trimmingSpaces() -> Substring {
    var trimmed = self
    while let first = trimmed.first, first == " " || first == "\t" { trimmed.removeFirst() }
    while let last = trimmed.last, last == " " || last == "\t" { trimmed.removeLast() }
    return trimmed
  }
}
