import HandModel
import Realtime
import Wire

/// What somebody may do, from the least to the most.
package enum Role: String, Sendable, CaseIterable, Comparable {
  /// Looks.
  case viewer
  /// Commands hands and runs experiments.
  case operating = "operator"
  /// Manages accounts, too.
  case admin

  package static func < (a: Self, b: Self) -> Bool {
    Self.allCases.firstIndex(of: a)! < Self.allCases.firstIndex(of: b)!
  }
}

/// Somebody who may log in.
package struct User: Sendable, Equatable {
  /// In the store.
  package var id: Int64
  /// By which somebody logs in.
  package var username: String
  /// Where somebody can be written to.
  package var email: String
  /// What somebody may do.
  package var role: Role
  /// The hands that somebody may reach: names, or `*` for every hand.
  package var hands: [String]
  /// Whether somebody may log in.
  package var isActive: Bool
  /// When the account was made.
  package var createdAt: Timestamp
  /// Nil before the first time.
  package var lastLogin: Timestamp?

  /// As who makes requests.
  package var identity: Identity { Identity(username: username, userID: id, role: role, hands: hands) }
}

/// The users, and who of them somebody is.
package struct Accounts: Sendable {
  /// So many wrong passwords in a row lock an account for a while, which doubles with each further one.
  static let freeAttempts: Int64 = 5
  static let firstLockSeconds: Int64 = 30
  static let longestLockSeconds: Int64 = 3600
  private static let longestName = 255

  /// Why an account cannot be made, or nobody logs in.
  package enum Problem: Error, Equatable, CustomStringConvertible {
    /// Name or password is wrong, or the account is not active: which of them is not said.
    case refused
    /// After too many wrong passwords.
    case locked(until: Timestamp)
    /// Too many log in at once.
    case busy
    /// A name or an address cannot be one.
    case invalid(String)
    /// The password cannot be one.
    case password(PasswordHash.Problem)
    /// The store failed.
    case store(StoreError)

    package var description: String {
      switch self {
      case .refused: "the name or the password is wrong"
      case .locked: "too many wrong passwords: try again later"
      case .busy: "too many log in just now: try again in some seconds"
      case .invalid(let text): text
      case .password(let problem): problem.description
      case .store(let error): error.description
      }
    }
  }

  static let columns = "id, username, email, role, hands, is_active, created_at, last_login"

  private let store: any Store
  private let workers: PasswordWorkers
  /// Names whose passwords are being checked.
  private let attempts = Locked<Set<String>>([])

  package init(store: any Store, workers: PasswordWorkers) {
    self.store = store
    self.workers = workers
  }

  /// Makes an account.
  /// - Parameters:
  ///   - username: 1 to 255 characters without control characters.
  ///   - hands: that may be reached; `*` is every hand.
  ///   - actor: who makes it, for the audit.
  package func create(
    username: String, email: String, password: String, role: Role, hands: [String] = [Identity.everyHand],
    by actor: String, now: Timestamp
  ) async throws(Problem) -> User {
    for (name, text) in [("username", username), ("email", email)] where !Self.isName(text) {
      throw .invalid("\(name): expected 1 to \(Self.longestName) characters that can be printed")
    }
    guard hands.allSatisfy({ $0 == Identity.everyHand || HandIdentity.isValid(handID: $0) }) else {
      throw .invalid("hands: expected names of A-Z a-z 0-9 _ -, or *")
    }
    let hash = try await hash(of: password)
    let list = String(decoding: JSONValue.array(hands.map(JSONValue.string)).encoded(), as: UTF8.self)
    do throws(StoreError) {
      return try await store.write { (session) throws(StoreError) in
        let row = try session.row(
          "INSERT INTO {auth.users} (username, email, password_hash, role, hands, created_at, updated_at) "
            + "VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING \(Self.columns)",
          .text(username), .text(email), .text(hash), .text(role.rawValue), .text(list), .time(now))
        try Audit.append(
          to: session, actor: actor, action: "user-create", subject: username, detail: role.rawValue, now: now
        )
        guard let row else { throw .contradiction("an insertion returns no row") }
        return try Self.user(row)
      }
    } catch { throw .store(error) }
  }

  private static func isName(_ text: String) -> Bool {
    (1...longestName).contains(text.count) && text == text.printable && !text.contains(where: \.isNewline)
      // What acts without an account is told in parentheses.
      && text.first != " " && text.last != " " && text.first != "("
  }

  private func hash(of password: String) async throws(Problem) -> String {
    do throws(PasswordHash.Problem) { try PasswordHash.check(password) } catch { throw .password(error) }
    let made = await workers.run { () -> String? in try? PasswordHash.make(password) }
    guard let made, let hash = made else { throw .busy }
    return hash
  }

  /// Who somebody is by name and password. Takes as long for a name that is not there.
  /// - Parameter address: where the request came from, for the audit.
  package func logIn(
    username: String, password: String, address: String, now: Timestamp
  ) async throws(Problem) -> User {
    // Nobody has such a name, and the audit must not grow by whatever is sent.
    guard Self.isName(username) else { throw .refused }
    let known: Known?
    do throws(StoreError) { known = try await find(username) } catch { throw .store(error) }
    if let until = known?.lockedUntil, until > now { throw .locked(until: until) }
    let hash = known?.hash ?? PasswordHash.dummy
    // What is being checked is not counted yet: a crowd would have as many guesses as fit into that time.
    guard attempts.withLock({ $0.insert(username).inserted }) else { throw .busy }
    defer { attempts.withLock { _ = $0.remove(username) } }
    guard let matches = await workers.run({ PasswordHash.matches(password, hash) }) else { throw .busy }
    let isIn = matches && known?.user.isActive == true
    do throws(StoreError) {
      try await note(known?.user, username, isIn: isIn, address, now)
    } catch { throw .store(error) }
    guard isIn, var user = known?.user else { throw .refused }
    user.lastLogin = now
    return user
  }

  /// An account with what decides whether somebody logs in.
  private struct Known: Sendable {
    var user: User
    var hash: String
    var lockedUntil: Timestamp?
  }

  private func find(_ username: String) async throws(StoreError) -> Known? {
    try await store.read { (session) throws(StoreError) in
      let row = try session.row(
        "SELECT \(Self.columns), password_hash, locked_until FROM {auth.users} WHERE username = $1",
        .text(username))
      guard let row else { return nil }
      return Known(
        user: try Self.user(row), hash: try row.text("password_hash"),
        lockedUntil: try row.time("locked_until"))
    }
  }

  private func note(
    _ user: User?, _ username: String, isIn: Bool, _ address: String, _ now: Timestamp
  ) async throws(StoreError) {
    try await store.write { (session) throws(StoreError) in
      if let user {
        if isIn {
          try session.change(
            "UPDATE {auth.users} SET last_login = $2, failed_logins = 0, locked_until = NULL WHERE id = $1",
            .integer(user.id), .time(now))
        } else {
          let failures =
            try session.row(
              "UPDATE {auth.users} SET failed_logins = failed_logins + 1 WHERE id = $1 RETURNING failed_logins",
              .integer(user.id))?.integer("failed_logins") ?? 0
          if let seconds = Self.lockSeconds(failures: failures) {
            try session.change(
              "UPDATE {auth.users} SET locked_until = $2 WHERE id = $1", .integer(user.id),
              .time(now.adding(seconds: seconds)))
          }
        }
      }
      try Audit.append(
        to: session, actor: username, action: isIn ? "login" : "login-refused", subject: username,
        detail: address, now: now)
    }
  }

  /// For how long an account is locked after so many wrong passwords in a row; nil: not at all.
  static func lockSeconds(failures: Int64) -> Int64? {
    guard failures >= freeAttempts else { return nil }
    let doublings = min(failures - freeAttempts, 16)
    return min(firstLockSeconds << doublings, longestLockSeconds)
  }

  /// Everybody, by name.
  package func all() async throws(StoreError) -> [User] {
    try await store.read { (session) throws(StoreError) in
      var users: [User] = []
      for row in try session.rows("SELECT \(Self.columns) FROM {auth.users} ORDER BY username") {
        users.append(try Self.user(row))
      }
      return users
    }
  }

  /// Sets whether somebody may log in, and unlocks the account. Sessions of one who may not end at once.
  package func setActive(
    _ isActive: Bool, username: String, by actor: String, now: Timestamp
  ) async throws(StoreError) {
    try await store.write { (session) throws(StoreError) in
      let row = try session.row(
        "UPDATE {auth.users} SET is_active = $2, updated_at = $3, failed_logins = 0, locked_until = NULL "
          + "WHERE username = $1 RETURNING id",
        .text(username), .boolean(isActive), .time(now))
      guard let id = try row?.integer("id") else { throw .missing(what: "user \(username)") }
      if !isActive {
        try session.change(
          "UPDATE {auth.sessions} SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL",
          .integer(id),
          .time(now))
      }
      try Audit.append(
        to: session, actor: actor, action: isActive ? "user-enable" : "user-disable", subject: username,
        detail: "", now: now)
    }
  }

  static func user(_ row: SQLRow) throws(StoreError) -> User {
    let role = try row.text("role")
    guard let known = Role(rawValue: role), let created = try row.time("created_at") else {
      throw .contradiction("a user has the role \(role)")
    }
    return User(
      id: try row.integer("id"), username: try row.text("username"), email: try row.text("email"),
      role: known, hands: try hands(row),
      isActive: try row.boolean("is_active"), createdAt: created, lastLogin: try row.time("last_login"))
  }

  /// The hands of an account's row.
  static func hands(_ row: SQLRow) throws(StoreError) -> [String] {
    JSONValue(json: Array(try row.text("hands").utf8)).items.compactMap(\.text)
  }
}
