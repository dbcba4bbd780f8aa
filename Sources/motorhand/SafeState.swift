import ArgumentParser
import Devices
import HandFiles
import HandModel
import LinuxIO

struct SafeState: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "safe-state",
    abstract: "Release the drive-enable line and switch every actuator off, without the daemon.",
    discussion: """
      What the service runs after every end of the daemon, crash and SIGKILL included. May be repeated. While a \
      daemon runs it owns the lines: use motorhand stop.
      Exit codes: 0 done, or nothing to do for a simulated board; 2 the board file is broken or unreadable; \
      4 a line or chip could not be reached, all others are off: what the drive-enable line does not hold is then not \
      known to be safe.
      """)
  @Argument(help: "Board file.", transform: nonEmpty) var board = "/etc/motorhand/board.yaml"
  @Flag(
    help: """
      Wait first for what drives the board to die, or to stand still: what motorhand jog has standard input for.
      """)
  var whenSilent = false

  func run() throws {
    let board: Board
    do {
      board = try Board(yaml: try HandFiles.text(self.board), file: self.board)
    } catch {
      throw Failure("\(error)", Exit.brokenFile)
    }
    if whenSilent {
      guard let outcome = try SafeStateWatch.outcome() else { return }
      complain(outcome)
    }
    guard board.platform == .linux else {
      try emit("board \(board.name) is simulated: its outputs ended with the process")
      return
    }
    var missing: [HardwareError] = []
    let parts = OutputParts(opening: board, errors: &missing)
    let failures = makeSafe(board, parts)
    for part in missing { complain(part) }
    for failure in failures { complain(failure) }
    guard !parts.isDriven else {
      throw Failure(
        "board \(board.name): a daemon drives this hand; use motorhand stop, or end the daemon first",
        Exit.device)
    }
    guard missing.isEmpty && failures.isEmpty else {
      let isReleased =
        parts.driveEnable != nil && !failures.contains { if case .line = $0 { true } else { false } }
      throw Failure(
        "board \(board.name): drive-enable line \(isReleased ? "released" : "NOT released"); every "
          + "actuator is off but those on the parts above: switch their supply off by hand, mend the parts, then "
          + "run motorhand safe-state again", Exit.device)
    }
    try emit("board \(board.name): drive-enable line released, every actuator off")
  }
}
