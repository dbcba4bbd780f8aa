import Foundation
import Testing

@testable import Gateway

@Suite("Who is who", .serialized)
struct AuthTests {
  private static let now = StoreContractTests.now
  private static let password = "correct horse battery"

  @Test("a password is known by its hash alone; what bcrypt would cut off is refused")
  func passwords() throws {
    let hash = try PasswordHash.make(Self.password)
    let again = try PasswordHash.make(Self.password)
    #expect(hash.hasPrefix("$2b$12$") && hash != again)
    #expect(PasswordHash.matches(Self.password, hash) && !PasswordHash.matches(Self.password + "!", hash))
    #expect(!PasswordHash.matches(Self.password, PasswordHash.dummy) && !PasswordHash.matches("", ""))
    #expect(!PasswordHash.matches(String(repeating: "x", count: 73), hash))
    #expect(throws: PasswordHash.Problem.tooLong(bytes: 73)) {
      try PasswordHash.make(String(repeating: "x", count: 73))
    }
    #expect(throws: PasswordHash.Problem.tooShort) { try PasswordHash.make("elevenchars") }
    #expect(throws: PasswordHash.Problem.unprintable) { try PasswordHash.make("zero\0and so on and on") }
    // A test vector of jBCrypt, whose $2a$ means the same here.
    #expect(PasswordHash.matches("abc", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"))
  }

  @Test("secrets are base64url of 256 bits, and no two alike")
  func secrets() {
    #expect(Secret.base64URL([0xFB, 0xFF]) == "-_8" && Secret.base64URL(Array("Man".utf8)) == "TWFu")
    #expect(Secret.base64URL([]) == "" && Secret.base64URL([0]) == "AA")
    let made = Set((0..<100).map { _ in Secret.make() })
    #expect(made.count == 100 && made.allSatisfy { $0.utf8.count == 43 })
  }

  @Test(
    "who has name and password is in; who has not, is not there or not active is refused alike",
    arguments: StoreContractTests.Kind.allCases)
  func logins(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    let accounts = Accounts(store: store, workers: PasswordWorkers())
    let made = try await accounts.create(
      username: "ada", email: "ada@example.org", password: Self.password, role: .operating, by: "setup",
      now: Self.now)
    #expect(made.role == .operating && made.isActive && made.lastLogin == nil)
    await #expect(throws: Accounts.Problem.self) {
      try await accounts.create(
        username: "ada", email: "other@example.org", password: Self.password, role: .viewer, by: "setup",
        now: Self.now)
    }
    func logIn(_ name: String, _ password: String, at now: Timestamp = Self.now) async -> Result<
      User, Accounts.Problem
    > {
      do throws(Accounts.Problem) {
        return .success(
          try await accounts.logIn(username: name, password: password, address: "192.0.2.1", now: now))
      } catch { return .failure(error) }
    }
    #expect(try await logIn("ada", Self.password).get().id == made.id)
    #expect(await logIn("ada", "wrong") == .failure(.refused))
    #expect(await logIn("eve", Self.password) == .failure(.refused))
    for name in ["", "zero\0", "two\nlines", String(repeating: "x", count: 256)] {
      #expect(await logIn(name, Self.password) == .failure(.refused))
    }
    try await accounts.setActive(false, username: "ada", by: "setup", now: Self.now)
    #expect(await logIn("ada", Self.password) == .failure(.refused))
    try await accounts.setActive(true, username: "ada", by: "setup", now: Self.now)
    for _ in 0..<5 { #expect(await logIn("ada", "wrong") == .failure(.refused)) }
    let until = Self.now.adding(seconds: Accounts.firstLockSeconds)
    #expect(await logIn("ada", Self.password) == .failure(.locked(until: until)))
    #expect(try await logIn("ada", Self.password, at: until).get().username == "ada")
    #expect(try await accounts.all().map(\.lastLogin) == [until])
    // Who manages accounts unlocks them.
    for _ in 0..<5 { #expect(await logIn("ada", "wrong") == .failure(.refused)) }
    #expect(await logIn("ada", Self.password) == .failure(.locked(until: until)))
    try await accounts.setActive(true, username: "ada", by: "setup", now: Self.now)
    #expect(try await logIn("ada", Self.password).get().id == made.id)
    for name in [" ada", "(setup)"] {
      await #expect(throws: Accounts.Problem.self) {
        try await accounts.create(
          username: name, email: name, password: Self.password, role: .viewer, by: "test", now: Self.now)
      }
    }
    let actions = try await Audit.read(store, limit: 100).map(\.action)
    #expect(
      actions.filter { $0 == "login" }.count == 3 && actions.filter { $0 == "login-refused" }.count == 13,
      "\(actions)")
    #expect(try await Audit.verify(store) == nil)
    await store.close()
    _ = directory
  }

  @Test("locks double up to an hour")
  func locks() {
    #expect(
      (1...12).map { Accounts.lockSeconds(failures: $0) } == [
        nil, nil, nil, nil, 30, 60, 120, 240, 480, 960, 1920, 3600,
      ])
    #expect(Accounts.lockSeconds(failures: .max) == 3600)
  }

  @Test(
    "a refresh token is good once; a second use ends its family", arguments: StoreContractTests.Kind.allCases)
  func refresh(kind: StoreContractTests.Kind) async throws {
    let (store, directory) = try await StoreContractTests.migrated(kind)
    let accounts = Accounts(store: store, workers: PasswordWorkers())
    let user = try await accounts.create(
      username: "ada", email: "a@example.org", password: Self.password, role: .viewer, by: "setup",
      now: Self.now)
    let sessions = Sessions(store: store)
    let first = try await sessions.begin(user, address: "::1", agent: "test", now: Self.now)
    let other = try await sessions.begin(user, address: "::1", agent: "test", now: Self.now)
    func refresh(_ token: String, at now: Timestamp = Self.now) async throws -> Sessions.Grant? {
      try await sessions.refresh(token, address: "::1", agent: "test", now: now)
    }
    let second = try #require(try await refresh(first.refreshToken))
    #expect(second.user.username == "ada" && second.refreshToken != first.refreshToken)
    // Of many at once one is taken.
    let third = try await withThrowingTaskGroup(of: Sessions.Grant?.self) { group in
      for _ in 0..<8 { group.addTask { try await refresh(second.refreshToken) } }
      var grants: [Sessions.Grant] = []
      for try await grant in group { if let grant { grants.append(grant) } }
      return grants
    }
    #expect(third.count == 1)
    // The others replayed: nothing of the family is good any more; another family is.
    #expect(try await refresh(try #require(third.first).refreshToken) == nil)
    #expect(try await refresh("unknown") == nil)
    let later = Self.now.adding(seconds: Sessions.seconds)
    #expect(try await refresh(other.refreshToken, at: later) == nil, "it is over")
    let next = try #require(try await refresh(other.refreshToken))
    try await sessions.end(next.refreshToken, now: Self.now)
    #expect(try await refresh(next.refreshToken) == nil)
    let last = try await sessions.begin(user, address: "::1", agent: "test", now: Self.now)
    try await accounts.setActive(false, username: "ada", by: "setup", now: Self.now)
    #expect(try await refresh(last.refreshToken) == nil)
    #expect(try await sessions.clean(now: later.adding(seconds: 1)) == 6)
    #expect(try await Audit.read(store, limit: 100).contains { $0.action == "refresh-replayed" })
    await store.close()
    _ = directory
  }
}
