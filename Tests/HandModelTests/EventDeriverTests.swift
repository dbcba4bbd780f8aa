import HandModel
import Testing

@Suite("Event deriver")
struct EventDeriverTests {
  private func record(_ sequence: UInt64, state: HandState = .armed) -> TickRecord {
    var record = TickRecord()
    record.sequence = sequence
    record.deadlineNanoseconds = Int64(sequence) * 1_000_000
    record.wallNanoseconds = 1_700_000_000_000_000_000 + Int64(sequence)
    record.state = state
    record.mode = .stationKeep
    return record
  }

  private func events(of records: [TickRecord], continues: Bool = false) -> [HandEvent] {
    var deriver = EventDeriver(jointNames: ["thumb", "index", "little"], continues: continues)
    var events: [HandEvent] = []
    for record in records where deriver.accepts(record) { deriver.observe(record) { events.append($0) } }
    deriver.finish { events.append($0) }
    return events
  }

  @Test("transitions, faults, the line and gaps become events, causes first")
  func derives() throws {
    var line = record(2, state: .idle)
    line.eStopLineActive = true
    var fault = record(13, state: .fault)
    fault.fault = .staleSensor
    fault.faultJoint = 2
    fault.mode = .idle
    var other = fault
    other.sequence = 14
    other.faultJoint = 0
    let events = events(of: [
      record(0, state: .idle), record(1, state: .idle), line, record(3), fault, other,
      record(15, state: .idle),
    ])
    try #require(
      events.map(\.kind) == [
        .start, .eStopLine, .eStopLine, .state, .gap, .fault, .state, .mode, .fault, .fault, .state, .mode,
        .stopped,
      ])
    #expect(events[0].to == "idle" && events[0].sequence == 0)
    #expect(events[1].from == "inactive" && events[1].to == "active" && events[2].to == "inactive")
    #expect(events[3].from == "idle" && events[3].to == "armed" && events[3].text == "idle → armed")
    #expect(events[4].from == "3" && events[4].to == "13" && events[4].count == 9)
    #expect(events[5].from == nil && events[5].to == "stale-sample" && events[5].joint == "little")
    #expect(events[5].text == "stale sensor: little" && events[5].wallNanoseconds == fault.wallNanoseconds)
    #expect(events[7].from == "STATION-KEEP" && events[7].to == "IDLE")
    #expect(events[8].from == "stale-sample" && events[8].to == "stale-sample" && events[8].joint == "thumb")
    #expect(events[9].from == "stale-sample" && events[9].to == nil && events[9].joint == nil)
    #expect(events[9].text == "cleared")
    #expect(events[12].to == "idle" && events[12].sequence == 15)
  }

  @Test("an unchanged hand makes no events")
  func quiet() {
    #expect(events(of: (0..<500).map { record($0) }).map(\.kind) == [.start, .stopped])
    #expect(events(of: []).isEmpty)
  }

  @Test("what the first tick finds latched is told, and ticks before it are missing unless another saw them")
  func firstTick() throws {
    var first = record(5, state: .eStop)
    first.fault = .eStopLine
    first.eStopLineActive = true
    let events = events(of: [first])
    try #require(events.map(\.kind) == [.start, .gap, .eStopLine, .fault, .stopped])
    #expect(events[1].from == nil && events[1].to == "5" && events[1].count == 5)
    #expect(self.events(of: [record(5)], continues: true).map(\.kind) == [.start, .stopped])
  }

  @Test("a record that is not newer than the last one is not let in")
  func order() {
    let kinds = events(of: [record(3), record(3, state: .fault), record(2, state: .fault), record(4)]).map(
      \.kind)
    #expect(kinds == [.start, .gap, .stopped])
  }

  @Test("what changes every tick becomes at most one event a second, each beginning where the last one ended")
  func merges() throws {
    let records = (0..<2500).map { sequence in
      var record = record(UInt64(sequence))
      record.commandNumber = UInt32(sequence)
      record.takenCommand = TickCommand(.nullG, source: .mqtt, number: UInt32(sequence))
      record.commandResult = sequence < 1200 ? .executed : .notIdle
      record.overruns = UInt64(sequence / 100)
      return record
    }
    let events = events(of: records)
    for (kind, last) in [(HandEvent.Kind.command, "2499"), (.refused, "1300"), (.overrun, "24")] {
      let merged = events.filter { $0.kind == kind }
      try #require((2...4).contains(merged.count), "\(kind)")
      #expect(merged[0].from == "0" && merged.last?.to == last, "\(kind)")
      #expect(zip(merged, merged.dropFirst()).allSatisfy { $0.to == $1.from }, "\(kind)")
    }
    let refused = events.last { $0.kind == .refused }
    #expect(refused?.text.hasSuffix("the last, null-g 2499: \(CommandResult.notIdle.refusal ?? "")") == true)
  }
}
