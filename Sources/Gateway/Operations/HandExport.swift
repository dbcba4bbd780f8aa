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

  /// Writes `received.sqlite` into a directory. What the gateway stores or deletes meanwhile may be in it or
  /// not.
  /// - Parameter progress: told after each part how much is written.
  package static func write(
    _ handID: String, of store: any Store, into directory: String, progress: (Count) async -> Void
  ) async throws -> Count {
    let received = try ReceivedStore(directory: directory)
    var count = Count()
    var last: SQLRow?
    repeat {
      let rows = try await store.part(
        of: "SELECT run_id, first_sequence, bytes FROM {telemetry.blocks} WHERE hand_id = $1", .text(handID),
        by: ["run_id", "first_sequence"], after: last, size: blocksPerRead)
      let messages = try rows.map {
        (handID, ReceivedStore.Message.block(try TickBlock(bytes: $0.bytes("bytes"))))
      }
      _ = try received.store(messages)
      count.blocks += rows.count
      last = rows.last
      await progress(count)
    } while last != nil
    repeat {
      let rows = try await store.part(
        of: "SELECT run_id, number, message FROM {telemetry.hand_events} WHERE hand_id = $1", .text(handID),
        by: ["run_id", "number"], after: last, size: eventsPerRead)
      let messages = try rows.map { row in
        let payload = Array(try row.text("message").utf8)
        return (handID, ReceivedStore.Message.event(try EventMessage(decoding: payload), payload: payload))
      }
      _ = try received.store(messages)
      count.events += rows.count
      last = rows.last
      await progress(count)
    } while last != nil
    return count
  }
}
