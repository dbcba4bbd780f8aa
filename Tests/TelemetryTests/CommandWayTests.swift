import Foundation
import HandModel
import HandRigs
import Testing

@testable import PrimalLogic
@testable import Telemetry
@testable import Wire

/// Stops and commands over a real mosquitto each: whether they arrive, and what is told when they do not.
@Suite("Commands and stops over a broker", .serialized)
struct CommandWayTests {
  private let topics = Topics(handID: Fixtures.handID)
  private let directory: TemporaryDirectory
  private var base: String { "motorhand/hand/\(Fixtures.handID)/cmd/" }

  init() throws { directory = try TemporaryDirectory() }

  /// The replies that hold a value.
  private func replies(_ observer: Observer, _ key: String, _ value: String) -> [[String: Any]] {
    observer.all(topics.reply).compactMap { try? json($0.payload) }.filter { $0[key] as? String == value }
  }

  /// The state of a way as the retained status tells it.
  private func told(
    _ observer: Observer, _ way: String, _ state: CommandWay.State, within seconds: Double = 10
  )
    -> Bool
  {
    observer.first(topics.status, within: seconds) { message in
      ((try? json(message.payload))?[way] as? [String: Any])?["state"] as? String == state.rawValue
    } != nil
  }

  private func isUp(_ rig: Rig) -> Bool {
    eventually(within: 10) {
      rig.publisher.status.commandWay.state == .up && rig.publisher.status.stopWay.state == .up
    }
  }

