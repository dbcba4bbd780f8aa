import HandModel

/// Reads events as `events.sqlite` stores them.
struct StoredEvents {
  /// The columns that `event` expects, in their order.
  static let columns = EventRow.columns.joined(separator: ", ")

  /// The same of an earlier version.
  static let olderColumns = "number, sequence, wall_nanoseconds, kind, value_from, value_to, NULL, NULL, text"

  let path: String
  let statement: SQLiteStatement

  /// The event of the row that the statement stands on.
  func event() throws(RecordingError) -> HandEvent {
    let name = statement.text(3) ?? ""
    guard let kind = HandEvent.Kind(rawValue: name) else {
      throw .notARecording(path: path, reason: "event kind '\(name)' does not exist")
    }
    return HandEvent(
      number: try natural(0, "number"), isStored: true,
      sequence: statement.isNull(1) ? nil : try natural(1, "sequence"),
      wallNanoseconds: try integer(2, "wall_nanoseconds"), kind: kind, from: statement.text(4),
      to: statement.text(5), joint: statement.text(6),
      count: statement.isNull(7) ? nil : try natural(7, "count"), text: statement.text(8) ?? "")
  }

  private func integer(_ column: Int32, _ name: String) throws(RecordingError) -> Int64 {
    guard case .integer(let value) = statement.stored(column) else {
      throw .unreadable(
        path: path, place: "event \(statement.integer(0)), \(name)", found: statement.stored(column).name,
        expected: "an integer")
    }
    return value
  }

  private func natural(_ column: Int32, _ name: String) throws(RecordingError) -> UInt64 {
    let value = try integer(column, name)
    guard value >= 0 else {
      throw .unreadable(
        path: path, place: "event \(statement.integer(0)), \(name)", found: "\(value)", expected: "0 or more")
    }
    return UInt64(value)
  }
}
