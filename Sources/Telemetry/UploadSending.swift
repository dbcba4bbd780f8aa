import HandModel
import Recording
import Wire

// What the upload sends, and in what order.

extension UploadLink {
  /// Queries of the disk in one turn, each of a millisecond.
  private static let looksPerTurn = 32

  func sendEvents(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    while let next = plan.next(.events), !plan.isFull(inFlight: inFlight.count) {
      let free = Self.eventsInFlightLimit - count(inFlight: .events)
      guard free > 0 else { return }
      let events = source.events(run: next.run, from: next.number, limit: free)
      guard !events.isEmpty else {
        // Their file cannot be read: the next connection tries again, and the other runs go on.
        let last = plan.runs[next.run]?.events.available.last ?? next.number
        plan.skip(.init(run: next.run, kind: .events, range: next.number...last))
        continue
      }
      var expected = next.number
      for event in events {
        // A number that the file does not have was lost there, which an event tells.
        if event.number > expected {
          plan.noteAbsent(.init(run: next.run, kind: .events, range: expected...event.number - 1))
        }
        expected = event.number + 1
        let item = UploadPlan.Item(run: next.run, kind: .events, range: event.number...event.number)
        guard plan.runs[next.run]?.events.pending.contains(event.number) ?? false else { continue }
        let payload = EventMessage(runID: next.run, event: event).encoded()
        try send(item, topic: topics.event, payload, isHistorical: true, on: connection, now)
        status.eventsSent += 1
      }
    }
  }

  func sendBlocks(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    if let newest, plan.isPending(newest, run: identity.runID) {
      try sendBlock(run: identity.runID, from: newest.lowerBound, isHistorical: false, on: connection, now)
    }
    newest = nil
    // Where there is nothing or only damage to be found, the connection has its turn in between.
    for _ in 0..<Self.looksPerTurn {
      guard now >= backlogAt, let next = plan.next(.ticks) else { return }
      guard
        let bytes = try sendBlock(
          run: next.run, from: next.number, isHistorical: true, on: connection, now)
      else { return }
      guard upload.backlogBytesPerSecond > 0 else { continue }
      backlogAt = max(backlogAt, now) + Int64(Double(bytes) * 1e9 / Double(upload.backlogBytesPerSecond))
    }
  }

  /// Sends one block, or takes note that there is none.
  /// - Returns: its size, 0 of none; nil where nothing can be sent now.
  @discardableResult
  private func sendBlock(
    run: String, from tick: UInt64, isHistorical: Bool, on connection: BrokerConnection, _ now: Int64
  ) throws(BrokerError) -> Int? {
    guard count(inFlight: .ticks) < Self.blocksInFlightLimit, !plan.isFull(inFlight: inFlight.count) else {
      return nil
    }
    switch source.block(run: run, from: tick) {
    case .busy:
      backlogAt = max(backlogAt, now + Self.lookNanoseconds)
      return nil
    case .nothing(let last):
      plan.noteAbsent(.init(run: run, kind: .ticks, range: tick...max(tick, last)))
      return 0
    case .damaged(let range, let reason):
      status.damagedBlocks += 1
      problem(reason)
      plan.skip(
        .init(run: run, kind: .ticks, range: min(tick, range.lowerBound)...max(tick, range.upperBound)))
      return 0
    case .block(let block):
      let range = block.key.firstSequence...block.key.lastSequence
      if range.lowerBound > tick {
        plan.noteAbsent(.init(run: run, kind: .ticks, range: tick...range.lowerBound - 1))
      }
      guard plan.isPending(range, run: run) else { return 0 }
      let item = UploadPlan.Item(run: run, kind: .ticks, range: range)
      try send(item, topic: topics.block, block.bytes, isHistorical: isHistorical, on: connection, now)
      status.blocksSent += 1
      return block.bytes.count
    }
  }

  private func send(
    _ item: UploadPlan.Item, topic: String, _ payload: [UInt8], isHistorical: Bool,
    on connection: BrokerConnection, _ now: Int64
  ) throws(BrokerError) {
    let message = try connection.publish(
      topic: topic, payload: payload, qos: 1, retain: false, isHistorical: isHistorical)
    inFlight[message] = (item, now, payload.count)
    plan.sent(item)
  }
}
