import Wire

/// What is stored of a run.
package struct Run: Sendable, Equatable {
  /// The start of the hand's daemon.
  package var runID: String
  /// When the first of it came.
  package var firstSeen: Timestamp
  /// When the last of it came.
  package var lastSeen: Timestamp
  /// Numbers of the stored ticks.
  package var ticks: SequenceRanges
  /// Numbers of the stored events.
  package var events: SequenceRanges
  /// Messages that came again.
  package var duplicates: Int64

  init(_ row: SQLRow) throws(StoreError) {
    guard let first = try row.time("first_seen"), let last = try row.time("last_seen") else {
      throw .contradiction("a run without a time")
    }
    (firstSeen, lastSeen) = (first, last)
    runID = try row.text("run_id")
    duplicates = try row.integer("duplicates")
    (ticks, events) = (SequenceRanges(), SequenceRanges())
    let text = try row.text("stored")
    guard !text.isEmpty else { return }
    do {
      let fields = try MessageFields(JSONValue(parsing: Array(text.utf8)))
      ticks = try SequenceRanges(fields, "ticks")
      events = try SequenceRanges(fields, "events")
    } catch { throw .contradiction("run \(runID): \(error)") }
  }

  /// What `stored` says.
  var storedText: String {
    func text(_ ranges: SequenceRanges) -> JSONValue {
      .array(ranges.ranges.map { [.string("\($0.lowerBound)"), .string("\($0.upperBound)")] })
    }
    let value: JSONValue = ["ticks": text(ticks), "events": text(events)]
    return String(decoding: value.encoded(), as: UTF8.self)
  }
}

/// The runs of hands.
package enum Runs {
  static let columns = "run_id, first_seen, last_seen, stored, duplicates"

  /// The runs of a hand of which something came last.
  package static func newest(
    _ limit: Int, of handID: String, in store: any Store
  ) async throws(StoreError) -> [Run] {
    try await store.read { (session) throws(StoreError) in
      var runs: [Run] = []
      for row in try session.rows(
        "SELECT \(columns) FROM {telemetry.runs} WHERE hand_id = $1 ORDER BY last_seen DESC, run_id LIMIT $2",
        .text(handID), .integer(Int64(limit)))
      {
        // One that cannot be read is no reason to tell nothing of the others; what it has comes again, and is
        // refused with the reason.
        if let run = try? Run(row) { runs.append(run) }
      }
      return runs
    }
  }
}
