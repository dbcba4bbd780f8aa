import Dispatch
import HandModel
import Realtime
import Recording
import Wire

/// The gateway's store as that of a `BlockReceiver`. Several gateways may share one: what is stored of a run
/// stands in the run's row, which is locked while it grows.
///
/// While the store does not answer it waits, and with it the receiver's thread: the broker holds what comes
/// back, and the hands send again what it drops.
package final class StoredBlocks: BlockStore {
  /// Between two attempts at a store that does not answer.
  private static let pauseMilliseconds: Int32 = 500

  private let store: any Store
  private let wakeUp = WakeUp()
  private let isCancelled: @Sendable () -> Bool
  private let onProblem: @Sendable (String) -> Void
  private let waiting: Locked<String?>
  private let told = OncePerCause()

  /// - Parameters:
  ///   - isCancelled: ends the waiting for a store that does not answer.
  ///   - onProblem: told why the store does not answer, and when it does again.
  ///   - waiting: why what comes waits, while it does.
  package init(
    store: any Store, isCancelled: @escaping @Sendable () -> Bool,
    waiting: Locked<String?> = Locked(nil), onProblem: @escaping @Sendable (String) -> Void
  ) {
    self.store = store
    self.isCancelled = isCancelled
    self.waiting = waiting
    self.onProblem = onProblem
  }

  /// The hands of which something is stored.
  package func handIDs() throws(RecordingError) -> [String] {
    try patiently { (store) throws(StoreError) in
      try await store.read { (session) throws(StoreError) in
        var hands: [String] = []
        for row in try session.rows("SELECT hand_id FROM {telemetry.hands}") {
          hands.append(try row.text("hand_id"))
        }
        return hands
      }
    }
  }

  /// The runs of a hand, the one last received first: one more than a report has room for, so that it tells
  /// when there are more.
  package func storedRuns(of handID: String) throws(RecordingError) -> [StoredRun] {
    try patiently { (store) throws(StoreError) in
      try await Runs.newest(StoredMessage.maximumRuns + 1, of: handID, in: store).map {
        StoredRun(runID: $0.runID, ticks: $0.ticks, events: $0.events)
      }
    }
  }

  /// Stores messages of hands in one transaction. Where it fails for what one of them is, each has its own,
  /// so that no hand keeps the others from being stored.
  package func store(
    _ messages: [(handID: String, message: ReceivedStore.Message)]
  ) throws(RecordingError) -> [ReceivedStore.Outcome] {
    do throws(RecordingError) { return try storeAtOnce(messages) } catch {
      guard !isCancelled() else { throw error }
      guard messages.count == 1 else {
        var outcomes: [ReceivedStore.Outcome] = []
        for message in messages { outcomes += try store([message]) }
        return outcomes
      }
      if told.isNew(messages[0].handID) { onProblem("hand \(messages[0].handID): not stored: \(error)") }
      return [.refused]
    }
  }

  private func storeAtOnce(
    _ messages: [(handID: String, message: ReceivedStore.Message)]
  ) throws(RecordingError) -> [ReceivedStore.Outcome] {
    let now = Timestamp.now
    return try patiently { (store) throws(StoreError) in
      try await store.write { (session) throws(StoreError) in
        var batch = BlockBatch(session: session, now: now)
        return try batch.store(messages)
      }
    }
  }

  /// Does something with the store, again and again while it does not answer.
  private func patiently<Value: Sendable>(
    _ body: @escaping @Sendable (any Store) async throws(StoreError) -> Value
  ) throws(RecordingError) -> Value {
    var told: String?
    while true {
      switch wait(body) {
      case .success(let value):
        waiting.withLock { $0 = nil }
        if told != nil { onProblem("the store answers again") }
        return value
      case .failure(.unavailable(let reason)):
        if told != reason { onProblem("the store does not answer, what comes waits: \(reason)") }
        told = reason
        waiting.withLock { $0 = reason }
        guard !isCancelled() else { throw .notReceived(path: "the store", reason: reason) }
        wakeUp.wait(milliseconds: Self.pauseMilliseconds)
      case .failure(let error): throw .notReceived(path: "the store", reason: error.description)
      }
    }
  }

  /// The receiver has a thread of its own, which may wait for a task.
  private func wait<Value: Sendable>(
    _ body: @escaping @Sendable (any Store) async throws(StoreError) -> Value
  ) -> Result<Value, StoreError> {
    let result = Locked<Result<Value, StoreError>?>(nil)
    let done = DispatchSemaphore(value: 0)
    let store = store
    Task {
      let outcome: Result<Value, StoreError>
      do throws(StoreError) { outcome = .success(try await body(store)) } catch { outcome = .failure(error) }
      result.withLock { $0 = outcome }
      done.signal()
    }
    done.wait()
    return result.withLock { $0 } ?? .failure(.defect("a task ended without a result"))
  }
}

