import Glibc
import HandModel
import Realtime

/// Why a file could not be read at all.
package struct UnreadableFile: Error, CustomStringConvertible {
  package var path: String
  package var reason: String
  package var description: String { "\(path): \(reason); give a readable file" }
}

/// A board file and a calibration file, as text and as values.
package struct HandFiles: Sendable {
  package var board: Board
  package var calibration: Calibration
  package var boardYAML: String
  package var calibrationYAML: String

  /// Far above any board or calibration, far below what would hurt.
  private static let largestBytes = 1 << 20

  /// Reads and validates both. Throws `UnreadableFile` or `ConfigurationErrors`.
  package init(board boardPath: String, calibration calibrationPath: String) throws {
    boardYAML = try Self.text(boardPath)
    board = try Board(yaml: boardYAML, file: boardPath)
    calibrationYAML = try Self.text(calibrationPath)
    calibration = try Calibration(yaml: calibrationYAML, file: calibrationPath, board: board)
  }

  /// The text of a file of at most 1 MiB.
  package static func text(_ path: String) throws(UnreadableFile) -> String {
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    let descriptor = Descriptor(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK))
    var status = stat()
    guard descriptor.value >= 0, fstat(descriptor.value, &status) == 0 else {
      throw UnreadableFile(path: path, reason: String(cString: strerror(errno)))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw UnreadableFile(path: path, reason: "not a regular file")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let n = read(descriptor.value, &chunk, chunk.count)
      if n < 0 { throw UnreadableFile(path: path, reason: String(cString: strerror(errno))) }
      if n == 0 { break }
      bytes += chunk[..<n]
      guard bytes.count <= largestBytes else {
        throw UnreadableFile(path: path, reason: "longer than \(largestBytes) bytes")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw UnreadableFile(path: path, reason: "not UTF-8 text")
    }
    return text
  }
}
