import HandModel

/// How a recorder batches, rotates and retries.
package struct RecorderOptions: Sendable {
  /// A segment is closed at this size, plus at most one batch. 64 MB is the unit of copying and deletion.
  package var segmentBytes: UInt64 = 64_000_000
  /// A segment is closed after this many ticks; nil = 10 minutes at the board's rate.
  package var segmentTicks: Int?
  /// Ticks in a commit, 1...`backlogTicks`. 1000 ticks write each page about once; fewer rewrite the last one.
  package var batchTicks = 1000
  /// A commit comes at the latest this long after its first tick, and this is what a power cut can cost.
  /// At 1 kHz half a second makes batches of 500 ticks, whose five syncs cost little beside 0.6 MB of rows.
  package var batchNanoseconds: Int64 = 500_000_000
  /// Records kept in memory while storage fails; the oldest are dropped and counted beyond it.
  /// 4096 are 4 s at 1 kHz in 9 MiB.
  package var backlogTicks = 4096
  /// How often the ring is looked at. At 10 kHz 100 records wait meanwhile.
  package var pollNanoseconds: Int64 = 10_000_000
  /// Pause after a storage error; doubled by each further one up to `maximumRetryNanoseconds`.
  package var retryNanoseconds: Int64 = 100_000_000
  package var maximumRetryNanoseconds: Int64 = 5_000_000_000
  /// Bytes that the recordings of all boots in the directory may take before the oldest segments are deleted;
  /// nil = keep everything. 8 GB are 100 minutes of 15 joints at 1 kHz and fit beside a system on a small card.
  package var keepBytes: UInt64? = 8_000_000_000
  /// Longest time that `stop` takes: two thirds of it for the last batches, the rest for closing the files.
  package var stopNanoseconds: Int64 = 3_000_000_000

  package init() {}

  func validate() throws(RecordingError) {
    func require(_ holds: Bool, _ name: String, _ requirement: String) throws(RecordingError) {
      guard holds else { throw .invalidOption(name: name, requirement: requirement) }
    }
    try require(segmentBytes > 0, "segmentBytes", "above 0")
    try require(segmentTicks ?? 1 > 0, "segmentTicks", "above 0")
    try require(batchTicks > 0 && batchTicks <= backlogTicks, "batchTicks", "within 1...backlogTicks")
    try require(batchNanoseconds > 0, "batchNanoseconds", "above 0")
    try require(pollNanoseconds > 0 && pollNanoseconds < 1_000_000_000, "pollNanoseconds", "below one second")
    try require(
      retryNanoseconds > 0 && retryNanoseconds <= maximumRetryNanoseconds, "retryNanoseconds",
      "within 1...maximumRetryNanoseconds")
    try require(keepBytes.map { $0 > segmentBytes } ?? true, "keepBytes", "above segmentBytes")
    try require(stopNanoseconds > 0, "stopNanoseconds", "above 0")
  }

  /// Of `stopNanoseconds`: the summary and the mark of a closed segment, each with a sync of the disk.
  var closingNanoseconds: Int64 { stopNanoseconds / 3 }

  /// Ticks after which a segment is closed.
  func segmentTicks(rateHertz: Int) -> Int { segmentTicks ?? 600 * rateHertz }
}
