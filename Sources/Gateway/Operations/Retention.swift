/// Deletes what is stored of hands by its age.
package enum Retention {
  private static let blocksPerDelete: Int64 = 500

  /// Deletes the oldest blocks that were stored before a time, by the gateway's clock: a hand's own may be
  /// wrong. They count as stored all the same, so that the hand does not send them again.
  /// - Returns: how many were deleted; call it again until it is none.
  package static func deleteSome(
    storedBefore time: Timestamp, in store: any Store
  ) async throws(StoreError) -> Int {
    try await store.write { (session) throws(StoreError) in
      try session.change(
        "DELETE FROM {telemetry.blocks} WHERE (hand_id, run_id, first_sequence) IN (SELECT hand_id, run_id, "
          + "first_sequence FROM {telemetry.blocks} WHERE stored_at < $1 ORDER BY stored_at LIMIT $2)",
        .time(time), .integer(blocksPerDelete))
    }
  }

  private static let rowsPerDelete: Int64 = 10_000

  /// Deletes the oldest rows of live samples before a time.
  /// - Returns: how many were deleted; call it again until it is none.
  package static func deleteSomeSamples(before time: Timestamp, in store: any Store) async throws(StoreError)
    -> Int
  {
    try await store.write { (session) throws(StoreError) in
      var count = 0
      for table in ["telemetry.agp_state", "telemetry.sensors"] {
        count += try session.change(
          "DELETE FROM {\(table)} WHERE time <= (SELECT max(time) FROM (SELECT time FROM {\(table)} WHERE time < $1 "
            + "ORDER BY time LIMIT $2) AS oldest)", .time(time), .integer(rowsPerDelete))
      }
      return count
    }
  }
}