/// Messages of one transaction.
private struct BlockBatch {
  private struct Key: Hashable, Comparable {
    var handID: String
    var runID: String

    static func < (a: Self, b: Self) -> Bool { (a.handID, a.runID) < (b.handID, b.runID) }
  }

  private static let blockColumns = [
    "hand_id", "run_id", "first_sequence", "last_sequence", "first_time", "last_time", "stored_at", "sha256",
    "bytes",
  ]
  /// Separate ranges of a run's numbers. A run has a few; somebody who invents numbers would make each of its
  /// transactions slower than the last.
  private static let mostRanges = 4096

  private static let eventColumns = ["hand_id", "run_id", "number", "time", "kind", "message"]

  let session: any StoreSession
  let now: Timestamp
  private var runs: [Key: Run] = [:]
  private var blocks: [[SQLValue]] = []
  /// First ticks of `blocks`, by their run.
  private var waiting: Set<String> = []
  private var events: [[SQLValue]] = []
  private let decoder = TickBlockDecoder()

  init(session: any StoreSession, now: Timestamp) {
    self.session = session
    self.now = now
  }

  mutating func store(
    _ messages: [(handID: String, message: ReceivedStore.Message)]
  ) throws(StoreError) -> [ReceivedStore.Outcome] {
    // In one order everywhere: two gateways must not wait for each other.
    for key in Set(messages.map(Self.key)).sorted() { try open(key) }
    var outcomes: [ReceivedStore.Outcome] = []
    for message in messages { outcomes.append(try store(message.message, Self.key(message))) }
    try flushBlocks()
    _ = try session.add(events, to: "telemetry.hand_events", Self.eventColumns)
    for (key, run) in runs {
      try session.change(
        "UPDATE {telemetry.runs} SET last_seen = $3, stored = $4, duplicates = $5 WHERE hand_id = $1 AND run_id = $2",
        .text(key.handID), .text(key.runID), .time(now), .text(run.storedText), .integer(run.duplicates))
    }
    return outcomes
  }

  private static func key(_ message: (handID: String, message: ReceivedStore.Message)) -> Key {
    switch message.message {
    case .block(let block): Key(handID: message.handID, runID: block.key.runID)
    case .event(let event, _): Key(handID: message.handID, runID: event.runID)
    }
  }

  /// A run's row, which others wait for until the transaction's end; made where it is new.
  private mutating func open(_ key: Key) throws(StoreError) {
    try session.change(
      "INSERT INTO {telemetry.hands} (hand_id, run_id, first_seen, last_seen) VALUES ($1, $2, $3, $3) "
        + "ON CONFLICT (hand_id) DO UPDATE SET run_id = excluded.run_id, last_seen = excluded.last_seen",
      .text(key.handID), .text(key.runID), .time(now))
    try session.change(
      "INSERT INTO {telemetry.runs} (hand_id, run_id, first_seen, last_seen, stored) VALUES ($1, $2, $3, $3, '') "
        + "ON CONFLICT DO NOTHING", .text(key.handID), .text(key.runID), .time(now))
    let row = try session.row(
      "SELECT \(Runs.columns) FROM {telemetry.runs} WHERE hand_id = $1 AND run_id = $2"
        + (session.dialect == .postgres ? " FOR UPDATE" : ""), .text(key.handID), .text(key.runID))
    guard let row else { throw .contradiction("a run that was just stored is not there") }
    runs[key] = try Run(row)
  }

