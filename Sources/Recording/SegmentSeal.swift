import Glibc
import HandModel
import Realtime
import Wire

/// The SHA-512 of a closed segment's file, read piece by piece between the recorder's other work: 64 MB at
/// once would keep ticks waiting on a slow card.
final class SegmentSeal {
  /// Read in one piece: some milliseconds of a slow core.
  private static let pieceBytes = 1 << 20

  let path: String
  private let last: UInt64
  private let ticks: Int
  private let wallNanoseconds: Int64
  private let file: Descriptor
  private let digest = SHA512Digest()

  /// - Parameters:
  ///   - last: last tick of the segment.
  ///   - wallNanoseconds: of that tick.
  /// - Returns: nil where the file cannot be opened.
  init?(path: String, last: UInt64, ticks: Int, wallNanoseconds: Int64) {
    guard let file = try? Descriptor(opening: path, .readOnly) else { return nil }
    self.file = file
    self.path = path
    self.last = last
    self.ticks = ticks
    self.wallNanoseconds = wallNanoseconds
  }

  /// Reads the next piece; the event once all is read. A file that cannot be read has none.
  func step() throws(Errno) -> HandEvent? {
    guard try Self.readPiece(file, into: digest) == 0 else { return nil }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let hash = SHA512Digest.text(digest.finish())
    return HandEvent(
      sequence: last, wallNanoseconds: wallNanoseconds, kind: .segment, from: name, to: hash,
      count: UInt64(ticks), text: "\(name) closed with \(ticks) ticks")
  }

  /// The digest of a regular file; opening a pipe would wait for its other end.
  static func digest(ofFile path: String) throws(Errno) -> String {
    guard RecordingPaths.isFile(path) else { throw .invalidArgument }
    let file = try Descriptor(opening: path, .readOnly)
    let digest = SHA512Digest()
    while try readPiece(file, into: digest) > 0 {}
    return SHA512Digest.text(digest.finish())
  }

  private static func readPiece(_ file: borrowing Descriptor, into digest: SHA512Digest) throws(Errno) -> Int
  {
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 16)
    defer { piece.deallocate() }
    let count = read(file.value, piece.baseAddress, pieceBytes)
    guard count >= 0 else { throw .latest }
    digest.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
    return count
  }
}
