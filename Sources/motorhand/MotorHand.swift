import ArgumentParser
import Foundation
import Runtime

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
}

@main
struct MotorHand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "motorhand",
    abstract: "Check boards, look inside and command a running hand, read its recordings.",
    discussion: """
      Exit codes: 0 done; 1 refused or failed; 2 a file is broken or unreadable; 3 the board's rate does not \
      fit its buses or a joint has no certificate; 4 hardware is missing; 5 no daemon answers; 64 wrong arguments.
      """,
    version: motorHandVersion,
    subcommands: [
      Status.self, Watch.self, Arm.self, NullG.self, Disarm.self, PoseCommand.self, Move.self, Stop.self,
      Reset.self,
      SafeState.self, Demo.self, Check.self, Certify.self, Faults.self, Scan.self, Recover.self, Bench.self,
      Log.self,
    ])

  static func main() {
    do {
      var command = try parseAsRoot(Swift.CommandLine.arguments.dropFirst().map(protectingSign))
      try command.run()
    } catch let error as SocketError {
      complain(error)
      exit(withError: Exit.noDaemon)
    } catch {
      exit(withError: error)
    }
  }

  /// A negative number is a value, not a bundle of options: a space before it says so to the parser.
  private static func protectingSign(_ argument: String) -> String {
    Double(argument).map { $0.sign == .minus && argument != "-0" } ?? false ? " " + argument : argument
  }
}

/// Reads a number, finite and perhaps negative (`MotorHand.main`).
@Sendable func number(_ text: String) throws -> Double {
  guard let value = Double(text.drop { $0 == " " }), value.isFinite else {
    throw ValidationError("found '\(text)', expected a number")
  }
  return value
}

/// Prints a value as JSON that people can read, keys in alphabetical order.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Prints an error to standard error.
func complain(_ message: some CustomStringConvertible) {
  FileHandle.standardError.write(Data("motorhand: \(message)\n".utf8))
}
