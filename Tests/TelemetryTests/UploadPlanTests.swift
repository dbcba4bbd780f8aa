import SeededRandom
import Testing

@testable import Telemetry
@testable import Wire

/// What is sent of a recording, and when it is sent again.
struct UploadPlanTests {
  private typealias Item = UploadPlan.Item
  private static let everything = SequenceRanges(0...SequenceRanges.largest)
  private static let second: Int64 = 1_000_000_000

  private func ticks(_ range: ClosedRange<UInt64>, of run: String = "a") -> UploadPlan.Item {
    Item(run: run, kind: .ticks, range: range)
  }

  private func plan(_ recorded: [String: ClosedRange<UInt64>]) -> UploadPlan {
    var plan = UploadPlan()
    for (run, range) in recorded { note(&plan, run, SequenceRanges(range)) }
    plan.keep(recorded.keys.sorted(), isThere: { _ in true }, wanted: { _ in Self.everything })
    return plan
  }

  private func note(_ plan: inout UploadPlan, _ run: String, _ recorded: SequenceRanges, isWhole: Bool = true)
  {
    plan.note(run: run, recorded: recorded, wanted: Self.everything, lastEvent: 0, isWhole: isWhole)
  }

  private func message(_ stored: [String: ClosedRange<UInt64>]) -> StoredMessage {
    StoredMessage(
      consumer: "c", newestFirst: stored.map { ($0.key, SequenceRanges($0.value), SequenceRanges()) })
  }

  private func deliver(
    _ plan: inout UploadPlan, _ item: UploadPlan.Item, isTaken: Bool = true, at now: Int64 = 0
  ) {
    plan.sent(item)
    plan.answered(item, isTaken: isTaken, inFlight: [], now)
  }

  @Test("the oldest run comes first, and what is in flight or taken is not sent again")
  func order() {
    var plan = plan(["a": 0...99, "b": 0...9])
    #expect(plan.next(.ticks)! == ("a", 0))
    plan.sent(ticks(0...49))
    #expect(plan.next(.ticks)! == ("a", 50))
    plan.answered(ticks(0...49), isTaken: true, inFlight: [], 0)
    deliver(&plan, ticks(50...99))
    #expect(plan.next(.ticks)! == ("b", 0))
    deliver(&plan, ticks(0...9, of: "b"))
    #expect(plan.next(.ticks) == nil && plan.next(.events) == nil)
  }

  @Test("what nobody heard, what was refused and what was in flight when the connection ended is sent again")
  func notTaken() {
    var plan = plan(["a": 0...99])
    deliver(&plan, ticks(0...49), isTaken: false)
    #expect(plan.next(.ticks)! == ("a", 0))
    plan.sent(ticks(0...99))
    #expect(plan.next(.ticks) == nil)
    plan.connectionLost()
    #expect(plan.next(.ticks)! == ("a", 0))
  }

  @Test("what a consumer has not stored is sent again although it was acknowledged, and nothing else is")
  func closedByStored() {
    var plan = plan(["a": 0...99])
    deliver(&plan, ticks(0...49))
    deliver(&plan, ticks(50...99))
    #expect(plan.next(.ticks) == nil)
    plan.heard(message(["a": 0...49]), 0)
    #expect(plan.next(.ticks) == nil, "it may be on its way")
    plan.resend(UploadPlan.firstResendNanoseconds + 1)
    #expect(plan.next(.ticks)! == ("a", 50))
    deliver(&plan, ticks(50...99), at: 40 * Self.second)
    plan.heard(message(["a": 0...99]), 41 * Self.second)
    plan.resend(10_000 * Self.second)
    #expect(plan.next(.ticks) == nil && plan.unconfirmedCount == 0)
    #expect(plan.blocksStored == 2)
  }

  @Test("what a consumer tells of numbers that were never recorded is not believed when they come to be")
  func forgedFuture() {
    var plan = plan(["a": 0...99])
    plan.note(
      run: "a", recorded: SequenceRanges(0...99), wanted: Self.everything, lastEvent: 3, isWhole: true)
    let future = SequenceRanges(0...SequenceRanges.largest)
    let told = StoredMessage(consumer: "c", newestFirst: [("a", future, SequenceRanges(1...9))])
    #expect(plan.heard(told, 0) == ["a"])
    #expect(plan.next(.ticks) == nil && plan.next(.events) == nil)
    plan.note(
      run: "a", recorded: SequenceRanges(0...199), wanted: Self.everything, lastEvent: 5, isWhole: true)
    #expect(plan.next(.ticks)! == ("a", 100))
    #expect(plan.next(.events)! == ("a", 4))
    #expect(plan.heard(message(["a": 0...199]), 0).isEmpty)
    #expect(plan.next(.ticks) == nil)
  }

