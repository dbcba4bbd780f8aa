import CRealtime
import Glibc

/// Reads the small text files by which the kernel tells about itself.
package enum SystemFile {
  /// /proc and /sys files of interest are one page at most.
  private static let limitBytes = 65_536

  /// The file's text, or nil when it cannot be opened or read.
  package static func read(_ path: String) -> String? {
    let descriptor = crealtime_open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while bytes.count < limitBytes {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { return nil }
      if count == 0 { break }
      bytes += chunk[0..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The file's text without surrounding white space, or nil.
  package static func readLine(_ path: String) -> String? {
    guard let text = read(path) else { return nil }
    var trimmed = Substring(text)
    while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
    while trimmed.first?.isWhitespace == true { trimmed.removeFirst() }
    return String(trimmed)
  }
}
