import Wire

/// Who did what, in a chain of hashes: each row's is made of the one before and of the row, as that of a
/// hand's events (`EventChain`).
package enum Audit {
  /// In place of a run's identifier.
  static let chainName = "audit"
  /// Any number that nothing else locks: the rows are numbered one after the other.
  private static let lockNumber = 5569

  /// A row.
  package struct Entry: Sendable, Equatable {
    /// From 1, without gaps.
    package var number: Int64
    /// When it was done.
    package var time: Timestamp
    /// Who did it: a user's name.
    package var actor: String
    /// What was done: a word.
    package var action: String
    /// What it was done to.
    package var subject: String
    /// What else is to be known.
    package var detail: String
    /// `hash_sha512`.
    package var hash: String

    fileprivate var values: [EventChain.Value] {
      [
        .integer(number), .integer(time.microseconds), .text(actor), .text(action), .text(subject),
        .text(detail),
      ]
    }
  }

  /// Adds a row in the transaction of what it tells of, so that neither is there without the other.
  package static func append(
    to session: any StoreSession, actor: String, action: String, subject: String, detail: String,
    now: Timestamp
  ) throws(StoreError) {
    if session.dialect == .postgres { try session.change("SELECT pg_advisory_xact_lock(\(lockNumber))") }
    let last = try session.row("SELECT number, hash_sha512 FROM {auth.audit} ORDER BY number DESC LIMIT 1")
    var chain = EventChain(runID: chainName)
    var number: Int64 = 1
    if let last {
      let hash = try last.text("hash_sha512")
      guard let known = EventChain(continuing: hash) else {
        throw .contradiction("the audit's last hash is \(hash)")
      }
      chain = known
      number = try last.integer("number") + 1
    }
    var entry = Entry(
      number: number, time: now, actor: actor, action: action, subject: subject, detail: detail, hash: "")
    chain.append(entry.values)
    entry.hash = chain.hashText
    try session.change(
      "INSERT INTO {auth.audit} VALUES ($1, $2, $3, $4, $5, $6, $7)", .integer(entry.number),
      .time(entry.time),
      .text(actor), .text(action), .text(subject), .text(detail), .text(entry.hash))
  }

  /// Rows from a number on, and whether the chain up to the last of them is whole.
  package static func read(
    _ store: any Store, from first: Int64 = 1, limit: Int64
  ) async throws(StoreError) -> [Entry] {
    try await store.read { (session) throws(StoreError) in
      var entries: [Entry] = []
      for row in try session.rows(
        "SELECT * FROM {auth.audit} WHERE number >= $1 ORDER BY number LIMIT $2", .integer(first),
        .integer(limit))
      { entries.append(try entry(row)) }
      return entries
    }
  }

  private static func entry(_ row: SQLRow) throws(StoreError) -> Entry {
    guard let time = try row.time("time") else { throw .contradiction("an audited action has no time") }
    return Entry(
      number: try row.integer("number"), time: time, actor: try row.text("actor"),
      action: try row.text("action"),
      subject: try row.text("subject"), detail: try row.text("detail"), hash: try row.text("hash_sha512"))
  }

  /// The first number at which the chain does not fit; nil where it is whole.
  package static func verify(_ store: any Store) async throws(StoreError) -> Int64? {
    var chain = EventChain(runID: chainName)
    var next: Int64 = 1
    while true {
      let entries = try await read(store, from: next, limit: 10_000)
      guard !entries.isEmpty else { return nil }
      for entry in entries {
        chain.append(entry.values)
        guard entry.number == next, chain.hashText == entry.hash else { return next }
        next += 1
      }
    }
  }
}
