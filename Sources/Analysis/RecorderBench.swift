import Foundation
import HandFiles
import HandModel
import Realtime
import Recording

/// The whole recorder, ring to disk, fed as fast as it takes, beside a C program that does nothing but
/// encode, bind and commit (Benchmarks/recorder/peer.c).
package enum RecorderBench {
  /// The C program's source, from the root of a checkout.
  package static let peerName = "Benchmarks/recorder/peer.c"
  /// As of a daemon: a commit comes after so many ticks where the disk sets the pace.
  package static let batchTicks = 1000
  /// Four batches: the producer can fill the ring while a commit waits for the disk. 9 MB, as in a daemon.
  private static let ringCapacity = 4096
  /// In each mode at the board's rate: two commits at least.
  private static let pacedSeconds = 2.0...20.0
  /// Between two looks at the clock.
  private static let feedTicks: UInt64 = 64
  /// For the last batches, on a disk that is busy.
  private static let stopNanoseconds: Int64 = 60_000_000_000

  /// - Parameters:
  ///   - hand: fifteen joints, as the C program has.
  ///   - directory: on the disk to be measured; nil for the system's temporary one.
  ///   - seconds: for ours; the C program then does the same work.
  ///   - peerSource: `peerName` where it was found.
  package static func run(
    hand: HandFiles, directory: String?, seconds: Double, peerSource: String?,
    isCancelled: @escaping () -> Bool
  ) throws -> SideBySide {
    let scratch = try ScratchDirectory(in: directory)
    let peer: Result<(UInt64) throws -> BenchRun, NoPeer>
    do {
      let program = try PeerProgram(
        name: peerName, source: peerSource, libraries: ["sqlite3", "m"], directory: scratch.path,
        isCancelled: isCancelled)
      peer = .success { count in
        let file = scratch.path + "/peer.sqlite"
        defer { for suffix in ["", "-journal"] { unlink(file + suffix) } }
        return try program.run([file, "\(count)", "\(batchTicks)"], count: count)
      }
    } catch let reason as NoPeer {
      peer = .failure(reason)
    }
    var result = try SideBySide(
      seconds: seconds,
      ours: { seconds in
        let data = scratch.path + "/ours"
        defer { try? FileManager.default.removeItem(atPath: data) }
        return try record(hand, in: data, seconds: seconds, isCancelled: isCancelled)
      }, peer: peer)
    result.paced = try RecordingMode.allCases.map { mode in
      try RecorderPace.measure(
        hand, mode: mode, in: scratch.path + "/\(mode.rawValue)",
        seconds: min(max(seconds, pacedSeconds.lowerBound), pacedSeconds.upperBound),
        isCancelled: isCancelled)
    }
    return result
  }

  private static func record(
    _ hand: HandFiles, in directory: String, seconds: Double, isCancelled: () -> Bool
  ) throws -> BenchRun {
    var options = RecorderOptions()
    options.batchTicks = batchTicks
    // One segment, like the C program; nothing is deleted.
    options.segmentBytes = .max
    options.segmentTicks = .max
    options.keepBytes = nil
    options.stopNanoseconds = stopNanoseconds
    let ring = Ring<TickRecord>(
      capacity: ringCapacity, filling: TickRecord(),
      recordBytes: TickRecord.byteCount(joints: hand.board.joints.count))
    let recorder = try Recorder(
      directory: directory, identity: HandIdentity(bench: hand), ring: ring, options: options)
    let joints = hand.board.joints.count
    var record = TickRecord()
    var ticks: UInt64 = 0
    let writtenBefore = bytesWritten()
    let start = ContinuousClock.now
    try recorder.start()
    while ContinuousClock.now - start < .seconds(seconds), !isCancelled() {
      for _ in 0..<feedTicks {
        fill(&record, sequence: ticks, joints: joints)
        // Nothing is dropped: the recorder sets the pace. What a cancelled run drops is not counted.
        while ring.count == ring.capacity, !isCancelled() { usleep(100) }
        ring.push(record)
        ticks += 1
      }
    }
    let status = recorder.stop()
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    if isCancelled() { throw BenchError.cancelled }
    guard status.recordedTicks == ticks else {
      throw BenchError.incomplete("recorded \(status.recordedTicks) of \(ticks) ticks: \(status)")
    }
    let written = bytesWritten() - writtenBefore
    return BenchRun(count: ticks, seconds: elapsed, bytesEach: Double(written) / Double(ticks))
  }

  /// Bytes that this process has passed to write calls so far; 0 where the kernel does not count them.
  static func bytesWritten() -> UInt64 {
    let text = (try? String(contentsOfFile: "/proc/self/io", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("wchar: ") }
    return line.flatMap { UInt64($0.dropFirst(7)) } ?? 0
  }

  /// A tick whose values change like those of a moving hand; peer.c computes the same.
  static func fill(_ record: inout TickRecord, sequence: UInt64, joints: Int) {
    let phase = Double(sequence % 10_000) * 1e-4
    record.sequence = sequence
    record.deadlineNanoseconds = 1_000_000_000_000 + Int64(sequence) * 1_000_000
    record.wallNanoseconds = 1_700_000_000_000_000_000 + Int64(sequence) * 1_000_000
    record.wakeUpNanoseconds = 2000 + Int64(sequence % 997)
    record.previousComputeNanoseconds = 30_000 + Int64(sequence % 1009)
    record.dtNanoseconds = 1_000_000 + Int64(sequence % 991)
    record.state = .tracking
    record.mode = .trajectory
    record.certificate = .certified
    record.jointCount = UInt8(joints)
    record.outputsEnabled = true
    record.lipschitz = 0.999_332_931 - phase * 1e-6
    record.ratePerSecond = 0.667 + phase
    record.windowProduct = 0.51 + phase * 1e-3
    record.commandNumber = 1
    record.psi = phase
    record.gamma = -phase
    record.energyIntegral = phase * phase
    record.outputHash = (sequence &+ 1) &* 0x9E37_79B9_7F4A_7C15
    for index in 0..<joints {
      let angle = phase + Double(index) * 0.1
      record.joints[index].encoderCounts = UInt16(truncatingIfNeeded: sequence &+ UInt64(index) &* 273)
      record.joints[index].flags = JointFlags.fresh
      record.joints[index].certificate = .certified
      record.joints[index].sampleAgeNanoseconds = 400_000 + Int32(sequence % 977)
      record.joints[index].setpointRadians = angle
      record.joints[index].setpointRadiansPerSecond = 1 - angle
      record.joints[index].measuredRadians = angle + 1e-3
      record.joints[index].positionRadians = angle + 5e-4
      record.joints[index].velocityRadiansPerSecond = 1 - angle
      record.joints[index].innovationRadians = 1e-5 * angle
      record.joints[index].nominalRadians = angle
      record.joints[index].memoryRadianSeconds = 1e-3 * angle
      record.joints[index].demandNewtonMetres = 0.1 * angle
      record.joints[index].torqueNewtonMetres = 0.09 * angle
      record.joints[index].currentAmperes = 0.2 * angle
      record.joints[index].loadNewtonMetres = 0.05 * angle
      record.joints[index].forceNewtons = angle
      record.joints[index].slope = 1
      record.joints[index].lipschitz = 0.999_332_931 - phase * 1e-6
      record.joints[index].distance = 1e-4 * angle
    }
  }
}

extension HandIdentity {
  /// A hand whose recordings and messages nobody keeps.
  init(bench hand: HandFiles) {
    self.init(
      handID: "bench", runID: "bench", board: hand.board, calibration: hand.calibration,
      boardYAML: hand.boardYAML, calibrationYAML: hand.calibrationYAML, version: motorHandVersion,
      certificateJSON: "{}")
  }
}
