import Glibc
import HandModel
import Realtime
import Wire

/// What the hash chain says of a recording's events.
package struct ChainVerification: Sendable, Equatable, Encodable {
  /// Whether the events are those that were stored.
  package enum State: String, Sendable, Encodable {
    /// Each row fits the ones before.
    case whole
    /// The file is older than the chain.
    case none
    /// A row does not fit.
    case broken
  }

  /// Whether they fit.
  package var state: State
  /// Rows that fit, from the first on.
  package var rows = 0
  /// Number of the last of them.
  package var headNumber: UInt64?
  /// Its hash.
  package var head: String?
  /// Number of the first row that does not fit.
  package var firstWrong: Int64?
  /// Whether the hash that was asked for is among those that fit; nil where none was.
  package var holdsAnchor: Bool?

  /// In words.
  package var text: String {
    let start: String
    switch state {
    case .none: return "the events carry none: they were recorded by an earlier version"
    case .whole: start = "whole, \(rows) events, head \(headNumber ?? 0) \(head ?? "")"
    case .broken:
      start =
        "broken at event \(firstWrong ?? 0): it was changed, put in or moved, or one before it was taken out; "
        + "\(rows) before it fit"
    }
    return start
      + (holdsAnchor == true
        ? ", with the given head"
        : holdsAnchor == false
          ? "; the given head is not in it: its end was cut off, or it was replaced" : "")
  }
}

extension Recording {
  /// Recomputes the hash chain of the events from their rows.
  /// - Parameter anchor: a hash that it must hold, as journal or broker have it.
  /// - Returns: nil where there are no events.
  func verifyChain(anchor: String? = nil) throws(RecordingError) -> ChainVerification? {
    guard let eventsPath else { return nil }
    let connection = try Self.connect(eventsPath)
    try Self.requireTables(["event", "meta"], connection, eventsPath)
    let hasChain =
      try connection.integer(
        "SELECT count(*) FROM pragma_table_info('event') WHERE name = '\(EventRow.hashColumn)'") == 1
    guard hasChain else { return ChainVerification(state: .none, holdsAnchor: anchor.map { _ in false }) }
    var result = ChainVerification(state: .whole, holdsAnchor: anchor.map { _ in false })
    var chain = EventChain(runID: runID)
    let rows = try connection.prepare(
      "SELECT \(EventRow.columns.joined(separator: ", ")), \(EventRow.hashColumn) FROM event ORDER BY number")
    while try rows.step() {
      let values = EventRow.values(rows)
      if let values { chain.append(values) }
      guard values != nil, rows.text(Int32(EventRow.columns.count)) == chain.hashText else {
        result.state = .broken
        result.firstWrong = rows.integer(0)
        return result
      }
      result.rows += 1
      result.headNumber = UInt64(clamping: rows.integer(0))
      result.head = chain.hashText
      if anchor == chain.hashText { result.holdsAnchor = true }
    }
    return result
  }

  /// Closed segments whose files are not those that the events tell of.
  func foreignSegments(_ events: [HandEvent]) -> [String] {
    events.compactMap { event in
      guard event.kind == .segment, let name = event.from, let hash = event.to,
        RecordingPaths.segmentNumber(name) != nil
      else { return nil }
      let file = path + "/" + name
      guard access(file, F_OK) == 0 else { return nil }
      do throws(Errno) {
        return try SegmentSeal.digest(ofFile: file) == hash
          ? nil : "\(file): changed since it was closed: its SHA-512 is not that of event \(event.number)"
      } catch {
        return "\(file): cannot be read to be hashed: \(error)"
      }
    }
  }
}
