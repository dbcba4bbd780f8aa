import HandModel
import Telemetry

/// What the daemon was asked to run.
struct DaemonOptions {
  var boardPath: String
  var calibrationPath: String
  var handID: String
  var socketPath: String
  /// Nil = record nothing.
  var dataDirectory: String?
  /// Bytes that recordings may take; nil = no bound.
  var keepBytes: UInt64?
  /// Seconds after which what was recorded is deleted; nil = no bound.
  var keepSeconds: Int64?
  /// Which ticks to record; nil = as the board file says.
  var recordingMode: RecordingMode?
  /// Nil = publish nothing.
  var broker: PublisherOptions?
  /// What of the recording is published, and how much of the backlog a second; 0 = no bound.
  var upload = UploadMode.live
  var uploadBytesPerSecond = 1_000_000
  var cpu: Int?
  var requireRealtime: Bool
  /// A simulated board lives by the machine's own clock, on the threads of a real one.
  var strictClock: Bool
  var seed: UInt64
}
