import ArgumentParser
import Foundation
import Gateway
import Logging
import Realtime
import Service

/// The upstream service for many hands.
@main
struct MotorHandGateway: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "motorhand-gateway",
    abstract:
      "The upstream service for many hands: stores what they send, serves it, takes commands to them.",
    discussion: """
      Settings come from flags, then from MOTORHAND_GATEWAY_… variables (--tls-ca is MOTORHAND_GATEWAY_TLS_CA), then \
      from --config FILE.

      EXIT CODES
        0   done
        1   it failed; the reason is on standard error
        2   the store does not answer, or is damaged
        64  a wrong argument or setting
      """,
    subcommands: [
      Serve.self, Migrate.self, UserCommand.self, AuditCommand.self, Backup.self, VerifyBackup.self,
      Restore.self, Export.self,
    ],
    defaultSubcommand: Serve.self)

  /// Exit codes beside those of sysexits(3).
  static let storeFailed = ExitCode(2)
  static let usage = ExitCode(64)

  /// What a gateway stores is for its owner and group, whichever command writes it.
  static func main() async {
    umask(0o027)
    signal(SIGPIPE, SIG_IGN)
    await main(nil)
  }

  /// Says what is wrong on standard error and ends. Does not wait for whoever should read it.
  static func fail(_ text: String, _ code: ExitCode = .failure) -> ExitCode {
    MessageOutput(STDERR_FILENO).write("motorhand-gateway: \(text)\n")
    return code
  }

  /// Says what came of a command; who cannot be told must not take it for done.
  static func say(_ text: String) throws {
    var rest = Array((text + "\n").utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 || errno == EINTR else {
        throw fail("standard output: \(String(cString: strerror(errno))); what it would have said: \(text)")
      }
      rest = rest.dropFirst(max(0, count))
    }
  }

  /// Shows on a terminal how far a long work is: one line, that the next takes the place of.
  /// - Parameter text: nil ends it.
  static func progress(_ text: String?) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    let line = Array("\r\u{1B}[K\(text ?? "")".utf8)
    _ = write(STDERR_FILENO, line, line.count)
  }
}

extension Settings {
  /// The settings; ends the program where they are wrong.
  func orExit() throws -> Resolved {
    do throws(Problem) { return try resolve() } catch {
      throw MotorHandGateway.fail(error.description, MotorHandGateway.usage)
    }
  }

  /// Does something with the store of this version; ends the program where that is not to be had.
  func withStore<Value>(_ body: (any Store) async throws -> Value) async throws -> Value {
    let settings = try orExit()
    do {
      let store = try settings.openStore()
      // The first command of all may be the first user's.
      if try await Migrations.version(of: store) == 0 { try await Migrations.migrate(store, now: .now) }
      try await Migrations.check(store)
      let value = try await body(store)
      await store.close()
      return value
    } catch let error as StoreError {
      throw MotorHandGateway.fail(error.description, MotorHandGateway.storeFailed)
    }
  }
}

extension Settings.Resolved {
  /// The database's file.
  var storePath: String { data + "/gateway.sqlite" }

  /// Connections to PostgreSQL: more wait for one another there.
  private static let postgresConnections = 8

  /// Makes the data directory where it is missing.
  func createDirectory() throws {
    try FileManager.default.createDirectory(
      atPath: data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750])
  }

  /// Opens the store. The directory is made for PostgreSQL too: the signing secret lies there.
  func openStore() throws(StoreError) -> any Store {
    do { try createDirectory() } catch { throw .unavailable("\(data): \(error.localizedDescription)") }
    if let postgres { return PostgresStore(connection: postgres, connections: Self.postgresConnections) }
    return try SQLiteStore(path: storePath)
  }
}

extension Serve {
  private static let pauseSeconds: Int64 = 2

  /// Brings the store to this version; waits for one that does not answer yet, as after a power cut.
  fileprivate static func migrate(_ store: any Store, _ log: Logger) async throws {
    var told = false
    while true {
      do throws(StoreError) {
        return try await Migrations.migrate(store, now: .now) {
          log.info("the store is brought to version \($0)")
        }
      } catch .unavailable(let reason) {
        if !told { log.warning("the store does not answer, and is waited for: \(reason)") }
        told = true
        try await Task.sleep(for: .seconds(pauseSeconds))
      }
    }
  }
}

/// Runs the service.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run the gateway until SIGTERM or SIGINT.")

  @OptionGroup var settings: Settings
  @Flag(help: "Check settings, store and broker's address, and end.")
  var check = false

  func run() async throws {
    let resolved = try settings.orExit()
    let sink = MessageSink(program: "motorhand-gateway")
    var log = Logger(label: "gateway") { _ in JournalLogHandler(sink) }
    log.logLevel = .info
    do {
      let options = try resolved.options()
      let seconds = try resolved.tokenSeconds()
      let store = try resolved.openStore()
      if check {
        let version = try await Migrations.version(of: store)
        guard version <= Migrations.newest else {
          throw StoreError.newer(version: version, known: Migrations.newest)
        }
        try resolved.checkFiles()
        try MotorHandGateway.say(
          "settings are well; the store has version \(version) of \(Migrations.newest)")
        return await store.close()
      }
      try await Self.migrate(store, log)
      let services = try await GatewayServices(
        store: store, secret: SecretFile.read(resolved.secretFile), tokenSeconds: seconds,
        broker: options.broker,
        replica: options.replica, log: log)
      if let token = try await services.beginSetup() {
        log.notice("there are no users: make the first with POST /auth/setup and the setup token \(token)")
      }
      let server = GatewayServer(services: services, options: options)
      try await server.run(signals: [.sigterm, .sigint]) { [log] what, port in
        log.info("\(what): listening on port \(port)")
      }
      await store.close()
      log.info("ended")
    } catch let problem as Settings.Problem {
      throw MotorHandGateway.fail(problem.description, MotorHandGateway.usage)
    } catch let error as StoreError {
      throw MotorHandGateway.fail(error.description, MotorHandGateway.storeFailed)
    } catch { throw MotorHandGateway.fail("\(error)") }
  }
}
