import CSQLite
import Glibc
import Realtime

/// Why a recording could not be written or read. Each text names the file and says what can be done.
package enum RecordingError: Error, Equatable, CustomStringConvertible {
  /// A directory of the recording cannot be created or written; `errno` is the system's reason.
  case directory(path: String, errno: Int32)
  /// SQLite failed. `code` is its extended result code, `systemErrno` the system call's, 0 if none.
  case storage(path: String, operation: String, code: Int32, systemErrno: Int32, message: String)
  /// The boot identifier cannot be a directory name.
  case invalidBootID(String)
  /// An option is out of its range.
  case invalidOption(name: String, requirement: String)
  /// `start` or `stop` came in the wrong order.
  case notStartable
  /// The recorder's thread could not be created.
  case thread(RealtimeThreadError)
  /// Nothing at this path is a recording.
  case notARecording(path: String, reason: String)
  /// The file was written by another schema than this program reads.
  case unsupportedSchema(path: String, version: Int64)
  /// A write was interrupted and its rollback needs write access that the reader does not have.
  case interruptedWrite(path: String)
  /// A description of the hand or an event contradicts the schema.
  case unreadable(path: String, place: String, found: String, expected: String)
  /// A stored row contradicts the schema.
  case damaged(path: String, sequence: UInt64, reason: String)
  /// The joint is not one of the recorded hand's.
  case unknownJoint(name: String, known: [String])
  /// Writing an export failed.
  case output(errno: Int32)

  package var description: String {
    switch self {
    case .directory(let path, let code):
      "\(path): cannot be created or written: \(Self.systemText(code)) (errno \(code)); "
        + "give a directory that this user may write (--data)"
    case .storage(let path, let operation, let code, let systemErrno, let message):
      "\(path): \(operation) failed: \(message) (SQLite code \(code)"
        + (systemErrno == 0 ? ")" : "; \(Self.systemText(systemErrno)))")
        + (code & 0xFF == SQLITE_FULL ? "; free space there, and recording goes on" : "")
    case .invalidBootID(let bootID):
      "boot id '\(bootID)' is not a directory name: expected 1 to 64 of A-Z a-z 0-9 _ -"
    case .invalidOption(let name, let requirement):
      "recorder option \(name) must be \(requirement)"
    case .notStartable:
      "the recorder has been started before: create a new one"
    case .thread(.system(let code)):
      "the recorder's thread cannot be created: \(Self.systemText(code)) (errno \(code))"
    case .thread(let error):
      "the recorder's thread cannot be created: \(error)"
    case .notARecording(let path, let reason):
      "\(path): not a recording: \(reason); give a segment file, the directory of one start, or a data directory"
    case .unsupportedSchema(let path, let version):
      "\(path): schema version \(version) is not \(SegmentSchema.version), the one this program reads"
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
    case .output(let code):
      "the export cannot be written: \(Self.systemText(code)) (errno \(code))"
    }
  }

  /// SQLite's primary result code, or nil when the error is not SQLite's.
  var sqliteCode: Int32? {
    if case .storage(_, _, let code, _, _) = self { code & 0xFF } else { nil }
  }

  private static func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
}
