import CMosquitto
import Glibc
import HandModel
import Realtime
import Recording
import Wire

/// A consumer of recorded blocks and events: stores them by their keys and tells each hand what it has, which
/// closes the way from tick to store. Runs on its caller's thread.
package final class BlockReceiver {
  /// What came since the start; a copy, safe to keep.
  package struct Status: Sendable, Equatable {
    /// The broker has accepted the connection and it stands.
    package var connected = false
    /// Stored since the start.
    package var blocks: UInt64 = 0
    package var ticks: UInt64 = 0
    package var bytes: UInt64 = 0
    /// Events stored since the start.
    package var events: UInt64 = 0
    /// Messages of what was stored already.
    package var duplicates: UInt64 = 0
    /// Messages that are no block or event of the hand, or not as they were sent.
    package var damaged: UInt64 = 0
    /// Blocks under a key that another block has.
    package var conflicts: UInt64 = 0
    /// Messages that the store cannot hold.
    package var refused: UInt64 = 0
    /// Why the last connection failed, or what was wrong with a message; empty when nothing was.
    package var lastError = ""

    package init() {}
  }

  /// For how long a broker keeps what a consumer that is away has missed. The hands keep it longer.
  private static let sessionSeconds: UInt32 = 604_800
  /// The largest block, 10,000 ticks of 32 joints in values that do not compress, has 6 MB.
  private static let largestPacketBytes: UInt32 = 16_000_000
  /// Messages that wait to be stored: a commit costs a sync of the disk, and is shared by those of one turn.
  private static let batchBytes = 4_000_000
  /// Between two reports to a hand, and after one that the broker refused.
  private static let reportNanoseconds: Int64 = 1_000_000_000
  private static let refusedNanoseconds: Int64 = 60_000_000_000
  private static let turnMilliseconds: Int32 = 50
  private static let farewellNanoseconds: Int64 = 2_000_000_000

  private struct Message {
    var handID: String
    var content: ReceivedStore.Message
  }

  /// What the library's callback leaves.
  private final class Inbox: @unchecked Sendable {
    // Safety of @unchecked: used by the callback and by the loop, which runs it, on one thread.
    var messages: [Message] = []
    var bytes = 0
    var hands: Set<String> = []
    var problems: [String] = []
    /// Stores what is there, where it is too much to keep.
    var relieve: () -> Void = {}
  }

  /// Told of each problem with a message, in words.
  package var onProblem: (String) -> Void = { _ in }
  private let options: PublisherOptions
  private let name: String
  private let handID: String?
  private let replica: String?
  private let store: any BlockStore
  private let wakeUp = WakeUp()
  private var link: BrokerLink
  private var inbox = Inbox()
  private var failure: RecordingError?
  private var status = Status()
  /// Hands whose report is due, and when each had its last.
  private var dirty: Set<String> = []
  private var reportedAt: [String: Int64] = [:]
  private var reports: [Int32: String] = [:]

  /// Connects to nothing yet.
  /// - Parameters:
  ///   - store: of no one else but other replicas.
  ///   - name: of this consumer, 1 to 64 of A-Z a-z 0-9 _ -; its session at the broker goes by it.
  ///   - handID: the only hand whose messages are stored; nil = all.
  ///   - replica: of several consumers of one name and one store, among which the broker divides what comes;
  ///     letters as of the name. Nil: there is only this one.
  package init(
    options: PublisherOptions, store: any BlockStore, name: String, handID: String?, replica: String? = nil
  ) throws(RecordingError) {
    self.options = options
    self.name = name
    self.handID = handID
    self.replica = replica
    self.store = store
    link = BrokerLink(options, wakeUp: wakeUp)
    dirty = try known()
  }

  /// The hands that are to be told what is stored of them, whether something comes of them or not.
  private func known() throws(RecordingError) -> Set<String> {
    if let handID { return [handID] }
    return Set(try store.handIDs())
  }

  /// Receives until `isCancelled`; then stores what came, reports it and leaves the broker in order.
  /// - Parameter progress: called some times a second.
  /// - Throws: where something cannot be stored. What was not, the hands send again.
  package func run(
    isCancelled: () -> Bool, progress: (Status) -> Void
  ) throws(RecordingError) -> Status {
    while !isCancelled() {
      let now = MonotonicClock().now()
      do throws(BrokerError) {
        if let connection = link.connection {
          try serve(connection, now)
        } else if let connection = try link.step(now, attempt: beginAttempt) {
          try begin(connection)
        }
      } catch { fail(error, now) }
      try storeInbox()
      try storeInbox()
      progress(status)
    }
    if let connection = link.connection { try sayFarewell(connection) }
    link.end()
    status.connected = false
    return status
  }

  private func fail(_ error: BrokerError, _ now: Int64) {
    status.connected = false
    status.lastError = "\(link.broker.brokerText): \(error)"
    onProblem(status.lastError)
    dirty.formUnion(reports.values)
    reports.removeAll()
    link.fail(now)
  }

  private func beginAttempt(_ options: PublisherOptions) -> ConnectionAttempt {
    let inbox = Inbox()
    inbox.relieve = { [unowned self] in
      do throws(RecordingError) { try storeInbox() } catch { failure = error }
    }
    self.inbox = inbox
    let wanted = handID
    // What a share of one that has gone would keep, the others would miss. The hands keep it too.
    let session: BrokerConnection.Session = replica == nil ? .kept(seconds: Self.sessionSeconds) : .clean
    let clientID = "motorhand-receive-\(name)" + (replica.map { "-\($0)" } ?? "")
    return ConnectionAttempt { () throws(BrokerError) in
      try BrokerConnection.open(
        options, clientID: clientID, will: nil, largestPacketBytes: Self.largestPacketBytes,
        session: session
      ) { Self.take($0, into: inbox, wanted: wanted) }
    }
  }

  /// A persistent session's messages come as soon as the broker has accepted the connection.
  private static func take(_ message: borrowing mosquitto_message, into inbox: Inbox, wanted: String?) {
    guard let text = message.topic, let (handID, topic) = HandTopic.read(String(cString: text)),
      wanted ?? handID == handID
    else { return }
    inbox.hands.insert(handID)
    let payload = Array(UnsafeRawBufferPointer(start: message.payload, count: Int(message.payloadlen)))
    do {
      switch topic {
      case .block:
        inbox.messages.append(.init(handID: handID, content: .block(try TickBlock(bytes: payload))))
      case .event:
        let event = try EventMessage(decoding: payload)
        guard HandIdentity.isValid(handID: event.runID), event.event.number <= SequenceRanges.largest else {
          throw MessageProblem("found a run or a number that no hand has")
        }
        // What the recording does not hold may never be told again, and is not the stream's.
        guard event.event.isStored else { return }
        inbox.messages.append(.init(handID: handID, content: .event(event, payload: payload)))
      default: return
      }
      inbox.bytes += payload.count
      if inbox.bytes > batchBytes { inbox.relieve() }
    } catch {
      inbox.problems.append("\(String(cString: text)), \(payload.count) bytes: \(error)")
    }
  }

  private func begin(_ connection: BrokerConnection) throws(BrokerError) {
    status.connected = true
    let hand = handID ?? "+"
    // A hand that is there is told what is stored of it, though nothing has come from it yet.
    _ = try connection.subscribe(to: "motorhand/hand/\(hand)/status")
    // Of replicas each has its share.
    let share = replica == nil ? "" : "$share/\(name)/"
    for topic in ["event", "block"] {
      _ = try connection.subscribe(to: "\(share)motorhand/hand/\(hand)/\(topic)")
    }
    // The broker may have lost what it retained.
    do throws(RecordingError) { dirty.formUnion(try known()) } catch { failure = error }
    reportedAt.removeAll()
  }

  private func serve(_ connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    try connection.turn(timeoutMilliseconds: Self.turnMilliseconds, wakeUp)
    for grant in connection.takeGrants() where grant.reason >= 0x80 {
      onProblem("\(link.broker.brokerText) refuses a subscription: \(BrokerError.text(grant.reason))")
    }
    for completion in connection.takeCompletions() {
      guard let hand = reports.removeValue(forKey: completion.message), completion.reason >= 0x80 else {
        continue
      }
      onProblem(
        "\(link.broker.brokerText) refuses \(Topics(handID: hand).stored): \(BrokerError.text(completion.reason))"
      )
      dirty.insert(hand)
      reportedAt[hand] = now + Self.refusedNanoseconds
    }
    for hand in inbox.hands where reportedAt[hand] == nil { dirty.insert(hand) }
    inbox.hands.removeAll()
    try report(on: connection, now, isLast: false)
  }

  /// Tells hands what is stored, each once a second at most.
  private func report(on connection: BrokerConnection, _ now: Int64, isLast: Bool) throws(BrokerError) {
    for hand in dirty {
      guard isLast || reportedAt[hand].map({ now - $0 >= Self.reportNanoseconds }) ?? true else { continue }
      let runs: [StoredRun]
      do throws(RecordingError) { runs = try store.storedRuns(of: hand) } catch {
        failure = error
        return
      }
      let message = StoredMessage(consumer: name, newestFirst: runs.map { ($0.runID, $0.ticks, $0.events) })
      let number = try connection.publish(
        topic: Topics(handID: hand).stored, payload: message.encoded(), qos: 1, retain: true)
      reports[number] = hand
      reportedAt[hand] = now
      dirty.remove(hand)
    }
  }

  private func storeInbox() throws(RecordingError) {
    if let failure { throw failure }
    for problem in inbox.problems {
      status.damaged += 1
      status.lastError = problem
      onProblem(problem)
    }
    inbox.problems.removeAll()
    let messages = inbox.messages
    guard !messages.isEmpty else { return }
    let outcomes = try store.store(messages.map { ($0.handID, $0.content) })
    inbox.messages.removeAll()
    inbox.bytes = 0
    for (message, outcome) in zip(messages, outcomes) { note(message, outcome) }
  }

  private func note(_ message: Message, _ outcome: ReceivedStore.Outcome) {
    switch (outcome, message.content) {
    case (.duplicate, _):
      status.duplicates += 1
      // The hand does not know that it is stored.
      dirty.insert(message.handID)
    case (.conflict, .block(let block)):
      status.conflicts += 1
      onProblem(
        "hand \(message.handID), run \(block.key.runID): another block than the one stored from tick "
          + "\(block.key.firstSequence) on; the first one stays")
    case (.refused, _): status.refused += 1
    case (.conflict, .event), (.damaged, .event): break
    case (.damaged, .block(let block)):
      status.damaged += 1
      onProblem(
        "hand \(message.handID), run \(block.key.runID): the block from tick \(block.key.firstSequence) on cannot be "
          + "unpacked, and is not stored")
    case (.stored, .block(let block)):
      status.blocks += 1
      status.ticks += UInt64(block.key.count)
      status.bytes += UInt64(block.bytes.count)
      dirty.insert(message.handID)
    case (.stored, .event):
      status.events += 1
      dirty.insert(message.handID)
    }
  }

  private func sayFarewell(_ connection: BrokerConnection) throws(RecordingError) {
    let limit = MonotonicClock().now() + Self.farewellNanoseconds
    do throws(BrokerError) {
      try report(on: connection, MonotonicClock().now(), isLast: true)
      while !reports.isEmpty, MonotonicClock().now() < limit {
        // What still comes is stored below and reported by the next start.
        try connection.turn(timeoutMilliseconds: Self.turnMilliseconds, wakeUp)
        for completion in connection.takeCompletions() { reports[completion.message] = nil }
      }
      connection.disconnect()
    } catch { status.lastError = "\(link.broker.brokerText): \(error)" }
    try storeInbox()
  }
}
