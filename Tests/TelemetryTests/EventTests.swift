import HandModel
import Testing

@testable import Telemetry

@Suite("Events")
struct EventTests {
  private func events(of records: [TickRecord]) throws -> [[String: Any]] {
    var deriver = EventDeriver(identity: Fixtures.identity())
    var payloads: [[UInt8]] = []
    for record in records { deriver.observe(record) { payloads.append($0) } }
    return try payloads.map { try json($0) }
  }

  @Test("transitions, faults and gaps become events, numbered without gaps, causes first")
  func derives() throws {
    var fault = Fixtures.record(13, state: .fault)
    fault.fault = .staleSensor
    fault.faultJoint = 2
    fault.mode = .idle
    var line = Fixtures.record(2, state: .idle)
    line.eStopLineActive = true
    let events = try events(of: [
      Fixtures.record(0, state: .idle), Fixtures.record(1, state: .idle), line, Fixtures.record(3), fault,
    ])
    let kinds = events.map { $0["kind"] as? String }
    #expect(
      kinds == ["start", "e-stop-line", "e-stop-line", "state", "sequence-gap", "fault", "state", "mode"])
    #expect(events.map { $0["number"] as? String } == (0..<8).map { String($0) })
    #expect(events.allSatisfy { $0["boot_id"] as? String == Fixtures.bootID })
    #expect(events[1]["active"] as? Bool == true && events[2]["active"] as? Bool == false)
    #expect(events[4]["after"] as? String == "3" && events[4]["missing"] as? String == "9")
    #expect(events[5]["to"] as? String == "stale sensor" && events[5]["code"] as? Int == 10)
    #expect(events[5]["joint"] as? String == "index-distal")
    #expect(events[6]["from"] as? String == "armed" && events[6]["to"] as? String == "fault")
  }

  @Test("an unchanged hand makes no events")
  func quiet() throws {
    #expect(try events(of: (0..<500).map { Fixtures.record($0) }).count == 1)
  }

  @Test("an event leaves the outbox by acknowledgement only, and returns in order after a lost connection")
  func outbox() {
    var outbox = EventOutbox()
    for number in 0..<4 { outbox.append([UInt8(number)]) }
    for message in 10..<13 {
      let next = outbox.nextWaiting()!
      outbox.markSent(position: next.position, message: Int32(message), now: Int64(message))
    }
    let answers = (outbox.acknowledge(message: 11), outbox.acknowledge(message: 11))
    #expect(answers == (true, false))
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
    #expect(last == (true, true))
    #expect(outbox.count == 1)
  }

  @Test("a full outbox keeps the oldest events and counts the rest")
  func outboxBound() {
    var outbox = EventOutbox()
    for number in 0..<EventOutbox.capacity + 3 { outbox.append([UInt8(number & 255)]) }
    #expect(outbox.count == EventOutbox.capacity && outbox.dropped == 3)
    let oldest = outbox.nextWaiting()
    #expect(oldest?.payload == [0])
  }
}
