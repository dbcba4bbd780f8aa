import Foundation
import HandModel
import Realtime
import Recording

// The recorder alone, fed as fast as it takes: `throughput` for the comparison with peer.c (./run), `feed`
// for the crash test, which kills it.
//
//   recorder-bench throughput DIRECTORY BOARD CALIBRATION TICKS BATCH
//   recorder-bench feed DIRECTORY BOARD CALIBRATION SEGMENT_BYTES

/// Four batches: the producer can fill the ring while a commit waits for the disk. 9 MB, as in a daemon.
let ringCapacity = 4096

func fail(_ text: String) -> Never {
  FileHandle.standardError.write(Data((text + "\n").utf8))
  exit(1)
}

/// A tick whose values change like those of a moving hand. peer.c computes the same.
func fill(_ record: inout TickRecord, sequence: UInt64, joints: Int) {
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
    record.joints[index].forceNewtons = angle
    record.joints[index].slope = 1
    record.joints[index].lipschitz = 0.999_332_931 - phase * 1e-6
    record.joints[index].distance = 1e-4 * angle
  }
}

func text(_ path: String) -> String {
  guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { fail("\(path): unreadable") }
  return text
}

func identity(board: String, calibration: String) throws -> HandIdentity {
  let boardYAML = text(board)
  let calibrationYAML = text(calibration)
  let parsed = try Board(yaml: boardYAML, file: board)
  return HandIdentity(
    handID: "bench", bootID: "bench-\(getpid())", board: parsed,
    calibration: try Calibration(yaml: calibrationYAML, file: calibration, board: parsed),
    boardYAML: boardYAML, calibrationYAML: calibrationYAML, version: "bench", certificateJSON: "{}")
}

/// Bytes this process has passed to write calls so far.
func bytesWritten() -> UInt64 {
  for line in text("/proc/self/io").split(separator: "\n") where line.hasPrefix("wchar: ") {
    return UInt64(line.dropFirst(7)) ?? 0
  }
  return 0
}

/// Pushes when there is room, so that nothing is dropped and the recorder sets the pace.
func push(_ record: TickRecord, to ring: Ring<TickRecord>) {
  while ring.count == ring.capacity { usleep(100) }
  ring.push(record)
}

func throughput(directory: String, identity: HandIdentity, ticks: UInt64, batch: Int) throws {
  var options = RecorderOptions()
  options.batchTicks = batch
  options.backlogTicks = max(batch, options.backlogTicks)
  // One segment, like the peer.
  options.segmentBytes = .max
  options.segmentTicks = .max
  options.stopNanoseconds = 60_000_000_000
  let joints = identity.board.joints.count
  let ring = Ring<TickRecord>(capacity: ringCapacity, filling: TickRecord())
  let recorder = try Recorder(directory: directory, identity: identity, ring: ring, options: options)
  var record = TickRecord()
  let writtenBefore = bytesWritten()
  let start = ContinuousClock.now
  try recorder.start()
  for sequence in 0..<ticks {
    fill(&record, sequence: sequence, joints: joints)
    push(record, to: ring)
  }
  let status = recorder.stop()
  let seconds = (ContinuousClock.now - start) / .seconds(1)
  let written = bytesWritten() - writtenBefore
  guard status.recordedTicks == ticks else { fail("recorded \(status.recordedTicks) of \(ticks): \(status)") }
  print(
    """
    {"program":"recorder-bench","ticks":\(ticks),"joints":\(joints),"batch":\(batch),\
    "seconds":\(seconds),"ticks_per_second":\(Double(ticks) / seconds),\
    "bytes_per_tick":\(Double(written) / Double(ticks))}
    """)
}

/// Records without end and prints how many ticks are committed whenever that changes.
func feed(directory: String, identity: HandIdentity, segmentBytes: UInt64) throws -> Never {
  var options = RecorderOptions()
  options.segmentBytes = segmentBytes
  options.batchTicks = 100
  let ring = Ring<TickRecord>(capacity: 1024, filling: TickRecord())
  let recorder = try Recorder(directory: directory, identity: identity, ring: ring, options: options)
  try recorder.start()
  var record = TickRecord()
  var sequence: UInt64 = 0
  var reported: UInt64 = 0
  while true {
    fill(&record, sequence: sequence, joints: identity.board.joints.count)
    push(record, to: ring)
    sequence += 1
    guard sequence % 64 == 0 else { continue }
    let recorded = recorder.status.recordedTicks
    if recorded != reported {
      // Not `print`: its buffer would die with the process.
      FileHandle.standardOutput.write(Data("\(recorded)\n".utf8))
      reported = recorded
    }
  }
}

let arguments = CommandLine.arguments
do {
  switch (arguments.count, arguments.dropFirst().first) {
  case (7, "throughput"):
    try throughput(
      directory: arguments[2], identity: try identity(board: arguments[3], calibration: arguments[4]),
      ticks: UInt64(arguments[5]) ?? 0, batch: Int(arguments[6]) ?? 0)
  case (6, "feed"):
    try feed(
      directory: arguments[2], identity: try identity(board: arguments[3], calibration: arguments[4]),
      segmentBytes: UInt64(arguments[5]) ?? 0)
  default:
    fail("usage: recorder-bench throughput DIRECTORY BOARD CALIBRATION TICKS BATCH | feed …")
  }
} catch {
  fail("\(error)")
}
