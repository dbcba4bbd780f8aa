import HandModel
import Wire

/// An event as a row of the table `event`: what is stored is what the hash chain goes over.
enum EventRow {
  static let hashColumn = "hash_sha512"
  /// The columns that the chain goes over, in its order, which is the table's.
  static let columns = [
    "number", "sequence", "wall_nanoseconds", "kind", "value_from", "value_to", "joint", "count", "text",
  ]

  /// In CREATE TABLE.
  static let declarations = """
    number INTEGER PRIMARY KEY, sequence INTEGER, wall_nanoseconds INTEGER NOT NULL, kind TEXT NOT NULL,
    value_from TEXT, value_to TEXT, joint TEXT, count INTEGER, text TEXT NOT NULL, \(hashColumn) TEXT NOT NULL
    """

  static let insert =
    "INSERT INTO event VALUES (\((1...columns.count + 1).map { "?\($0)" }.joined(separator: ", ")))"

  /// As it is stored.
  static func values(_ event: HandEvent) -> [EventChain.Value] {
    func number(_ value: UInt64?) -> EventChain.Value { value.map { .integer(Int64(clamping: $0)) } ?? .null }
    func text(_ value: String?) -> EventChain.Value { value.map { .text($0) } ?? .null }
    return [
      number(event.number), number(event.sequence), .integer(event.wallNanoseconds),
      .text(event.kind.rawValue), text(event.from), text(event.to), text(event.joint), number(event.count),
      .text(event.text),
    ]
  }

  static func bind(_ values: [EventChain.Value], hash: String, to insert: SQLiteStatement) {
    for (index, value) in zip(Int32(1)..., values) {
      switch value {
      case .null: insert.bindNull(index)
      case .integer(let number): insert.bind(index, number)
      case .text(let text): insert.bind(index, text)
      }
    }
    insert.bind(Int32(values.count + 1), hash)
  }

  /// The same of a row that is read; nil where a value is of a kind that no event has.
  static func values(_ row: SQLiteStatement) -> [EventChain.Value]? {
    var values: [EventChain.Value] = []
    for column in 0..<Int32(columns.count) {
      switch row.stored(column) {
      case .integer(let number): values.append(.integer(number))
      case .null: values.append(.null)
      case .text: values.append(.text(row.text(column) ?? ""))
      case .real, .blob: return nil
      }
    }
    return values
  }
}
