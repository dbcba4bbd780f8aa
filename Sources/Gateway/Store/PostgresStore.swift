import CPostgres
import Foundation
import Synchronization

/// The store in PostgreSQL 15 or later: for several gateways side by side.
package final class PostgresStore: Store {
  /// What PostgreSQL asks for after a conflict of two transactions: SQLSTATE 40001 and 40P01.
  private static let repeatable: Set<String> = ["40001", "40P01"]
  /// More conflicts in a row are no accident.
  private static let attempts = 5

  private let pool: PostgresPool

  /// The words of PostgreSQL.
  package var dialect: SQLDialect { .postgres }

  /// Connects to nothing yet.
  /// - Parameters:
  ///   - connection: as libpq takes it: `postgresql://…` or `host=… dbname=…`.
  ///   - connections: at most.
  package init(connection: String, connections: Int) {
    pool = PostgresPool(connection: connection, limit: connections)
  }

  /// Runs statements that change nothing, on one snapshot.
  package func read<Value: Sendable>(
    _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", body)
  }

  /// Runs statements in one transaction. When the connection is lost at its end nobody knows whether it
  /// counts: who tries again must find what is there already.
  @discardableResult
  package func write<Value: Sendable>(
    _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await transact("BEGIN", body)
  }

  private func transact<Value: Sendable>(
    _ begin: String, _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await pool.use { (connection) throws(StoreError) in
      var attempt = 1
      while true {
        do throws(StoreError) {
          try connection.begin(begin)
          let value = try body(connection)
          try connection.execute("COMMIT")
          return value
        } catch {
          let asked = connection.lastState.map(Self.repeatable.contains) ?? false
          connection.rollBack()
          guard asked, attempt < Self.attempts else { throw error }
          attempt += 1
        }
      }
    }
  }

  /// Runs a statement that may be in no transaction, as CREATE DATABASE.
  func runAlone(_ statement: String) async throws(StoreError) {
    try await pool.use { (connection) throws(StoreError) in try connection.execute(statement) }
  }

  /// Closes the connections that nobody uses; the others close when they are put back.
  package func close() async { pool.close() }
}

/// Connections, each with a queue of its own, as libpq's calls wait for the server.
private final class PostgresPool: Sendable {
  private struct State {
    var idle: [PostgresConnection] = []
    var made = 0
    var isClosed = false
    var waiting: [(number: UInt64, continuation: CheckedContinuation<PostgresConnection?, Never>)] = []
    /// What runs, with the time by which it is given up.
    var watched: [UInt64: (deadline: ContinuousClock.Instant, giveUp: @Sendable () -> Void)] = [:]
    var lastWatched: UInt64 = 0
  }

  private let text: String
  private let limit: Int
  private let state = Mutex(State())

  init(connection: String, limit: Int) {
    text = connection
    self.limit = limit
    lookAgain()
  }

  private static let watchQueue = DispatchQueue(label: "postgres-watch")

  /// Looks once a second, for as long as there is a pool.
  private func lookAgain() {
    Self.watchQueue.asyncAfter(deadline: .now() + 1) { [weak self] in
      self?.lookAtWatched()
      self?.lookAgain()
    }
  }

  func use<Value: Sendable>(
    _ body: @escaping @Sendable (PostgresConnection) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    guard let connection = await take() else {
      throw .unavailable(state.withLock { $0.isClosed } ? "the store is closed" : Self.noAnswer)
    }
    return try await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<Value, StoreError>, Never>) in
      let answer = OneAnswer(continuation)
      let number = watch { answer.give(.failure(.unavailable(Self.noAnswer))) }
      connection.queue.async { [self] in
        do throws(StoreError) {
          try connection.connect()
          answer.give(.success(try body(connection)))
        } catch {
          answer.give(.failure(error))
        }
        state.withLock { $0.watched[number] = nil }
        putBack(connection)
      }
    }.get()
  }

  /// A server that is frozen, or a network that swallows, answers never: whoever waits is told so, and the
  /// connection stays taken until it does.
  private static let answerSeconds = 15
  private static let noAnswer = "PostgreSQL has not answered for \(answerSeconds) s"

  private func watch(_ giveUp: @escaping @Sendable () -> Void) -> UInt64 {
    state.withLock { state in
      state.lastWatched += 1
      let deadline = ContinuousClock.now + .seconds(Self.answerSeconds)
      state.watched[state.lastWatched] = (deadline, giveUp)
      return state.lastWatched
    }
  }

  /// Gives up what has waited for too long; once a second.
  private func lookAtWatched() {
    let now = ContinuousClock.now
    let late = state.withLock { state in
      let late = state.watched.filter { $0.value.deadline < now }
      for number in late.keys { state.watched[number] = nil }
      return late.values.map(\.giveUp)
    }
    for giveUp in late { giveUp() }
  }

  private func take() async -> PostgresConnection? {
    await withCheckedContinuation { continuation in
      let found = state.withLock { state -> PostgresConnection?? in
        if state.isClosed { return .some(nil) }
        if let idle = state.idle.popLast() { return idle }
        if state.made < limit {
          state.made += 1
          return PostgresConnection(text)
        }
        state.lastWatched += 1
        let number = state.lastWatched
        state.waiting.append((number, continuation))
        state.watched[number] = (
          ContinuousClock.now + .seconds(Self.answerSeconds), { [self] in stopWaiting(number) }
        )
        return nil
      }
      if let found { continuation.resume(returning: found) }
    }
  }

  private func stopWaiting(_ number: UInt64) {
    let waiting = state.withLock { state in
      state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0) }
    }
    waiting?.continuation.resume(returning: nil)
  }

  private func putBack(_ connection: PostgresConnection) {
    let next = state.withLock { state -> CheckedContinuation<PostgresConnection?, Never>? in
      guard state.waiting.isEmpty else {
        let next = state.waiting.removeFirst()
        state.watched[next.number] = nil
        return next.continuation
      }
      if !state.isClosed { state.idle.append(connection) }
      return nil
    }
    next?.resume(returning: connection)
  }

  func close() {
    let waiting = state.withLock { state in
      state.isClosed = true
      state.idle.removeAll()
      defer { state.waiting.removeAll() }
      return state.waiting
    }
    for (_, continuation) in waiting { continuation.resume(returning: nil) }
  }
}

