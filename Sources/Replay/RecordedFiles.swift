import HandFiles
import Control
import HandModel
import Recording

/// The files that a recording carries, as values.
package struct RecordedFiles {
  package let board: Board
  package let calibration: Calibration

  /// Reads board and calibration of a recording. Throws `ReplayError.files` when this version refuses them.
  package init(_ recording: Recording) throws(ReplayError) {
    do throws(RecordingError) { try recording.requireReplayable() } catch { throw .recording(error) }
    do {
      board = try Board(yaml: recording.boardYAML, file: "the recording's board")
      calibration = try Calibration(
        yaml: recording.calibrationYAML, file: "the recording's calibration", board: board)
    } catch { throw .files(path: recording.path, reason: "\(error)") }
  }

  /// The hand that was recorded.
  package func design() throws(DesignRefusal) -> HandDesign {
    try HandDesign(board: board, calibration: calibration)
  }

  /// The recorded hand with another calibration, or only with the gains of another one.
  package func design(calibration other: Calibration, gainsOnly: Bool) throws(DesignRefusal) -> HandDesign {
    guard gainsOnly else { return try HandDesign(board: board, calibration: other) }
    var mixed = calibration
    for index in mixed.joints.indices { mixed.joints[index].gains = other.joints[index].gains }
    return try HandDesign(board: board, calibration: mixed)
  }
}
