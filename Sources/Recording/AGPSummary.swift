import HandModel
import Wire

/// The AGP state for the event log: of each minute the tick with the largest L. The hash chain then holds
/// what the source system kept in its table of AGP states, at a rate that a log can bear; every tick's own is
/// in the segments.
struct AGPSummary {
  /// A minute: 1440 rows of some 0.8 kB a day.
  static let periodNanoseconds: Int64 = 60_000_000_000

  private let payload: AGPPayload
  private var ticks: UInt64 = 0
  private var due: Int64?
  private var worst = TickRecord()

  init(identity: HandIdentity) { payload = AGPPayload(identity: identity) }

  /// Takes note of a tick; the event of the minute that ends with it.
  mutating func observe(_ record: borrowing TickRecord) -> HandEvent? {
    // Where no tick of the minute has an L, the last one stands for it.
    let (now, lipschitz) = (record.deadlineNanoseconds, record.lipschitz)
    if ticks == 0 || worst.lipschitz.isNaN || lipschitz > worst.lipschitz { worst = copy record }
    ticks += 1
    let due = self.due ?? now &+ Self.periodNanoseconds
    self.due = due
    return now >= due ? take() : nil
  }

  /// The event of the ticks since the last one; nil where there are none.
  mutating func take() -> HandEvent? {
    guard ticks > 0 else { return nil }
    defer {
      ticks = 0
      due = nil
    }
    return HandEvent(
      sequence: worst.sequence, wallNanoseconds: worst.wallNanoseconds, kind: .agp, to: worst.mode.id,
      count: ticks, text: String(decoding: payload.detail(of: worst), as: UTF8.self))
  }
}
