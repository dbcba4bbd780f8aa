import ArgumentParser
import ControlSocket
import Foundation
import HandModel
import Realtime

/// Exit codes of `motorhand` and `motorhandd`, documented in README.md.
enum Exit {
  /// The command was refused or failed.
  static let failure = ExitCode(1)
  /// A file given is broken or unreadable.
  static let brokenFile = ExitCode(2)
  /// The board's rate does not fit, or a joint has no certificate.
  static let infeasible = ExitCode(3)
  /// Hardware that the board names is missing, busy or may not be used.
  static let device = ExitCode(4)
  /// No daemon answers on the socket.
  static let noDaemon = ExitCode(5)
  /// Wrong arguments: EX_USAGE, as the parser has it.
  static let usage = ExitCode.validationFailure
}

@main
struct MotorHand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "motorhand",
    abstract: "Check boards, look inside and command a running hand, read its recordings.",
    discussion: """
      Exit codes: 0 done; 1 refused or failed; 2 a file is broken or unreadable; 3 the board's rate does not \
      fit its buses or a joint has no certificate; 4 hardware is missing; 5 no daemon answers; 64 wrong arguments.
      With --json a failure is a JSON object on standard output too, with its code and error.
      MOTORHAND_SOCKET names the daemon's control socket where --socket is not given.
      """,
    version: motorHandVersion,
    subcommands: [
      Status.self, Watch.self, Arm.self, NullG.self, Disarm.self, PoseCommand.self, Move.self, Stop.self,
      Reset.self,
      SafeState.self, Jog.self, Demo.self, Check.self, Certify.self, Faults.self, Scan.self, Recover.self,
      Bench.self, Log.self, WordListsCommand.self, Fields.self, AsyncAPI.self,
    ])

  static func main() {
    StandardDescriptors.fill()
    // A limit on the size of files is a failure to write, with words and an exit code.
    signal(SIGXFSZ, SIG_IGN)
    let arguments = Swift.CommandLine.arguments.dropFirst()
    do {
      try refuseUnknownVerb(Array(arguments), of: self)
      var command = try parseAsRoot(arguments.map(protectingSign))
      try command.run()
    } catch {
      end(error, asJSON: arguments.contains("--json"))
    }
  }

  /// Tells why the command ended, where its error has not been told, and ends with its exit code.
  private static func end(_ error: any Error, asJSON: Bool) -> Never {
    let code: ExitCode
    let reason: String
    switch error {
    case let silent as ExitCode: Foundation.exit(silent.rawValue)
    case let failure as Failure:
      (code, reason) = (failure.code, failure.description)
      complain(reason)
    case let error as SocketError:
      (code, reason) = (Exit.noDaemon, error.description)
      complain(reason)
    default:
      code = exitCode(for: error)
      // Help and version end a command by an error too.
      guard !code.isSuccess else {
        do throws(Failure) { try emit(fullMessage(for: error)) } catch { end(error, asJSON: false) }
        Foundation.exit(code.rawValue)
      }
      reason = message(for: error)
      writeError(fullMessage(for: error).printable + "\n")
    }
    if asJSON {
      let object = FailureObject(code: code.rawValue, error: reason)
      do { try printJSON(object) } catch { complain("\(error)") }
    }
    Foundation.exit(code.rawValue)
  }

  /// What a program that asked for JSON reads instead of it. `result` tells it from what became of a command,
  /// which a daemon's reply says: there it is `executed`, `refused` or `unconfirmed`.
  private struct FailureObject: Encodable {
    /// The exit code.
    var code: Int32
    var error: String
    var result = "failed"
  }

  /// The parser would call an unknown verb an unexpected argument, and take what follows for more of them.
  private static func refuseUnknownVerb(_ arguments: [String], of command: any ParsableCommand.Type) throws {
    let subcommands = command.configuration.subcommands
    guard let word = arguments.first, !subcommands.isEmpty, !word.hasPrefix("-"), word != "help" else {
      return
    }
    let names = subcommands.map { $0._commandName }
    if let index = names.firstIndex(of: word) {
      return try refuseUnknownVerb(Array(arguments.dropFirst()), of: subcommands[index])
    }
    let hint = Suggestion.nearest(to: word, among: names).map { " (did you mean \($0)?)" } ?? ""
    let verb = command == Self.self ? "" : "\(command._commandName): "
    throw Failure(
      "\(verb)found '\(word)', expected one of \(names.joined(separator: ", "))\(hint)", Exit.usage)
  }

  /// A negative number is a value, not a bundle of options: a space before it says so to the parser.
  private static func protectingSign(_ argument: String) -> String {
    Double(argument).map { $0.sign == .minus && argument != "-0" } ?? false ? " " + argument : argument
  }
}
