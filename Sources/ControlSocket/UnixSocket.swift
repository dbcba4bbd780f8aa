import Glibc
import Realtime

/// Where the daemon listens unless told otherwise: the service's runtime directory.
package let defaultSocketPath = "/run/motorhand/control.sock"

/// Why a control socket could not be used.
package enum SocketError: Error, CustomStringConvertible {
  /// The path has more than `limit` bytes, the most that a socket's address holds.
  case pathTooLong(path: String, limit: Int)
  /// Another program holds the lock of this path or listens on it.
  case alreadyRunning(path: String)
  /// Something else lies where the socket is to be; it is left alone.
  case occupied(path: String)
  /// A system call failed; `operation` is what it was for.
  case system(operation: String, path: String, Errno)
  /// The daemon closed the connection.
  case closed(path: String)
  /// The daemon did not take the connection or what was sent, or did not answer, within `seconds`.
  case timedOut(path: String, seconds: Double)

  package var description: String {
    switch self {
    case .pathTooLong(let path, let limit):
      "control socket \(path): the path has \(path.utf8.count) bytes, at most \(limit) are possible; "
        + "choose a shorter one with --socket"
    case .alreadyRunning(let path):
      "control socket \(path): another motorhandd is running on it; stop it, or give this one its own --socket"
    case .occupied(let path):
      "control socket \(path): there is something else, expected a socket or nothing; remove it, or choose "
        + "another path with --socket"
    case .system(let operation, let path, let cause):
      "control socket \(path): \(operation) failed: \(cause)"
        + Self.remedy(operation, cause)
    case .closed(let path): "control socket \(path): the daemon closed the connection"
    case .timedOut(let path, let seconds):
      "control socket \(path): no answer within \(seconds) s; motorhandd hangs or is stopped"
    }
  }

  private static func remedy(_ operation: String, _ cause: Errno) -> String {
    switch (operation, cause) {
    case ("connect", .noSuchFileOrDirectory), ("connect", .connectionRefused):
      "; is motorhandd running? (--socket names its socket)"
    case ("connect", .permissionDenied):
      "; join the group that owns it (ls -l shows it; usermod -aG GROUP USER, then log in again)"
    case (_, .noSuchFileOrDirectory), (_, .notDirectory):
      "; create its directory, or choose another path with --socket"
    case (_, .permissionDenied), (_, .readOnlyFileSystem):
      "; choose a path that this user may write with --socket"
    default: ""
    }
  }
}

/// Calls `body` with the address of a unix socket.
func withUnixAddress<Result>(
  _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) throws(SocketError) -> Result {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let limit = MemoryLayout.size(ofValue: address.sun_path) - 1
  guard path.utf8.count <= limit else { throw .pathTooLong(path: path, limit: limit) }
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  return withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
}

/// A stream socket for a path, not bound or connected yet; no program that this process starts gets it.
/// - Parameter options: further flags of its type, such as SOCK_NONBLOCK.
func makeUnixSocket(_ path: String, _ options: Int32 = 0) throws(SocketError) -> Descriptor {
  let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | options
  do throws(Errno) { return try Descriptor(result: socket(AF_UNIX, type, 0)) } catch {
    throw .system(operation: "socket", path: path, error)
  }
}

/// A client of the control socket: one JSON line out, one JSON line in.
package final class ControlClient {
  /// Time that `request` waits for an answer. A daemon answers within a tick and a look at the socket, or,
  /// when its loop stands still, within a second.
  package static let answerSeconds = 2.0
  /// Time for a daemon to take the connection and what is sent: it is due at once, unless very many connect.
  static let connectSeconds = 2

  private let path: String
  private let socket: Descriptor
  private var buffer: [UInt8] = []

  /// Connects. While the daemon has others to take first, it waits for at most `connectSeconds`.
  ///
  /// - Throws: `timedOut` after that time, `system` when nobody listens, `pathTooLong`, or `closed`.
  package init(path: String) throws(SocketError) {
    self.path = path
    socket = try makeUnixSocket(path)
    let descriptor = socket.value
    var limit = timeval(tv_sec: Self.connectSeconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let result = try withUnixAddress(path) { connect(descriptor, $0, $1) }
    guard result == 0 else { throw Self.failure("connect", path) }
  }

  private var descriptor: Int32 { socket.value }

  /// What the error number of a call that failed says.
  private static func failure(_ operation: String, _ path: String, _ reason: Errno = .latest) -> SocketError {
    switch reason {
    case .resourceTemporarilyUnavailable: .timedOut(path: path, seconds: Double(connectSeconds))
    case .connectionReset: .closed(path: path)
    default: .system(operation: operation, path: path, reason)
    }
  }

  /// Sends one line.
  ///
  /// A daemon that refused this client has said why before it closed. That is no error here: `receive` gives
  /// the answer.
  package func send(_ line: String) throws(SocketError) {
    let bytes = Array((line + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let n = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if n < 0 && errno == EINTR { continue }
      guard n > 0 else {
        let reason = Errno.latest
        if reason == .brokenPipe || reason == .connectionReset, hasAnswer { return }
        throw Self.failure("send", path, reason)
      }
      sent += n
    }
  }

  /// Whether something can be received although the other end has closed.
  private var hasAnswer: Bool {
    var byte: UInt8 = 0
    return !buffer.isEmpty || recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0
  }

  /// The next line.
  /// - Throws: `timedOut` after `seconds` without one, `closed` when the daemon has closed, or `system`.
  package func receive(seconds: Double) throws(SocketError) -> String {
    let end = MonotonicClock().now() + Int64(seconds * 1e9)
    while true {
      if let line = try receive(by: end, seconds, unlessReadable: -1) { return line }
    }
  }

  /// As `receive(seconds:)`, but nil as soon as `other` can be read or a signal comes.
  /// - Parameter other: a descriptor such as the keyboard's, or -1.
  package func receive(seconds: Double, unlessReadable other: Int32) throws(SocketError) -> String? {
    try receive(by: MonotonicClock().now() + Int64(seconds * 1e9), seconds, unlessReadable: other)
  }

  private func receive(
    by end: Int64, _ seconds: Double, unlessReadable other: Int32
  ) throws(SocketError) -> String? {
    let clock = MonotonicClock()
    while true {
      if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeFirst(end + 1)
        return line
      }
      var polled = [descriptor, other].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      let milliseconds = max((end - clock.now() + 999_999) / 1_000_000, 0)
      let ready = poll(&polled, nfds_t(polled.count), Int32(clamping: milliseconds))
      if ready < 0 && errno == EINTR || ready > 0 && polled[1].revents != 0 { return nil }
      guard ready > 0 else { throw .timedOut(path: path, seconds: seconds) }
      var chunk = [UInt8](repeating: 0, count: 65536)
      let n = recv(descriptor, &chunk, chunk.count, 0)
      if n < 0 && errno == EINTR { continue }
      if n < 0 { throw Self.failure("receive", path) }
      guard n > 0 else { throw .closed(path: path) }
      buffer += chunk[..<n]
    }
  }

  /// Sends one request and waits for its reply. Where the daemon takes no more, the reply is what it said
  /// before.
  /// - Throws: as `send` and `receive`.
  package func request(_ line: String, seconds: Double = answerSeconds) throws(SocketError) -> String {
    do throws(SocketError) { try send(line) } catch {
      do throws(SocketError) { return try receive(seconds: 0) } catch _ { throw error }
    }
    return try receive(seconds: seconds)
  }
}
