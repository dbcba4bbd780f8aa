import Glibc
import Realtime

/// The directory of a run while its recorder lives: nobody else takes the run's open segment for an abandoned
/// one. The kernel ends the claim with the process.
struct RunDirectory: ~Copyable {
  private let directory: Descriptor?

  /// Whether the directory was there to be claimed.
  var isHeld: Bool { directory != nil }

  /// No claim.
  init() { directory = nil }

  /// Claims a directory. Where that is not possible, as on some network file systems, others see no recorder.
  init(claiming path: String) {
    do throws(Errno) {
      let opened = try Descriptor(opening: path, .readOnly, .directory)
      _ = flock(opened.value, LOCK_EX | LOCK_NB)
      directory = consume opened
    } catch {
      directory = nil
    }
  }

  /// Whether a recorder, of this process too, records in a directory.
  static func isClaimed(_ path: String) -> Bool {
    guard let directory = try? Descriptor(opening: path, .readOnly, .directory) else { return false }
    return flock(directory.value, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }
}
