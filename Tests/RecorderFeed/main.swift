import HandFiles
import Foundation
import HandModel
import Realtime
import Recording

// Records without end and prints how many ticks are committed whenever that changes, to be killed.
//
//   recorder-feed DIRECTORY BOARD CALIBRATION SEGMENT_BYTES

let arguments = CommandLine.arguments
guard arguments.count == 5, let segmentBytes = UInt64(arguments[4]) else {
  FileHandle.standardError.write(
    Data("usage: recorder-feed DIRECTORY BOARD CALIBRATION SEGMENT_BYTES\n".utf8))
  exit(64)
}
let boardYAML = try String(contentsOfFile: arguments[2], encoding: .utf8)
let calibrationYAML = try String(contentsOfFile: arguments[3], encoding: .utf8)
let board = try Board(yaml: boardYAML, file: arguments[2])
let identity = HandIdentity(
  handID: "feed", runID: "feed", board: board,
  calibration: try Calibration(yaml: calibrationYAML, file: arguments[3], board: board), boardYAML: boardYAML,
  calibrationYAML: calibrationYAML, version: "feed", certificateJSON: "{}")
var options = RecorderOptions()
options.segmentBytes = segmentBytes
options.batchTicks = 100
let ring = Ring<TickRecord>(capacity: 1024, filling: TickRecord())
let recorder = try Recorder(directory: arguments[1], identity: identity, ring: ring, options: options)
try recorder.start()
var record = TickRecord()
record.jointCount = UInt8(board.joints.count)
var reported: UInt64 = 0
for sequence in UInt64(0)... {
  record.sequence = sequence
  record.wallNanoseconds = 1_700_000_000_000_000_000 + Int64(sequence) * 1_000_000
  while ring.count == ring.capacity { usleep(100) }
  ring.push(record)
  guard sequence % 64 == 0 else { continue }
  let recorded = recorder.status.recordedTicks
  if recorded != reported {
    // Not `print`: its buffer would die with the process.
    FileHandle.standardOutput.write(Data("\(recorded)\n".utf8))
    reported = recorded
  }
}
