import HandModel
import HandRigs
import Realtime
import Runtime
import Testing

@testable import Telemetry
@testable import Wire

@Suite("Command intake")
struct CommandIntakeTests {
  /// An intake as a connection's messages reach it, and what it answers.
  private final class Way {
    let runtime = Rig.Runtime()
    let box = ReplyBox(wakeUp: WakeUp())
    let answers: StopAnswers
    let inbox: CommandInbox
    var intake: CommandIntake

    init() {
      let sink = runtime.sink
      answers = StopAnswers(sink: sink)
      inbox = CommandInbox(
        topics: Topics(handID: Fixtures.handID), sink: sink, connection: .commands,
        copies: StopCopies())
      intake = CommandIntake(sink: sink, answers: answers, box: box)
    }

    /// What is answered to a message.
    func answer(_ message: InboundMessage, at now: Int64 = 0) throws -> [[String: Any]] {
      inbox.note(message)
      intake.judge(inbox, stopWayAnswers: true, now: now)
      return try replies()
    }

    func replies() throws -> [[String: Any]] {
      try box.take(ReplyBox.capacity).map {
        try json(ReplyPayload(runID: Fixtures.runID).encode($0, sequence: 42))
      }
    }
  }

  private func message(
    _ verb: String, _ body: String, retained: Bool = false, sentAfter: Int64? = nil
  ) -> InboundMessage {
    InboundMessage(
      verb: verb, body: Array(body.utf8), bodyBytes: body.utf8.count, retained: retained,
      sentAfterNanoseconds: sentAfter)
  }

