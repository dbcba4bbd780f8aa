import HandModel
import Realtime

/// Where the publisher's events come from. The recorder's are taken as they are, with the numbers they are
/// stored under. Where nothing is recorded the publisher derives and numbers them itself, and nothing stores
/// them.
struct EventFeed {
  private let recorded: HandOver<HandEvent>?
  private var deriver: EventDeriver
  /// Events that came so far.
  private(set) var count: UInt64 = 0
  /// Whether nothing more will come.
  private(set) var hasEnded = false

  /// - Parameter recorded: what the recorder hands on; nil = nothing is recorded.
  init(identity: HandIdentity, recorded: HandOver<HandEvent>?) {
    self.recorded = recorded
    deriver = EventDeriver(jointNames: identity.board.joints.map(\.name))
  }

  /// Events that found no place on their way from the recorder.
  var dropped: UInt64 { recorded?.dropped ?? 0 }

  /// Takes note of the next tick, whose events are the publisher's to find where nothing is recorded.
  mutating func observe(_ record: borrowing TickRecord, emit: (HandEvent) -> Void) {
    guard recorded == nil, deriver.accepts(record) else { return }
    var count = count
    deriver.observe(record) { event in emit(Self.number(event, &count)) }
    self.count = count
  }

  /// Takes what the recorder has handed on.
  mutating func takeRecorded(emit: (HandEvent) -> Void) {
    guard let recorded else { return }
    let (events, isClosed) = recorded.takeAll()
    for event in events { emit(event) }
    count += UInt64(events.count)
    hasEnded = isClosed
  }

  /// The publisher's ring will hold no more ticks: what the deriver still merges comes out.
  mutating func endOfTicks(emit: (HandEvent) -> Void) {
    guard recorded == nil, !hasEnded else { return }
    var count = count
    deriver.finish { event in emit(Self.number(event, &count)) }
    self.count = count
    hasEnded = true
  }

  private static func number(_ event: HandEvent, _ count: inout UInt64) -> HandEvent {
    count += 1
    var event = event
    event.number = count
    return event
  }
}
