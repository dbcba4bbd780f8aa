import Foundation
import HandModel
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
    listeners.add(mailbox, hands: [Identity.everyHand])
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
    listeners.add(mailbox, hands: ["a"])
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
    #expect(!kept.isComplete && (4096...8192).contains(kept.frames.count))
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
}
