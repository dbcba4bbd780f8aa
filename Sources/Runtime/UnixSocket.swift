import Glibc
import Realtime

/// Why a control socket could not be used.
package enum SocketError: Error, CustomStringConvertible {
  case pathTooLong(path: String, limit: Int)
  case alreadyRunning(path: String)
  /// Something else lies where the socket is to be; it is left alone.
  case occupied(path: String)
  case system(operation: String, path: String, errno: Int32)
  case closed(path: String)
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
    case .system(let operation, let path, let errno):
      "control socket \(path): \(operation) failed: \(String(cString: strerror(errno)))"
        + Self.remedy(operation, errno)
    case .closed(let path): "control socket \(path): the daemon closed the connection"
    case .timedOut(let path, let seconds):
      "control socket \(path): no answer within \(seconds) s; motorhandd hangs or is stopped"
    }
  }

  private static func remedy(_ operation: String, _ errno: Int32) -> String {
    switch (operation, errno) {
    case ("connect", ENOENT), ("connect", ECONNREFUSED):
      "; is motorhandd running? (--socket names its socket)"
    case ("connect", EACCES):
      "; join the group that owns it (ls -l shows it; usermod -aG GROUP USER, then log in again)"
    case (_, ENOENT), (_, ENOTDIR):
      "; create its directory, or choose another path with --socket"
    case (_, EACCES), (_, EROFS):
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

/// A client of the control socket: one JSON line out, one JSON line in.
package final class ControlClient {
  /// Time that `request` waits for an answer. A daemon answers within a tick and a look at the socket, or, when its
  /// loop stands still, within a second.
  package static let answerSeconds = 2.0
  /// Time for a daemon to take the connection and what is sent: it is due at once, unless very many connect.
  static let connectSeconds = 2

  private let path: String
  private let descriptor: Int32
  private var buffer: [UInt8] = []

  /// Connects; waits, bounded, while the daemon has others to take first. Throws `SocketError` when nobody listens.
  package init(path: String) throws(SocketError) {
    self.path = path
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .system(operation: "socket", path: path, errno: errno) }
    self.descriptor = descriptor
    var limit = timeval(tv_sec: Self.connectSeconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let result = try withUnixAddress(path) { connect(descriptor, $0, $1) }
    guard result == 0 else { throw Self.failure("connect", path) }
  }

  deinit { close(descriptor) }

  /// What the error number of a call that failed says.
  private static func failure(_ operation: String, _ path: String, _ reason: Int32 = errno) -> SocketError {
    switch reason {
    case EAGAIN: .timedOut(path: path, seconds: Double(connectSeconds))
    case ECONNRESET: .closed(path: path)
    default: .system(operation: operation, path: path, errno: reason)
    }
  }

  /// Sends one line.
  ///
  /// A daemon that refused this client said why before it closed: that answer is for `receive`, and no error.
  package func send(_ line: String) throws(SocketError) {
    let bytes = Array((line + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let n = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if n < 0 && errno == EINTR { continue }
      guard n > 0 else {
        let reason = errno
        if reason == EPIPE || reason == ECONNRESET, hasAnswer { return }
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

  /// The next line; throws after `seconds` without one, or when the daemon has closed.
  package func receive(seconds: Double) throws(SocketError) -> String {
    let end = MonotonicClock().now() + Int64(seconds * 1e9)
    while true {
      if let line = try receive(by: end, seconds, unlessReadable: -1) { return line }
    }
  }

  /// As `receive(seconds:)`; nil as soon as `other` can be read or a signal comes.
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

  /// One request, one reply. A daemon that takes no more may have said why before: that is the reply then.
  package func request(_ line: String, seconds: Double = answerSeconds) throws(SocketError) -> String {
    do throws(SocketError) { try send(line) } catch {
      do throws(SocketError) { return try receive(seconds: 0) } catch _ { throw error }
    }
    return try receive(seconds: seconds)
  }
}
