import Foundation
import HandModel
import HandRigs
import Realtime
import Runtime
import Synchronization
import Testing

@testable import Telemetry
@testable import Wire

/// A publisher with its ring, a feeder of tick records and a record of the commands it submitted.
final class Rig: Sendable {
  /// What the publisher handed to the runtime.
  final class Runtime: Sendable {
    /// As many commands wait for a loop that does not tick.
    static let capacity = 32

    let commands = Locked<[CommandEnvelope]>([])
    let refusal = Locked<String?>(nil)
    let stops = Atomic(0)
    let stopReply = Locked<CommandReply>(.executed)
    /// Commands that nobody answers; nil = each is answered at once.
    private let held = Locked<[@Sendable (CommandReply) -> Void]?>(nil)

    /// The waiter of stops that nobody answers; nil = each is answered at once.
    private let stalledStops = Locked<StopWaiter?>(nil)

    /// From now on nobody waits for what comes of stops.
    func stallStops() {
      stalledStops.withLock { $0 = StopWaiter(stopCount: { 0 }, awaitStop: { .executed }) }
    }

    /// From now on no tick answers.
    func stall() { held.withLock { $0 = [] } }

    var sink: CommandSink {
      CommandSink(
        submit: { [self] envelope, source, _, completion in
          guard source == .mqtt else { return false }
          let isHeld = held.withLock { held -> Bool? in
            guard let waiting = held else { return false }
            guard waiting.count < Self.capacity else { return nil }
            held?.append(completion)
            return true
          }
          guard let isHeld else { return false }
          commands.withLock { $0.append(envelope) }
          if !isHeld { completion(refusal.withLock { $0.map { .refused(reason: $0) } ?? .executed }) }
          return true
        },
        requestStop: { [self] _ in stops.wrappingAdd(1, ordering: .relaxed) },
        stopCount: { [self] in UInt32(stopCount) },
        whenStopped: { [self] source, completion in
          if let waiter = stalledStops.withLock({ $0 }) { return waiter.whenStopped(source, completion) }
          completion(stopReply.withLock { $0 })
          return true
        },
        parse: { Fixtures.parse($0, verb: $1, now: Int64(Date().timeIntervalSince1970 * 1e9)) })
    }

    var count: Int { commands.withLock { $0.count } }
    var stopCount: Int { stops.load(ordering: .relaxed) }
  }

  let publisher: Publisher
  let ring = Ring<TickRecord>(capacity: 4096, filling: TickRecord())
  let runtime = Runtime()
  private let sequence = Atomic<UInt64>(0)

  init(
    port: UInt16, handID: String = Fixtures.handID, recordedEvents: HandOver<HandEvent>? = nil,
    chainHead: Locked<ChainHead?>? = nil, change: (inout PublisherOptions) -> Void = { _ in }
  ) throws {
    var options = PublisherOptions(host: "127.0.0.1", port: port)
    options.stateHertz = 50
    options.firstBackoffSeconds = 0.05
    options.largestBackoffSeconds = 0.2
    change(&options)
    publisher = try Publisher(
      options: options, identity: Fixtures.identity(handID: handID), ring: ring,
      recordedEvents: recordedEvents, chainHead: chainHead, commands: runtime.sink)
    try publisher.start()
  }

  deinit { publisher.stop() }

  /// Feeds the next records, as the loop would.
  func feed(_ count: Int = 20, state: HandState = .armed, change: (inout TickRecord) -> Void = { _ in }) {
    for _ in 0..<count {
      var record = Fixtures.record(sequence.load(ordering: .relaxed), state: state)
      change(&record)
      ring.push(record)
      sequence.wrappingAdd(1, ordering: .relaxed)
    }
  }

  /// Leaves out records, as a full ring does.
  func skip(_ count: UInt64) { sequence.wrappingAdd(count, ordering: .relaxed) }

  /// Feeds until the condition holds.
  func feeding(
    within seconds: Double = 5, state: HandState = .armed, until condition: () -> Bool
  ) -> Bool {
    eventually(within: seconds) {
      feed(2, state: state)
      return condition()
    }
  }

  func awaitConnected(_ wanted: Bool = true, within seconds: Double = 5) -> Bool {
    eventually(within: seconds) { publisher.status.connected == wanted }
  }
}
