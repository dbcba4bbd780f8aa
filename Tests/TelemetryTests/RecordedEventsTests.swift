import Foundation
import HandModel
import HandRigs
import Realtime
import Testing

@testable import Telemetry
@testable import Wire

/// Events on their way from a recorder to a real mosquitto.
@Suite("Recorded events", .serialized)
struct RecordedEventsTests {
  private let topics = Topics(handID: Fixtures.handID)
  private let directory: TemporaryDirectory
  private let handOver = HandOver<HandEvent>(capacity: 4096)

  init() throws { directory = try TemporaryDirectory() }

  private func put(_ numbers: ClosedRange<UInt64>, isStored: Bool = true) {
    for number in numbers {
      handOver.put(
        HandEvent(
          number: number, isStored: isStored, sequence: number, wallNanoseconds: 1, kind: .state, text: "t"))
    }
  }

  private func events(_ observer: Observer) throws -> [HandEvent] {
    try observer.all(topics.event).map { try EventMessage(decoding: $0.payload).event }
  }

  @Test("they keep their numbers and their order through a lost connection, and none is made beside them")
  func reconnect() throws {
    let broker = try PrivateBroker(in: directory)
    let relay = try Relay(to: broker.port)
    defer { relay.close() }
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: relay.port, recordedEvents: handOver)
    rig.feed(20, state: .fault)
    put(5...60)
    #expect(rig.awaitConnected())
    relay.cut()
    put(61...80, isStored: false)
    #expect(eventually { rig.publisher.status.reconnects == 1 && rig.publisher.status.eventsWaiting == 0 })
    #expect(eventually { observer.all(topics.event).count >= 76 })
    var firsts: [HandEvent] = []
    for event in try events(observer) where !firsts.contains(event) { firsts.append(event) }
    #expect(firsts.map(\.number) == Array(5...80))
    #expect(firsts.allSatisfy { $0.isStored == ($0.number <= 60) })
    #expect(rig.publisher.status.events == 76 && rig.publisher.status.drops.events == 0)
  }

  @Test("the farewell waits for the recorder's last events, but not for one that does not end")
  func farewell() throws {
    let broker = try PrivateBroker(in: directory)
    let observer = try Observer(port: broker.port)
    let rig = try Rig(port: broker.port, recordedEvents: handOver) { $0.stopSeconds = 4 }
    #expect(rig.awaitConnected())
    rig.publisher.beginStop()
    usleep(200_000)
    #expect(observer.all(topics.status).allSatisfy { !$0.text.contains("disconnected") })
    put(1...3)
    handOver.close()
    #expect(rig.publisher.stop())
    #expect(observer.first(topics.status) { $0.text.contains("disconnected") } != nil)
    #expect(try events(observer).map(\.number) == [1, 2, 3])

    let hanging = try Rig(port: broker.port, handID: "other", recordedEvents: HandOver(capacity: 4)) {
      $0.stopSeconds = 1
    }
    #expect(hanging.awaitConnected())
    let start = ContinuousClock.now
    #expect(hanging.publisher.stop(), "the broker acknowledged the farewell")
    #expect((0.5...2).contains((ContinuousClock.now - start) / .seconds(1)))
  }

  private func heads(_ observer: Observer) throws -> [UInt64] {
    try observer.all(topics.audit).map { try AuditMessage(decoding: $0.payload).head.number }
  }

  @Test(
    "the head of the hash chain is retained: at once, again on a new connection, and the last one at the end")
  func audit() throws {
    let broker = try PrivateBroker(in: directory)
    let relay = try Relay(to: broker.port)
    defer { relay.close() }
    let observer = try Observer(port: broker.port)
    func head(_ number: UInt64) -> ChainHead {
      ChainHead(number: number, hash: String(repeating: "ab", count: 64), wallNanoseconds: 7)
    }
    let newest = Locked<ChainHead?>(nil)
    let rig = try Rig(port: relay.port, recordedEvents: handOver, chainHead: newest)
    #expect(rig.awaitConnected())
    newest.withLock { $0 = head(3) }
    #expect(eventually { observer.all(topics.audit).count == 1 })
    newest.withLock { $0 = head(4) }
    relay.cut()
    #expect(eventually { rig.publisher.status.reconnects == 1 && observer.all(topics.audit).count == 2 })
    // Sooner than the pause allows: it waits for the end.
    newest.withLock { $0 = head(9) }
    put(1...1)
    #expect(eventually { observer.all(topics.event).count == 1 })
    handOver.close()
    #expect(rig.publisher.stop())
    #expect(eventually { observer.all(topics.audit).count == 3 })
    #expect(try heads(observer) == [3, 4, 9])
    let late = try Observer(port: broker.port)
    #expect(eventually { late.all(topics.audit).count == 1 })
    #expect(try heads(late) == [9])
  }
}
