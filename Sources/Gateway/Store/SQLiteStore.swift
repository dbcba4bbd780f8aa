import Foundation
import GRDB

/// The store as one SQLite file: for one gateway, whose machine has a disk. Readers do not wait for the
/// writer.
package final class SQLiteStore: Store {
  /// How long a statement waits for another process, as of a backup.
  private static let busySeconds = 5.0

  private let pool: any DatabaseWriter

  /// The words of SQLite.
  package var dialect: SQLDialect { .sqlite }

  /// Opens the file, and makes it where it is missing. Its tables are made by `Migrations`.
  package init(path: String) throws(StoreError) {
    var configuration = Configuration()
    configuration.busyMode = .timeout(Self.busySeconds)
    // What is committed outlasts a power cut.
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    do { pool = try DatabasePool(path: path, configuration: configuration) } catch {
      throw StoreError(sqlite: error)
    }
  }

  /// Opens a file that is to stay as it is: nothing is written, not even beside it.
  package init(readingOnly path: String) throws(StoreError) {
    var configuration = Configuration()
    configuration.readonly = true
    do { pool = try DatabaseQueue(path: path, configuration: configuration) } catch {
      throw StoreError(sqlite: error)
    }
  }

  /// Runs statements that change nothing.
  package func read<Value: Sendable>(
    _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    do { return try await pool.read { try body(SQLiteSession(database: $0)) } } catch {
      throw StoreError(sqlite: error)
    }
  }

  /// Runs statements in one transaction.
  @discardableResult
  package func write<Value: Sendable>(
    _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    do { return try await pool.write { try body(SQLiteSession(database: $0)) } } catch {
      throw StoreError(sqlite: error)
    }
  }

  /// Closes the file once what runs has ended.
  package func close() async { try? pool.close() }

  /// Writes a copy that is whole, while the store goes on.
  /// - Parameter path: of a new file.
  package func backUp(to path: String) async throws(StoreError) {
    do { try await pool.vacuum(into: path) } catch { throw StoreError(sqlite: error) }
  }
}

private struct SQLiteSession: StoreSession {
  let database: Database

  var dialect: SQLDialect { .sqlite }

  func run(
    _ statement: String, _ parameters: [SQLValue]
  ) throws(StoreError) -> (rows: [SQLRow], changed: Int) {
    try SQLValue.check(parameters)
    do {
      let prepared = try database.cachedStatement(sql: dialect.text(statement))
      try prepared.setArguments(Self.arguments(parameters))
      let before = database.totalChangesCount
      var places: [String: Int] = [:]
      for (place, name) in prepared.columnNames.enumerated() { places[name] = place }
      var rows: [SQLRow] = []
      let cursor = try Row.fetchCursor(prepared)
      while let row = try cursor.next() {
        rows.append(SQLRow(places: places, values: row.databaseValues.map(Self.value)))
      }
      return (rows, database.totalChangesCount - before)
    } catch {
      throw StoreError(sqlite: error)
    }
  }

  func add(_ rows: [[SQLValue]], to table: String, _ columns: [String]) throws(StoreError) -> Int {
    for row in rows { try SQLValue.check(row) }
    let places = (1...columns.count).map { "$\($0)" }.joined(separator: ", ")
    let statement =
      "INSERT INTO {\(table)} (\(columns.joined(separator: ", "))) VALUES (\(places)) ON CONFLICT DO NOTHING"
    do {
      let prepared = try database.cachedStatement(sql: dialect.text(statement))
      let before = database.totalChangesCount
      for row in rows { try prepared.execute(arguments: Self.arguments(row)) }
      return database.totalChangesCount - before
    } catch {
      throw StoreError(sqlite: error)
    }
  }

  /// `$2` is a parameter of the name 2.
  private static func arguments(_ values: [SQLValue]) -> StatementArguments {
    var arguments: [String: DatabaseValue] = [:]
    for (index, value) in values.enumerated() { arguments["\(index + 1)"] = databaseValue(value) }
    return StatementArguments(arguments)
  }

  private static func databaseValue(_ value: SQLValue) -> DatabaseValue {
    switch value {
    case .null: .null
    case .integer(let value): value.databaseValue
    case .real(let value): value.databaseValue
    case .text(let value): value.databaseValue
    case .bytes(let value): Data(value).databaseValue
    case .boolean(let value): value.databaseValue
    case .time(let value): value.microseconds.databaseValue
    }
  }

  private static func value(_ value: DatabaseValue) -> SQLValue {
    switch value.storage {
    case .null: .null
    case .int64(let value): .integer(value)
    case .double(let value): .real(value)
    case .string(let value): .text(value)
    case .blob(let value): .bytes(Array(value))
    }
  }
}

extension StoreError {
  fileprivate init(sqlite error: any Error) {
    guard let failure = error as? DatabaseError else {
      self = error as? StoreError ?? .unavailable("\(error)")
      return
    }
    let message = failure.message ?? "\(failure.extendedResultCode)"
    switch failure.resultCode {
    case .SQLITE_CONSTRAINT:
      self =
        failure.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY
        ? .missing(what: message) : .exists(what: message)
    case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_READONLY,
      .SQLITE_NOMEM:
      self = .unavailable(message)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .contradiction(message)
    default: self = .defect(message)
    }
  }
}
