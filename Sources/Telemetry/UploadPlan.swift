import Wire

/// What is to be sent of a recording, decided by what was acknowledged and by what a consumer has stored.
/// Pure bookkeeping: knows neither disk nor broker.
struct UploadPlan {
  /// Ticks or events.
  enum Kind: String, Sendable { case ticks, events }

  /// A message: a block, or events of consecutive numbers.
  struct Item: Sendable, Equatable {
    var run: String
    var kind: Kind
    var range: ClosedRange<UInt64>
  }

  /// Messages acknowledged and not yet stored: half of the thousand that Mosquitto keeps for a subscriber who
  /// is away before it drops in silence (`max_queued_messages`), so that what a consumer misses stays here.
  static let unconfirmedLimit = 500
  /// A consumer reports within a second or two of storing. What it has not told by then is sent again: the
  /// broker or the consumer may have lost it. Doubled as long as nothing at all is stored.
  static let firstResendNanoseconds: Int64 = 30_000_000_000
  static let largestResendNanoseconds: Int64 = 3_600_000_000_000
  /// A broker delivers in order: what was acknowledged so long before a message that is stored is lost.
  static let overtakenNanoseconds: Int64 = 5_000_000_000

  struct Run: Sendable, Equatable {
    var ticks = UploadStream()
    var events = UploadStream()
    /// All recorded ticks, wanted or not.
    var recorded = SequenceRanges()
    /// The highest tick that ever was in the recording.
    var last: UInt64?

    subscript(kind: Kind) -> UploadStream {
      get { kind == .ticks ? ticks : events }
      set { if kind == .ticks { ticks = newValue } else { events = newValue } }
    }
  }

  private struct Unconfirmed {
    var item: Item
    var since: Int64
  }

  /// By their identifiers.
  private(set) var runs: [String: Run] = [:]
  /// The identifiers, the oldest run first.
  private(set) var order: [String] = []
  /// Ticks that were deleted before they had arrived.
  var expiredUnsent: UInt64 = 0
  /// Messages of blocks that the consumer has stored.
  private(set) var blocksStored: UInt64 = 0
  private(set) var consumer: String?
  private var message: StoredMessage?
  private var unconfirmed: [Unconfirmed] = []
  private var resendNanoseconds = firstResendNanoseconds
  private var progressAt = Int64.min
  /// When the newest message was acknowledged that is known to be stored.
  private var confirmedSince = Int64.min

  var unconfirmedCount: Int { consumer == nil ? 0 : unconfirmed.count }

  // MARK: The recording

  /// Takes what the recording has of a run.
  /// - Parameters:
  ///   - recorded: ticks that there are.
  ///   - wanted: of all ticks those to be sent.
  ///   - lastEvent: number of the newest event to be sent; 0 of none.
  ///   - isWhole: whether what is not among them is not there.
  mutating func note(
    run id: String, recorded: SequenceRanges, wanted: SequenceRanges, lastEvent: UInt64, isWhole: Bool
  ) {
    var run = runs[id] ?? Run()
    run.recorded = recorded
    run.last = [run.last, recorded.last].compactMap(\.self).max()
    run.ticks.available = recorded.intersection(wanted)
    if lastEvent > 0 { run.events.available.insert(1...lastEvent) }
    runs[id] = run
    if let message { apply(message, to: id) }
    if isWhole { expire(run: id, wanted: wanted) }
  }

  /// Ticks that were there and are not: counted where they had not arrived.
  private mutating func expire(run id: String, wanted: SequenceRanges) {
    guard var run = runs[id], let last = run.last else { return }
    let gone = SequenceRanges(0...last).subtracting(run.recorded)
    let missed = gone.subtracting(run.ticks.done)
    guard !missed.isEmpty else { return }
    expiredUnsent += missed.intersection(wanted).count
    run.ticks.absent.formUnion(missed)
    runs[id] = run
  }

  /// Takes the order of the runs, the oldest first; those that have gone are forgotten, their ticks counted.
  mutating func keep(_ order: [String], isThere: (String) -> Bool, wanted: (String) -> SequenceRanges) {
    self.order = order
    for id in runs.keys where !isThere(id) {
      runs[id]?.recorded = SequenceRanges()
      expire(run: id, wanted: wanted(id))
      runs[id] = nil
    }
    unconfirmed.removeAll { runs[$0.item.run] == nil }
  }

  /// Puts a run in from an earlier start of the daemon.
  mutating func restore(run id: String, last: UInt64?, absent: SequenceRanges) {
    runs[id, default: Run()].last = last
    runs[id]?.ticks.absent = absent
  }

  /// The recording has nothing under some numbers.
  mutating func noteAbsent(_ item: Item) {
    guard let run = runs[item.run] else { return }
    runs[item.run]?[item.kind].absent.formUnion(run[item.kind].available.clamped(to: item.range))
  }

  /// An item is not to be tried on this connection.
  mutating func skip(_ item: Item) { runs[item.run]?[item.kind].skipped.insert(item.range) }

  // MARK: What to send

  /// Whether so much is on its way that more must wait.
  func isFull(inFlight: Int) -> Bool {
    consumer != nil && unconfirmed.count + inFlight >= Self.unconfirmedLimit
  }

  /// The oldest run that has something to be sent, and its first number.
  func next(_ kind: Kind) -> (run: String, number: UInt64)? {
    for id in order { if let first = runs[id]?[kind].pending.first { return (id, first) } }
    return nil
  }

  /// Whether any of these ticks is to be sent.
  func isPending(_ range: ClosedRange<UInt64>, run id: String) -> Bool {
    !(runs[id]?.ticks.pending.clamped(to: range).isEmpty ?? true)
  }

  // MARK: What became of it

