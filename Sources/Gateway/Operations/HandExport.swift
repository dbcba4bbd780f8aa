import Recording
import Wire

/// What is stored of a hand as the file of `motorhand log receive`, so that `motorhand log` can do with it
/// whatever it does with one: reconcile it with the device first of all.
package enum HandExport {
  private static let blocksPerRead: Int64 = 100
  private static let eventsPerRead: Int64 = 5000

  /// What was written.
  package struct Count: Sendable, Equatable {
    /// Blocks written.
    package var blocks = 0
    /// Events written.
    package var events = 0
  }

  /// Writes `received.sqlite` into a directory.
  /// - Parameter progress: told from time to time how much is written.
  package static func write(
    _ handID: String, of store: any Store, into directory: String, progress: (Count) -> Void
  ) async throws -> Count {
    let received = try ReceivedStore(directory: directory)
    var count = Count()
    while true {
      let place = Int64(count.blocks)
      let blocks = try await store.read { (session) throws(StoreError) in
        var blocks: [[UInt8]] = []
        for row in try session.rows(
          "SELECT bytes FROM {telemetry.blocks} WHERE hand_id = $1 ORDER BY run_id, first_sequence LIMIT $2 OFFSET $3",
          .text(handID), .integer(blocksPerRead), .integer(place))
        { blocks.append(try row.bytes("bytes")) }
        return blocks
      }
      guard !blocks.isEmpty else { break }
      var messages: [(String, ReceivedStore.Message)] = []
      for bytes in blocks { messages.append((handID, .block(try TickBlock(bytes: bytes)))) }
      _ = try received.store(messages)
      count.blocks += blocks.count
      progress(count)
    }
    while true {
      let place = Int64(count.events)
      let events = try await store.read { (session) throws(StoreError) in
        var events: [String] = []
        for row in try session.rows(
          "SELECT message FROM {telemetry.hand_events} WHERE hand_id = $1 ORDER BY run_id, number LIMIT $2 OFFSET $3",
          .text(handID), .integer(eventsPerRead), .integer(place))
        { events.append(try row.text("message")) }
        return events
      }
      guard !events.isEmpty else { return count }
      var messages: [(String, ReceivedStore.Message)] = []
      for event in events {
        let payload = Array(event.utf8)
        messages.append((handID, .event(try EventMessage(decoding: payload), payload: payload)))
      }
      _ = try received.store(messages)
      count.events += events.count
      progress(count)
    }
  }
}
