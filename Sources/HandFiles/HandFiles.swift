import Glibc
import HandModel
import Realtime

/// Why a file could not be read at all.
package struct UnreadableFile: Error, CustomStringConvertible {
  /// As it was given.
  package var path: String
  /// The system's words, or ours.
  package var reason: String
  package var description: String { "\(path): \(reason); give a readable file" }
}

/// A board file and a calibration file, as text and as values.
package struct HandFiles: Sendable {
  package var board: Board
  package var calibration: Calibration
  /// The board file's text as read.
  package var boardYAML: String
  /// The calibration file's text as read.
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
    let file: Descriptor
    do throws(Errno) { file = try Descriptor(opening: path, .readOnly, .nonBlocking) } catch {
      throw UnreadableFile(path: path, reason: error.description)
    }
    var status = stat()
    guard fstat(file.value, &status) == 0 else {
      throw UnreadableFile(path: path, reason: Errno.latest.description)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw UnreadableFile(path: path, reason: "not a regular file")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let n = read(file.value, &chunk, chunk.count)
      if n < 0 { throw UnreadableFile(path: path, reason: Errno.latest.description) }
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

extension HandIdentity {
  /// Parses the files again. Throws `ConfigurationErrors` when they are not valid in this version.
  /// - Parameter source: where the texts come from, such as `the black box`.
  package init(_ texts: IdentityTexts, source: String) throws(ConfigurationErrors) {
    let board = try Board(yaml: texts.boardYAML, file: "board of \(source)")
    self.init(
      handID: texts.handID, runID: texts.runID, board: board,
      calibration: try Calibration(
        yaml: texts.calibrationYAML, file: "calibration of \(source)", board: board),
      boardYAML: texts.boardYAML, calibrationYAML: texts.calibrationYAML, version: texts.version,
      certificateJSON: texts.certificateJSON)
  }
}
