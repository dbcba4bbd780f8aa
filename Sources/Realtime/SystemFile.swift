import Glibc

/// Reads the small text files of /proc and /sys.
package enum SystemFile {
  /// /proc and /sys files of interest are one page at most.
  private static let limitBytes = 65_536

  /// The file's text, or nil when it cannot be opened or read.
  package static func read(_ path: String) -> String? { try? text(of: path) }

  /// The file's text.
  package static func text(of path: String) throws(Errno) -> String {
    let file = try Descriptor(opening: path, .readOnly)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while bytes.count < limitBytes {
      let count = Glibc.read(file.value, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .latest }
      if count == 0 { break }
      bytes += chunk[0..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The file's text without surrounding white space, or nil.
  package static func readLine(_ path: String) -> String? {
    read(path).map(trimmed)
  }

  /// As `readLine`, with the reason when there is none.
  package static func line(of path: String) throws(Errno) -> String { trimmed(try text(of: path)) }

  private static func trimmed(_ text: String) -> String {
    var trimmed = Substring(text)
    while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
    while trimmed.first?.isWhitespace == true { trimmed.removeFirst() }
    return String(trimmed)
  }
}
