import CRealtime
import Glibc
import Realtime

/// Runs a program to its end and takes its standard output.
enum ChildProcess {
  struct Result {
    var output: String
    /// The exit status; 128 + n after signal n, as shells count.
    var status: Int32
  }

  /// - Throws: the errno of `posix_spawnp` (ENOENT: no such program) or of the pipe.
  static func run(_ program: String, _ arguments: [String]) throws(Errno) -> Result {
    var ends: [Int32] = [-1, -1]
    guard crealtime_pipe(&ends) == 0 else { throw .latest }
    let output = Descriptor(owning: ends[0])
    let input = Descriptor(owning: ends[1])
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    var words = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    let failure = posix_spawnp(&child, program, &actions, nil, &words, crealtime_environment())
    // The child has its own; the end of the output is seen when nobody else has one.
    _ = consume input
    guard failure == 0 else { throw Errno(rawValue: failure) }

    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(output.value, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += chunk[0..<count]
    }
    var word: Int32 = 0
    while waitpid(child, &word, 0) < 0 && errno == EINTR {}
    // WIFEXITED and WEXITSTATUS are macros Swift does not import.
    let signal = word & 0x7f
    return Result(
      output: String(decoding: bytes, as: UTF8.self), status: signal == 0 ? word >> 8 & 0xff : 128 + signal)
  }
}
