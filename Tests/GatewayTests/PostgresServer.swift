import Foundation
import Testing

@testable import Gateway

/// A real PostgreSQL on a socket of its own, for as long as the process lives. A shell holds a pipe to this process
/// and ends the server when the pipe closes, however that happens.
final class PostgresServer: Sendable {
  /// One for all tests: each has a database of its own.
  static let shared = Result { try PostgresServer() }

  private static let programs = (15...18).map { "/usr/lib/postgresql/\($0)/bin" }
    .first { FileManager.default.fileExists(atPath: $0 + "/initdb") }
  private let directory: String
  private let lifeline: FileHandle

  private init() throws {
    let programs = try #require(Self.programs, "PostgreSQL is not installed: Scripts/setup")
    directory = try Self.temporaryDirectory()
    // It refuses to run as root; the package has made a user for it.
    let prefix = geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups " : ""
    let script = """
      set -e
      cd /
      if [ "$(id -u)" = 0 ]; then chown postgres "$1"; fi
      \(prefix)"$0/initdb" -D "$1/data" -U postgres -A trust --no-sync >/dev/null
      \(prefix)"$0/pg_ctl" start -w -t 120 -D "$1/data" -l "$1/log" \
        -o "-k '$1' -c listen_addresses= -c fsync=off -c max_connections=60" >/dev/null </dev/null
      echo started
      read line || true
      \(prefix)"$0/pg_ctl" stop -m immediate -D "$1/data" >/dev/null
      rm -rf "$1"
      """
    let shell = Process()
    let (input, output) = (Pipe(), Pipe())
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", script, programs, directory]
    shell.standardInput = input
    shell.standardOutput = output
    try shell.run()
    lifeline = input.fileHandleForWriting
    // It listens before it answers: the shell says so only when it does.
    let said = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    try #require(said.contains("started"), "PostgreSQL did not start: see \(directory)/log")
  }

  private static func temporaryDirectory() throws -> String {
    var template = Array("/tmp/motorhand-postgres-XXXXXX".utf8CString)
    return try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  private func connection(_ database: String) -> String {
    "host=\(directory) user=postgres dbname=\(database)"
  }

  /// A store in a database of its own.
  func store(connections: Int = 4) async throws -> PostgresStore {
    let name = "test_\(UUID().uuidString.lowercased().replacing("-", with: "_"))"
    let admin = PostgresStore(connection: connection("postgres"), connections: 1)
    // Not within a transaction.
    try await admin.runAlone("CREATE DATABASE \(name)")
    await admin.close()
    return PostgresStore(connection: connection(name), connections: connections)
  }
}
