import CSQLite
import Glibc

/// One SQLite connection, owned by one thread at a time.
///
/// Opened with `SQLITE_OPEN_NOMUTEX`: SQLite's multi-thread mode allows a connection to move between
/// threads as long as two never use it at once, which its single owner ensures. Of a file's schema its tables
/// alone count: no view is read and no trigger runs.
final class SQLiteConnection {
  /// Of the names of a database's file and those that may belong to it.
  static let suffixes = ["", "-journal", "-wal", "-shm"]

  let path: String
  private let handle: OpaquePointer

  /// - Parameters:
  ///   - busyMilliseconds: how long a call may wait for a lock held by another process.
  ///   - readsViews: of a file that is known.
  init(
    path: String, flags: Int32, busyMilliseconds: Int32, readsViews: Bool = false
  ) throws(RecordingError) {
    // SQLite opens them too, and opening a pipe would wait for its other end.
    for suffix in Self.suffixes where access(path + suffix, F_OK) == 0 {
      guard RecordingPaths.isFile(path + suffix) else {
        throw .notARecording(path: path + suffix, reason: "not a regular file")
      }
    }
    var opened: OpaquePointer?
    var code = sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX, nil)
    if code == SQLITE_OK, !readsViews { code = csqlite_distrust(opened) }
    guard code == SQLITE_OK, let opened else {
      let failure = RecordingError.storage(
        path: path, operation: "open", code: opened.map(sqlite3_extended_errcode) ?? code,
        systemErrno: opened.map(sqlite3_system_errno) ?? 0,
        message: opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory")
      sqlite3_close_v2(opened)
      throw failure
    }
    self.path = path
    handle = opened
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_timeout(handle, busyMilliseconds)
  }

  // close_v2 defers the release until the statements of this connection are finalised, in any order.
  deinit { sqlite3_close_v2(handle) }

  /// Forbids to write, and whatever else than its tables' content a file could have SQLite compute.
  func readOnly() throws(RecordingError) {
    try execute("PRAGMA query_only = 1")
    try execute("PRAGMA ignore_check_constraints = 1")
    let computed = try integer(
      """
      SELECT count(*) FROM sqlite_schema s, pragma_table_xinfo(s.name) c
      WHERE s.type = 'table' AND s.rootpage > 0 AND c.hidden > 0
      """)
    guard computed == 0 else {
      throw .unreadable(
        path: path, place: "its schema", found: "\(computed) computed columns", expected: "stored ones alone")
    }
  }

  /// Whether a transaction is open. SQLite itself rolls back on some errors (full disk, I/O).
  var inTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  func execute(_ sql: String) throws(RecordingError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else {
      throw failure(operation: String(sql.prefix { $0 != "\n" }.prefix(40)), code: code)
    }
  }

  func prepare(_ sql: String) throws(RecordingError) -> SQLiteStatement {
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
    guard code == SQLITE_OK, let statement else { throw failure(operation: "prepare", code: code) }
    return SQLiteStatement(statement: statement, connection: self)
  }

  /// First column of the first row as an integer.
  func integer(_ sql: String) throws(RecordingError) -> Int64 {
    let statement = try prepare(sql)
    return try statement.step() ? statement.integer(0) : 0
  }

  func failure(operation: String, code: Int32) -> RecordingError {
    .storage(
      path: path, operation: operation, code: code, systemErrno: sqlite3_system_errno(handle),
      message: String(cString: sqlite3_errmsg(handle)))
  }
}

/// A prepared statement. Parameters count from 1 and columns from 0, as in SQLite.
final class SQLiteStatement {
  private let statement: OpaquePointer
  private let connection: SQLiteConnection

  fileprivate init(statement: OpaquePointer, connection: SQLiteConnection) {
    self.statement = statement
    self.connection = connection
  }

  deinit { sqlite3_finalize(statement) }

  // The results of bind calls are not tested: with an index within the statement they fail only when
  // memory is out or a value exceeds SQLite's length limit, and `step` then fails or stores NULL, which
  // NOT NULL columns refuse.
  func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(statement, index, value) }
  /// NaN becomes NULL: SQLite has no NaN.
  func bind(_ index: Int32, _ value: Double) { sqlite3_bind_double(statement, index, value) }
  func bindNull(_ index: Int32) { sqlite3_bind_null(statement, index) }
  func bind(_ index: Int32, _ value: String?) {
    guard let value else { return bindNull(index) }
    // SQLITE_TRANSIENT: SQLite copies the text, whose storage is Swift's.
    sqlite3_bind_text(statement, index, value, -1, unsafeBitCast(-1, to: sqlite3_destructor_type.self))
  }
  /// The bytes must stay unchanged until the next `step` has returned: they are not copied.
  func bind(_ index: Int32, borrowing bytes: UnsafeRawPointer, count: Int) {
    sqlite3_bind_blob64(statement, index, bytes, UInt64(count), nil)
  }

  /// Runs to the next row; false at the end.
  func step() throws(RecordingError) -> Bool {
    let code = sqlite3_step(statement)
    if code == SQLITE_ROW { return true }
    guard code == SQLITE_DONE else { throw connection.failure(operation: "step", code: code) }
    return false
  }

  /// Runs a statement that returns no rows and makes it ready for the next parameters.
  func run() throws(RecordingError) {
    let code = sqlite3_step(statement)
    guard code == SQLITE_DONE else {
      let failure = connection.failure(operation: "insert", code: code)
      sqlite3_reset(statement)
      throw failure
    }
    sqlite3_reset(statement)
  }

  /// The same with bytes as the value of one parameter.
  func run(binding index: Int32, _ bytes: [UInt8]) throws(RecordingError) {
    // Returned, because the closure's own throws would lose the error's type.
    let failure: RecordingError? = bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return nil }
      bind(index, borrowing: start, count: bytes.count)
      do throws(RecordingError) { try run() } catch { return error }
      return nil
    }
    if let failure { throw failure }
  }

  func reset() { sqlite3_reset(statement) }

  /// What a column holds, whatever its declaration says: SQLite keeps any type in any column.
  enum Stored: Equatable {
    case integer(Int64)
    case real(Double)
    case null
    case text, blob

    var name: String {
      switch self {
      case .integer(let value): "\(value)"
      case .real(let value): "\(value)"
      case .null: "NULL"
      case .text: "text"
      case .blob: "bytes"
      }
    }
  }

  func stored(_ column: Int32) -> Stored {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, column))
    case SQLITE_FLOAT: .real(sqlite3_column_double(statement, column))
    case SQLITE_TEXT: .text
    case SQLITE_BLOB: .blob
    default: .null
    }
  }

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }
  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }
  func text(_ column: Int32) -> String? {
    sqlite3_column_text(statement, column).map { String(cString: $0) }
  }
  /// Valid until the next `step`, `reset` or release of the statement.
  func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
    let start = sqlite3_column_blob(statement, column)
    return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
  }
}
