import Foundation
import HandModel
import Realtime
import Telemetry

// The whole publisher, ring to acknowledgement, fed with one event a tick as fast as it takes them; for the
// comparison with peer.c (./run).
//
//   publisher-bench PORT BOARD CALIBRATION EVENTS

/// As in a daemon.
let ringCapacity = 4096
/// Events fed and not acknowledged: half of the outbox, so that none is dropped.
let waitingLimit: UInt64 = 2048

func fail(_ text: String) -> Never {
  FileHandle.standardError.write(Data((text + "\n").utf8))
  exit(1)
}

let arguments = CommandLine.arguments
guard arguments.count == 5, let port = UInt16(arguments[1]), let events = UInt64(arguments[4]) else {
  fail("usage: publisher-bench PORT BOARD CALIBRATION EVENTS")
}

func wait(_ what: String, until condition: () -> Bool) {
  let limit = ContinuousClock.now + .seconds(120)
  while !condition() {
    if ContinuousClock.now > limit { fail("\(what) took over 120 s") }
    usleep(1000)
  }
}

let boardYAML = try String(contentsOfFile: arguments[2], encoding: .utf8)
let calibrationYAML = try String(contentsOfFile: arguments[3], encoding: .utf8)
let board = try Board(yaml: boardYAML, file: arguments[2])
let identity = HandIdentity(
  handID: "bench", bootID: "bench", board: board,
  calibration: try Calibration(yaml: calibrationYAML, file: arguments[3], board: board),
  boardYAML: boardYAML, calibrationYAML: calibrationYAML, version: "bench", certificateJSON: "{}")
let ring = Ring<TickRecord>(capacity: ringCapacity, filling: TickRecord())
var options = PublisherOptions(host: "127.0.0.1", port: port)
// Events only: the lowest rate of live samples.
options.stateHertz = 0.1
options.sensorHertz = 0.1
let publisher = try Publisher(
  options: options, identity: identity, ring: ring,
  commands: CommandSink(
    submit: { _, _, _ in false }, requestStop: {}, awaitStop: { .executed },
    parse: { _, _ in .failure(CommandRejection(id: "", reason: "bench")) }))
try publisher.start()
wait("connecting") { publisher.status.connected }

var record = TickRecord()
// The first record makes the event `start`; each further one flips the line and makes one.
let start = ContinuousClock.now
for sequence in 0..<events {
  if sequence % 64 == 0 {
    wait("sending") {
      let status = publisher.status
      return sequence - (status.events - UInt64(status.eventsWaiting)) < waitingLimit
    }
  }
  record.sequence = sequence
  record.wallNanoseconds = 1_700_000_000_000_000_000 + Int64(sequence) * 1_000_000
  record.eStopLineActive = !sequence.isMultiple(of: 2)
  ring.push(record)
}
wait("acknowledging") { publisher.status.events == events && publisher.status.eventsWaiting == 0 }
let seconds = (ContinuousClock.now - start) / .seconds(1)
let status = publisher.status
publisher.stop()
guard status.drops.events == 0, status.drops.ringRecords == 0 else { fail("lost events: \(status)") }
print(
  """
  {"program":"publisher-bench","events":\(events),"seconds":\(seconds),\
  "events_per_second":\(Double(events) / seconds)}
  """)
