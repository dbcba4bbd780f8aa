import Foundation
import Testing

/// A program on a terminal of its own: what it draws, the keys it gets, and how it leaves the terminal.
final class PseudoTerminal {
  /// TIOCGPTN and TIOCSPTLCK of <asm-generic/ioctls.h>, which Swift does not import.
  private static let getNumber: UInt = 0x8004_5430
  private static let setLock: UInt = 0x4004_5431

  let process = Process()
  private let master: Int32
  /// Modes of the terminal before the program had it.
  private let before: termios
  private var drawn: [UInt8] = []

  init(
    _ program: String, _ arguments: [String], columns: Int, rows: Int, environment: [String: String] = [:]
  ) throws {
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var number: UInt32 = 0
    var isLocked: Int32 = 0
    try #require(master >= 0)
    try #require(ioctl(master, Self.getNumber, &number) == 0 && ioctl(master, Self.setLock, &isLocked) == 0)
    let name = "/dev/pts/\(number)"
    let descriptor = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)
    try #require(descriptor >= 0)
    _ = fcntl(master, F_SETFL, O_NONBLOCK)
    var modes = termios()
    try #require(tcgetattr(descriptor, &modes) == 0)
    before = modes
    let terminal = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .merging(["TERM": "xterm-256color", "NO_COLOR": ""]) { $1 }.merging(environment) { $1 }
    process.standardInput = terminal
    process.standardOutput = terminal
    process.standardError = terminal
    resize(columns: columns, rows: rows)
    try process.run()
  }

  deinit {
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    close(master)
  }

  func resize(columns: Int, rows: Int) {
    var size = winsize(
      ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  func press(_ keys: String) { _ = write(master, keys, keys.utf8.count) }

  /// All that was drawn so far.
  var output: String {
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(master, &chunk, chunk.count)
      guard count > 0 else { break }
      drawn += chunk[..<count]
    }
    return String(decoding: drawn, as: UTF8.self)
  }

  /// Lines of the last frame that was drawn to its end, without colours; empty before.
  var frame: [String] {
    let frames = output.components(separatedBy: "\u{1B}[H").dropFirst().filter { $0.contains("\u{1B}[J") }
    guard let last = frames.last?.components(separatedBy: "\u{1B}[J").first else { return [] }
    return last.replacing(/\u{1B}\[[0-9;?]*[A-Za-z]|\r/.matchingSemantics(.unicodeScalar), with: "")
      .components(separatedBy: "\n")
  }

  func shows(_ condition: ([String]) -> Bool) -> Bool { waitUntil { condition(frame) } }

  /// Exit status; nil when it does not end.
  func waitForExit() -> Int32? {
    guard
      waitUntil({
        _ = output; return !process.isRunning
      })
    else { return nil }
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  /// Whether modes, screen, cursor and wrapping are as they were.
  var isRestored: Bool {
    var now = termios()
    guard tcgetattr(master, &now) == 0 else { return false }
    let ends = ["\u{1B}[?1049l", "\u{1B}[?25h", "\u{1B}[?7h"]
    return now.c_lflag == before.c_lflag && now.c_iflag == before.c_iflag && now.c_oflag == before.c_oflag
      && ends.allSatisfy { output.components(separatedBy: $0).count == 2 }
  }
}
