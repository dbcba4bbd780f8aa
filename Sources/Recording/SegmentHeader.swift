import Glibc
import Realtime

/// The first bytes of an SQLite file.
enum SegmentHeader {
  // https://sqlite.org/fileformat2.html, "The Database Header".
  static let magic = Array("SQLite format 3\0".utf8)
  private static let applicationPlace = 68
  private static let bytes = 72

  /// Whether a name is that of a regular file, and no link, that this program wrote as a segment: read
  /// without SQLite, so that nothing in the file can hold the reader.
  static func isOurs(_ path: String) -> Bool {
    let file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
    var header = [UInt8](repeating: 0, count: bytes)
    guard pread(file, &header, bytes, 0) == bytes, header.starts(with: magic) else { return false }
    let application = header[applicationPlace..<bytes].reduce(0) { $0 << 8 | Int64($1) }
    return application == SegmentSchema.applicationID
  }
}
