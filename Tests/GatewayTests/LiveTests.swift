import Foundation
import HandModel
import Logging
import Telemetry
import Testing
import Wire

@testable import Gateway

@Suite("Live messages")
struct LiveTests {
  private static func message(_ topic: String, _ payload: String = "x") -> MessageLink.Message {
    MessageLink.Message(topic: topic, payload: Array(payload.utf8), isRetained: false)
  }

  private static func take(_ mailbox: Mailbox) -> [JSONValue]? {
    mailbox.take()?.map { JSONValue(json: $0) }
  }

  @Test(
    "a subscription is a filter of MQTT where it has a wildcard, else a beginning",
    arguments: [
      ("motorhand/hand/+/state", "motorhand/hand/a/state", true),
      ("motorhand/hand/+/state", "motorhand/hand/a/status", false),
      ("motorhand/#", "motorhand/hand/a/state", true),
      ("#", "anything", true), ("motorhand/hand/a", "motorhand/hand/ab/state", true),
      ("motorhand/+", "motorhand/hand/a", false), ("motorhand/hand/#", "motorhand/hand", true),
    ])
  func filters(filter: String, topic: String, matches: Bool) throws {
    #expect(try #require(TopicFilter(filter)).matches(topic) == matches)
  }

  @Test(
    "what can be neither is no subscription",
    arguments: ["", "a/#/b", "a+/b", "a\n", String(repeating: "x", count: 257)])
  func noFilters(text: String) { #expect(TopicFilter(text) == nil) }

  @Test("of a state a client that is slow gets the latest, of events each")
  func latest() throws {
    let (listeners, mailbox) = (Listeners(), Mailbox())
    #expect(listeners.add(mailbox, account: "ada", hands: [Identity.everyHand]))
    listeners.set([try #require(TopicFilter("motorhand/"))], of: mailbox)
    for index in 0..<100 { listeners.offer(Self.message("motorhand/hand/a/state", "\(index)")) }
    for index in 0..<3 { listeners.offer(Self.message("motorhand/hand/a/event", "\(index)")) }
    let taken = try #require(Self.take(mailbox))
    #expect(taken.map { $0["payload"]?.text } == ["99", "0", "1", "2"])
    for _ in 0...Mailbox.limit { listeners.offer(Self.message("motorhand/hand/a/event")) }
    #expect(
      mailbox.take() == nil && mailbox.isStuck(after: 1), "events are not dropped: the client is closed")
  }

  @Test("a client hears of the hands that it may reach, and of no other")
  func hands() throws {
    let (listeners, mailbox) = (Listeners(), Mailbox())
    #expect(listeners.add(mailbox, account: "ada", hands: ["a"]))
    listeners.set([try #require(TopicFilter("#"))], of: mailbox)
    for topic in [
      "motorhand/hand/a/event", "motorhand/hand/b/event", "motorhand/sensors/b/x", "motorhand/nasa/x",
    ] {
      listeners.offer(Self.message(topic))
    }
    #expect(Self.take(mailbox)?.map { $0["topic"]?.text } == ["motorhand/hand/a/event", "motorhand/nasa/x"])
    let kept = listeners.kept(since: 0, [try #require(TopicFilter("#"))], hands: ["a"])
    #expect(kept.frames.count == 2 && kept.isComplete)
  }

  @Test("what waits for a client, and what is kept for who comes back, is bounded in bytes")
  func bytes() throws {
    let (listeners, mailbox) = (Listeners(), Mailbox())
    let filter = try #require(TopicFilter("motorhand/"))
    #expect(listeners.add(mailbox, account: "ada", hands: [Identity.everyHand]))
    listeners.set([filter], of: mailbox)
    // 12 MB, of which each is small enough to be kept.
    for _ in 0..<1000 {
      listeners.offer(Self.message("motorhand/nasa/x", String(repeating: "x", count: 12_000)))
    }
    #expect(mailbox.take() == nil, "more than 1 MiB waits")
    var kept = listeners.kept(since: 0, [filter], hands: ["*"])
    #expect(!kept.isComplete && kept.frames.reduce(0) { $0 + $1.count } <= 524_288)
    // One that is too large to keep leaves a gap, which is told.
    listeners.offer(Self.message("motorhand/nasa/x", String(repeating: "x", count: 20_000)))
    kept = listeners.kept(since: 1000, [filter], hands: ["*"])
    #expect(kept.frames.isEmpty && !kept.isComplete)
    // Answers count too: who asks and does not read is closed.
    let other = Mailbox()
    for _ in 0...Mailbox.limit { other.append(["type": "pong"]) }
    #expect(other.take() == nil)
    // What waits is taken in parts, in its order.
    let third = Mailbox()
    for index in 0..<100 {
      third.offer(
        Self.message("motorhand/hand/h\(index)/state"), frame: [UInt8](repeating: UInt8(index), count: 10_000)
      )
    }
    var taken: [UInt8] = []
    while let part = third.take(), !part.isEmpty {
      #expect(part.count < 100)
      taken += part.map { $0[0] }
      if taken.count == 27 {
        third.offer(Self.message("motorhand/hand/h99/state"), frame: [200])
        third.offer(Self.message("motorhand/hand/h0/state"), frame: [201])
      }
    }
    #expect(taken == (0..<99).map { UInt8($0) } + [200, 201])
  }

  @Test("one account has so many connections, and no more")
  func places() {
    let listeners = Listeners()
    let boxes = (0...Listeners.mostPerAccount).map { _ in Mailbox() }
    for box in boxes.dropLast() { #expect(listeners.add(box, account: "ada", hands: [])) }
    #expect(!listeners.add(boxes[boxes.count - 1], account: "ada", hands: []))
    #expect(listeners.add(boxes[boxes.count - 1], account: "bob", hands: []))
    listeners.remove(boxes[0])
    #expect(listeners.add(boxes[0], account: "ada", hands: []) && listeners.count == boxes.count)
  }

  @Test("who comes back gets what it missed, and is told when that is not all")
  func resumption() throws {
    let listeners = Listeners()
    let filter = try #require(TopicFilter("motorhand/hand/a/event"))
    for _ in 0..<10 { listeners.offer(Self.message("motorhand/hand/a/event")) }
    var kept = listeners.kept(since: 7, [filter], hands: ["*"])
    #expect(kept.frames.map { JSONValue(json: $0)["sequence"]?.text } == ["8", "9", "10"] && kept.isComplete)
    #expect(!listeners.kept(since: 11, [filter], hands: ["*"]).isComplete, "a number of another start")
    for _ in 0..<20_000 { listeners.offer(Self.message("motorhand/hand/a/event")) }
    kept = listeners.kept(since: 7, [filter], hands: ["*"])
    #expect(!kept.isComplete && (1000...8192).contains(kept.frames.count))
  }

  @Test("invented hands are bounded and counted; what cannot be read is counted")
  func invented() {
    let live = LiveHands(listeners: Listeners()) { _ in }
    for index in 0..<LiveHands.most + 5 { live.take(Self.message("motorhand/hand/h\(index)/state", "{}")) }
    live.take(Self.message("motorhand/hand/h0/status", "no JSON"))
    #expect(live.all.count == LiveHands.most)
    #expect(live.problems.refused == 5 && live.problems.damaged == 1)
    #expect(live.hand("h0")?.word == nil && live.hand("h0")?.samples == 1)
  }

  @Test(
    "a number is found by its key alone",
    arguments: [
      (#"{"a":1,"lipschitz":0.9993,"b":2}"#, 0.9993), (#"{"lipschitz":1e-3}"#, 0.001),
      (#"{"lipschitz":null}"#, nil),
      (#"{"a":"lipschitz","b":",\"lipschitz\":7"}"#, nil), (#"{"a":",\"lipschitz\":7","lipschitz":2}"#, 2),
      (#"{"a\"lipschitz":3}"#, nil), (#"{"lipschitz":"#, nil), (#"{"lipschitz""#, nil), ("", nil),
      (#"{"lipschitz":12345678901234567890123456789012345678901234567890}"#, nil),
    ])
  func numbers(json: String, number: Double?) {
    #expect(StateMessage.number("lipschitz", in: Array(json.utf8)) == number)
  }

  @Test("live samples become rows of the source system's tables", arguments: StoreContractTests.Kind.allCases)
  func rows(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    let rows = SampleRows(store: store, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let detail = #"""
      {"schema":"motorhand.detail/1","system_id":"sim","run_id":"r","seq":"5","t":1796040000.5,
      "t_ns":"1796040000500000000","control_mode":"TRAJECTORY","control_mode_gauge":3,"primal_state":0.25,"gamma":0,
      "energy_integral":0,"integral_state":-1.5,"lambda_decay":null,"lipschitz_constant":0.9993,"rate":0.6,
      "window_product":0.5,"window_ticks":1000,"certificate":"DEADZONE","uncertified_ticks":0,"distance":0,
      "certificate_hash":"fnv1a64:0"}
      """#
    rows.take(Self.message("motorhand/agp/sim/detail", detail))
    rows.take(Self.message("motorhand/agp/sim/detail", "{}"))
    rows.take(Self.message("motorhand/sensors/sim/current-index", "0.125"))
    for bad in ["NaN", "", "1,5", "x"] { rows.take(Self.message("motorhand/sensors/sim/current-index", bad)) }
    rows.take(Self.message("motorhand/sensors/sim/" + String(repeating: "x", count: 200), "1"))
    await rows.write()
    #expect(rows.status == SampleRows.Status(stored: 2, dropped: 0, damaged: 6))
    let states = try await SourceEndpoints.states("sim", limit: 10, in: store)
    #expect(states.count == 1 && states[0]["lipschitz_constant"]?.double == 0.9993)
    #expect(states[0]["primal_state"]?.double == 0.25 && states[0]["integral_state"]?.double == -1.5)
    #expect(states[0]["time"]?.text == "2026-11-30T12:00:00.500000Z" && states[0]["lambda_decay"] == nil)
    let sensor = try await store.read { (session) throws(StoreError) in
      try session.row("SELECT sensor_id, sensor_type, value, unit, quality FROM {telemetry.sensors}")
    }
    #expect(try sensor?.text("sensor_id") == "sim/current-index" && sensor?.text("unit") == "A")
    let day = Timestamp(microseconds: 1_796_040_000_000_000)
    #expect(try await Retention.deleteSomeSamples(before: day, in: store) == 0)
    #expect(try await Retention.deleteSomeSamples(before: day.adding(seconds: 1), in: store) == 1)
    #expect(try await SourceEndpoints.states("sim", limit: 10, in: store).isEmpty)
    #expect(try sensor?.real("value") == 0.125 && sensor?.text("sensor_type") == "current")
    await store.close()
    // A store that does not answer: what there is room for waits, the rest is counted.
    rows.take(Self.message("motorhand/sensors/sim/force-index", "2"))
    await rows.write()
    #expect(rows.status.stored == 2 && rows.status.dropped == 0)
    _ = directory
  }
}
