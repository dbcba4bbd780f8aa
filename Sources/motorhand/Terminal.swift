import Foundation
import Synchronization

/// Whether Ctrl-C or SIGTERM has come; long commands end in order when it has.
enum Interrupt {
  private static let pending = Atomic<Bool>(false)
  static var isPending: Bool { pending.load(ordering: .relaxed) }

  /// Catches the signals from now on.
  static func install() {
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in Interrupt.pending.store(true, ordering: .relaxed) }
    }
  }
}

/// Draws frames in place on a terminal; prints nothing but the last one elsewhere.
struct Terminal {
  let isInteractive = isatty(STDOUT_FILENO) == 1

  func begin() {
    Interrupt.install()
    guard isInteractive else { return }
    // Alternate screen, cursor hidden: what was on the screen comes back at the end.
    print("\u{1B}[?1049h\u{1B}[?25l", terminator: "")
  }

  func show(_ frame: String) {
    guard isInteractive else { return }
    print("\u{1B}[H" + frame.replacingOccurrences(of: "\n", with: "\u{1B}[K\n") + "\u{1B}[J", terminator: "")
    fflush(nil)
  }

  func end() {
    guard isInteractive else { return }
    print("\u{1B}[?25h\u{1B}[?1049l", terminator: "")
    fflush(nil)
  }
}
