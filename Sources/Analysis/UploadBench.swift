import Foundation
import HandFiles
import HandModel
import Realtime
import Recording
import Synchronization
import Telemetry
import Wire

/// Recorded ticks from the disk through a private broker into a consumer's store: the way that a backlog
/// takes, as fast as it goes.
package enum UploadBench {
  /// Five minutes of a hand at 1 kHz: some hundreds of blocks, 80 MB.
  package static let ticks: UInt64 = 300_000
  private static let ringCapacity = 4096
  private static let patienceSeconds = 120.0
  private static let recorderStopNanoseconds: Int64 = 60_000_000_000

  /// - Parameter directory: on the disk to be measured; nil for the system's temporary one.
  /// - Returns: the ticks, and the time from the publisher's start, with its connecting, to the last commit.
  package static func run(
    hand: HandFiles, directory: String? = nil, isCancelled: @escaping () -> Bool
  ) throws -> BenchRun {
    let scratch = try ScratchDirectory(in: directory)
    try record(hand, in: scratch.path + "/data", isCancelled: isCancelled)
    let broker = try PrivateBroker(directory: scratch.path, isCancelled: isCancelled)
    return try withExtendedLifetime(broker) {
      try upload(hand, from: scratch.path, port: broker.port, isCancelled: isCancelled)
    }
  }

  private static func record(_ hand: HandFiles, in directory: String, isCancelled: () -> Bool) throws {
    var options = RecorderOptions()
    options.keepBytes = nil
    options.stopNanoseconds = recorderStopNanoseconds
    let joints = hand.board.joints.count
    let ring = Ring<TickRecord>(
      capacity: ringCapacity, filling: TickRecord(), recordBytes: TickRecord.byteCount(joints: joints))
    let recorder = try Recorder(
      directory: directory, identity: HandIdentity(bench: hand), ring: ring, options: options)
    try recorder.start()
    var record = TickRecord()
    for tick in 0..<ticks {
      RecorderBench.fill(&record, sequence: tick, joints: joints)
      while ring.count == ring.capacity, !isCancelled() { usleep(100) }
      ring.push(record)
    }
    let status = recorder.stop()
    if isCancelled() { throw BenchError.cancelled }
    guard status.recordedTicks == ticks else {
      throw BenchError.incomplete("recorded \(status.recordedTicks) of \(ticks) ticks: \(status)")
    }
  }

  private static func upload(
    _ hand: HandFiles, from directory: String, port: UInt16, isCancelled: () -> Bool
  ) throws -> BenchRun {
    let received = Locked(BlockReceiver.Status())
    let mayEnd = Atomic(false)
    let receiving = try RealtimeThread(name: "bench-receive", policy: .normal) {
      let receiver = try? BlockReceiver(
        options: PublisherOptions(host: "127.0.0.1", port: port),
        store: ReceivedStore(directory: directory + "/received"), name: "bench", handID: nil)
      _ = try? receiver?.run(isCancelled: { mayEnd.load(ordering: .acquiring) }) { status in
        received.withLock { $0 = status }
      }
    }
    defer {
      mayEnd.store(true, ordering: .releasing)
      receiving.join()
    }
    func wait(_ what: String, until condition: () -> Bool) throws {
      try waitFor(what, seconds: patienceSeconds, isCancelled: isCancelled, until: condition)
    }
    try wait("connecting the consumer") { received.withLock { $0.connected } }
    var identity = HandIdentity(bench: hand)
    identity.runID = "bench-upload"
    var upload = UploadOptions(directory: directory + "/data", mode: .full)
    upload.backlogBytesPerSecond = 0
    let publisher = try Publisher(
      options: PublisherOptions(host: "127.0.0.1", port: port), identity: identity,
      ring: Ring<TickRecord>(capacity: ringCapacity, filling: TickRecord()), upload: upload,
      commands: CommandSink(
        submit: { _, _, _, _ in false }, requestStop: { _ in }, stopCount: { 0 },
        whenStopped: { _, _ in false },
        parse: { _, _ in .failure(CommandRejection(id: "", reason: "bench")) }))
    let start = ContinuousClock.now
    try publisher.start()
    defer { publisher.stop() }
    try wait("uploading") { received.withLock { $0.ticks } == ticks }
    return BenchRun(count: ticks, seconds: (ContinuousClock.now - start) / .seconds(1))
  }
}
