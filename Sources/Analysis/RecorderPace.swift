import Foundation
import HandFiles
import HandModel
import Realtime
import Recording

/// What recording costs and how late it is at the rate at which a hand ticks.
package struct RecorderPace: Codable, Sendable {
  /// Ticks that are fed as fast as they are taken before anything is measured: what comes with a start, and
  /// the ten seconds of which all ticks are kept, are then over.
  private static let warmUpTicks: UInt64 = 12_000
  private static let ringCapacity = 4096

  package var mode: RecordingMode
  package var rateHertz: Int
  package var ticks: UInt64
  /// From a tick to the commit that outlasts a power cut, in seconds; nil where ticks are thinned out.
  package var durableMedianSeconds: Double?
  package var durableMaximumSeconds: Double?
  /// Of the recorder's thread: share of one processor; nil where the kernel does not say.
  package var processorShare: Double?
  /// Bytes passed to write calls for each tick.
  package var bytesEach: Double

  /// Records a moving hand for so long.
  package static func measure(
    _ hand: HandFiles, mode: RecordingMode, in directory: String, seconds: Double, isCancelled: () -> Bool
  ) throws -> RecorderPace {
    var options = RecorderOptions()
    options.mode = mode
    options.keepBytes = nil
    let joints = hand.board.joints.count
    let rate = hand.board.control.rateHertz
    let ring = Ring<TickRecord>(
      capacity: ringCapacity, filling: TickRecord(), recordBytes: TickRecord.byteCount(joints: joints))
    let recorder = try Recorder(
      directory: directory, identity: HandIdentity(bench: hand), ring: ring, options: options)
    try recorder.start()
    defer { recorder.stop() }
    var record = TickRecord()
    var sequence: UInt64 = 0
    func push() {
      RecorderBench.fill(&record, sequence: sequence, joints: joints)
      while ring.count == ring.capacity, !isCancelled() { usleep(100) }
      ring.push(record)
      sequence += 1
    }
    while sequence < warmUpTicks { push() }
    try waitFor("recording the first ticks", seconds: 30, isCancelled: isCancelled) {
      recorder.status.recordedTicks > 0 && recorder.status.lagTicks == 0
    }

    let clock = MonotonicClock()
    let period = 1_000_000_000 / Int64(rate)
    let (writtenBefore, busyBefore) = (RecorderBench.bytesWritten(), recorderNanoseconds())
    let start = clock.now()
    let ticks = UInt64(seconds * Double(rate))
    var pushed: [Int64] = []
    var late: [Int64] = []
    /// Notes when ticks were found to be committed.
    func look() {
      guard mode == .full else { return }
      let now = clock.now()
      let recorded = recorder.status.recordedTicks
      while late.count < pushed.count, warmUpTicks + UInt64(late.count) < recorded {
        late.append(now - pushed[late.count])
      }
    }
    for tick in 0..<Int64(ticks) where !isCancelled() {
      clock.sleep(until: start + tick * period)
      pushed.append(clock.now())
      push()
      look()
    }
    let elapsed = clock.now() - start
    let busy = recorderNanoseconds()
    let written = RecorderBench.bytesWritten() - writtenBefore
    try waitFor("recording the last ticks", seconds: 30, isCancelled: isCancelled) {
      look()
      return mode == .events || late.count == pushed.count
    }
    if isCancelled() { throw BenchError.cancelled }
    return RecorderPace(
      mode: mode, rateHertz: rate, ticks: ticks,
      durableMedianSeconds: late.isEmpty ? nil : SideBySide.median(late.map { Double($0) * 1e-9 }),
      durableMaximumSeconds: late.max().map { Double($0) * 1e-9 },
      processorShare: busyBefore.flatMap { before in busy.map { Double($0 - before) / Double(elapsed) } },
      bytesEach: Double(written) / Double(ticks))
  }

  /// What the recorder's thread of this process has run so far.
  private static func recorderNanoseconds() -> Int64? {
    let tasks = "/proc/self/task/"
    for task in (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? [] {
      func read(_ name: String) -> String {
        (try? String(contentsOfFile: tasks + task + "/" + name, encoding: .utf8)) ?? ""
      }
      guard read("comm") == "recorder\n" else { continue }
      return read("schedstat").split(separator: " ").first.flatMap { Int64($0) }
    }
    return nil
  }
}
