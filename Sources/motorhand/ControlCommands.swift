import ArgumentParser
import ControlSocket
import Foundation
import HandModel
import Wire

/// Where the daemon listens.
struct SocketOptions: ParsableArguments {
  /// Names the socket of a shell in which one hand is worked with. Empty it is as good as unset.
  static let variable = "MOTORHAND_SOCKET"

  @Option(
    name: .customLong("socket"),
    help: "Control socket of the daemon; default: $\(Self.variable), else \(defaultSocketPath).",
    transform: nonEmpty)
  var given: String?

  var path: String {
    if let given { return given }
    let variable = ProcessInfo.processInfo.environment[Self.variable] ?? ""
    return variable.isEmpty ? defaultSocketPath : variable
  }

  /// Throws `SocketError`, for which the program ends with `Exit.noDaemon`.
  func connect() throws(SocketError) -> ControlClient { try ControlClient(path: path) }

  /// The daemon's present state.
  func snapshot(_ client: ControlClient) throws -> HandSnapshot {
    try decodeSnapshot(try client.request(ControlServer.statusLine))
  }

  /// Sends one command and reports what became of it.
  func send(_ command: CommandLine, json: Bool) throws {
    let client = try connect()
    let reply = try tell(
      try client.request(command.json), json: json, executed: "\(command.verb): executed")
    guard reply.result == "executed" else {
      if !json { complain("\(command.verb) \(reply.result): \(reply.reason ?? "no reason given")") }
      throw Exit.failure
    }
  }

  /// Prints the daemon's reply as JSON, or `executed` where the command was.
  private func tell(_ line: String, json: Bool, executed: String) throws -> Reply {
    let reply = try JSONDecoder().decode(Reply.self, from: Data(line.utf8))
    // The exit code tells what became of the hand, whatever becomes of the words.
    do throws(Failure) {
      if json {
        try emit(line)
      } else if reply.result == "executed" {
        try emit(executed)
      }
    } catch { complain(error) }
    return reply
  }

  /// Stops the hand. The stop is on its way before anything else is done: no time of its sender is worth
  /// waiting for.
  func stop(json: Bool) throws {
    let line: String
    do throws(SocketError) {
      line = try connect().request(ControlServer.stopLine)
    } catch {
      complain("stop: outputs NOT seen off: cut the hand's supply")
      throw error
    }
    let reply = try tell(line, json: json, executed: "stop: executed, outputs seen off")
    guard reply.result == "executed" else {
      complain("stop: outputs NOT seen off: cut the hand's supply (\(reply.reason ?? reply.result))")
      throw Exit.failure
    }
  }
}

/// What the daemon answers to a command.
struct Reply: Decodable {
  var result: String
  var reason: String?
}

/// A command line of the control socket.
struct CommandLine: Encodable {
  var verb: String
  var pose: String?
  var joint: String?
  var radians: Double?
  var degrees: Double?
  var seconds: Double?
  /// Nanoseconds of the wall clock, set by `json`: nobody waits for the command any longer. A daemon that
  /// hung must not move the hand when it goes on.
  var expiry: String?

  var json: String {
    get throws {
      var dated = self
      let now = Date().timeIntervalSince1970
      dated.expiry = String(Int64((now + ControlClient.answerSeconds) * 1e9))
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      return String(decoding: try encoder.encode(dated), as: UTF8.self)
    }
  }
}

/// A snapshot as the daemon sent it. What the daemon says instead, such as that it has too many clients, ends
/// the command with 1, after `before`.
func decodeSnapshot(_ line: String, before: () -> Void = {}) throws -> HandSnapshot {
  do {
    return try JSONDecoder().decode(HandSnapshot.self, from: Data(line.utf8))
  } catch {
    guard let reply = refusal(line) else { throw error }
    before()
    throw Failure("\(reply.result): \(reply.reason ?? "no reason given")", Exit.failure)
  }
}

/// A line as a refusal, if it is one.
func refusal(_ line: String) -> Reply? {
  let reply = try? JSONDecoder().decode(Reply.self, from: Data(line.utf8))
  return reply.map { $0.result != "executed" } ?? false ? reply : nil
}

struct ReplyOptions: ParsableArguments {
  @Flag(help: "Print the daemon's reply as JSON.")
  var json = false
}

