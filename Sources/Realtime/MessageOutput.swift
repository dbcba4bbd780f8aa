import Glibc
import Synchronization

/// The descriptor that a program's messages go to. Any thread.
///
/// What only reports must neither end nor hold up what it reports on: a write never waits, and a message that cannot
/// be written (descriptor closed, disk full, reader gone or not reading) is counted and otherwise forgotten. The
/// caller ignores SIGPIPE.
package final class MessageOutput: Sendable {
  private enum Way {
    /// A socket: each call may be told not to wait.
    case socket
    /// A pipe or terminal, opened anew: O_NONBLOCK belongs to the open file description, which others share.
    case reopened(Int32)
    /// Anything else: a regular file makes nobody wait for a reader. A pipe or terminal that may not be opened anew
    /// is asked before each write, and has room for `atomicBytes` then.
    case asItIs
  }

  /// PIPE_BUF of pipe(7): a pipe that polls as writable takes so many bytes at once.
  private static let atomicBytes = 4096

  private let descriptor: Int32
  private let way: Way
  private let lost = Atomic<UInt64>(0)

  /// - Parameter descriptor: stays its owner's; it may be closed or broken.
  package init(_ descriptor: Int32) {
    self.descriptor = descriptor
    var status = stat()
    // Opened anew, what is there for reading only (`StandardDescriptors`) would take messages.
    guard fstat(descriptor, &status) == 0, fcntl(descriptor, F_GETFL) & O_ACCMODE != O_RDONLY else {
      way = .asItIs
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: way = .socket
    case S_IFIFO, S_IFCHR:
      let own = open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
      way = own >= 0 ? .reopened(own) : .asItIs
    default: way = .asItIs
    }
  }

  deinit { if case .reopened(let own) = way { close(own) } }

  /// Messages that were not written, or not to their end.
  package var failures: UInt64 { lost.load(ordering: .relaxed) }

  /// Writes a message; false, and counted, when not all of it went.
  @discardableResult
  package func write(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[written...])) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        lost.wrappingAdd(1, ordering: .relaxed)
        return false
      }
      written += count
    }
    return true
  }

  private func write(_ bytes: UnsafeRawBufferPointer) -> Int {
    switch way {
    case .socket: return send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
    case .reopened(let own): return Glibc.write(own, bytes.baseAddress, bytes.count)
    case .asItIs:
      var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      let ready = poll(&room, 1, 0)
      guard ready > 0 else { return Int(ready) }
      return Glibc.write(descriptor, bytes.baseAddress, min(bytes.count, Self.atomicBytes))
    }
  }
}

/// Standard input, output and error of this process.
package enum StandardDescriptors {
  /// Opens those that the caller closed, so that no bus, database or socket gets their numbers and a message is
  /// written into it. In modes in which every use fails, as glibc does for set-user-ID programs. Called first of all.
  package static func fill() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // The lowest free number is given, which is this one.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
