import Foundation
import Realtime

/// A second process that makes a board safe when this one no longer can: after SIGKILL, and when this one is
/// stopped or stands still, which no handler of its own sees. It listens for a heartbeat on a pipe.
struct SafeStateWatch: ~Copyable {
  /// Without a beat for this long the program counts as standing still: as long as the service manager gives
  /// the daemon (`WatchdogSec` of the unit). A busy machine holds a program up for a fraction of it.
  private static let silenceMilliseconds: Int32 = 2_000
  /// What the kernel may take to end a program that was killed, and to let its lines go.
  private static let endMilliseconds: Int32 = 5_000
  private static let lookMilliseconds: Int32 = 10
  private static let beatByte: UInt8 = 1
  private static let endByte: UInt8 = 2

  private let process: Process
  private let heart: FileHandle

  /// Starts the watch. Whether it lives is for the first beat to say.
  /// - Parameter board: the board file's path.
  /// - Throws: where it cannot be started.
  init(board: String) throws(Failure) {
    // A beat that nobody hears says so by its error.
    signal(SIGPIPE, SIG_IGN)
    let pipe = Pipe()
    process = Process()
    heart = pipe.fileHandleForWriting
    // A watch that was stopped reads no more: a full pipe must not hold up who beats.
    _ = fcntl(heart.fileDescriptor, F_SETFL, O_NONBLOCK)
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe")
    process.arguments = ["safe-state", "--when-silent", board]
    process.standardInput = pipe
    process.standardOutput = FileHandle.standardError
    do { try process.run() } catch {
      throw Failure(
        "the program that makes the board safe should this one die cannot start: \(error)", Exit.device)
    }
  }

  /// Says that the program runs. Never waits.
  /// - Returns: false when nobody listens any more.
  func beat() -> Bool { say(Self.beatByte) }

  /// Says that the board is safe, and waits for the watch's end.
  consuming func end() {
    guard say(Self.endByte) else { return }
    process.waitUntilExit()
  }

  private func say(_ word: UInt8) -> Bool {
    var word = word
    return write(heart.fileDescriptor, &word, 1) == 1
  }

  /// The watch's side: returns when the program at the other end of standard input can no longer make its
  /// board safe and has ended; one that only stands still is ended first.
  /// - Returns: what became of the program; nil where it has made the board safe itself.
  /// - Throws: where standard input is no pipe, and so nobody's heart.
  static func outcome() throws(Failure) -> String? {
    var input = stat()
    guard fstat(STDIN_FILENO, &input) == 0, input.st_mode & S_IFMT == S_IFIFO else {
      throw Failure("--when-silent: standard input is no pipe; leave the option out", Exit.usage)
    }
    // A closed terminal and its keys must end the program, not the watch over it.
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE] { signal(number, SIG_IGN) }
    let program = getppid()
    var words = [UInt8](repeating: 0, count: 256)
    while true {
      var heart = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      let ready = poll(&heart, 1, silenceMilliseconds)
      if ready < 0 && errno == EINTR { continue }
      guard ready != 0 else {
        let silence = "for \(silenceMilliseconds / 1000) s"
        // Its parent as long as it lives: no other process can have this number. A shell is not ended.
        guard getppid() == program && isOwnKind(program) else { return "nobody was heard \(silence)" }
        kill(program, SIGKILL)
        awaitEnd(of: program)
        return "the program that drove the board stood still \(silence) and was killed"
      }
      let count = read(STDIN_FILENO, &words, words.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        awaitEnd(of: program)
        return "the program that drove the board has died"
      }
      guard words[count - 1] != endByte else { return nil }
    }
  }

  /// Whether a process runs this program.
  private static func isOwnKind(_ process: pid_t) -> Bool {
    let links = ["self", "\(process)"].map {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/exe")
    }
    return links[0] != nil && links[0] == links[1]
  }

  /// The kernel closes what a program had open before its children get another parent.
  private static func awaitEnd(of program: pid_t) {
    var waited: Int32 = 0
    while getppid() == program && waited < endMilliseconds {
      _ = poll(nil, 0, lookMilliseconds)
      waited += lookMilliseconds
    }
  }
}