  @Test("a message overtaken by a later one is lost and sent again at once, not after the long wait")
  func overtaken() {
    var plan = plan(["a": 0...99])
    plan.heard(message([:]), 0)
    deliver(&plan, ticks(0...9), at: 0)
    deliver(&plan, ticks(10...99), at: 6 * Self.second)
    plan.heard(message(["a": 10...99]), 7 * Self.second)
    plan.resend(7 * Self.second)
    #expect(plan.next(.ticks)! == ("a", 0))
  }

  @Test("a consumer that stores nothing gets half a broker's queue, and that again ever more seldom")
  func silentConsumer() {
    var plan = plan(["a": 0...9999])
    plan.heard(message([:]), 0)
    var now: Int64 = 0
    var sent = 0
    for _ in 0..<(24 * 360) {
      now += 10 * Self.second
      plan.resend(now)
      while let next = plan.next(.ticks), !plan.isFull(inFlight: 0) {
        deliver(&plan, ticks(next.number...next.number + 9), at: now)
        sent += 1
      }
    }
    #expect(plan.unconfirmedCount == UploadPlan.unconfirmedLimit)
    // 30 s doubled to an hour: 7 times in the first hour, then once each.
    #expect((25...35).contains(sent / UploadPlan.unconfirmedLimit), "\(sent)")
  }

  @Test("where a message has no room for old ranges or runs, the broker's word counts for those")
  func incomplete() {
    var plan = plan(["a": 0...99, "b": 0...99])
    for run in ["a", "b"] { deliver(&plan, ticks(0...99, of: run)) }
    var told = message(["b": 50...99])
    told.isComplete = false
    told.runs[0].ticks.from = 50
    plan.heard(told, 0)
    plan.resend(10_000 * Self.second)
    #expect(plan.next(.ticks) == nil)
    told.isComplete = true
    plan.heard(told, 0)
    #expect(plan.next(.ticks)! == ("a", 0))
  }

  @Test(
    "another broker has acknowledged nothing, and a retained message taken back makes acknowledgements count")
  func otherBroker() {
    var plan = plan(["a": 0...99])
    deliver(&plan, ticks(0...99))
    plan.heard(message([:]), 0)
    plan.resend(10_000 * Self.second)
    #expect(plan.next(.ticks)! == ("a", 0))
    plan.forgetConsumer()
    #expect(plan.next(.ticks) == nil)
    plan.change { _ in (SequenceRanges(), SequenceRanges()) }
    #expect(plan.next(.ticks)! == ("a", 0))
  }

  @Test("ticks deleted before they arrived are counted once, also of a run that is gone; others are not")
  func expired() {
    var plan = plan(["a": 0...99, "b": 0...9])
    deliver(&plan, ticks(0...19))
    note(&plan, "a", SequenceRanges(), isWhole: false)
    #expect(plan.expiredUnsent == 0, "a segment that cannot be read is not gone")
    note(&plan, "a", SequenceRanges(50...99))
    #expect(plan.expiredUnsent == 30)
    note(&plan, "a", SequenceRanges(50...99))
    #expect(plan.expiredUnsent == 30)
    plan.keep(["a"], isThere: { $0 == "a" }, wanted: { _ in Self.everything })
    #expect(plan.expiredUnsent == 40)
    #expect(plan.next(.ticks)! == ("a", 50))
  }

  @Test(
    "a cursor file reads back to itself, and one that is damaged anywhere is read or refused, never a crash")
  func cursor() throws {
    let directory = try TemporaryDirectory()
    #expect(try UploadCursor.read(in: directory.path) == UploadCursor())
    var cursor = UploadCursor()
    cursor.expiredUnsent = 7
    var run = UploadCursor.Run()
    run.last = 99
    run.absent = SequenceRanges(3...4)
    run.brokers["mqtt://h:1"] = .init(ticks: SequenceRanges(0...99), events: SequenceRanges(1...7))
    cursor.runs["a"] = run
    try cursor.save(in: directory.path)
    #expect(try UploadCursor.read(in: directory.path) == cursor)
    let seed = UInt64.random(in: 0 ... .max)
    print("damaged cursors: seed \(seed)")
    var random = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      var bytes = cursor.encoded()
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0...bytes.count, using: &random)) }
      _ = try? UploadCursor(decoding: bytes)
    }
    try directory.write("", to: UploadCursor.fileName)
    #expect(throws: MessageProblem.self) { try UploadCursor.read(in: directory.path) }
  }
}