  @Test("a stop acts and is answered while thousands of commands wait for a loop that stands still")
  func flood() throws {
    let broker = try PrivateBroker(in: directory)
    let witness = try Observer(port: broker.port, filter: topics.reply)
    let flooder = try Observer(port: broker.port, filter: topics.birth)
    let rig = try Rig(port: broker.port)
    #expect(isUp(rig))
    rig.runtime.stall()
    let total = 3000
    for _ in 0..<total { flooder.publish(base + "pose", #"{"radians":[0.1,0.2,0.3]}"#) }
    flooder.publish(base + "stop", #"{"id":"same"}"#)
    witness.publish(base + "stop", #"{"id":"other"}"#)
    #expect(eventually { rig.runtime.stopCount >= 2 })
    for id in ["same", "other"] {
      #expect(eventually { !replies(witness, "id", id).isEmpty })
      #expect(replies(witness, "id", id).first?["result"] as? String == "executed")
    }
    #expect(
      eventually(within: 10) {
        replies(witness, "result", "refused").contains {
          ($0["reason"] as? String)?.hasSuffix("messages refused: too many commands at once") == true
        }
      })
    // As many as can wait were taken; the rest was refused, and none of it waits anywhere.
    #expect(rig.runtime.count == Rig.Runtime.capacity)
    let drops = rig.publisher.status.drops
    #expect(drops.unread + drops.queueFull > 0 && drops.replies == 0)
  }

  @Test("live data goes on while commands flood the hand")
  func liveInFlood() throws {
    let broker = try PrivateBroker(in: directory)
    let witness = try Observer(port: broker.port, filter: topics.state)
    let flooder = try Observer(port: broker.port, filter: topics.birth)
    let rig = try Rig(port: broker.port)
    #expect(isUp(rig))
    rig.runtime.stall()
    for _ in 0..<2000 { flooder.publish(base + "pose", #"{"radians":[0.1,0.2,0.3]}"#) }
    let before = witness.all(topics.state).count
    #expect(rig.feeding { witness.all(topics.state).count > before + 5 })
  }

  @Test("each stop is answered once, whichever connection meets it first, with what is true")
  func oneAnswer() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(isUp(rig))
    rig.runtime.stopReply.withLock { $0 = .unconfirmed(reason: "not seen off") }
    for index in 0..<20 { observer.publish(base + "stop", "{\"id\":\"s\(index)\"}") }
    observer.publish(topics.agpCommand, #"{"id":"agp","verb":"stop"}"#)
    observer.publish(base + "arm", #"{"id":"last"}"#)
    #expect(
      eventually { !replies(observer, "id", "last").isEmpty && !replies(observer, "id", "agp").isEmpty })
    #expect(eventually { (0..<20).allSatisfy { !replies(observer, "id", "s\($0)").isEmpty } })
    #expect(replies(observer, "result", "unconfirmed").count == 21)
    #expect(replies(observer, "verb", "stop").allSatisfy { $0["reason"] as? String == "not seen off" })
  }

  @Test("with the stop's own connection down, the other one stops and answers, and the hand says so")
  func stopWayDown() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port) {
      $0.firstBackoffSeconds = 30
      $0.largestBackoffSeconds = 60
    }
    #expect(isUp(rig))
    #expect(told(observer, "stop_way", .up))
    // A client with the same identifier pushes it out.
    let thief = try Observer(
      port: broker.port, filter: "nothing", clientID: "motorhand-\(Fixtures.handID)-stop")
    // The first status of a session may say `down` too: what the publisher knows tells the two apart.
    #expect(eventually { rig.publisher.status.stopWay.state == .down })
    #expect(told(observer, "stop_way", .down))
    #expect(rig.publisher.status.commandWay.state == .up)
    #expect(!rig.publisher.status.stopWay.error.isEmpty && rig.publisher.status.stopWay.sinceNanoseconds > 0)
    observer.publish(base + "stop", #"{"id":"halt"}"#)
    #expect(eventually { replies(observer, "id", "halt").count == 1 })
    #expect(rig.runtime.stopCount == 1)
    withExtendedLifetime(thief) {}
  }

  @Test(
    "a subscription that the broker refuses is told, and asked for again",
    .enabled(if: !PrivateBroker.securityPlugin.isEmpty, "needs Mosquitto's security plugin"))
  func refusedSubscription() throws {
    let file = try directory.write(
      """
      {"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,"subscribe":false,
      "unsubscribe":true},"clients":[],"groups":[{"groupname":"all","roles":[{"rolename":"all"}]}],
      "anonymousGroup":"all","roles":[{"rolename":"all","acls":[
      {"acltype":"subscribeLiteral","topic":"motorhand/#","priority":1,"allow":true},
      {"acltype":"publishClientSend","topic":"$CONTROL/#","priority":1,"allow":true}]}]}
      """, to: "rules.json")
    let broker = try PrivateBroker(.rules(file: file), in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(told(observer, "commands", .deaf))
    #expect(told(observer, "stop_way", .deaf))
    let status = rig.publisher.status
    #expect(status.connected)
    #expect(
      status.commandWay.error.contains("refuses to deliver \(topics.agpCommand): Not authorized (0x87)"))
    #expect(status.stopWay.error.contains("refuses to deliver \(base)stop: Not authorized (0x87)"))
    observer.publish(
      "$CONTROL/dynamic-security/v1",
      #"{"commands":[{"command":"setDefaultACLAccess","acls":[{"acltype":"subscribe","allow":true}]}]}"#)
    #expect(isUp(rig))
    #expect(rig.publisher.status.reconnects == 0)
    observer.publish(base + "stop", "")
    #expect(eventually { rig.runtime.stopCount > 0 })
  }

  @Test("a broker that grants the subscription and delivers nothing is found out, and so is its mending")
  func silentlyDenied() throws {
    let list = try directory.write(
      "topic write #\ntopic read motorhand/hand/+/status\n", to: "acl", mode: 0o644)
    let broker = try PrivateBroker(.list(file: list), in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port)
    #expect(told(observer, "commands", .deaf))
    #expect(told(observer, "stop_way", .deaf))
    let status = rig.publisher.status
    #expect(status.connected && status.commandWay.error.contains("may this user read it?"))
    try directory.write("topic readwrite #\n", to: "acl", mode: 0o644)
    broker.reload()
    #expect(isUp(rig))
    #expect(told(observer, "stop_way", .up))
    observer.publish(base + "stop", "")
    #expect(eventually { rig.runtime.stopCount > 0 })
  }

  @Test("a broker that grants QoS 0 only cannot take the hand's messages, which is told, but a stop stops")
  func downgraded() throws {
    let broker = try PrivateBroker(.limited(by: "max_qos 0"), in: directory)
    let rig = try Rig(port: broker.port)
    #expect(
      eventually { rig.publisher.status.lastError.contains("QoS not supported") },
      "\(rig.publisher.status)")
    let isUnproved = {
      let way = rig.publisher.status.stopWay
      return way.state == .unproved && way.error.contains("QoS not supported")
    }
    #expect(eventually(isUnproved), "\(rig.publisher.status)")
    let path = "/usr/bin/mosquitto_pub"
    try run(path, ["-V", "5", "-p", "\(broker.port)", "-t", base + "stop", "-m", ""], in: directory.path)
    #expect(eventually { rig.runtime.stopCount > 0 })
    #expect(isUnproved(), "\(rig.publisher.status)")
  }

  @Test("a command that the network held for more than five seconds is refused; a stop is not")
  func heldBack() throws {
    let broker = try PrivateBroker(in: directory)
    let relay = try Relay(to: broker.port)
    defer { relay.close() }
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: relay.port)
    #expect(isUp(rig))
    relay.hold(true)
    observer.publish(base + "arm", #"{"id":"late"}"#)
    observer.publish(base + "stop", #"{"id":"halt"}"#)
    #expect(observer.first(base + "stop") != nil)
    #expect(eventually(within: 10) { rig.publisher.status.commandWay.state == .deaf })
    relay.hold(false)
    #expect(eventually { rig.runtime.stopCount > 0 })
    #expect(eventually { !replies(observer, "id", "late").isEmpty })
    let late = replies(observer, "id", "late").first?["reason"] as? String
    #expect(late?.hasPrefix("may have been on its way") == true)
    #expect(rig.runtime.count == 0)
    #expect(isUp(rig))
    observer.publish(base + "arm", #"{"id":"now"}"#)
    #expect(eventually { rig.runtime.count == 1 })
  }
}
