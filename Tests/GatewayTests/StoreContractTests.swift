import Foundation
import Testing

@testable import Gateway

/// What both stores must do alike.
@Suite("Stores")
struct StoreContractTests {
  enum Kind: String, CaseIterable { case sqlite, postgres }

  static let now = Timestamp(microseconds: 1_796_000_000_123_456)

  /// An empty store; the directory lives as long as the store is used.
  static func empty(_ kind: Kind) async throws -> (store: any Store, directory: TemporaryDirectory) {
    let directory = try TemporaryDirectory()
    switch kind {
    case .sqlite: return (try SQLiteStore(path: directory.path + "/store.sqlite"), directory)
    case .postgres: return (try await PostgresServer.shared.get().store(), directory)
    }
  }

  static func migrated(_ kind: Kind) async throws -> (store: any Store, directory: TemporaryDirectory) {
    let made = try await empty(kind)
    try await Migrations.migrate(made.store, now: now)
    return made
  }

  @Test("values come back as they were stored", arguments: Kind.allCases)
  func values(kind: Kind) async throws {
    let (store, directory) = try await Self.empty(kind)
    let rows: [[SQLValue]] = [
      [
        .integer(.min), .real(-0.1), .text("ä'\"{}$1"), .bytes([0, 255, 0]), .boolean(true), .time(Self.now),
      ],
      [
        .integer(.max), .real(.greatestFiniteMagnitude), .text(""), .bytes([]), .boolean(false),
        .time(Timestamp(microseconds: -1)),
      ],
      [.null, .null, .null, .null, .null, .null],
    ]
    let columns = ["i", "r", "t", "b", "l", "at"]
    try await store.write { (session) throws(StoreError) in
      let types =
        session.dialect == .sqlite
        ? "INTEGER REAL TEXT BLOB INTEGER INTEGER"
        : "BIGINT DOUBLE_PRECISION TEXT BYTEA BOOLEAN TIMESTAMPTZ"
      let list = zip(columns, types.split(separator: " ")).map { "\($0) \($1.replacing("_", with: " "))" }
      try session.change("CREATE TABLE kinds (n BIGINT UNIQUE, \(list.joined(separator: ", ")))")
      for (number, row) in rows.enumerated() {
        try session.run(
          "INSERT INTO kinds VALUES ($1, $2, $3, $4, $5, $6, $7)", [.integer(Int64(number))] + row)
      }
      // The bulk way, with one row that is there.
      let added = try session.add(
        rows.enumerated().map { [.integer(Int64($0 + 2))] + $1 }, to: "kinds", ["n"] + columns)
      guard added == 2 else { throw .defect("\(added) rows were added") }
    }
    let found = try await store.read { (session) throws(StoreError) in
      try session.rows("SELECT * FROM kinds ORDER BY n")
    }
    try #require(found.count == 5)
    for (row, number) in zip(found, [0, 1, 2, 1, 2]) where number < 2 {
      #expect(try row.integer("i") == (number == 0 ? .min : .max))
      #expect(try row.real("r") == (number == 0 ? -0.1 : .greatestFiniteMagnitude))
      #expect(try row.text("t") == (number == 0 ? "ä'\"{}$1" : ""))
      #expect(try row.bytes("b") == (number == 0 ? [0, 255, 0] : []))
      #expect(try row.boolean("l") == (number == 0))
      #expect(try row.time("at")?.microseconds == (number == 0 ? Self.now.microseconds : -1))
    }
    #expect(columns.allSatisfy { found[2][$0] == .null && found[4][$0] == .null })
    await #expect(throws: StoreError.self, "it would be cut off") {
      try await store.write { (session) throws(StoreError) in
        try session.run("INSERT INTO kinds (n, t) VALUES (9, $1)", [.text("a\0b")])
      }
    }
    await store.close()
    _ = directory
  }

  @Test(
    "what fails in a transaction leaves nothing, and the error says of what kind it is",
    arguments: Kind.allCases)
  func atomic(kind: Kind) async throws {
    let (store, directory) = try await Self.migrated(kind)
    @Sendable func endpoint(_ name: String, key: Int64?)
      -> @Sendable (any StoreSession) throws(StoreError) -> Void
    {
      { (session) throws(StoreError) in
        try session.change(
          "INSERT INTO {integrations.endpoints} (name, type, api_key_id) VALUES ($1, 'px4', $2)", .text(name),
          SQLValue(key))
      }
    }
    let two: @Sendable (any StoreSession) throws(StoreError) -> Void = { (session) throws(StoreError) in
      try endpoint("new", key: nil)(session)
      try endpoint("px4", key: nil)(session)
    }
    await #expect { try await store.write(two) } throws: {
      if case StoreError.exists = $0 { true } else { false }
    }
    await #expect { try await store.write(endpoint("other", key: 99)) } throws: {
      if case StoreError.missing = $0 { true } else { false }
    }
    await #expect {
      try await store.write { (session) throws(StoreError) in try session.change("SELEKT") }
    } throws: { if case StoreError.defect = $0 { true } else { false } }
    let names = try await store.read { (session) throws(StoreError) in
      try session.rows("SELECT name FROM {integrations.endpoints} ORDER BY name")
    }
    #expect(try names.map { try $0.text("name") } == ["carla", "nasa", "px4", "spacex", "starlink", "tesla"])
    await store.close()
    _ = directory
  }

  @Test("a read cannot write, and sees one state whatever is written meanwhile", arguments: Kind.allCases)
  func snapshots(kind: Kind) async throws {
    let (store, directory) = try await Self.migrated(kind)
    await #expect(throws: StoreError.self) {
      try await store.read { (session) throws(StoreError) in
        try session.change("DELETE FROM {integrations.endpoints}")
      }
    }
    let count: @Sendable (any StoreSession) throws(StoreError) -> Int64 = { (session) throws(StoreError) in
      try session.row("SELECT count(*) AS n FROM {integrations.endpoints}")?.integer("n") ?? -1
    }
    let (begun, written) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    async let seen = store.read { (session) throws(StoreError) in
      let first = try count(session)
      begun.signal()
      // Bounded: the writer must not wait for the reader.
      _ = written.wait(timeout: .now() + 10)
      return (first, try count(session))
    }
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        begun.wait()
        continuation.resume()
      }
    }
    try await store.write { (session) throws(StoreError) in
      try session.change("DELETE FROM {integrations.endpoints} WHERE name = 'nasa'")
    }
    written.signal()
    let (first, second) = try await seen
    #expect(first == 6 && second == 6, "\(first), \(second)")
    #expect(try await store.read(count) == 5)
    await store.close()
    _ = directory
  }

  @Test("transactions side by side lose nothing", arguments: Kind.allCases)
  func concurrent(kind: Kind) async throws {
    let (store, directory) = try await Self.migrated(kind)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for round in 0..<25 {
            try await store.write { (session) throws(StoreError) in
              try Audit.append(
                to: session, actor: "\(task)", action: "test", subject: "\(round)", detail: "", now: Self.now)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    let entries = try await Audit.read(store, limit: 1000)
    #expect(entries.map(\.number) == Array(1...200))
    #expect(Set(entries.map { "\($0.actor) \($0.subject)" }).count == 200)
    #expect(try await Audit.verify(store) == nil)
    try await store.write { (session) throws(StoreError) in
      try session.change("UPDATE {auth.audit} SET detail = 'x' WHERE number = 77")
    }
    #expect(try await Audit.verify(store) == 77)
    await store.close()
    _ = directory
  }

  @Test("a connection that the server has ended is made anew, and a server that is away is an error")
  func lostConnections() async throws {
    let server = try PostgresServer.shared.get()
    let store = try await server.store(connections: 1)
    let own: @Sendable (any StoreSession) throws(StoreError) -> Int64 = { (session) throws(StoreError) in
      try session.row("SELECT pg_backend_pid() AS pid")?.integer("pid") ?? 0
    }
    let first = try await store.read(own)
    let other = try await server.store(connections: 1)
    try await other.write { (session) throws(StoreError) in
      try session.change("SELECT pg_terminate_backend($1)", .integer(first))
    }
    #expect(try await store.read(own) != first)
    await store.close()
    await #expect(throws: StoreError.unavailable("the store is closed")) { try await store.read(own) }
    let nowhere = PostgresStore(connection: "host=/nowhere dbname=x", connections: 1)
    await #expect {
      _ = try await nowhere.read(own)
    } throws: {
      if case StoreError.unavailable(let reason) = $0 { reason.contains("/nowhere") } else { false }
    }
    await other.close()
  }

  @Test("the tables are made once, and a store of a newer program is refused", arguments: Kind.allCases)
  func migrations(kind: Kind) async throws {
    let (store, directory) = try await Self.empty(kind)
    #expect(try await Migrations.version(of: store) == 0)
    await #expect(throws: StoreError.older(version: 0, known: Migrations.newest)) {
      try await Migrations.check(store)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Gateways that start at once.
      for _ in 0..<3 { group.addTask { try await Migrations.migrate(store, now: Self.now) } }
      try await group.waitForAll()
    }
    try await Migrations.check(store)
    let tables = [
      "auth.users", "auth.api_keys", "auth.sessions", "telemetry.spacecraft", "telemetry.sensors",
      "telemetry.agp_state", "telemetry.performance", "experiments.experiments", "experiments.runs",
      "integrations.endpoints", "integrations.events",
    ]
    for table in tables {
      _ = try await store.read { (session) throws(StoreError) in try session.rows("SELECT * FROM {\(table)}")
      }
    }
    try await store.write { (session) throws(StoreError) in
      try session.change("INSERT INTO schema_version VALUES ($1, 0)", .integer(Int64(Migrations.newest + 1)))
    }
    let newer = StoreError.newer(version: Migrations.newest + 1, known: Migrations.newest)
    await #expect(throws: newer) { try await Migrations.check(store) }
    await #expect(throws: newer) { try await Migrations.migrate(store, now: Self.now) }
    await store.close()
    _ = directory
  }
}
