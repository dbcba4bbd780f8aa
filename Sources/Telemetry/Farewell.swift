import Realtime

// The publisher's end.

extension PublisherLoop {
  /// Sends what is left, then `disconnected`, and waits for the acknowledgements within the limit.
  func sayFarewell() {
    readRing()
    feed.endOfTicks(emit: post)
    if let connection = link.connection {
      do throws(BrokerError) {
        let clean = try finish(connection, start: MonotonicClock().now())
        shared.farewellAcknowledged.store(clean, ordering: .releasing)
        // Without the acknowledgement no DISCONNECT: the will then says what the status could not.
        if clean { connection.disconnect() }
      } catch { status.lastError = "\(link.broker.brokerText): \(error)" }
    }
    link.end()
    status.connected = false
  }

  /// Whether the status `disconnected` was acknowledged in time.
  private func finish(_ connection: BrokerConnection, start: Int64) throws(BrokerError) -> Bool {
    let limit = Int64(options.stopSeconds * 1e9)
    var isSaid = false
    while true {
      let now = MonotonicClock().now()
      if now - start > limit { return false }
      feed.takeRecorded(emit: post)
      try publishEvents(on: connection, now)
      // After the events; but events that cannot leave, or a disk that keeps the recorder from handing on its
      // last ones, must not keep the status from being said.
      let isLate = now - start > limit / 2
      let eventsDone = (feed.hasEnded && outbox.nextWaiting() == nil) || now < eventsPausedUntil || isLate
      if !isSaid, eventsDone {
        try audit.publish(on: connection, now, isLast: true)
        try retained.publishFarewell(on: connection, now, session: session, sequence: lastSequence)
        isSaid = true
      }
      try connection.turn(timeoutMilliseconds: Self.longestTurnMilliseconds, shared.wakeUp)
      noteCompletions(of: connection, now)
      let eventsAcknowledged = (feed.hasEnded || isLate) && outbox.count == 0
      if isSaid, retained.sentAt == nil, audit.sentAt == nil, eventsAcknowledged || now < eventsPausedUntil {
        return !retained.isDirty
      }
    }
  }
}