/// In what angles are shown.
struct AngleOption: ParsableArguments {
  @Flag(help: "Show angles in degrees instead of radians.") var degrees = false
}

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show the hand's present state.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var angles: AngleOption
  @Flag(help: "Print the state as JSON.") var json = false

  func run() throws {
    let line = try socket.connect().request(ControlServer.statusLine)
    if json {
      try emit(line)
      if refusal(line) != nil { throw Exit.failure }
    } else {
      let columns = Terminal.size?.columns ?? LiveView.fileColumns
      let view = LiveView(isDegrees: angles.degrees)
      try emit(view.text(try decodeSnapshot(line), columns: columns), terminator: "")
    }
  }
}

struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Follow the hand's state: on a terminal 20 times a second, else a line a second.",
    discussion: """
      On a terminal the keys are: space, e-stop at once; q, end; d and r, degrees and radians. Into a file or a pipe \
      goes a line a second, and one at once when state, fault, mode or outputs change. NO_COLOR and TERM=dumb are \
      respected.
      """)
  @OptionGroup var socket: SocketOptions
  @OptionGroup var angles: AngleOption
  @Flag(help: "Print each state as a JSON line.") var json = false
  @Option(
    help: "End after this many seconds; without it, on Ctrl-C.", transform: positive(upTo: longestSeconds))
  var seconds: Double?

  func run() throws {
    Interrupt.install()
    let client = try socket.connect()
    try client.send(ControlServer.watchLine)
    let end = seconds.map { Date().addingTimeInterval($0) }
    let isOver = { end.map { Date() >= $0 } ?? false }
    if json { return try printLines(client, until: isOver) }
    let screen = LiveScreen(socket: socket, isDegrees: angles.degrees)
    defer { screen.end() }
    while !isOver(), try screen.next(client) != nil {}
  }

  private func printLines(_ client: ControlClient, until isOver: () -> Bool) throws {
    while !isOver(), !Interrupt.isPending {
      guard let line = try client.receive(seconds: LiveView.silenceSeconds, unlessReadable: -1) else {
        continue
      }
      try printAtOnce(line)
      if refusal(line) != nil { throw Exit.failure }
    }
  }
}

struct Arm: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Switch the outputs on; the hand holds the pose it is in.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  func run() throws { try socket.send(CommandLine(verb: "arm"), json: reply.json) }
}

struct NullG: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "null-g",
    abstract: "Switch the outputs on for load compensation only: the hand can be moved by hand.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  func run() throws { try socket.send(CommandLine(verb: "null-g"), json: reply.json) }
}

struct Disarm: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Switch the outputs off; the hand goes limp.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  func run() throws { try socket.send(CommandLine(verb: "disarm"), json: reply.json) }
}

struct PoseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pose", abstract: "Move all joints to a pose of the calibration file.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  @Argument(help: "Name of the pose, for example power.", transform: nonEmpty) var name: String
  @Option(help: "Duration; without it as fast as the limits allow.", transform: duration) var seconds: Double?
  func run() throws {
    try socket.send(CommandLine(verb: "pose", pose: name, seconds: seconds), json: reply.json)
  }
}

struct Move: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Move one joint.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  @Argument(help: "Joint, for example index-proximal.", transform: nonEmpty) var joint: String
  @Argument(help: "Angle in radians, or in degrees with --degrees.", transform: number) var angle: Double
  @Flag(help: "The angle is in degrees.") var degrees = false
  @Option(help: "Duration; without it as fast as the limits allow.", transform: duration) var seconds: Double?
  func run() throws {
    // In the unit that was typed, so that the daemon's answer is in it too.
    try socket.send(
      CommandLine(
        verb: "move", joint: joint, radians: degrees ? nil : angle, degrees: degrees ? angle : nil,
        seconds: seconds), json: reply.json)
  }
}

struct Stop: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "E-stop: outputs off at once, latched.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  func run() throws { try socket.stop(json: reply.json) }
}

struct Reset: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Clear a latched fault or e-stop; does not arm.")
  @OptionGroup var socket: SocketOptions
  @OptionGroup var reply: ReplyOptions
  func run() throws { try socket.send(CommandLine(verb: "reset"), json: reply.json) }
}
