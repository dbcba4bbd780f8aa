/// Events between being made and being acknowledged by the broker, in order.
///
/// An event leaves only by an acknowledgement. A lost connection puts all unacknowledged ones back, so an
/// event may arrive twice; its number tells. Beyond the bound the newest is dropped and counted: the first
/// events of a trouble name its cause.
struct EventOutbox {
  /// 4096 events of 400 bytes: days of normal work without a broker in 1.6 MB.
  static let capacity = 4096
  /// The others' place is theirs alone: an hour of streaming without a broker must not keep a fault from
  /// being told.
  static let frequentCapacity = capacity / 2

  private struct Entry {
    enum State {
      case waiting
      case inFlight(message: Int32, since: Int64)
      case acknowledged
    }

    var number: UInt64
    var payload: [UInt8]
    var state = State.waiting
  }

  private var entries: [Entry] = []
  /// Position of `entries[0]`; positions count for ever.
  private var firstPosition = 0
  /// No entry before this position is unacknowledged.
  private var headPosition = 0
  /// No entry before this position waits to be sent.
  private var scanPosition = 0
  private(set) var dropped: UInt64 = 0

  /// Events not acknowledged yet.
  private(set) var count = 0
  /// Events sent and not acknowledged.
  private(set) var inFlightCount = 0

  /// - Parameter isFrequent: whether it is of a kind that comes all the time.
  mutating func append(_ payload: [UInt8], number: UInt64, isFrequent: Bool = false) {
    let limit = isFrequent ? Self.frequentCapacity : Self.capacity
    guard firstPosition + entries.count - headPosition < limit else {
      dropped += 1
      return
    }
    entries.append(Entry(number: number, payload: payload))
    count += 1
  }

  /// The oldest event that waits, if any.
  mutating func nextWaiting() -> (position: Int, payload: [UInt8])? {
    scanPosition = max(scanPosition, headPosition)
    while scanPosition < firstPosition + entries.count {
      let index = scanPosition - firstPosition
      if case .waiting = entries[index].state { return (scanPosition, entries[index].payload) }
      scanPosition += 1
    }
    return nil
  }

  mutating func markSent(position: Int, message: Int32, now: Int64) {
    entries[position - firstPosition].state = .inFlight(message: message, since: now)
    inFlightCount += 1
  }

  /// The number of the event that was acknowledged; nil where it was none.
  mutating func acknowledge(message: Int32) -> UInt64? {
    guard let index = index(of: message) else { return nil }
    let number = entries[index].number
    entries[index].state = .acknowledged
    entries[index].payload = []
    inFlightCount -= 1
    count -= 1
    while headPosition < firstPosition + entries.count,
      case .acknowledged = entries[headPosition - firstPosition].state
    {
      headPosition += 1
    }
    // Moving the rest up costs its length: done once for many.
    let done = headPosition - firstPosition
    if done == entries.count || done >= Self.capacity / 4 {
      entries.removeFirst(done)
      firstPosition += done
    }
    return number
  }

  /// The place of the event that a message carries: mostly the first, as a broker answers in order.
  private func index(of message: Int32) -> Int? {
    var index = headPosition - firstPosition
    var others = inFlightCount
    while others > 0 {
      if case .inFlight(let carrier, _) = entries[index].state {
        if carrier == message { return index }
        others -= 1
      }
      index += 1
    }
    return nil
  }

  /// The broker will never take the event: it is dropped. Whether it was one of ours.
  mutating func giveUp(message: Int32) -> Bool {
    guard acknowledge(message: message) != nil else { return false }
    dropped += 1
    return true
  }

  /// The broker refused the event: it waits again. Whether it was one of ours.
  mutating func refuse(message: Int32) -> Bool {
    guard let index = index(of: message) else { return false }
    entries[index].state = .waiting
    inFlightCount -= 1
    scanPosition = min(scanPosition, firstPosition + index)
    return true
  }

  mutating func connectionLost() {
    for index in entries.indices {
      if case .inFlight = entries[index].state { entries[index].state = .waiting }
    }
    inFlightCount = 0
    scanPosition = headPosition
  }

  /// When the oldest unacknowledged event was sent; nil while it waits or there is none. Events are sent in
  /// order, so no later one has waited longer.
  var oldestSent: Int64? {
    guard headPosition < firstPosition + entries.count,
      case .inFlight(_, let since) = entries[headPosition - firstPosition].state
    else { return nil }
    return since
  }
}
