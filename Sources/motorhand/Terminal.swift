import ArgumentParser
import Foundation
import Realtime
import Synchronization

/// Whether Ctrl-C or SIGTERM has come; long commands end in order when it has.
enum Interrupt {
  private static let pending = Atomic<Bool>(false)
  static var isPending: Bool { pending.load(ordering: .relaxed) }

  /// Catches the signals from now on, also where the program that started this one has left them blocked.
  static func install(_ signals: [Int32] = [SIGINT, SIGTERM]) {
    var caught = sigset_t()
    sigemptyset(&caught)
    for number in signals {
      signal(number) { _ in Interrupt.pending.store(true, ordering: .relaxed) }
      sigaddset(&caught, number)
    }
    pthread_sigmask(SIG_UNBLOCK, &caught, nil)
  }
}

/// The terminal on standard output, taken over to draw frames on, and the keys of the one on standard input.
/// `end` gives both back as they were.
final class Terminal {
  /// -1 where no key can be read.
  private(set) var keyboard: Int32 = -1
  /// Modes of the keyboard's terminal before it was taken.
  private var before: termios?

  /// Whether frames can be drawn: standard output is a terminal that moves its cursor.
  static var isDrawable: Bool {
    isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  /// As https://no-color.org asks.
  static var isColoured: Bool { ProcessInfo.processInfo.environment["NO_COLOR"] ?? "" == "" }

  /// Size of the terminal on standard output; nil where there is none, or one that does not know.
  static var size: LiveView.Size? {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return nil
    }
    return .init(columns: Int(size.ws_col), rows: Int(size.ws_row))
  }

  /// The classic screen, for a terminal that does not know its size.
  private static let usualSize = LiveView.Size(columns: 80, rows: 24)

  init() {
    // Alternate screen, so that what was there comes back; no cursor; and lines that never wrap.
    Self.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l")
    // A background process that touched its terminal would be stopped; one without job control may.
    let foreground = tcgetpgrp(STDIN_FILENO)
    var keys = termios()
    guard isatty(STDIN_FILENO) == 1, foreground == getpgrp() || foreground < 0,
      tcgetattr(STDIN_FILENO, &keys) == 0
    else { return }
    before = keys
    // Each key at once and unseen; Ctrl-C still interrupts, but nothing leaves the terminal like this behind.
    keys.c_lflag &= ~tcflag_t(ICANON | ECHO)
    withUnsafeMutableBytes(of: &keys.c_cc) { characters in
      for index in [VMIN, VTIME, VSUSP, VQUIT] { characters[Int(index)] = 0 }
    }
    if tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0 { keyboard = STDIN_FILENO }
  }

  func end() {
    if var before { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
    before = nil
    Self.write("\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l")
  }

  /// Draws what `view` makes of the present size.
  func show(_ view: (LiveView.Size) -> [ScreenText]) {
    var size = Self.size ?? Self.usualSize
    // The last column stays free: erasing behind a full line would take its last character.
    size.columns = max(size.columns - 1, 1)
    let lines = view(size).map { $0.text(isColoured: Self.isColoured) + "\u{1B}[K" }
    // No end of line after the last one, which would scroll a full screen.
    Self.write("\u{1B}[H" + lines.joined(separator: "\r\n") + "\u{1B}[J")
  }

  /// The keys pressed since the last call, without those that send a sequence, such as arrows.
  func keys() -> [Character] {
    var pressed = pollfd(fd: keyboard, events: Int16(POLLIN), revents: 0)
    guard keyboard >= 0, poll(&pressed, 1, 0) > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(keyboard, &bytes, bytes.count)
    // Readable and nothing to read: the terminal is gone, by its end or by an error that would come again at
    // once.
    if count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN) { keyboard = -1 }
    guard count > 0 else { return [] }
    return Self.keys(in: bytes[..<count])
  }

  /// Plain keys among the bytes of a keyboard. A sequence is an escape with one byte, or with `[` or `O` and
  /// what follows up to a byte from `@` on (ECMA-48, 5.4); it holds no space, and so no stop is lost in it.
  static func keys(in bytes: ArraySlice<UInt8>) -> [Character] {
    enum Place { case plain, escape, sequence }
    var place = Place.plain
    var keys: [Character] = []
    for byte in bytes {
      switch (place, byte) {
      case (_, UInt8(ascii: " ")), (.plain, 0..<0x1B), (.plain, 0x1C...):
        keys.append(Character(UnicodeScalar(byte)))
        place = .plain
      case (_, 0x1B): place = .escape
      case (.escape, UInt8(ascii: "[")), (.escape, UInt8(ascii: "O")): place = .sequence
      case (.sequence, ..<0x40): break
      default: place = .plain
      }
    }
    return keys
  }

  private static func write(_ text: String) { try? writeAll(text, to: STDOUT_FILENO) }
}

/// Prints a line at once. A reader that has seen enough, such as head, ends the command with 0; any other
/// failure is told and ends it with 1.
func printAtOnce(_ line: String) throws {
  signal(SIGPIPE, SIG_IGN)
  do throws(Errno) { try writeAll(line + "\n", to: STDOUT_FILENO) } catch {
    guard error != .brokenPipe else { throw ExitCode.success }
    throw Failure("standard output cannot be written: \(error)", Exit.failure)
  }
}