  @Test("a reply names the command, its result and the tick")
  func reply() throws {
    let way = Way()
    let pose = message("pose", #"{"id":"a","radians":[0.1,0.2,0.3]}"#)
    let first = try #require(try way.answer(pose).first)
    #expect(first["result"] as? String == "executed")
    #expect(first["id"] as? String == "a" && first["verb"] as? String == "pose")
    #expect(first["run_id"] as? String == Fixtures.runID && first["seq"] as? String == "42")
    way.runtime.refusal.withLock { $0 = "not armed" }
    let second = try #require(try way.answer(pose).first)
    #expect(second["result"] as? String == "refused" && second["reason"] as? String == "not armed")
  }

  @Test("a command that nobody can vouch for is answered as unconfirmed, in that word")
  func unconfirmed() throws {
    let box = ReplyBox(wakeUp: WakeUp())
    box.add(CommandOutcome(id: "u", verb: "arm", reply: .unconfirmed(reason: "stands still")))
    let outcome = try #require(box.take(1).first)
    let reply = try json(ReplyPayload(runID: "b").encode(outcome, sequence: nil))
    #expect(reply["result"] as? String == "unconfirmed" && reply["reason"] as? String == "stands still")
    #expect(box.counts.refused == 1)
  }

  @Test("the verb may stand in the body of the AGP topic")
  func verbInBody() throws {
    let way = Way()
    #expect(try way.answer(message("", #"{"id":"x","verb":"arm"}"#)).first?["verb"] as? String == "arm")
    #expect(way.runtime.commands.withLock { $0.map(\.command) } == [.arm])
  }

  @Test(
    "what must not move the hand is refused with its reason",
    arguments: [
      (#"{"id":"a","radians":[0.1,0.2,0.3],"speed":1}"#, false, #""speed": found an unknown field"#),
      (#"{"id":"a","radians":[NaN]}"#, false, "invalid JSON"),
      ("\u{1}\u{2}garbage", false, "invalid JSON"),
      ("", false, "expected pose or radians"),
      (#"{"id":"a","radians":[0.1,0.2,0.3]}"#, true, "retained"),
      (#"{"id":"a","expiry":"1789999999000000000","radians":[0.1,0.2,0.3]}"#, false, "expired"),
    ])
  func refuses(body: String, retained: Bool, reason: String) throws {
    let way = Way()
    let reply = try #require(try way.answer(message("pose", body, retained: retained)).first)
    #expect(reply["result"] as? String == "refused")
    #expect((reply["reason"] as? String)?.contains(reason) == true)
    #expect(way.runtime.count == 0 && way.box.counts.refused == 1)
  }

  @Test("numbers that are not finite are refused even when a parser lets them pass")
  func nonFinite() throws {
    let runtime = Rig.Runtime()
    let sink = CommandSink(
      submit: runtime.sink.submit, requestStop: { _ in }, stopCount: { 0 }, whenStopped: { _, _ in false },
      parse: { _, _ in .success(CommandEnvelope(id: "n", command: .pose(radians: [.nan], seconds: nil))) })
    let box = ReplyBox(wakeUp: WakeUp())
    var intake = CommandIntake(sink: sink, answers: StopAnswers(sink: sink), box: box)
    intake.handle(message("pose", "{}"), now: 0)
    #expect(box.take(1).first?.reply.word == "refused" && runtime.count == 0)
  }

  @Test("an oversize body is refused unread, at one byte above the limit")
  func oversize() throws {
    let way = Way()
    let limit = CommandIntake.largestBodyBytes
    let tooLarge = InboundMessage(verb: "arm", body: [], bodyBytes: limit + 1, retained: false)
    #expect(
      try way.answer(tooLarge).first?["reason"] as? String == "body has \(limit + 1) bytes: at most \(limit)")
    let padded = "{}" + String(repeating: " ", count: limit - 2)
    #expect(try way.answer(message("arm", padded)).first?["result"] as? String == "executed")
  }

  @Test("a stop acts in the callback: late, twice, retained, oversize, with an unreadable body, in a flood")
  func stopAlways() throws {
    let way = Way()
    for _ in 0..<2 * CommandInbox.capacity { way.inbox.note(message("arm", "")) }
    let stops = [
      message("stop", #"{"id":"s"}"#), message("stop", #"{"id":"s"}"#),
      message("stop", #"{"id":"s"}"#, retained: true), message("stop", "garbage"), message("stop", ""),
      message("", #"{"id":"s","verb":"stop","expiry":"1"}"#), message("", "STOP"),
      InboundMessage(verb: "stop", body: [], bodyBytes: 1 << 20, retained: false),
      message("stop", "", sentAfter: -3_600_000_000_000),
    ]
    for (index, stop) in stops.enumerated() {
      way.inbox.note(stop)
      #expect(way.runtime.stopCount == index + 1)
    }
    // Whoever writes the word in an unusual way is understood too, if not before his turn comes.
    way.intake.handle(message("", #"{"verb":"\u0073top"}"#), now: 0)
    #expect(way.runtime.stopCount == stops.count + 1)
  }

  @Test("stops in a flood of stops all act; those beyond the bound get no answer and are counted")
  func floodOfStops() throws {
    let way = Way()
    // Nobody waits for stops: all stay unanswered until one does.
    way.runtime.stallStops()
    let many = 2 * CommandInbox.capacity
    for _ in 0..<many { way.inbox.note(message("stop", "")) }
    way.intake.judge(way.inbox, stopWayAnswers: false, now: 0)
    #expect(way.runtime.stopCount == many)
    #expect(way.answers.unanswered == UInt64(many - StopWaiter.remoteCapacity))
  }

  @Test("streamed set-points are answered only when refused, and refusals at most ten times a second")
  func streams() throws {
    let way = Way()
    let stream = message("stream", #"{"radians":[0.1,0.2,0.3]}"#)
    #expect(try way.answer(stream).isEmpty)
    #expect(way.runtime.count == 1 && way.box.counts.executed == 1)
    let named = message("stream", #"{"id":"n","radians":[0.1,0.2,0.3]}"#)
    #expect(try way.answer(named).first?["id"] as? String == "n")
  }

  @Test(
    "refused set-points are answered at most ten times a second, whoever refuses them",
    arguments: [
      (#"{"radians":[0.1,0.2,0.3]}"#, "not armed"), (#"{"radians":[9,9,9]}"#, "expected"),
      (#"{"pose":"nosuch"}"#, "nosuch"),
    ])
  func refusedStreams(body: String, reason: String) throws {
    let way = Way()
    way.runtime.refusal.withLock { $0 = "not armed" }
    let stream = message("stream", body)
    // Refused by the hand, they are added by the clock of the machine: only the parser's refusals are timed here.
    let first = try #require(try way.answer(stream, at: MonotonicClock().now()).first)
    #expect((first["reason"] as? String)?.contains(reason) == true)
    let start = MonotonicClock().now()
    var answered = 0
    for index in 0..<100 { answered += try way.answer(stream, at: start + Int64(index)).count }
    // All within a moment: as many as that moment has tenths of a second.
    let tenths = Int((MonotonicClock().now() - start) / ReplyBox.streamRefusalPauseNanoseconds) + 1
    #expect(answered <= tenths)
    #expect(way.box.counts.streamRefusals == UInt64(100 - answered))
  }

  @Test("one reply refuses a burst and counts it, at once and then once a second")
  func burst() throws {
    let way = Way()
    way.runtime.stall()
    let total = 3 * CommandInbox.capacity
    for index in 0..<total { way.inbox.note(message("arm", "{\"id\":\"\(index)\"}")) }
    way.intake.judge(way.inbox, stopWayAnswers: true, now: 0)
    let waiting = Rig.Runtime.capacity
    #expect(way.runtime.count == waiting)
    #expect(way.intake.unread == UInt64(total - CommandInbox.capacity))
    #expect(way.intake.queueFull == UInt64(CommandInbox.capacity - waiting))
    let told = way.intake.burstRefusal(now: 0)
    #expect(told?.reply.reason?.hasPrefix("\(total - waiting) messages refused") == true)
    let tooSoon = way.intake.burstRefusal(now: 1)
    #expect(tooSoon == nil)
    way.intake.handle(message("arm", ""), now: 2)
    way.intake.handle(message("arm", ""), now: 3)
    let stillTooSoon = way.intake.burstRefusal(now: CommandIntake.burstPauseNanoseconds - 1)
    #expect(stillTooSoon == nil)
    let again = way.intake.burstRefusal(now: CommandIntake.burstPauseNanoseconds)
    #expect(again?.reply.reason?.hasPrefix("2 messages refused") == true)
  }

  @Test("a command that may have been on its way for more than five seconds is refused")
  func longWay() throws {
    let way = Way()
    let limit = CommandIntake.longestWayNanoseconds
    let late = try way.answer(message("arm", "", sentAfter: 7), at: limit + 8).first
    #expect((late?["reason"] as? String)?.hasPrefix("may have been on its way for 5 s") == true)
    #expect(way.runtime.count == 0)
    #expect(
      try way.answer(message("arm", "", sentAfter: 7), at: limit + 7).first?["result"] as? String
        == "executed")
  }

  /// Both connections of a hand, with a queue that refuses what is older than a stop.
  private final class BothWays: Sendable {
    let stops = Locked<UInt32>(0)
    let taken = Locked<[Command]>([])
    let copies = StopCopies()
    let box = ReplyBox(wakeUp: WakeUp())

    var sink: CommandSink {
      CommandSink(
        submit: { [self] envelope, _, stopCount, completion in
          let isOld = stopCount != stops.withLock { $0 }
          if !isOld { taken.withLock { $0.append(envelope.command) } }
          completion(isOld ? .refused(reason: "a stop came after it") : .executed)
          return true
        },
        requestStop: { [self] _ in stops.withLock { $0 += 1 } },
        stopCount: { [self] in stops.withLock { $0 } },
        whenStopped: { _, _ in false },
        parse: { Fixtures.parse($0, verb: $1, now: 0) })
    }

    func inbox(_ connection: StopCopies.Connection) -> CommandInbox {
      CommandInbox(
        topics: Topics(handID: Fixtures.handID), sink: sink, connection: connection, copies: copies)
    }

    func intake() -> CommandIntake {
      CommandIntake(sink: sink, answers: StopAnswers(sink: sink), box: box)
    }
  }

  @Test(
    "the second copy of a stop does not act again, whichever comes first; a stop that comes on one way only does"
  )
  func stopCopies() {
    let ways = BothWays()
    let (own, other) = (ways.inbox(.stops), ways.inbox(.commands))
    own.note(message("stop", "1"))
    other.note(message("stop", "1"))
    #expect(ways.stops.withLock { $0 } == 1 && other.stops.isEmpty)
    // The same words again, and others: stops of their own.
    other.note(message("stop", "1"))
    other.note(message("stop", "2"))
    #expect(ways.stops.withLock { $0 } == 3 && other.stops.count == 2)
    own.note(message("stop", "2"))
    own.note(message("stop", "1"))
    #expect(ways.stops.withLock { $0 } == 3)
    // Nothing is owed any more: the next one acts on either way.
    other.note(message("stop", "1"))
    #expect(ways.stops.withLock { $0 } == 4)
    ways.copies.forget()
    own.note(message("stop", "1"))
    #expect(ways.stops.withLock { $0 } == 5)
  }

  @Test("a reset and an arm that were sent before a stop do not undo it when its own way is the quicker one")
  func olderThanAStop() throws {
    let ways = BothWays()
    let (own, other) = (ways.inbox(.stops), ways.inbox(.commands))
    var intake = ways.intake()
    // The stop overtakes both, its copy comes later.
    own.note(message("stop", ""))
    other.note(message("reset", ""))
    other.note(message("arm", ""))
    intake.judge(other, stopWayAnswers: true, now: 0)
    other.note(message("stop", ""))
    #expect(ways.taken.withLock { $0 }.isEmpty)
    // In one turn with its copy.
    other.note(message("reset", ""))
    own.note(message("stop", "x"))
    other.note(message("stop", "x"))
    other.note(message("disarm", ""))
    intake.judge(other, stopWayAnswers: true, now: 0)
    #expect(ways.taken.withLock { $0 } == [.disarm])
    // A stop in the body of a command.
    other.note(message("arm", ""))
    other.note(message("", #"{"verb":"\u0073top"}"#))
    intake.judge(other, stopWayAnswers: true, now: 0)
    #expect(ways.taken.withLock { $0 } == [.disarm])
    let reasons = ways.box.take(ReplyBox.capacity).compactMap(\.reply.reason)
    #expect(reasons.filter { $0 == "a stop came after it" }.count == 4)
    // After it the operator is obeyed.
    other.note(message("reset", ""))
    intake.judge(other, stopWayAnswers: true, now: 0)
    #expect(ways.taken.withLock { $0 } == [.disarm, .reset])
  }
}