/// A continuation that is resumed by the first answer.
private final class OneAnswer<Value: Sendable>: Sendable {
  private let continuation: Mutex<CheckedContinuation<Result<Value, StoreError>, Never>?>

  init(_ continuation: CheckedContinuation<Result<Value, StoreError>, Never>) {
    self.continuation = Mutex(continuation)
  }

  func give(_ result: Result<Value, StoreError>) {
    let waiting = continuation.withLock { continuation in
      defer { continuation = nil }
      return continuation
    }
    waiting?.resume(returning: result)
  }
}

/// One connection. Used by its queue alone.
private final class PostgresConnection: StoreSession, @unchecked Sendable {
  // Safety of @unchecked: the pool gives it to one user at a time, who uses it on its queue.

  let queue = DispatchQueue(label: "postgres")
  private let text: String
  private var handle: OpaquePointer?
  /// Names of the statements that the server has prepared.
  private var prepared: [String: String] = [:]
  /// Staging tables that this connection has made.
  private var staging: Set<String> = []
  /// SQLSTATE of the last failure.
  private(set) var lastState: String?

  var dialect: SQLDialect { .postgres }

  init(_ text: String) { self.text = text }

  deinit { PQfinish(handle) }

  /// Connects where that has not been done, or the connection was lost.
  func connect() throws(StoreError) {
    guard handle == nil || PQstatus(handle) != CONNECTION_OK else { return }
    PQfinish(handle)
    prepared.removeAll()
    staging.removeAll()
    handle = Self.open(text)
    guard PQstatus(handle) == CONNECTION_OK else {
      let reason = String(cString: PQerrorMessage(handle)).trimmingCharacters(in: .whitespacesAndNewlines)
      PQfinish(handle)
      handle = nil
      throw .unavailable(reason)
    }
    // What the server says of what it does is nobody's business.
    PQsetNoticeProcessor(handle, { _, _ in }, nil)
  }

  /// Of what the connection's text does not say otherwise.
  private static let connectSeconds = "5"

  private static func open(_ text: String) -> OpaquePointer? {
    // The last of one keyword counts, and those of `dbname` where it is a connection's text come in its
    // place.
    let (keys, values) = (["connect_timeout", "dbname"], [connectSeconds, text])
    let pointers = (keys.map { strdup($0) }, values.map { strdup($0) })
    defer { for pointer in pointers.0 + pointers.1 { free(pointer) } }
    let names = pointers.0.map { UnsafePointer($0) } + [nil]
    let texts = pointers.1.map { UnsafePointer($0) } + [nil]
    return PQconnectdbParams(names, texts, 1)
  }

  /// Runs a statement without parameters.
  func execute(_ statement: String) throws(StoreError) {
    _ = try checked(PQexec(handle, statement))
  }

  /// Begins a transaction. The server may have ended a connection that nobody used: then on another one.
  func begin(_ statement: String) throws(StoreError) {
    do throws(StoreError) { try execute(statement) } catch {
      guard PQstatus(handle) != CONNECTION_OK else { throw error }
      try connect()
      try execute(statement)
    }
  }

  func rollBack() {
    let state = lastState
    if PQtransactionStatus(handle) != PQTRANS_IDLE { PQclear(PQexec(handle, "ROLLBACK")) }
    // What was made in it is gone.
    staging.removeAll()
    lastState = state
  }

