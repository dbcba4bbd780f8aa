/// Where the gateway keeps what it must not lose. Two implementations, one meaning: `SQLiteStore`, a file,
/// and `PostgresStore`.
///
/// Statements are the same for both. Parameters are `$1`, `$2` and so on; tables are written `{schema.name}`,
/// which SQLite, having no schemas, keeps as `schema_name`.
package protocol Store: Sendable {
  /// Which words its statements are made of where the two differ.
  var dialect: SQLDialect { get }

  /// Runs statements that change nothing, all on one state of the store.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value

  /// Runs statements in one transaction: all count when it returns, or none.
  /// - Parameter body: may be called again where the database asks for that, and so must do nothing else.
  @discardableResult
  func write<Value: Sendable>(
    _ body: @escaping @Sendable (any StoreSession) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value

  /// Ends all connections.
  func close() async
}

/// A transaction of a store, for the time of a call of its closure.
package protocol StoreSession {
  /// Which words statements are made of where the two databases differ.
  var dialect: SQLDialect { get }

  /// Runs a statement.
  /// - Returns: its rows, and for a statement that changes rows how many it changed.
  @discardableResult
  func run(
    _ statement: String, _ parameters: [SQLValue]
  ) throws(StoreError) -> (rows: [SQLRow], changed: Int)

  /// Adds many rows, without those whose key is there already.
  /// - Parameters:
  ///   - table: `schema.name`; its columns are of the types that `SQLValue` has.
  ///   - rows: in each a value for each of the columns.
  /// - Returns: rows added.
  func add(_ rows: [[SQLValue]], to table: String, _ columns: [String]) throws(StoreError) -> Int
}

extension Store {
  /// A part of a long query's rows. It begins after the last row of the part before, so that rows that come
  /// or go meanwhile hide none of the others.
  /// - Parameters:
  ///   - statement: a SELECT with a WHERE and without an ORDER BY.
  ///   - order: columns that it selects: unique together, and never NULL.
  ///   - last: the last row of the part before; nil for the first part.
  ///   - size: rows at most.
  /// - Returns: none after the last one.
  package func part(
    of statement: String, _ parameters: SQLValue..., by order: [String], after last: SQLRow?, size: Int64
  ) async throws(StoreError) -> [SQLRow] {
    let key = last.map { last in order.map { last[$0] } } ?? []
    let columns = order.joined(separator: ", ")
    let places = key.indices.map { "$\(parameters.count + 1 + $0)" }.joined(separator: ", ")
    let after = key.isEmpty ? "" : " AND (\(columns)) > (\(places))"
    let all = parameters + key + [.integer(size)]
    return try await read { (session) throws(StoreError) in
      try session.run("\(statement)\(after) ORDER BY \(columns) LIMIT $\(all.count)", all).rows
    }
  }
}

extension StoreSession {
  /// The rows of a query.
  package func rows(_ statement: String, _ parameters: SQLValue...) throws(StoreError) -> [SQLRow] {
    try run(statement, parameters).rows
  }

  /// The first row of a query; nil of none.
  package func row(_ statement: String, _ parameters: SQLValue...) throws(StoreError) -> SQLRow? {
    try run(statement, parameters).rows.first
  }

  /// How many rows a statement changed.
  @discardableResult
  package func change(_ statement: String, _ parameters: SQLValue...) throws(StoreError) -> Int {
    try run(statement, parameters).changed
  }
}

/// Why the store could not do something.
package enum StoreError: Error, Equatable, CustomStringConvertible {
  /// The database does not answer, is full or locked: try again later.
  case unavailable(String)
  /// A row with this key is there already; `what` is the constraint or the columns.
  case exists(what: String)
  /// Something that the row refers to is not there.
  case missing(what: String)
  /// The store was written by a newer program.
  case newer(version: Int, known: Int)
  /// The store has to be brought to this program's version by `motorhand-gateway migrate`.
  case older(version: Int, known: Int)
  /// What is stored is not what this program writes.
  case contradiction(String)
  /// A statement is wrong, which is a defect of this program.
  case defect(String)

  package var description: String {
    switch self {
    case .unavailable(let reason): "the store does not answer: \(reason)"
    case .exists(let what): "it is there already: \(what)"
    case .missing(let what): "it is not there: \(what)"
    case .newer(let version, let known):
      "the store has version \(version), of a newer motorhand-gateway; this one knows \(known): install the newer one"
    case .older(let version, let known):
      "the store has version \(version), this program wants \(known): run motorhand-gateway migrate"
    case .contradiction(let text): "the store holds what this program does not write: \(text)"
    case .defect(let text): "a statement failed: \(text)"
    }
  }
}

/// The words in which the two databases differ.
package enum SQLDialect: Sendable {
  case sqlite, postgres

  /// A statement in the words of the database.
  func text(_ statement: String) -> String {
    var text = ""
    text.reserveCapacity(statement.utf8.count)
    var isName = false
    for character in statement {
      switch character {
      case "{": isName = true
      case "}": isName = false
      case ".": text.append(isName && self == .sqlite ? "_" : ".")
      default: text.append(character)
      }
    }
    return text
  }
}
