import ArgumentParser
import Foundation
import Gateway

/// Brings the store to this version.
struct Migrate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Bring the store to this program's version.")

  @OptionGroup var settings: Settings

  func run() async throws {
    let resolved = try settings.orExit()
    do throws(StoreError) {
      let store = try resolved.openStore()
      try await Migrations.migrate(store, now: .now) { try? MotorHandGateway.say("version \($0)") }
      await store.close()
    } catch { throw MotorHandGateway.fail(error.description, MotorHandGateway.storeFailed) }
    try MotorHandGateway.say("the store has version \(Migrations.newest)")
  }
}

/// Accounts from the command line.
struct UserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Make, list, enable and disable accounts.",
    subcommands: [Add.self, List.self, Enable.self, Disable.self])

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Make an account. Its password is read from standard input, or made and printed where that is a terminal."
    )

    @Argument(help: "By which the user logs in") var name: String
    @Option(help: "viewer, operator or admin") var role = "viewer"
    @Option(help: "Where the user can be written to; default NAME@localhost") var email: String?
    @Option(help: "Hands that may be reached, separated by commas; default *") var hands = "*"
    @OptionGroup var settings: Settings

    func run() async throws {
      guard let role = Role(rawValue: role) else {
        throw MotorHandGateway.fail(
          "--role: found \(role), expected viewer, operator or admin", MotorHandGateway.usage)
      }
      var made: String?
      let password: String
      if isatty(STDIN_FILENO) == 1 {
        password = Secrets.password()
        made = password
      } else {
        password = readLine() ?? ""
        guard !password.contains("\u{FFFD}") else {
          throw MotorHandGateway.fail("the password is not UTF-8", MotorHandGateway.usage)
        }
      }
      try await settings.withStore { store in
        let user: User
        do throws(Accounts.Problem) {
          user = try await Accounts(store: store, workers: PasswordWorkers()).create(
            username: name, email: email ?? "\(name)@localhost", password: password, role: role,
            hands: hands.split(separator: ",").map(String.init), by: "(command line)", now: .now)
        } catch {
          if case .store(let error) = error { throw error }
          throw MotorHandGateway.fail(error.description, MotorHandGateway.usage)
        }
        try MotorHandGateway.say(
          "\(user.username): \(user.role.rawValue)" + (made.map { ", password \($0)" } ?? ""))
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List all accounts.")

    @OptionGroup var settings: Settings

    func run() async throws {
      try await settings.withStore { store in
        for user in try await Accounts(store: store, workers: PasswordWorkers()).all() {
          let login = user.lastLogin.map { "last in \($0.text)" } ?? "never in"
          try MotorHandGateway.say(
            "\(user.username)\t\(user.role.rawValue)\t\(user.isActive ? "active" : "disabled")\t\(login)")
        }
      }
    }
  }

  struct Enable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let somebody log in again.")
    @Argument var name: String
    @OptionGroup var settings: Settings
    func run() async throws { try await set(true, name, settings) }
  }

  struct Disable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let somebody no longer log in, and end the sessions.")
    @Argument var name: String
    @OptionGroup var settings: Settings
    func run() async throws { try await set(false, name, settings) }
  }

  private static func set(_ isActive: Bool, _ name: String, _ settings: Settings) async throws {
    try await settings.withStore { store in
      try await Accounts(store: store, workers: PasswordWorkers())
        .setActive(isActive, username: name, by: "(command line)", now: .now)
    }
  }
}

/// The audit chain.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Recompute the chain of hashes over all that was done. 2: it does not fit.")

  @OptionGroup var settings: Settings

  func run() async throws {
    try await settings.withStore { store in
      if let number = try await Audit.verify(store) {
        throw MotorHandGateway.fail(
          "row \(number) of the audit does not fit the one before", MotorHandGateway.storeFailed)
      }
      try MotorHandGateway.say("the audit is whole")
    }
  }
}

/// A copy of the store.
struct Backup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a whole copy of the store while the gateway runs. Of PostgreSQL: pg_dump does it.")

  @Argument(help: "A new file") var file: String
  @OptionGroup var settings: Settings

  func run() async throws {
    try await settings.withStore { store in
      guard let store = store as? SQLiteStore else {
        throw MotorHandGateway.fail("the store is PostgreSQL: pg_dump copies it", MotorHandGateway.usage)
      }
      guard !FileManager.default.fileExists(atPath: file) else {
        throw MotorHandGateway.fail("\(file) is there already", MotorHandGateway.usage)
      }
      try await store.backUp(to: file)
      try MotorHandGateway.say("written: \(file)")
    }
  }
}

/// Whether a copy is whole.
struct VerifyBackup: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "See whether a copy is whole: its pages, its version, its audit chain and each block's hash.")

  @Argument(help: "The copy") var file: String

  func run() async throws {
    let found: String
    do throws(StoreError) { found = try await BackupCheck.verify(file) } catch {
      throw MotorHandGateway.fail("\(file): \(error.description)", MotorHandGateway.storeFailed)
    }
    try MotorHandGateway.say(found)
  }
}

/// A copy in place of the store.
struct Restore: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Take a copy as the store of an empty data directory, once it is seen to be whole.")

  @Argument(help: "The copy") var file: String
  @OptionGroup var settings: Settings

  func run() async throws {
    let resolved = try settings.orExit()
    guard resolved.postgres == nil else {
      throw MotorHandGateway.fail("the store is PostgreSQL: pg_restore does it", MotorHandGateway.usage)
    }
    // A log that was left behind would be taken for that of the copy.
    for path in ["", "-wal", "-shm", "-journal"].map({ resolved.storePath + $0 })
    where FileManager.default.fileExists(atPath: path) {
      throw MotorHandGateway.fail("\(path) is there: move it away first", MotorHandGateway.usage)
    }
    do {
      try MotorHandGateway.say(try await BackupCheck.verify(file))
      try resolved.createDirectory()
      let partial = resolved.storePath + ".partial"
      try? FileManager.default.removeItem(atPath: partial)
      try FileManager.default.copyItem(atPath: file, toPath: partial)
      try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: partial)
      try FileManager.default.moveItem(atPath: partial, toPath: resolved.storePath)
      try MotorHandGateway.say("restored: \(resolved.storePath)")
    } catch let error as StoreError {
      throw MotorHandGateway.fail("\(file): \(error.description)", MotorHandGateway.storeFailed)
    } catch let code as ExitCode { throw code } catch {
      throw MotorHandGateway.fail("\(error.localizedDescription)")
    }
  }
}

/// What is stored of a hand, for the tools of the bench.
struct Export: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write what is stored of a hand as motorhand log receive would: for motorhand log reconcile.")

  @Argument(help: "The hand's name") var hand: String
  @Argument(help: "A directory without such a file") var directory: String
  @OptionGroup var settings: Settings

  func run() async throws {
    guard !FileManager.default.fileExists(atPath: directory + "/received.sqlite") else {
      throw MotorHandGateway.fail("\(directory)/received.sqlite is there already", MotorHandGateway.usage)
    }
    try await settings.withStore { store in
      let count = try await HandExport.write(hand, of: store, into: directory) {
        MotorHandGateway.progress("\($0.blocks) blocks and \($0.events) events")
      }
      MotorHandGateway.progress(nil)
      guard count.blocks + count.events > 0 else {
        throw MotorHandGateway.fail("hand \(hand): nothing is stored of it")
      }
      try MotorHandGateway.say(
        "\(count.blocks) blocks and \(count.events) events: \(directory)/received.sqlite")
    }
  }
}
