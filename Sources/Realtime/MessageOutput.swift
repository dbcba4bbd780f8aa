import Glibc
import Synchronization

/// The descriptor that a program's messages go to. Any thread.
///
/// Reporting must neither end nor delay the program that reports. A write never waits. A message that cannot
/// be written (descriptor closed, disk full, reader gone or not reading) is counted and otherwise forgotten.
/// The caller ignores SIGPIPE.
package final class MessageOutput: Sendable {
  private enum Way {
    /// A socket: each call may be told not to wait.
    case socket
    /// A pipe or terminal, opened again: O_NONBLOCK belongs to the open file description, which other
    /// processes may share.
    case reopened(Int32)
    /// Anything else. A write to a regular file never waits for a reader. A pipe or terminal that may not be
    /// opened again is polled before each write, and then has room for `atomicBytes`.
    case asItIs
  }

  /// PIPE_BUF of pipe(7): a pipe that polls as writable takes this many bytes at once.
  private static let atomicBytes = 4096

  private let descriptor: Int32
  private let way: Way
  /// What `reopened` names.
  private let own: Descriptor?
  private let lost = Atomic<UInt64>(0)

  /// - Parameter descriptor: remains its owner's; it may be closed or broken.
  package init(_ descriptor: Int32) {
    self.descriptor = descriptor
    var status = stat()
    // A descriptor that is open for reading only (`StandardDescriptors`) must refuse messages. Opened again
    // for writing it would take them.
    guard fstat(descriptor, &status) == 0, fcntl(descriptor, F_GETFL) & O_ACCMODE != O_RDONLY else {
      way = .asItIs
      own = nil
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK:
      way = .socket
      own = nil
    case S_IFIFO, S_IFCHR:
      do throws(Errno) {
        let opened = try Descriptor(
          opening: "/proc/self/fd/\(descriptor)", .writeOnly, [.nonBlocking, .init(rawValue: O_NOCTTY)])
        way = .reopened(opened.value)
        own = consume opened
      } catch {
        way = .asItIs
        own = nil
      }
    default:
      way = .asItIs
      own = nil
    }
  }

  /// Messages that were not written completely.
  package var failures: UInt64 { lost.load(ordering: .relaxed) }

  /// Writes a message. Returns false, and counts it, when it was not written completely.
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
  /// Opens those that the caller closed. Otherwise a bus, database or socket would get their numbers, and a
  /// message would be written into it. They are opened in a mode in which every use fails, as glibc does for
  /// set-user-ID programs. Call this before anything else.
  package static func fill() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      // open() gives the lowest free number, which is this one.
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
