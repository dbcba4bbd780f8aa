import Control
import Recording

/// Why a recording cannot be run again.
package enum ReplayError: Error, CustomStringConvertible {
  case recording(RecordingError)
  /// The files stored in the recording give no hand in this version.
  case files(path: String, reason: String)
  /// Neither tick 0 nor a usable checkpoint.
  case nowhereToBegin(path: String, checkpoint: CheckpointError?)

  package var description: String {
    switch self {
    case .recording(let error): error.description
    case .files(let path, let reason): "\(path): the files stored in it give no hand: \(reason)"
    case .nowhereToBegin(let path, let checkpoint):
      "\(path): no tick of it can be run again: it does not begin at tick 0, and "
        + (checkpoint.map { "\($0)" } ?? "no state of the controller is stored in it")
        + "; replay the directory of the whole start, with the version that recorded it"
    }
  }
}