  func run(
    _ statement: String, _ parameters: [SQLValue]
  ) throws(StoreError) -> (rows: [SQLRow], changed: Int) {
    try SQLValue.check(parameters)
    let name = try prepare(statement, parameters.count)
    var values: [[UInt8]?] = []
    var formats: [Int32] = []
    for parameter in parameters {
      let (bytes, isBinary) = PostgresFormat.parameter(parameter)
      values.append(bytes)
      formats.append(isBinary ? 1 : 0)
    }
    let lengths = values.map { Int32($0?.count ?? 0) }
    // All in one piece of memory, which stays where it is during the call.
    var joined: [UInt8] = []
    var places: [Int?] = []
    for value in values {
      places.append(value == nil ? nil : joined.count)
      joined += value ?? []
      joined.append(0)
    }
    let result = joined.withUnsafeBufferPointer { bytes in
      let pointers = places.map { place in
        place.flatMap { offset in
          bytes.baseAddress.map { UnsafeRawPointer($0 + offset).assumingMemoryBound(to: CChar.self) }
        }
      }
      return PQexecPrepared(handle, name, Int32(parameters.count), pointers, lengths, formats, 1)
    }
    let checked = try checked(result)
    return (checked.rows, checked.changed)
  }

  private func prepare(_ statement: String, _ parameters: Int) throws(StoreError) -> String {
    if let name = prepared[statement] { return name }
    let name = "s\(prepared.count)"
    _ = try checked(PQprepare(handle, name, dialect.text(statement), 0, nil))
    prepared[statement] = name
    return name
  }

  func add(_ rows: [[SQLValue]], to table: String, _ columns: [String]) throws(StoreError) -> Int {
    for row in rows { try SQLValue.check(row) }
    guard !rows.isEmpty else { return 0 }
    let name = "staging_" + table.replacing(".", with: "_")
    let list = columns.joined(separator: ", ")
    if !staging.contains(name) {
      // Of this connection, and without a log: a copy that fails has left nothing.
      try execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS \(name) ON COMMIT DELETE ROWS AS SELECT \(list) FROM \(table) WITH NO DATA"
      )
      staging.insert(name)
    }
    _ = try checked(PQexec(handle, "COPY \(name) (\(list)) FROM STDIN (FORMAT binary)"), PGRES_COPY_IN)
    var buffer = PostgresFormat.copyHeader
    for row in rows {
      PostgresFormat.append(row, to: &buffer)
      if buffer.count > PostgresFormat.copyBytes {
        try put(buffer)
        buffer.removeAll(keepingCapacity: true)
      }
    }
    buffer += PostgresFormat.copyTrailer
    try put(buffer)
    guard PQputCopyEnd(handle, nil) == 1 else { throw failure(nil) }
    _ = try checked(PQgetResult(handle))
    while let rest = PQgetResult(handle) { PQclear(rest) }
    return try checked(
      PQexec(handle, "INSERT INTO \(table) (\(list)) SELECT \(list) FROM \(name) ON CONFLICT DO NOTHING")
    ).changed
  }

  private func put(_ bytes: [UInt8]) throws(StoreError) {
    let code = bytes.withUnsafeBytes {
      PQputCopyData(handle, $0.bindMemory(to: CChar.self).baseAddress, Int32($0.count))
    }
    guard code == 1 else { throw failure(nil) }
  }

  // MARK: Results

  private func checked(
    _ result: OpaquePointer?, _ wanted: ExecStatusType? = nil
  ) throws(StoreError) -> (rows: [SQLRow], changed: Int) {
    defer { PQclear(result) }
    lastState = nil
    let status = PQresultStatus(result)
    guard status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == wanted else {
      throw failure(result)
    }
    let changed = Int(String(cString: PQcmdTuples(result))) ?? 0
    guard status == PGRES_TUPLES_OK else { return ([], changed) }
    let columns = PQnfields(result)
    var places: [String: Int] = [:]
    for column in 0..<columns { places[String(cString: PQfname(result, column))] = Int(column) }
    var rows: [SQLRow] = []
    for row in 0..<PQntuples(result) {
      var values: [SQLValue] = []
      values.reserveCapacity(Int(columns))
      for column in 0..<columns {
        guard PQgetisnull(result, row, column) == 0 else {
          values.append(.null)
          continue
        }
        let bytes = UnsafeRawBufferPointer(
          start: PQgetvalue(result, row, column), count: Int(PQgetlength(result, row, column)))
        values.append(try PostgresFormat.value(bytes, type: PQftype(result, column)))
      }
      rows.append(SQLRow(places: places, values: values))
    }
    return (rows, changed)
  }

  private func failure(_ result: OpaquePointer?) -> StoreError {
    let message = String(cString: result.map { PQresultErrorMessage($0) } ?? PQerrorMessage(handle))
      .trimmingCharacters(in: .whitespacesAndNewlines)
    // PG_DIAG_SQLSTATE.
    lastState = PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) }
    guard let state = lastState else { return .unavailable(message) }
    // PostgreSQL, "Error Codes": classes are the first two characters.
    switch (state, state.prefix(2)) {
    case ("23505", _): return .exists(what: message)
    case ("23503", _): return .missing(what: message)
    case (_, "08"), (_, "53"), (_, "55"), (_, "57"), (_, "58"), (_, "40"): return .unavailable(message)
    case (_, "XX"): return .contradiction(message)
    default: return .defect(message)
    }
  }
}
