import Glibc

/// A value of a column or of a parameter, as both databases know it.
package enum SQLValue: Sendable, Equatable {
  case null
  /// 64 bits.
  case integer(Int64)
  /// No NaN: SQLite has none.
  case real(Double)
  /// Without zero bytes: PostgreSQL has none in a text.
  case text(String)
  /// Any.
  case bytes([UInt8])
  /// SQLite keeps 0 and 1.
  case boolean(Bool)
  /// SQLite keeps the number.
  case time(Timestamp)

  /// Throws where PostgreSQL would cut a text off: C ends it at a zero byte.
  static func check(_ values: [SQLValue]) throws(StoreError) {
    for case .text(let text) in values where text.utf8.contains(0) {
      throw .defect("a text holds a zero byte, which no store keeps")
    }
  }

  /// The value, or none.
  package init(_ text: String?) { self = text.map(Self.text) ?? .null }
  /// The value, or none.
  package init(_ number: Int64?) { self = number.map(Self.integer) ?? .null }
  /// The value, or none. NaN is none: SQLite has no NaN.
  package init(_ number: Double?) { self = number.flatMap { $0.isNaN ? nil : .real($0) } ?? .null }
  /// The value, or none.
  package init(_ time: Timestamp?) { self = time.map(Self.time) ?? .null }
}

/// A point in time, in the resolution of PostgreSQL.
package struct Timestamp: Sendable, Hashable, Comparable {
  /// Since 1970-01-01 00:00 UTC.
  package var microseconds: Int64

  package init(microseconds: Int64) { self.microseconds = microseconds }

  /// By the machine's wall clock.
  package static var now: Self {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Self(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
  }

  package static func < (a: Self, b: Self) -> Bool { a.microseconds < b.microseconds }

  /// A later one.
  package func adding(seconds: Int64) -> Self { Self(microseconds: microseconds &+ seconds &* 1_000_000) }
}

/// A row of a query's result.
package struct SQLRow: Sendable, Equatable {
  /// Places of the columns by their names; shared by all rows of a result.
  let places: [String: Int]
  let values: [SQLValue]

  init(places: [String: Int], values: [SQLValue]) {
    self.places = places
    self.values = values
  }

  /// The value of a column that the statement names.
  package subscript(_ column: String) -> SQLValue {
    guard let place = places[column] else { preconditionFailure("the statement names no column \(column)") }
    return values[place]
  }

  private func problem(_ column: String, _ expected: String) -> StoreError {
    .contradiction("column \(column): found \(self[column]), expected \(expected)")
  }

  /// An integer, or a truth value as 0 or 1.
  package func integer(_ column: String) throws(StoreError) -> Int64 {
    switch self[column] {
    case .integer(let value): value
    case .boolean(let value): value ? 1 : 0
    default: throw problem(column, "an integer")
    }
  }

  /// An integer, or nil of none.
  package func optionalInteger(_ column: String) throws(StoreError) -> Int64? {
    self[column] == .null ? nil : try integer(column)
  }

  /// Whether the column is true, or a number other than 0.
  package func boolean(_ column: String) throws(StoreError) -> Bool { try integer(column) != 0 }

  /// A text.
  package func text(_ column: String) throws(StoreError) -> String {
    guard case .text(let value) = self[column] else { throw problem(column, "a text") }
    return value
  }

  /// A text, or nil of none.
  package func optionalText(_ column: String) throws(StoreError) -> String? {
    self[column] == .null ? nil : try text(column)
  }

  /// Bytes.
  package func bytes(_ column: String) throws(StoreError) -> [UInt8] {
    guard case .bytes(let value) = self[column] else { throw problem(column, "bytes") }
    return value
  }

  /// Bytes; empty where there are none.
  package func bytesOrNone(_ column: String) -> [UInt8] {
    if case .bytes(let value) = self[column] { value } else { [] }
  }

  /// A number; nil of none.
  package func real(_ column: String) throws(StoreError) -> Double? {
    switch self[column] {
    case .null: nil
    case .real(let value): value
    case .integer(let value): Double(value)
    default: throw problem(column, "a number")
    }
  }

  /// A time; nil of none.
  package func time(_ column: String) throws(StoreError) -> Timestamp? {
    switch self[column] {
    case .null: nil
    case .time(let value): value
    case .integer(let value): Timestamp(microseconds: value)
    default: throw problem(column, "a time")
    }
  }
}
