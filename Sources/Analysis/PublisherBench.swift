import Foundation
import HandFiles
import HandModel
import Realtime
import Telemetry
import Wire

/// The whole publisher of a daemon that records, from what the recorder hands on to the acknowledgement: fed
/// with events as fast as it takes them, and with ticks at the board's rate, beside a C program around
/// `mosquitto_loop` (Benchmarks/publisher/peer.c), both through one private broker.
package enum PublisherBench {
  /// The C program's source, from the root of a checkout.
  package static let peerName = "Benchmarks/publisher/peer.c"
  /// As in a daemon.
  private static let ringCapacity = 4096
  /// Events fed and not acknowledged: half of the outbox, so that none is dropped.
  private static let waitingLimit: UInt64 = 2048
  /// Between two looks at what is acknowledged.
  private static let feedEvents: UInt64 = 64
  /// For what a broker on this machine does in milliseconds.
  private static let patienceSeconds = 30.0

  /// - Parameters:
  ///   - seconds: for ours; the C program then does the same work.
  ///   - peerSource: `peerName` where it was found.
  package static func run(
    hand: HandFiles, seconds: Double, peerSource: String?, isCancelled: @escaping () -> Bool
  ) throws -> SideBySide {
    let scratch = try ScratchDirectory(in: nil)
    let broker = try PrivateBroker(directory: scratch.path, isCancelled: isCancelled)
    let peer: Result<(UInt64) throws -> BenchRun, NoPeer>
    do {
      let program = try PeerProgram(
        name: peerName, source: peerSource, libraries: ["mosquitto"], directory: scratch.path,
        isCancelled: isCancelled)
      peer = .success { try program.run(["\(broker.port)", "\($0)"], count: $0) }
    } catch let reason as NoPeer {
      peer = .failure(reason)
    }
    return try withExtendedLifetime(broker) {
      try SideBySide(
        seconds: seconds,
        ours: { try publish(hand, port: broker.port, seconds: $0, isCancelled: isCancelled) }, peer: peer)
    }
  }

  private static func publish(
    _ hand: HandFiles, port: UInt16, seconds: Double, isCancelled: () -> Bool
  ) throws -> BenchRun {
    let ring = Ring<TickRecord>(
      capacity: ringCapacity, filling: TickRecord(),
      recordBytes: TickRecord.byteCount(joints: hand.board.joints.count))
    var options = PublisherOptions(host: "127.0.0.1", port: port)
    // Events only: the lowest rate of live samples.
    options.stateHertz = 0.1
    options.sensorHertz = 0.1
    let recorded = HandOver<HandEvent>(capacity: Int(2 * waitingLimit))
    let publisher = try Publisher(
      options: options, identity: HandIdentity(bench: hand), ring: ring, recordedEvents: recorded,
      commands: CommandSink(
        submit: { _, _, _, _ in false }, requestStop: { _ in }, stopCount: { 0 },
        whenStopped: { _, _ in false },
        parse: { _, _ in .failure(CommandRejection(id: "", reason: "bench")) }))
    try publisher.start()
    defer { publisher.stop() }
    func wait(_ what: String, until condition: () -> Bool) throws {
      try waitFor(what, seconds: patienceSeconds, isCancelled: isCancelled, until: condition)
    }
    try wait("connecting to the broker") { publisher.status.connected }

    var record = TickRecord()
    var events: UInt64 = 0
    let start = ContinuousClock.now
    while ContinuousClock.now - start < .seconds(seconds) {
      try wait("sending") {
        let status = publisher.status
        return events - (status.events - UInt64(status.eventsWaiting)) < waitingLimit
      }
      for _ in 0..<feedEvents {
        recorded.put(event(events))
        events += 1
      }
      let ticks = UInt64((ContinuousClock.now - start) / .seconds(1) * Double(hand.board.control.rateHertz))
      while record.sequence < ticks {
        record.sequence += 1
        ring.push(record)
      }
    }
    try wait("acknowledging") { publisher.status.events == events && publisher.status.eventsWaiting == 0 }
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    let drops = publisher.status.drops
    guard drops.events == 0, drops.ringRecords == 0 else {
      throw BenchError.incomplete("dropped \(drops.events) events and \(drops.ringRecords) records")
    }
    return BenchRun(count: events, seconds: elapsed)
  }

  /// What the recorder hands on when an e-stop line flips with every tick.
  private static func event(_ sequence: UInt64) -> HandEvent {
    let (from, to) = sequence.isMultiple(of: 2) ? ("inactive", "active") : ("active", "inactive")
    return HandEvent(
      number: sequence + 1, isStored: true, sequence: sequence,
      wallNanoseconds: 1_700_000_000_000_000_000 + Int64(sequence) * 1_000_000, kind: .eStopLine, from: from,
      to: to, text: "e-stop line \(to)")
  }
}

/// A Mosquitto of its own on a free loopback port.
final class PrivateBroker {
  let port: UInt16
  private let program: ToolProgram
  private static let startSeconds = 10.0

  init(directory: String, isCancelled: () -> Bool) throws {
    guard let mosquitto = installedProgram("mosquitto") else {
      throw BenchError.notInstalled(program: "mosquitto", package: "mosquitto")
    }
    let port = Self.freePort()
    // The default of 20 in flight would make both sides wait for the broker alone.
    let configuration = """
      listener \(port) 127.0.0.1
      allow_anonymous true
      max_inflight_messages 100
      log_dest none

      """
    let file = directory + "/broker.conf"
    try configuration.write(toFile: file, atomically: true, encoding: .utf8)
    let program = try ToolProgram(mosquitto, ["-c", file])
    self.program = program
    self.port = port
    try waitFor("starting the broker", seconds: Self.startSeconds, isCancelled: isCancelled) {
      guard program.isRunning else {
        _ = try program.output(seconds: 1, isCancelled: isCancelled)
        throw BenchError.program(name: "mosquitto", status: 0, output: "ended at once")
      }
      return Self.withSocket(port) { connect($0, $1, $2) == 0 }
    }
  }

  /// A port that the system had free a moment ago; 0, which no broker takes, when there is none.
  private static func freePort() -> UInt16 {
    withSocket(0) { descriptor, address, length in
      var found = sockaddr_in()
      var size = length
      guard bind(descriptor, address, length) == 0 else { return 0 }
      return withUnsafeMutablePointer(to: &found) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          getsockname(descriptor, $0, &size) == 0 ? UInt16(bigEndian: pointer.pointee.sin_port) : 0
        }
      }
    }
  }

  private static func withSocket<Value>(
    _ port: UInt16, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Value
  ) -> Value {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}
