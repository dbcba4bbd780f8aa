import Realtime

/// Keys for programs: 256 random bits behind a prefix by which secret scanners know them. The store has the
/// hash.
package struct APIKeys: Sendable {
  /// Before the secret.
  static let prefix = "mhk_"
  /// Keys of a user at most.
  static let most: Int64 = 100

  /// A key without its secret.
  package struct Key: Sendable, Equatable {
    /// In the store.
    package var number: Int64
    /// What it is for, in its owner's words.
    package var name: String
    /// The role that it acts in, at most that of its owner.
    package var role: Role
    /// When it was made.
    package var createdAt: Timestamp
    /// From when on it is not good any more; nil: never.
    package var expiresAt: Timestamp?
    /// To the minute; nil before the first time.
    package var lastUsed: Timestamp?
  }

  /// Keys that are remembered for a stop while the store does not answer.
  private static let mostRecent = 1000

  private let store: any Store
  private let recent = Locked<[String: Identity]>([:])

  package init(store: any Store) { self.store = store }

  /// Makes a key.
  /// - Returns: it, and the secret, which is told this once.
  package func make(
    for owner: Identity, name: String, role: Role, expiresAt: Timestamp?, now: Timestamp
  ) async throws(StoreError) -> (Key, secret: String)? {
    let secret = Self.prefix + Secret.make()
    let key = try await store.write { (session) throws(StoreError) -> Key? in
      let count = try session.row(
        "SELECT count(*) AS count FROM {auth.api_keys} WHERE user_id = $1", .integer(owner.userID))
      guard try count?.integer("count") ?? 0 < Self.most else { return nil }
      let row = try session.row(
        "INSERT INTO {auth.api_keys} (user_id, key_hash, name, scopes, created_at, expires_at) "
          + "VALUES ($1, $2, $3, $4, $5, $6) RETURNING id", .integer(owner.userID),
        .text(Secret.hash(secret)),
        .text(name), .text("[\"\(role.rawValue)\"]"), .time(now), SQLValue(expiresAt))
      guard let number = try row?.integer("id") else { throw .contradiction("an insertion returns no row") }
      try Audit.append(
        to: session, actor: owner.username, action: "api-key-create", subject: "\(number)", detail: name,
        now: now)
      return Key(number: number, name: name, role: role, createdAt: now, expiresAt: expiresAt, lastUsed: nil)
    }
    return key.map { ($0, secret) }
  }

  /// Whose a secret is; nil where it is unknown or over, or its owner may not log in.
  func find(_ secret: String, now: Timestamp) async throws(StoreError) -> Identity? {
    let hash = Secret.hash(secret)
    let found = try await store.read { (session) throws(StoreError) -> (Identity, Int64, Timestamp?)? in
      let row = try session.row(
        "SELECT k.id AS key_id, k.scopes, k.last_used, u.id, u.username, u.role, u.hands FROM {auth.api_keys} k "
          + "JOIN {auth.users} u ON u.id = k.user_id WHERE k.key_hash = $1 AND k.is_active = $2 AND u.is_active = $2 "
          + "AND (k.expires_at IS NULL OR k.expires_at > $3)", .text(hash), .boolean(true), .time(now))
      guard let row, let role = Role(rawValue: try row.text("role")),
        let scope = try Self.role(row.text("scopes"))
      else { return nil }
      let identity = Identity(
        username: try row.text("username"), userID: try row.integer("id"), role: min(role, scope),
        hands: try Accounts.hands(row), isKey: true)
      return (identity, try row.integer("key_id"), try row.time("last_used"))
    }
    guard let (identity, number, lastUsed) = found else {
      recent.withLock { $0[hash] = nil }
      return nil
    }
    recent.withLock { recent in
      if recent.count >= Self.mostRecent { recent.removeAll() }
      recent[hash] = identity
    }
    // A write for each request would be the dearest part of most.
    if lastUsed.map({ $0.adding(seconds: 60) < now }) ?? true {
      _ = try? await store.write { (session) throws(StoreError) in
        try session.change(
          "UPDATE {auth.api_keys} SET last_used = $2 WHERE id = $1", .integer(number), .time(now))
      }
    }
    return identity
  }

  /// Whose a secret was when it was last asked for: for a stop, which no store keeps from its hand.
  func remembered(_ secret: String) -> Identity? { recent.withLock { $0[Secret.hash(secret)] } }

  /// The keys of somebody.
  package func all(of userID: Int64) async throws(StoreError) -> [Key] {
    try await store.read { (session) throws(StoreError) in
      var keys: [Key] = []
      for row in try session.rows(
        "SELECT id, name, scopes, created_at, expires_at, last_used FROM {auth.api_keys} WHERE user_id = $1 ORDER BY id",
        .integer(userID))
      {
        guard let role = try Self.role(row.text("scopes")), let created = try row.time("created_at") else {
          continue
        }
        keys.append(
          Key(
            number: try row.integer("id"), name: try row.text("name"), role: role, createdAt: created,
            expiresAt: try row.time("expires_at"), lastUsed: try row.time("last_used")))
      }
      return keys
    }
  }

  /// Ends a key of somebody; false where there is none.
  package func end(_ number: Int64, of owner: Identity, now: Timestamp) async throws(StoreError) -> Bool {
    try await store.write { (session) throws(StoreError) in
      let count = try session.change(
        "DELETE FROM {auth.api_keys} WHERE id = $1 AND user_id = $2", .integer(number), .integer(owner.userID)
      )
      guard count > 0 else { return false }
      try Audit.append(
        to: session, actor: owner.username, action: "api-key-end", subject: "\(number)", detail: "", now: now)
      return true
    }
  }

  /// The one scope that a key has: the name of a role.
  private static func role(_ scopes: String) throws(StoreError) -> Role? {
    Role.allCases.last { scopes.contains("\"\($0.rawValue)\"") }
  }
}
