import Foundation

/// Secrets for people and files.
package enum Secrets {
  /// A password that nobody guesses, for who is to type it once.
  package static func password() -> String { String(Secret.make().prefix(20)) }
}

/// The file of the secret that access tokens are signed with.
package enum SecretFile {
  /// Why it cannot be used.
  package struct Problem: Error, Equatable, CustomStringConvertible {
    package var description: String

    package init(description: String) { self.description = description }
  }

  /// Reads the file.
  /// - Parameter makes: one that is not there is made, for its owner alone.
  package static func read(_ path: String, makes: Bool = true) throws(Problem) -> [UInt8] {
    let made = makes ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) : -1
    if made >= 0 {
      let secret = Array(Secret.make().utf8)
      let isWritten =
        secret.withUnsafeBytes { write(made, $0.baseAddress, $0.count) } == secret.count && fsync(made) == 0
      close(made)
      guard isWritten else {
        unlink(path)
        throw Problem(description: "\(path): the secret cannot be written")
      }
      return secret
    }
    guard !makes || errno == EEXIST else {
      throw Problem(description: "\(path): \(String(cString: strerror(errno)))")
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Problem(description: "\(path): expected a file")
    }
    guard status.st_mode & 0o007 == 0 else {
      throw Problem(description: "\(path): others may read it: chmod 0600 \(path)")
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Problem(description: "\(path): it cannot be read")
    }
    return Array(data)
  }
}
