import HandModel
import Realtime

/// How a recorder batches, rotates and retries.
package struct RecorderOptions: Sendable {
  /// A segment is closed at this size, plus at most one batch. 64 MB is the unit of copying and deletion.
  package var segmentBytes: UInt64 = 64_000_000
  /// Which ticks are kept.
  package var mode = RecordingMode.full
  /// A segment is closed after this many ticks; nil = 10 minutes at the board's rate, in mode `events` an
  /// hour: at its end 10 s are kept at full rate.
  package var segmentTicks: Int?
  /// Ticks in a commit, 1...`backlogTicks`. 1000 ticks write each page about once; fewer rewrite the last
  /// one.
  package var batchTicks = 1000
  /// A commit comes at the latest this long after its first tick, and this is what a power cut can cost.
  /// At 1 kHz each commit rewrites a dozen pages whatever it adds, 100 bytes for each of 500 ticks and 60 for
  /// each of 800; and what is a second old shall be on the disk.
  package var batchNanoseconds: Int64 = 800_000_000
  /// Records kept in memory while storage fails; the oldest are dropped and counted beyond it.
  /// 4096 are 4 s at 1 kHz in 9 MiB.
  package var backlogTicks = 4096
  /// How often the ring is looked at. At 10 kHz 100 records wait meanwhile.
  package var pollNanoseconds: Int64 = 10_000_000
  /// Pause after a storage error; doubled by each further one up to `maximumRetryNanoseconds`.
  package var retryNanoseconds: Int64 = 100_000_000
  package var maximumRetryNanoseconds: Int64 = 5_000_000_000
  /// Bytes that the recordings of all boots in the directory may take before the oldest segments are deleted;
  /// nil = keep everything. 8 GB are some eight hours of 15 joints at 1 kHz and fit beside a system on a
  /// small card.
  package var keepBytes: UInt64? = 8_000_000_000
  /// Seconds after which a segment is deleted; nil = at any age it stays while there is room. Those around a
  /// fault stay, and so does everything while nobody knows the time.
  package var keepSeconds: Int64?
  /// Seconds since 1970, nil where nobody knows.
  package var knownTime: @Sendable () -> Int64? = {
    MonotonicClock.isWallSynchronised ? MonotonicClock().wallNow() / 1_000_000_000 : nil
  }
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
    try require(keepSeconds ?? 1 > 0, "keepSeconds", "above 0")
    try require(stopNanoseconds > 0, "stopNanoseconds", "above 0")
  }

  /// Of `stopNanoseconds`: the summary and the mark of a closed segment, each with a sync of the disk.
  var closingNanoseconds: Int64 { stopNanoseconds / 3 }

  /// Ticks after which a segment is closed.
  func segmentTicks(rateHertz: Int) -> Int {
    segmentTicks ?? (mode == .events ? 3600 : 600) * rateHertz
  }
}
