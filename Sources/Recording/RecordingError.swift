import CSQLite
import Glibc
import Realtime

/// Why a recording could not be written or read. Each text names the file and says what can be done.
package enum RecordingError: Error, Equatable, CustomStringConvertible {
  /// A file or directory cannot be made, read or written; `errno` is the system's reason.
  case directory(path: String, errno: Int32)
  /// SQLite failed. `code` is its extended result code, `systemErrno` the system call's, 0 if none.
  case storage(path: String, operation: String, code: Int32, systemErrno: Int32, message: String)
  /// The run identifier cannot be a directory name.
  case invalidRunID(String)
  /// An option is out of its range.
  case invalidOption(name: String, requirement: String)
  /// `start` or `stop` came in the wrong order.
  case notStartable
  /// The recorder's thread could not be created.
  case thread(RealtimeThreadError)
  /// Nothing at this path is a recording.
  case notARecording(path: String, reason: String)
  /// Nothing at this path is what a consumer received.
  case notReceived(path: String, reason: String)
  /// The file was written by another schema than this program reads.
  case unsupportedSchema(path: String, version: Int64)
  /// This program reads the file's schema, but cannot do this with it.
  case tooOld(path: String, version: Int64, reason: String)
  /// A write was interrupted and its rollback needs write access that the reader does not have.
  case interruptedWrite(path: String)
  /// A description of the hand or an event contradicts the schema.
  case unreadable(path: String, place: String, found: String, expected: String)
  /// A stored row contradicts the schema.
  case damaged(path: String, sequence: UInt64, reason: String)
  /// The joint is not one of the recorded hand's.
  case unknownJoint(name: String, known: [String])
  /// A new file was asked for where there is one.
  case fileExists(path: String)
  /// Writing an export failed.
  case output(errno: Int32)

  package var description: String {
    switch self {
    case .directory(let path, let code):
      "\(path): cannot be read or written: \(Self.systemText(code)) (errno \(code)); "
        + "name a place that is there and that this user may use"
    case .storage(let path, let operation, let code, let systemErrno, let message):
      "\(path): \(operation) failed: \(message) (SQLite code \(code)"
        + (systemErrno == 0 ? ")" : "; \(Self.systemText(systemErrno)))")
        + (code & 0xFF == SQLITE_FULL ? "; free space there" : "")
    case .invalidRunID(let runID):
      "run id '\(runID)' is not a directory name: expected 1 to 64 of A-Z a-z 0-9 _ -"
    case .invalidOption(let name, let requirement):
      "recorder option \(name) must be \(requirement)"
    case .notStartable:
      "the recorder has been started before: create a new one"
    case .thread(.system(let cause)):
      "the recorder's thread cannot be created: \(cause) (errno \(cause.rawValue))"
    case .thread(let error):
      "the recorder's thread cannot be created: \(error)"
    case .notARecording(let path, let reason):
      "\(path): not a recording: \(reason); give a segment file, the directory of one start, or a data directory"
    case .notReceived(let path, let reason):
      "\(path): not what a consumer received: \(reason); give the directory of motorhand log receive --data"
    case .unsupportedSchema(let path, let version):
      "\(path): schema version \(version) is neither \(OlderSchema.versions.lowerBound) to "
        + "\(OlderSchema.versions.upperBound) nor \(SegmentSchema.version), which this program reads"
    case .tooOld(let path, let version, let reason): "\(path): recorded under schema \(version): \(reason)"
    case .interruptedWrite(let path):
      "\(path): a write was interrupted and must be rolled back, which needs write access to the file and"
        + " its directory: read it once as its owner, or copy the whole directory (with the -journal and"
        + " -wal files) to a writable place and read the copy"
    case .unreadable(let path, let place, let found, let expected):
      "\(path): \(place): found \(found), expected \(expected)"
    case .damaged(let path, let sequence, let reason):
      "\(path): tick \(sequence) is damaged: \(reason)"
    case .unknownJoint(let name, let known):
      "joint '\(name)' is not in this recording; it has \(known.joined(separator: ", "))"
    case .fileExists(let path): "\(path): exists already; name another file, or remove it first"
    case .output(let code):
      "the export cannot be written: \(Self.systemText(code)) (errno \(code))"
    }
  }

  /// SQLite's primary result code, or nil when the error is not SQLite's.
  var sqliteCode: Int32? {
    if case .storage(_, _, let code, _, _) = self { code & 0xFF } else { nil }
  }

  /// Whether the storage has no room or does not work, which may pass, and not the request wrong.
  var isOfStorage: Bool {
    switch self {
    case .directory(_, let code): [ENOSPC, EDQUOT, EROFS, EIO].contains(code)
    case .storage(_, _, let code, let system, _):
      [SQLITE_FULL, SQLITE_READONLY, SQLITE_IOERR].contains(code & 0xFF)
        || [ENOSPC, EDQUOT, EROFS, EIO].contains(system)
    default: false
    }
  }

  private static func systemText(_ code: Int32) -> String { Errno(rawValue: code).description }
}
