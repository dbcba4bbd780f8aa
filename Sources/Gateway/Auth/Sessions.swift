/// Refresh tokens: each may be used once and gives way to the next of its family; one that comes a second
/// time was stolen, by whoever came first or second, and ends the family.
package struct Sessions: Sendable {
  /// Without a refresh for so long somebody logs in again.
  package static let seconds: Int64 = 7 * 86_400

  /// What a login or a refresh gives.
  package struct Grant: Sendable, Equatable {
    /// Whose it is.
    package var user: User
    /// The secret to refresh with, told once.
    package var refreshToken: String
    /// When it can no longer be used.
    package var expiresAt: Timestamp
  }

  private let store: any Store

  package init(store: any Store) { self.store = store }

  /// Begins a family for somebody who has just logged in.
  package func begin(
    _ user: User, address: String, agent: String, now: Timestamp
  ) async throws(StoreError) -> Grant {
    let family = Secret.make()
    return try await store.write { (session) throws(StoreError) in
      try Self.add(to: session, user, family: family, address, agent, now)
    }
  }

  private static func add(
    to session: any StoreSession, _ user: User, family: String, _ address: String, _ agent: String,
    _ now: Timestamp
  ) throws(StoreError) -> Grant {
    let secret = Secret.make()
    let expires = now.adding(seconds: seconds)
    try session.change(
      "INSERT INTO {auth.sessions} (user_id, family, token_hash, created_at, expires_at, ip_address, user_agent) "
        + "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      .integer(user.id), .text(family), .text(Secret.hash(secret)), .time(now), .time(expires),
      .text(address),
      .text(agent))
    return Grant(user: user, refreshToken: secret, expiresAt: expires)
  }

  /// Takes a refresh token and gives the next one; nil where it is unknown, over, revoked or used.
  package func refresh(
    _ token: String, address: String, agent: String, now: Timestamp
  ) async throws(StoreError) -> Grant? {
    let hash = Secret.hash(token)
    return try await store.write { (session) throws(StoreError) in
      // Used in the same statement: of two at once one finds it used.
      let taken = try session.row(
        "UPDATE {auth.sessions} SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND revoked_at IS NULL "
          + "AND expires_at > $2 RETURNING user_id, family",
        .text(hash), .time(now))
      guard let taken else {
        let stolen = try session.row(
          "SELECT family FROM {auth.sessions} WHERE token_hash = $1 AND used_at IS NOT NULL", .text(hash))
        if let family = try stolen?.text("family") {
          let ended = try session.change(
            "UPDATE {auth.sessions} SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL",
            .text(family), .time(now))
          // Once: who has a spent token may send it for ever.
          if ended > 0 {
            try Audit.append(
              to: session, actor: "", action: "refresh-replayed", subject: family, detail: address, now: now)
          }
        }
        return nil
      }
      let row = try session.row(
        "SELECT \(Accounts.columns) FROM {auth.users} WHERE id = $1",
        .integer(try taken.integer("user_id")))
      guard let user = try row.map(Accounts.user), user.isActive else { return nil }
      return try Self.add(to: session, user, family: try taken.text("family"), address, agent, now)
    }
  }

  /// Ends the family of a token: logging out.
  package func end(_ token: String, now: Timestamp) async throws(StoreError) {
    let hash = Secret.hash(token)
    try await store.write { (session) throws(StoreError) in
      try session.change(
        "UPDATE {auth.sessions} SET revoked_at = $2 WHERE revoked_at IS NULL AND family = "
          + "(SELECT family FROM {auth.sessions} WHERE token_hash = $1)",
        .text(hash), .time(now))
    }
  }

  /// How long a ticket is good: for the request that follows.
  package static let ticketSeconds: Int64 = 30

  /// A ticket for somebody who is known, good once: for browsers, which give a WebSocket no header.
  func ticket(for identity: Identity, now: Timestamp) async throws(StoreError) -> String {
    let secret = Secret.make()
    try await store.write { (session) throws(StoreError) in
      try session.change(
        "INSERT INTO {auth.tickets} VALUES ($1, $2, $3, $4)", .text(Secret.hash(secret)),
        .integer(identity.userID), .text(identity.role.rawValue),
        .time(now.adding(seconds: Self.ticketSeconds)))
    }
    return secret
  }

  /// Takes a ticket; nil where it is unknown, over or used.
  func take(ticket: String, now: Timestamp) async throws(StoreError) -> Identity? {
    let hash = Secret.hash(ticket)
    return try await store.write { (session) throws(StoreError) in
      let row = try session.row(
        "DELETE FROM {auth.tickets} WHERE token_hash = $1 RETURNING user_id, role, expires_at", .text(hash))
      guard let row, let until = try row.time("expires_at"), until > now else { return nil }
      let user = try session.row(
        "SELECT \(Accounts.columns) FROM {auth.users} WHERE id = $1", .integer(try row.integer("user_id")))
      guard let user = try user.map(Accounts.user), user.isActive,
        let role = Role(rawValue: try row.text("role"))
      else { return nil }
      // Whoever took it may have had less than the user: a key.
      var identity = user.identity
      identity.role = min(identity.role, role)
      return identity
    }
  }

  /// Forgets what has expired.
  package func clean(now: Timestamp) async throws(StoreError) -> Int {
    try await store.write { (session) throws(StoreError) in
      try session.change("DELETE FROM {auth.tickets} WHERE expires_at < $1", .time(now))
      return try session.change("DELETE FROM {auth.sessions} WHERE expires_at < $1", .time(now))
    }
  }
}
