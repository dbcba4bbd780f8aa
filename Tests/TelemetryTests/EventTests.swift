import HandModel
import HandRigs
import Realtime
import Testing

@testable import Telemetry
@testable import Wire

@Suite("Events")
struct EventTests {
  @Test("without a recorder the publisher finds the events itself, numbered from 1, stored nowhere")
  func ownEvents() {
    var feed = EventFeed(identity: Fixtures.identity(), recorded: nil)
    var events: [HandEvent] = []
    for sequence: UInt64 in 0..<3 { feed.observe(Fixtures.record(sequence)) { events.append($0) } }
    feed.observe(Fixtures.record(3, state: .tracking)) { events.append($0) }
    feed.observe(Fixtures.record(3, state: .idle)) { events.append($0) }
    feed.takeRecorded { events.append($0) }
    #expect(!feed.hasEnded)
    feed.endOfTicks { events.append($0) }
    feed.endOfTicks { events.append($0) }
    #expect(events.map(\.kind) == [.start, .state, .stopped])
    #expect(events.map(\.number) == [1, 2, 3] && events.allSatisfy { !$0.isStored })
    #expect(feed.count == 3 && feed.hasEnded && feed.dropped == 0)
  }

  @Test("with a recorder the publisher sends what was recorded, as it was numbered, and looks at no tick")
  func recordedEvents() {
    let handOver = HandOver<HandEvent>(capacity: 2)
    var feed = EventFeed(identity: Fixtures.identity(), recorded: handOver)
    var events: [HandEvent] = []
    feed.observe(Fixtures.record(0)) { events.append($0) }
    for number: UInt64 in 7...9 {
      handOver.put(HandEvent(number: number, isStored: true, wallNanoseconds: 1, kind: .state, text: ""))
    }
    feed.endOfTicks { events.append($0) }
    #expect(events.isEmpty && !feed.hasEnded)
    feed.takeRecorded { events.append($0) }
    #expect(events.map(\.number) == [7, 8] && feed.count == 2 && feed.dropped == 1)
    handOver.close()
    feed.takeRecorded { events.append($0) }
    #expect(events.count == 2 && feed.hasEnded)
  }

  @Test("an event leaves the outbox by acknowledgement only, and returns in order after a lost connection")
  func outbox() {
    var outbox = EventOutbox()
    for number in 0..<4 { outbox.append([UInt8(number)], number: UInt64(number) + 1) }
    for message in 10..<13 {
      let next = outbox.nextWaiting()!
      outbox.markSent(position: next.position, message: Int32(message), now: Int64(message))
    }
    let answers = (outbox.acknowledge(message: 11), outbox.acknowledge(message: 11))
    #expect(answers == (2, nil))
    #expect(outbox.count == 3 && outbox.inFlightCount == 2 && outbox.oldestSent == 10)
    outbox.connectionLost()
    var sent: [UInt8] = []
    var message: Int32 = 20
    while let next = outbox.nextWaiting() {
      sent += next.payload
      outbox.markSent(position: next.position, message: message, now: 30)
      message += 1
    }
    #expect(sent == [0, 2, 3])
    let refused = outbox.refuse(message: 21)
    let next = outbox.nextWaiting()
    #expect(refused && next?.payload == [2])
    let last = (outbox.acknowledge(message: 20), outbox.acknowledge(message: 22))
    #expect(last == (1, 4))
    #expect(outbox.count == 1)
  }

  @Test("a full outbox keeps the oldest events and counts the rest")
  func outboxBound() {
    var outbox = EventOutbox()
    for number in 0..<EventOutbox.capacity + 3 {
      outbox.append([UInt8(number & 255)], number: UInt64(number) + 1)
    }
    #expect(outbox.count == EventOutbox.capacity && outbox.dropped == 3)
    let oldest = outbox.nextWaiting()
    #expect(oldest?.payload == [0])
  }

  @Test("what comes all the time leaves half of the outbox to what does not")
  func frequentBound() {
    var outbox = EventOutbox()
    for _ in 0..<EventOutbox.frequentCapacity + 5 { outbox.append([1], number: 1, isFrequent: true) }
    #expect(outbox.count == EventOutbox.frequentCapacity && outbox.dropped == 5)
    for _ in 0..<EventOutbox.capacity - EventOutbox.frequentCapacity { outbox.append([2], number: 2) }
    #expect(outbox.count == EventOutbox.capacity && outbox.dropped == 5)
    #expect(HandEvent.Kind.allCases.filter(\.isFrequent) == [.command, .refused, .overrun])
  }
}