  mutating func sent(_ item: Item) { runs[item.run]?[item.kind].inFlight.insert(item.range) }

  /// The broker answered. `isTaken`: it took the message, and for a subscriber.
  mutating func answered(_ item: Item, isTaken: Bool, inFlight: [Item], _ now: Int64) {
    guard var stream = runs[item.run]?[item.kind] else { return }
    stream.inFlight = Self.ranges(of: inFlight, item.run, item.kind)
    if isTaken { stream.acknowledged.insert(item.range) }
    runs[item.run]?[item.kind] = stream
    if isTaken { confirmLater(item, now) }
  }

  /// An event that went the live way.
  mutating func acknowledgedLive(_ item: Item, _ now: Int64) {
    guard runs[item.run]?[item.kind].acknowledged.insert(item.range) ?? false else { return }
    confirmLater(item, now)
  }

  private mutating func confirmLater(_ item: Item, _ now: Int64) {
    guard let run = runs[item.run], !(run[item.kind].stored?.ranges.contains(item.range) ?? false) else {
      return
    }
    // As long as nobody says what is stored, the newest are kept: a consumer may be about to.
    if consumer == nil, unconfirmed.count >= Self.unconfirmedLimit {
      let oldest = unconfirmed[0].since
      removeUnconfirmed { _, entry in entry.since <= oldest }
    }
    unconfirmed.append(Unconfirmed(item: item, since: now))
    runs[item.run]?[item.kind].unconfirmed.insert(item.range)
  }

  /// The connection is gone: what was in flight may not have arrived.
  mutating func connectionLost() {
    for id in runs.keys {
      for kind in [Kind.ticks, .events] {
        runs[id]?[kind].inFlight = SequenceRanges()
        runs[id]?[kind].skipped = SequenceRanges()
      }
    }
  }

  /// Another broker: what the one before acknowledged, and who stores behind it, counts no longer.
  mutating func change(acknowledged: (_ run: String) -> (ticks: SequenceRanges, events: SequenceRanges)) {
    forgetConsumer()
    for id in runs.keys { (runs[id]!.ticks.acknowledged, runs[id]!.events.acknowledged) = acknowledged(id) }
  }

  /// Nobody says any longer what is stored.
  mutating func forgetConsumer() {
    consumer = nil
    message = nil
    unconfirmed.removeAll()
    for id in runs.keys {
      for kind in [Kind.ticks, .events] {
        runs[id]?[kind].stored = nil
        runs[id]?[kind].unconfirmed = SequenceRanges()
      }
    }
  }

  /// A consumer says what it has stored.
  /// - Returns: the runs of which it tells more than there ever was. That part is not believed: what comes to
  ///   be under those numbers would never be sent.
  @discardableResult
  mutating func heard(_ message: StoredMessage, _ now: Int64) -> [String] {
    var message = message
    var doubted: [String] = []
    for index in message.runs.indices {
      guard let run = runs[message.runs[index].runID] else { continue }
      let told = message.runs[index]
      let ticks = SequenceRanges(through: run.last)
      let events = SequenceRanges(
        through: [run.events.available.last, run.events.acknowledged.last].compactMap(\.self).max())
      message.runs[index].ticks.ranges = told.ticks.ranges.intersection(ticks)
      message.runs[index].events.ranges = told.events.ranges.intersection(events)
      if message.runs[index] != told { doubted.append(told.runID) }
    }
    if consumer != message.consumer {
      resendNanoseconds = Self.firstResendNanoseconds
      progressAt = now
    }
    consumer = message.consumer
    self.message = message
    for id in runs.keys { apply(message, to: id) }
    removeUnconfirmed { plan, entry in
      guard plan.runs[entry.item.run]?[entry.item.kind].stored?.ranges.contains(entry.item.range) ?? false
      else { return false }
      plan.progressAt = now
      plan.resendNanoseconds = Self.firstResendNanoseconds
      plan.confirmedSince = max(plan.confirmedSince, entry.since)
      if entry.item.kind == .ticks { plan.blocksStored += 1 }
      return true
    }
    return doubted
  }

  private mutating func apply(_ message: StoredMessage, to id: String) {
    let told = message.runs.first { $0.runID == id }
    let nothing = message.isComplete ? StoredMessage.Numbers(ranges: SequenceRanges()) : nil
    runs[id]?.ticks.stored = told?.ticks ?? nothing
    runs[id]?.events.stored = told?.events ?? nothing
  }

  /// What was acknowledged and not stored for too long is to be sent again.
  mutating func resend(_ now: Int64) {
    guard consumer != nil else { return }
    var isSilent = false
    removeUnconfirmed { plan, entry in
      if entry.since + Self.overtakenNanoseconds < plan.confirmedSince { return true }
      let waited = now - max(entry.since, plan.progressAt)
      if waited > plan.resendNanoseconds { isSilent = true }
      return waited > plan.resendNanoseconds
    }
    if isSilent { resendNanoseconds = min(2 * resendNanoseconds, Self.largestResendNanoseconds) }
  }

  private mutating func removeUnconfirmed(_ isOver: (inout Self, Unconfirmed) -> Bool) {
    let before = unconfirmed
    unconfirmed = before.filter { !isOver(&self, $0) }
    guard unconfirmed.count != before.count else { return }
    for id in runs.keys {
      for kind in [Kind.ticks, .events] {
        runs[id]?[kind].unconfirmed = Self.ranges(of: unconfirmed.map(\.item), id, kind)
      }
    }
  }

  private static func ranges(of items: [Item], _ run: String, _ kind: Kind) -> SequenceRanges {
    var ranges = SequenceRanges()
    for item in items where item.run == run && item.kind == kind { ranges.insert(item.range) }
    return ranges
  }
}