  private mutating func store(
    _ message: ReceivedStore.Message, _ key: Key
  ) throws(StoreError) -> ReceivedStore.Outcome {
    guard let run = runs[key], max(run.ticks.ranges.count, run.events.ranges.count) < Self.mostRanges else {
      return .refused
    }
    switch message {
    case .block(let block):
      let outcome = try store(block, key)
      switch outcome {
      case .stored: runs[key]?.ticks.insert(block.key.firstSequence...block.key.lastSequence)
      case .duplicate: runs[key]?.duplicates += 1
      case .conflict, .damaged, .refused: break
      }
      return outcome
    case .event(let event, let payload):
      let number = event.event.number
      guard runs[key]?.events.insert(number...number) == true else {
        runs[key]?.duplicates += 1
        return .duplicate
      }
      events.append([
        .text(key.handID), .text(key.runID), .integer(Int64(clamping: number)),
        .time(Timestamp(microseconds: event.event.wallNanoseconds / 1000)), .text(event.event.kind.rawValue),
        .text(String(decoding: payload, as: UTF8.self)),
      ])
      return .stored
    }
  }

  private mutating func store(_ block: TickBlock, _ key: Key) throws(StoreError) -> ReceivedStore.Outcome {
    let first = Int64(clamping: block.key.firstSequence)
    let place = "\(key.handID)/\(key.runID)/\(first)"
    if waiting.contains(place) { try flushBlocks() }
    do throws(TickBlockError) { try decoder.decode(block) } catch { return .damaged }
    let known = runs[key]?.ticks ?? SequenceRanges()
    if known.contains(block.key.firstSequence) {
      let row = try session.row(
        "SELECT sha256, bytes FROM {telemetry.blocks} WHERE hand_id = $1 AND run_id = $2 AND first_sequence = $3",
        .text(key.handID), .text(key.runID), .integer(first))
      if let row {
        if try row.bytes("sha256").elementsEqual(block.sha256) { return .duplicate }
        // One that is damaged is no reason to refuse another.
        if let stored = try? TickBlock(bytes: row.bytes("bytes")) {
          // A commit that the hand's disk did not confirm is repeated with what has come since: the longer
          // one has both.
          guard stored.key.count != block.key.count, stored.agrees(with: block) else { return .conflict }
          guard block.key.count > stored.key.count else { return .duplicate }
        }
        try session.change(
          "DELETE FROM {telemetry.blocks} WHERE hand_id = $1 AND run_id = $2 AND first_sequence = $3",
          .text(key.handID), .text(key.runID), .integer(first))
      } else if known.contains(block.key.firstSequence...block.key.lastSequence) {
        // It was stored, and deleted by its age; or somebody has put another one there.
        let other = try session.row(
          "SELECT first_sequence FROM {telemetry.blocks} WHERE hand_id = $1 AND run_id = $2 AND first_sequence <= $4 "
            + "AND last_sequence >= $3 LIMIT 1", .text(key.handID), .text(key.runID), .integer(first),
          .integer(Int64(clamping: block.key.lastSequence)))
        return other == nil ? .duplicate : .conflict
      }
    }
    blocks.append([
      .text(key.handID), .text(key.runID), .integer(first), .integer(Int64(clamping: block.key.lastSequence)),
      .time(time(0)), .time(time(block.key.count - 1)), .time(now), .bytes(Array(block.sha256)),
      .bytes(block.bytes),
    ])
    waiting.insert(place)
    return .stored
  }

  /// When a tick of the decoded block was, by the hand's wall clock.
  private func time(_ index: Int) -> Timestamp {
    let nanoseconds = decoder.record(at: index).load(
      fromByteOffset: TickRecord.offset(of: \.wallNanoseconds), as: Int64.self)
    return Timestamp(microseconds: nanoseconds / 1000)
  }

  private mutating func flushBlocks() throws(StoreError) {
    _ = try session.add(blocks, to: "telemetry.blocks", Self.blockColumns)
    blocks.removeAll()
    waiting.removeAll()
  }
}
